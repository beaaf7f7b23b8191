"""The worker that the tests of this folder share: it takes longer to build than a test runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.crash.worker import Worker

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def worker() -> Iterator[Worker]:
    """A local cloud for crash runs and for the sweep."""
    built = Worker()
    yield built
    built.close()
