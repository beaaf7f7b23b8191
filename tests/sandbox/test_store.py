"""The S3 store against a server: moto in process is not thread-safe, so no race is fair there."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from pipeline.adapters.aws import Clients
from pipeline.adapters.store import S3Store
from pipeline.core.errors import LeaseHeldError
from tests.adapters.tenants import FakeClock, an_environment, an_owner, leases
from tests.races import race

if TYPE_CHECKING:
    import pytest

    from tests.local_cloud import Cloud


def test_of_writers_of_an_object_at_once_one_wins(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in cloud.env.items():
        if name.startswith("AWS_"):
            monkeypatch.setenv(name, value)
    cloud.aws("s3").create_bucket(Bucket="races")
    store = S3Store(Clients(), "races", "")
    assert race(store, 4) == [b"0", b"1", b"2", b"3"]


def test_of_takers_of_a_lease_in_a_bucket_at_once_one_wins(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in cloud.env.items():
        if name.startswith("AWS_"):
            monkeypatch.setenv(name, value)
    cloud.aws("s3").create_bucket(Bucket="leases")
    store = S3Store(Clients(), "leases", "")
    start, told = threading.Barrier(32), list[str]()

    def take(number: int) -> None:
        mine = leases(store, FakeClock(), owner=an_owner(user=f"user{number}"))
        start.wait()
        try:
            mine.take(an_environment(), "race")
            told.append(f"held by user{number}")
        except LeaseHeldError as error:
            told.append(error.what.split("@")[0])

    threads = [threading.Thread(target=take, args=(number,)) for number in range(32)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(told) == 32
    assert len(set(told)) == 1
