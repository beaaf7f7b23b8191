"""Terraform's lock on a state in S3, where the run that held it is dead.

Terraform takes the lock back when it ends. Killed with the machine it ran on, as a cancelled CI
job is, it leaves the lock for ever, and no command of Terraform's lists it (hashicorp/terraform
#28710). Who takes over the lease of a dead run takes over what that run locked.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from pipeline.adapters.aws import call, error_code, speaking_plainly
from pipeline.core.environment import Lease
from pipeline.core.errors import RefusedError
from pipeline.core.events import Noted, Report
from pipeline.core.root import Bucket

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

SUFFIX = ".tflock"
"""What the backend adds to the state's key (Terraform, backend "s3", `use_lockfile`)."""
LOOKS = 15
"""Seconds, one look each, that Terraform is given to end by itself.

On this machine it has ended by now (`survivors`). Elsewhere, where its guardian was killed too, it
dies of the next thing it prints, at the latest after ten seconds (tried on 1.11.4,
docs/surprises.md).
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Lock:
    """A lock as Terraform writes it: `who` is user@host, `created` as it says it."""

    id: str
    who: str
    created: str


def release(
    s3: S3Client, bucket: Bucket, dead: Lease, *, wait: Callable[[float], None], report: Report
) -> None:
    """Delete the lock that the run of this ended lease left, if it left one.

    Anybody else's is not touched: another machine's, or one from before that run. Who holds the
    environment's lease calls this. What S3 refuses is told and left to Terraform's own words.
    """
    where = f"s3://{bucket.name}/{bucket.key}{SUFFIX}"
    try:
        with speaking_plainly(where, bucket.region):
            _release(s3, bucket, dead, wait, report)
    except RefusedError as error:
        report(Noted(text=f"the lock on Terraform's state was not looked after: {error.what}"))


def _release(
    s3: S3Client, bucket: Bucket, dead: Lease, wait: Callable[[float], None], report: Report
) -> None:
    left = _read(s3, bucket)
    if left is None or not _is_of(left, dead):
        return
    report(Noted(text=f"terraform: the state is locked by {left.who}, whose run has died"))
    for _ in range(LOOKS):
        wait(1.0)
        if _read(s3, bucket) != left:
            return
    call(s3.delete_object, Bucket=bucket.name, Key=bucket.key + SUFFIX)
    report(Noted(text=f"terraform: took away its lock {left.id}"))


def _read(s3: S3Client, bucket: Bucket) -> Lock | None:
    """Return the lock; None where there is none, or it is not Terraform's."""
    from botocore.exceptions import ClientError

    try:
        answer = call(s3.get_object, Bucket=bucket.name, Key=bucket.key + SUFFIX)
        said = json.loads(answer["Body"].read())
        return Lock(id=str(said["ID"]), who=str(said["Who"]), created=str(said["Created"]))
    except ClientError as error:
        if error_code(error) in {"NoSuchKey", "404"}:
            return None
        raise
    except (ValueError, KeyError, TypeError):
        return None


def _is_of(lock: Lock, dead: Lease) -> bool:
    """Tell whether the dead run's machine took the lock while that run held the lease."""
    try:
        created, since = datetime.fromisoformat(lock.created), datetime.fromisoformat(dead.since)
    except ValueError:
        return False
    return lock.who.rpartition("@")[2] == dead.owner.host and created >= since
