"""How a member of a pool becomes healthy, unhealthy, unused, draining and gone: time is given."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import pytest

from local_cloud.traffic.plan import Check, Health, Kind, Member, Pool
from local_cloud.traffic.registry import Registry
from local_cloud.traffic.targets import NOT_REACHED, PASSED, TIMED_OUT, wrong_code

if TYPE_CHECKING:
    from local_cloud.traffic.targets import Key, Result

CHECK = Check(protocol="HTTP", port=0, rise=3, fall=2)
ONE: Key = ("pool", "i-1", 80)
ROUTING = 2.0


@dataclass
class Clock:
    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Desk:
    """A registry whose time is moved by hand."""

    clock: Clock = field(default_factory=Clock)
    busy: bool = False

    def __post_init__(self) -> None:
        self.heard: list[str] = []
        self.registry = Registry(
            scaled=lambda seconds: seconds,
            routing=ROUTING,
            on_change=lambda **facts: self.heard.append(f"{facts['id']} {facts['state']}"),
            now=self.clock,
        )

    def register(self, *members: Member, **how: Any) -> None:
        self.registry.apply((a_pool(*members, **how),))

    def check(self, *results: Result, key: Key = ONE) -> None:
        (round_,) = (number for name, number in self.registry.to_check() if name == key)
        for result in results:
            self.registry.record(key, round_, result)

    def wait(self, seconds: float) -> list[Key]:
        self.clock.now += seconds
        return self.registry.expire(lambda _key: self.busy)

    def health(self) -> Health:
        (health,) = self.registry.health("pool")
        return health

    def told(self) -> tuple[str, str, str]:
        health = self.health()
        return health.state, health.reason, health.description

    def routed(self) -> list[str]:
        choices = self.registry.choices("pool")
        return [one.key[1] for one in choices.eligible()] if choices else []


def a_member(number: int = 1, **how: Any) -> Member:
    given: dict[str, Any] = {"port": 80, "address": f"127.0.0.{number}", "zone": "a", **how}
    return Member(id=f"i-{number}", **given)


def a_pool(*members: Member, **how: Any) -> Pool:
    given: dict[str, Any] = {
        "key": "pool",
        "kind": "application",
        "check": CHECK,
        "delay": 300.0,
        "zones": frozenset({"a"}),
        **how,
    }
    return Pool(members=members, **given)


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_a_target_is_in_registration_until_its_first_check(desk: Desk) -> None:
    desk.register(a_member())
    assert desk.told() == (
        "initial",
        "Elb.RegistrationInProgress",
        "Target registration is in progress",
    )


def test_one_passed_check_makes_a_new_target_healthy_whatever_the_threshold(desk: Desk) -> None:
    desk.register(a_member())
    desk.check(PASSED)
    assert desk.told() == ("healthy", "", "")


def test_one_passed_check_is_enough_after_a_failed_first_one(desk: Desk) -> None:
    desk.register(a_member())
    desk.check(NOT_REACHED)
    assert desk.told() == (
        "initial",
        "Elb.InitialHealthChecking",
        "Initial health checks in progress",
    )
    desk.check(PASSED)
    assert desk.told()[0] == "healthy"


@pytest.mark.parametrize("kind", ["classic", "network"])
def test_other_members_need_the_healthy_threshold_from_the_start(desk: Desk, kind: Kind) -> None:
    desk.register(a_member(), kind=kind)
    desk.check(PASSED, PASSED)
    assert desk.told()[0] == "initial"
    desk.check(PASSED)
    assert desk.told()[0] == "healthy"


@pytest.mark.parametrize(
    ("result", "reason", "description"),
    [
        (
            wrong_code(500),
            "Target.ResponseCodeMismatch",
            "Health checks failed with these codes: [500]",
        ),
        (TIMED_OUT, "Target.Timeout", "Request timed out"),
        (NOT_REACHED, "Target.FailedHealthChecks", "Health checks failed"),
    ],
)
def test_an_unhealthy_target_says_why(
    desk: Desk, result: Result, reason: str, description: str
) -> None:
    desk.register(a_member())
    desk.check(result, result)
    assert desk.told() == ("unhealthy", reason, description)


def test_failures_must_be_consecutive(desk: Desk) -> None:
    desk.register(a_member())
    desk.check(PASSED, NOT_REACHED, PASSED, NOT_REACHED)
    assert desk.told()[0] == "healthy"
    desk.check(NOT_REACHED)
    assert desk.told()[0] == "unhealthy"


def test_an_unhealthy_target_needs_the_threshold_to_come_back(desk: Desk) -> None:
    desk.register(a_member())
    desk.check(NOT_REACHED, NOT_REACHED, PASSED, PASSED)
    assert desk.told()[0] == "unhealthy"
    desk.check(NOT_REACHED, PASSED, PASSED)
    assert desk.told()[0] == "unhealthy"
    desk.check(PASSED)
    assert desk.told()[0] == "healthy"


def test_a_target_of_a_group_that_no_listener_uses_is_unused_and_not_checked(desk: Desk) -> None:
    desk.register(a_member(), zones=frozenset())
    assert desk.told() == (
        "unused",
        "Target.NotInUse",
        "Target group is not configured to receive traffic from the load balancer",
    )
    assert not desk.registry.to_check()
    desk.register(a_member())
    assert desk.told()[:2] == ("initial", "Elb.RegistrationInProgress")
    assert desk.registry.to_check()


def test_a_group_that_goes_out_of_use_makes_healthy_targets_unused(desk: Desk) -> None:
    desk.register(a_member())
    desk.check(PASSED)
    desk.register(a_member(), zones=frozenset())
    assert desk.told()[0] == "unused"
    desk.register(a_member())
    assert desk.told()[0] == "initial"


def test_a_target_in_a_zone_that_is_not_enabled_is_unused(desk: Desk) -> None:
    desk.register(a_member(zone="c"))
    assert desk.told() == (
        "unused",
        "Target.NotInUse",
        "Target is in an Availability Zone that is not enabled for the load balancer",
    )


@pytest.mark.parametrize("state", ["stopped", "terminated"])
def test_a_stopped_or_terminated_target_is_unused(desk: Desk, state: str) -> None:
    desk.register(a_member())
    desk.check(PASSED)
    desk.register(a_member(state=state, address=None))
    assert desk.told() == (
        "unused",
        "Target.InvalidState",
        f"Target is in the {state} state",
    )
    desk.register(a_member())
    assert desk.told()[0] == "initial"


def test_a_stopping_target_is_judged_by_its_checks(desk: Desk) -> None:
    desk.register(a_member())
    desk.check(PASSED)
    desk.register(a_member(state="stopping"))
    assert desk.told()[0] == "healthy"


def test_without_checks_the_health_is_unavailable_and_requests_come(desk: Desk) -> None:
    desk.register(a_member(), check=replace(CHECK, enabled=False))
    assert desk.told()[:2] == ("unavailable", "Target.HealthCheckDisabled")
    assert not desk.registry.to_check()
    desk.wait(ROUTING)
    assert desk.routed() == ["i-1"]


def test_a_deregistered_target_drains_for_the_whole_delay_without_connections(desk: Desk) -> None:
    desk.register(a_member())
    desk.check(PASSED)
    desk.register()
    assert desk.told() == (
        "draining",
        "Target.DeregistrationInProgress",
        "Target deregistration is in progress",
    )
    assert not desk.registry.to_check()
    desk.wait(299)
    assert desk.told()[0] == "draining"
    assert desk.wait(1) == [ONE]
    assert desk.registry.health("pool") == ()


def test_the_end_of_a_draining_shows_without_an_expiry(desk: Desk) -> None:
    desk.register(a_member())
    desk.register()
    desk.clock.now += 300
    assert desk.registry.health("pool") == ()


def test_a_later_change_of_the_delay_does_not_move_a_draining(desk: Desk) -> None:
    desk.register(a_member())
    desk.register()
    desk.register(delay=10.0)
    desk.wait(299)
    assert desk.told()[0] == "draining"


def test_a_target_of_an_unused_group_is_gone_at_once(desk: Desk) -> None:
    desk.register(a_member(), zones=frozenset())
    desk.register(zones=frozenset())
    assert desk.registry.health("pool") == ()


def test_without_a_delay_a_deregistered_target_is_gone_and_cut_at_once(desk: Desk) -> None:
    desk.register(a_member(), delay=0.0)
    desk.register(delay=0.0)
    assert desk.registry.health("pool") == ()
    assert desk.wait(0) == [ONE]


def test_a_target_registered_again_while_it_drains_begins_anew(desk: Desk) -> None:
    desk.register(a_member())
    desk.check(PASSED)
    desk.register()
    desk.register(a_member())
    assert desk.told()[:2] == ("initial", "Elb.RegistrationInProgress")
    assert desk.wait(400) == []
    desk.check(PASSED)
    assert desk.told()[0] == "healthy"


def test_a_check_of_an_earlier_registration_counts_for_nothing(desk: Desk) -> None:
    desk.register(a_member())
    ((key, round_),) = desk.registry.to_check()
    desk.register()
    desk.register(a_member())
    desk.registry.record(key, round_, PASSED)
    assert desk.told()[0] == "initial"


def test_a_check_of_a_deleted_pool_of_the_same_name_counts_for_nothing(desk: Desk) -> None:
    desk.register(a_member())
    ((key, round_),) = desk.registry.to_check()
    desk.registry.apply(())
    desk.register(a_member())
    desk.registry.record(key, round_, PASSED)
    assert desk.told()[0] == "initial"


def test_classic_draining_ends_as_soon_as_nothing_is_in_flight(desk: Desk) -> None:
    desk.register(a_member(), kind="classic")
    desk.register(kind="classic")
    desk.busy = True
    desk.wait(ROUTING)
    assert desk.told()[0] == "draining"
    desk.busy = False
    desk.wait(1)
    assert desk.registry.health("pool") == ()


def test_classic_draining_does_not_end_before_every_node_knows_of_it(desk: Desk) -> None:
    desk.register(a_member(), kind="classic")
    desk.wait(ROUTING)
    desk.register(kind="classic")
    desk.wait(ROUTING / 2)
    assert desk.told()[0] == "draining"


def test_classic_draining_ends_at_the_timeout_with_requests_in_flight(desk: Desk) -> None:
    desk.register(a_member(), kind="classic")
    desk.register(kind="classic")
    desk.busy = True
    desk.wait(ROUTING)
    assert ONE in desk.wait(300)


@pytest.mark.parametrize(("delay", "cut"), [(0.0, True), (300.0, False)])
def test_a_classic_unhealthy_instance_is_cut_only_without_draining(
    desk: Desk, delay: float, cut: bool
) -> None:
    desk.register(a_member(), kind="classic", delay=delay)
    ((key, round_),) = desk.registry.to_check()
    told = [desk.registry.record(key, round_, NOT_REACHED) for _ in range(3)]
    assert told == [False, cut, False]


def test_a_deregistered_target_gets_new_requests_until_every_node_knows(desk: Desk) -> None:
    desk.register(a_member(1), a_member(2))
    for number in (1, 2):
        desk.check(PASSED, key=("pool", f"i-{number}", 80))
    desk.wait(ROUTING)
    desk.register(a_member(2))
    desk.wait(ROUTING / 2)
    assert desk.routed() == ["i-1", "i-2"]
    desk.wait(ROUTING / 2)
    assert desk.routed() == ["i-2"]


def test_a_healthy_target_gets_requests_only_when_every_node_knows(desk: Desk) -> None:
    desk.register(a_member(1), a_member(2))
    desk.check(PASSED)
    desk.wait(ROUTING)
    assert desk.routed() == ["i-1"]
    desk.check(PASSED, key=("pool", "i-2", 80))
    desk.wait(ROUTING / 2)
    assert desk.routed() == ["i-1"]
    desk.wait(ROUTING / 2)
    assert desk.routed() == ["i-1", "i-2"]


def test_a_terminated_target_gets_requests_until_every_node_knows(desk: Desk) -> None:
    desk.register(a_member())
    desk.check(PASSED)
    desk.wait(ROUTING)
    desk.register(a_member(state="terminated", address=None))
    assert desk.routed() == ["i-1"]
    desk.wait(ROUTING)
    assert desk.routed() == []


def test_without_a_delay_requests_still_come_until_every_node_knows_and_are_cut(desk: Desk) -> None:
    desk.register(a_member(), delay=0.0)
    desk.check(PASSED)
    desk.wait(ROUTING)
    desk.register(delay=0.0)
    assert desk.wait(0) == [ONE]
    assert desk.routed() == ["i-1"]
    assert desk.wait(ROUTING) == [ONE]
    assert desk.routed() == []


def test_a_deleted_group_is_cut(desk: Desk) -> None:
    desk.register(a_member())
    desk.registry.apply(())
    assert desk.wait(0) == [ONE]
    assert desk.registry.health("pool") == ()


def test_the_next_expiry_is_when_a_draining_ends(desk: Desk) -> None:
    desk.register(a_member())
    desk.wait(ROUTING)
    assert desk.registry.next_expiry() is None
    desk.register()
    assert desk.registry.next_expiry() == desk.clock.now + ROUTING
    desk.wait(ROUTING)
    assert desk.registry.next_expiry() == desk.clock.now + 300 - ROUTING
    desk.wait(300)
    assert desk.registry.next_expiry() is None


def test_one_id_with_two_ports_is_two_members(desk: Desk) -> None:
    desk.register(a_member(port=80), a_member(port=81))
    desk.check(PASSED)
    told = {health.port: health.state for health in desk.registry.health("pool")}
    assert told == {80: "healthy", 81: "initial"}


def test_every_change_of_a_state_is_reported_once() -> None:
    desk = Desk()
    desk.register(a_member())
    desk.register(a_member())
    desk.check(PASSED, PASSED)
    desk.register()
    desk.wait(299)
    assert desk.heard == ["i-1 initial", "i-1 healthy", "i-1 draining"]
    desk.wait(2)
    desk.wait(10)
    assert desk.heard == ["i-1 initial", "i-1 healthy", "i-1 draining", "i-1 gone"]
