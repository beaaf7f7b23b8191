"""What a rollback leaves for a later command to remove, and what every later command does first."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from random import Random

import pytest

from pipeline.app.environment.interrupted import Interrupted
from pipeline.app.environment.session import EnvironmentSession, SessionOptions
from pipeline.app.recover import recover
from pipeline.app.rollback import roll_back
from pipeline.core.deploy.phase import Manner
from pipeline.core.deploy.phases import promotion
from pipeline.core.deploy.plan import RollbackRequest
from pipeline.core.deploy.ways_back import removing_later
from pipeline.core.errors import FailedError, NeedsAttentionError, RefusedError
from pipeline.core.freshness import SETTLED
from pipeline.core.state.deployment import Delays, Deployment, Kind, Outcome, Policy, Result
from pipeline.core.state.environment import RetiredRelease
from pipeline.core.state.rollback import RollbackMode, rollback_option
from pipeline.core.state.strategy import Strategy
from tests.app.session_fakes import FakeEnvironment, KilledError
from tests.core.deploy.fakes import (
    BLUE,
    DRAIN,
    GREEN,
    MODERN,
    ONE_SIDE,
    OTHER_SIDE,
    PAIRED,
    PLACE,
    POLICY,
    WORKERS,
    FakeCloud,
    a_reconciler,
    begin,
    cloud,
)

GOOD, BAD = "r000003", BLUE
REQUEST = RollbackRequest(environment="staging")


class Drains(FakeCloud):
    """A cloud that also reports the deletion of a group with requests in flight."""

    def _require_no_traffic(self, name: str, verb: str) -> None:
        super()._require_no_traffic(name, verb)
        group = self.groups.get(name)
        for member in group.members if group else ():
            if any(self.time - since < DRAIN for since in member.leaving.values()):
                self.violations.append(f"{verb} {name} while it drained")


def environment(monkeypatch: pytest.MonkeyPatch, fake: FakeCloud | None = None) -> FakeEnvironment:
    """Return an environment in which a bad release serves and a good one is warm."""
    found = FakeEnvironment(monkeypatch)
    made = fake or cloud(warm=[3])
    made.__class__ = Drains
    past = RetiredRelease(release=GOOD, ami_id="ami-00000003")
    made.document = replace(made.document, retired=(past,))
    made.past.clear()  # both groups are there since long ago
    made.remember()
    found.fake = found.pace = made
    found.serving_group_exists = lambda document: document.group(document.serving) in made.groups  # type: ignore[attr-defined]
    return found


def rolled_back(found: FakeEnvironment, *, wait: bool = False) -> Deployment:
    done = roll_back(found.app, replace(REQUEST, wait=wait), lambda _: True)
    assert isinstance(done, Deployment)
    return done


def outcome_of(done: Deployment) -> Outcome:
    assert done.outcome
    return done.outcome


def result_of(done: Deployment) -> Result:
    return outcome_of(done).result


def is_safe(fake: FakeCloud, context: object = "") -> None:
    assert (fake.outages, fake.violations) == ([], []), context
    assert fake.serving == {fake.document.serving}, context


def is_removed(fake: FakeCloud, context: object = "") -> None:
    is_safe(fake, context)
    assert fake.document.deployment is None, context
    assert fake.serving == fake.existing == fake.state == {GOOD}, context
    assert set(fake.document.releases) == {GOOD}, context


def test_a_rollback_ends_when_traffic_is_safe_and_leaves_the_removal(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = environment(monkeypatch)
    fake, began = found.fake, found.fake.time
    done = rolled_back(found)
    assert result_of(done) is Result.PROMOTED
    assert outcome_of(done).pending == (BAD,)
    is_safe(fake)
    assert fake.existing == {BAD, GOOD}
    assert (fake.document.deployment, fake.document.unremoved) == (None, (BAD,))
    assert [run.name for run in done.phases] == ["reattach", "detach"]
    assert {"plan", "apply"}.isdisjoint(fake.calls)
    assert None in fake.prepared or not fake.prepared
    assert fake.time - began < DRAIN + SETTLED
    draining = fake.observe([], [MODERN], activities=()).targets[MODERN.identifier].values()
    assert "draining" in {each.state for each in draining}
    assert fake.document.warm == ()
    assert found.quarantined == ["ami-00000001"]


def test_with_wait_the_rollback_removes_the_group_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    found = environment(monkeypatch)
    done = rolled_back(found, wait=True)
    assert outcome_of(done).pending == ()
    is_removed(found.fake)


def begun(found: FakeEnvironment, action: Interrupted, *, first: bool = False) -> None:
    """Begin a command that changes the environment, and end it without work of its own."""
    options = SessionOptions(command="any", interrupted=action, finish_first=first)
    session = EnvironmentSession.begin(found.app, "staging", options)
    with session.lease():
        pass


COMMANDS: dict[str, Callable[[FakeEnvironment], object]] = {
    "promote, rebuild": lambda found: begun(found, Interrupted.FINISH, first=True),
    "rollback": lambda found: begun(found, Interrupted.UNDO),
    "--no-recover": lambda found: begun(found, Interrupted.REFUSE),
    "recover": lambda found: recover(found.app, "staging"),
}


@pytest.mark.parametrize("command", COMMANDS)
def test_every_later_command_removes_the_group_first(
    command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = environment(monkeypatch)
    rolled_back(found)
    COMMANDS[command](found)
    is_removed(found.fake)
    last = found.fake.recorded[-1]
    assert (last.kind, [run.name for run in last.phases]) == (Kind.RETIRE, ["drain", "retire"])
    with pytest.raises(RefusedError, match="no deployment is in flight"):
        recover(found.app, "staging")


def test_a_plan_removes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    found = environment(monkeypatch)
    rolled_back(found)
    begun(found, Interrupted.REFUSE_TO_PLAN)
    assert found.fake.existing == {BAD, GOOD}


def kill_at(number: int, when: str) -> Callable[[int, str], None]:
    def fail(at: int, name: str) -> None:
        if at == number and name.endswith("!") is (when == "after"):
            raise KilledError

    return fail


def signal_at(number: int) -> Callable[[int, str], None]:
    def fail(at: int, name: str) -> None:
        if at == number and name.endswith("!"):
            raise KeyboardInterrupt

    return fail


@pytest.mark.parametrize("when", [pytest.param("before", marks=pytest.mark.long), "after"])
def test_one_recover_ends_a_rollback_that_was_killed_at_any_call(
    when: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    number, killed = 0, 0
    while number := number + 1:
        found = environment(monkeypatch)
        found.fake.fail = kill_at(number, when)
        try:
            rolled_back(found)
            assert number > 10
            break
        except KilledError:
            killed += 1
        found.fake.fail = lambda *_: None
        document = found.fake.document
        if document.deployment is None and not document.unremoved:
            assert found.fake.serving == {BAD}, number  # it had not begun
            continue
        recover(found.app, "staging")
        is_removed(found.fake, number)
    assert killed > 20


@pytest.mark.parametrize(
    "fault", [pytest.param("killed before", marks=pytest.mark.long), "killed after", "signal"]
)
def test_one_recover_ends_a_removal_that_stopped_at_any_call(
    fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = 0
    while number := number + 1:
        found = environment(monkeypatch)
        rolled_back(found)
        at = len(found.fake.calls) + number
        found.fake.fail = signal_at(at) if fault == "signal" else kill_at(at, fault[7:])
        with suppress(KilledError, KeyboardInterrupt):
            recover(found.app, "staging")
        if len(found.fake.calls) < at:
            break
        found.fake.fail = lambda *_: None
        is_safe(found.fake, number)
        if found.fake.document.deployment or found.fake.document.unremoved:
            recover(found.app, "staging")
        is_removed(found.fake, number)
    assert number > 20


def ages(which: str, seed: int) -> Callable[[], float]:
    random, oldest = Random(seed), SETTLED - 0.1  # noqa: S311
    return lambda: oldest if which == "oldest" else random.uniform(0, oldest)


@pytest.mark.parametrize("which", ["oldest", "any"])
@pytest.mark.parametrize("command", ["rollback", "recover"])
def test_stale_reads_lose_no_request(
    which: str, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for seed in range(6):
        found = environment(monkeypatch)
        found.fake.age = ages(which, seed)
        rolled_back(found)
        is_safe(found.fake, seed)
        COMMANDS[command](found)
        is_removed(found.fake, seed)


# --- what cannot be removed -----------------------------------------------------------------------


def deny(_: int, name: str) -> None:
    if name == "apply":
        raise FailedError("terraform apply", "AccessDenied: DeleteLaunchTemplate", "ask for it")


def test_a_denied_removal_stops_a_promotion_and_not_a_rollback(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = environment(monkeypatch)
    rolled_back(found)
    found.fake.fail = deny
    done = recover(found.app, "staging")
    assert result_of(done) is Result.NEEDS_ATTENTION
    assert "AccessDenied: DeleteLaunchTemplate" in outcome_of(done).reason
    is_safe(found.fake)
    with pytest.raises(NeedsAttentionError, match="AccessDenied"):
        begun(found, Interrupted.FINISH)
    found.messages.clear()
    begun(found, Interrupted.UNDO)
    assert found.messages[-1] == (
        f"retire {done.id}: retire: terraform apply: AccessDenied: DeleteLaunchTemplate; "
        "continuing without it"
    )
    is_safe(found.fake)
    found.fake.fail = lambda *_: None
    recover(found.app, "staging")
    is_removed(found.fake)


def test_a_rollback_reports_its_own_failed_removal_and_continues(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = environment(monkeypatch)
    rolled_back(found)
    found.fake.fail = deny
    begun(found, Interrupted.UNDO)
    assert found.messages[-1].endswith("continuing without it")
    assert found.fake.document.unremoved == (BAD,)


def test_a_group_that_a_person_attached_again_is_not_removed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = environment(monkeypatch)
    rolled_back(found)
    found.fake.attach_by_hand(1, *PLACE.balancers)
    with pytest.raises(RefusedError, match="is to be deleted, but is attached to"):
        recover(found.app, "staging")
    assert ("detach", BAD) not in found.fake.changed[
        found.fake.changed.index(("detach", BAD)) + 1 :
    ]
    assert found.fake.existing == {BAD, GOOD}
    begun(found, Interrupted.UNDO)
    assert found.messages[-1].endswith("continuing without it")


def test_a_group_of_another_deployment_is_not_removed(monkeypatch: pytest.MonkeyPatch) -> None:
    found = environment(monkeypatch)
    rolled_back(found)
    bad = found.fake.document.releases[BAD]
    release = replace(bad.release, facts={"deployment": "d"})
    found.fake.document = found.fake.document.with_release(replace(bad, release=release))
    found.fake.groups["web-staging-r000001"].tags = {"ami-pipeline:deployment": "another"}
    done = recover(found.app, "staging")
    assert result_of(done) is Result.NEEDS_ATTENTION
    assert found.fake.existing == {BAD, GOOD}


def test_the_group_stays_while_the_serving_one_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    found = environment(monkeypatch)
    rolled_back(found)
    del found.fake.groups["web-staging-r000003"]
    with pytest.raises(RefusedError, match=f"the removal of {BAD} waits until a release serves"):
        recover(found.app, "staging")
    begun(found, Interrupted.UNDO)
    assert found.fake.existing == {BAD}
    assert found.messages[-1] == (
        "the group of r000003, which serves, does not exist: r000001 stays"
    )


# --- a rollback to a group whose removal is pending ----------------------------------------------

BACK = RollbackRequest(environment="staging", to=BAD, allow_quarantined=True)


def back(found: FakeEnvironment) -> Deployment:
    done = roll_back(found.app, BACK, lambda _: True)
    assert isinstance(done, Deployment)
    return done


def returned(fake: FakeCloud, context: object = "") -> None:
    is_safe(fake, context)
    assert fake.serving == {BAD}, context
    assert (fake.document.serving, fake.document.unremoved) == (BAD, (GOOD,)), context


def test_a_rollback_takes_a_group_back_whose_removal_is_pending(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = environment(monkeypatch)
    rolled_back(found)
    began, applied = found.fake.time, found.fake.calls.count("apply")
    done = back(found)
    assert [run.name for run in done.phases] == ["reattach", "detach"]
    assert outcome_of(done).pending == (GOOD,)
    returned(found.fake)
    assert found.fake.calls.count("apply") == applied
    assert found.fake.time - began < DRAIN + SETTLED
    assert found.fake.existing == {BAD, GOOD}
    recover(found.app, "staging")
    assert found.fake.existing == found.fake.serving == {BAD}


def test_without_options_a_rollback_takes_back_what_a_promotion_left(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """`promote --no-wait-retire` leaves a good release, which still runs."""
    fake = cloud()
    deployer = begin(fake, policy=replace(POLICY, soak=0, observe=0))
    done = deployer.run(removing_later(promotion(BLUE, GREEN)))
    assert outcome_of(done).pending == (BLUE,)
    found = environment(monkeypatch, fake)
    past = RetiredRelease(release=BLUE, ami_id="ami-00000001")
    fake.document = replace(fake.document, retired=(past,))
    option = rollback_option(fake.document, (), datetime.now(UTC))
    assert (option.mode, option.release) == (RollbackMode.WARM, BLUE)
    done = rolled_back(found)
    assert [run.name for run in done.phases] == ["reattach", "detach"]
    is_safe(fake)
    assert (fake.document.serving, fake.document.unremoved) == (BLUE, (GREEN,))


def test_a_rollback_to_a_pending_group_does_not_wait_for_other_removals(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = environment(monkeypatch, cloud(warm=[2, 3]))
    rolled_back(found)
    over = replace(found.fake.document.releases["r000002"], warm_until="2020-01-01T00:00:00+00:00")
    found.fake.document = found.fake.document.with_release(over)
    back(found)
    assert found.fake.existing == {BAD, "r000002", GOOD}
    assert found.fake.document.serving == BAD


def test_a_rollback_elsewhere_removes_the_pending_group_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = environment(monkeypatch, cloud(warm=[2, 3]))
    rolled_back(found)
    roll_back(found.app, replace(REQUEST, to="r000002"), lambda _: True)
    is_safe(found.fake)
    assert (found.fake.document.serving, found.fake.document.unremoved) == ("r000002", (GOOD,))
    assert found.fake.existing == {"r000002", GOOD}


@pytest.mark.parametrize("when", [pytest.param("before", marks=pytest.mark.long), "after"])
def test_one_recover_ends_a_rollback_to_a_pending_group_that_was_killed_at_any_call(
    when: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    number, killed = 0, 0
    while number := number + 1:
        found = environment(monkeypatch)
        rolled_back(found)
        at = len(found.fake.calls) + number
        found.fake.fail = kill_at(at, when)
        try:
            back(found)
            assert number > 10
            break
        except KilledError:
            killed += 1
        found.fake.fail = lambda *_: None
        if found.fake.document.deployment is None and found.fake.document.serving == GOOD:
            assert found.fake.serving == {GOOD}, number  # it had not begun
            continue
        recover(found.app, "staging")
        is_safe(found.fake, number)
        assert found.fake.document.deployment is None, number
        assert found.fake.serving == found.fake.existing == {found.fake.document.serving}, number
    assert killed > 20


@pytest.mark.parametrize("which", ["oldest", "any"])
def test_stale_reads_lose_no_request_of_a_rollback_to_a_pending_group(
    which: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for seed in range(6):
        found = environment(monkeypatch)
        found.fake.age = ages(which, seed)
        rolled_back(found)
        back(found)
        returned(found.fake, seed)


def test_a_group_that_a_removal_has_emptied_serves_no_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = environment(monkeypatch)
    rolled_back(found)
    found.fake.fail = deny
    recover(found.app, "staging")
    found.fake.document = replace(found.fake.document, deployment=None)
    assert found.fake.groups["web-staging-r000001"].desired == 0
    seen: list[object] = []
    monkeypatch.setattr(
        "pipeline.app.rollback.Rollback._to_new_group",
        lambda self, _: seen.append(self.target),
    )
    roll_back(found.app, BACK, lambda _: True)
    assert [(each.release, each.warm) for each in seen] == [(BAD, False)]  # type: ignore[attr-defined]
    assert "the removal of r000001 has begun: its group has no instances" in found.messages


# --- workers and pairs ----------------------------------------------------------------------------


@pytest.mark.parametrize("overlap", [True, False])
def test_workers_end_their_work_before_they_are_removed(
    overlap: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = cloud(warm=[3], place=WORKERS, overlap=overlap)
    found = environment(monkeypatch, fake)
    found.is_worker = True
    found.policy = replace(POLICY, overlap=overlap)
    monkeypatch.setattr(
        "pipeline.app.environment.leased.build_reconciler", _with_policy(fake, found.policy)
    )
    done = rolled_back(found)
    assert outcome_of(done).pending == (BAD,)
    names = [run.name for run in done.phases]
    assert names == (["reattach", "detach"] if overlap else ["detach", "reattach"])
    recover(found.app, "staging")
    is_removed(fake)


def _with_policy(fake: FakeCloud, policy: Policy) -> Callable[..., object]:
    return lambda *_: a_reconciler(fake, policy)


def test_a_group_waits_in_the_idle_target_group_of_a_pair(monkeypatch: pytest.MonkeyPatch) -> None:
    """A flip leaves blue registered there; the removal detaches it."""
    fake = cloud(place=PAIRED)
    policy = replace(POLICY, soak=0, observe=0, strategy=Strategy.FLIP, delays=Delays(drain=6))
    deployer = begin(fake, policy=policy, target_groups=(OTHER_SIDE.identifier,))
    done = deployer.run(removing_later(promotion(BLUE, GREEN, how=Manner(pairs=True))))
    assert outcome_of(done).pending == (BLUE,)
    assert fake.groups["web-staging-r000001"].attached == {ONE_SIDE.identifier}
    found = environment(monkeypatch, fake)
    recover(found.app, "staging")
    is_safe(fake)
    assert fake.existing == fake.state == {GREEN}
    assert ("detach", BLUE) in fake.changed
