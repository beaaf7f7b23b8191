"""Terraform's lock in S3 after its run died: ours is taken away, nobody else's."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from pipeline.adapters.state_lock import LOOKS, release
from pipeline.core.deployment import Runner
from pipeline.core.environment import Lease
from pipeline.core.events import Event, Noted
from pipeline.core.root import Bucket

BUCKET = Bucket(name="states", key="web/staging.tfstate", region="us-east-1")
DEAD = Lease(
    owner=Runner(user="ada", host="runner-7", pid=41),
    epoch=3,
    since="2026-11-21T18:14:38Z",
    expires="2026-11-21T18:15:38Z",
)
LEFT = {"ID": "3f5e", "Who": "root@runner-7", "Created": "2026-11-21T18:14:58.404114008Z"}


@dataclass
class Store:
    """S3 with one object; `until` is how many reads it stays for, `error` what each is answered."""

    body: bytes | None
    until: int = 1000
    error: str = ""
    deleted: list[dict[str, str]] = field(default_factory=list)

    def get_object(self, **_: str) -> dict[str, Any]:
        self.until -= 1
        code = self.error or ("NoSuchKey" if self.body is None or self.until < 0 else "")
        if code:
            raise ClientError({"Error": {"Code": code, "Message": "said S3"}}, "GetObject")
        return {"Body": io.BytesIO(self.body or b"")}

    def delete_object(self, **named: str) -> None:
        self.deleted.append(named)


def released(store: Any, dead: Lease = DEAD) -> tuple[list[float], list[str]]:
    """Return how long was waited, and what was said."""
    waits: list[float] = []
    said: list[str] = []

    def report(event: Event) -> None:
        assert isinstance(event, Noted)
        said.append(event.text)

    release(store, BUCKET, dead, wait=waits.append, report=report)
    return waits, said


def test_the_lock_that_a_dead_run_left_is_taken_away_once_terraform_had_time_to_end() -> None:
    store = Store(json.dumps(LEFT).encode())
    waits, said = released(store)
    assert store.deleted == [{"Bucket": "states", "Key": "web/staging.tfstate.tflock"}]
    assert waits == [1.0] * LOOKS
    assert said == [
        "terraform: the state is locked by root@runner-7, whose run has died",
        "terraform: took away its lock 3f5e",
    ]


def test_a_terraform_that_ends_by_itself_takes_its_own_lock_away() -> None:
    store = Store(json.dumps(LEFT).encode(), until=4)
    waits, _ = released(store)
    assert store.deleted == []
    assert len(waits) == 4


@pytest.mark.parametrize(
    "other",
    [
        {"Who": "root@laptop"},
        {"Created": "2026-11-21T18:14:37.9Z"},
        {"Created": "yesterday"},
    ],
)
def test_the_lock_of_anybody_else_is_left_alone(other: dict[str, str]) -> None:
    store = Store(json.dumps({**LEFT, **other}).encode())
    assert released(store) == ([], [])
    assert store.deleted == []


@pytest.mark.parametrize("body", [None, b"", b"[]", b"{}"])
def test_no_lock_and_what_is_none_are_left_alone(body: bytes | None) -> None:
    store = Store(body)
    assert released(store) == ([], [])
    assert store.deleted == []


def test_a_lease_that_does_not_say_when_it_began_gives_no_right() -> None:
    store = Store(json.dumps(LEFT).encode())
    assert released(store, replace(DEAD, since="")) == ([], [])
    assert store.deleted == []


def test_what_s3_refuses_is_said_and_left_to_terraform() -> None:
    store = Store(None, error="AccessDenied")
    _, said = released(store)
    assert [line.split(":")[0] for line in said] == [
        "the lock on Terraform's state was not looked after"
    ]
