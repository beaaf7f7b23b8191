from __future__ import annotations

import errno
import fcntl
import itertools
import os
import stat
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError

from local_cloud.patches import s3
from local_cloud.patches.patching import apply, patches_of
from pipeline.adapters.aws.client import Clients
from pipeline.adapters.files.atomic import write_atomically
from pipeline.adapters.process.signals import Interrupts
from pipeline.adapters.store.base import StaleError, Store
from pipeline.adapters.store.directory import DirectoryStore
from pipeline.adapters.store.factory import open_store
from pipeline.adapters.store.s3 import S3Store
from pipeline.app import Application
from pipeline.config import load
from pipeline.core.errors import RefusedError
from tests.concurrent_writes import race
from tests.config.test_config import MINIMAL


@pytest.fixture(params=["directory", "bucket", "prefix"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    if request.param == "directory":
        return DirectoryStore(tmp_path / "state")
    clients: Clients = request.getfixturevalue("aws")
    clients.s3().create_bucket(Bucket="state")
    return S3Store(clients, "state", "a/b" if request.param == "prefix" else "")


class TestAnyStore:
    def test_what_was_written_is_read_with_its_version(self, store: Store) -> None:
        version = store.write("images/a.json", b"one", expected=None)
        document = store.read("images/a.json")
        assert document is not None
        assert (document.data, document.version) == (b"one", version)

    def test_what_was_never_written_is_none(self, store: Store) -> None:
        assert store.read("images/a.json") is None
        assert store.keys("images/") == ()

    def test_a_new_document_must_be_new(self, store: Store) -> None:
        store.write("images/a.json", b"one", expected=None)
        with pytest.raises(StaleError):
            store.write("images/a.json", b"two", expected=None)
        document = store.read("images/a.json")
        assert document is not None
        assert document.data == b"one"

    def test_a_document_is_written_over_at_its_version_only(self, store: Store) -> None:
        first = store.write("images/a.json", b"one", expected=None)
        second = store.write("images/a.json", b"two", expected=first)
        assert first != second
        with pytest.raises(StaleError):
            store.write("images/a.json", b"three", expected=first)
        document = store.read("images/a.json")
        assert document is not None
        assert document.data == b"two"

    def test_a_document_that_is_gone_cannot_be_written_over(self, store: Store) -> None:
        version = store.write("images/a.json", b"one", expected=None)
        with pytest.raises((StaleError, RefusedError)):
            store.write("images/b.json", b"two", expected=version)

    def test_keys_are_listed_sorted_below_their_prefix(self, store: Store) -> None:
        for key in ("images/b.json", "images/a.json", "environments/x.json"):
            store.write(key, b"{}", expected=None)
        assert store.keys("images/") == ("images/a.json", "images/b.json")
        assert store.keys("environments/") == ("environments/x.json",)

    def test_the_keys_of_one_folder_are_listed_without_those_below(self, store: Store) -> None:
        for key in ("deployments/a.json", "deployments/a/000001.json", "deployments/b/1.json"):
            store.write(key, b"{}", expected=None)
        assert store.keys("deployments/", deep=False) == ("deployments/a.json",)
        assert store.keys("deployments/a/", deep=False) == ("deployments/a/000001.json",)
        assert store.keys("none/", deep=False) == ()

    def test_what_was_deleted_is_gone_and_twice_is_no_error(self, store: Store) -> None:
        store.write("images/a.json", b"one", expected=None)
        store.delete("images/a.json")
        store.delete("images/a.json")
        assert store.read("images/a.json") is None
        assert store.keys("") == ()

    def test_a_document_is_deleted_at_its_version_only(self, store: Store) -> None:
        first = store.write("images/a.json", b"one", expected=None)
        second = store.write("images/a.json", b"two", expected=first)
        with pytest.raises(StaleError):
            store.delete("images/a.json", expected=first)
        assert store.read("images/a.json") is not None
        for _ in range(2):
            store.delete("images/a.json", expected=second)
        assert store.read("images/a.json") is None


def test_of_writers_of_a_file_at_once_one_wins(tmp_path: Path) -> None:
    """The bucket's race is run where the bucket is a server: tests/local_cloud/test_store.py."""
    assert race(DirectoryStore(tmp_path / "state"), 4) == [b"0", b"1", b"2", b"3"]


def test_the_directory_and_its_documents_are_the_owners_alone(tmp_path: Path) -> None:
    os.umask(0o022)
    DirectoryStore(tmp_path / "state").write("images/a.json", b"{}", expected=None)
    modes = {
        str(path.relative_to(tmp_path)): stat.S_IMODE(path.stat().st_mode)
        for path in (tmp_path / "state").rglob("*")
    }
    assert modes == {
        "state/.gitignore": 0o600,
        "state/.locks": 0o700,
        "state/.locks/images.a": 0o600,
        "state/images": 0o700,
        "state/images/a.json": 0o600,
    }
    assert stat.S_IMODE((tmp_path / "state").stat().st_mode) == 0o700


def test_a_file_that_stays_locked_is_told_and_not_waited_for_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = DirectoryStore(tmp_path / "state")
    key = "environments/a.json"
    store.write(key, b"one", expected=None)
    waits = itertools.count(0.0, 2.5)
    monkeypatch.setattr("pipeline.adapters.files.lock.time.monotonic", lambda: next(waits))
    slept = list[float]()
    monkeypatch.setattr("pipeline.adapters.files.lock.time.sleep", slept.append)
    path = tmp_path / "state/.locks/environments.a"
    with path.open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        for action in (
            lambda: store.write(key, b"", expected=None),
            lambda: store.delete(key),
        ):
            with pytest.raises(RefusedError) as told:
                action()
            assert told.value.where == f"[state] {path}"
            assert "locked for 10 s" in told.value.what
            assert told.value.remedy.startswith(f"see who: fuser -v {path}; ")
        for other in ("environments/b.json", "deployments/a/000001.json", "images/a.json"):
            store.write(other, b"", expected=None)
    assert slept == [0.005] * 6
    store.delete(key)


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP])
def test_a_file_system_without_locks_is_refused_with_where_to_observation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def flock(*_: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("pipeline.adapters.files.lock.fcntl.flock", flock)
    with pytest.raises(RefusedError) as told:
        DirectoryStore(tmp_path / "state").write("a", b"", expected=None)
    assert "the file system cannot lock" in told.value.what
    assert "ami-pipeline doctor" in told.value.remedy


@pytest.mark.parametrize("name", ["images/a.json", ".locks/images.a"])
def test_a_symbolic_link_is_refused_and_its_target_left_alone(tmp_path: Path, name: str) -> None:
    target = tmp_path / "target"
    target.write_bytes(b"precious")
    link = tmp_path / "state" / name
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(target)
    store = DirectoryStore(tmp_path / "state")
    with pytest.raises(RefusedError) as told:
        store.write("images/a.json", b"{}", expected=None)
    assert told.value.where.startswith("[state] ")
    assert target.read_bytes() == b"precious"


def test_a_directory_that_cannot_be_made_is_a_refusal(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file")
    store = DirectoryStore(tmp_path / "state")
    with pytest.raises(RefusedError) as told:
        store.write("images/a.json", b"{}", expected=None)
    assert "[state] url" in told.value.remedy
    with pytest.raises(RefusedError):
        store.read("images/a.json")


def test_a_directory_nobody_may_write_to_is_a_refusal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    store = DirectoryStore(tmp_path / "state")
    # Not by the file's mode: the tests may run as root, whom no mode stops.
    monkeypatch.setattr("pipeline.adapters.files.atomic.tempfile.mkstemp", refuse)
    with pytest.raises(RefusedError) as told:
        store.write("images/a.json", b"{}", expected=None)
    assert told.value.what == "Permission denied"


def test_what_was_written_outlives_a_power_cut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every file is synced before it is named, and every folder after a name came into it."""
    real, steps = os.fsync, list[str]()

    def fsync(handle: int) -> None:
        path = Path(f"/proc/self/fd/{handle}").readlink()
        steps.append(str(path.relative_to(tmp_path)) if path.is_dir() else "a file")
        real(handle)

    monkeypatch.setattr("pipeline.adapters.files.atomic.os.fsync", fsync)
    store = DirectoryStore(tmp_path / "deep" / "state")
    store.write("images/a.json", b"one", expected=None)
    state = "deep/state"
    assert steps == [".", "deep", "a file", state, state, "a file", f"{state}/images"]


@pytest.mark.parametrize(("number", "refused"), [(22, False), (5, True)])
def test_a_file_system_that_cannot_sync_a_folder_is_told_from_one_that_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, refused: bool
) -> None:
    real = os.fsync

    def fsync(handle: int) -> None:
        if stat.S_ISDIR(os.fstat(handle).st_mode):
            raise OSError(number, os.strerror(number))
        real(handle)

    monkeypatch.setattr("pipeline.adapters.files.atomic.os.fsync", fsync)
    store = DirectoryStore(tmp_path / "state")
    if refused:
        with pytest.raises(RefusedError, match="Input/output error"):
            store.write("images/a.json", b"one", expected=None)
    else:
        store.write("images/a.json", b"one", expected=None)


def test_keys_leave_out_what_is_not_yet_a_document(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / ".a.json.x81").touch()
    assert DirectoryStore(tmp_path).keys("images/") == ()


def test_an_atomic_write_leaves_nothing_beside_the_file_when_it_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "out"
    write_atomically(path, b"old", mode=0o644)

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pipeline.adapters.files.atomic.os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_atomically(path, b"new")
    monkeypatch.undo()
    assert [each.name for each in tmp_path.iterdir() if each.name != "home"] == ["out"]
    assert path.read_bytes() == b"old"
    assert stat.S_IMODE(path.stat().st_mode) == 0o644


def test_a_bucket_that_is_not_there_is_a_refusal_with_awss_words(aws: Clients) -> None:
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


def test_the_bucket_of_another_account_is_refused_by_every_call(strict: Clients) -> None:
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
            "\neither the bucket is not account 999988887777's, "
            "or these credentials lack the permission"
        )
        assert error.remedy == (
            "see which: aws s3api head-bucket --bucket state "
            "--expected-bucket-owner 999988887777; a bucket that is meant to be another "
            "account's: set account below [state] in pipeline.toml to its id; "
            "else allow the action named above"
        )
    assert S3Store(strict, "state", "web", OURS).keys("") == ()


def test_whose_it_must_be_is_the_credentials_account_once_it_was_asked_for(
    strict: Clients,
) -> None:
    store, said = S3Store(strict, "state", ""), S3Store(strict, "state", "", THEIRS)
    assert store.account == ""
    store.write("a", b"one", expected=None)
    strict.caller("us-east-1")
    assert (store.account, said.account) == (OURS, THEIRS)
    strict._caller = {**strict.caller("us-east-1"), "Account": THEIRS}
    with pytest.raises(RefusedError, match="not account 999988887777's"):
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
def test_the_configuration_says_whose_the_bucket_must_be(
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
def test_a_write_that_may_pass_is_tried_again(
    bucket: Callable[..., S3Store], said: tuple[str, ...], new: bool
) -> None:
    first = None if new else bucket().write("a", b"one", expected=None)
    version = bucket(*said).write("a", b"two", expected=first)
    found = bucket().read("a")
    assert found is not None
    assert (found.data, found.version) == (b"two", version)
    assert bucket().write("a", b"three", expected=version) != version


@pytest.mark.parametrize("said", [(), ("SlowDown",), (CONFLICT,), (CONFLICT,) * 6])
def test_a_write_that_another_was_faster_with_is_stale_whatever_came_before_it(
    bucket: Callable[..., S3Store], said: tuple[str, ...]
) -> None:
    first = bucket().write("a", b"one", expected=None)
    bucket().write("a", b"theirs", expected=first)
    with pytest.raises(StaleError):
        bucket(*said).write("a", b"ours", expected=first)
    found = bucket().read("a")
    assert found is not None
    assert found.data == b"theirs"


DATE = "Sat, 21 Nov 2026 12:00:00 GMT"


@pytest.mark.parametrize("action", ["read", "read nothing", "write"])
def test_the_time_is_s3s_whatever_this_machines_clock_says(
    action: str, aws: Clients, monkeypatch: pytest.MonkeyPatch
) -> None:
    aws.s3().create_bucket(Bucket="state")
    store = S3Store(aws, "state", "")
    store.write("a", b"one", expected=None)
    seconds = iter([50.0, 57.5])
    monkeypatch.setattr("pipeline.adapters.store.s3.steady", lambda: next(seconds))
    dated(aws.s3())
    match action:
        case "write":
            store.write("b", b"one", expected=None)
        case "read":
            store.read("a")
        case _:
            assert store.read("nothing") is None
    assert store.now().isoformat() == "2026-11-21T12:00:07.500000+00:00"


def test_before_s3_has_answered_and_in_a_directory_the_time_is_this_machines(
    aws: Clients, tmp_path: Path
) -> None:
    for store in (S3Store(aws, "state", ""), DirectoryStore(tmp_path)):
        before = datetime.now(UTC)
        assert before <= store.now() <= datetime.now(UTC)


def dated(client: Any) -> None:
    """Have every answer carry S3's time, as real ones do."""
    client.meta.events.register("before-parse.s3", stamp)


def stamp(response_dict: dict[str, Any], **_: Any) -> None:
    response_dict["headers"]["date"] = DATE


def test_a_write_that_is_refused_is_not_tried_again(bucket: Callable[..., S3Store]) -> None:
    with pytest.raises(RefusedError, match="AccessDenied"):
        bucket("AccessDenied").write("a", b"one", expected=None)
    assert bucket().read("a") is None


@pytest.mark.parametrize(
    ("url", "bucket", "prefix"),
    [
        ("s3://state", "state", ""),
        ("s3://state/", "state", ""),
        ("s3://state/a/b/", "state", "a/b/"),
    ],
)
def test_a_url_of_s3_is_a_bucket_and_a_prefix(
    tmp_path: Path, url: str, bucket: str, prefix: str
) -> None:
    store = open_store(url, tmp_path, Clients())
    assert isinstance(store, S3Store)
    assert (store._bucket, store._prefix) == (bucket, prefix)
    assert store.where("a.json") == f"s3://{bucket}/{prefix}a.json"


@pytest.mark.parametrize(
    ("url", "folder"), [("state", "/root/state"), ("/var/state", "/var/state")]
)
def test_a_path_is_taken_from_the_configurations_folder(url: str, folder: str) -> None:
    store = open_store(url, Path("/root"), Clients())
    assert isinstance(store, DirectoryStore)
    assert str(store.folder) == folder
    assert store.where("images/a.json") == f"{folder}/images/a.json"
