"""The past health of targets, without sockets."""

from __future__ import annotations

from local_cloud.consistency.traffic import PastTraffic
from local_cloud.traffic.plan import Check, Plan, Pool, State
from tests.patched_moto import FakeTraffic

POOL = Pool(
    key="pool",
    kind="classic",
    check=Check(protocol="HTTP", port=8080),
    members=(),
    delay=0,
    zones=frozenset(),
)
HISTORY: list[tuple[float, State]] = [(1, "initial"), (2, "healthy"), (3, "draining")]


def states(traffic: PastTraffic, at: float | None = None) -> list[str]:
    traffic.shown = None if at is None else traffic.as_of(at)
    try:
        return [each.state for each in traffic.health("pool")]
    finally:
        traffic.shown = None


def test_health_is_shown_as_it_was() -> None:
    plane = FakeTraffic()
    past = PastTraffic(traffic=plane)
    past.apply(Plan(pools=(POOL,)))
    for now, state in HISTORY:
        plane.set_health("pool", "i-1", state)
        past.record(now, keep=10)
    assert [states(past, at) for at in (0.5, 1.5, 2.5, 3.5)] == [
        ["initial"],  # as far back as it goes
        ["initial"],
        ["healthy"],
        ["draining"],
    ]
    assert states(past) == ["draining"]


def test_health_of_before_a_pause_is_not_taken_for_the_past() -> None:
    plane = FakeTraffic()
    past = PastTraffic(traffic=plane)
    past.apply(Plan(pools=(POOL,)))
    plane.set_health("pool", "i-1", "initial")
    past.record(1.0, keep=10)
    past.forget()
    plane.set_health("pool", "i-1", "healthy")
    past.record(2.0, keep=10)
    assert states(past, at=1.5) == ["healthy"]


def test_the_plan_reaches_the_data_plane() -> None:
    plane = FakeTraffic()
    past = PastTraffic(traffic=plane)
    past.apply(Plan(pools=(POOL,)))
    assert plane.plans == [Plan(pools=(POOL,))]
    assert past.urls() == {}
