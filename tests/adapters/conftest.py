from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.adapters.aws.client import Clients
from pipeline.adapters.store.base import Store
from pipeline.adapters.store.directory import DirectoryStore
from pipeline.adapters.store.s3 import S3Store
from tests.adapters.lease.lease_fakes import FakeClock
from tests.adapters.scripted import ScriptedPacker


@pytest.fixture
def scripted(tmp_path: Path) -> ScriptedPacker:
    return ScriptedPacker.make(tmp_path / "bin")


@pytest.fixture(params=["directory", "bucket"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    """Each kind of store."""
    if request.param == "directory":
        return DirectoryStore(tmp_path / "state")
    clients: Clients = request.getfixturevalue("aws")
    clients.s3().create_bucket(Bucket="state")
    return S3Store(clients, "state", "a")


@pytest.fixture
def directory(tmp_path: Path) -> DirectoryStore:
    return DirectoryStore(tmp_path / "state")


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()
