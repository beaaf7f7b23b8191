"""The shapes of charts: steps that hold until the next time, on an axis without pauses."""

from __future__ import annotations

from pipeline.core.probe.tally import Answers
from pipeline.core.timeline.model import Members, Point, Span, Timeline
from pipeline.ui.reports.charts import Axis, bars, member_chart, request_chart


def members(at: float, **states: int) -> Point:
    found = Members(release="r000125", desired=4, states=states)
    return Point(at=at, phase="launch", groups=(found,))


def test_members_are_stacked_as_steps_from_the_bottom() -> None:
    timeline = Timeline(points=(members(0.0, starting=4), members(5.0, healthy=3, starting=1)))
    chart = member_chart(timeline, "r000125", "new", Axis(end=10.0), [5.0])
    assert (chart.title, chart.top, chart.lines) == ("r000125 (new)", "4", (500.0,))
    healthy, starting = chart.areas
    assert (healthy.name, healthy.figure) == ("healthy", "3")
    assert healthy.path == "M0,100L500,100L500,25L1000,25L1000,100L0,100Z"
    assert starting.path == "M0,0L1000,0L1000,25L500,25L500,100L0,100Z"


def test_a_group_that_is_gone_has_no_members() -> None:
    timeline = Timeline(points=(members(0.0, healthy=4), Point(at=5.0, phase="delete")))
    (area,) = member_chart(timeline, "r000125", "new", Axis(end=10.0), []).areas
    assert area.path == "M0,0L500,0L500,100L1000,100L1000,100L0,100Z"


def test_an_axis_leaves_pauses_out() -> None:
    axis = Axis(end=1100.0, pauses=((50.0, 1050.0),))
    assert [axis.x(each) for each in (0.0, 50.0, 500.0, 1050.0, 1100.0)] == [0, 500, 500, 500, 1000]


def test_a_phase_that_runs_ends_at_the_end_of_the_axis() -> None:
    spans = [Span(name="launch", began=0.0, ended=5.0), Span(name="attach", began=5.0)]
    done, running = bars(spans, Axis(end=10.0))
    assert (done.style, done.left, done.width, done.took) == ("done", 0.0, 50.0, "5s")
    assert (running.style, running.left, running.width, running.took) == ("running", 50.0, 50.0, "")


def test_requests_are_rates_with_failures_at_the_bottom_and_the_new_version_on_top() -> None:
    def answered(at: float, old: int, new: int, bad: int) -> Point:
        counted = (("1.4.0", "200", old), ("1.5.0", "200", new), ("1.5.0", "500", bad))
        answers = tuple(Answers(version=v, status=s, count=n) for v, s, n in counted if n)
        return Point(at=at, phase="attach", answers=answers)

    timeline = Timeline(
        points=(answered(0.0, 0, 0, 0), answered(10.0, 100, 0, 0), answered(20.0, 150, 40, 10))
    )
    chart = request_chart(timeline, Axis(end=20.0), [], "1.5.0")
    assert chart
    assert chart.top == "10"
    assert [(each.name, each.style, each.figure) for each in chart.areas] == [
        ("1.5.0, 500", "answer-bad", "10"),
        ("1.4.0, 200", "answer-old", "150"),
        ("1.5.0, 200", "answer-new", "40"),
    ]
    assert chart.areas[0].path.startswith("M0,100L500,100L500,90L1000,90")
    assert request_chart(Timeline(), Axis(end=20.0), [], "1.5.0") is None
