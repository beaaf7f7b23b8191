"""Check the bucket of a store for `doctor`: owner, region, versioning, encryption, access."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pipeline.adapters.aws.client import translate_errors
from pipeline.adapters.aws.retry import DENIED, call, error_code
from pipeline.adapters.store.s3 import owned_by
from pipeline.core import commands
from pipeline.core.doctor import Check, Grade
from pipeline.core.errors import RefusedError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_NOT_SET = frozenset(
    {"ServerSideEncryptionConfigurationNotFoundError", "NoSuchPublicAccessBlockConfiguration"}
)


@dataclass(frozen=True, kw_only=True, slots=True)
class BucketCheckup:
    """The checks of a store's bucket; `account` must own it, `region` is where instances run.

    `kms_key` is the KMS key that each write of the store names, if any.
    """

    s3: S3Client
    bucket: str
    account: str
    region: str
    kms_key: str = ""

    def checks(self) -> Iterator[Check]:
        """Yield each check; only the first one if the bucket cannot be read."""
        try:
            with translate_errors(f"bucket {self.bucket}", self.region):
                found = self._head()
        except RefusedError as error:
            yield Check(name="bucket", what=error.what, grade=Grade.PROBLEM, remedy=error.remedy)
            return
        if isinstance(found, Check):
            yield found
            return
        yield Check(name="bucket", what=f"{self.bucket} exists and belongs to {self.account}")
        yield self._check_region(str(found.get("BucketRegion") or ""))
        yield self._optional("versioning", "GetBucketVersioning", self._versioning)
        yield self._optional("encryption", "GetEncryptionConfiguration", self._encryption)
        yield self._optional("public access", "GetBucketPublicAccessBlock", self._public_access)

    def _head(self) -> dict[str, Any] | Check:
        from botocore.exceptions import ClientError

        try:
            return dict(call(self.s3.head_bucket, **self._owned_bucket))
        except ClientError as error:
            match error_code(error):
                case "404" | "NoSuchBucket":
                    create = commands.aws("s3api", "create-bucket", {"bucket": self.bucket})
                    remedy = f"{create}, or fix [state] url"
                    what = f"there is no bucket {self.bucket}"
                case "403" | "AccessDenied":
                    remedy = (
                        "allow s3:ListBucket, or set account below [state] to the bucket's owner"
                    )
                    what = (
                        f"access to {self.bucket} is denied: account {self.account} does not own "
                        "it, or these credentials lack the permission"
                    )
                case _:
                    raise
        return Check(name="bucket", what=what, grade=Grade.PROBLEM, remedy=remedy)

    def _check_region(self, region: str) -> Check:
        if region in {"", self.region}:
            return Check(name="region", what=region or "unknown")
        what = f"{region}, but instances run in {self.region}: each read and write crosses regions"
        remedy = f"keep it if several regions share it; otherwise use a bucket in {self.region}"
        return Check(name="region", what=what, grade=Grade.ADVICE, remedy=remedy)

    def _optional(self, name: str, action: str, check: Callable[[], Check]) -> Check:
        """Return a check's result; a setting that cannot be read is only advice.

        S3's own message does not always name the `action` that is missing.
        """
        try:
            with translate_errors(name, self.region):
                return check()
        except RefusedError as error:
            denied = DENIED & {error_code(error.__cause__ or error)}
            why = f"no permission for s3:{action}" if denied else error.what
            what = f"could not be read: {why}"
            return Check(name=name, what=what, grade=Grade.ADVICE, remedy=error.remedy)

    def _versioning(self) -> Check:
        if call(self.s3.get_bucket_versioning, **self._owned_bucket).get("Status") == "Enabled":
            return Check(name="versioning", what="on: a damaged document can be restored")
        remedy = self._put("versioning", "versioning-configuration", "Status=Enabled")
        what = "off: a damaged document cannot be restored"
        return Check(name="versioning", what=what, grade=Grade.ADVICE, remedy=remedy)

    def _encryption(self) -> Check:
        if self.kms_key:
            return Check(
                name="encryption", what=f"aws:kms with {self.kms_key} ([state] kms_key_id)"
            )
        found = self._or_none(self.s3.get_bucket_encryption)
        rules = found.get("ServerSideEncryptionConfiguration", {}).get("Rules", [])
        for rule in rules:
            default = rule.get("ApplyServerSideEncryptionByDefault", {})
            if kind := default.get("SSEAlgorithm"):
                key = default.get("KMSMasterKeyID")
                what = f"{kind} by default" + (f", with {key}" if key else "")
                return Check(name="encryption", what=what)
        rule = '{"Rules":[{"ApplyServerSideEncryptionByDefault":{"SSEAlgorithm":"AES256"}}]}'
        remedy = self._put("encryption", "server-side-encryption-configuration", rule)
        what = "no default encryption is set"
        return Check(name="encryption", what=what, grade=Grade.ADVICE, remedy=remedy)

    def _public_access(self) -> Check:
        found = self._or_none(self.s3.get_public_access_block)
        block = found.get("PublicAccessBlockConfiguration", {})
        names = (
            "BlockPublicAcls",
            "IgnorePublicAcls",
            "BlockPublicPolicy",
            "RestrictPublicBuckets",
        )
        missing = [name for name in names if not block.get(name)]
        if not missing:
            return Check(name="public access", what="blocked")
        every = ",".join(f"{name}=true" for name in names)
        options = {"bucket": self.bucket, "public-access-block-configuration": every}
        remedy = commands.aws("s3api", "put-public-access-block", options)
        what = f"is not blocked: {', '.join(missing)}"
        return Check(name="public access", what=what, grade=Grade.ADVICE, remedy=remedy)

    def _put(self, setting: str, option: str, value: str) -> str:
        options = {"bucket": self.bucket, option: value}
        return commands.aws("s3api", f"put-bucket-{setting}", options)

    def _or_none(self, read: Callable[..., Any]) -> dict[str, Any]:
        """Return a setting; empty if it was never set."""
        from botocore.exceptions import ClientError

        try:
            return dict(call(read, **self._owned_bucket))
        except ClientError as error:
            if error_code(error) in _NOT_SET:
                return {}
            raise

    @property
    def _owned_bucket(self) -> dict[str, Any]:
        return {"Bucket": self.bucket, **owned_by(self.account)}
