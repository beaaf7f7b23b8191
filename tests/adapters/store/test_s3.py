"""What the store in S3 adds to the contract: bucket owner, lost responses, S3's clock."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError, IncompleteReadError, ReadTimeoutError

from local_cloud.patches import s3
from local_cloud.patches.patching import apply, patches_of
from pipeline.adapters.aws.client import Clients
from pipeline.adapters.process.signals import Interrupts
from pipeline.adapters.store.base import StaleError
from pipeline.adapters.store.s3 import S3Store
from pipeline.app import Application
from pipeline.config import load
from pipeline.core.errors import RefusedError

MINIMAL = 'app = "web"\nregion = "eu-central-1"\n[bake]\ntemplate = "packer/app.pkr.hcl"\n'


def test_a_missing_bucket_is_an_error_with_awss_message(aws: Clients) -> None:
    store = S3Store(aws, "nowhere", "")
    for action in (
        lambda: store.read("a"),
        lambda: store.write("a", b"", expected=None),
        lambda: store.keys(""),
    ):
        with pytest.raises(RefusedError) as told:
            action()
        assert "NoSuchBucket" in told.value.what


# Whose the bucket is

OURS, THEIRS = "123456789012", "999988887777"


@pytest.fixture
def strict(aws: Clients) -> Iterator[Clients]:
    """Clients of an S3 that heeds whose a bucket must be, as the local cloud's does."""
    undo = apply(patches_of(s3))
    aws.s3().create_bucket(Bucket="state")
    yield aws
    undo()


def test_every_call_rejects_the_bucket_of_another_account(strict: Clients) -> None:
    store = S3Store(strict, "state", "web", THEIRS)
    for doing, action in (
        ("reading s3://state/web/a", lambda: store.read("a")),
        ("writing s3://state/web/a", lambda: store.write("a", b"", expected=None)),
        ("writing s3://state/web/a", lambda: store.write("a", b"", expected='"x"')),
        ("deleting s3://state/web/a", lambda: store.delete("a")),
        ("listing s3://state/web/", lambda: store.keys("")),
    ):
        with pytest.raises(RefusedError) as told:
            action()
        error = told.value
        assert error.where == f"{doing} in S3"
        assert "(AccessDenied)" in error.what
        assert error.what.endswith(
            "\naccount 999988887777 does not own the bucket, "
            "or these credentials lack the permission"
        )
        assert error.remedy == (
            "find out which: aws s3api head-bucket --bucket state "
            "--expected-bucket-owner 999988887777; if another account owns the bucket, set "
            "account below [state] in pipeline.toml to its id; "
            "otherwise allow the action named above"
        )
    assert S3Store(strict, "state", "web", OURS).keys("") == ()


def test_the_expected_owner_is_the_credentials_account_once_it_is_known(
    strict: Clients,
) -> None:
    store, said = S3Store(strict, "state", ""), S3Store(strict, "state", "", THEIRS)
    assert store.account == ""
    store.write("a", b"one", expected=None)
    strict.caller("us-east-1")
    assert (store.account, said.account) == (OURS, THEIRS)
    strict._caller = {**strict.caller("us-east-1"), "Account": THEIRS}
    with pytest.raises(RefusedError, match="account 999988887777 does not own"):
        store.read("a")


@pytest.mark.parametrize(
    ("more", "environment", "account"),
    [
        ("", "production", "111122223333"),
        ("", "", ""),
        ('account = "444455556666"\n', "production", "444455556666"),
        ('account = "444455556666"\n', "", "444455556666"),
    ],
)
def test_the_configuration_sets_the_expected_owner(
    tmp_path: Path, more: str, environment: str, account: str
) -> None:
    backend = '[terraform.backend]\nbucket = "state"\n'
    ours = '[environments.production]\naccount = "111122223333"\n'
    (tmp_path / "pipeline.toml").write_text(
        f'{MINIMAL}{ours}{backend}[state]\nurl = "s3://state"\n{more}'
    )
    app = Application(
        settings=load(tmp_path / "pipeline.toml"),
        environ={},
        interrupts=Interrupts(),
        report=lambda _: None,
    )
    store = app.store(Clients(), environment)
    assert isinstance(store, S3Store)
    assert store.account == account


# S3's answers


class Answers:
    """What S3 says to the next writes: a code before the effect, "lost" after it."""

    def __init__(self, put: Callable[..., Any], *said: str) -> None:
        self._put, self._left = put, list(said)

    def __call__(self, **arguments: Any) -> Any:
        said = self._left.pop(0) if self._left else ""
        if said and said != "lost":
            raise ClientError({"Error": {"Code": said, "Message": "so it is"}}, "PutObject")
        answer = self._put(**arguments)
        if said:
            raise ReadTimeoutError(endpoint_url="https://s3")
        return answer


@pytest.fixture
def bucket(aws: Clients, monkeypatch: pytest.MonkeyPatch) -> Callable[..., S3Store]:
    monkeypatch.setattr("tenacity.nap.time.sleep", lambda _: None)
    client = aws.s3()
    client.create_bucket(Bucket="state")

    def make(*said: str) -> S3Store:
        monkeypatch.setattr(client, "put_object", Answers(client.put_object, *said))
        return S3Store(aws, "state", "")

    return make


CONFLICT = "ConditionalRequestConflict"


@pytest.mark.parametrize(
    "said", [("SlowDown", "SlowDown"), ("InternalError",), (CONFLICT, CONFLICT), ("lost",)]
)
@pytest.mark.parametrize("new", [True, False])
def test_a_transient_error_of_a_write_is_retried(
    bucket: Callable[..., S3Store], said: tuple[str, ...], new: bool
) -> None:
    first = None if new else bucket().write("a", b"one", expected=None)
    version = bucket(*said).write("a", b"two", expected=first)
    found = bucket().read("a")
    assert found is not None
    assert (found.data, found.version) == (b"two", version)
    assert bucket().write("a", b"three", expected=version) != version


@pytest.mark.parametrize("said", [(), ("SlowDown",), (CONFLICT,), (CONFLICT,) * 6])
def test_a_write_after_another_runs_write_is_stale(
    bucket: Callable[..., S3Store], said: tuple[str, ...]
) -> None:
    first = bucket().write("a", b"one", expected=None)
    bucket().write("a", b"theirs", expected=first)
    with pytest.raises(StaleError):
        bucket(*said).write("a", b"ours", expected=first)
    found = bucket().read("a")
    assert found is not None
    assert found.data == b"theirs"


@pytest.mark.parametrize("said", [("lost",), ("lost", "SlowDown"), (CONFLICT,)])
def test_a_deletion_whose_response_was_lost_is_done(
    aws: Clients, bucket: Callable[..., S3Store], monkeypatch: pytest.MonkeyPatch, said: Any
) -> None:
    store = bucket()
    version = store.write("a", b"one", expected=None)
    monkeypatch.setattr(aws.s3(), "delete_object", Answers(aws.s3().delete_object, *said))
    store.delete("a", expected=version)
    assert store.read("a") is None


class BreaksOff:
    """A body that ends early the first time."""

    def __init__(self, get: Callable[..., Any]) -> None:
        self._get, self.times = get, 1

    def __call__(self, **arguments: Any) -> Any:
        answer = self._get(**arguments)
        if self.times:
            self.times -= 1
            answer["Body"] = self
        return answer

    def read(self) -> bytes:
        raise IncompleteReadError(actual_bytes=1, expected_bytes=3)


def test_a_body_that_breaks_off_is_read_again(
    aws: Clients, bucket: Callable[..., S3Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    store = bucket()
    store.write("a", b"one", expected=None)
    monkeypatch.setattr(aws.s3(), "get_object", BreaksOff(aws.s3().get_object))
    found = store.read("a")
    assert found is not None
    assert found.data == b"one"


DATE = "Sat, 21 Nov 2026 12:00:00 GMT"


@pytest.mark.parametrize("action", ["read", "read nothing", "write"])
def test_the_time_is_s3s_and_not_this_machines(
    action: str, aws: Clients, monkeypatch: pytest.MonkeyPatch
) -> None:
    aws.s3().create_bucket(Bucket="state")
    store = S3Store(aws, "state", "")
    store.write("a", b"one", expected=None)
    seconds = iter([50.0, 57.5])
    monkeypatch.setattr("pipeline.adapters.store.s3.uptime", lambda: next(seconds))
    dated(aws.s3())
    match action:
        case "write":
            store.write("b", b"one", expected=None)
        case "read":
            store.read("a")
        case _:
            assert store.read("nothing") is None
    assert store.now().isoformat() == "2026-11-21T12:00:07.500000+00:00"


def test_before_the_first_response_the_time_is_this_machines(aws: Clients) -> None:
    before = datetime.now(UTC)
    assert before <= S3Store(aws, "state", "").now() <= datetime.now(UTC)


def dated(client: Any) -> None:
    """Have every answer carry S3's time, as real ones do."""
    client.meta.events.register("before-parse.s3", stamp)


def stamp(response_dict: dict[str, Any], **_: Any) -> None:
    response_dict["headers"]["date"] = DATE


def test_a_denied_write_is_not_retried(bucket: Callable[..., S3Store]) -> None:
    with pytest.raises(RefusedError, match="AccessDenied"):
        bucket("AccessDenied").write("a", b"one", expected=None)
    assert bucket().read("a") is None


# Which key encrypts


def test_each_write_names_the_kms_key(aws: Clients) -> None:
    aws.s3().create_bucket(Bucket="state")
    key = "arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-a6ef-1234567890ab"
    store = S3Store(aws, "state", "web", kms_key=key)
    version = store.write("a", b"1", expected=None)
    store.write("a", b"2", expected=version)
    for each in aws.s3().list_object_versions(Bucket="state").get("Versions", []):
        found = aws.s3().head_object(Bucket="state", Key=each["Key"])
        assert found["ServerSideEncryption"] == "aws:kms"
        assert found["SSEKMSKeyId"] == key
        assert found["BucketKeyEnabled"]


def test_without_a_kms_key_the_bucket_decides(
    aws: Clients, monkeypatch: pytest.MonkeyPatch
) -> None:
    aws.s3().create_bucket(Bucket="state")
    put = aws.s3().put_object
    requested: list[set[str]] = []

    def note(**given: Any) -> Any:
        requested.append(set(given))
        return put(**given)

    monkeypatch.setattr(aws.s3(), "put_object", note)
    S3Store(aws, "state", "").write("a", b"", expected=None)
    assert requested == [{"Bucket", "Key", "Body", "IfNoneMatch"}]
