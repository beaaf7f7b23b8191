"""How often AWS is called: what a wait costs in calls, and how late its end may be noticed."""

from __future__ import annotations

from itertools import pairwise

import pytest

from pipeline.core.deploy.gates.all_healthy import AllHealthy
from pipeline.core.deploy.gates.all_in_service import AllInService
from pipeline.core.deploy.gates.base import Gate
from pipeline.core.deploy.gates.deleted import Deleted
from pipeline.core.deploy.gates.drained import Drained, InFlightEnded
from pipeline.core.deploy.gates.stays_healthy import StaysHealthy
from pipeline.core.deploy.gates.verified import Verified
from pipeline.core.deploy.gates.watcher import GateWatcher
from pipeline.core.deploy.polling import Forecast, Timings, forecast_like, needs_activities
from pipeline.core.freshness import Writes
from pipeline.core.health.observation import Activity, Member, Observation, ObservedGroup
from pipeline.core.state.deployment import Policy
from tests.core.deploy.fakes import DOCUMENT, PLACE

NAME = "web-staging-r000002"
NEWS = (Activity(id="a", status="Successful", description="", cause="", message="", began=""),)
GREEN = AllHealthy("r000002", least="")


def group(*members: str, desired: int = 2, lifecycle: str = "InService") -> ObservedGroup:
    return ObservedGroup(
        name=NAME,
        minimum=1,
        maximum=4,
        desired=desired,
        template=NAME,
        version="1",
        members=tuple(
            Member(id=each, lifecycle=lifecycle, health="Healthy", template=NAME, version="1")
            for each in members
        ),
    )


def observation(at: float, seen: ObservedGroup | None = None, *, news: bool = False) -> Observation:
    groups = {seen.name: seen} if seen else {}
    return Observation(at=at, groups=groups, activities={NAME: NEWS} if news else {})


def watching(gate: Gate, forecast: Forecast, soak: float = 0.0) -> GateWatcher:
    watcher = GateWatcher.begin(
        gate,
        document=DOCUMENT,
        place=PLACE,
        policy=Policy(soak=soak),
        limit=900,
        known={},
        writes=Writes(),
    )
    watcher.wait.forecast = forecast
    return watcher


def moments(gate: Gate, forecast: Forecast, seconds: float, soak: float = 0.0) -> list[float]:
    """Return the moments of a wait of so many seconds at which everything is read."""
    watcher = watching(gate, forecast, soak)
    watcher.add(observation(0.0))
    while watcher.latest.at < seconds:
        watcher.add(observation(watcher.due))
    return [each.at for each in watcher.wait.observations]


def quiet_moments(gate: Gate, quiet: float, seconds: float) -> list[float]:
    """Return the moments of a wait whose end is expected after `quiet` seconds."""
    return moments(gate, Forecast(quiet=quiet, due=quiet), seconds)


def test_a_gate_that_may_pass_any_moment_is_observed_every_second() -> None:
    assert quiet_moments(GREEN, 0, 5) == [0, 1, 2, 3, 4, 5]


def test_a_wait_that_was_long_last_time_is_observed_rarely_until_shortly_before_its_end() -> None:
    assert quiet_moments(GREEN, 22.5, 25) == [
        *(0, 10, 20, 22.5),
        *(23.5, 24.5, 25.5),
    ]


def test_a_long_quiet_time_costs_no_more_observations_than_a_short_one() -> None:
    assert len(quiet_moments(Drained("r000001"), 10, 10)) == 2
    assert len(quiet_moments(Drained("r000001"), 300, 300)) == 21
    assert len(quiet_moments(Drained("r000001"), 3600, 3600)) == 21


@pytest.mark.parametrize("quiet", [0.0, 0.4, 1.0, 7.3, 44.0, 300.0])
def test_an_expected_end_is_noticed_within_a_second(quiet: float) -> None:
    after = [at for at in quiet_moments(GREEN, quiet, quiet + 9) if at >= quiet]
    assert after[0] <= quiet + 1
    assert max(b - a for a, b in pairwise(after)) <= 1.001


@pytest.mark.parametrize(
    ("last", "quiet"), [(0.0, 0.0), (9.0, 0.0), (12.0, 2.0), (40.0, 30.0), (300.0, 240.0)]
)
def test_a_release_is_expected_earlier_than_the_previous_one_because_health_checks_vary(
    last: float, quiet: float
) -> None:
    assert forecast_like(last, passed=0) == Forecast(quiet=quiet, due=last)


def test_time_that_has_passed_is_not_expected_again() -> None:
    assert forecast_like(40, passed=12) == Forecast(quiet=18, due=28)
    assert forecast_like(40, passed=50) == Forecast()


def test_a_gate_forecasts_its_end_from_what_it_depends_on() -> None:
    known = Timings(drain=30, ready=40, since_launch=12)
    assert Drained("r000001").forecast(known) == Forecast(quiet=30)
    assert GREEN.forecast(known) == Forecast(quiet=18, due=28)
    assert (
        GREEN.forecast(Timings(ready=40)) == GREEN.forecast(Timings(since_launch=1)) == Forecast()
    )
    assert AllInService("r000002").forecast(known) == Forecast()


def test_a_soak_is_observed_twice_as_often_as_another_quiet_time() -> None:
    soak = StaysHealthy("r000002", "soak")
    assert moments(soak, Forecast(), 20, soak=20) == [0, 5, 10, 15, 20]


def test_groups_are_observed_rarely_before_and_after_the_expected_end() -> None:
    assert moments(GREEN, Forecast(quiet=20, due=30), 60) == [
        *(0, 10, 20, 28),
        *range(29, 42),
        *(51, 61),
    ]


@pytest.mark.parametrize(
    ("gate", "quiet", "seconds"),
    [
        (GREEN, 0.0, 0.0),
        (GREEN, 7.0, 7.0),
        (GREEN, 24.0, 20.0),
        (Drained("r000001"), 24.0, 10.0),
        (Drained("r000001"), 300.0, 15.0),
        (InFlightEnded("r000001"), 10.0, 0.0),
    ],
)
def test_a_wait_rests_before_its_first_observation_if_the_end_is_not_expected_earlier(
    gate: Gate, quiet: float, seconds: float
) -> None:
    watcher = watching(gate, Forecast(quiet=quiet, due=quiet))
    assert watcher.rest(900) == seconds
    assert watcher.wait.forecast == Forecast(quiet=quiet - seconds, due=quiet - seconds)
    assert watching(gate, Forecast(quiet=quiet)).rest(5) <= 5


def test_groups_are_soon_observed_rarely_without_a_forecast() -> None:
    assert moments(GREEN, Forecast(), 40) == [*range(12), 21, 31, 41]


def test_draining_is_observed_every_other_second_if_its_length_is_unknown() -> None:
    assert quiet_moments(Drained("r000001"), 0, 6) == [0, 2, 4, 6]


def test_a_boot_is_observed_every_other_second_until_the_first_member_is_in_service() -> None:
    watcher = watching(AllInService("r000002"), Forecast())
    watcher.add(observation(0.0, group("i-1", "i-2", lifecycle="Pending")))
    assert watcher.due == 2
    watcher.add(observation(2.0, group("i-1", "i-2")))
    assert watcher.due == 3


def test_load_balancers_are_read_if_the_gate_depends_on_them() -> None:
    reads: list[Gate] = [GREEN, Drained("r"), StaysHealthy("r", "soak")]
    assert [each.reads_targets for each in reads] == [True] * 3
    others: list[Gate] = [AllInService("r"), Deleted(frozenset({"r"})), Verified("r")]
    assert [each.reads_targets for each in others] == [False] * 3


def test_activities_are_read_until_two_answers_are_known() -> None:
    whole = group("i-1", "i-2")
    assert needs_activities(NAME, [])
    assert needs_activities(NAME, [observation(0, whole)])
    assert needs_activities(NAME, [observation(0, whole, news=True)])
    twice = [observation(0, whole, news=True), observation(1, whole, news=True)]
    assert not needs_activities(NAME, twice)
    assert not needs_activities(NAME, [*twice, observation(2, whole), observation(3, whole)])


def test_activities_are_read_again_once_a_member_changed_or_is_missing() -> None:
    whole, short, other = group("i-1", "i-2"), group("i-1"), group("i-1", "i-3")
    known = [observation(0, whole, news=True), observation(1, whole, news=True)]
    assert needs_activities(NAME, [*known, observation(2, short)])
    assert needs_activities(NAME, [*known, observation(2, other)])
    assert needs_activities(NAME, [*known, observation(2, other), observation(3, other, news=True)])
    read = [observation(3, other, news=True), observation(4, other, news=True)]
    assert not needs_activities(NAME, [*known, observation(2, other), *read])
    assert needs_activities(NAME, [*known, observation(2)])
