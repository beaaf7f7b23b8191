"""What promote and rollback do about a deployment whose run died before them."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from pipeline.adapters.interrupts import Interrupts
from pipeline.app import returning, rolling_back
from pipeline.app.prospect import Planned
from pipeline.cli.deploy import put_back
from pipeline.core.deployment import Deployment, Kind, Outcome, Result
from pipeline.core.environment import Environment
from pipeline.core.errors import RefusedError
from tests.core.deploying import begin, cloud


class Standing:
    """A ground and its lease: the document in which a deployment is in flight."""

    environment = "staging"
    app = None

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


def finished(monkeypatch: pytest.MonkeyPatch, ground: Standing, result: Result) -> Deployment:
    done = replace(ground.dead, outcome=Outcome(result=result))
    monkeypatch.setattr(rolling_back, "Ground", lambda **_: ground)
    monkeypatch.setattr(rolling_back, "finish_what_was_begun", lambda *_, **__: done)
    return done


def never(planned: Planned) -> bool:
    raise AssertionError(planned)


def test_where_only_a_plan_is_asked_for_nothing_unfinished_is_touched() -> None:
    ground: Any = Standing()
    before = ground.fake.document
    with pytest.raises(RefusedError) as told:
        returning.finish_what_was_begun(ground, ground.fake, plan_only=True)
    assert told.value.where == "promote d"
    assert told.value.now == "ami-pipeline recover -e staging"
    assert ground.fake.document is before
    assert ground.fake.calls == []


@pytest.mark.parametrize("kind", [Kind.PROMOTE, Kind.REBUILD])
def test_a_rollback_after_a_promotion_that_died_goes_back_once(
    kind: Kind, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = finished(monkeypatch, Standing(kind), Result.ROLLED_BACK)
    app: Any = SimpleNamespace(interrupts=Interrupts())
    assert rolling_back.roll_back(app, "staging", "", never) is done
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
        rolling_back.roll_back(app, "staging", "", never)
