"""What leads out where the group that serves was deleted by hand, or both groups of a deployment.

Nothing is there to go back to then: what died is taken away and forgotten, and a release begins
as the first one does.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

import pytest

from pipeline.core.deploy.phases import Phase, promotion, rollback
from pipeline.core.deploy.recovery import fleet_in
from pipeline.core.state.deployment import Deployment, Kind, Outcome, Result
from pipeline.core.state.environment import Environment
from tests.core.deploy.fakes import (
    BLUE,
    GREEN,
    PLACE,
    TODAY,
    FakeCloud,
    a_world,
    begin,
    cloud,
    kept,
    recover,
)
from tests.core.deploy.test_recovery import (
    ONE,
    TWO,
    died,
    is_done,
    is_put_back,
    killed_at,
    result_of,
)
from tests.core.deploy.test_recovery import KilledError as Killed

WARM = "r000000"


def lose(fake: FakeCloud, name: str, how: str = "gone") -> None:
    """Delete a group as a person does in the console: the state and the document know nothing."""
    fake.had_blue = False
    if how == "gone":
        fake.groups.pop(name, None)
    elif name in fake.groups:
        fake.groups[name].gone_at = fake.time + 20


def is_bereft(fake: FakeCloud, done: Deployment) -> None:
    """Nothing serves, nothing is left, and the document says so."""
    assert result_of(done) is Result.ROLLED_BACK, done.outcome
    assert fake.serving == fake.existing == fake.state == set()
    assert (fake.document.serving, dict(fake.document.releases)) == ("", {})
    assert fake.document.deployment is None
    assert BLUE in {each.release for each in fake.document.retired}


@pytest.mark.parametrize("how", ["gone", "being deleted"])
@pytest.mark.parametrize("phase", ["launch", "attach", "soak", "drain", "observe", "reattach"])
@pytest.mark.parametrize("green", ["never made", "gone", "being deleted"])
def test_where_both_are_gone_what_is_left_is_taken_away(phase: str, green: str, how: str) -> None:
    fake = died(phase)
    lose(fake, ONE, how)
    if green == "never made":
        del fake.groups[TWO]
        fake.state.discard(GREEN)
        unmade = replace(fake.document.releases[GREEN], made=False)
        fake.document = fake.document.with_release(unmade)
    else:
        lose(fake, TWO, green)
    done = recover(fake)
    is_bereft(fake, done)
    assert done.outcome
    assert done.outcome.rollback_error == "the group of r000001 is gone, and nothing serves"
    assert {verb for verb, _ in fake.changed} <= {"delete"}


@pytest.mark.parametrize("back", [False, True], ids=["recover", "abort"])
def test_a_green_that_was_decided_for_and_is_gone_is_not_told_to_serve(back: bool) -> None:
    fake = died("retire", blue=False, green=True, decided=True)
    lose(fake, ONE)
    lose(fake, TWO)
    done = recover(fake, back=back)
    is_bereft(fake, done)
    assert done.outcome
    assert done.outcome.rollback_error == "the group of r000002 is gone, and nothing serves"


def test_a_green_that_was_decided_for_and_is_gone_gives_blue_back() -> None:
    fake = died("retire", blue=False, green=True, decided=True)
    lose(fake, TWO)
    is_put_back(fake, recover(fake))


@pytest.mark.parametrize("how", ["gone", "being deleted"])
def test_a_warm_rollback_whose_group_is_gone_leaves_what_served(how: str) -> None:
    fake = died("reattach", kind=Kind.ROLLBACK, warm=True)
    fake.had_blue = False
    lose(fake, TWO, how)
    is_put_back(fake, recover(fake))


def test_a_warm_rollback_of_which_neither_group_is_there_ends() -> None:
    fake = died("reattach", kind=Kind.ROLLBACK, warm=True)
    lose(fake, ONE)
    lose(fake, TWO)
    is_bereft(fake, recover(fake))


@pytest.mark.parametrize("kind", [Kind.RETIRE, Kind.ABORT])
def test_a_removal_beside_a_group_that_is_gone_takes_away_nothing_that_may_yet_serve(
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
    lose(fake, ONE)
    done = recover(fake)
    assert result_of(done) is Result.ROLLED_BACK
    assert fake.existing == fake.state == set(fake.document.releases) == {WARM}
    assert (fake.document.serving, fake.document.deployment) == ("", None)


def test_what_a_person_put_into_service_meanwhile_is_left_in_it() -> None:
    fake = died("soak")
    fake.document = fake.document.with_release(kept(0))
    fake.add(0, attached=True)
    lose(fake, ONE)
    lose(fake, TWO)
    done = recover(fake)
    assert result_of(done) is Result.ROLLED_BACK
    assert fake.serving == fake.existing == fake.state == {WARM}
    assert ("detach", WARM) not in fake.changed


def test_where_aws_does_not_answer_nothing_is_taken_for_gone() -> None:
    fake = died("soak")
    lose(fake, ONE)
    lose(fake, TWO)
    fake.blind = 1000
    done = recover(fake)
    assert result_of(done) is Result.NEEDS_ATTENTION
    assert fake.document.serving == BLUE
    fake.blind = 0
    is_bereft(fake, recover(fake))


def test_one_look_that_shows_neither_group_is_no_proof() -> None:
    fake = died("soak", green=True)
    away = dict(fake.groups)
    observations = 0

    def stale(_: int, name: str) -> None:
        nonlocal observations
        if name == "observe":
            observations += 1
            fake.groups = {} if observations == 1 else away

    fake.had_blue = False
    fake.fail = stale
    is_put_back(fake, recover(fake))


# --- nothing in flight ----------------------------------------------------------------------------


def promote(fake: FakeCloud, phases: list[Phase]) -> Deployment:
    """Do what `promote` does where the group that serves is gone (app.promoting)."""
    deployer = begin(fake, blue="")
    deployer.world.lost = deployer.world.vanished(frozenset(fake.document.releases) - {GREEN})
    return deployer.run(phases)


def test_a_promotion_beside_a_group_that_is_gone_begins_as_the_first_does() -> None:
    fake = cloud()
    lose(fake, ONE)
    is_done(fake, promote(fake, promotion("", GREEN, warm=[BLUE])))
    assert [each.release for each in fake.document.retired] == [BLUE]
    assert {verb for verb, _ in fake.changed} == {"attach", "delete", "resize"}


def test_a_group_that_is_being_deleted_is_waited_for_only_at_the_end() -> None:
    fake = cloud()
    fake.groups[ONE].gone_at = fake.time + 30
    is_done(fake, promote(fake, promotion("", GREEN, warm=[BLUE])))
    assert fake.changed[0] == ("attach", GREEN)


def test_such_a_promotion_that_fails_leaves_nothing_but_what_may_yet_serve() -> None:
    fake = cloud(warm=[0])
    lose(fake, ONE)
    fake.sick.add(TWO)
    done = promote(fake, promotion("", GREEN, warm=[BLUE, WARM]))
    assert result_of(done) is Result.ROLLED_BACK
    assert fake.existing == fake.state == set(fake.document.releases) == {WARM}
    assert fake.document.serving == ""


def test_such_a_promotion_is_recovered_wherever_it_died() -> None:
    number = 0
    while number := number + 1:
        fake = cloud()
        lose(fake, ONE)
        deployer = begin(fake, blue="")
        deployer.world.lost = deployer.world.vanished(frozenset({BLUE}))
        fake.calls.clear()

        def kill(at: int, name: str, last: int = number) -> None:
            if at == last:
                raise Killed(name)

        fake.fail = kill
        try:
            deployer.run(promotion("", GREEN, warm=[BLUE]))
            break
        except Killed:
            fake.fail = lambda *_: None
        if fake.document.deployment is None:
            continue
        done = recover(fake)
        assert result_of(done) is not Result.NEEDS_ATTENTION, (number, done.outcome)
        assert fake.existing == fake.state == set(fake.document.releases) - {BLUE}
        assert fake.serving == {fake.document.serving} - {""}
    assert number > 20


def test_a_warm_group_that_is_gone_is_forgotten_by_the_next_launch() -> None:
    fake = cloud(warm=[0])
    lose(fake, "web-staging-r000000")
    fake.had_blue = True
    deployer = begin(fake)
    deployer.world.lost = deployer.world.vanished(frozenset({BLUE, WARM}))
    assert deployer.world.lost == {WARM}
    is_done(fake, deployer.run(promotion(BLUE, GREEN, warm=[WARM])))


def test_a_warm_group_serves_again_where_the_one_that_served_is_gone() -> None:
    fake = cloud(warm=[0])
    lose(fake, ONE)
    deployer = begin(fake, kind=Kind.ROLLBACK, green=WARM, blue="")
    fleet = fleet_in(fake.document, PLACE, deployer.world.survey(lambda _: True))
    fleet = replace(fleet, detached=fleet.detached - {BLUE})
    done = deployer.run(rollback(WARM, "", fleet))
    assert result_of(done) is Result.PROMOTED
    assert fake.serving == fake.existing == fake.state == set(fake.document.releases) == {WARM}
    assert fake.document.serving == WARM
    assert [each.release for each in fake.document.retired] == [BLUE]


def lost_worlds() -> list[FakeCloud]:
    """Return one of each kind in which neither group is left."""
    found = [
        died("soak"),
        died("retire", blue=False, green=True, decided=True),
        died("reattach", kind=Kind.ROLLBACK, warm=True),
    ]
    for fake in found:
        lose(fake, ONE)
        lose(fake, TWO)
    return found


@pytest.mark.parametrize("which", range(3))
def test_a_recover_that_is_killed_where_nothing_is_left_is_recovered(which: int) -> None:
    whole = lost_worlds()[which]
    recover(whole)
    for number in range(1, len(whole.calls) + 1):
        for when in ("before", "after"):
            fake = lost_worlds()[which]
            fake.fail = killed_at(number, when)
            with suppress(Killed):
                recover(fake)
            fake.fail = lambda *_: None
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


def test_a_removal_that_is_recovered_twice_leaves_what_may_yet_serve() -> None:
    fake = cloud(warm=[0])
    overdue = replace(kept(0), warm_until="2020-01-01T00:00:00+00:00")
    dead = replace(begin(fake, kind=Kind.RETIRE, green=BLUE).deployment, phase="retire")
    fake.document = replace(fake.document.with_release(overdue), deployment=dead)
    lose(fake, ONE)
    fake.document = fake.document.without_serving(TODAY)
    recover(fake)
    assert fake.existing == {WARM}
    assert fake.document.deployment is None


def test_the_document_without_what_served_remembers_it_once() -> None:
    document = cloud().document
    bereft = document.without_serving(TODAY)
    assert (bereft.serving, bereft.releases) == ("", document.releases)
    assert [(each.release, each.ami_id, each.until) for each in bereft.retired] == [
        (BLUE, "ami-00000001", TODAY)
    ]
    assert bereft.without_serving(TODAY) == bereft
    assert Environment.without_serving(cloud(blue=False).document, TODAY).retired == ()


def test_a_stranded_one_goes_on_where_it_was() -> None:
    fake = died("soak")
    lose(fake, ONE)
    lose(fake, TWO, "being deleted")
    fake.groups[TWO].gone_at = fake.time + 500
    done = recover(fake)
    assert result_of(done) is Result.NEEDS_ATTENTION
    assert done.outcome
    assert "Delete in progress" in done.outcome.reason
    assert isinstance(done.outcome, Outcome)
    assert fake.document.serving == ""
    fake.time += 500
    is_bereft(fake, recover(fake))
    assert a_world(fake).vanished(frozenset()) == frozenset()
