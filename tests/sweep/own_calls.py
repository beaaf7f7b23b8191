"""Sweep the calls of the program itself, in `promote` and in `rollback`, under load.

Terraform is the stand-in: its own calls fail with the real one (`tool_calls`).
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.crash import pairs
from tests.crash.record import RunRecord
from tests.crash.run import CaseRunner
from tests.sweep.case import AGENTS, EXPECTED, FLIP, FLIP_BACK, ROLLBACK, SweepCase, SweepResult

if TYPE_CHECKING:
    from tests.crash.command_runner import CompletedCommand
    from tests.crash.environment import CrashEnvironment

KIND, STORE = "classic+application", "s3"
"""Both kinds of load balancer and the store in S3: with them every action is called."""
KINDS = {FLIP: "pair+pair-rule", FLIP_BACK: "pair+pair-rule"}
"""Scenarios behind other load balancers: a pair of a listener and one of a rule."""
ARMED = {FLIP: "attach"}
"""The phase from which on a fault strikes; otherwise it strikes the first call of the command."""
ALARM = "errors"


@dataclass(kw_only=True)
class OwnCalls:
    """The environment in which cases follow each other; each release stays warm for a rollback."""

    environment: CrashEnvironment
    _ready: bool = field(default=False, init=False)

    @property
    def _runner(self) -> CaseRunner:
        return CaseRunner(environment=self.environment)

    def prepare(self, scenario: str) -> tuple[str, ...]:
        """Bring the environment to the start of a scenario; return its command."""
        self._runner.settle()
        if not self._ready:
            create_alarm(self.environment.site.testbed.cloud)
            self._ready = True
        self.environment.configure(keep_previous="next", alarms=[ALARM])
        if scenario not in {ROLLBACK, FLIP_BACK}:
            return self._runner.promotion()
        content = self.environment.content()
        if content["releases"].keys() <= {content["serving"]}:
            done = self.environment.run(*self._runner.promotion())
            assert done.code == 0, done.err
            self.environment.mark_images_good()
        return ("rollback", "--yes")

    def recorded(self, scenario: str) -> list[tuple[str, str]]:
        """Run a scenario without a fault; return the actions that the program called."""
        words = self.prepare(scenario)
        self.environment.clear_timeline()
        done = self.environment.run(*words)
        assert done.code == 0, done.err
        return called_by(self.environment.site.testbed.cloud, AGENTS[scenario])

    def run(self, case: SweepCase) -> SweepResult:
        """Run one case."""
        words = self.prepare(case.scenario)
        client = self.environment.site.testbed.cloud.client
        record = RunRecord.start(self.environment)
        serving = record.before.serving
        began = time.monotonic()
        if phase := ARMED.get(case.scenario):
            running = self.environment.begin(*words)
            self.environment.reaches(phase)
            client.fault(**case.order)
            done = running.finish()
        else:
            client.fault(**case.order)
            done = self.environment.run(*words)
        seconds = time.monotonic() - began
        struck = not client.faults()
        client.clear_faults()
        record.output.append(done.err[-3000:])
        after = self.environment.settled()
        record.judge("at its end", judged(case, done))
        if done.code == 0 and after.serving == serving:
            record.found.append(f"{serving} still serves")
        record.judge("at its end", pairs.ended(after))
        record.judge("at its end", self.environment.leftovers(after, idle=False))
        ended = record.finish(case.name)
        return SweepResult(
            name=case.name,
            code=done.code,
            struck=struck,
            violations=ended.violations,
            requests=ended.requests,
            failed=ended.failed,
            seconds=seconds,
            output=ended.output,
        )


def judged(case: SweepCase, done: CompletedCommand) -> list[str]:
    """Return what is wrong with the exit code of a command."""
    if done.code in EXPECTED[case.scenario]:
        return []
    return [f"exit code {done.code}: {done.err[-500:]}"]


def called_by(cloud: Any, agent: str) -> list[tuple[str, str]]:
    """Return the actions that a client called, by its User-Agent."""
    calls = [each for each in cloud.client.timeline()["events"] if each["kind"] == "call"]
    return sorted({(each["service"], each["action"]) for each in calls if agent in each["agent"]})


def create_alarm(cloud: Any) -> None:
    """Create the alarm that a deployment watches."""
    metric = {"Namespace": "web", "MetricName": "errors", "Statistic": "Sum"}
    limit = {"Period": 60, "EvaluationPeriods": 1, "Threshold": 1.0}
    cloud.aws("cloudwatch").put_metric_alarm(
        AlarmName=ALARM, ComparisonOperator="GreaterThanThreshold", **metric, **limit
    )
    cloud.aws("cloudwatch").set_alarm_state(AlarmName=ALARM, StateValue="OK", StateReason="test")
