"""Execute one crash run: kill a command, check the invariants, and fix everything with one command.

The invariants are in `invariants`.
"""

from __future__ import annotations

import os
import signal
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.crash import invariants, pairs
from tests.crash.boundaries import STOP, STORM, Injection
from tests.crash.case import KILLED, Case, CaseResult
from tests.crash.record import RunRecord
from tests.crash.strategies import OVERLAP, STRATEGIES, Strategy, parts

if TYPE_CHECKING:
    from tests.crash.command_runner import CompletedCommand
    from tests.crash.environment import CrashEnvironment

LEASE = 61.0
"""Real seconds after which a lease expires that is not renewed."""
PAUSE_BEFORE = "--pause-before"


@dataclass(kw_only=True)
class CaseRunner:
    """Runs cases in one environment that has a release in service."""

    environment: CrashEnvironment
    _strategy: Strategy = field(default=OVERLAP, init=False)

    # --- preparation ------------------------------------------------------------------------------

    def settle(self) -> None:
        """Bring the environment to one release in service and no deployment in flight."""
        environment = self.environment
        environment.mark_images_good()
        if not environment.content():
            self._configure(keep_previous="none")
        content = environment.content()
        if not content or not content["serving"]:
            self._run_successfully(
                "promote", "--yes", "--allow-quarantined", "--image", environment.images[0]
            )
        elif content["deployment"] or invariants.pending(content):
            self._run_successfully("abort" if pairs.is_paused(content) else "recover")

    def prepare(self, scenario: str) -> tuple[str, ...]:
        """Prepare the start of a scenario; return its command."""
        verb, strategy = parts(scenario)
        self._strategy = STRATEGIES[strategy]
        self.settle()
        environment = self.environment
        content = environment.content()
        warm = [name for name in content["releases"] if name != content["serving"]]
        if verb in {"rollback-warm", "remove"}:
            self._configure(keep_previous="next")
            if not warm:
                self._run_successfully(*self.promotion())
            environment.mark_images_good()
            if verb == "rollback-warm":
                return ("rollback", "--yes")
            self._run_successfully("rollback", "--yes")
            assert invariants.pending(environment.content())
            return ("recover",)
        self._configure(keep_previous="none")
        if verb == "rollback-cold":
            return ("rollback", "--yes", "--allow-quarantined", "--to", self.image())
        if verb == "recover":
            half_way = self._strategy.killed_at(self.kind)
            killed = environment.run(*self.promotion(), injection=half_way)
            assert killed.code == KILLED, killed.err
            return ("recover",)
        pausing = (PAUSE_BEFORE, self._strategy.before)
        if verb in {"resume", "abort"}:
            paused = environment.run(*self.promotion(*pausing))
            assert paused.code == invariants.PAUSED, paused.err
            assert self._pause() == []
            return (verb,)
        return self.promotion(*(pausing if verb == "pause" else ()))

    @property
    def kind(self) -> str:
        """The kind of the load balancer, or the first of several."""
        return self.environment.site.balancers[0].kind

    def _configure(self, **promote: object) -> None:
        self.environment.configure(**self._strategy.promote, **promote)

    def _pause(self) -> list[str]:
        """Return the violations of a deployment that has paused."""
        return pairs.paused(self.environment.observe(), self._strategy.share)

    def promotion(self, *options: str, than: str = "") -> tuple[str, ...]:
        """Return the command that promotes an image which does not serve."""
        return ("promote", "--yes", "--allow-quarantined", *options, "--image", self.image(than))

    def image(self, than: str = "") -> str:
        """Return an image that does not serve and is not `than`."""
        content = self.environment.content()
        serving = content["releases"][content["serving"]]["release"]["ami_id"]
        return next(each for each in self.environment.images if each not in {serving, than})

    def _run_successfully(self, *words: str) -> None:
        result = self.environment.run(*words)
        if result.code != 0:
            raise AssertionError(
                f"{' '.join(words)} ended with {result.code}:\n{result.err[-3000:]}"
            )

    def record_scenario(self, scenario: str) -> list[str]:
        """Run a scenario cleanly; return every moment it passes."""
        words = self.prepare(scenario)
        result = self.environment.run(*words, record=True)
        pauses = parts(scenario)[0] == "pause"
        assert result.code == (invariants.PAUSED if pauses else 0), result.err
        return self.environment.passed()

    # --- the run ----------------------------------------------------------------------------------

    def run(self, case: Case) -> CaseResult:
        """Run one case."""
        words = self.prepare(case.scenario)
        record = RunRecord.start(self.environment)
        if case.injection.moment == STOP:
            self._suspend(record, case.injection, words)
        else:
            self._inject(record, case.injection, words)
            fix = self._fix_command(case.fix, words)
            if case.second:
                self._inject_again(record, case.second, fix)
                fix = self._fix_command(case.fix, words)
            if case.fresh:
                self.environment.forget_machine()
            self._fix_with(record, fix)
            self._recover_again(record)
        return record.finish(case.name)

    def _inject(self, record: RunRecord, injection: Injection, words: tuple[str, ...]) -> None:
        """Run a command with an injected kill or fault; check the state that it leaves."""
        environment = self.environment
        with environment.storm(injection):
            killed = environment.run(*words, injection=injection)
        when_killed = environment.observe()
        record.judge("when it was killed", invariants.when_killed(record.before, when_killed))
        if not record.count(killed):
            record.judge(
                "when it ended", invariants.survived(words, killed, record.before, when_killed)
            )
        if killed.code == invariants.PAUSED:
            record.judge("when it paused", self._pause())
        record.faulted = int(self._is_faulted(injection))
        record.orphans = len(invariants.orphans(when_killed))

    def _is_faulted(self, injection: Injection) -> bool:
        """Return True if the fault reached its boundary."""
        if injection.kills:
            return False
        return (
            injection.moment == STORM or f"{injection.boundary}:before" in self.environment.passed()
        )

    def _inject_again(self, record: RunRecord, injection: Injection, fix: tuple[str, ...]) -> None:
        record.count(self.environment.run(*fix, injection=injection))
        record.judge(
            "when it was killed again",
            invariants.when_killed(record.before, self.environment.observe()),
        )

    def _fix_with(self, record: RunRecord, fix: tuple[str, ...]) -> None:
        """Run the fixing command, and check the state that it leaves."""
        content = self.environment.content()
        in_flight = content["deployment"] is not None or bool(invariants.pending(content))
        fixed = record.run_fix(*fix)
        after = self.environment.settled()
        record.judge(
            f"fixed by {fix[0]}",
            invariants.finish(fix, fixed, record.before, after, in_flight=in_flight),
        )
        record.judge("fixed", self.environment.leftovers(after, idle=invariants.is_idle(fixed)))

    def _recover_again(self, record: RunRecord) -> None:
        """Check that `recover` finds nothing to do and changes nothing.

        If the fixing command left a removal, one more command does it.
        """
        if invariants.pending(self.environment.content()):
            self._fix_with(record, ("recover",))
        again = self.environment.run("recover", record=True)
        changed = [each for each in self.environment.passed() if "start" not in each]
        if again.code != invariants.REFUSED or changed:
            record.found.append(f"a second recover ended with {again.code}, changed {changed}")

    def _fix_command(self, fix: str, words: tuple[str, ...]) -> tuple[str, ...]:
        """Return the command of this name; only two end a pause, and one of them fits the name."""
        if pairs.is_paused(self.environment.content()):
            return ("abort",) if fix in {"recover", "rollback"} else ("resume",)
        target = words[-1] if words[0] == "promote" else ""
        pausing = {PAUSE_BEFORE, self._strategy.before}
        again = tuple(each for each in words if each not in pausing)
        return {
            "recover": ("recover",),
            "again": ("recover",) if words[0] in {"resume", "abort"} else again,
            "rollback": ("rollback", "--yes"),
            "other": self.promotion(than=target),
            "rebuild": ("rebuild", "--version", "3.0.0"),
        }[fix]

    # --- a suspended process ----------------------------------------------------------------------

    def _suspend(self, record: RunRecord, injection: Injection, words: tuple[str, ...]) -> None:
        """Suspend a command until its lease expires, run another, then continue the first."""
        environment, summary = self.environment, " ".join(words)
        running = environment.begin(*words)
        if not environment.reaches(injection.boundary):
            record.found.append(f"{summary} never reached {injection.boundary}")
        os.kill(running.pid, signal.SIGSTOP)
        try:
            time.sleep(LEASE)
            fixed = record.run_fix("recover", beside=True)
            after = environment.settled()
        finally:
            os.kill(running.pid, signal.SIGCONT)
        record.faulted = 1
        record.judge(
            "fixed",
            invariants.finish(("recover",), fixed, record.before, after, in_flight=True),
        )
        self._judge_continued(record, summary, running.finish())

    def _judge_continued(self, record: RunRecord, summary: str, late: CompletedCommand) -> None:
        """Check a command that continued after another one had fixed its deployment."""
        record.output.append(late.err[-3000:])
        if late.code not in {invariants.LOST, invariants.NEEDS_ATTENTION}:
            record.found.append(f"{summary} continued and ended with {late.code}")
        snapshot = self.environment.settled()
        record.judge("continued", invariants.declared(snapshot, idle=False))
        record.judge("continued", self.environment.leftovers(snapshot, idle=True))
