"""What `recover` and `abort` do in every environment that a dead run can leave.

Every case of the state machine: what is attached, healthy, being deleted and decided. Then runs
are killed at every call, twice, and one command must bring the deployment to its end.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import pytest

from pipeline.core.deploy.phases import promotion
from pipeline.core.deploy.recovery import fleet_in
from pipeline.core.errors import NeedsAttentionError, RefusedError
from pipeline.core.state.deployment import Deployment, Kind, Outcome, Result
from pipeline.core.state.environment import Environment
from tests.core.deploy.fakes import (
    BLUE,
    CLASSIC,
    GREEN,
    PLACE,
    POLICY,
    FakeCloud,
    a_reconciler,
    begin,
    cloud,
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

HARMLESS = {"observe", "sleep", "update", "intend"}
OTHER_DEPLOYMENT = {"ami-pipeline:deployment": "20260101T000000Z-beef"}


# --- which group is attached ----------------------------------------------------------------------


@pytest.mark.parametrize("phase", ["launch", "attach", "soak", "drain", "observe", "reattach"])
@pytest.mark.parametrize("exists", [True, False], ids=["green there", "no green"])
def test_if_no_group_serves_blue_is_attached_before_anything_else(phase: str, exists: bool) -> None:
    fake = interrupted_in(phase, blue=False)
    if not exists:
        del fake.groups[TWO]
        fake.state.discard(GREEN)
    done = recover(fake)
    is_put_back(fake, done)
    first = fake.calls.index("attach")
    assert set(fake.calls[:first]) <= HARMLESS
    assert fake.changed[0] == ("attach", BLUE)
    assert fake.calls[:first].count("observe") == 1
    assert fake.calls[:first].count("sleep") <= 1  # a check for signals, no pause


@pytest.mark.parametrize("phase", ["launch", "verify", "attach", "soak"])
@pytest.mark.parametrize("green", [True, False], ids=["both attached", "blue attached"])
def test_a_run_that_died_before_the_drain_is_rolled_back(phase: str, green: bool) -> None:
    fake = interrupted_in(phase, green=green)
    is_put_back(fake, recover(fake))
    assert fake.changed[0] == ("attach", BLUE)
    assert Counter(fake.changed)["detach", GREEN] == green


@pytest.mark.parametrize("release", [BLUE, GREEN])
def test_a_group_that_is_attached_to_one_of_two_balancers_is_corrected(release: str) -> None:
    fake = interrupted_in("soak", green=True)
    group = fake.groups[f"web-staging-{release}"]
    group.attached.discard(CLASSIC.identifier)
    for member in group.members:
        member.attached.pop(CLASSIC.identifier, None)
    is_put_back(fake, recover(fake))
    assert fake.groups[ONE].attached == {"web", "arn:tg/web"}
    assert ("attach", GREEN) not in fake.changed


@pytest.mark.parametrize("phase", ["drain", "observe"])
def test_a_healthy_green_that_serves_alone_is_continued_with(phase: str) -> None:
    fake = interrupted_in(phase, blue=False, green=True)
    is_done(fake, recover(fake))
    assert ("attach", BLUE) not in fake.changed
    assert fake.groups[TWO].minimum == 1


def test_a_warm_blue_stays_if_configured() -> None:
    fake = interrupted_in("observe", blue=False, green=True)
    done = recover(fake, policy=replace(POLICY, keep=None))
    assert result_of(done) is Result.PROMOTED
    assert (fake.serving, fake.existing) == ({GREEN}, {BLUE, GREEN})
    assert fake.document.warm == (BLUE,)


def test_observe_begins_again_with_its_alarms() -> None:
    fake = interrupted_in("observe", blue=False, green=True)
    fake.firing = ("web-5xx: too many",)
    done = recover(fake, policy=replace(POLICY, alarms=("web-5xx",)))
    is_put_back(fake, done)
    assert done.outcome
    assert "web-5xx" in done.outcome.reason


def _unhealthy(fake: FakeCloud) -> None:
    fake.unhealthy_groups.add(TWO)
    fake.has_served = False  # no group serves until blue is back


def _draining(fake: FakeCloud) -> None:
    for member in fake.groups[ONE].members:
        member.leaving = dict.fromkeys(("web", "arn:tg/web"), fake.time)


def _needs_attention(fake: FakeCloud) -> None:
    dead = fake.document.deployment
    assert dead
    outcome = Outcome(result=Result.NEEDS_ATTENTION, phase=dead.phase, interrupted=True)
    fake.document = replace(fake.document, deployment=replace(dead, outcome=outcome))


def _going_back(fake: FakeCloud) -> None:
    dead = fake.document.deployment
    fake.document = replace(fake.document, deployment=replace(dead, phase="reattach"))  # type: ignore[type-var]


@pytest.mark.parametrize("why", [_unhealthy, _draining, _needs_attention, _going_back])
def test_a_green_that_serves_alone_is_rolled_back_if_it_is_not_proven(
    why: Callable[[FakeCloud], None],
) -> None:
    fake = interrupted_in("observe", blue=False, green=True)
    why(fake)
    is_put_back(fake, recover(fake))


def test_an_abort_rolls_back_what_recover_would_continue() -> None:
    fake = interrupted_in("observe", blue=False, green=True)
    is_put_back(fake, recover(fake, back=True))


# --- what was decided -----------------------------------------------------------------------------


@pytest.mark.parametrize("blue", ["whole", "emptied", "being deleted", "gone", "not in the state"])
def test_a_retirement_is_finished_if_green_is_healthy(blue: str) -> None:
    fake = interrupted_in("retire", blue=False, green=True, decided=True)
    group = fake.groups[ONE]
    match blue:
        case "emptied":
            group.minimum = group.desired = 0
            group.members.clear()
        case "being deleted":
            group.deleted_at = fake.time + 20
        case "gone":
            del fake.groups[ONE]
        case "not in the state":
            del fake.groups[ONE]
            fake.state.discard(BLUE)
    is_done(fake, recover(fake))
    assert not {name for verb, name in fake.changed if verb == "attach"}
    assert (("resize", BLUE) in fake.changed) is (blue == "whole")


@pytest.mark.parametrize("emptied", [False, True], ids=["whole", "emptied"])
def test_an_unhealthy_decided_green_does_not_delete_blue(emptied: bool) -> None:
    fake = interrupted_in("retire", blue=False, green=True, decided=True)
    _unhealthy(fake)
    fake.document = fake.document.with_release(replace(fake.document.releases[BLUE], minimum=2))
    group = fake.groups[ONE]
    if emptied:
        group.minimum = group.desired = 0
        group.members.clear()
    done = recover(fake)
    is_put_back(fake, done)
    assert ("delete", BLUE) not in fake.changed
    assert (group.minimum, group.desired, len(group.members)) == (2, 2, 2)
    assert fake.document.retired == ()
    assert fake.document.releases[BLUE].warm_until == ""


def test_an_empty_blue_gets_its_size_back_if_green_is_unhealthy() -> None:
    fake = interrupted_in("retire", blue=False, green=True, decided=True)
    _scale_to_zero(fake, ONE)
    _unhealthy(fake)
    fake.has_served = False
    is_put_back(fake, recover(fake))
    assert len(fake.groups[ONE].members) == 2


def test_a_decided_green_that_was_scaled_to_zero_stays() -> None:
    fake = interrupted_in("retire", blue=False, green=True, decided=True)
    _scale_to_zero(fake, ONE)
    _scale_to_zero(fake, TWO)
    fake.has_served = False
    is_done(fake, recover(fake))
    assert fake.groups[TWO].desired == 0


def _scale_to_zero(fake: FakeCloud, name: str) -> None:
    fake.groups[name].minimum = fake.groups[name].desired = 0
    fake.groups[name].members.clear()


def test_one_unhealthy_observation_of_a_decided_green_is_no_reason_to_go_back() -> None:
    fake = interrupted_in("retire", blue=False, green=True, decided=True)
    _unhealthy(fake)
    observations = 0

    def heal(_: int, name: str) -> None:
        nonlocal observations
        observations += name == "observe"
        if observations == 2:
            fake.unhealthy_groups.discard(TWO)

    fake.fail = heal
    is_done(fake, recover(fake))


def test_a_decided_deletion_waits_while_aws_does_not_answer() -> None:
    fake = interrupted_in("retire", blue=False, green=True, decided=True)
    fake.failing_reads = 1000
    with pytest.raises(NeedsAttentionError) as error:
        recover(fake)
    assert (error.value.exit_code, error.value.where) == (5, "reading the groups")
    assert "Throttling" in error.value.what
    assert (
        error.value.remedy
        == "ami-pipeline status -e staging; then: ami-pipeline recover -e staging"
    )
    assert fake.changed == []


def test_an_undecided_deployment_stays_in_flight_while_aws_does_not_answer() -> None:
    fake = interrupted_in("soak", green=True)
    fake.failing_reads = 1000
    done = recover(fake)
    assert result_of(done) is Result.NEEDS_ATTENTION
    assert fake.document.deployment == done
    assert fake.changed == [("attach", BLUE)]
    fake.failing_reads = 0
    is_put_back(fake, recover(fake))


def test_a_cold_rollback_that_died_in_retire_keeps_nothing_of_the_bad_release() -> None:
    fake = interrupted_in(
        "retire", blue=False, green=True, decided=True, keep=None, kind=Kind.ROLLBACK
    )
    is_done(fake, recover(fake, policy=replace(POLICY, keep=None)))


@pytest.mark.parametrize("attached", [BLUE, GREEN, "both", "none"])
def test_a_warm_rollback_is_finished_whichever_group_serves(attached: str) -> None:
    """Green is the target of the rollback, blue the bad release."""
    fake = interrupted_in(
        "reattach",
        blue=attached in {BLUE, "both"},
        green=attached in {GREEN, "both"},
        kind=Kind.ROLLBACK,
        warm=True,
    )
    is_done(fake, recover(fake))
    assert fake.changed[0] == ("attach", GREEN)


@pytest.mark.parametrize("phase", ["launch", "attach", "soak"])
def test_an_interrupted_first_release_leaves_nothing(phase: str) -> None:
    fake = cloud(blue=False)
    deployer = begin(fake, blue="")
    fake.add(2, attached=phase != "launch")
    dead = replace(deployer.deployment, phase=phase)
    made = replace(fake.document.releases[GREEN], made=True)
    fake.document = replace(fake.document.with_release(made), deployment=dead)
    done = recover(fake)
    assert result_of(done) is Result.ROLLED_BACK
    assert fake.existing == fake.state == set(fake.document.releases) == set()


# --- sizes ----------------------------------------------------------------------------------------


def test_a_blue_that_shrank_grows_before_green_is_detached() -> None:
    fake = interrupted_in("soak", green=True)
    group, other = fake.groups[ONE], fake.groups[TWO]
    other.desired = other.maximum = 4
    fake._grow(other)
    for member in other.members:
        member.born = 0.0
        member.attached = dict.fromkeys(member.attached, 0.0)
    group.desired = 1
    del group.members[1:]
    served: list[int] = []

    def count(_: int, name: str) -> None:
        if name == "detach":
            states = [fake._state(group, each, CLASSIC.identifier) for each in group.members]
            served.append(states.count("healthy"))

    fake.fail = count
    is_put_back(fake, recover(fake))
    assert served == [4]
    assert fake.changed[:2] == [("attach", BLUE), ("resize", BLUE)]
    assert (group.desired, group.minimum) == (4, 2)  # nothing restores a raised minimum


def test_an_empty_blue_grows_before_a_serving_green_is_detached() -> None:
    fake = interrupted_in("soak", green=True)
    group = fake.groups[ONE]
    group.minimum = group.desired = 0
    group.members.clear()
    is_put_back(fake, recover(fake))
    assert fake.changed[:2] == [("attach", BLUE), ("resize", BLUE)]
    assert len(group.members) == 2


def test_blue_keeps_its_size_if_green_has_no_traffic() -> None:
    fake = interrupted_in("attach")
    group = fake.groups[ONE]
    group.desired = 1
    del group.members[1:]
    is_put_back(fake, recover(fake))
    assert ("resize", BLUE) not in fake.changed


def test_the_wait_for_a_blue_that_cannot_grow_is_limited(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fake = interrupted_in("soak", green=True)
    group = fake.groups[ONE]
    group.desired = 1
    del group.members[1:]
    monkeypatch.setattr(fake, "_grow", lambda _: None)  # no capacity
    began = fake.time
    done = recover(fake)
    is_put_back(fake, done)
    assert fake.time - began < POLICY.limit("reattach")


def test_a_member_of_blue_that_was_unhealthy_before_is_not_waited_for() -> None:
    fake = interrupted_in("soak", green=True)
    fake.unhealthy_members.add(fake.groups[ONE].members[0].id)
    began = fake.time
    is_put_back(fake, recover(fake, policy=replace(POLICY, deadline=120)))
    assert fake.time - began < 120 / 2
    assert ("resize", BLUE) not in fake.changed


# --- groups that AWS deletes, and unmanaged groups ------------------------------------------------


@pytest.mark.parametrize("attached", [True, False])
def test_a_green_that_aws_deletes_is_waited_for_and_not_changed(attached: bool) -> None:
    fake = interrupted_in("soak", green=attached)
    fake.groups[TWO].deleted_at = fake.time + 25
    is_put_back(fake, recover(fake))
    assert {verb for verb, name in fake.changed if name == GREEN} <= {"delete"}


def test_a_deletion_that_takes_too_long_is_reported_and_finished_by_the_next_recover() -> None:
    fake = interrupted_in("delete")
    fake.groups[TWO].deleted_at = fake.time + 200
    done = recover(fake)
    assert done.outcome
    assert (result_of(done), done.outcome.phase) == (Result.NEEDS_ATTENTION, "delete")
    assert done.outcome.reason == (
        "deleting the groups: gave up after 1m: AWS says of web-staging-r000002: Delete in progress"
    )
    assert fake.serving == {BLUE}
    assert fake.changed == [("attach", BLUE)]
    fake.time += 200
    is_put_back(fake, recover(fake))


@pytest.mark.parametrize("how", ["being deleted", "gone"])
@pytest.mark.parametrize("attached", [True, False], ids=["green serves", "green detached"])
def test_if_blue_was_deleted_green_takes_over(how: str, attached: bool) -> None:
    fake = interrupted_in("soak", green=attached)
    if how == "gone":
        del fake.groups[ONE]
    else:
        fake.groups[ONE].deleted_at = fake.time + 30
    fake.has_served = attached
    is_done(fake, recover(fake))
    assert {verb for verb, name in fake.changed if name == BLUE} <= {"delete"}
    assert ("detach", GREEN) not in fake.changed


def test_green_stays_attached_beside_a_blue_that_aws_begins_to_delete() -> None:
    fake = interrupted_in("soak", green=True)

    def delete(_: int, name: str) -> None:
        dead = fake.document.deployment
        if name == "observe" and dead and dead.phase == "reattach":
            fake.groups[ONE].deleted_at = 5000.0

    fake.fail = delete
    done = recover(fake)
    fake.fail = lambda *_: None
    assert result_of(done) is Result.NEEDS_ATTENTION
    assert fake.changed == [("attach", BLUE)]
    dead = fake.document.deployment
    assert dead
    observation = a_reconciler(fake).observer.survey(lambda _: True)
    assert fleet_in(fake.document, PLACE, observation).serving == {GREEN}
    fake.groups[ONE].deleted_at = fake.time + 20
    is_done(fake, recover(fake))


def test_an_unmanaged_or_disappearing_group_is_not_resized() -> None:
    fake = interrupted_in("soak", green=True)
    ours(fake)
    reconciler = a_reconciler(fake)
    fake.groups[ONE].deleted_at = fake.time + 20
    reconciler.sizes.grow(BLUE, 4, reconciler.observer.survey(lambda _: True))
    assert fake.changed == []
    fake.groups[TWO].tags = OTHER_DEPLOYMENT
    with pytest.raises(RefusedError, match="was made by deployment"):
        reconciler.sizes.grow(GREEN, 4, reconciler.observer.observe([GREEN]))


def test_no_deletion_is_prepared_while_aws_deletes_a_group() -> None:
    for deleted_at in (0.0, 5000.0):
        fake = interrupted_in("soak", green=True)
        fake.groups[ONE].deleted_at = deleted_at
        reconciler = a_reconciler(fake)
        reconciler.observer.survey(lambda _: True)
        reconciler.prepare_deletion(promotion(BLUE, GREEN)[-1])
        assert len(fake.prepared) == (0 if deleted_at else 1)


@pytest.mark.parametrize("attached", [True, False])
def test_a_group_of_the_same_name_and_another_deployments_tag_is_refused(attached: bool) -> None:
    fake = interrupted_in("launch", green=attached)
    ours(fake)
    fake.groups[TWO].tags = OTHER_DEPLOYMENT
    with pytest.raises(RefusedError) as error:
        recover(fake)
    assert error.value.exit_code == 3
    assert str(error.value) == (
        "server group web-staging-r000002:\n"
        "  was made by deployment 20260101T000000Z-beef, but r000002 of this store by d: another "
        "store has releases of the same app and environment\n"
        "next: rename the app or the environment of one store; for this store's releases: "
        "ami-pipeline status -e staging"
    )
    assert fake.changed == []
    assert fake.document.deployment is not None


def ours(fake: FakeCloud) -> None:
    kept = fake.document.releases[GREEN]
    release = replace(kept.release, facts={"deployment": "d"})
    fake.document = fake.document.with_release(replace(kept, release=release, made=False))


def test_blue_is_attached_before_an_unmanaged_green_is_refused() -> None:
    fake = interrupted_in("launch", blue=False, green=False)
    ours(fake)
    fake.groups[TWO].tags = OTHER_DEPLOYMENT
    done = recover(fake)
    assert result_of(done) is Result.NEEDS_ATTENTION
    assert "was made by deployment 20260101T000000Z-beef" in done.outcome.reason  # type: ignore[union-attr]
    assert fake.changed == [("attach", BLUE)]


def test_a_launch_never_changes_a_group_of_another_deployment() -> None:
    """Runs of two stores chose the same name: the second may not detach or delete the group."""
    fake = cloud()
    deployer = begin(fake)
    ours(fake)

    def meet(_: int, name: str) -> None:
        if name == "apply" and TWO not in fake.groups:
            fake.add(2, attached=True)
            fake.groups[TWO].tags = OTHER_DEPLOYMENT
            fake.state.discard(GREEN)
            raise RefusedError("terraform apply", "AlreadyExists", "observe")

    fake.fail = meet
    done = deployer.run(promotion(BLUE, GREEN))
    assert result_of(done) is Result.NEEDS_ATTENTION
    assert fake.changed == [("attach", BLUE)]
    assert fake.serving == {BLUE, GREEN}


# --- killed, and killed again ---------------------------------------------------------------------


def promote(fake: FakeCloud, *, keep: bool) -> Deployment:
    deployer = begin(fake, policy=replace(POLICY, keep=None) if keep else POLICY)
    fake.calls.clear()
    return deployer.run(promotion(BLUE, GREEN, keep=keep))


def is_consistent(fake: FakeCloud, context: object) -> None:
    assert fake.outages == [], context
    assert fake.document.deployment is None, context
    assert len(fake.serving) == 1, context
    assert fake.serving == {fake.document.serving}, context
    assert fake.existing == fake.state == set(fake.document.releases), context


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("keep", [False, True], ids=["nothing kept", "blue kept warm"])
def test_one_recover_ends_a_deployment_killed_at_any_call(when: str, keep: bool) -> None:
    policy = replace(POLICY, keep=None) if keep else POLICY
    results = Counter[Result]()
    for number, fake in killed(cloud(), partial(promote, keep=keep), when):
        if fake.document.deployment is None:
            continue  # the deployment had ended
        done = recover(fake, policy=policy)
        results[result_of(done)] += 1
        is_consistent(fake, (number, done.outcome))
    assert set(results) == {Result.PROMOTED, Result.ROLLED_BACK}
    assert sum(results.values()) > 60


def interrupted_environments() -> list[FakeCloud]:
    """Return one environment of each kind to recover."""
    return [
        interrupted_in("observe", blue=False, green=False),
        interrupted_in("soak", green=True),
        interrupted_in("observe", blue=False, green=True),
        interrupted_in("retire", blue=False, green=True, decided=True),
    ]


@pytest.mark.parametrize("which", range(4))
def test_a_killed_recover_is_recovered_and_changes_nothing_twice(which: int) -> None:
    """An effect without a result in the journal is observed in AWS and not repeated.

    Only blue is attached again, because an observation may be older than its detachment.
    """
    count = 0
    for when in ("before", "after"):
        whole = interrupted_environments()[which]
        for number, fake in killed(whole, recover, when):
            count += 1
            before = list(fake.changed)
            if fake.document.deployment is None:
                continue
            recover(fake)
            is_consistent(fake, (number, when))
            changed = [each for each in fake.changed if each != ("attach", BLUE)]
            expected = [each for each in whole.changed if each != ("attach", BLUE)]
            if "resize" not in {verb for verb, _ in [*whole.changed, *before]}:
                assert Counter(changed) == Counter(expected), (number, when)
            assert max(Counter(changed).values(), default=1) == 1, (number, when, changed)
    assert count > 20


def test_a_second_recover_changes_nothing() -> None:
    for fake in interrupted_environments():
        dead = fake.document.deployment
        recover(fake)
        done = list(fake.changed)
        fake.document = replace(fake.document, deployment=dead)
        if GREEN not in fake.document.releases:
            continue  # rolled back: there is nothing to continue
        recover(fake)
        assert fake.changed == done


def test_a_reverted_decision_restores_the_document() -> None:
    fake = interrupted_in("retire", blue=False, green=True, decided=True, keep=None)
    dead = fake.document.deployment
    assert dead
    back: Environment = fake.document.reverted(dead)
    assert (back.serving, back.retired) == (BLUE, ())
    assert back.reverted(dead) == back
