"""The contract of `Store`, for each kind of store."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.adapters.aws.client import Clients
from pipeline.adapters.store.base import StaleError, Store
from pipeline.adapters.store.directory import DirectoryStore
from pipeline.adapters.store.s3 import S3Store
from pipeline.core.errors import RefusedError


@pytest.fixture(params=["directory", "bucket", "prefix"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    if request.param == "directory":
        return DirectoryStore(tmp_path / "state")
    clients: Clients = request.getfixturevalue("aws")
    clients.s3().create_bucket(Bucket="state")
    return S3Store(clients, "state", "a/b" if request.param == "prefix" else "")


class TestAnyStore:
    def test_a_document_is_read_with_its_version(self, store: Store) -> None:
        version = store.write("images/a.json", b"one", expected=None)
        document = store.read("images/a.json")
        assert document is not None
        assert (document.data, document.version) == (b"one", version)

    def test_a_missing_document_is_none(self, store: Store) -> None:
        assert store.read("images/a.json") is None
        assert store.keys("images/") == ()

    def test_a_new_document_must_be_new(self, store: Store) -> None:
        store.write("images/a.json", b"one", expected=None)
        with pytest.raises(StaleError):
            store.write("images/a.json", b"two", expected=None)
        document = store.read("images/a.json")
        assert document is not None
        assert document.data == b"one"

    def test_a_document_is_replaced_only_at_its_version(self, store: Store) -> None:
        first = store.write("images/a.json", b"one", expected=None)
        second = store.write("images/a.json", b"two", expected=first)
        assert first != second
        with pytest.raises(StaleError):
            store.write("images/a.json", b"three", expected=first)
        document = store.read("images/a.json")
        assert document is not None
        assert document.data == b"two"

    def test_a_missing_document_cannot_be_replaced(self, store: Store) -> None:
        version = store.write("images/a.json", b"one", expected=None)
        with pytest.raises((StaleError, RefusedError)):
            store.write("images/b.json", b"two", expected=version)

    def test_keys_are_listed_sorted_below_their_prefix(self, store: Store) -> None:
        for key in ("images/b.json", "images/a.json", "environments/x.json"):
            store.write(key, b"{}", expected=None)
        assert store.keys("images/") == ("images/a.json", "images/b.json")
        assert store.keys("environments/") == ("environments/x.json",)

    def test_the_keys_of_one_folder_are_listed_without_those_below(self, store: Store) -> None:
        for key in ("deployments/a.json", "deployments/a/000001.json", "deployments/b/1.json"):
            store.write(key, b"{}", expected=None)
        assert store.keys("deployments/", deep=False) == ("deployments/a.json",)
        assert store.keys("deployments/a/", deep=False) == ("deployments/a/000001.json",)
        assert store.keys("none/", deep=False) == ()

    def test_a_document_may_be_deleted_twice(self, store: Store) -> None:
        store.write("images/a.json", b"one", expected=None)
        store.delete("images/a.json")
        store.delete("images/a.json")
        assert store.read("images/a.json") is None
        assert store.keys("") == ()

    def test_a_document_is_deleted_only_at_its_version(self, store: Store) -> None:
        first = store.write("images/a.json", b"one", expected=None)
        second = store.write("images/a.json", b"two", expected=first)
        with pytest.raises(StaleError):
            store.delete("images/a.json", expected=first)
        assert store.read("images/a.json") is not None
        for _ in range(2):
            store.delete("images/a.json", expected=second)
        assert store.read("images/a.json") is None
