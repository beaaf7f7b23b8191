"""The demo with `--kill PHASE`: a promotion is killed in a phase, and one command continues it.

The demo reads that command from `status`, as an operator does.
"""

from __future__ import annotations

import json
from typing import Any

from pipeline.core.deploy.phases import promotion
from tools.demo import project, story
from tools.demo.shell import say
from tools.demo.steps import DemoError
from tools.demo.story import PROMOTE, Demo

PHASES = tuple(phase.name for phase in promotion("blue", "green"))
EVERY = "every"
STATUS = "ami-pipeline status -e staging"
DOCUMENT = ".ami-pipeline/environments/staging.json"
KILLED = -9


def run(demo: Demo, phase: str) -> None:
    """Run the demo for one phase, or for every phase; raise DemoError like `story.run`."""
    story.cloud(demo)
    story.stack(demo)
    story.first_release(demo)
    demo.bake("2.0.0", project.GREETING)
    for number, name in enumerate(PHASES if phase == EVERY else (phase,)):
        if number:
            prepare_again(demo)
        kill_promotion(demo, name)
        recover(demo, name)
    story.show_result(demo)


def prepare_again(demo: Demo) -> None:
    """Roll back if the last promotion was completed, so that the image can be promoted again."""
    if serving(demo) == "2.0.0":
        say("2.0.0 serves now. Roll back to 1.0.0, so that it can be promoted again.")
        demo.release("rollback", "ami-pipeline rollback -e staging --yes", "1.0.0")


def kill_promotion(demo: Demo, phase: str) -> None:
    """Promote, and kill the command with SIGKILL once it is in a phase."""
    say(f"Kill the next promotion with SIGKILL as soon as it is in phase {phase}.")
    with demo.record.step(f"promote, killed in {phase}") as step:
        baked = json.loads((demo.shell.folder / "ami.auto.tfvars.json").read_bytes())
        command = f"{PROMOTE} --allow-quarantined --image {baked['ami_id']}"
        found = demo.shell.kill(command, lambda: in_phase(demo) == phase)
        demo.require(command, found, KILLED)
        step.outcome = "killed"


def recover(demo: Demo, phase: str) -> None:
    """Read `status`, run the command that it shows, and check which version serves."""
    say("Read status, and run the command that it shows.")
    demo.command("status", STATUS)
    status = json.loads(demo.shell.read(f"ami-pipeline --output json {STATUS.partition(' ')[2]}"))
    command = str(status["next"])
    if not command.startswith("ami-pipeline "):
        raise DemoError(f"status shows no command: {command!r}")
    with demo.record.step(f"{command.split()[1]}, after {phase}") as step:
        demo.require(command, demo.shell.run(command), 0)
        version = serving(demo)
        demo.require_serving(version)
        step.outcome = f"exit 0, {version} serves"


def in_phase(demo: Demo) -> str:
    """Return the phase of the deployment in flight, according to the document."""
    deployment = document(demo)["deployment"] or {}
    return str(deployment.get("phase", ""))


def serving(demo: Demo) -> str:
    """Return the version that serves according to the document."""
    content = document(demo)
    return str(content["releases"][content["serving"]]["version"])


def document(demo: Demo) -> Any:
    """Return the content of the environment's document."""
    return json.loads((demo.shell.folder / DOCUMENT).read_bytes())["content"]
