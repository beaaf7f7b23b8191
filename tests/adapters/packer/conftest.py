from __future__ import annotations

import pytest

from pipeline.adapters.aws.client import Clients
from pipeline.core import freshness
from tests.adapters.scripted import ScriptedPacker


@pytest.fixture
def bake(aws: Clients, scripted: ScriptedPacker, monkeypatch: pytest.MonkeyPatch) -> Clients:
    """Yield an account beside a scripted Packer that comes first on PATH."""
    monkeypatch.setenv("PATH", scripted.path)
    monkeypatch.setenv("PASSWORD", "hunter2, really")
    # This AWS shows every write at once; without that, a killed bake reads for half a minute.
    monkeypatch.setattr(freshness, "SETTLED", 0.0)
    return aws
