"""The other story, `--kill PHASE`: a promotion dies in a phase, and one command goes on from there.

Which command is not known here: `status` says it, as it does to whoever is called at night.
"""

from __future__ import annotations

import json
from typing import Any

from pipeline.core.deploy.phases import promotion
from tools.demo import project, story
from tools.demo.shell import say
from tools.demo.steps import OtherwiseError
from tools.demo.story import PROMOTE, Stage

PHASES = tuple(phase.name for phase in promotion("blue", "green"))
EVERY = "every"
STATUS = "ami-pipeline status -e staging"
DOCUMENT = ".ami-pipeline/environments/staging.json"
KILLED = -9


def tell(stage: Stage, phase: str) -> None:
    """Tell it of one phase, or of every one in turn; raises OtherwiseError like `story.tell`."""
    story.cloud(stage)
    story.stack(stage)
    story.first_release(stage)
    stage.bake("2.0.0", project.GREETING)
    for number, name in enumerate(PHASES if phase == EVERY else (phase,)):
        if number:
            again(stage)
        die(stage, name)
        go_on(stage, name)
    story.look(stage)


def again(stage: Stage) -> None:
    """Have something to promote again, where the last promotion came to its end."""
    if serving(stage) == "2.0.0":
        say("2.0.0 serves by now. Back to 1.0.0, so that there is something to promote again.")
        stage.release("rollback", "ami-pipeline rollback -e staging --yes", "1.0.0")


def die(stage: Stage, phase: str) -> None:
    """Promote, and kill it with -9 once it is in a phase."""
    say(f"The next promotion is killed with -9 as soon as it is in its phase {phase}.")
    with stage.record.step(f"promote, killed in {phase}") as step:
        baked = json.loads((stage.shell.folder / "ami.auto.tfvars.json").read_bytes())
        command = f"{PROMOTE} --allow-quarantined --image {baked['ami_id']}"
        found = stage.shell.kill(command, lambda: in_phase(stage) == phase)
        stage.require(command, found, KILLED)
        step.outcome = "killed"


def go_on(stage: Stage, phase: str) -> None:
    """Read `status`, type what it says, and see who serves."""
    say("Whoever is called at night reads status, and types what it says.")
    stage.command("status", STATUS)
    now = json.loads(stage.shell.read(f"ami-pipeline --output json {STATUS.partition(' ')[2]}"))
    command = str(now["next"])
    if not command.startswith("ami-pipeline "):
        raise OtherwiseError(f"status says no command: {command!r}")
    with stage.record.step(f"{command.split()[1]}, after {phase}") as step:
        stage.require(command, stage.shell.run(command), 0)
        version = serving(stage)
        stage.require_serving(version)
        step.outcome = f"exit 0, {version} serves"


def in_phase(stage: Stage) -> str:
    """Return the phase that the document says is under way."""
    deployment = document(stage)["deployment"] or {}
    return str(deployment.get("phase", ""))


def serving(stage: Stage) -> str:
    """Return the version that serves by the document."""
    content = document(stage)
    return str(content["releases"][content["serving"]]["version"])


def document(stage: Stage) -> Any:
    """Return what the store says of the environment."""
    return json.loads((stage.shell.folder / DOCUMENT).read_bytes())["content"]
