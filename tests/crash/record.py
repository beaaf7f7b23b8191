"""Collect the observations of a crash run while it runs: violations and lost requests.

This is separate from `run`, which executes the steps of a case.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.crash import invariants
from tests.crash.case import KILLED, CaseResult
from tests.crash.pairs import Shift, answered

if TYPE_CHECKING:
    from tests.crash.command_runner import CompletedCommand
    from tests.crash.environment import CrashEnvironment
    from tests.crash.snapshot import Snapshot


FRESH = 0.1
"""Real seconds after which a read shows what had happened: 10 of the sped-up cloud take less."""


@dataclass(kw_only=True)
class RunRecord:
    """One run in progress; `before` is the snapshot at its start."""

    environment: CrashEnvironment
    before: Snapshot
    lost: tuple[int, int]
    found: list[str] = field(default_factory=list)
    output: list[str] = field(default_factory=list)
    killed: int = 0
    faulted: int = 0
    orphans: int = 0
    seconds: float = 0.0
    began: float = field(default_factory=time.time)
    started: float = field(default_factory=time.monotonic)

    @classmethod
    def start(cls, environment: CrashEnvironment) -> RunRecord:
        environment.clear_timeline()
        time.sleep(
            FRESH
        )  # a read may be older than its call, and must not be older than the events
        return cls(environment=environment, before=environment.observe(), lost=environment.count())

    def judge(self, when: str, violations: list[str]) -> None:
        """Add violations."""
        self.found += [f"{when}: {each}" for each in violations]

    def count(self, result: CompletedCommand) -> bool:
        """Count a command that was to be killed; return whether it was."""
        self.output.append(result.err[-3000:])
        self.killed += result.code == KILLED
        return result.code == KILLED

    def run_fix(self, *words: str, beside: bool = False) -> CompletedCommand:
        """Run the fixing command and time it, `beside` a suspended one if asked for."""
        began = time.monotonic()
        result = self.environment.run_beside(*words) if beside else self.environment.run(*words)
        self.seconds = time.monotonic() - began
        self.output.append(result.err[-3000:])
        return result

    def _judge_changes(self) -> None:
        """Check the health and the weights at every moment, and who answered."""
        before, changes = self.before, self.environment.changes()
        self.judge("meanwhile", invariants.never_less(before.healthy, changes, before.weights))
        if not before.weights:
            return
        homes: dict[str, set[str]] = {}
        joined = [(one, pool) for pool, members in before.registered.items() for one in members]
        joined += [(each[1], each[0]) for each in changes if not isinstance(each, Shift)]
        for member, pool in joined:
            homes.setdefault(member, set()).add(pool)
        shifts = [each for each in changes if isinstance(each, Shift)]
        results = [each for each in self.environment.results() if each.at > self.started]
        self.judge("meanwhile", answered(results, before.weights, shifts, homes))

    def finish(self, name: str) -> CaseResult:
        """Check what was recorded during the run, and return the result."""
        environment = self.environment
        self._judge_changes()
        self.judge("meanwhile", invariants.one_writer_each(environment.leases()))
        if secrets := environment.secrets(self.began):
            self.found.append(f"the secret is in {secrets}")
        sent, failed = (
            after - then for after, then in zip(environment.count(), self.lost, strict=True)
        )
        if failed:
            self.found.append(f"{failed} requests failed: {environment.failures(failed)}")
        return CaseResult(
            name=name,
            killed=self.killed,
            faulted=self.faulted,
            violations=tuple(self.found),
            requests=sent,
            failed=failed,
            orphans=self.orphans,
            seconds=self.seconds,
            output="\n---\n".join(self.output) if self.found else "",
        )
