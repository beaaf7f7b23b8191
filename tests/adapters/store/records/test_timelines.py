"""A timeline in the store: two runs of a deployment add to each other, and damage loses only it."""

from __future__ import annotations

from pipeline.adapters.store.base import Store
from pipeline.adapters.store.records.timelines import Timelines, TimelineWriter
from pipeline.core.health.observation import Activity
from pipeline.core.probe.tally import Answers
from pipeline.core.timeline.model import GroupActivity, Members, Note, Point, Span, Timeline

ID = "20261121T154224Z-4f2a"
FULL = Timeline(
    points=(
        Point(
            at=1.5,
            phase="attach",
            waiting="1 of 3",
            groups=(Members(release="r000125", desired=3, states={"healthy": 1}),),
            answers=(Answers(version="1.5.0", status="200", count=9),),
        ),
    ),
    spans=(Span(name="attach", began=1.0),),
    notes=(Note(at=1.0, text="a"),),
    activities=(
        GroupActivity(
            release="r000125",
            activity=Activity(
                id="a", status="Failed", description="", cause="", message="", began="2026"
            ),
        ),
    ),
)


def test_a_timeline_is_read_as_it_was_written(store: Store) -> None:
    assert Timelines(store).read(ID) == Timeline()
    writer = TimelineWriter(store, ID)
    writer.write(Timeline(points=FULL.points))
    writer.write(FULL)
    assert Timelines(store).read(ID) == FULL


def test_two_runs_add_to_one_timeline_in_either_order(store: Store) -> None:
    first, second = TimelineWriter(store, ID), TimelineWriter(store, ID)
    first.write(FULL)
    second.write(Timeline(points=(Point(at=9.0, phase="soak"),)))
    later = (*FULL.points, Point(at=3.0, phase="attach"))
    first.write(Timeline(points=later))
    assert [each.at for each in Timelines(store).read(ID).points] == [1.5, 3.0, 9.0]


def test_a_damaged_timeline_is_empty_and_is_replaced(store: Store) -> None:
    key = f"deployments/{ID}/timeline.json"
    store.write(key, b"{", expected=None)
    assert Timelines(store).read(ID) == Timeline()
    TimelineWriter(store, ID).write(FULL)
    assert Timelines(store).read(ID) == FULL
