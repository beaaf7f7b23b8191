"""A store under an S3 prefix: conditional writes are its compare-and-swap."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

from pipeline.adapters.aws.client import (
    DENIED,
    Clients,
    call,
    error_code,
    patience,
    readable,
    speaking_plainly,
)
from pipeline.adapters.store.base import Document, StaleError
from pipeline.adapters.store.versions import Version, kept_by_s3
from pipeline.core.errors import RefusedError

CHANGED, CONFLICT = "PreconditionFailed", "ConditionalRequestConflict"
"""S3's words for a document at another version, and for a write to it that is under way."""


class S3Store:
    """A prefix of a bucket; its clock is S3's, read off its answers.

    The bucket of another account is refused, whatever it allows us: S3 is told with each call
    whose it must be, as far as that is known (S3 User Guide, "Verifying bucket ownership").
    """

    def __init__(self, clients: Clients, bucket: str, prefix: str, account: str = "") -> None:
        self._clients = clients
        self._account = account
        self._bucket = bucket
        self._prefix = f"{prefix}/" if prefix else ""
        self._told: tuple[datetime, float] | None = None

    def read(self, key: str) -> Document | None:
        """Return the document, or None."""
        from botocore.exceptions import ClientError

        with self._plainly(f"reading {self.where(key)}"):
            try:
                answer = call(self._clients.s3().get_object, **self._at(key))
            except ClientError as error:
                if error_code(error) in {"NoSuchKey", "404"}:
                    self._note(error.response)
                    return None
                raise
            self._note(answer)
            return Document(data=answer["Body"].read(), version=answer["ETag"])

    def write(self, key: str, data: bytes, *, expected: str | None) -> str:
        """Write on a condition that S3 checks.

        A conflict (409) is another write under way, of which nobody knows yet how it ends: it is
        tried again (S3 User Guide, "conditional writes"). So is a write whose answer was lost;
        where it had its effect, the condition fails by our own document.
        """
        from botocore.exceptions import ClientError

        condition: dict[str, Any] = (
            {"IfNoneMatch": "*"} if expected is None else {"IfMatch": expected}
        )
        trying = patience(also=frozenset({CONFLICT}))
        with self._plainly(f"writing {self.where(key)}"):
            put = self._clients.s3().put_object
            try:
                answer = trying(readable(put), **self._at(key), Body=data, **condition)
                self._note(answer)
                return str(answer["ETag"])
            except ClientError as error:
                if error_code(error) not in {CHANGED, CONFLICT}:
                    raise
                found = self.read(key) if trying.statistics["attempt_number"] > 1 else None
                if found is None or found.data != data:
                    raise StaleError(key) from error
                return found.version

    def delete(self, key: str, *, expected: str | None = None) -> None:
        """Delete the document, on a condition that S3 checks.

        General purpose buckets know it since 2025 (S3 User Guide, "conditional deletes").
        """
        from botocore.exceptions import ClientError

        condition = {"IfMatch": expected} if expected else {}
        delete = patience(also=frozenset({CONFLICT}))
        with self._plainly(f"deleting {self.where(key)}"):
            try:
                delete(self._clients.s3().delete_object, **self._at(key), **condition)
            except ClientError as error:
                if error_code(error) in {CHANGED, CONFLICT}:
                    raise StaleError(key) from error
                if error_code(error) not in {"NoSuchKey", "404"}:
                    raise

    def keys(self, prefix: str, *, deep: bool = True) -> tuple[str, ...]:
        """Return the keys below a prefix."""
        only = {} if deep else {"Delimiter": "/"}
        below = {**self._whose, "Prefix": self._prefix + prefix, **only}
        with self._plainly(f"listing {self.where(prefix)}"):
            pages = self._clients.s3().get_paginator("list_objects_v2")
            found = [
                item["Key"].removeprefix(self._prefix)
                for page in pages.paginate(**below)
                for item in page.get("Contents", [])
            ]
        return tuple(sorted(found))

    def versions(self, key: str) -> tuple[Version, ...]:
        """Return the object's earlier versions; none without versioning."""
        with self._plainly(f"listing the versions of {self.where(key)}"):
            return kept_by_s3(self._clients.s3(), self._at(key))

    def where(self, key: str) -> str:
        """Return the object's address."""
        return f"s3://{self._bucket}/{self._prefix}{key}"

    def now(self) -> datetime:
        """Return S3's time, to the second: the last answer's, and what has passed since.

        This machine's, which may be set wrong, only before the first answer.
        """
        if self._told is None:
            return datetime.now(UTC)
        date, at = self._told
        return date + timedelta(seconds=steady() - at)

    def _note(self, answer: Mapping[str, Any]) -> None:
        """Take the time from an answer (RFC 9110, Date); one without it tells nothing."""
        said = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date", "")
        with suppress(ValueError):
            self._told = parsedate_to_datetime(said).astimezone(UTC), steady()

    @property
    def account(self) -> str:
        """Whose the bucket must be; empty where nobody knows yet."""
        return self._account or self._clients.account

    @property
    def _whose(self) -> dict[str, Any]:
        return {"Bucket": self._bucket, **owned_by(self.account)}

    def _at(self, key: str) -> dict[str, Any]:
        return {**self._whose, "Key": self._prefix + key}

    @contextmanager
    def _plainly(self, doing: str) -> Iterator[None]:
        """Tell what S3 refused; its 403 says neither which rule it was nor whose the bucket is."""
        from botocore.exceptions import ClientError

        with speaking_plainly(doing, "S3"):
            try:
                yield
            except ClientError as error:
                if self.account and error_code(error) in {*DENIED, "403"}:
                    raise _denied(doing, error, self._bucket, self.account) from error
                raise


def owned_by(account: str) -> dict[str, str]:
    """Return the argument by which S3 refuses a bucket that is not this account's; none if empty.

    The answer then is 403 AccessDenied, for every call (S3 User Guide, "Verifying bucket
    ownership with bucket owner condition").
    """
    return {"ExpectedBucketOwner": account} if account else {}


def _denied(doing: str, error: Exception, bucket: str, account: str) -> RefusedError:
    observation = f"aws s3api head-bucket --bucket {bucket} --expected-bucket-owner {account}"
    return RefusedError(
        f"{doing} in S3",
        f"{error}\neither the bucket is not account {account}'s, or these credentials lack the "
        "permission",
        f"see which: {observation}; a bucket that is meant to be another account's: set account below "
        "[state] in pipeline.toml to its id; else allow the action named above",
    )


def steady() -> float:
    """Return seconds that grow also while the machine sleeps: Linux's CLOCK_MONOTONIC does not."""
    name = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
    return time.clock_gettime(name)
