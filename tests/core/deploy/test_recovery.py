"""What `recover` does of each world that a run may have died in, and `abort` beside it.

Every case of the state machine: what is attached, what is well, what is being deleted, what was
decided. Then killed at every call there is, twice, and brought to its end by one command.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace

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
    Group,
    a_world,
    begin,
    cloud,
    recover,
)

ONE, TWO = "web-staging-r000001", "web-staging-r000002"
LOOKING = {"observe", "sleep", "update", "intend"}
THEIRS = {"ami-pipeline:deployment": "20260101T000000Z-beef"}


class KilledError(BaseException):
    """Nothing of ours runs after it: SIGKILL."""


def died(
    phase: str,
    *,
    blue: bool = True,
    green: bool = False,
    decided: bool = False,
    keep: float | None = 0.0,
    **changes: object,
) -> FakeCloud:
    """Return a world in which a promotion died: who is attached, what was decided."""
    fake = cloud()
    begin(fake)
    fake.add(2, attached=False)
    if not blue:
        _detach_long_ago(fake.groups[ONE])
    if green:
        fake._attach(fake.groups[TWO])
    document = fake.document
    dead = document.deployment
    assert dead is not None
    kept = replace(document.releases[GREEN], made=True)
    dead = replace(dead, phase=phase, **changes)  # type: ignore[arg-type]
    document = replace(document.with_release(kept), deployment=dead)
    if decided:
        document = document.promoted(dead, keep=keep, today=fake.today())
    fake.document = document
    fake.had_blue = blue or green
    return fake


def _detach_long_ago(group: Group) -> None:
    group.attached.clear()
    for member in group.members:
        member.attached.clear()


def result_of(done: Deployment) -> Result:
    assert done.outcome
    return done.outcome.result


def is_put_back(fake: FakeCloud, done: Deployment) -> None:
    assert result_of(done) is Result.ROLLED_BACK, done.outcome
    assert fake.serving == fake.existing == fake.state == {BLUE}
    assert (fake.document.serving, set(fake.document.releases)) == (BLUE, {BLUE})
    assert fake.document.deployment is None
    assert fake.dark_moments == []


def is_done(fake: FakeCloud, done: Deployment) -> None:
    assert result_of(done) is Result.PROMOTED, done.outcome
    assert fake.serving == fake.existing == fake.state == {GREEN}
    assert (fake.document.serving, set(fake.document.releases)) == (GREEN, {GREEN})
    assert fake.document.deployment is None
    assert fake.dark_moments == []


# --- who is attached ------------------------------------------------------------------------------


@pytest.mark.parametrize("phase", ["launch", "attach", "soak", "drain", "observe", "reattach"])
@pytest.mark.parametrize("exists", [True, False], ids=["green there", "no green"])
def test_where_nobody_serves_blue_is_attached_before_anything_else(
    phase: str, exists: bool
) -> None:
    fake = died(phase, blue=False)
    if not exists:
        del fake.groups[TWO]
        fake.state.discard(GREEN)
    done = recover(fake)
    is_put_back(fake, done)
    first = fake.calls.index("attach")
    assert set(fake.calls[:first]) <= LOOKING
    assert fake.changed[0] == ("attach", BLUE)
    assert fake.calls[:first].count("observe") == 1
    assert fake.calls[:first].count("sleep") <= 1  # where a signal would show, no pause


@pytest.mark.parametrize("phase", ["launch", "verify", "attach", "soak"])
@pytest.mark.parametrize("green", [True, False], ids=["both attached", "blue attached"])
def test_what_died_before_the_drain_is_put_back(phase: str, green: bool) -> None:
    fake = died(phase, green=green)
    is_put_back(fake, recover(fake))
    assert ("attach", BLUE) not in fake.changed
    assert Counter(fake.changed)["detach", GREEN] == green


@pytest.mark.parametrize("release", [BLUE, GREEN])
def test_a_group_that_is_attached_to_one_of_two_balancers_is_put_right(release: str) -> None:
    fake = died("soak", green=True)
    group = fake.groups[f"web-staging-{release}"]
    group.attached.discard(CLASSIC.identifier)
    for member in group.members:
        member.attached.pop(CLASSIC.identifier, None)
    is_put_back(fake, recover(fake))
    assert fake.groups[ONE].attached == {"web", "arn:tg/web"}
    assert (("attach", BLUE) in fake.changed) is (release == BLUE)


@pytest.mark.parametrize("phase", ["drain", "observe"])
def test_a_green_that_serves_alone_and_is_well_is_gone_on_with(phase: str) -> None:
    fake = died(phase, blue=False, green=True)
    is_done(fake, recover(fake))
    assert ("attach", BLUE) not in fake.changed
    assert fake.groups[TWO].minimum == 1


def test_a_warm_blue_stays_where_that_was_asked_for() -> None:
    fake = died("observe", blue=False, green=True)
    done = recover(fake, policy=replace(POLICY, keep=None))
    assert result_of(done) is Result.PROMOTED
    assert (fake.serving, fake.existing) == ({GREEN}, {BLUE, GREEN})
    assert fake.document.warm == (BLUE,)


def test_the_bake_in_is_begun_anew_with_its_alarms() -> None:
    fake = died("observe", blue=False, green=True)
    fake.alarmed = ("web-5xx: too many",)
    done = recover(fake, policy=replace(POLICY, alarms=("web-5xx",)))
    is_put_back(fake, done)
    assert done.outcome
    assert "web-5xx" in done.outcome.reason


def _ill(fake: FakeCloud) -> None:
    fake.sick.add(TWO)
    fake.had_blue = False  # nobody is served until blue is back


def _draining(fake: FakeCloud) -> None:
    for member in fake.groups[ONE].members:
        member.leaving = dict.fromkeys(("web", "arn:tg/web"), fake.time)


def _stranded(fake: FakeCloud) -> None:
    dead = fake.document.deployment
    assert dead
    outcome = Outcome(result=Result.NEEDS_ATTENTION, phase=dead.phase, interrupted=True)
    fake.document = replace(fake.document, deployment=replace(dead, outcome=outcome))


def _going_back(fake: FakeCloud) -> None:
    dead = fake.document.deployment
    fake.document = replace(fake.document, deployment=replace(dead, phase="reattach"))  # type: ignore[type-var]


@pytest.mark.parametrize("why", [_ill, _draining, _stranded, _going_back])
def test_a_green_that_serves_alone_is_put_back_where_it_is_not_proven(
    why: Callable[[FakeCloud], None],
) -> None:
    fake = died("observe", blue=False, green=True)
    why(fake)
    is_put_back(fake, recover(fake))


def test_an_abort_puts_back_what_recover_would_go_on_with() -> None:
    fake = died("observe", blue=False, green=True)
    is_put_back(fake, recover(fake, back=True))


# --- what was decided -----------------------------------------------------------------------------


@pytest.mark.parametrize("blue", ["whole", "emptied", "being deleted", "gone", "not in the state"])
def test_a_retirement_is_finished_where_green_is_well(blue: str) -> None:
    fake = died("retire", blue=False, green=True, decided=True)
    group = fake.groups[ONE]
    match blue:
        case "emptied":
            group.minimum = group.desired = 0
            group.members.clear()
        case "being deleted":
            group.gone_at = fake.time + 20
        case "gone":
            del fake.groups[ONE]
        case "not in the state":
            del fake.groups[ONE]
            fake.state.discard(BLUE)
    is_done(fake, recover(fake))
    assert not {name for verb, name in fake.changed if verb == "attach"}
    assert (("resize", BLUE) in fake.changed) is (blue == "whole")


@pytest.mark.parametrize("emptied", [False, True], ids=["whole", "emptied"])
def test_a_green_that_was_decided_for_and_is_ill_does_not_cost_blue(emptied: bool) -> None:
    fake = died("retire", blue=False, green=True, decided=True)
    _ill(fake)
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


def test_blue_at_zero_gets_back_what_it_had_though_green_has_nothing_either() -> None:
    fake = died("retire", blue=False, green=True, decided=True)
    for group in fake.groups.values():
        group.minimum = group.desired = 0
        group.members.clear()
    fake.had_blue = False
    is_put_back(fake, recover(fake))
    assert len(fake.groups[ONE].members) == 2


def test_one_bad_look_at_a_green_that_was_decided_for_is_no_reason_to_go_back() -> None:
    fake = died("retire", blue=False, green=True, decided=True)
    _ill(fake)
    observations = 0

    def heal(_: int, name: str) -> None:
        nonlocal observations
        observations += name == "observe"
        if observations == 2:
            fake.sick.discard(TWO)

    fake.fail = heal
    is_done(fake, recover(fake))


def test_where_aws_does_not_answer_nothing_that_was_decided_is_removed() -> None:
    fake = died("retire", blue=False, green=True, decided=True)
    fake.blind = 1000
    with pytest.raises(NeedsAttentionError) as told:
        recover(fake)
    assert (told.value.exit_code, told.value.where) == (5, "looking at the groups")
    assert "Throttling" in told.value.what
    assert told.value.remedy == "ami-pipeline recover -e staging"
    assert fake.changed == []


def test_where_aws_does_not_answer_what_was_not_decided_stays_in_flight() -> None:
    fake = died("soak", green=True)
    fake.blind = 1000
    done = recover(fake)
    assert result_of(done) is Result.NEEDS_ATTENTION
    assert fake.document.deployment == done
    assert fake.changed == []
    fake.blind = 0
    is_put_back(fake, recover(fake))


def test_a_cold_rollback_that_died_in_its_retirement_keeps_nothing_of_the_bad_release() -> None:
    fake = died("retire", blue=False, green=True, decided=True, keep=None, kind=Kind.ROLLBACK)
    is_done(fake, recover(fake, policy=replace(POLICY, keep=None)))


@pytest.mark.parametrize("attached", [BLUE, GREEN, "both", "none"])
def test_a_warm_rollback_is_finished_whoever_serves(attached: str) -> None:
    """Green is the release that is gone back to, blue the bad one."""
    fake = died(
        "reattach",
        blue=attached in {BLUE, "both"},
        green=attached in {GREEN, "both"},
        kind=Kind.ROLLBACK,
        warm=True,
    )
    is_done(fake, recover(fake))
    assert (fake.changed[0] == ("attach", GREEN)) is (attached in {BLUE, "none"})


@pytest.mark.parametrize("phase", ["launch", "attach", "soak"])
def test_a_first_release_that_died_on_its_way_leaves_nothing(phase: str) -> None:
    fake = cloud(blue=False)
    deployer = begin(fake, blue="")
    fake.add(2, attached=phase != "launch")
    dead = replace(deployer.deployment, phase=phase)
    made = replace(fake.document.releases[GREEN], made=True)
    fake.document = replace(fake.document.with_release(made), deployment=dead)
    done = recover(fake)
    assert result_of(done) is Result.ROLLED_BACK
    assert fake.existing == fake.state == set(fake.document.releases) == set()


# --- how many there are ---------------------------------------------------------------------------


def test_blue_that_shrank_beside_green_is_raised_before_green_is_withdrawn() -> None:
    fake = died("soak", green=True)
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
    assert fake.changed[0] == ("resize", BLUE)
    assert (group.desired, group.minimum) == (4, 2)  # a minimum would have to be put back


def test_blue_at_zero_beside_a_green_that_serves_is_raised_first() -> None:
    fake = died("soak", green=True)
    group = fake.groups[ONE]
    group.minimum = group.desired = 0
    group.members.clear()
    is_put_back(fake, recover(fake))
    assert fake.changed[0] == ("resize", BLUE)
    assert len(group.members) == 2


def test_blue_is_left_as_it_is_where_green_serves_nobody() -> None:
    fake = died("attach")
    group = fake.groups[ONE]
    group.desired = 1
    del group.members[1:]
    is_put_back(fake, recover(fake))
    assert ("resize", BLUE) not in fake.changed


def test_nobody_waits_for_ever_for_a_blue_that_cannot_grow(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fake = died("soak", green=True)
    group = fake.groups[ONE]
    group.desired = 1
    del group.members[1:]
    monkeypatch.setattr(fake, "_grow", lambda _: None)  # no capacity
    began = fake.time
    done = recover(fake)
    is_put_back(fake, done)
    assert fake.time - began < POLICY.limit("reattach")


def test_nobody_waits_for_a_member_of_blue_that_was_ill_before() -> None:
    fake = died("soak", green=True)
    fake.ill.add(fake.groups[ONE].members[0].id)
    began = fake.time
    is_put_back(fake, recover(fake))
    assert fake.time - began < POLICY.limit("reattach") / 2
    assert ("resize", BLUE) not in fake.changed


# --- what AWS deletes, and what is another's ------------------------------------------------------


@pytest.mark.parametrize("attached", [True, False])
def test_a_green_that_aws_deletes_is_waited_for_and_not_touched(attached: bool) -> None:
    fake = died("soak", green=attached)
    fake.groups[TWO].gone_at = fake.time + 25
    is_put_back(fake, recover(fake))
    assert {verb for verb, name in fake.changed if name == GREEN} <= {"delete"}


def test_a_deletion_that_takes_too_long_is_told_and_waited_for_by_the_next_recover() -> None:
    fake = died("delete")
    fake.groups[TWO].gone_at = fake.time + 200
    done = recover(fake)
    assert done.outcome
    assert (result_of(done), done.outcome.phase) == (Result.NEEDS_ATTENTION, "delete")
    assert done.outcome.reason == (
        "removing the groups: after 60 s: AWS says of web-staging-r000002: Delete in progress"
    )
    assert fake.serving == {BLUE}
    assert fake.changed == []
    fake.time += 200
    is_put_back(fake, recover(fake))


@pytest.mark.parametrize("how", ["being deleted", "gone"])
@pytest.mark.parametrize("attached", [True, False], ids=["green serves", "green is dark"])
def test_where_blue_was_deleted_green_is_all_there_is(how: str, attached: bool) -> None:
    fake = died("soak", green=attached)
    if how == "gone":
        del fake.groups[ONE]
    else:
        fake.groups[ONE].gone_at = fake.time + 30
    fake.had_blue = attached
    is_done(fake, recover(fake))
    assert {verb for verb, name in fake.changed if name == BLUE} <= {"delete"}
    assert ("detach", GREEN) not in fake.changed


def test_green_is_not_withdrawn_from_beside_a_blue_that_aws_begins_to_delete() -> None:
    fake = died("soak", green=True)

    def delete(_: int, name: str) -> None:
        dead = fake.document.deployment
        if name == "observe" and dead and dead.phase == "reattach":
            fake.groups[ONE].gone_at = 5000.0

    fake.fail = delete
    done = recover(fake)
    fake.fail = lambda *_: None
    assert result_of(done) is Result.NEEDS_ATTENTION
    assert fake.changed == []
    dead = fake.document.deployment
    assert dead
    observation = a_world(fake).survey(lambda _: True)
    assert fleet_in(fake.document, PLACE, observation).serving == {GREEN}
    fake.groups[ONE].gone_at = fake.time + 20
    is_done(fake, recover(fake))


def test_what_is_not_ours_or_being_deleted_is_not_resized() -> None:
    fake = died("soak", green=True)
    ours(fake)
    world = a_world(fake)
    fake.groups[ONE].gone_at = fake.time + 20
    world.catch_up(BLUE, 4, world.survey(lambda _: True))
    assert fake.changed == []
    fake.groups[TWO].tags = THEIRS
    with pytest.raises(RefusedError, match="was made by the deployment"):
        world.catch_up(GREEN, 4, world.observe([GREEN]))


def test_no_removal_is_planned_ahead_of_a_group_that_aws_deletes() -> None:
    for going in (0.0, 5000.0):
        fake = died("soak", green=True)
        fake.groups[ONE].gone_at = going
        world = a_world(fake)
        world.survey(lambda _: True)
        world.prepare(promotion(BLUE, GREEN)[-1])
        assert len(fake.prepared) == (0 if going else 1)


@pytest.mark.parametrize("attached", [True, False])
def test_a_group_of_our_name_and_another_deployments_tag_is_refused(attached: bool) -> None:
    fake = died("launch", green=attached)
    ours(fake)
    fake.groups[TWO].tags = THEIRS
    with pytest.raises(RefusedError) as told:
        recover(fake)
    assert told.value.exit_code == 3
    assert str(told.value) == (
        "server group web-staging-r000002:\n"
        "  was made by the deployment 20260101T000000Z-beef, and r000002 here by d: another store "
        "has releases of this app and environment\n"
        "next: give one of the two another name or environment; what this one knows: "
        "ami-pipeline status -e staging"
    )
    assert fake.changed == []
    assert fake.document.deployment is not None


def ours(fake: FakeCloud) -> None:
    kept = fake.document.releases[GREEN]
    release = replace(kept.release, facts={"deployment": "d"})
    fake.document = fake.document.with_release(replace(kept, release=release, made=False))


def test_blue_comes_first_though_green_is_anothers() -> None:
    fake = died("launch", blue=False, green=False)
    ours(fake)
    fake.groups[TWO].tags = THEIRS
    done = recover(fake)
    assert result_of(done) is Result.NEEDS_ATTENTION
    assert "was made by the deployment 20260101T000000Z-beef" in done.outcome.reason  # type: ignore[union-attr]
    assert fake.changed == [("attach", BLUE)]


def test_a_launch_that_met_a_group_of_another_deployment_touches_nothing_of_it() -> None:
    """Two runs of two stores chose one name: the second may neither detach nor delete it."""
    fake = cloud()
    deployer = begin(fake)
    ours(fake)

    def meet(_: int, name: str) -> None:
        if name == "apply" and TWO not in fake.groups:
            fake.add(2, attached=True)
            fake.groups[TWO].tags = THEIRS
            fake.state.discard(GREEN)
            raise RefusedError("terraform apply", "AlreadyExists", "observe")

    fake.fail = meet
    done = deployer.run(promotion(BLUE, GREEN))
    assert result_of(done) is Result.NEEDS_ATTENTION
    assert fake.changed == []
    assert fake.serving == {BLUE, GREEN}


# --- killed, and killed again ---------------------------------------------------------------------


def killed_at(number: int, when: str) -> Callable[[int, str], None]:
    def kill(at: int, name: str) -> None:
        if at == number and name.endswith("!") is (when == "after"):
            raise KilledError

    return kill


def until_killed(fake: FakeCloud, number: int, when: str, keep: bool) -> bool:
    """Promote until the kill; return whether it came to it."""
    deployer = begin(fake, policy=replace(POLICY, keep=None) if keep else POLICY)
    fake.calls.clear()
    fake.fail = killed_at(number, when)
    try:
        deployer.run(promotion(BLUE, GREEN, keep=keep))
    except KilledError:
        return True
    finally:
        fake.fail = lambda *_: None
    return False


def is_declared(fake: FakeCloud, told: object) -> None:
    assert fake.dark_moments == [], told
    assert fake.document.deployment is None, told
    assert len(fake.serving) == 1, told
    assert fake.serving == {fake.document.serving}, told
    assert fake.existing == fake.state == set(fake.document.releases), told


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("keep", [False, True], ids=["nothing kept", "blue kept warm"])
def test_one_recover_ends_what_was_killed_at_any_call(when: str, keep: bool) -> None:
    policy = replace(POLICY, keep=None) if keep else POLICY
    results = Counter[Result]()
    number = 0
    while number := number + 1:
        fake = cloud()
        if not until_killed(fake, number, when, keep):
            break
        if fake.document.deployment is None:
            continue  # it had ended
        done = recover(fake, policy=policy)
        results[result_of(done)] += 1
        is_declared(fake, (number, done.outcome))
    assert set(results) == {Result.PROMOTED, Result.ROLLED_BACK}
    assert sum(results.values()) > 60


def worlds() -> list[FakeCloud]:
    """Return one of each kind of world to recover."""
    return [
        died("observe", blue=False, green=False),
        died("soak", green=True),
        died("observe", blue=False, green=True),
        died("retire", blue=False, green=True, decided=True),
    ]


@pytest.mark.parametrize("which", range(4))
def test_a_recover_that_was_killed_is_recovered_and_nothing_is_done_twice(which: int) -> None:
    """An effect whose result is not in the journal is seen in the world, never repeated."""
    whole = worlds()[which]
    recover(whole)
    count = 0
    for number in range(1, len(whole.calls)):
        for when in ("before", "after"):
            fake = worlds()[which]
            fake.fail = killed_at(number, when)
            try:
                recover(fake)
            except KilledError:
                count += 1
            fake.fail = lambda *_: None
            before = list(fake.changed)
            if fake.document.deployment is None:
                continue
            recover(fake)
            is_declared(fake, (number, when))
            if "resize" not in {verb for verb, _ in [*whole.changed, *before]}:
                assert Counter(fake.changed) == Counter(whole.changed), (number, when)
            assert max(Counter(fake.changed).values()) == 1, (number, when, fake.changed)
    assert count > 20


def test_recovering_twice_changes_nothing_the_second_time() -> None:
    for fake in worlds():
        dead = fake.document.deployment
        recover(fake)
        done = list(fake.changed)
        fake.document = replace(fake.document, deployment=dead)
        if GREEN not in fake.document.releases:
            continue  # put back: there is nothing to go on with
        recover(fake)
        assert fake.changed == done


def test_what_was_decided_and_taken_back_is_the_document_of_before() -> None:
    fake = died("retire", blue=False, green=True, decided=True, keep=None)
    dead = fake.document.deployment
    assert dead
    back: Environment = fake.document.reverted(dead)
    assert (back.serving, back.retired) == (BLUE, ())
    assert back.reverted(dead) == back
