from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from moto import mock_aws

from pipeline.adapters.aws import Clients
from tests.adapters.scripted import ScriptedPacker
from tests.adapters.service import Service, a_service


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
