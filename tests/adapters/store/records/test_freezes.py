"""The record of the freezes that people made: two people at a time lose nothing."""

from __future__ import annotations

from datetime import timedelta

import pytest

from pipeline.adapters.store.base import StaleError, Store
from pipeline.adapters.store.directory import DirectoryStore
from pipeline.adapters.store.envelope import seal
from pipeline.adapters.store.records.freezes import Freezes
from pipeline.core.errors import RefusedError
from pipeline.core.freezing.freeze import MOST, Freeze, FreezeRecord

KEY = "freezes/staging.json"


def a_freeze(store: Store, why: str = "sale", hours: float = 4) -> Freeze:
    now = store.now()
    until = now + timedelta(hours=hours)
    return Freeze(why=why, since=now.isoformat(), until=until.isoformat(), by="ann on vm")


def test_freezes_are_added_until_they_are_over_or_lifted(store: Store) -> None:
    freezes = Freezes(store, "staging")
    assert (freezes.read(), freezes.lift()) == (FreezeRecord(), ())
    over, first, second = (a_freeze(store, each) for each in ("over", "sale", "incident"))
    over = Freeze(why="over", since=first.since, until=first.since)
    store.write(KEY, seal(FreezeRecord(freezes=(over,))), expected=None)
    freezes.add(first)
    assert freezes.add(second).freezes == freezes.read().freezes == (first, second)
    assert Freezes(store, "production").read() == FreezeRecord()
    assert freezes.lift() == (first, second)
    assert freezes.read() == FreezeRecord()


class Contended(DirectoryStore):
    """A store in which another person writes before each of this one's first writes."""

    def __init__(self, store: DirectoryStore, *others: Freeze, lost: bool = False) -> None:
        super().__init__(store.folder)
        self.others, self.lost = [*others], lost

    def write(self, key: str, data: bytes, *, expected: str | None) -> str:
        if self.lost:
            self.lost = False
            super().write(key, data, expected=expected)
            raise StaleError
        if self.others:
            other = self.others.pop()
            found = Freezes(DirectoryStore(self.folder), "staging").read().freezes
            content = seal(FreezeRecord(freezes=(*found, other)))
            super().write(key, content, expected=expected)
        return super().write(key, data, expected=expected)


def test_two_people_who_freeze_at_the_same_time_are_both_recorded(
    directory: DirectoryStore,
) -> None:
    ours, theirs = a_freeze(directory, "ours"), a_freeze(directory, "theirs")
    added = Freezes(Contended(directory, theirs), "staging").add(ours)
    assert added.freezes == Freezes(directory, "staging").read().freezes == (theirs, ours)


def test_a_lift_names_every_freeze_that_it_ends(directory: DirectoryStore) -> None:
    first, second = a_freeze(directory, "first"), a_freeze(directory, "second")
    Freezes(directory, "staging").add(first)
    assert Freezes(Contended(directory, second), "staging").lift() == (first, second)
    assert Freezes(directory, "staging").read() == FreezeRecord()


def test_a_freeze_whose_answer_was_lost_is_recorded_once(directory: DirectoryStore) -> None:
    freeze = a_freeze(directory)
    Freezes(Contended(directory, lost=True), "staging").add(freeze)
    assert Freezes(directory, "staging").read().freezes == (freeze,)


def test_endless_writes_of_others_end_the_command(directory: DirectoryStore) -> None:
    others = [a_freeze(directory, f"{number}") for number in range(9)]
    with pytest.raises(RefusedError, match="other runs keep writing it"):
        Freezes(Contended(directory, *others), "staging").add(a_freeze(directory))


def test_a_damaged_record_never_counts_as_no_freeze(directory: DirectoryStore) -> None:
    directory.write(KEY, b"{}", expected=None)
    with pytest.raises(RefusedError, match="it is unknown whether staging is frozen"):
        Freezes(directory, "staging").read()
    newer = seal(FreezeRecord()).replace(b'"schema": 1', b'"schema": 2')
    directory.delete(KEY)
    directory.write(KEY, newer, expected=None)
    with pytest.raises(RefusedError, match="a newer ami-pipeline wrote it"):
        Freezes(directory, "staging").add(a_freeze(directory))


def test_an_environment_has_a_limit_of_freezes(directory: DirectoryStore) -> None:
    full = FreezeRecord(freezes=tuple(a_freeze(directory, f"{each}") for each in range(MOST)))
    directory.write(KEY, seal(full), expected=None)
    with pytest.raises(RefusedError, match="staging has 50 freezes already"):
        Freezes(directory, "staging").add(a_freeze(directory))
