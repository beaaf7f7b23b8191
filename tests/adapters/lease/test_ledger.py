from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path, PurePosixPath

import pytest

from pipeline.adapters.lease.ledger import StoreLedger
from pipeline.adapters.store.base import Document, StaleError, Store
from pipeline.adapters.store.directory import DirectoryStore
from pipeline.adapters.store.records.deployments import Deployments, new_deployment_id
from pipeline.core.deploy.ports import Ledger
from pipeline.core.errors import LeaseHeldError, RefusedError
from pipeline.core.state.deployment import Deployment, Kind, Outcome, Result
from pipeline.core.state.journal import Entry
from tests.adapters.lease.lease_fakes import COMMAND, FakeClock, an_environment, an_owner, leases

ID = "20261121T120000Z-4f2a"
NOON = "2026-11-21T12:00:00Z"


def a_ledger(store: Store, clock: FakeClock, deployment: str = ID) -> StoreLedger:
    held = leases(store, clock).take(an_environment(), COMMAND)
    return StoreLedger(store, held, deployment, lambda: NOON)


def a_deployment(**changes: object) -> Deployment:
    begun = Deployment(
        id=ID,
        kind=Kind.PROMOTE,
        environment="production",
        green="r000002",
        blue="r000001",
        began=NOON,
        by=an_owner(),
    )
    return replace(begun, **changes)  # type: ignore[arg-type]


class TestAnyStore:
    def test_the_ledger_implements_the_cores_port(self, store: Store, clock: FakeClock) -> None:
        ledger: Ledger = a_ledger(store, clock)
        changed = ledger.update(lambda environment: replace(environment, next=2))
        assert changed.next == ledger.read().next == 2

    def test_the_journal_holds_intents_and_results_in_order(
        self, store: Store, clock: FakeClock
    ) -> None:
        ledger = a_ledger(store, clock)
        ledger.intend("attach", group="web-production-r000002", balancers=("a", "b"))
        ledger.done("attach", seconds=1.5)
        assert store.keys("deployments/") == (
            f"deployments/{ID}/000001.json",
            f"deployments/{ID}/000002.json",
        )
        facts = {"group": "web-production-r000002", "balancers": ["a", "b"]}
        assert Deployments(store).journal(ID) == (
            Entry(n=1, at=NOON, kind="intent", step="attach", epoch=1, facts=facts),
            Entry(n=2, at=NOON, kind="result", step="attach", epoch=1, facts={"seconds": 1.5}),
        )

    def test_a_recovering_run_continues_the_journal(self, store: Store, clock: FakeClock) -> None:
        a_ledger(store, clock).intend("attach")
        clock.tick(61)
        a_ledger(store, clock).intend("detach")
        found = Deployments(store).journal(ID)
        assert [(entry.n, entry.step, entry.epoch) for entry in found] == [
            (1, "attach", 1),
            (2, "detach", 2),
        ]

    def test_a_file_is_kept_beside_the_journal(self, store: Store, clock: FakeClock) -> None:
        ledger = a_ledger(store, clock)
        ledger.intend("attach")
        where = ledger.keep("evidence.txt", "Client.InternalError: shöp")
        assert where == store.where(f"deployments/{ID}/evidence.txt")
        document = store.read(f"deployments/{ID}/evidence.txt")
        assert document is not None
        assert document.data.decode() == "Client.InternalError: shöp"
        assert len(Deployments(store).journal(ID)) == 1

    def test_a_second_file_of_the_same_name_gets_a_number(
        self, store: Store, clock: FakeClock
    ) -> None:
        ledger = a_ledger(store, clock)
        kept = [ledger.keep("evidence.txt", text) for text in ("one", "two", "one")]
        names = [PurePosixPath(where).name for where in kept]
        assert names == ["evidence.txt", "evidence-2.txt", "evidence.txt"]

    def test_a_record_is_written_at_the_beginning_and_over_at_the_end(
        self, store: Store, clock: FakeClock
    ) -> None:
        ledger = a_ledger(store, clock)
        ledger.record(a_deployment())
        assert Deployments(store).one(ID) == a_deployment()
        ended = a_deployment(ended=NOON, outcome=Outcome(result=Result.PROMOTED))
        ledger.record(ended)
        assert Deployments(store).one(ID) == ended
        assert Deployments(store).one("20261121T120000Z-0000") is None

    def test_the_history_is_newest_first_and_of_one_environment(
        self, store: Store, clock: FakeClock
    ) -> None:
        ledger = a_ledger(store, clock)
        ids = [f"2026112{day}T120000Z-4f2a" for day in range(5)]
        for number, each in enumerate(ids):
            environment = "staging" if number == 3 else "production"
            ledger.record(a_deployment(id=each, environment=environment))
        ledger.intend("attach")
        found = Deployments(store).history("production", 3)
        assert [deployment.id for deployment in found] == [ids[4], ids[2], ids[1]]
        assert Deployments(store).history("production", 0) == ()
        assert Deployments(store).history("other", 9) == ()


def test_a_store_without_deployments_has_no_history(directory: DirectoryStore) -> None:
    assert Deployments(directory).history("production", 9) == ()
    assert Deployments(directory).journal(ID) == ()


class Listening(DirectoryStore):
    """A store that writes down what is asked of it."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.asked: list[str] = []

    def read(self, key: str) -> Document | None:
        self.asked.append(f"read {key}")
        return super().read(key)

    def keys(self, prefix: str, *, deep: bool = True) -> tuple[str, ...]:
        self.asked.append(f"keys {prefix} {deep}")
        return super().keys(prefix, deep=deep)


def test_the_history_reads_no_more_than_it_shows(tmp_path: Path, clock: FakeClock) -> None:
    store = Listening(tmp_path / "state")
    ledger = a_ledger(store, clock)
    for number in range(10):
        ledger.record(a_deployment(id=f"2026112{number}T120000Z-4f2a"))
    store.asked.clear()
    Deployments(store).history("production", 2)
    assert store.asked == [
        "keys deployments/ False",
        "read deployments/20261129T120000Z-4f2a.json",
        "read deployments/20261128T120000Z-4f2a.json",
    ]


def test_the_journal_of_a_new_deployment_is_not_listed(tmp_path: Path, clock: FakeClock) -> None:
    """Between a person's command and the first change lie one read and one write."""
    store = Listening(tmp_path / "state")
    ledger = a_ledger(store, clock)
    store.asked.clear()
    ledger.intend("attach")
    assert [each.split("/")[0] for each in store.asked] == ["read environments", "read deployments"]


@pytest.mark.parametrize(
    "deed",
    [
        lambda ledger: ledger.update(lambda environment: environment),
        lambda ledger: ledger.intend("attach"),
        lambda ledger: ledger.record(a_deployment()),
    ],
    ids=["update", "intend", "record"],
)
def test_without_the_lease_no_decision_is_written(
    directory: DirectoryStore, clock: FakeClock, deed: Callable[[Ledger], object]
) -> None:
    ledger = a_ledger(directory, clock)
    clock.tick(61)
    before = directory.keys("")
    with pytest.raises(LeaseHeldError):
        deed(ledger)
    assert directory.keys("") == before


def test_an_intent_is_refused_once_another_run_holds_the_lease(
    directory: DirectoryStore, clock: FakeClock
) -> None:
    ledger = a_ledger(directory, clock)
    ahead = FakeClock()
    ahead.tick(3600)
    leases(directory, ahead, owner=an_owner(user="bob")).take(an_environment(), COMMAND)
    with pytest.raises(LeaseHeldError, match="bob@ci-7"):
        ledger.intend("attach")
    assert directory.keys("deployments/") == ()


def test_a_result_is_written_after_the_lease_is_lost(
    directory: DirectoryStore, clock: FakeClock
) -> None:
    ledger = a_ledger(directory, clock)
    ledger.intend("attach")
    clock.tick(61)
    ledger.done("attach", error="the lease was lost")
    ledger.keep("evidence.txt", "it was so")
    assert [entry.kind for entry in Deployments(directory).journal(ID)] == ["intent", "result"]


def test_facts_are_written_as_json(directory: DirectoryStore, clock: FakeClock) -> None:
    ledger = a_ledger(directory, clock)
    facts = {
        "path": PurePosixPath("/a/b"),
        "kind": Kind.PROMOTE,
        "names": frozenset({"b", "a"}),
        "by": an_owner(run=""),
        "none": None,
        "endless": float("inf"),
        "odd": {1: object},
    }
    ledger.intend("attach", **facts)
    [entry] = Deployments(directory).journal(ID)
    assert entry.facts == {
        "path": "/a/b",
        "kind": "promote",
        "names": ["a", "b"],
        "by": {"user": "ann", "host": "ci-7", "pid": 4242, "run": ""},
        "none": None,
        "endless": "inf",
        "odd": "{1: <class 'object'>}",
    }


def test_an_entry_whose_response_was_lost_is_not_replaced(
    directory: DirectoryStore, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = a_ledger(directory, clock)
    write = directory.write

    def cut_off(key: str, data: bytes, *, expected: str | None) -> str:
        write(key, data, expected=expected)
        raise RefusedError("writing", "connection reset", "try again")

    monkeypatch.setattr(directory, "write", cut_off)
    with pytest.raises(RefusedError):
        ledger.intend("attach")
    monkeypatch.setattr(directory, "write", write)
    ledger.intend("attach", again=True)
    assert [entry.facts for entry in Deployments(directory).journal(ID)] == [{}, {"again": True}]


class Contested(DirectoryStore):
    """A store in which another run is always faster."""

    def write(self, key: str, data: bytes, *, expected: str | None) -> str:
        if key.startswith("deployments/"):
            raise StaleError(key)
        return super().write(key, data, expected=expected)


@pytest.mark.parametrize(
    "deed",
    [
        lambda ledger: ledger.intend("attach"),
        lambda ledger: ledger.record(a_deployment()),
        lambda ledger: ledger.keep("evidence.txt", "x"),
    ],
    ids=["intend", "record", "keep"],
)
def test_a_store_that_rejects_every_write_is_an_error(
    tmp_path: Path, clock: FakeClock, deed: Callable[[Ledger], object]
) -> None:
    ledger = a_ledger(Contested(tmp_path / "state"), clock)
    with pytest.raises(RefusedError) as told:
        deed(ledger)
    assert told.value.what == "another run is writing it"
    assert told.value.remedy == "ami-pipeline status -e production"


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"{", "is damaged: it is not JSON"),
        (b'{"schema": 2}', "a newer ami-pipeline wrote it: its schema is version 2"),
    ],
)
@pytest.mark.parametrize(
    ("file", "read"),
    [
        (f"{ID}.json", lambda store: Deployments(store).history("production", 1)),
        (f"{ID}/000001.json", lambda store: Deployments(store).journal(ID)),
    ],
)
def test_a_damaged_record_or_entry_is_named(
    directory: DirectoryStore,
    clock: FakeClock,
    file: str,
    read: Callable[[Store], object],
    data: bytes,
    what: str,
) -> None:
    ledger = a_ledger(directory, clock)
    ledger.record(a_deployment())
    ledger.intend("attach")
    path = directory.folder / "deployments" / file
    path.write_bytes(data)
    with pytest.raises(RefusedError) as told:
        read(directory)
    assert told.value.where == f"[state] {path}"
    assert told.value.what.startswith(what)
    assert path.read_bytes() == data


def test_an_entry_is_plain_json(directory: DirectoryStore, clock: FakeClock) -> None:
    a_ledger(directory, clock).intend("attach", group="g")
    body = json.loads((directory.folder / "deployments" / ID / "000001.json").read_text())
    assert body["content"] == {
        "at": NOON,
        "epoch": 1,
        "facts": {"group": "g"},
        "kind": "intent",
        "n": 1,
        "step": "attach",
    }


def test_ids_of_deployments_sort_by_time_and_differ() -> None:
    first = new_deployment_id("2026-11-21T14:52:33Z")
    assert re.fullmatch(r"20261121T145233Z-[0-9a-f]{4}", first)
    assert new_deployment_id("2026-11-21T16:52:34+02:00").startswith("20261121T145234Z-")
    assert first < new_deployment_id("2026-11-21T14:52:34Z")
    assert len({new_deployment_id("2026-11-21T14:52:33Z") for _ in range(5)}) > 1
