"""Deployments that replace a group which a person made, and return to it.

The pipeline only moves the traffic of such a group, whatever fails and whenever a run is killed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import pytest

from pipeline.core.deploy.phase import Manner
from pipeline.core.deploy.phases import promotion
from pipeline.core.deploy.recovery import fleet_in
from pipeline.core.deploy.ways_back import rollback
from pipeline.core.state.deployment import Deployment, Kind, Result
from tests.core.deploy.fakes import (
    BLUE,
    BY_HAND,
    GREEN,
    PLACE,
    POLICY,
    FakeCloud,
    begin,
    cloud,
    kept,
    recover,
)
from tests.core.deploy.recoveries import failing, killed, result_of

ADOPTED = frozenset({BLUE})


def promote(fake: FakeCloud, fail: Callable[[int, str], None] = lambda *_: None) -> Deployment:
    deployer = begin(fake, policy=replace(POLICY, keep=0))
    fake.calls.clear()
    fake.fail = fail
    try:
        return deployer.run(promotion(BLUE, GREEN, how=Manner(adopted=fake.document.adopted)))
    finally:
        fake.fail = lambda *_: None


def return_to_it(fake: FakeCloud, fail: Callable[[int, str], None] = lambda *_: None) -> Deployment:
    """Roll back from the release that replaced the group."""
    deployer = begin(fake, kind=Kind.ROLLBACK, blue=GREEN, green=BLUE, minimum=1)
    warm = replace(deployer.deployment, warm=True)
    fake.document = replace(fake.document, deployment=warm)
    deployer.deployment = warm
    observation = deployer.reconciler.observer.survey(lambda _: True)
    fleet = fleet_in(fake.document, PLACE, observation)
    fake.calls.clear()
    fake.fail = fail
    try:
        return deployer.run(rollback(BLUE, GREEN, fleet, Manner(adopted=fake.document.adopted)))
    finally:
        fake.fail = lambda *_: None


def promoted() -> FakeCloud:
    fake = cloud(by_hand=[1])
    promote(fake)
    fake.changed.clear()
    return fake


def is_untouched(fake: FakeCloud, context: object = "") -> None:
    """Check that the adopted group has its size and its tags, and that the service never failed."""
    group = fake.groups[BY_HAND]
    assert (group.minimum, group.maximum, group.desired) == (2, 4, 2), context
    assert (len(group.members), group.tags, group.deleted_at) == (2, {}, 0), context
    assert BY_HAND not in fake.resized, context
    assert fake.violations == [], context
    assert fake.outages == [], context
    assert fake.document.releases[BLUE].adopted, context
    assert not fake.document.releases[BLUE].failed, context


def is_consistent(fake: FakeCloud, context: object) -> None:
    is_untouched(fake, context)
    assert fake.document.deployment is None, context
    assert fake.serving == {fake.document.serving}, context
    assert fake.existing == set(fake.document.releases), context
    assert fake.state == fake.existing - {BLUE}, context


def test_it_stays_detached_after_the_first_promotion_and_is_not_kept_for_a_time() -> None:
    fake = cloud(by_hand=[1])
    done = promote(fake)
    assert result_of(done) is Result.PROMOTED
    is_consistent(fake, done.outcome)
    assert (fake.document.serving, fake.document.warm) == (GREEN, (BLUE,))
    assert fake.document.releases[BLUE].warm_until == ""
    assert fake.document.overdue("2030-01-01T00:00:00+00:00") == ()
    assert [each.release for each in fake.document.retired] == [BLUE]


def test_a_rollback_attaches_it_without_terraform_and_without_a_size() -> None:
    """Its members are of another version than the group names now, and count nevertheless."""
    fake = promoted()
    fake.groups["web-staging-r000002"].desired = 4  # green grew: the adopted group does not
    fake._grow(fake.groups["web-staging-r000002"])
    done = return_to_it(fake)
    assert result_of(done) is Result.PROMOTED
    is_consistent(fake, done.outcome)
    assert fake.document.serving == BLUE
    assert fake.changed == [
        ("attach", BLUE),
        ("detach", GREEN),
        ("resize", GREEN),
        ("delete", GREEN),
    ]


def test_a_later_promotion_keeps_it_beside_the_group_that_it_deletes() -> None:
    fake = promoted()
    three = "r000003"
    deployer = begin(fake, blue=GREEN, green=three)
    done = deployer.run(promotion(GREEN, three, warm=[BLUE], how=Manner(adopted=ADOPTED)))
    assert result_of(done) is Result.PROMOTED
    is_consistent(fake, done.outcome)
    assert fake.existing == {BLUE, three}


def test_a_warm_release_takes_its_place_again_and_it_stays() -> None:
    fake = cloud(by_hand=[1])
    fake.document = fake.document.with_release(kept(2))
    fake.add(2, attached=False)
    deployer = begin(fake, kind=Kind.ROLLBACK, green=GREEN)
    fleet = fleet_in(fake.document, PLACE, deployer.reconciler.observer.survey(lambda _: True))
    done = deployer.run(rollback(GREEN, BLUE, fleet, how=Manner(adopted=ADOPTED)))
    assert result_of(done) is Result.PROMOTED
    is_consistent(fake, done.outcome)
    assert fake.serving == {GREEN}


def test_its_owner_attached_it_again_and_the_next_promotion_detaches_it() -> None:
    fake = promoted()
    fake.attach_by_hand(1, *PLACE.balancers)
    three = "r000003"
    done = begin(fake, blue=GREEN, green=three).run(
        promotion(GREEN, three, warm=[BLUE], how=Manner(adopted=ADOPTED))
    )
    assert result_of(done) is Result.PROMOTED
    is_consistent(fake, done.outcome)


def test_it_is_forgotten_with_the_next_deletion_after_its_owner_deleted_it() -> None:
    fake = promoted()
    del fake.groups[BY_HAND]
    fake.remember()
    three = "r000003"
    done = begin(fake, blue=GREEN, green=three).run(
        promotion(GREEN, three, warm=[BLUE], how=Manner(adopted=ADOPTED))
    )
    assert result_of(done) is Result.PROMOTED
    assert (set(fake.document.releases), fake.violations) == ({three}, [])


LONG = pytest.mark.long


@pytest.mark.parametrize(
    ("kind", "back"),
    [
        pytest.param(kind, back, marks=() if (kind, back) == ("after", False) else LONG)
        for kind in ("before", "after", "signal")
        for back in (False, True)
    ],
)
def test_a_failure_at_any_call_leaves_it_as_it_is(kind: str, back: bool) -> None:
    act = return_to_it if back else promote
    whole = promoted() if back else cloud(by_hand=[1])
    act(whole)
    for at in range(1, len(whole.calls) - 1):  # the last two calls only record the end
        fake = promoted() if back else cloud(by_hand=[1])
        done = act(fake, failing(at, kind))
        context = (at, done.outcome)
        is_untouched(fake, context)
        if fake.document.deployment is not None:
            recover(fake)
        is_consistent(fake, context)


@pytest.mark.parametrize(
    ("when", "back"),
    [
        pytest.param(when, back, marks=() if (when, back) == ("before", True) else LONG)
        for when in ("before", "after")
        for back in (False, True)
    ],
)
def test_one_recover_ends_a_run_that_was_killed_at_any_call(when: str, back: bool) -> None:
    act, results = return_to_it if back else promote, Counter[Result]()
    whole = promoted() if back else cloud(by_hand=[1])
    for number, fake in killed(whole, lambda fake: act(fake, fake.fail), when):
        is_untouched(fake, number)
        if fake.document.deployment is None:
            continue  # the deployment had ended
        done = recover(fake)
        results[result_of(done)] += 1
        is_consistent(fake, (number, done.outcome))
    assert sum(results.values()) > 20
    assert results[Result.PROMOTED] > 0
