"""What schedules and people set during a deployment is kept at its end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from pipeline.core.deploy.phases import promotion
from pipeline.core.deploy.sizes.limits import limits_at_end, limits_of, requested_capacity
from pipeline.core.events import Event, PhaseBegan
from pipeline.core.health.observation import Activity, ObservedGroup
from pipeline.core.state.deployment import Deployment, Kind, Limits, Result, Runner
from pipeline.core.state.release import Size
from tests.core.deploy.fakes import BLUE, GREEN, TODAY, FakeCloud, begin, cloud, recover

ONE, TWO = "web-staging-r000001", "web-staging-r000002"
LATER, LAST = "2026-01-01T00:05:00Z", "2026-01-01T00:09:00Z"


def cause(at: str, who: str, to: int) -> Activity:
    words = {
        "person": "a user request explicitly set group desired capacity changing the desired "
        f"capacity from 9 to {to}.",
        "update": "a user request update of AutoScalingGroup constraints to min: 0, max: 9, "
        f"desired: {to} changing the desired capacity from 9 to {to}.",
        "schedule": f"the scheduled action night was executed. Setting desired capacity from 9 to "
        f"{to}.  At {at} a scheduled action update of AutoScalingGroup constraints to min: 0, "
        f"max: 9, desired: {to} changing the desired capacity from 9 to {to}.",
        "policy": "a monitor alarm low in state ALARM triggered policy cpu changing the desired "
        f"capacity from 9 to {to}.",
        "replacement": "an instance was taken out of service in response to an EC2 health check.",
    }[who]
    text = (
        f"At {at} {words}  At {at} an instance was taken out of service in response to a "
        f"difference between desired and actual capacity, shrinking the capacity from 9 to {to}."
    )
    return Activity(id=at, status="", description="", cause=text, message="", began=at)


@pytest.mark.parametrize(
    ("activities", "capacity"),
    [
        ([cause(LATER, "person", 0)], 0),
        ([cause(LATER, "update", 5)], 5),
        ([cause(LATER, "schedule", 1)], 1),
        ([cause(LATER, "policy", 1)], None),
        ([cause(LATER, "replacement", 1)], None),
        ([cause(LAST, "policy", 3), cause(LATER, "person", 5)], None),
        ([cause(LAST, "person", 3), cause(LATER, "policy", 5)], 3),
        ([cause("2025-12-31T23:59:59Z", "person", 0)], None),
        ([], None),
    ],
    ids=[
        "a person",
        "an update",
        "a schedule",
        "a policy",
        "a replacement",
        "a policy after a person",
        "a person after a policy",
        "before the deployment",
        "nothing",
    ],
)
def test_the_last_change_counts_unless_a_policy_made_it(
    activities: list[Activity], capacity: int | None
) -> None:
    assert requested_capacity(activities, since=TODAY) == capacity


# --- the numbers ------------------------------------------------------------------------------

LAUNCHED = Size(instance_type="t3.micro", minimum=3, maximum=6, desired=3)
BEFORE = Limits(minimum=1, maximum=5, desired=3)


def group(minimum: int, maximum: int, desired: int) -> ObservedGroup:
    return ObservedGroup(
        name="", minimum=minimum, maximum=maximum, desired=desired, template="", version=""
    )


def deployment(**changes: object) -> Deployment:
    runner = Runner(user="ann", host="here", pid=1)
    given = Deployment(
        id="d",
        kind=Kind.PROMOTE,
        environment="staging",
        green=GREEN,
        blue=BLUE,
        began=TODAY,
        by=runner,
        minimum=1,
        before=BEFORE,
    )
    return replace(given, **changes)  # type: ignore[arg-type]


SAME, NEW = group(1, 5, 3), group(3, 6, 3)


@pytest.mark.parametrize(
    ("blue", "green", "activities", "limits"),
    [
        (SAME, NEW, [], Limits(minimum=1, maximum=6)),
        (group(2, 5, 3), NEW, [], Limits(minimum=2, maximum=6)),
        (
            group(0, 0, 0),
            NEW,
            [cause(LATER, "schedule", 0)],
            Limits(minimum=0, maximum=0, desired=0),
        ),
        (group(0, 5, 0), NEW, [cause(LATER, "person", 0)], Limits(minimum=0, maximum=6, desired=0)),
        (group(1, 9, 8), NEW, [cause(LATER, "person", 8)], Limits(minimum=1, maximum=9, desired=8)),
        (group(1, 5, 1), NEW, [cause(LATER, "policy", 1)], Limits(minimum=1, maximum=6)),
        (SAME, group(2, 8, 4), [], Limits(minimum=2, maximum=8)),
        (SAME, group(0, 0, 0), [], Limits(minimum=0, maximum=0)),
        (group(7, 7, 7), NEW, [], Limits(minimum=7, maximum=7)),
        (None, NEW, [], Limits(minimum=1, maximum=6)),
    ],
    ids=[
        "nothing changed",
        "blue's minimum",
        "a schedule scales to zero",
        "a person scales to zero",
        "a person scales up",
        "a policy scales down",
        "a person changes green",
        "a person scales green to zero",
        "blue is fixed",
        "blue is gone",
    ],
)
def test_green_gets_what_was_set(
    blue: ObservedGroup | None, green: ObservedGroup, activities: list[Activity], limits: Limits
) -> None:
    assert limits_at_end(deployment(), LAUNCHED, green, blue, activities) == limits


def test_a_service_that_was_at_zero_ends_at_zero() -> None:
    zero = Limits(minimum=0, maximum=5, desired=0)
    at_end = limits_at_end(deployment(before=zero, minimum=0), LAUNCHED, NEW, group(0, 5, 0), ())
    assert at_end == Limits(minimum=0, maximum=6, desired=0)
    scaled_up = limits_at_end(deployment(before=zero, minimum=0), LAUNCHED, NEW, group(2, 5, 2), ())
    assert scaled_up == Limits(minimum=2, maximum=6)


def test_a_size_of_green_that_the_run_had_to_replace_comes_back() -> None:
    raised, zero = group(0, 3, 3), Limits(minimum=0, maximum=0, desired=0)
    assert limits_at_end(deployment(), LAUNCHED, raised, SAME, (), replaced=zero) == zero


def test_without_a_size_at_the_beginning_only_the_minimum_is_restored() -> None:
    old = deployment(before=None)
    assert limits_at_end(old, LAUNCHED, NEW, SAME, ()) == Limits(minimum=1, maximum=6)
    kept = deployment(before=None, minimum=None)
    assert limits_at_end(kept, LAUNCHED, NEW, SAME, ()) == Limits(minimum=3, maximum=6)


# --- whole deployments ------------------------------------------------------------------------


def started(fake: FakeCloud, in_phase: str, change: Callable[[], None]) -> Deployment:
    """Promote, and change sizes when a phase begins."""

    def report(event: Event) -> None:
        if isinstance(event, PhaseBegan) and event.name == in_phase:
            change()
            fake.remember()

    before = limits_of(fake._seen(fake.groups[ONE]))
    deployer = begin(fake, report=report, minimum=before.minimum, before=before)
    return deployer.run(promotion(BLUE, GREEN))


def scale(fake: FakeCloud, name: str, minimum: int, maximum: int, desired: int) -> None:
    """Set a group's size as a schedule does, with the activity that AWS shows of it."""
    if name not in fake.groups:
        return
    found = fake.groups[name]
    found.minimum, found.maximum, found.desired = minimum, maximum, desired
    fake._grow(found)
    del found.members[desired:]
    fake.activities[name] = [cause(LATER, "schedule", desired)]


PHASES = ["launch", "verify", "attach", "soak", "drain", "observe", "retire"]


@pytest.mark.parametrize("phase", PHASES)
def test_a_schedule_that_scales_the_service_to_zero_is_kept(phase: str) -> None:
    fake = cloud()
    fake.has_served = False  # from now on, the service has no members

    def night() -> None:
        fake.zero_is_meant = True
        for name in (ONE, TWO):
            scale(fake, name, 0, 4, 0)

    done = started(fake, phase, night)
    assert done.outcome is not None
    assert done.outcome.result is Result.PROMOTED, done.outcome
    green = fake.groups[TWO]
    assert (green.minimum, green.maximum, green.desired) == (0, 4, 0)
    assert fake.serving == fake.existing == {GREEN}


@pytest.mark.parametrize("phase", PHASES[1:])
def test_a_size_that_a_person_sets_on_blue_is_kept(phase: str) -> None:
    fake = cloud()
    done = started(fake, phase, lambda: scale(fake, ONE, 2, 9, 5))
    assert done.outcome is not None
    assert done.outcome.result is Result.PROMOTED
    green = fake.groups[TWO]
    assert (green.minimum, green.maximum, green.desired) == (2, 9, 5)
    assert fake.outages == []


@pytest.mark.parametrize("phase", PHASES[2:])
def test_a_size_that_a_person_sets_on_green_is_kept(phase: str) -> None:
    fake = cloud()
    done = started(fake, phase, lambda: scale(fake, TWO, 3, 8, 4))
    assert done.outcome is not None
    assert done.outcome.result is Result.PROMOTED
    green = fake.groups[TWO]
    assert (green.minimum, green.maximum, green.desired) == (3, 8, 4)


@pytest.mark.parametrize("phase", PHASES[2:])
def test_a_person_who_scales_green_to_zero_is_obeyed_at_the_end(phase: str) -> None:
    """Until green serves alone, the run gives it back the members that it needs."""
    fake = cloud()
    fake.has_served, fake.zero_is_meant = False, True
    done = started(fake, phase, lambda: scale(fake, TWO, 0, 0, 0))
    assert done.outcome is not None
    assert done.outcome.result is Result.PROMOTED
    green = fake.groups[TWO]
    assert (green.minimum, green.maximum, green.desired) == (0, 0, 0)


def test_a_service_at_zero_is_promoted_with_one_member_and_ends_at_zero() -> None:
    fake = cloud()
    scale(fake, ONE, 0, 4, 0)
    fake.activities.clear()
    fake.has_served, fake.zero_is_meant = False, True
    fake.past.clear()
    fake.remember()
    most: list[int] = []
    done = started(fake, "drain", lambda: most.append(len(fake.groups[TWO].members)))
    assert done.outcome is not None
    assert done.outcome.result is Result.PROMOTED
    assert most == [2]
    assert (fake.groups[TWO].minimum, fake.groups[TWO].desired) == (0, 0)


def test_a_service_at_zero_stays_at_zero_if_the_promotion_fails() -> None:
    fake = cloud()
    scale(fake, ONE, 0, 4, 0)
    fake.activities.clear()
    fake.has_served = False
    fake.unhealthy_groups.add(TWO)
    done = started(fake, "none", lambda: None)
    assert done.outcome is not None
    assert done.outcome.result is Result.ROLLED_BACK
    assert (fake.existing, fake.groups[ONE].desired) == ({BLUE}, 0)
    assert ("resize", BLUE) not in fake.changed


def test_a_run_that_died_after_the_decision_still_sets_what_was_decided() -> None:
    fake = cloud()

    def die(_: int, name: str) -> None:
        if name == "update!" and fake.document.serving == GREEN:
            raise SystemExit

    fake.fail = die
    with pytest.raises(SystemExit):
        started(fake, "soak", lambda: scale(fake, ONE, 2, 9, 3))
    fake.fail = lambda *_: None
    scale(fake, ONE, 0, 0, 0)  # emptied for its deletion
    done = recover(fake)
    assert done.outcome is not None
    assert done.outcome.result is Result.PROMOTED
    green = fake.groups[TWO]
    assert (green.minimum, green.maximum, green.desired) == (2, 9, 3)
