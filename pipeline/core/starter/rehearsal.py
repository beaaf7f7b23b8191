"""List the steps of a rehearsal: the first bake and promotion, on the local cloud.

Each step is a line of a shell, and that line is what runs: a person can type the same.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pipeline.core import commands

CONFIGURATION = "pipeline.rehearsal.toml"
FOLDER = ".ami-pipeline/rehearsal"
STACK = f"{FOLDER}/stack"
HOME = "AMI_PIPELINE_LOCAL_CLOUD_HOME"
SPEED = 20
VERSION = "0.1.0"
LONGEST_NAME = 30
"""A second target group has two characters more, and a name has 32 at most."""
_KEPT = ("app", "region", "bake")
_LEFT_OUT = ("tfvars", "dotenv", "regions")
"""Keys of [bake] that write files for others, or copy the image to other regions."""


EVERYTHING = ""
APPLIED = "Creation complete|Apply complete"
INITIALIZED = "successfully initialized"


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """A line for a shell; `shown` is the pattern of the lines of its output that a person sees.

    `sets` is True if it changes the environment of the next lines; its output is not shown.
    """

    line: str
    shown: str = EVERYTHING
    sets: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """What a rehearsal needs to know; `init` is the argument of `packer init`, or empty."""

    app: str
    environment: str
    port: int
    path: str
    api_port: int
    program: str
    packer_init: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Done:
    """A step that has ended, with its duration."""

    name: str
    seconds: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Rehearsal:
    """A rehearsal that ended: the answer of the service, and commands if the cloud still runs."""

    url: str
    answer: str
    steps: tuple[Done, ...]
    kept: tuple[str, ...] = ()


def home() -> Step:
    """Return the step that gives the rehearsal a local cloud of its own."""
    return Step(line=f'export {HOME}="$PWD/{FOLDER}/cloud"', sets=True)


def up(plan: Plan) -> Step:
    """Return the step that starts the local cloud."""
    words = ("local-cloud", "up", "--speed", str(SPEED), "--port", str(plan.api_port))
    return Step(line=commands.ami_pipeline(*words))


def point() -> Step:
    """Return the step that points AWS's clients, Packer and Terraform at the local cloud."""
    line = f'eval "$({commands.ami_pipeline("local-cloud", "env")})"'
    return Step(line=line, sets=True)


def down() -> Step:
    """Return the step that stops the local cloud and removes everything that it made."""
    return Step(line=commands.ami_pipeline("local-cloud", "down"))


def kept_commands() -> tuple[str, ...]:
    """Return the commands that use the local cloud of a rehearsal, and that stop it."""
    status = commands.ami_pipeline("--config", CONFIGURATION, "status")
    return (home().line, point().line, status, down().line)


def network(plan: Plan) -> tuple[Step, ...]:
    """Return the steps that create the network and a load balancer."""
    run = f"{plan.program} -chdir={STACK}"
    name = f"{plan.app}-rehearsal"[:LONGEST_NAME].rstrip("-")
    apply = "apply -auto-approve -input=false -no-color"
    inputs = f"-var name={name} -var nat=none"
    printed = f"{run} output -raw pipeline_toml | sed s/NAME/{plan.environment}/"
    return (
        Step(line=f"{run} init -input=false -no-color", shown=INITIALIZED),
        Step(line=f"{run} {apply} {inputs}", shown=APPLIED),
        Step(line=f"{printed} >> {CONFIGURATION}"),
    )


def deployment(plan: Plan) -> tuple[Step, ...]:
    """Return the steps from the template to a release that serves."""
    program = ("--config", CONFIGURATION)
    plugins = [Step(line=commands.shell("packer", "init", plan.packer_init))]
    bake = commands.ami_pipeline(*program, "bake", "--version", VERSION)
    promote = commands.ami_pipeline(*program, "promote", "-e", plan.environment, "--yes")
    return (
        *(plugins if plan.packer_init else []),
        Step(line=bake),
        Step(line=promote),
    )


def request(url: str, path: str) -> Step:
    """Return the step that requests the service through its load balancer."""
    return Step(line=f"curl -fsS {shlex.quote(url + path)}")


def configuration(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a rehearsal keeps of pipeline.toml: what is baked, not where it runs."""
    kept = {key: document[key] for key in _KEPT if key in document}
    bake = {key: value for key, value in kept.get("bake", {}).items() if key not in _LEFT_OUT}
    # Without this, the bake would replace the file that names the image on AWS.
    bake["tfvars"] = f"{FOLDER}/ami.auto.tfvars.json"
    named = document.get("terraform", {}).get("program")
    program = {"terraform": {"program": named}} if named else {}
    state = {"url": f"{FOLDER}/state"}
    return {**kept, "bake": bake, **program, "state": state}
