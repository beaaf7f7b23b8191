"""The S3 store against a server: moto in process is not thread-safe, so no race is fair there."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from pipeline.adapters.aws import Clients
from pipeline.adapters.store import S3Store
from pipeline.core.errors import LeaseHeldError
from tests.adapters.tenants import FakeClock, an_environment, an_owner, leases
from tests.hooked import refused
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


def test_a_bucket_is_refused_to_who_takes_it_for_another_accounts(cloud: Cloud) -> None:
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
