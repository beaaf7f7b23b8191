"""What `doctor` looks at where state is in S3: whose bucket it is, where, and how it is kept."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pipeline.adapters.aws.client import DENIED, call, error_code, speaking_plainly
from pipeline.adapters.store.s3 import owned_by
from pipeline.core.doctor import Check, Grade
from pipeline.core.errors import RefusedError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_NONE = frozenset(
    {"ServerSideEncryptionConfigurationNotFoundError", "NoSuchPublicAccessBlockConfiguration"}
)


@dataclass(frozen=True, kw_only=True)
class BucketCheckup:
    """The bucket of a store; `account` is whose it must be, `region` where the work is done."""

    s3: S3Client
    bucket: str
    account: str
    region: str

    def checks(self) -> Iterator[Check]:
        """Look at everything; where the bucket is not to be had, at nothing else."""
        try:
            with speaking_plainly(f"bucket {self.bucket}", self.region):
                found = self._head()
        except RefusedError as error:
            yield Check(name="bucket", what=error.what, grade=Grade.PROBLEM, remedy=error.remedy)
            return
        if isinstance(found, Check):
            yield found
            return
        yield Check(name="bucket", what=f"{self.bucket} is there and belongs to {self.account}")
        yield self._placed(str(found.get("BucketRegion") or ""))
        yield self._asked("versioning", self._versioning)
        yield self._asked("encryption", self._encryption)
        yield self._asked("public access", self._public_access)

    def _head(self) -> dict[str, Any] | Check:
        from botocore.exceptions import ClientError

        try:
            return dict(call(self.s3.head_bucket, **self._whose))
        except ClientError as error:
            match error_code(error):
                case "404" | "NoSuchBucket":
                    remedy = (
                        f"aws s3api create-bucket --bucket {self.bucket}, or correct [state] url"
                    )
                    what = f"there is no bucket {self.bucket}"
                case "403" | "AccessDenied":
                    remedy = (
                        "allow s3:ListBucket, or set account below [state] to the bucket's owner"
                    )
                    what = (
                        f"{self.bucket} is refused: it is not account {self.account}'s, "
                        "or these credentials lack the permission"
                    )
                case _:
                    raise
        return Check(name="bucket", what=what, grade=Grade.PROBLEM, remedy=remedy)

    def _placed(self, region: str) -> Check:
        if region in {"", self.region}:
            return Check(name="region", what=region or "not told")
        what = f"{region}, while the work is in {self.region}: each read and write crosses over"
        remedy = f"keep it if several regions share it; else a bucket in {self.region}"
        return Check(name="region", what=what, grade=Grade.ADVICE, remedy=remedy)

    def _asked(self, name: str, ask: Callable[[], Check]) -> Check:
        """Return a check; what may not be read is no problem: nothing depends on reading it."""
        try:
            with speaking_plainly(name, self.region):
                return ask()
        except RefusedError as error:
            denied = DENIED & {error_code(error.__cause__ or error)}
            what = "could not be read" + (": no permission" if denied else f": {error.what}")
            return Check(name=name, what=what, grade=Grade.ADVICE, remedy=error.remedy)

    def _versioning(self) -> Check:
        if call(self.s3.get_bucket_versioning, **self._whose).get("Status") == "Enabled":
            return Check(name="versioning", what="on: a damaged document can be put back")
        how = "--versioning-configuration Status=Enabled"
        remedy = f"aws s3api put-bucket-versioning --bucket {self.bucket} {how}"
        what = "off: a damaged document cannot be put back (ami-pipeline state restore)"
        return Check(name="versioning", what=what, grade=Grade.ADVICE, remedy=remedy)

    def _encryption(self) -> Check:
        found = self._or_none(self.s3.get_bucket_encryption)
        rules = found.get("ServerSideEncryptionConfiguration", {}).get("Rules", [])
        for rule in rules:
            if kind := rule.get("ApplyServerSideEncryptionByDefault", {}).get("SSEAlgorithm"):
                return Check(name="encryption", what=f"{kind} by default")
        rule = '{"Rules":[{"ApplyServerSideEncryptionByDefault":{"SSEAlgorithm":"AES256"}}]}'
        given = f"--server-side-encryption-configuration '{rule}'"
        remedy = f"aws s3api put-bucket-encryption --bucket {self.bucket} {given}"
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
        given = f"--public-access-block-configuration {every}"
        remedy = f"aws s3api put-public-access-block --bucket {self.bucket} {given}"
        what = f"is not blocked: {', '.join(missing)}"
        return Check(name="public access", what=what, grade=Grade.ADVICE, remedy=remedy)

    def _or_none(self, ask: Callable[..., Any]) -> dict[str, Any]:
        from botocore.exceptions import ClientError

        try:
            return dict(call(ask, **self._whose))
        except ClientError as error:
            if error_code(error) in _NONE:
                return {}
            raise

    @property
    def _whose(self) -> dict[str, Any]:
        return {"Bucket": self.bucket, **owned_by(self.account)}
