from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests import running_cloud

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.running_cloud import Cloud


@pytest.fixture(scope="session")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    with running_cloud.a_cloud(tmp_path_factory.mktemp("cloud")) as running:
        yield running


@pytest.fixture
def unhurried(tmp_path: Path) -> Iterator[Cloud]:
    """A cloud slow enough that the states on the way can be seen."""
    with running_cloud.a_cloud(tmp_path / "cloud", speed=6) as running:
        yield running
