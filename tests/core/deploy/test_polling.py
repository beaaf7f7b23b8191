"""How often AWS is asked: what a wait costs in calls, and how late its end may be seen."""

from __future__ import annotations

from itertools import pairwise

import pytest

from pipeline.core.deploy.phases import (
    AllHealthy,
    AllInService,
    Deleted,
    Drained,
    Gate,
    StaysHealthy,
    Verified,
)
from pipeline.core.deploy.polling import (
    Forecast,
    as_last_time,
    asks_activities,
    asks_targets,
    pause,
)
from pipeline.core.health.observation import Activity, Member, Observation, ObservedGroup

NAME = "web-staging-r000002"
NEWS = (Activity(id="a", status="Successful", description="", cause="", message="", began=""),)


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


def observation(at: float, seen: ObservedGroup | None = None, *, told: bool = False) -> Observation:
    groups = {seen.name: seen} if seen else {}
    return Observation(at=at, groups=groups, activities={NAME: NEWS} if told else {})


def moments(until: Gate, forecast: Forecast, seconds: float) -> list[float]:
    """Return the moments of a wait of so many seconds at which everything is asked."""
    observations = [observation(0.0)]
    while observations[-1].at < seconds:
        observations.append(
            observation(observations[-1].at + pause(until, observations, NAME, forecast))
        )
    return [each.at for each in observations]


def looks_of(until: Gate, quiet: float, seconds: float) -> list[float]:
    """Return those of a wait that ends a second or so after it was quiet, if it does."""
    return moments(until, Forecast(quiet=quiet, due=quiet), seconds)


def test_what_may_be_so_any_moment_is_asked_every_second() -> None:
    assert looks_of(AllHealthy("r000002", least=""), 0, 5) == [0, 1, 2, 3, 4, 5]


def test_what_took_long_last_time_is_asked_calmly_until_shortly_before() -> None:
    assert looks_of(AllHealthy("r000002", least=""), 22.5, 25) == [
        *(0, 10, 20, 22.5),
        *(23.5, 24.5, 25.5),
    ]


def test_a_long_quiet_costs_no_more_looks_than_a_short_one() -> None:
    assert len(looks_of(Drained("r000001"), 10, 10)) == 2
    assert len(looks_of(Drained("r000001"), 300, 300)) == 21
    assert len(looks_of(Drained("r000001"), 3600, 3600)) == 21


@pytest.mark.parametrize("quiet", [0.0, 0.4, 1.0, 7.3, 44.0, 300.0])
def test_the_end_that_was_expected_is_seen_within_a_second(quiet: float) -> None:
    after = [
        at for at in looks_of(AllHealthy("r000002", least=""), quiet, quiet + 9) if at >= quiet
    ]
    assert after[0] <= quiet + 1
    assert max(b - a for a, b in pairwise(after)) <= 1.001


@pytest.mark.parametrize(
    ("last", "quiet"), [(0.0, 0.0), (9.0, 0.0), (12.0, 2.0), (40.0, 30.0), (300.0, 240.0)]
)
def test_a_release_is_expected_sooner_than_the_last_one_by_what_health_checks_vary(
    last: float, quiet: float
) -> None:
    assert as_last_time(last, gone=0) == Forecast(quiet=quiet, due=last)


def test_what_is_over_already_is_not_waited_for_again() -> None:
    assert as_last_time(40, gone=12) == Forecast(quiet=18, due=28)
    assert as_last_time(40, gone=50) == Forecast()


def test_a_pause_in_which_a_release_may_fall_ill_is_looked_at_twice_as_often() -> None:
    assert looks_of(StaysHealthy("r000002", "soak"), 20, 20) == [0, 5, 10, 15, 20]


def test_before_and_after_its_time_the_groups_of_a_release_are_asked_calmly() -> None:
    until, forecast = AllHealthy("r000002", least=""), Forecast(quiet=20, due=30)
    assert moments(until, forecast, 60) == [
        *(0, 10, 20, 25),
        *range(26, 42),
        *(51, 61),
    ]


def test_a_release_of_which_nothing_is_known_is_soon_asked_calmly() -> None:
    assert moments(AllHealthy("r000002", least=""), Forecast(), 40) == [*range(12), 21, 31, 41]


def test_draining_is_asked_every_other_second_where_nobody_knows_how_long_it_takes() -> None:
    assert looks_of(Drained("r000001"), 0, 6) == [0, 2, 4, 6]


def test_a_boot_is_asked_every_other_second_until_the_first_member_is_there() -> None:
    booting = [observation(0.0, group("i-1", "i-2", lifecycle="Pending"))]
    assert pause(AllInService("r000002"), booting, NAME, Forecast()) == 2
    arriving = [*booting, observation(2.0, group("i-1", "i-2"))]
    assert pause(AllInService("r000002"), arriving, NAME, Forecast()) == 1


def test_load_balancers_are_asked_where_they_have_a_say() -> None:
    asked: list[Gate] = [AllHealthy("r", least=""), Drained("r"), StaysHealthy("r", "soak")]
    assert [asks_targets(each) for each in asked] == [True] * 3
    spared: list[Gate] = [AllInService("r"), Deleted(frozenset({"r"})), Verified("r")]
    assert [asks_targets(each) for each in spared] == [False] * 3


def test_activities_are_asked_until_they_are_known_twice() -> None:
    whole = group("i-1", "i-2")
    assert asks_activities(NAME, [])
    assert asks_activities(NAME, [observation(0, whole)])
    assert asks_activities(NAME, [observation(0, whole, told=True)])
    twice = [observation(0, whole, told=True), observation(1, whole, told=True)]
    assert not asks_activities(NAME, twice)
    assert not asks_activities(NAME, [*twice, observation(2, whole), observation(3, whole)])


def test_activities_are_asked_again_once_a_member_changed_or_is_missing() -> None:
    whole, short, other = group("i-1", "i-2"), group("i-1"), group("i-1", "i-3")
    known = [observation(0, whole, told=True), observation(1, whole, told=True)]
    assert asks_activities(NAME, [*known, observation(2, short)])
    assert asks_activities(NAME, [*known, observation(2, other)])
    assert asks_activities(NAME, [*known, observation(2, other), observation(3, other, told=True)])
    told = [observation(3, other, told=True), observation(4, other, told=True)]
    assert not asks_activities(NAME, [*known, observation(2, other), *told])
    assert asks_activities(NAME, [*known, observation(2)])
