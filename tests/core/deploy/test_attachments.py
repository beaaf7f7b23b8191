"""A group that receives traffic from anywhere is never emptied or deleted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from pipeline.core.deploy.phases import promotion
from pipeline.core.deploy.recovery import fleet_in
from pipeline.core.deploy.ways_back import removal, rollback
from pipeline.core.errors import FailedError
from pipeline.core.health.observation import Balancer
from pipeline.core.state.deployment import Deployment, Kind, Result
from tests.core.deploy.fakes import (
    BLUE,
    GREEN,
    PLACE,
    POLICY,
    FakeCloud,
    a_reconciler,
    begin,
    cloud,
    recover,
)

ARN = "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/shop/0123456789abcdef"
SHOP = Balancer(kind="elbv2", identifier=ARN, name="shop")
CLASSIC = Balancer(kind="elb", identifier="old-web", name="old-web")
LATTICE = "arn:aws:vpc-lattice:us-east-1:123456789012:targetgroup/tg-0e2f2665eexample0"
ONE, TWO = "web-staging-r000001", "web-staging-r000002"
SOURCES = {
    "a target group": (ARN, "target group shop"),
    "a classic load balancer": ("old-web", "load balancer old-web"),
    "VPC Lattice": (LATTICE, "VPC Lattice target group tg-0e2f2665eexample0"),
}
SOURCE = pytest.mark.parametrize(("source", "words"), SOURCES.values(), ids=SOURCES)


def promote(
    fake: FakeCloud, *, keep: bool = False, detach: tuple[Balancer, ...] = ()
) -> Deployment:
    warm = [name for name in fake.document.releases if name not in {BLUE, GREEN}]
    deployer = begin(fake, detach=detach)
    return deployer.run(promotion(BLUE, GREEN, warm=warm, keep=keep))


def attached_by_hand(fake: FakeCloud, group: str, source: str) -> None:
    fake.groups[group].attached.add(source)
    fake.past.clear()
    fake.remember()


def attaching_in(fake: FakeCloud, call: str, group: str, source: str) -> Callable[[int, str], None]:
    """Return what attaches a group to something else right after the first call of a kind."""

    def attach(_: int, name: str) -> None:
        if name == f"{call}!" and group in fake.groups:
            fake.groups[group].attached.add(source)
            fake.remember()

    return attach


@SOURCE
@pytest.mark.parametrize("keep", [False, True], ids=["retired", "kept warm"])
def test_a_promotion_stops_before_it_drains_a_group_that_is_attached_elsewhere(
    source: str, words: str, keep: bool
) -> None:
    fake = cloud()
    attached_by_hand(fake, ONE, source)
    done = promote(fake, keep=keep)
    assert done.outcome is not None
    assert (done.outcome.result, done.outcome.phase) == (Result.ROLLED_BACK, "drain")
    assert done.outcome.reason == (
        "detaching in staging: web-staging-r000001 also receives traffic from "
        f"{words}, which [environments.staging] does not name"
    )
    assert fake.serving == fake.existing == {BLUE}
    assert source in fake.groups[ONE].attached
    assert (fake.violations, fake.outages) == ([], [])


@SOURCE
def test_a_group_that_is_attached_elsewhere_after_its_drain_is_not_deleted(
    source: str, words: str
) -> None:
    fake = cloud()
    fake.fail = attaching_in(fake, "detach", ONE, source)
    done = promote(fake)
    assert done.outcome is not None
    assert (done.outcome.result, done.outcome.phase) == (Result.NEEDS_ATTENTION, "retire")
    assert done.outcome.reason == (
        f"detaching in staging: web-staging-r000001 is to be deleted, but is attached to {words}"
    )
    assert fake.existing == {BLUE, GREEN}
    assert fake.groups[ONE].desired == 2
    assert (fake.violations, fake.outages) == ([], [])


@SOURCE
def test_a_failed_release_that_is_attached_elsewhere_is_not_deleted(
    source: str, words: str
) -> None:
    fake = cloud()
    fake.unhealthy_groups.add(TWO)
    fake.fail = attaching_in(fake, "apply", TWO, source)
    done = promote(fake)
    assert done.outcome is not None
    assert done.outcome.result is Result.NEEDS_ATTENTION
    assert f"is to be deleted, but is attached to {words}" in done.outcome.rollback_error
    assert (fake.serving, fake.existing) == ({BLUE}, {BLUE, GREEN})
    fake.fail = lambda *_: None
    again = recover(fake)
    assert again.outcome is not None
    assert again.outcome.result is Result.NEEDS_ATTENTION
    fake.groups[TWO].attached.discard(source)
    fake.remember()
    assert recover(fake).outcome is not None
    assert fake.existing == {BLUE}
    assert (fake.violations, fake.outages) == ([], [])


@SOURCE
def test_a_warm_group_that_is_attached_elsewhere_is_not_retired(source: str, words: str) -> None:
    fake = cloud(warm=[3])
    attached_by_hand(fake, "web-staging-r000003", source)
    deployer = begin(fake, kind=Kind.RETIRE, green=BLUE)
    done = deployer.run(removal(BLUE, ["r000003"], ["r000003"]))
    assert done.outcome is not None
    assert done.outcome.result is Result.NEEDS_ATTENTION
    assert words in done.outcome.reason
    assert fake.existing == {BLUE, "r000003"}
    assert fake.violations == []


# --- a load balancer that the configuration does not name any more ----------------------------


@pytest.mark.parametrize("source", [SHOP, CLASSIC], ids=lambda each: each.kind)
def test_blue_leaves_a_load_balancer_for_good_and_drains_there(source: Balancer) -> None:
    fake = cloud()
    fake.attach_by_hand(1, source)
    leaving: list[str] = []

    def watch(_: int, name: str) -> None:
        if name == "plan" and fake.document.serving == GREEN:
            leaving.extend(i for each in fake.groups[ONE].members for i in each.leaving)
            drained = all(
                fake.time - since >= 6.0
                for each in fake.groups[ONE].members
                for since in each.leaving.values()
            )
            assert drained

    fake.fail = watch
    done = promote(fake, detach=(source,))
    assert done.outcome is not None
    assert done.outcome.result is Result.PROMOTED
    assert source.identifier in leaving
    assert fake.serving == fake.existing == {GREEN}
    assert source.identifier not in fake.groups[TWO].attached
    assert (fake.violations, fake.outages) == ([], [])


def test_the_way_back_attaches_blue_to_what_it_left() -> None:
    fake = cloud()
    fake.attach_by_hand(1, SHOP)
    deployer = begin(fake, detach=(SHOP,))

    def break_green(_: int, name: str) -> None:
        if name == "detach!":
            fake.unhealthy_groups.add(TWO)

    fake.fail = break_green
    done = deployer.run(promotion(BLUE, GREEN))
    assert done.outcome is not None
    assert done.outcome.result is Result.ROLLED_BACK
    assert done.outcome.phase in {"drain", "observe"}
    assert fake.groups[ONE].attached == {"web", "arn:tg/web", ARN}
    assert fake.existing == {BLUE}


def test_a_run_that_died_is_undone_with_what_blue_left() -> None:
    fake = cloud()
    fake.attach_by_hand(1, SHOP)
    deployer = begin(fake, detach=(SHOP,))

    def die(_: int, name: str) -> None:
        if name == "detach!":
            raise SystemExit

    fake.fail = die
    with pytest.raises(SystemExit):
        deployer.run(promotion(BLUE, GREEN))
    assert fake.groups[ONE].attached == set()
    fake.fail = lambda *_: None
    fake.unhealthy_groups.add(TWO)
    done = recover(fake, back=True)
    assert done.outcome is not None
    assert done.outcome.result is Result.ROLLED_BACK
    assert fake.groups[ONE].attached == {"web", "arn:tg/web", ARN}


def test_a_load_balancer_that_was_deleted_meanwhile_does_not_keep_blue_from_the_others() -> None:
    fake = cloud()
    fake.attach_by_hand(1, SHOP)
    deployer = begin(fake, detach=(SHOP,))
    attach = fake.attach

    def refuse_shop(group: str, balancers: tuple[Balancer, ...]) -> None:
        if SHOP in balancers:
            raise FailedError("attaching", "TargetGroupNotFound", "status")
        attach(group, balancers)

    def break_green(_: int, name: str) -> None:
        if name == "detach!":
            fake.unhealthy_groups.add(TWO)
            fake.attach = refuse_shop  # type: ignore[method-assign, assignment]

    fake.fail = break_green
    done = deployer.run(promotion(BLUE, GREEN))
    assert done.outcome is not None
    assert done.outcome.result is Result.NEEDS_ATTENTION
    assert fake.groups[ONE].attached == {"web", "arn:tg/web"}


def test_a_rollback_to_a_warm_group_also_leaves_it() -> None:
    fake = cloud(warm=[3])
    fake.attach_by_hand(1, SHOP)
    deployer = begin(
        fake, kind=Kind.ROLLBACK, blue=BLUE, green="r000003", detach=(SHOP,), minimum=None
    )
    place = deployer.reconciler.place
    observation = a_reconciler(fake, POLICY).observer.observe(fake.document.releases)
    fleet = fleet_in(fake.document, place, observation)
    done = deployer.run(rollback("r000003", BLUE, fleet))
    assert done.outcome is not None
    assert done.outcome.result is Result.PROMOTED
    assert fake.existing == {"r000003"}
    assert (fake.violations, fake.outages) == ([], [])


def test_the_place_names_what_a_release_serves_from() -> None:
    place = replace(PLACE, leaving={BLUE: (SHOP,)})
    assert place.balancers_of(GREEN) == PLACE.balancers
    assert place.balancers_of(BLUE) == place.all_balancers == (*PLACE.balancers, SHOP)
    assert place.beyond(BLUE, {"web", ARN, "old-web"}) == {"old-web"}
    assert place.beyond(GREEN, {"web", ARN}) == {ARN}
