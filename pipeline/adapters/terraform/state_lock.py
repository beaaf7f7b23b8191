"""Lock Terraform's state in S3 on Terraform's behalf, with the deployment's name in the lock.

Terraform's own lock names a user and a machine, and nothing can be added. A killed Terraform leaves
it forever, no command lists it (hashicorp/terraform#28710), and it cannot be told from the lock of
a person on the same machine. So this module takes the lock in Terraform's place and format, and
Terraform runs with `-lock=false` (ADR 0020). Other programs see an ordinary lock. Its `Info` names
deployment and lease, so the next run recognizes the lock of a dead run and deletes that one only.
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline import __version__
from pipeline.adapters.aws.client import translate_errors
from pipeline.adapters.aws.retry import Retries, download, error_code
from pipeline.adapters.identity import printable
from pipeline.adapters.store.s3 import CHANGED, CONFLICT, encrypted_with, owned_by
from pipeline.core import commands
from pipeline.core.errors import PipelineError, RefusedError
from pipeline.core.events import Message, Report
from pipeline.core.terraform.program import Program
from pipeline.core.terraform.root_module import Bucket
from pipeline.core.times import format_duration

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

SUFFIX = ".tflock"
"""The backend's suffix of the state's key (Terraform docs, backend "s3", `use_lockfile`)."""
DYING = 15
"""Seconds, one check each, that the Terraform of a dead run has to end by itself.

On this machine it has ended before (`survivors`). On another machine its supervisor may be dead,
too. Then Terraform dies at its next output, after 10 s at most (tested with 1.11.4,
docs/development/surprises.md).
"""
PATIENCE = 60
"""Seconds, one check each, to wait for another lock, for example of a person's plan."""
NO_KEY = frozenset({"NoSuchKey", "404"})

_INFO = re.compile(r"ami-pipeline (\S+) deployment (\S+) epoch (\d+)")


@dataclass(frozen=True, kw_only=True, slots=True)
class Lock:
    """A lock in Terraform's format (its `statemgr.LockInfo`); `etag` is S3's."""

    id: str
    operation: str
    info: str
    who: str
    created: str
    etag: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class LockOwner:
    """The owner in this run's locks; a run up to epoch `broken` may live without its lease."""

    environment: str
    deployment: str
    epoch: int
    who: str
    broken: int = 0

    @property
    def info(self) -> str:
        """The text in the lock that identifies this run."""
        return f"ami-pipeline {self.environment} deployment {self.deployment} epoch {self.epoch}"

    def is_abandoned(self, lock: Lock) -> bool:
        """Return True if a dead run of this environment left a lock, or this run itself.

        A run whose lease was broken may still live, with its Terraform.
        """
        info = _INFO.fullmatch(lock.info)
        if info is None or info[1] != self.environment:
            return False
        return self.broken < int(info[3]) <= self.epoch


@dataclass(kw_only=True)
class StateLock:
    """The lock on one state; `over` returns True if nothing of the dead run is running."""

    s3: S3Client
    bucket: Bucket
    account: str
    owner: LockOwner
    folder: Path
    now: Callable[[], datetime]
    wait: Callable[[float], None]
    report: Report
    over: Callable[[], bool] = lambda: False
    _name: str = field(default="", init=False)

    @contextmanager
    def held(
        self, operation: str, program: Program, raising: type[PipelineError] = RefusedError
    ) -> Iterator[None]:
        """Hold the lock inside the block for a program; `operation` is its name of the operation.

        Raises `raising` if another program holds it for longer than a minute. If a person deletes
        it during the block, this is reported.
        """
        self._name = program.key
        with translate_errors(self._where, self.bucket.region, raising):
            etag = self._take(self._new(operation), program, raising)
        try:
            yield
        finally:
            self._release(etag)

    def _take(self, lock: Lock, program: Program, raising: type[PipelineError]) -> str:
        reported, left = "", PATIENCE
        while True:
            if etag := self._put(lock):
                return etag
            standing = self._read()
            if standing is None:
                continue  # it was released meanwhile
            if standing.id == lock.id:
                return standing.etag  # S3's response was lost
            if self.owner.is_abandoned(standing):
                self._delete_abandoned(standing)
                continue
            if left <= 0:
                raise self._timeout(standing, program, raising)
            if reported != standing.id:
                reported = standing.id
                self._report(
                    f"the state is locked by {standing.who}; waiting for {format_duration(left)}"
                )
            self.wait(1.0)
            left -= 1

    def _delete_abandoned(self, left: Lock) -> None:
        """Delete exactly this lock, after the dead run's Terraform had time to end."""
        info = _INFO.fullmatch(left.info)
        if info and int(info[3]) < self.owner.epoch:
            self._report(f"the state is locked by deployment {info[2]}, whose run has died")
            for _ in range(DYING):
                if self.over():
                    break
                self.wait(1.0)
        if self._delete(left.etag):
            self._report(f"deleted its lock {left.id}")

    def _release(self, etag: str) -> None:
        """Delete this run's lock; raises nothing: the next run recognizes a lock that stays."""
        try:
            with translate_errors(self._where, self.bucket.region):
                if not self._delete(etag):
                    self._report("another program deleted this run's lock on the state")
        except RefusedError as error:
            text = f"the lock on the state stays until the next run: {error.what}; {error.remedy}"
            self._report(text)

    # --- S3 -----------------------------------------------------------------------------------

    def _put(self, lock: Lock) -> str:
        """Write the lock unless one exists; return its ETag, or empty if one exists."""
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
        retries = Retries(also=frozenset({CONFLICT}))
        how = {"IfNoneMatch": "*", **encrypted_with(self.bucket.kms_key)}
        try:
            return str(retries.call(self.s3.put_object, **self._at, **how, Body=body)["ETag"])
        except ClientError as error:
            if error_code(error) not in {CHANGED, CONFLICT}:
                raise
        return ""

    def _read(self) -> Lock | None:
        """Return the lock; None if there is none."""
        from botocore.exceptions import ClientError

        try:
            response, data = download(self.s3.get_object, **self._at)
        except ClientError as error:
            if error_code(error) in NO_KEY:
                return None
            raise
        return _parse(data, response["ETag"])

    def _delete(self, etag: str) -> bool:
        """Delete the lock with this ETag; return False if another program did before.

        If S3's response was lost, the repeated request finds no lock: this run deleted it.
        """
        from botocore.exceptions import ClientError

        retries = Retries(also=frozenset({CONFLICT}))
        try:
            retries.call(self.s3.delete_object, **self._at, IfMatch=etag)
        except ClientError as error:
            if error_code(error) in NO_KEY and retries.repeated:
                return True
            if error_code(error) in {CHANGED, CONFLICT, *NO_KEY}:
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
            info=self.owner.info,
            who=self.owner.who,
            created=created,
        )

    def _report(self, text: str) -> None:
        self.report(Message(text=f"{self._name}: {text}"))

    def _timeout(self, lock: Lock, program: Program, raising: type[PipelineError]) -> PipelineError:
        lines = [f"locked by {lock.who} since {lock.created}: {lock.operation} (lock {lock.id})"]
        unlock = commands.in_folder(self.folder, program.command, "force-unlock", "-force", lock.id)
        return raising(
            f"{program.product.name}'s state {self._where.removesuffix(SUFFIX)}",
            "\n".join([*lines, lock.info] if lock.info else lines),
            f"wait for the holder of the lock; if that run has died: {unlock}",
        )


def _parse(body: bytes, etag: str) -> Lock:
    """Return a lock with printable texts; a missing text becomes "unknown"."""
    try:
        found = json.loads(body)
    except ValueError:
        found = None
    document: dict[str, Any] = found if isinstance(found, dict) else {}
    texts = {name: printable(str(document.get(name) or "")) for name in _NAMES}
    return Lock(
        id=texts["ID"] or "unknown",
        operation=texts["Operation"] or "an unknown operation",
        info=texts["Info"],
        who=texts["Who"] or "an unknown user",
        created=texts["Created"] or "an unknown time",
        etag=etag,
    )


_NAMES = ("ID", "Operation", "Info", "Who", "Created")
