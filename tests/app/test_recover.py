"""What promote and rollback do about a deployment whose run died before them."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from pipeline.adapters.process.signals import Interrupts
from pipeline.app import bake, recover, rollback
from pipeline.app.plan_preview import PlanPreview
from pipeline.cli.deploy import put_back
from pipeline.core.errors import RefusedError
from pipeline.core.events import Message
from pipeline.core.state.deployment import Deployment, Kind, Outcome, Result
from pipeline.core.state.environment import Environment
from tests.core.deploy.fakes import BLUE, GREEN, a_world, begin, cloud


class Standing:
    """A ground and its lease: the document in which a deployment is in flight."""

    environment = "staging"
    app: Any = None

    def __init__(self, kind: Kind = Kind.PROMOTE) -> None:
        self.fake = cloud()
        self.dead = begin(self.fake, kind=kind).deployment
        self.pace = self.fake

    def lease(self, _command: str) -> Any:
        return nullcontext(self.fake)

    def document(self) -> Environment:
        return self.fake.document

    def require_balancers(self) -> None:
        """There are some."""

    def require_free(self) -> None:
        """Nobody holds the lease."""

    def identify(self) -> None:
        """It is the document's own account."""


def finished(monkeypatch: pytest.MonkeyPatch, session: Standing, result: Result) -> Deployment:
    done = replace(session.dead, outcome=Outcome(result=result))
    monkeypatch.setattr(rollback, "Ground", lambda **_: session)
    monkeypatch.setattr(rollback, "finish_what_was_begun", lambda *_, **__: done)
    return done


def never(planned: PlanPreview) -> bool:
    raise AssertionError(planned)


def test_where_only_a_plan_is_asked_for_nothing_unfinished_is_touched() -> None:
    session: Any = Standing()
    before = session.fake.document
    with pytest.raises(RefusedError) as told:
        recover.finish_what_was_begun(session, session.fake, plan_only=True)
    assert told.value.where == "promote d"
    assert told.value.remedy == "ami-pipeline recover -e staging"
    assert session.fake.document is before
    assert session.fake.calls == []


@pytest.mark.parametrize("kind", [Kind.PROMOTE, Kind.REBUILD])
def test_a_rollback_after_a_promotion_that_died_goes_back_once(
    kind: Kind, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = finished(monkeypatch, Standing(kind), Result.ROLLED_BACK)
    app: Any = SimpleNamespace(interrupts=Interrupts())
    assert rollback.roll_back(app, "staging", "", never) is done
    assert put_back(done)


@pytest.mark.parametrize(
    ("kind", "result"), [(Kind.ABORT, Result.ROLLED_BACK), (Kind.PROMOTE, Result.PROMOTED)]
)
def test_a_rollback_goes_on_where_what_died_was_no_promotion_put_back(
    kind: Kind, result: Result, monkeypatch: pytest.MonkeyPatch
) -> None:
    finished(monkeypatch, Standing(kind), result)
    app: Any = SimpleNamespace(interrupts=Interrupts())
    with pytest.raises(RefusedError, match="there is nothing to go back to"):
        rollback.roll_back(app, "staging", "", never)


# --- what a rollback says of the image it went back from ------------------------------------------

BAD = "ami-00000001"


class Finishing(Standing):
    """A ground on which what died is finished; `blamed` are the images that were quarantined."""

    def __init__(self, kind: Kind, monkeypatch: pytest.MonkeyPatch) -> None:
        super().__init__(kind)
        self.fake.add(2, attached=False)
        made = replace(self.fake.document.releases[GREEN], made=True)
        self.fake.document = self.fake.document.with_release(made)
        self.noted: list[str] = []
        self.app = SimpleNamespace(environ={}, report=self.note)
        self.clients = None
        self.blamed: list[str] = []
        self.dies = False
        monkeypatch.setattr(bake, "quarantine", self.quarantine)

    def quarantine(self, _app: Any, _clients: Any, ami_id: str, _reason: str) -> None:
        if self.dies:
            raise KilledError
        self.blamed.append(ami_id)

    def note(self, event: Any) -> None:
        self.noted += [event.text] if isinstance(event, Message) else []

    def ledger(self, _held: Any, _deployment: Deployment) -> Any:
        return self.fake

    def world(self, _ledger: Any) -> Any:
        return a_world(self.fake)

    def died(self, phase: str, *, warm: bool, decided: bool = False) -> None:
        document = self.fake.document
        assert document.deployment
        dead = replace(document.deployment, phase=phase, warm=warm)
        document = replace(document, deployment=dead)
        if decided:
            document = document.promoted(dead, keep=0.0, today=self.fake.today())
            self.fake._attach(self.fake.groups["web-staging-r000002"])
        self.fake.document = document


class KilledError(BaseException):
    """Nothing of ours runs after it: SIGKILL."""


@pytest.mark.parametrize(
    ("phase", "warm", "decided"),
    [("reattach", True, False), ("detach", True, False), ("retire", False, True)],
)
def test_a_rollback_that_died_and_was_recovered_quarantines_what_it_went_back_from(
    phase: str, warm: bool, decided: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    session: Any = Finishing(Kind.ROLLBACK, monkeypatch)
    session.died(phase, warm=warm, decided=decided)
    done = recover.finish(session, session.fake)
    assert done.outcome
    assert done.outcome.result is Result.PROMOTED
    assert session.blamed == [BAD]
    assert [(each.ami_id, each.quarantined) for each in session.fake.document.retired] == [(BAD, True)]


def test_a_rollback_that_dies_at_its_very_end_leaves_the_image_to_the_next_recover(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    session: Any = Finishing(Kind.ROLLBACK, monkeypatch)
    session.died("reattach", warm=True)
    session.dies = True
    with pytest.raises(KilledError):
        recover.finish(session, session.fake)
    assert session.fake.document.deployment is not None
    session.dies = False
    recover.finish(session, session.fake)
    assert session.blamed == [BAD]
    assert session.fake.document.deployment is None


@pytest.mark.parametrize("kind", [Kind.PROMOTE, Kind.REBUILD])
def test_nothing_but_a_rollback_quarantines(kind: Kind, monkeypatch: pytest.MonkeyPatch) -> None:
    session: Any = Finishing(kind, monkeypatch)
    session.died("retire", warm=False, decided=True)
    recover.finish(session, session.fake)
    assert session.blamed == []


def test_a_rollback_that_was_put_back_blames_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    session: Any = Finishing(Kind.ROLLBACK, monkeypatch)
    session.died("launch", warm=False)
    done = recover.finish(session, session.fake)
    assert done.outcome
    assert done.outcome.result is Result.ROLLED_BACK
    assert session.blamed == []


# --- abort once a retirement began ----------------------------------------------------------------


@pytest.mark.parametrize("blue", [BLUE, ""], ids=["blue", "no blue"])
@pytest.mark.parametrize("sick", [False, True], ids=["green well", "green ill"])
def test_an_abort_once_a_retirement_began_touches_nothing_and_says_what_does(
    blue: str, sick: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    session: Any = Finishing(Kind.PROMOTE, monkeypatch)
    session.died("retire", warm=False, decided=True)
    fake = session.fake
    fake.sick = {"web-staging-r000002"} if sick else set()
    dead = replace(fake.document.deployment, blue=blue)
    fake.document = before = replace(fake.document, deployment=dead)
    monkeypatch.setattr(recover, "Ground", lambda **_: session)
    fake.calls.clear()
    with pytest.raises(RefusedError) as told:
        recover.abort(session.app, "staging")
    assert str(told.value) == (
        f"abort staging:\n  r000002 serves and {blue or 'nothing'} is being retired: too late\n"
        "next: finish it: ami-pipeline recover -e staging; "
        "or go back: ami-pipeline rollback -e staging"
    )
    assert (fake.document, fake.calls, fake.changed) == (before, [], [])


# --- what is said of the way ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("phase", "decided", "way"),
    [
        ("", False, "stopped in its beginning: back to r000001"),
        ("soak", False, "stopped in soak: back to r000001"),
        ("retire", True, "stopped in retire: on with r000002"),
    ],
)
def test_which_way_it_goes_is_said_before_it_goes(
    phase: str, decided: bool, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    session: Any = Finishing(Kind.PROMOTE, monkeypatch)
    session.died(phase, warm=False, decided=decided)
    recover.finish(session, session.fake)
    assert session.noted == [f"promote d {way}"]


def test_where_nothing_is_left_that_is_said_instead(monkeypatch: pytest.MonkeyPatch) -> None:
    session: Any = Finishing(Kind.PROMOTE, monkeypatch)
    session.died("soak", warm=False)
    session.fake.groups.clear()
    done = recover.finish(session, session.fake)
    assert session.noted == [
        (
            "promote d stopped in soak: the group of r000001 is gone, and nothing serves: "
            "taking away what is left"
        )
    ]
    assert (done.blue, session.fake.document.serving) == ("", "")
