"""Run the proof: no denial with a printed policy, and every removed action is named."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

from pipeline.core.permissions.scope import Role
from tests.crash.command_runner import CompletedCommand
from tests.policies.cases import Case, Expected
from tests.policies.world import ENVIRONMENT, Policy, World


@dataclass(frozen=True, kw_only=True, slots=True)
class CaseResult:
    """What a case showed; `problems` is empty if it held."""

    case: Case
    command: str = ""
    code: int = 0
    seconds: float = 0.0
    problems: tuple[str, ...] = ()

    @property
    def line(self) -> str:
        shown = "; ".join(self.problems) or "named"
        return f"{self.case.name}: {self.command or '-'} exit {self.code}: {shown}"


def run_case(world: World, case: Case, policy: Policy) -> CaseResult:
    """Run the commands of a case until one names the action."""
    began = time.monotonic()
    keys = world.keys(str(case.role), case.without(policy))
    before = world.everything()
    left = world.left()
    problems: list[str] = []
    for words in case.commands:
        done = world.run(world.with_image(words), keys)
        if names(done, case.action):
            problems += list(_problems(world, case, done, before, left))
            break
        if done.code not in {0, 3}:
            problems.append(f"{' '.join(words)} ended with {done.code} and did not name it")
            break
    else:
        problems.append("no command names it")
    if case.expected is Expected.LATE and case.role is Role.DEPLOY:
        world.run(("recover", "-e", ENVIRONMENT))
    return CaseResult(
        case=case,
        command=" ".join(done.words),
        code=done.code,
        seconds=time.monotonic() - began,
        problems=tuple(problems),
    )


def names(done: CompletedCommand, action: str) -> bool:
    """Return True if the output of a command names an action."""
    return action.lower() in f"{done.out}\n{done.err}".lower()


def _problems(
    world: World,
    case: Case,
    done: CompletedCommand,
    before: dict[str, object],
    left: dict[str, list[str]],
) -> Iterator[str]:
    if case.expected is Expected.NOTICE and done.code != 0:
        yield f"ends with {done.code}, although the action is optional"
    if case.expected is Expected.REFUSED and done.code == 0:
        yield "continues without the action"
    if case.expected is not Expected.LATE or case.role is not Role.DEPLOY:
        after = world.everything()
        yield from (
            f"changed: {key}" for key in before if key != "tags" and before[key] != after[key]
        )
    for kind, ids in world.left().items():
        for each in {*ids} - {*left[kind]}:
            if each not in done.out + done.err:
                yield f"left {kind} {each} and does not name it"
