"""The S3 store against a server: moto in process is not thread-safe, so no race is fair there."""

from __future__ import annotations

import re
import threading
import time
from typing import TYPE_CHECKING

import pytest

from pipeline.adapters.aws.client import Clients
from pipeline.adapters.store.s3 import S3Store
from pipeline.core.errors import LeaseHeldError
from tests.adapters.lease.lease_fakes import FakeClock, an_environment, an_owner, leases
from tests.concurrent_writes import race
from tests.patched_moto import refused

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.running_cloud import Cloud


def test_one_of_several_concurrent_writers_wins(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in cloud.env.items():
        if name.startswith("AWS_"):
            monkeypatch.setenv(name, value)
    cloud.aws("s3").create_bucket(Bucket="races")
    store = S3Store(Clients(), "races", "")
    assert race(store, 4) == [b"0", b"1", b"2", b"3"]


@pytest.mark.long
def test_one_of_32_concurrent_takers_of_a_lease_wins_and_the_others_are_refused_soon(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, record_property: Callable[[str, object], None]
) -> None:
    for name, value in cloud.env.items():
        if name.startswith("AWS_"):
            monkeypatch.setenv(name, value)
    cloud.aws("s3").create_bucket(Bucket="leases")
    # A client each: what making them takes is not measured, as it is not the lease's.
    stores = [S3Store(Clients(), "leases", "") for _ in range(32)]
    assert all(store.keys("") == () for store in stores)
    start, told = threading.Barrier(32), list[tuple[str, float]]()
    age = re.compile(r"since \S+, for \d+s; .*\n.*\nCI job: https://ci.example/runs/17$")

    def take(number: int) -> None:
        mine = leases(stores[number], FakeClock(), owner=an_owner(user=f"user{number}"))
        start.wait()
        began = time.monotonic()
        try:
            mine.take(an_environment(), "race")
            who = f"held by user{number}"
        except LeaseHeldError as error:
            who = error.what.split("@")[0] if age.search(error.what) else error.what
        told.append((who, time.monotonic() - began))

    threads = [threading.Thread(target=take, args=(number,)) for number in range(32)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(told) == 32
    assert len({who for who, _ in told}) == 1
    record_property("seconds", max(seconds for _, seconds in told))
    assert max(seconds for _, seconds in told) <= 2


def test_a_bucket_of_another_account_than_expected_is_refused(cloud: Cloud) -> None:
    s3 = cloud.aws("s3")
    s3.create_bucket(Bucket="owned")
    right, wrong = (
        {"Bucket": "owned", "ExpectedBucketOwner": account}
        for account in (cloud.aws("sts").get_caller_identity()["Account"], "999988887777")
    )
    with refused("AccessDenied"):
        s3.put_object(**wrong, Key="a", Body=b"one")
    s3.put_object(**right, Key="a", Body=b"one")
    for call in (s3.get_object, s3.delete_object):
        with refused("AccessDenied"):
            call(**wrong, Key="a")
    for call in (s3.list_objects_v2, s3.get_bucket_versioning):
        with refused("AccessDenied"):
            call(**wrong)
    with refused("403"):
        s3.head_bucket(**wrong)
    assert s3.get_object(**right, Key="a")["Body"].read() == b"one"
    with refused("NoSuchBucket"):
        s3.list_objects_v2(Bucket="nowhere", ExpectedBucketOwner="999988887777")


def test_an_object_is_deleted_at_its_etag_only(cloud: Cloud) -> None:
    s3 = cloud.aws("s3")
    s3.create_bucket(Bucket="deletes")
    at = {"Bucket": "deletes", "Key": "a"}
    first = s3.put_object(**at, Body=b"one")["ETag"]
    second = s3.put_object(**at, Body=b"two")["ETag"]
    with refused("PreconditionFailed"):
        s3.delete_object(**at, IfMatch=first)
    s3.delete_object(**at, IfMatch=second)
    with refused("NoSuchKey"):
        s3.delete_object(**at, IfMatch=second)
