from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from moto import mock_aws

from pipeline.adapters.aws.client import Clients
from pipeline.adapters.store.base import Store
from pipeline.adapters.store.directory import DirectoryStore
from pipeline.adapters.store.s3 import S3Store
from tests.adapters.aws.service import Service, a_service
from tests.adapters.lease.lease_fakes import FakeClock
from tests.adapters.scripted import ScriptedPacker


@pytest.fixture
def scripted(tmp_path: Path) -> ScriptedPacker:
    return ScriptedPacker.make(tmp_path / "bin")


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[Clients]:
    """Clients of a moto account of its own."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    # Loading AWS's own images takes longer than any of these tests.
    monkeypatch.setenv("MOTO_EC2_LOAD_DEFAULT_AMIS", "false")
    with mock_aws():
        yield Clients()


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A local cloud with load balancers, for what moto alone is too kind to."""
    with a_service(tmp_path_factory.mktemp("service") / "cloud") as made:
        yield made


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
