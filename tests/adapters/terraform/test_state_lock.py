"""The lock on Terraform's state in S3: held in its place, and ours of a dead run taken away."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError

from pipeline.adapters.terraform.state_lock import DYING, LockOwner, StateLock
from pipeline.core.errors import FailedError, PipelineError, RefusedError
from pipeline.core.events import Event, Message
from pipeline.core.terraform.root_module import Bucket
from tests.core.terraform.samples import TERRAFORM_1_11

BUCKET = Bucket(name="states", key="web/staging.tfstate", region="us-east-1")
AT = {"Bucket": "states", "Key": "web/staging.tfstate.tflock"}
OURS = LockOwner(
    environment="web/staging", deployment="20261121T120000Z-4f2a", epoch=4, who="ann@ci-7"
)
DEAD = "ami-pipeline web/staging deployment 20261121T110000Z-0001 epoch 3"
THEIRS = {
    "ID": "3f5e0000-0000-0000-0000-000000000000",
    "Operation": "OperationTypeApply",
    "Info": "",
    "Who": "ann@ci-7",
    "Version": "1.11.4",
    "Created": "2026-11-21T18:14:58.404114008Z",
    "Path": "states/web/staging.tfstate",
}


class Bucketful:
    """S3 with its conditions; tests/local_cloud/test_store.py checks the local cloud's S3."""

    def __init__(self) -> None:
        self.objects: dict[str, tuple[str, bytes]] = {}
        self.writes = 0
        self.puts: list[dict[str, Any]] = []

    def put_object(self, *, Body: bytes, IfNoneMatch: str = "", **at: Any) -> dict[str, str]:  # noqa: N803 - boto3's
        self.puts.append(at)
        if IfNoneMatch and self._found(at):
            raise refusal("PreconditionFailed")
        self.writes += 1
        self.objects[at["Key"]] = etag, _ = f'"{self.writes}"', Body
        return {"ETag": etag}

    def get_object(self, **at: str) -> dict[str, Any]:
        if not (found := self._found(at)):
            raise refusal("NoSuchKey")
        return {"ETag": found[0], "Body": io.BytesIO(found[1])}

    def delete_object(self, *, IfMatch: str = "", **at: str) -> None:  # noqa: N803 - boto3's
        found = self._found(at)
        if IfMatch and (found is None or found[0] != IfMatch):
            raise refusal("PreconditionFailed" if found else "NoSuchKey")
        self.objects.pop(at["Key"], None)

    def _found(self, at: dict[str, str]) -> tuple[str, bytes] | None:
        assert at["Bucket"] == "states"
        assert at.get("ExpectedBucketOwner", "123456789012") == "123456789012"
        return self.objects.get(at["Key"])


def refusal(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "so it is"}}, "Operation")


@dataclass
class Bench:
    """A state in S3, who wants its lock, how long was waited, and what was said."""

    s3: Any = field(default_factory=Bucketful)
    waits: list[float] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    meanwhile: Callable[[], None] = lambda: None

    def lock(self, whose: LockOwner = OURS, *, over: bool = False) -> StateLock:
        return StateLock(
            s3=self.s3,
            bucket=BUCKET,
            account="123456789012",
            owner=whose,
            folder=Path("/root module"),
            now=lambda: datetime(2026, 11, 21, 12, 0, 5, 250000, tzinfo=UTC),
            wait=self.wait,
            report=self.hear,
            over=lambda: over,
        )

    def wait(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.meanwhile()

    def hear(self, event: Event) -> None:
        assert isinstance(event, Message)
        self.said.append(event.text)

    def leave(self, **words: str) -> dict[str, str]:
        document = {**THEIRS, **words}
        self.s3.put_object(**AT, Body=json.dumps(document).encode())
        return document

    @property
    def standing(self) -> Any:
        try:
            return json.loads(self.s3.get_object(**AT)["Body"].read())
        except ClientError:
            return None


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Bench:
    """A wait of a minute makes three checks here."""
    monkeypatch.setattr("tenacity.nap.time.sleep", lambda _: None)
    monkeypatch.setattr("pipeline.adapters.terraform.state_lock.PATIENCE", 3)
    return Bench()


def test_the_lock_names_the_deployment_and_is_deleted_at_the_end(bench: Bench) -> None:
    with bench.lock().held("OperationTypePlan", TERRAFORM_1_11):
        standing = bench.standing
    assert len(standing.pop("ID")) == 36
    assert standing.pop("Version").startswith("ami-pipeline ")
    assert standing == {
        "Operation": "OperationTypePlan",
        "Info": "ami-pipeline web/staging deployment 20261121T120000Z-4f2a epoch 4",
        "Who": "ann@ci-7",
        "Created": "2026-11-21T12:00:05.250000Z",
        "Path": "states/web/staging.tfstate",
    }
    assert bench.standing is None
    assert (bench.waits, bench.said) == ([], [])


def test_a_failed_block_releases_the_lock(bench: Bench) -> None:
    with pytest.raises(ZeroDivisionError), bench.lock().held("OperationTypeApply", TERRAFORM_1_11):
        _ = 1 // 0
    assert bench.standing is None


@pytest.mark.parametrize(("over", "waits"), [(False, [1.0] * DYING), (True, [])])
def test_the_lock_of_a_dead_run_is_deleted_after_its_terraform_had_time_to_end(
    bench: Bench, over: bool, waits: list[float]
) -> None:
    bench.leave(Info=DEAD)
    with bench.lock(over=over).held("OperationTypePlan", TERRAFORM_1_11):
        assert bench.standing["Info"] == OURS.info
    assert bench.waits == waits
    assert bench.said == [
        "terraform: the state is locked by deployment 20261121T110000Z-0001, whose run has died",
        f"terraform: deleted its lock {THEIRS['ID']}",
    ]


def test_the_lock_of_an_earlier_dead_run_is_deleted_too(
    bench: Bench,
) -> None:
    bench.leave(Info=DEAD.replace("epoch 3", "epoch 1"))
    with bench.lock(over=True).held("OperationTypePlan", TERRAFORM_1_11):
        assert bench.standing["Info"] == OURS.info


def test_a_lock_of_this_run_itself_is_deleted(bench: Bench) -> None:
    bench.leave(Info=OURS.info)
    with bench.lock().held("OperationTypeApply", TERRAFORM_1_11):
        assert bench.standing["Operation"] == "OperationTypeApply"
    assert bench.waits == []


@pytest.mark.parametrize(
    "other",
    [
        {},
        {"Info": "ami-pipeline web/production deployment 20261121T110000Z-0001 epoch 3"},
        {"Info": "ami-pipeline shop/staging deployment 20261121T110000Z-0001 epoch 3"},
        {"Info": DEAD.replace("epoch 3", "epoch 5")},
        {"Info": DEAD.replace("epoch 3", "epoch 2")},
        {"Info": f"{DEAD} or so"},
    ],
    ids=["a person's", "another environment's", "another app's", "later", "broken", "alike"],
)
@pytest.mark.parametrize("raising", [RefusedError, FailedError])
def test_another_owners_lock_is_named_and_never_deleted(
    bench: Bench, other: dict[str, str], raising: type[PipelineError]
) -> None:
    """Who locked it, when, for what: on our machine, by our user, at a time when our run lived."""
    left = bench.leave(**other)
    lock = bench.lock(replace(OURS, broken=2), over=True)
    with pytest.raises(raising) as told, lock.held("OperationTypePlan", TERRAFORM_1_11, raising):
        pass
    assert bench.standing == left
    assert bench.waits == [1.0] * 3
    assert bench.said == ["terraform: the state is locked by ann@ci-7; waiting for 3s"]
    assert told.value.where == "Terraform's state s3://states/web/staging.tfstate"
    words = (
        "locked by ann@ci-7 since 2026-11-21T18:14:58.404114008Z: OperationTypeApply "
        "(lock 3f5e0000-0000-0000-0000-000000000000)"
    )
    assert told.value.what.splitlines() == [words, *([left["Info"]] if left["Info"] else [])]
    assert told.value.remedy == (
        "wait for the holder of the lock; if that run has died: cd '/root module' && "
        "terraform force-unlock -force 3f5e0000-0000-0000-0000-000000000000"
    )


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b"\xff", b"null"])
def test_a_lock_without_text_has_an_unknown_owner(bench: Bench, body: bytes) -> None:
    bench.s3.put_object(**AT, Body=body)
    with (
        pytest.raises(RefusedError) as told,
        bench.lock().held("OperationTypePlan", TERRAFORM_1_11),
    ):
        pass
    assert told.value.what == (
        "locked by an unknown user since an unknown time: an unknown operation (lock unknown)"
    )
    assert bench.s3.get_object(**AT)["Body"].read() == body


def test_a_lock_that_is_released_in_time_is_taken(bench: Bench) -> None:
    bench.leave()

    def meanwhile() -> None:
        if len(bench.waits) == 2:
            bench.s3.delete_object(**AT)

    bench.meanwhile = meanwhile
    with bench.lock().held("OperationTypePlan", TERRAFORM_1_11):
        assert bench.standing["Info"] == OURS.info
    assert bench.waits == [1.0] * 2


def test_only_the_lock_that_was_read_is_deleted(bench: Bench) -> None:
    """While the dead run's Terraform was given time to end, a person unlocked and locked."""
    bench.leave(Info=DEAD)

    def meanwhile() -> None:
        if len(bench.waits) == DYING:
            bench.leave(ID="another")

    bench.meanwhile = meanwhile
    with (
        pytest.raises(RefusedError, match="lock another"),
        bench.lock().held("OperationTypePlan", TERRAFORM_1_11),
    ):
        pass
    assert bench.standing["ID"] == "another"


def test_a_lock_that_another_program_deleted_is_reported_and_a_new_one_stays(
    bench: Bench,
) -> None:
    with bench.lock().held("OperationTypeApply", TERRAFORM_1_11):
        left = bench.leave()
    assert bench.standing == left
    assert bench.said == ["terraform: another program deleted this run's lock on the state"]


class Once:
    """An S3 call that goes wrong the first time: by a code before its effect, "lost" after it."""

    def __init__(self, call: Callable[..., Any], said: str) -> None:
        self._call, self._said = call, said

    def __call__(self, **arguments: Any) -> Any:
        said, self._said = self._said, ""
        if said and said != "lost":
            raise refusal(said)
        answer = self._call(**arguments)
        if said:
            raise ReadTimeoutError(endpoint_url="https://s3")
        return answer


@pytest.mark.parametrize("said", ["lost", "SlowDown", "ConditionalRequestConflict"])
@pytest.mark.parametrize("name", ["put_object", "get_object", "delete_object"])
def test_transient_errors_of_s3_are_retried(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, name: str, said: str
) -> None:
    if name == "get_object":
        said = said.replace("ConditionalRequestConflict", "SlowDown")
        bench.leave(Info=DEAD)
    monkeypatch.setattr(bench.s3, name, Once(getattr(bench.s3, name), said))
    with bench.lock(over=True).held("OperationTypePlan", TERRAFORM_1_11):
        assert bench.standing["Info"] == OURS.info
    assert bench.standing is None
    assert not [line for line in bench.said if "another program" in line]


@pytest.mark.parametrize("raising", [RefusedError, FailedError])
def test_an_error_of_s3_is_raised_before_terraform_runs(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, raising: type[PipelineError]
) -> None:
    monkeypatch.setattr(bench.s3, "put_object", Once(bench.s3.put_object, "AccessDenied"))
    with (
        pytest.raises(raising) as told,
        bench.lock().held("OperationTypePlan", TERRAFORM_1_11, raising),
    ):
        raise AssertionError
    assert told.value.where == "s3://states/web/staging.tfstate.tflock in us-east-1"
    assert "AccessDenied" in told.value.what


def test_a_lock_that_cannot_be_released_is_reported_and_recognized_by_the_next_run(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = bench.s3.delete_object
    with bench.lock().held("OperationTypePlan", TERRAFORM_1_11):
        monkeypatch.setattr(bench.s3, "delete_object", Once(real, "AccessDenied"))
    [said] = bench.said
    assert said.startswith("terraform: the lock on the state stays until the next run: ")
    with bench.lock(replace(OURS, epoch=5), over=True).held("OperationTypePlan", TERRAFORM_1_11):
        assert bench.standing["Info"].endswith(" epoch 5")


def test_the_lock_is_encrypted_with_the_key_of_the_state(bench: Bench) -> None:
    with replace(bench.lock(), bucket=replace(BUCKET, kms_key="alias/states")).held(
        "plan", TERRAFORM_1_11
    ):
        pass
    with bench.lock().held("plan", TERRAFORM_1_11):
        pass
    with_key, without = bench.s3.puts
    assert (with_key["ServerSideEncryption"], with_key["SSEKMSKeyId"]) == (
        "aws:kms",
        "alias/states",
    )
    assert "ServerSideEncryption" not in without
