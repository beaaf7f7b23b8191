"""A timeline has what a report draws, and stays small however long a deployment lasts."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

from pipeline.core.events import (
    DeploymentEnded,
    Message,
    PhaseBegan,
    PhaseEnded,
    ProbeCounted,
    Watched,
)
from pipeline.core.health.observation import Activity, Target
from pipeline.core.probe.tally import Answers, ProbeTotals
from pipeline.core.state.deployment import PhaseRun
from pipeline.core.timeline.members import count_members
from pipeline.core.timeline.model import Note, Point, Span, Timeline
from pipeline.core.timeline.recorder import TimelineRecorder
from pipeline.core.timeline.requests import total_answers
from pipeline.core.timeline.thinning import MOST_POINTS, merged, thinned
from tests.ui.events import REASON, up_to_attach, watched
from tests.ui.status_examples import (
    ARN,
    group,
    in_flight,
    instance,
    observation,
    rolled_back,
    targets,
)

BEGAN = 1767496020.0
"""2026-01-04T03:07:00Z, when the example began."""


def recorder_at(times: list[float]) -> TimelineRecorder:
    """Return a recorder whose clock is the last of `times`, in seconds after the beginning."""
    running = in_flight().environment.deployment
    assert running is not None
    return TimelineRecorder(running, lambda: BEGAN + times[-1])


def test_a_timeline_has_phases_members_waiting_requests_and_messages() -> None:
    times = [0.0]
    recorder = recorder_at(times)
    for event in up_to_attach()[1:-1]:
        times.append(times[-1] + 5)
        recorder.report(event)
    recorder.report(ProbeCounted(totals=ProbeTotals(requests=5), answers=(answers("1.5.0", 5),)))
    times.append(40.0)
    recorder.report(watched("1 of 3 healthy"))
    recorder.report(Message(text="the probe's first failed request"))
    assert recorder.report(PhaseEnded(run=PhaseRun(name="attach", seconds=20.0, fault=REASON)))
    found = recorder.timeline()
    assert found.spans == (
        Span(name="launch", began=5.0, ended=10.0),
        Span(name="verify", began=15.0, ended=20.0),
        Span(name="attach", began=25.0, ended=40.0, fault=REASON),
    )
    (point,) = found.points
    assert (point.at, point.phase, point.waiting) == (40.0, "attach", "1 of 3 healthy")
    assert {each.release: dict(each.states) for each in point.groups} == {
        "r000124": {"healthy": 3},
        "r000125": {"healthy": 1, "starting": 2},
    }
    assert found.notes == (Note(at=40.0, text="the probe's first failed request"),)
    assert total_answers(found) == (answers("1.5.0", 5),)


def test_the_last_point_has_the_answers_up_to_the_end() -> None:
    """The probe goes on while a failed release is removed, without observations of health."""
    recorder = recorder_at([0.0])
    recorder.report(watched("1 of 3 healthy"))
    ended = (answers("1.5.0", 5), answers("", 7, "500"))
    recorder.report(ProbeCounted(totals=ProbeTotals(requests=12), answers=ended))
    recorder.report(DeploymentEnded(deployment=rolled_back()))
    assert recorder.timeline().points[-1].answers == ended


def answers(version: str, count: int, status: str = "200") -> Answers:
    return Answers(version=version, status=status, count=count)


def test_a_member_has_the_state_that_a_person_would_give_it() -> None:
    blue = group(124, ("web-elb", ARN))
    first, second, third = blue.members
    draining = Target(id=second.id, state="draining", reason="Target.DeregistrationInProgress")
    failed = Target(id=third.id, state="OutOfService", description="Instance has failed")
    seen = observation(blue, targets=targets(blue, states={second.id: draining, third.id: failed}))
    assert count_members("r000124", blue, seen).states == {
        "healthy": 1,
        "unhealthy": 1,
        "draining": 1,
    }
    alone = group(124)
    members = (
        replace(first, lifecycle="Pending:Wait"),
        replace(second, lifecycle="Terminating:Wait"),
        replace(third, health="Unhealthy"),
        replace(first, id=instance(124, 9)),
    )
    counted = count_members("r000124", replace(alone, members=members), observation(alone))
    assert counted.states == {"starting": 1, "terminating": 1, "unhealthy": 1, "in service": 1}


def test_an_activity_is_kept_once_as_it_was_last_seen() -> None:
    recorder = recorder_at([1.0])
    seen = in_flight().observation
    for status in ("InProgress", "Failed"):
        activity = Activity(
            id="a", status=status, description="", cause="", message="x" * 999, began="2026"
        )
        of = {"web-production-r000125": (activity,)}
        recorder.report(watched("", replace(seen, activities=of)))
    (only,) = recorder.timeline().activities
    assert (only.release, only.activity.status) == ("r000125", "Failed")
    assert len(only.activity.message) == 300


def test_a_long_deployment_has_a_few_hundred_points_evenly_spread() -> None:
    times = [0.0]
    recorder = recorder_at(times)
    recorder.report(PhaseBegan(name="observe", limit=9.0))
    for second in range(20_000):
        times.append(float(second))
        recorder.report(Watched(phase="observe", waiting="", observation=observation()))
    points = recorder.timeline().points
    assert MOST_POINTS / 4 <= len(points) <= MOST_POINTS
    assert points[0].at == 0.0
    assert points[-1].at == 19_999.0
    assert max(later.at - earlier.at for earlier, later in pairwise(points)) < 600


def test_thinning_keeps_the_first_and_the_last_point() -> None:
    points = [Point(at=each / 10, phase="soak") for each in range(1000)]
    found = thinned(points, 50)
    assert len(found) <= 50
    assert (found[0], found[-1]) == (points[0], points[-1])


def test_a_resumed_deployment_adds_to_the_timeline_of_its_earlier_run() -> None:
    earlier = Timeline(
        points=(Point(at=1.0, phase="soak", answers=(answers("1", 100),)),),
        spans=(Span(name="soak", began=0.0, ended=2.0),),
        notes=(Note(at=1.0, text="a"),),
    )
    later = Timeline(
        points=(Point(at=90.0, phase="drain", answers=(answers("1", 7),)),),
        spans=(Span(name="drain", began=80.0),),
    )
    both = merged(earlier, later)
    assert [each.at for each in both.points] == [1.0, 90.0]
    assert [each.name for each in both.spans] == ["soak", "drain"]
    assert merged(both, later) == both
    assert total_answers(both) == (answers("1", 107),)
    assert both.end == 90.0
