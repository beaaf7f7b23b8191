"""The S3 store against a server: moto in process is not thread-safe, so no race is fair there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.adapters.aws import Clients
from pipeline.adapters.store import S3Store
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
