"""Fixtures of AWS stand-ins for every test folder; `tests/conftest.py` loads this plugin.

| fixture | what it is | for |
|---|---|---|
| `aws` | a moto account in this process (`moto_account.py`) | the shapes of responses |
| `pauses` | the sleeps of this process, not slept | retries |
| `service` | a local cloud with load balancers (`service.py`) | health, traffic, throttling |

The first and the last import moto or start a process only when a test uses them.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pipeline.adapters.aws.client import Clients
    from tests.aws.service import Service


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[Clients]:
    """Clients of a moto account of the test's own."""
    from tests.aws.moto_account import moto_account  # noqa: PLC0415  moto takes two seconds

    with moto_account(monkeypatch) as clients:
        yield clients


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A local cloud with a classic load balancer and a target group."""
    from tests.aws.service import a_service  # noqa: PLC0415  the same

    with a_service(tmp_path_factory.mktemp("service") / "cloud") as made:
        yield made


@pytest.fixture(scope="session", autouse=True)
def _calls_of_aws() -> None:
    """Fail every call of AWS that the program makes outside of `retry`."""
    from tests.aws.guard import watch_calls  # noqa: PLC0415  only when a test runs

    watch_calls()


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Return the seconds of each sleep of this process; none of them is slept."""
    waited: list[float] = []
    monkeypatch.setattr(time, "sleep", waited.append)
    return waited
