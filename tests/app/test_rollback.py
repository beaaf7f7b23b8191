"""What `rollback` does about an interrupted deployment."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pipeline.app import rollback
from pipeline.app.environment import session
from pipeline.cli.rollback import undid_another
from pipeline.core.deploy.plan import PlanPreview, RollbackRequest
from pipeline.core.errors import RefusedError
from pipeline.core.state.deployment import Deployment, Kind, Outcome, Result
from tests.app.session_fakes import FakeEnvironment


def finished(
    monkeypatch: pytest.MonkeyPatch, environment: FakeEnvironment, result: Result
) -> Deployment:
    """Return how the interrupted deployment ends."""
    done = replace(environment.dead, outcome=Outcome(result=result))
    monkeypatch.setattr(session, "finish_interrupted", lambda *_: done)
    return done


def never(preview: PlanPreview) -> bool:
    raise AssertionError(preview)


@pytest.mark.parametrize("kind", [Kind.PROMOTE, Kind.REBUILD])
def test_undoing_an_interrupted_promotion_is_the_whole_rollback(
    kind: Kind, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = FakeEnvironment(monkeypatch, kind)
    done = finished(monkeypatch, environment, Result.ROLLED_BACK)
    assert (
        rollback.roll_back(environment.app, RollbackRequest(environment="staging"), never) is done
    )
    assert undid_another(done)


@pytest.mark.parametrize(
    ("kind", "result"), [(Kind.ABORT, Result.ROLLED_BACK), (Kind.PROMOTE, Result.PROMOTED)]
)
def test_a_rollback_continues_after_anything_but_an_undone_promotion(
    kind: Kind, result: Result, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = FakeEnvironment(monkeypatch, kind)
    finished(monkeypatch, environment, result)
    with pytest.raises(RefusedError, match="no release to roll back to"):
        rollback.roll_back(environment.app, RollbackRequest(environment="staging"), never)
