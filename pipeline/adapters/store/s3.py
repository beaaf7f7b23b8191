"""The store under an S3 prefix: compare-and-swap by conditional writes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

from pipeline.adapters.aws.client import Clients, translate_errors
from pipeline.adapters.aws.retry import DENIED, Retries, download, error_code, items
from pipeline.adapters.clock import uptime
from pipeline.adapters.store.base import Document, StaleError
from pipeline.adapters.store.versions import Version, read_s3_versions
from pipeline.core import commands
from pipeline.core.errors import RefusedError

CHANGED, CONFLICT = "PreconditionFailed", "ConditionalRequestConflict"
"""S3's error codes: the object has another version; another write is in progress."""


class S3Store:
    """Documents as objects below a prefix of a bucket; its clock is S3's.

    Each call names the bucket's expected owner once it is known, so S3 rejects a bucket of another
    account even if its policy allows access (S3 User Guide, "Verifying bucket ownership"). Each
    write names the KMS key, if there is one.
    """

    def __init__(
        self, clients: Clients, bucket: str, prefix: str, account: str = "", kms_key: str = ""
    ) -> None:
        self._clients = clients
        self._kms_key = kms_key
        self._account = account
        self._bucket = bucket
        self._prefix = f"{prefix}/" if prefix else ""
        self._date: tuple[datetime, float] | None = None

    def read(self, key: str) -> Document | None:
        """Return the document, or None if it does not exist."""
        from botocore.exceptions import ClientError

        with self._translating(f"reading {self.where(key)}"):
            try:
                response, data = download(self._clients.s3().get_object, **self._at(key))
            except ClientError as error:
                if error_code(error) in {"NoSuchKey", "404"}:
                    self._read_date(error.response)
                    return None
                raise
            self._read_date(response)
            return Document(data=data, version=response["ETag"])

    def write(self, key: str, data: bytes, *, expected: str | None) -> str:
        """Write if S3 finds the expected version.

        A conflict (409) is another write in progress, so the write is repeated (S3 User Guide,
        "conditional writes"). A write whose response was lost is repeated, too. If it had taken
        effect, the repeated condition fails because of this write's own document.
        """
        from botocore.exceptions import ClientError

        condition: dict[str, Any] = (
            {"IfNoneMatch": "*"} if expected is None else {"IfMatch": expected}
        )
        how = {**condition, **encrypted_with(self._kms_key)}
        retries = Retries(also=frozenset({CONFLICT}))
        with self._translating(f"writing {self.where(key)}"):
            put = self._clients.s3().put_object
            try:
                response = retries.call(put, **self._at(key), Body=data, **how)
                self._read_date(response)
                return str(response["ETag"])
            except ClientError as error:
                if error_code(error) not in {CHANGED, CONFLICT}:
                    raise
                found = self.read(key) if retries.repeated else None
                if found is None or found.data != data:
                    raise StaleError(key) from error
                return found.version

    def delete(self, key: str, *, expected: str | None = None) -> None:
        """Delete the document if S3 finds the expected version.

        General purpose buckets support this since 2025 (S3 User Guide, "conditional deletes").
        """
        from botocore.exceptions import ClientError

        condition = {"IfMatch": expected} if expected else {}
        retries = Retries(also=frozenset({CONFLICT}))
        with self._translating(f"deleting {self.where(key)}"):
            try:
                retries.call(self._clients.s3().delete_object, **self._at(key), **condition)
            except ClientError as error:
                if error_code(error) in {CHANGED, CONFLICT}:
                    raise StaleError(key) from error
                if error_code(error) not in {"NoSuchKey", "404"}:
                    raise

    def keys(self, prefix: str, *, deep: bool = True) -> tuple[str, ...]:
        """Return the keys below a prefix."""
        only = {} if deep else {"Delimiter": "/"}
        below = {**self._owned_bucket, "Prefix": self._prefix + prefix, **only}
        with self._translating(f"listing {self.where(prefix)}"):
            objects = items(self._clients.s3().list_objects_v2, "Contents", **below)
            found = [each["Key"].removeprefix(self._prefix) for each in objects]
        return tuple(sorted(found))

    def versions(self, key: str) -> tuple[Version, ...]:
        """Return the object's earlier versions; none without versioning."""
        with self._translating(f"listing the versions of {self.where(key)}"):
            return read_s3_versions(self._clients.s3(), self._at(key))

    def where(self, key: str) -> str:
        """Return the object's S3 URL."""
        return f"s3://{self._bucket}/{self._prefix}{key}"

    def now(self) -> datetime:
        """Return S3's time, in whole seconds: that of the last response plus the time since then.

        Before the first response it is this machine's time, which may be wrong.
        """
        if self._date is None:
            return datetime.now(UTC)
        date, at = self._date
        return date + timedelta(seconds=uptime() - at)

    def _read_date(self, response: Mapping[str, Any]) -> None:
        """Remember the Date header of a response (RFC 9110); it may be missing."""
        date = response.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date", "")
        with suppress(ValueError):
            self._date = parsedate_to_datetime(date).astimezone(UTC), uptime()

    @property
    def account(self) -> str:
        """The account that must own the bucket; empty while it is unknown."""
        return self._account or self._clients.account

    @property
    def _owned_bucket(self) -> dict[str, Any]:
        return {"Bucket": self._bucket, **owned_by(self.account)}

    def _at(self, key: str) -> dict[str, Any]:
        return {**self._owned_bucket, "Key": self._prefix + key}

    @contextmanager
    def _translating(self, doing: str) -> Iterator[None]:
        """Translate errors; S3's 403 names neither the rule that denied the call nor the owner."""
        from botocore.exceptions import ClientError

        with translate_errors(doing, "S3"):
            try:
                yield
            except ClientError as error:
                if self.account and error_code(error) in {*DENIED, "403"}:
                    raise _denied(doing, error, self._bucket, self.account) from error
                raise


def encrypted_with(kms_key: str) -> dict[str, Any]:
    """Return the arguments with which PutObject encrypts with a KMS key; none if empty.

    A bucket key spares KMS most calls: the lease rewrites a document every few seconds (S3 User
    Guide, "Reducing the cost of SSE-KMS with Amazon S3 Bucket Keys").
    """
    if not kms_key:
        return {}
    return {
        "ServerSideEncryption": "aws:kms",
        "SSEKMSKeyId": kms_key,
        "BucketKeyEnabled": True,
    }


def owned_by(account: str) -> dict[str, str]:
    """Return the argument with which S3 rejects a bucket of another account; none if empty.

    Every call then returns 403 AccessDenied (S3 User Guide, "Verifying bucket ownership with
    bucket owner condition").
    """
    return {"ExpectedBucketOwner": account} if account else {}


def _denied(doing: str, error: Exception, bucket: str, account: str) -> RefusedError:
    options = {"bucket": bucket, "expected-bucket-owner": account}
    check = commands.aws("s3api", "head-bucket", options)
    return RefusedError(
        f"{doing} in S3",
        f"{error}\naccount {account} does not own the bucket, or these credentials lack the "
        "permission",
        f"find out which: {check}; if another account owns the bucket, set account below "
        "[state] in pipeline.toml to its id; otherwise allow the action named above",
    )
