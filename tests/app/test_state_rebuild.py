"""`state rebuild`: what it does in which order, and the error that leads to it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from pipeline.app.environment import unrecorded
from pipeline.app.environment.leased import LeasedEnvironment
from pipeline.app.environment.reader import EnvironmentReader
from pipeline.app.state import rebuild
from pipeline.core.errors import RefusedError
from pipeline.core.freshness import SETTLED
from pipeline.core.state.environment import Environment
from pipeline.core.state.release import Release
from tests.app.session_fakes import COMMANDS, FakeEnvironment
from tests.core.state.lost_examples import ATTACHED, BOTH, FOUND, GROUPS, WANTED, group, traces


class LostEnvironment(FakeEnvironment):
    """An environment whose document is lost; `steps` are what is done to it."""

    documents: Any = type("Documents", (), {"where": lambda *_: FOUND.where})()
    deployments: Any = type("Deployments", (), {"history": lambda *_: ()})()
    entries = staticmethod(lambda _: (BOTH, ()))
    balancers = BOTH
    key = WANTED

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        super().__init__(monkeypatch)
        self.fake.document = WANTED
        self.steps: list[str] = []
        self.seen = [GROUPS]
        self.groups: Any = self
        monkeypatch.setattr(LeasedEnvironment, "resources", lambda _: (self, self.fence))
        monkeypatch.setattr("pipeline.app.baked_images.known_images", lambda *_: ())
        monkeypatch.setattr("pipeline.app.state.newest_record", lambda _: 0)
        monkeypatch.setattr(unrecorded, "newest_record", lambda _: 0)

    def traces(self, _wanted: Environment) -> Any:
        self.steps.append("read")
        return self.seen.pop(0) if len(self.seen) > 1 else self.seen[0]

    def receiving(self, *_: object) -> dict[str, Any]:
        return {each.name: each for each in GROUPS.groups if each.attached}

    def adopt(self, wanted: list[Release]) -> None:
        assert self.fake.document.is_empty
        self.steps.append(f"import {' '.join(each.name for each in wanted)}")

    def fence(self) -> None:
        self.steps.append("fence")


@pytest.fixture
def lost(monkeypatch: pytest.MonkeyPatch) -> LostEnvironment:
    return LostEnvironment(monkeypatch)


def test_terraforms_state_gets_the_groups_before_the_document_is_written(
    lost: LostEnvironment,
) -> None:
    began = lost.fake.now()
    assert rebuild(lost.app, "staging", lambda _: True) == FOUND
    assert lost.steps == ["read", "read", "import r000003 r000004 r000005", "fence"]
    assert lost.fake.now() - began >= SETTLED
    assert lost.fake.document == FOUND.document
    with pytest.raises(RefusedError, match="in which r000004 serves: only a lost one is rebuilt"):
        rebuild(lost.app, "staging", lambda _: True)


def test_an_answer_that_is_older_than_the_last_write_does_not_decide(lost: LostEnvironment) -> None:
    lost.seen = [traces(group(3, ATTACHED), group(4)), GROUPS]
    found = rebuild(lost.app, "staging", lambda _: True)
    assert found == FOUND


def test_without_a_confirmation_nothing_is_written(lost: LostEnvironment) -> None:
    assert rebuild(lost.app, "staging", lambda _: False) is None
    assert (lost.steps, lost.fake.document.is_empty) == (["read", "read"], True)


@pytest.mark.parametrize("command", ["promote", "rollback", "rebuild", "recover", "abort"])
def test_every_command_says_how_to_rebuild_a_lost_document(
    command: str, lost: LostEnvironment
) -> None:
    with pytest.raises(RefusedError) as told:
        COMMANDS[command](lost.app)
    assert told.value.remedy.startswith("ami-pipeline state rebuild -e staging; or fix [state] url")


def test_a_first_promotion_reads_the_groups_once_more_and_goes_on(
    lost: LostEnvironment, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader: EnvironmentReader = lost  # type: ignore[assignment]
    assert unrecorded.find_lost(reader, WANTED)
    assert unrecorded.find_lost(reader, replace(WANTED, next=2)) is None
    monkeypatch.setattr(lost, "receiving", lambda *_: {})
    assert unrecorded.find_lost(reader, WANTED) is None
