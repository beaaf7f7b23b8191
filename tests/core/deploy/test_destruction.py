"""The deletion of all groups of an environment, killed at every call and finished by `recover`."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pipeline.core.deploy.deployer import Deployer
from pipeline.core.deploy.recovery import kept_serving, removable
from pipeline.core.deploy.ways_back import destruction
from pipeline.core.state.deployment import Deployment, Kind, Result, Runner
from tests.core.deploy.fakes import (
    BLUE,
    DRAIN,
    GREEN,
    PLACE,
    TODAY,
    FakeCloud,
    a_reconciler,
    cloud,
    recover,
)
from tests.core.deploy.recoveries import ONE, KilledError, killed, result_of


def begin_destroy(fake: FakeCloud) -> Deployer:
    deployment = Deployment(
        id="d",
        kind=Kind.DESTROY,
        environment="staging",
        green=kept_serving(fake.document),
        blue=kept_serving(fake.document),
        began=TODAY,
        by=Runner(user="ann", host="here", pid=1),
    )
    fake.document = fake.document.started(deployment)
    fake.has_served = False  # a person wants that no group serves
    reconciler = a_reconciler(fake, deployment=deployment)
    return Deployer(reconciler=reconciler, deployment=deployment, report=lambda _: None)


def run_destroy(fake: FakeCloud) -> Deployment:
    deployer = begin_destroy(fake)
    document = fake.document
    return deployer.run(destruction(removable(document), keeps=kept_serving(document)))


def is_destroyed(fake: FakeCloud, done: Deployment) -> None:
    assert result_of(done) is Result.PROMOTED, done.outcome
    assert fake.existing == fake.state == set()
    document = fake.document
    assert (document.serving, dict(document.releases), document.deployment) == ("", {}, None)
    assert fake.violations == []


def test_every_group_drains_before_it_is_deleted() -> None:
    fake = cloud(warm=[0])
    done = run_destroy(fake)
    is_destroyed(fake, done)
    assert [each.name for each in done.phases] == ["drain", "retire"]
    detached = fake.changed.index(("detach", "r000001"))
    assert detached < fake.changed.index(("delete", "r000001"))
    assert [each.release for each in fake.document.retired] == ["r000001"]


@pytest.mark.parametrize("serves", [True, False], ids=["serves", "was attached by its owner"])
def test_an_adopted_group_is_left_as_it_is(serves: bool) -> None:
    fake = cloud(warm=[2], by_hand=[1])
    if not serves:
        fake.attach_by_hand(2, *PLACE.balancers)
        fake.document = replace(fake.document, serving=GREEN)
    done = run_destroy(fake)
    assert result_of(done) is Result.PROMOTED
    assert (fake.serving, fake.existing, fake.state) == ({BLUE}, {BLUE}, set())
    assert fake.document.serving == (BLUE if serves else "")
    assert (fake.violations, [name for _, name in fake.changed if name == BLUE]) == ([], [])


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_destroy_that_is_killed_at_any_call_is_finished_by_recover(when: str) -> None:
    for at, fake in killed(cloud(warm=[0]), run_destroy, when):
        if fake.document.deployment:
            is_destroyed(fake, recover(fake))
        assert fake.existing == set(), at


def test_requests_in_flight_end_although_the_first_run_was_killed_once_it_had_detached() -> None:
    fake = cloud()

    def kill(_: int, name: str) -> None:
        if name == "detach!":
            raise KilledError

    fake.fail = kill
    with pytest.raises(KilledError):
        run_destroy(fake)
    assert fake.groups[ONE].members[0].leaving
    fake.fail = lambda *_: None
    done = recover(fake)
    is_destroyed(fake, done)
    assert [each.name for each in done.phases] == ["drain", "retire"]
    assert done.phases[0].seconds >= DRAIN - 1
