"""The lock on Terraform's state in S3, taken in Terraform's place: it names our deployment.

Terraform's own lock says who took it, by user and machine, and nothing lets us add to that. Left
by a Terraform that was killed, it is there for ever, no command lists it (hashicorp/terraform
#28710), and it looks like that of a person on the same machine. So we take it, where Terraform
would and as it would, and run Terraform with `-lock=false` (ADR 0020): to whoever else asks for
it, it is a lock as any other. Its `Info` names deployment and lease, so that the next run knows
which lock was left by a run that died, takes that away, and no other.
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any

from pipeline import __version__
from pipeline.adapters.aws.client import call, error_code, patience, speaking_plainly
from pipeline.adapters.identity import printable
from pipeline.adapters.store.s3 import CHANGED, CONFLICT, owned_by
from pipeline.core.errors import PipelineError, RefusedError
from pipeline.core.events import Message, Report
from pipeline.core.terraform.root_module import Bucket
from pipeline.core.times import format_duration

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

SUFFIX = ".tflock"
"""What the backend adds to the state's key (Terraform, backend "s3", `use_lockfile`)."""
LOOKS = 15
"""Seconds, one look each, that the Terraform of a dead run is given to end by itself.

On this machine it has ended by now (`survivors`). Elsewhere, where its guardian was killed too, it
dies of the next thing it prints, at the latest after ten seconds (tried on 1.11.4,
docs/surprises.md).
"""
PATIENCE = 60
"""Seconds, one look each, to wait for somebody else, such as a person's own `terraform plan`."""
GONE = frozenset({"NoSuchKey", "404"})

_INFO = re.compile(r"ami-pipeline (\S+) deployment (\S+) epoch (\d+)")


@dataclass(frozen=True, kw_only=True, slots=True)
class Lock:
    """A lock as Terraform writes and reads it (its `statemgr.LockInfo`); `etag` is S3's."""

    id: str
    operation: str
    info: str
    who: str
    created: str
    etag: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Whose:
    """What our locks say; `broken`: the last epoch whose run may live though its lease ended."""

    environment: str
    deployment: str
    epoch: int
    who: str
    broken: int = 0

    @property
    def info(self) -> str:
        """What stands in the lock."""
        return f"ami-pipeline {self.environment} deployment {self.deployment} epoch {self.epoch}"

    def left(self, lock: Lock) -> bool:
        """Tell whether a run of ours left a lock: no lease but ours of the same epoch or later.

        A run whose lease was broken may live, and its Terraform.
        """
        said = _INFO.fullmatch(lock.info)
        if said is None or said[1] != self.environment:
            return False
        return self.broken < int(said[3]) <= self.epoch


@dataclass(kw_only=True)
class StateLock:
    """The lock on one state; `over` tells whether the run that died left nothing running."""

    s3: S3Client
    bucket: Bucket
    account: str
    whose: Whose
    folder: Path
    now: Callable[[], datetime]
    wait: Callable[[float], None]
    report: Report
    over: Callable[[], bool] = lambda: False

    @contextmanager
    def held(self, operation: str, raising: type[PipelineError] = RefusedError) -> Iterator[None]:
        """Hold the lock for a block, for an operation by Terraform's name.

        Raises `raising` where somebody else has it for longer than a minute. One that is gone at
        the end was taken away by a person; that is told.
        """
        with speaking_plainly(self._where, self.bucket.region, raising):
            etag = self._take(self._new(operation), raising)
        try:
            yield
        finally:
            self._let_go(etag)

    def _take(self, lock: Lock, raising: type[PipelineError]) -> str:
        told, left = "", PATIENCE
        while True:
            if etag := self._put(lock):
                return etag
            standing = self._read()
            if standing is None:
                continue  # it was let go meanwhile
            if standing.id == lock.id:
                return standing.etag  # an answer of S3's got lost
            if self.whose.left(standing):
                self._take_away(standing)
                continue
            if left <= 0:
                raise self._taken(standing, raising)
            if told != standing.id:
                told = standing.id
                rest = format_duration(left)
                self._say(f"the state is locked by {standing.who}: waiting for {rest}")
            self.wait(1.0)
            left -= 1

    def _take_away(self, left: Lock) -> None:
        """Delete exactly this lock, once what the run left behind had time to end."""
        said = _INFO.fullmatch(left.info)
        if said and int(said[3]) < self.whose.epoch:
            self._say(f"the state is locked by deployment {said[2]}, whose run has died")
            for _ in range(LOOKS):
                if self.over():
                    break
                self.wait(1.0)
        if self._delete(left.etag):
            self._say(f"took away its lock {left.id}")

    def _let_go(self, etag: str) -> None:
        """Delete our lock; raises nothing: what stays is known for ours by the next run."""
        try:
            with speaking_plainly(self._where, self.bucket.region):
                if not self._delete(etag):
                    self._say("the lock on the state was taken away from this run meanwhile")
        except RefusedError as error:
            self._say(f"the lock on the state stays until the next run: {error.what}")

    # --- S3 -----------------------------------------------------------------------------------

    def _put(self, lock: Lock) -> str:
        """Write the lock if there is none; return its ETag, or nothing where there is one."""
        from botocore.exceptions import ClientError

        document = {
            "ID": lock.id,
            "Operation": lock.operation,
            "Info": lock.info,
            "Who": lock.who,
            "Version": f"ami-pipeline {__version__}",
            "Created": lock.created,
            "Path": f"{self.bucket.name}/{self.bucket.key}",
        }
        body = json.dumps(document).encode()
        put, unless = patience(also=frozenset({CONFLICT})), {"IfNoneMatch": "*"}
        try:
            return str(put(self.s3.put_object, **self._at, **unless, Body=body)["ETag"])
        except ClientError as error:
            if error_code(error) not in {CHANGED, CONFLICT}:
                raise
        return ""

    def _read(self) -> Lock | None:
        """Return the lock; None where there is none."""
        from botocore.exceptions import ClientError

        try:
            answer = call(self.s3.get_object, **self._at)
        except ClientError as error:
            if error_code(error) in GONE:
                return None
            raise
        return _parsed(answer["Body"].read(), answer["ETag"])

    def _delete(self, etag: str) -> bool:
        """Delete the lock of this ETag; return whether it was there.

        Where an answer got lost, what is gone counts as somebody else's deed: it is only said.
        """
        from botocore.exceptions import ClientError

        try:
            delete = patience(also=frozenset({CONFLICT}))
            delete(self.s3.delete_object, **self._at, IfMatch=etag)
        except ClientError as error:
            if error_code(error) in {CHANGED, CONFLICT, *GONE}:
                return False
            raise
        return True

    @property
    def _at(self) -> dict[str, Any]:
        key = self.bucket.key + SUFFIX
        return {"Bucket": self.bucket.name, "Key": key, **owned_by(self.account)}

    # --- words --------------------------------------------------------------------------------

    @property
    def _where(self) -> str:
        return f"s3://{self.bucket.name}/{self.bucket.key}{SUFFIX}"

    def _new(self, operation: str) -> Lock:
        created = self.now().isoformat().replace("+00:00", "Z")
        return Lock(
            id=str(uuid.uuid4()),
            operation=operation,
            info=self.whose.info,
            who=self.whose.who,
            created=created,
        )

    def _say(self, text: str) -> None:
        self.report(Message(text=f"terraform: {text}"))

    def _taken(self, lock: Lock, raising: type[PipelineError]) -> PipelineError:
        lines = [f"locked by {lock.who} since {lock.created}: {lock.operation} (lock {lock.id})"]
        unlock = f"cd {quote(str(self.folder))} && terraform force-unlock -force {quote(lock.id)}"
        return raising(
            f"terraform's state {self._where.removesuffix(SUFFIX)}",
            "\n".join([*lines, lock.info] if lock.info else lines),
            f"wait for whoever holds it; if that run is dead: {unlock}",
        )


def _parsed(body: bytes, etag: str) -> Lock:
    """Return what a lock says, printable; of one that says nothing, that it does not."""
    try:
        said = json.loads(body)
    except ValueError:
        said = None
    told: dict[str, Any] = said if isinstance(said, dict) else {}
    words = {name: printable(str(told.get(name) or "")) for name in _NAMES}
    return Lock(
        id=words["ID"] or "unknown",
        operation=words["Operation"] or "an unknown operation",
        info=words["Info"],
        who=words["Who"] or "somebody",
        created=words["Created"] or "an unknown time",
        etag=etag,
    )


_NAMES = ("ID", "Operation", "Info", "Who", "Created")
