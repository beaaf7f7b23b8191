"""Show what `init` wrote, and the commands that follow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pipeline.core import commands
from pipeline.core.starter.answers import Answers, Ci
from pipeline.core.starter.files import Comparison

STACK = "terraform/stack"
FIRST_VERSION = "0.1.0"


@dataclass(frozen=True, kw_only=True, slots=True)
class InitResult:
    """What `init` did; `git` is True if versions come from git."""

    answers: Answers
    written: Comparison
    git: bool


def document(result: InitResult) -> dict[str, Any]:
    """Return the result for `--output json`."""
    return {
        "written": [file.path for file in result.written.new],
        "extended": list(result.written.extended),
        "unchanged": [file.path for file in result.written.same],
        "next": next_commands(result),
    }


def text(result: InitResult) -> str:
    """Return the result and the next commands."""
    lines = [written_text(result), "", "Next:"]
    for command in next_commands(result):
        if command == commands.config_check() and needs_network(result.answers):
            where = f"[environments.{result.answers.environment}.terraform.inputs]"
            lines.append(f"  fill in {where} in pipeline.toml")
        lines.append(f"  {command}")
    lines += [*_roles(result.answers), "", "To try all of this without an AWS account first:"]
    lines += [f"  {commands.ami_pipeline('init', '--rehearse')}"]
    return "\n".join(lines)


def written_text(result: InitResult) -> str:
    """Return which files were written, one line for each."""
    written = result.written
    if not written.new and not written.extended:
        return "Nothing to write: every file is there already."
    count = len(written.new)
    lines = [f"Wrote {count} {'file' if count == 1 else 'files'}:"]
    lines += [f"  {file.path}" for file in written.new]
    lines += [f"Added the lines that were missing to {path}." for path in written.extended]
    if written.same:
        lines += [f"Already there, with the same text: {len(written.same)}"]
    return "\n".join(lines)


def next_commands(result: InitResult) -> list[str]:
    """Return the commands up to the first promotion, in their order."""
    answers = result.answers
    found = [] if answers.build.template else [commands.shell("packer", "init", "packer/init")]
    if answers.stack:
        found += stack_commands(answers.program or "terraform", answers.environment)
    version = "" if result.git else FIRST_VERSION
    found += [commands.config_check(), commands.bake(version=version)]
    return [*found, commands.promote(answers.environment)]


def needs_network(answers: Answers) -> bool:
    """Return True if a person has to write the network into pipeline.toml."""
    return not answers.stack and not answers.network.subnets


def stack_commands(program: str, environment: str) -> list[str]:
    """Return the commands that create the network and add it to pipeline.toml."""
    run = f"{program} -chdir={STACK}"
    only_inputs = f"sed '1,/^$/d; s/NAME/{environment}/'"
    return [
        f"{run} init",
        f"{run} apply",
        f"{run} output -raw pipeline_toml | {only_inputs} >> pipeline.toml",
    ]


def _roles(answers: Answers) -> list[str]:
    if answers.ci is Ci.NONE:
        return []
    roles = ", ".join(f"{answers.app}-{name}" for name in ("plan", "bake", "deploy", "nightly"))
    return ["", f"The CI files assume the roles {roles}:", f"  {commands.docs('ci')}"]
