"""What the screens say about drills."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pipeline.core.deploy.plan import PlanPreview
from pipeline.core.deploy.ways_back import drill
from pipeline.core.state.deployment import Deployment, Kind, Outcome, PhaseRun, Policy, Result
from pipeline.core.state.environment import DrillRecord
from pipeline.core.state.status import Status
from pipeline.ui.outcome import outcome_text
from pipeline.ui.plan import plan_text
from pipeline.ui.reports.history import history_text
from pipeline.ui.status import status_text
from pipeline.ui.status_document import status_document
from tests.ui.status_examples import NOW, RUNS, a_deployment, image, in_flight, warm

PROVEN = DrillRecord(
    release="r000123",
    ami_id=image(123),
    deployment="d",
    ended="2026-01-03T21:10:00+00:00",
    seconds=182.0,
)
HOOK = "verify: verify hook curl: exit code 22"


def drilled(drill: DrillRecord | None, status: Status | None = None) -> Status:
    status = status or warm()
    return replace(status, environment=replace(status.environment, drill=drill))


def row(status: Status) -> str:
    lines = status_text(status, NOW, 200).splitlines()
    return next((line for line in lines if line.startswith("drill")), "")


@pytest.mark.parametrize(
    ("record", "line"),
    [
        (PROVEN, "drill      ✔ rollback proven 6h ago, took 3m 02s"),
        (
            replace(PROVEN, reason=HOOK),
            (
                f"drill      ✖ failed 6h ago, took 3m 02s: {HOOK}; once that is fixed: "
                "ami-pipeline rollback drill -e production"
            ),
        ),
        (
            replace(PROVEN, release="r000120", ami_id=image(120)),
            (
                "drill      the rollback to r000123 is not proven yet (that to r000120 was proven "
                "6h ago): ami-pipeline rollback drill -e production"
            ),
        ),
        (None, ""),
    ],
    ids=["proven", "failed", "of another release", "none"],
)
def test_status_says_whether_the_rollback_is_proven(record: DrillRecord | None, line: str) -> None:
    assert row(drilled(record)) == line


def test_a_drill_says_nothing_while_another_deployment_may_change_the_rollback() -> None:
    assert row(drilled(PROVEN, in_flight())) == ""


def test_the_document_of_a_status_has_the_drill_and_whether_it_still_counts() -> None:
    assert status_document(warm(), NOW)["drill"] is None
    found = status_document(drilled(PROVEN), NOW)["drill"]
    assert found == {
        "release": "r000123",
        "ami_id": image(123),
        "deployment": "d",
        "ended": "2026-01-03T21:10:00+00:00",
        "seconds": 182.0,
        "proven": True,
        "current": True,
        "reason": None,
    }
    other = status_document(drilled(replace(PROVEN, release="r000120", reason=HOOK)), NOW)["drill"]
    assert (other["current"], other["proven"], other["reason"]) == (False, False, HOOK)


def a_drill(**changes: object) -> Deployment:
    made = a_deployment(
        kind=Kind.DRILL,
        green="r000125",
        blue="r000124",
        image=image(123),
        version="1.3.0",
        proves="r000123",
        phases=(*RUNS[:2], PhaseRun(name="delete", seconds=31.0)),
        outcome=Outcome(result=Result.PROVEN),
    )
    return replace(made, **changes)  # type: ignore[arg-type]


OUTCOME = """\
r000124 still serves production

outcome    rollback proven, 3m 32s
request    drill of a rollback to r000123, as r000125 (1.3.0, ami-00000000000000123)
phases     launch 1m 12s, verify 4.2s, delete 31s
id         20260104T030700-7f3a"""

FAILED = """\
r000124 still serves production

outcome    rollback not proven, 3m 32s
request    drill of a rollback to r000123, as r000125 (1.3.0, ami-00000000000000123)
phase      verify
reason     verify hook curl: exit code 22
remaining  none
evidence   deployments/d/evidence.txt
phases     launch 1m 12s, verify 4.2s, delete 31s
id         20260104T030700-7f3a
next       fix the cause above, then: ami-pipeline rollback drill -e production"""

HISTORY = """\
OUTCOME          KIND   RELEASES            VERSION  WHEN    DURATION  BY
rollback proven  drill  r000124 -> r000125  1.3.0    5m ago  3m 32s    ada on ci-7
             ami-00000000000000123, https://github.example/web/runs/9
             launch 1m 12s, verify 4.2s, delete 31s"""


def test_the_text_of_a_drill() -> None:
    assert outcome_text(a_drill()) == OUTCOME
    failed = Outcome(
        result=Result.ROLLED_BACK,
        phase="verify",
        reason="verify hook curl: exit code 22",
        evidence="deployments/d/evidence.txt",
    )
    assert outcome_text(a_drill(outcome=failed)) == FAILED
    assert history_text([a_drill()], NOW, "production") == HISTORY


def test_an_interrupted_drill_is_repeated() -> None:
    outcome = Outcome(result=Result.ROLLED_BACK, phase="launch", interrupted=True)
    text = outcome_text(a_drill(outcome=outcome))
    assert text.endswith("next       to retry: ami-pipeline rollback drill -e production")


PLAN = """\
production: drill of a rollback to r000123, as r000125 (1.3.0, ami-00000000000000123)

PHASE   SERVING  DETACHED         GATE                      LIMIT  ON FAILURE
launch  r000124  r000123 r000125  all of r000125 InService  15m    roll back
verify  r000124  r000123 r000125  no hooks                  15m    roll back
delete  r000124  r000123          r000125 deleted           15m    hold
"""


def test_the_plan_of_a_drill_shows_that_what_serves_stays() -> None:
    table = drill("r000124", "r000125", ["r000123"])
    preview = PlanPreview(deployment=a_drill(outcome=None), phases=table, policy=Policy())
    assert plan_text(preview).startswith(PLAN)
