"""The one writer of an environment's document."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

import pipeline
from pipeline.adapters.store.base import StaleError
from pipeline.adapters.store.directory import DirectoryStore
from pipeline.adapters.store.document_writer import DocumentWriter
from pipeline.adapters.store.records.environments import Environments
from pipeline.core.state.environment import Environment

KEY = Environment(app="web", environment="staging", region="eu-central-1", account="1")


@pytest.fixture
def environments(tmp_path: Path) -> Environments:
    return Environments(DirectoryStore(tmp_path / "state"))


def open_writer(environments: Environments) -> DocumentWriter:
    return DocumentWriter(environments, environments.load(KEY))


def test_a_writer_knows_what_it_wrote_without_reading_again(environments: Environments) -> None:
    writer = open_writer(environments)
    assert writer.known == KEY
    writer.write(replace(KEY, next=2))
    writer.write(replace(KEY, next=3))
    assert (writer.known.next, writer.read().next) == (3, 3)
    assert environments.load(KEY).environment.next == 3


def test_of_two_writers_of_one_version_the_second_fails_and_writes_nothing(
    environments: Environments,
) -> None:
    first, second = open_writer(environments), open_writer(environments)
    first.write(replace(KEY, next=2))
    with pytest.raises(StaleError):
        second.write(replace(KEY, next=3))
    assert environments.load(KEY).environment.next == 2
    assert second.read().next == 2
    second.write(replace(second.known, next=4))
    assert environments.load(KEY).environment.next == 4


def test_after_a_write_of_unknown_result_the_store_is_read(
    environments: Environments, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = open_writer(environments)
    save = environments.save

    def interrupted(document: Environment, version: str | None) -> str:
        save(document, version)
        raise KeyboardInterrupt

    monkeypatch.setattr(environments, "save", interrupted)
    with pytest.raises(KeyboardInterrupt):
        writer.write(replace(KEY, next=2))
    assert (writer.known.next, writer.read().next) == (1, 2)


def test_a_document_that_is_not_accepted_is_not_adopted(environments: Environments) -> None:
    writer = open_writer(environments)
    open_writer(environments).write(replace(KEY, next=2))
    writer.doubt()

    def reject(document: Environment) -> None:
        raise ValueError(document.next)

    for _ in range(2):
        with pytest.raises(ValueError, match="2"):
            writer.read(accept=reject)
    assert writer.known == KEY


def test_no_other_module_saves_a_document() -> None:
    root = Path(pipeline.__file__).parent
    saving = re.compile(r"\b(?:_?environments|documents|Environments\([^)]*\))\.save\(")
    found = {path.name for path in root.rglob("*.py") if saving.search(path.read_text())}
    assert found == {"document_writer.py"}
