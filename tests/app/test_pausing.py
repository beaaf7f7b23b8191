"""A paused deployment and the commands: two end it, every other one names these two."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from pipeline.app.abort import abort
from pipeline.app.environment import leased
from pipeline.app.environment.interrupted import Interrupted
from pipeline.app.environment.paused import require_not_paused
from pipeline.app.environment.session import EnvironmentSession, SessionOptions
from pipeline.app.housekeeping.destroy import destroy
from pipeline.app.housekeeping.drill import drill
from pipeline.app.recover import recover, recover_expired
from pipeline.app.resume import resume
from pipeline.core.deploy.phases import promotion
from pipeline.core.deploy.reconciler import Reconciler
from pipeline.core.errors import RefusedError
from pipeline.core.freezing.freeze import Freeze, FreezeState
from pipeline.core.pausing.pause import Actor, Approval, Decision, OnTimeout, PausePolicy
from pipeline.core.state.deployment import Delays, Deployment, Policy, Result
from tests.app.session_fakes import COMMANDS, FakeEnvironment
from tests.core.deploy.fakes import BLUE, GREEN, POLICY, a_reconciler, begin, cloud
from tests.core.deploy.recoveries import is_done, is_put_back, result_of

BOB = Actor(system="GitHub Actions", name="bob")
LATER = "2026-01-02T00:00:01+00:00"
BOTH = "to continue: ami-pipeline resume -e staging; to go back: ami-pipeline abort -e staging"
OTHERS: dict[str, Callable[[Any], object]] = {
    **{name: each for name, each in COMMANDS.items() if name != "abort"},
    "destroy": lambda app: destroy(app, "staging", lambda _: True, with_traffic=True),
    "rollback drill": lambda app: drill(app, "staging", lambda _: True),
    "adopt": lambda app: EnvironmentSession.begin(app, "staging", SessionOptions(command="adopt")),
    "state providers --upgrade": lambda app: EnvironmentSession.begin(
        app, "staging", SessionOptions(command="s", interrupted=Interrupted.REFUSE_TO_PLAN)
    ),
}


def paused(
    monkeypatch: pytest.MonkeyPatch,
    *phases: str,
    pauses: PausePolicy | None = None,
    at: str = "",
) -> FakeEnvironment:
    """Return an environment whose promotion ann paused, at a time after it."""
    environment = FakeEnvironment(monkeypatch)
    environment.fake = environment.pace = fake = cloud()
    policy = replace(POLICY, pauses=pauses or PausePolicy())
    deployer = begin(fake, policy=policy, pause_before=phases or ("drain",))
    deployer.deployment = replace(deployer.deployment, actor=environment.actor)
    assert result_of(deployer.run(promotion(BLUE, GREEN))) is Result.PAUSED
    if at:
        monkeypatch.setattr(fake, "today", lambda: at)
    monkeypatch.setattr(environment, "actor", BOB)
    fake.calls.clear()
    environment.calls.clear()
    return environment


@pytest.mark.parametrize("command", OTHERS)
def test_every_other_command_is_refused_before_aws_is_read_and_names_resume_and_abort(
    command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = paused(monkeypatch)
    before = environment.fake.document
    with pytest.raises(RefusedError) as raised:
        OTHERS[command](environment.app)
    assert raised.value.where == "promote d"
    assert raised.value.what.startswith("is paused before drain since ")
    assert " by ann (GitHub Actions), until " in raised.value.what
    assert raised.value.what.endswith(", then abort; only resume and abort continue it")
    assert raised.value.remedy == BOTH
    assert environment.calls == ["configuration", "free lease", "document"]
    assert (environment.fake.document, environment.fake.calls) == (before, [])


def test_a_pause_that_begins_after_the_first_check_is_noticed_under_the_lease(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    environment = paused(monkeypatch)
    document = environment.fake.document
    environment.fake.document = replace(document, deployment=None)
    options = SessionOptions(command="promote")
    session = EnvironmentSession.begin(environment.app, "staging", options)
    environment.fake.document = document
    with pytest.raises(RefusedError, match="is paused before drain"), session.lease():
        raise AssertionError("it was allowed")
    assert environment.fake.document is document


def test_resume_records_who_and_why_and_finishes(monkeypatch: pytest.MonkeyPatch) -> None:
    environment = paused(monkeypatch)
    done = resume(environment.app, "staging", "the graphs are flat")
    is_done(environment.fake, done)
    [pause] = done.pauses
    assert (pause.decision, pause.approver, pause.reason) == (
        Decision.RESUMED,
        BOB,
        "the graphs are flat",
    )
    assert environment.fake.recorded[-1].pauses == (pause,)
    assert environment.messages[0] == "promote d paused before drain: continuing with r000002"


def test_abort_records_who_and_why_and_restores_blue(monkeypatch: pytest.MonkeyPatch) -> None:
    environment = paused(monkeypatch)
    done = abort(environment.app, "staging", "too slow")
    is_put_back(environment.fake, done)
    [pause] = done.pauses
    assert (pause.decision, pause.approver, pause.reason) == (Decision.ABORTED, BOB, "too slow")
    assert environment.messages[0] == "promote d paused before drain: rolling back to r000001"


@pytest.mark.parametrize(
    ("change", "what", "remedy"),
    [
        (None, "no deployment is in flight: there is nothing to resume", "status"),
        ({"pauses": ()}, "promote d is not paused, it was interrupted", "recover"),
    ],
)
def test_resume_needs_a_paused_deployment(
    change: dict[str, Any] | None, what: str, remedy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = paused(monkeypatch)
    document = environment.fake.document
    assert document.deployment
    dead = None if change is None else replace(document.deployment, **change)
    environment.fake.document = replace(document, deployment=dead)
    with pytest.raises(RefusedError) as raised:
        resume(environment.app, "staging")
    assert (raised.value.where, raised.value.what) == ("resume staging", what)
    assert raised.value.remedy == f"ami-pipeline {remedy} -e staging"


# --- approval -------------------------------------------------------------------------------------


ANOTHER = PausePolicy(approval=Approval.ANOTHER)


def test_another_person_may_resume(monkeypatch: pytest.MonkeyPatch) -> None:
    environment = paused(monkeypatch, pauses=ANOTHER)
    is_done(environment.fake, resume(environment.app, "staging"))


@pytest.mark.parametrize("recorded", [True, False], ids=["recorded", "configured since"])
def test_the_person_who_began_is_refused_if_another_must_approve(
    recorded: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = paused(monkeypatch, pauses=ANOTHER if recorded else None)
    if not recorded:
        monkeypatch.setattr(environment, "policy", replace(POLICY, pauses=ANOTHER))
    monkeypatch.setattr(environment, "actor", Actor(system="GitHub Actions", name="ann"))
    before = environment.fake.document
    with pytest.raises(RefusedError) as raised:
        resume(environment.app, "staging")
    assert raised.value.what == (
        'another person must approve it (approval = "another"), '
        "but ann (GitHub Actions) began the deployment"
    )
    assert raised.value.remedy == (
        "let another person run: ami-pipeline resume -e staging; "
        "or go back: ami-pipeline abort -e staging"
    )
    assert environment.fake.document == before
    is_put_back(environment.fake, abort(environment.app, "staging"))  # the same person may


# --- its time is over -----------------------------------------------------------------------------


def own_work(environment: FakeEnvironment, undo: bool = False) -> Deployment | None:
    action = Interrupted.UNDO if undo else Interrupted.FINISH
    options = SessionOptions(command="promote", interrupted=action)
    with EnvironmentSession.begin(environment.app, "staging", options).lease() as leased:
        return leased.finished


def test_after_its_time_the_next_command_aborts_it_and_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    environment = paused(monkeypatch, at=LATER)
    done = own_work(environment)
    assert done
    is_put_back(environment.fake, done)
    assert (done.pauses[0].decision, done.pauses[0].approver.name) == (Decision.ABORTED, "")
    assert environment.messages[0] == (
        "promote d: the time of its pause before drain is over: aborting it"
    )


def test_or_resumes_it_if_that_is_configured_unless_the_command_is_a_rollback(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    resumes = PausePolicy(on_timeout=OnTimeout.RESUME)
    environment = paused(monkeypatch, pauses=resumes, at=LATER)
    done = own_work(environment)
    assert done
    is_done(environment.fake, done)
    environment = paused(monkeypatch, pauses=resumes, at=LATER)
    undone = own_work(environment, undo=True)
    assert undone
    is_put_back(environment.fake, undone)


def test_in_a_freeze_it_stays_paused_instead_of_resuming_and_can_be_undone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    resumes = PausePolicy(on_timeout=OnTimeout.RESUME)
    environment = paused(monkeypatch, pauses=resumes, at=LATER)
    until = "2999-01-01T00:00:00+00:00"
    freeze = Freeze(why="sale", since=LATER, until=until, window="always")
    state = FreezeState(active=(freeze,), free=until)
    monkeypatch.setattr("pipeline.app.environment.paused.read_freezes", lambda _: state)
    with pytest.raises(RefusedError) as raised:
        recover(environment.app, "staging")
    assert "stays paused, though its time is over: staging is frozen until " in raised.value.what
    assert raised.value.remedy == (
        "to go back: ami-pipeline abort -e staging; "
        "after the freeze: ami-pipeline recover -e staging"
    )
    undone = own_work(environment, undo=True)
    assert undone
    is_put_back(environment.fake, undone)


def test_a_resume_by_time_that_pauses_again_refuses_the_command(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    resumes = PausePolicy(on_timeout=OnTimeout.RESUME)
    environment = paused(monkeypatch, "soak", "drain", pauses=resumes, at=LATER)
    with pytest.raises(RefusedError, match="is paused before drain"):
        own_work(environment)


def test_recover_ends_a_pause_whose_time_is_over_and_resume_comes_too_late(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    environment = paused(monkeypatch, at=LATER)
    with pytest.raises(RefusedError) as raised:
        resume(environment.app, "staging")
    assert raised.value.what.startswith("the time of the pause before drain was over at 2026-01-02")
    assert raised.value.remedy == "ami-pipeline abort -e staging"
    is_put_back(environment.fake, recover(environment.app, "staging"))


def test_a_schedule_that_recovers_expired_pauses_does_nothing_else(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    environment = paused(monkeypatch)
    monkeypatch.setattr("pipeline.app.recover.EnvironmentReader", lambda **_: environment)
    before = environment.fake.document
    assert recover_expired(environment.app, "staging") is None
    environment.fake.document = replace(before, deployment=None)
    assert recover_expired(environment.app, "staging") is None
    monkeypatch.setattr(environment.fake, "today", lambda: LATER)
    environment.fake.document = before
    done = recover_expired(environment.app, "staging")
    assert done
    is_put_back(environment.fake, done)


def test_a_command_that_changes_nothing_leaves_a_pause_whose_time_is_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    environment = paused(monkeypatch, at=LATER)
    for action in (Interrupted.REFUSE, Interrupted.REFUSE_TO_PLAN):
        reader: Any = environment
        with pytest.raises(RefusedError) as raised:
            require_not_paused(reader, environment.fake.document, action)
        assert raised.value.remedy == "ami-pipeline recover -e staging"


# --- what the run before knew ---------------------------------------------------------------------


def test_the_next_run_waits_for_a_slow_start_and_ignores_the_alarms_that_were_ignored(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    environment = paused(monkeypatch, "soak")
    fake = environment.fake
    document = fake.document
    assert document.deployment
    muted = replace(document.deployment, muted=("web-5xx",))
    fake.document = replace(document, deployment=muted)
    policy = replace(POLICY, alarms=("web-5xx", "web-latency"))
    monkeypatch.setattr(environment, "policy", policy)
    monkeypatch.setattr(environment, "read_delays", lambda *_: Delays(slow_start=40.0))
    given: list[Policy] = []

    def build(_reader: Any, _ledger: Any, _lease: Any, policy: Policy, *_: Any) -> Reconciler:
        given.append(policy)
        return a_reconciler(fake, policy)

    monkeypatch.setattr(leased, "build_reconciler", build)
    monkeypatch.setattr(environment, "alarms", fake)
    done = resume(environment.app, "staging")
    is_done(fake, done)
    assert [each.alarms for each in given] == [("web-latency",)]
    assert next(run.seconds for run in done.phases if run.name == "soak") >= 40.0
