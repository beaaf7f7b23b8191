"""Environments in which a run died, and what must be true of them after `recover`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from pipeline.core.errors import FailedError
from pipeline.core.state.deployment import Deployment, Result
from tests.core.deploy.fakes import BLUE, GREEN, FakeCloud, Group, begin, cloud

ONE, TWO = "web-staging-r000001", "web-staging-r000002"


class KilledError(BaseException):
    """A SIGKILL: no code of the run executes after it."""


def interrupted_in(
    phase: str,
    *,
    blue: bool = True,
    green: bool = False,
    decided: bool = False,
    keep: float | None = 0.0,
    **changes: object,
) -> FakeCloud:
    """Return an environment whose promotion died in a phase; `decided`: green was recorded."""
    fake = cloud()
    begin(fake)
    fake.add(2, attached=False)
    if not blue:
        _detach_long_ago(fake.groups[ONE])
    if green:
        fake._attach(fake.groups[TWO])
    document = fake.document
    dead = document.deployment
    assert dead is not None
    kept = replace(document.releases[GREEN], made=True)
    dead = replace(dead, phase=phase, **changes)  # type: ignore[arg-type]
    document = replace(document.with_release(kept), deployment=dead)
    if decided:
        document = document.promoted(dead, keep=keep, today=fake.today())
    fake.document = document
    fake.has_served = blue or green
    return fake


def _detach_long_ago(group: Group) -> None:
    group.attached.clear()
    for member in group.members:
        member.attached.clear()


def result_of(done: Deployment) -> Result:
    assert done.outcome
    return done.outcome.result


def is_put_back(fake: FakeCloud, done: Deployment) -> None:
    assert result_of(done) is Result.ROLLED_BACK, done.outcome
    assert fake.serving == fake.existing == fake.state == {BLUE}
    assert (fake.document.serving, set(fake.document.releases)) == (BLUE, {BLUE})
    assert fake.document.deployment is None
    assert fake.outages == []


def is_done(fake: FakeCloud, done: Deployment) -> None:
    assert result_of(done) is Result.PROMOTED, done.outcome
    assert fake.serving == fake.existing == fake.state == {GREEN}
    assert (fake.document.serving, set(fake.document.releases)) == (GREEN, {GREEN})
    assert fake.document.deployment is None
    assert fake.outages == []


def killing_at(number: int, when: str) -> Callable[[int, str], None]:
    def kill(at: int, name: str) -> None:
        if at == number and name.endswith("!") is (when == "after"):
            raise KilledError

    return kill


def killed(
    fake: FakeCloud, run: Callable[[FakeCloud], object], when: str
) -> list[tuple[int, FakeCloud]]:
    """Return the number of each call of a run, and the environment that a kill at it leaves.

    One run shows them all: a process that was killed leaves nothing but its environment.
    """
    left: list[tuple[int, FakeCloud]] = []

    def keep(at: int, name: str) -> None:
        if name.endswith("!") is (when == "after"):
            left.append((at, fake.copied()))

    fake.fail = keep
    run(fake)
    return left


def ends_of_waits(calls: Sequence[str]) -> list[int]:
    """Return the numbers of the calls without those in the middle of a wait.

    A wait reads and sleeps in turn: a run that ends there for the third time shows nothing new.
    """
    waits = [name in {"observe", "sleep"} for name in calls]
    return [
        number
        for number in range(1, len(calls) + 1)
        if not all(waits[max(number - 3, 0) : number + 2])
    ]


def failing(at: int, kind: str) -> Callable[[int, str], None]:
    """Return a function that makes one call fail before or after its effect, or by a signal."""

    def fail(number: int, name: str) -> None:
        if number != at or name.endswith("!") is (kind != "after"):
            return
        if kind == "signal":
            raise KeyboardInterrupt
        raise FailedError(name, f"{kind} {name}", "wait")

    return fail
