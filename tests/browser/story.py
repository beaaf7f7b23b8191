"""A day of a service, for the pictures: 1.5.0 never becomes healthy, and 1.4.0 keeps serving."""

from __future__ import annotations

from dataclasses import replace

from pipeline.core.health.observation import Activity
from pipeline.core.probe.tally import Answers, ProbeTotals
from pipeline.core.state.deployment import Outcome, PhaseRun, Result
from pipeline.core.timeline.model import GroupActivity, Members, Note, Point, Span, Timeline
from pipeline.core.timeline.record import DeploymentRecord
from tests.core.changes.examples import CHANGES
from tests.ui.status_examples import a_deployment, image

REASON = (
    "gave up after 3m: 0 of 3 members of web-production-r000125 are healthy; i-0b5e7c1d2f3a4b596: "
    "unhealthy in web-tg: Target.ResponseCodeMismatch (Health checks failed with codes: [503])"
)
EVIDENCE = """\
group web-production-r000125 in eu-central-1
  minimum 2, maximum 6, desired 3, launch template lt-0f2e4d6c8b0a19375 version 1

members
  i-0b5e7c1d2f3a4b596 InService Healthy: unhealthy in web-tg (Target.ResponseCodeMismatch)
  i-0c6f8d2e3a4b5c607 InService Healthy: unhealthy in web-tg (Target.ResponseCodeMismatch)
  i-0d7a9e3f4b5c6d718 InService Healthy: unhealthy in web-tg (Target.ResponseCodeMismatch)

console of i-0b5e7c1d2f3a4b596
  [   14.201377] cloud-init[812]: Cloud-init v. 23.4 finished
  app.service: Started app.service - the sample application.
  app[931]: listening on 0.0.0.0:8080
  app[931]: health: cannot reach db.internal:5432: Connection refused
"""
PHASES = (
    ("launch", 0, 74), ("verify", 74, 79), ("attach", 79, 259), ("reattach", 262, 264),
    ("detach", 264, 296), ("delete", 296, 318),
)  # fmt: skip
END = 318
EVERY = 3


def failed_release() -> DeploymentRecord:
    """Return the record of the promotion of 1.5.0."""
    spans = tuple(
        Span(name=name, began=began, ended=ended, fault=REASON if name == "attach" else "")
        for name, began, ended in PHASES
    )
    done = a_deployment(
        green="r000125",
        blue="r000124",
        image=image(125),
        version="1.5.0",
        began="2026-01-04T03:07:00+00:00",
        ended="2026-01-04T03:12:18+00:00",
        why="fix for #812",
        changes=CHANGES,
        phases=tuple(
            PhaseRun(name=each.name, seconds=(each.ended or 0) - each.began, fault=each.fault)
            for each in spans
        ),
        probe=ProbeTotals(requests=2_370, failures=0),
        outcome=Outcome(
            result=Result.ROLLED_BACK,
            phase="attach",
            reason=REASON,
            evidence="s3://web-state/pipeline/deployments/20260104T030700Z-7f3a/evidence.txt",
        ),
    )
    return DeploymentRecord(
        deployment=replace(done, id="20260104T030700Z-7f3a"),
        timeline=Timeline(
            points=tuple(_point(at) for at in range(0, END, EVERY)),
            spans=spans,
            notes=(
                Note(at=2, text="terraform apply: aws_autoscaling_group created after 38s"),
                Note(at=259, text=f"rolling back: attach: {REASON}"),
            ),
            activities=tuple(_launched(number) for number in range(3)),
        ),
        texts=(("evidence.txt", EVIDENCE),),
    )


def running_release() -> DeploymentRecord:
    """Return the same promotion in the middle of attach."""
    whole, now = failed_release(), 150
    done = whole.deployment
    running = replace(done, outcome=None, ended="", phase="attach", phases=done.phases[:2])
    waiting = "0 of 3 members of web-production-r000125 are healthy in web-tg"
    points = [each for each in whole.timeline.points if each.at <= now]
    return DeploymentRecord(
        deployment=running,
        timeline=replace(
            whole.timeline,
            points=(*points[:-1], replace(points[-1], waiting=waiting)),
            spans=(*whole.timeline.spans[:2], Span(name="attach", began=79)),
            notes=whole.timeline.notes[:1],
        ),
    )


def _point(at: int) -> Point:
    phase = next((name for name, _, ended in PHASES if at < ended), "delete")
    counted = 10 * max(at - 80, 0)
    return Point(
        at=at,
        phase=phase,
        groups=(
            Members(release="r000124", desired=3, states={"healthy": 3}),
            *_green(at),
        ),
        answers=(Answers(version="1.4.0", status="200", count=counted),) if counted else (),
    )


def _green(at: int) -> tuple[Members, ...]:
    """Return the members of the new group: they start, fail their checks, drain and go."""
    steps: tuple[tuple[int, dict[str, int]], ...] = (
        (40, {}), (52, {"starting": 2}), (58, {"starting": 3}),
        (70, {"in service": 1, "starting": 2}), (84, {"in service": 3}),
        (120, {"starting": 3}), (135, {"starting": 1, "unhealthy": 2}),
        (264, {"unhealthy": 3}), (296, {"draining": 3}), (306, {"terminating": 3}),
    )  # fmt: skip
    if at < 38:  # Terraform has not created the group yet
        return ()
    states = next((found for until, found in steps if at < until), None)
    if states is None:
        return ()
    return (Members(release="r000125", desired=3, states=states),)


def _launched(number: int) -> GroupActivity:
    activity = Activity(
        id=f"a{number}",
        status="Successful",
        description=f"Launching a new EC2 instance: i-0{'bcd'[number]}5e7c1d2f3a4b59{number}",
        cause="",
        message="",
        began=f"2026-01-04T03:07:4{number}+00:00",
    )
    return GroupActivity(release="r000125", activity=activity)
