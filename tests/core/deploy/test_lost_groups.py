"""What happens after the serving group, or both groups of a deployment, were deleted by hand.

There is no way back then: the remains are deleted and forgotten, and the next release begins as
the first one did.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from pipeline.core.deploy.phase import Phase
from pipeline.core.deploy.phases import promotion
from pipeline.core.deploy.recovery import fleet_in
from pipeline.core.deploy.ways_back import rollback
from pipeline.core.state.deployment import Deployment, Kind, Outcome, Result
from pipeline.core.state.environment import Environment
from tests.core.deploy.fakes import (
    BLUE,
    GREEN,
    PLACE,
    TODAY,
    FakeCloud,
    a_reconciler,
    begin,
    cloud,
    kept,
    recover,
)
from tests.core.deploy.recoveries import (
    ONE,
    TWO,
    interrupted_in,
    is_done,
    is_put_back,
    killed,
    result_of,
)

WARM = "r000000"


def delete_by_hand(fake: FakeCloud, name: str, how: str = "gone") -> None:
    """Delete a group as in the console: Terraform's state and the document still have it."""
    fake.has_served = False
    if how == "gone":
        fake.groups.pop(name, None)
    elif name in fake.groups:
        fake.groups[name].deleted_at = fake.time + 20


def is_empty(fake: FakeCloud, done: Deployment) -> None:
    """Check that no group is left and that the document says so."""
    assert result_of(done) is Result.ROLLED_BACK, done.outcome
    assert fake.serving == fake.existing == fake.state == set()
    assert (fake.document.serving, dict(fake.document.releases)) == ("", {})
    assert fake.document.deployment is None
    assert BLUE in {each.release for each in fake.document.retired}


@pytest.mark.parametrize("how", ["gone", "being deleted"])
@pytest.mark.parametrize("phase", ["launch", "attach", "soak", "drain", "observe", "reattach"])
@pytest.mark.parametrize("green", ["never made", "gone", "being deleted"])
def test_if_both_groups_were_deleted_the_remains_are_deleted(
    phase: str, green: str, how: str
) -> None:
    fake = interrupted_in(phase)
    delete_by_hand(fake, ONE, how)
    if green == "never made":
        del fake.groups[TWO]
        fake.state.discard(GREEN)
        unmade = replace(fake.document.releases[GREEN], made=False)
        fake.document = fake.document.with_release(unmade)
    else:
        delete_by_hand(fake, TWO, green)
    done = recover(fake)
    is_empty(fake, done)
    assert done.outcome
    why = "the group of r000001 does not exist, and no managed release serves"
    assert done.outcome.rollback_error == why
    assert {verb for verb, _ in fake.changed} <= {"delete"}


@pytest.mark.parametrize("back", [False, True], ids=["recover", "abort"])
def test_a_decided_green_that_was_deleted_is_not_reported_as_serving(back: bool) -> None:
    fake = interrupted_in("retire", blue=False, green=True, decided=True)
    delete_by_hand(fake, ONE)
    delete_by_hand(fake, TWO)
    done = recover(fake, back=back)
    is_empty(fake, done)
    assert done.outcome
    why = "the group of r000002 does not exist, and no managed release serves"
    assert done.outcome.rollback_error == why


def test_if_a_decided_green_was_deleted_blue_serves_again() -> None:
    fake = interrupted_in("retire", blue=False, green=True, decided=True)
    delete_by_hand(fake, TWO)
    is_put_back(fake, recover(fake))


@pytest.mark.parametrize("how", ["gone", "being deleted"])
def test_a_warm_rollback_whose_target_was_deleted_leaves_the_serving_group(how: str) -> None:
    fake = interrupted_in("reattach", kind=Kind.ROLLBACK, warm=True)
    fake.has_served = False
    delete_by_hand(fake, TWO, how)
    is_put_back(fake, recover(fake))


def test_a_warm_rollback_without_both_groups_ends() -> None:
    fake = interrupted_in("reattach", kind=Kind.ROLLBACK, warm=True)
    delete_by_hand(fake, ONE)
    delete_by_hand(fake, TWO)
    is_empty(fake, recover(fake))


@pytest.mark.parametrize("kind", [Kind.RETIRE, Kind.ABORT])
def test_a_deletion_keeps_what_may_serve_if_the_serving_group_was_deleted(
    kind: Kind,
) -> None:
    fake = cloud(warm=[0])
    overdue = replace(kept(0), warm_until="2020-01-01T00:00:00+00:00")
    green = {Kind.RETIRE: BLUE, Kind.ABORT: GREEN}[kind]
    dead = replace(begin(fake, kind=kind, green=green).deployment, phase="retire")
    fake.document = replace(fake.document.with_release(overdue), deployment=dead)
    if kind is Kind.ABORT:
        fake.document = fake.document.with_release(replace(kept(2), failed=True))
        fake.add(2, attached=False)
    delete_by_hand(fake, ONE)
    done = recover(fake)
    assert result_of(done) is Result.ROLLED_BACK
    assert fake.existing == fake.state == set(fake.document.releases) == {WARM}
    assert (fake.document.serving, fake.document.deployment) == ("", None)


def test_a_group_that_a_person_attached_meanwhile_keeps_its_traffic() -> None:
    fake = interrupted_in("soak")
    fake.document = fake.document.with_release(kept(0))
    fake.add(0, attached=True)
    delete_by_hand(fake, ONE)
    delete_by_hand(fake, TWO)
    done = recover(fake)
    assert result_of(done) is Result.ROLLED_BACK
    assert fake.serving == fake.existing == fake.state == {WARM}
    assert ("detach", WARM) not in fake.changed
    assert done.outcome
    assert done.outcome.rollback_error == (
        f"the group of {BLUE} does not exist, and {WARM} receives traffic, "
        "which no deployment attached"
    )


def test_no_group_counts_as_deleted_while_aws_does_not_answer() -> None:
    fake = interrupted_in("soak")
    delete_by_hand(fake, ONE)
    delete_by_hand(fake, TWO)
    fake.failing_reads = 1000
    done = recover(fake)
    assert result_of(done) is Result.NEEDS_ATTENTION
    assert fake.document.serving == BLUE
    fake.failing_reads = 0
    is_empty(fake, recover(fake))


def test_one_observation_without_both_groups_is_no_proof() -> None:
    fake = interrupted_in("soak", green=True)
    away = dict(fake.groups)
    observations = 0

    def stale(_: int, name: str) -> None:
        nonlocal observations
        if name == "observe":
            observations += 1
            fake.groups = {} if observations == 1 else away

    fake.has_served = False
    fake.fail = stale
    is_put_back(fake, recover(fake))


# --- nothing in flight ----------------------------------------------------------------------------


def promote(fake: FakeCloud, phases: list[Phase]) -> Deployment:
    """Do what `promote` does after the serving group was deleted (pipeline.app.promote)."""
    deployer = begin(fake, blue="")
    deployer.reconciler.deleted = deployer.reconciler.observer.find_deleted(
        frozenset(fake.document.releases) - {GREEN}
    )
    return deployer.run(phases)


def test_a_promotion_after_the_serving_group_was_deleted_begins_like_the_first() -> None:
    fake = cloud()
    delete_by_hand(fake, ONE)
    is_done(fake, promote(fake, promotion("", GREEN, warm=[BLUE])))
    assert [each.release for each in fake.document.retired] == [BLUE]
    assert {verb for verb, _ in fake.changed} == {"attach", "delete", "resize"}


def test_a_promotion_waits_only_at_its_end_for_a_group_that_aws_deletes() -> None:
    fake = cloud()
    fake.groups[ONE].deleted_at = fake.time + 30
    is_done(fake, promote(fake, promotion("", GREEN, warm=[BLUE])))
    assert fake.changed[0] == ("attach", GREEN)


def test_such_a_promotion_that_fails_leaves_only_what_may_serve() -> None:
    fake = cloud(warm=[0])
    delete_by_hand(fake, ONE)
    fake.unhealthy_groups.add(TWO)
    done = promote(fake, promotion("", GREEN, warm=[BLUE, WARM]))
    assert result_of(done) is Result.ROLLED_BACK
    assert fake.existing == fake.state == set(fake.document.releases) == {WARM}
    assert fake.document.serving == ""


def test_such_a_promotion_is_recovered_after_a_kill_at_any_call() -> None:
    whole = cloud()
    delete_by_hand(whole, ONE)
    deployer = begin(whole, blue="")
    deployer.reconciler.deleted = deployer.reconciler.observer.find_deleted(frozenset({BLUE}))
    whole.calls.clear()
    left = killed(whole, lambda _: deployer.run(promotion("", GREEN, warm=[BLUE])), "before")
    for number, fake in left:
        if fake.document.deployment is None:
            continue
        done = recover(fake)
        assert result_of(done) is not Result.NEEDS_ATTENTION, (number, done.outcome)
        assert fake.existing == fake.state == set(fake.document.releases) - {BLUE}
        assert fake.serving == {fake.document.serving} - {""}
    assert len(left) > 20


def test_a_deleted_warm_group_is_forgotten_by_the_next_launch() -> None:
    fake = cloud(warm=[0])
    delete_by_hand(fake, "web-staging-r000000")
    fake.has_served = True
    deployer = begin(fake)
    deployer.reconciler.deleted = deployer.reconciler.observer.find_deleted(frozenset({BLUE, WARM}))
    assert deployer.reconciler.deleted == {WARM}
    is_done(fake, deployer.run(promotion(BLUE, GREEN, warm=[WARM])))


def test_a_warm_group_serves_again_if_the_serving_one_was_deleted() -> None:
    fake = cloud(warm=[0])
    delete_by_hand(fake, ONE)
    deployer = begin(fake, kind=Kind.ROLLBACK, green=WARM, blue="")
    fleet = fleet_in(fake.document, PLACE, deployer.reconciler.observer.survey(lambda _: True))
    fleet = replace(fleet, detached=fleet.detached - {BLUE})
    done = deployer.run(rollback(WARM, "", fleet))
    assert result_of(done) is Result.PROMOTED
    assert fake.serving == fake.existing == fake.state == set(fake.document.releases) == {WARM}
    assert fake.document.serving == WARM
    assert [each.release for each in fake.document.retired] == [BLUE]


def environments_without_groups() -> list[FakeCloud]:
    """Return one environment of each kind without both groups."""
    found = [
        interrupted_in("soak"),
        interrupted_in("retire", blue=False, green=True, decided=True),
        interrupted_in("reattach", kind=Kind.ROLLBACK, warm=True),
    ]
    for fake in found:
        delete_by_hand(fake, ONE)
        delete_by_hand(fake, TWO)
    return found


@pytest.mark.parametrize("which", range(3))
def test_a_killed_recover_is_recovered_even_without_both_groups(which: int) -> None:
    for when in ("before", "after"):
        for number, fake in killed(environments_without_groups()[which], recover, when):
            if fake.document.deployment is None:
                continue
            done = recover(fake)
            assert done.outcome
            assert done.outcome.rollback_error, (number, when)
            assert result_of(done) is Result.ROLLED_BACK, (number, when, done.outcome)
            assert (fake.existing, fake.serving) == (set(), set())
            assert set(fake.document.releases) <= {BLUE, GREEN}
            assert fake.document.serving == ""
            assert fake.document.deployment is None


def test_a_deletion_that_is_recovered_twice_leaves_what_may_serve() -> None:
    fake = cloud(warm=[0])
    overdue = replace(kept(0), warm_until="2020-01-01T00:00:00+00:00")
    dead = replace(begin(fake, kind=Kind.RETIRE, green=BLUE).deployment, phase="retire")
    fake.document = replace(fake.document.with_release(overdue), deployment=dead)
    delete_by_hand(fake, ONE)
    fake.document = fake.document.without_serving(TODAY)
    recover(fake)
    assert fake.existing == {WARM}
    assert fake.document.deployment is None


def test_a_document_without_a_serving_release_remembers_the_last_one_once() -> None:
    document = cloud().document
    without = document.without_serving(TODAY)
    assert (without.serving, without.releases) == ("", document.releases)
    assert [(each.release, each.ami_id, each.until) for each in without.retired] == [
        (BLUE, "ami-00000001", TODAY)
    ]
    assert without.without_serving(TODAY) == without
    assert Environment.without_serving(cloud(blue=False).document, TODAY).retired == ()


def test_a_recovery_that_needs_attention_continues_where_it_stopped() -> None:
    fake = interrupted_in("soak")
    delete_by_hand(fake, ONE)
    delete_by_hand(fake, TWO, "being deleted")
    fake.groups[TWO].deleted_at = fake.time + 500
    done = recover(fake)
    assert result_of(done) is Result.NEEDS_ATTENTION
    assert done.outcome
    assert "Delete in progress" in done.outcome.reason
    assert isinstance(done.outcome, Outcome)
    assert fake.document.serving == ""
    fake.time += 500
    is_empty(fake, recover(fake))
    assert a_reconciler(fake).observer.find_deleted(frozenset()) == frozenset()
