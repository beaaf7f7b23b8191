from __future__ import annotations

from datetime import UTC, datetime

import pytest

from pipeline.adapters.store.base import StaleError, Store
from pipeline.adapters.store.records.permission_proofs import PermissionProofs
from pipeline.core.permissions.probes import Proofs

NOW = datetime(2026, 11, 28, 14, 0, tzinfo=UTC)
KEY = "permissions/production.json"


def test_a_proof_is_kept_for_an_environment(store: Store) -> None:
    proofs = PermissionProofs(store, "production")
    assert proofs.read() == Proofs()
    first = Proofs().with_proof("a", NOW)
    proofs.write(first)
    assert proofs.read() == first
    proofs.write(first.with_proof("b", NOW))
    assert {*proofs.read().made} == {"a", "b"}
    assert PermissionProofs(store, "staging").read() == Proofs()


@pytest.mark.parametrize("data", [b"", b"{}", b"not JSON"])
def test_a_damaged_file_counts_as_empty_and_is_replaced(store: Store, data: bytes) -> None:
    store.write(KEY, data, expected=None)
    proofs = PermissionProofs(store, "production")
    assert proofs.read() == Proofs()
    proofs.write(Proofs().with_proof("a", NOW))
    assert proofs.read().counts("a", NOW)


def test_a_proof_of_another_run_is_no_error(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def stale(*_: object, **__: object) -> str:
        raise StaleError(KEY)

    monkeypatch.setattr(type(store), "write", stale)
    PermissionProofs(store, "production").write(Proofs().with_proof("a", NOW))
