"""What is kept of an environment, read past the tool: a directory, and a bucket of S3.

Apart from the scene, which asks AWS; the same questions to both kinds of store.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from pathlib import Path

    from tests.running_cloud import Cloud

BUCKET = "crashes"
VERSIONS = 10
"""Of a document, that are looked at for who wrote them: as many as a directory keeps."""
_IN_S3 = """
[state]
url = "s3://{bucket}/{prefix}"

[terraform.backend]
bucket = "{bucket}"
key_prefix = "states"
"""


class Kept(Protocol):
    """The store of an environment."""

    @property
    def configured(self) -> str:
        """Return what `pipeline.toml` says of it."""
        ...

    def document(self) -> bytes:
        """Return the document; nothing before there is one."""
        ...

    def versions(self) -> list[bytes]:
        """Return the newest versions of the document."""
        ...

    def state(self) -> bytes:
        """Return Terraform's state; nothing before there is one."""
        ...


@dataclass(frozen=True, kw_only=True)
class KeptInDirectory:
    """A directory, the project's own."""

    folder: Path
    environment: str

    @property
    def configured(self) -> str:
        return ""

    def document(self) -> bytes:
        return self._read(f"environments/{self.environment}.json")

    def versions(self) -> list[bytes]:
        place = self.folder / f".versions/environments/{self.environment}.json"
        return [each.read_bytes() for each in sorted(place.iterdir())]

    def state(self) -> bytes:
        return self._read(f"terraform/web/{self.environment}/terraform.tfstate")

    def _read(self, key: str) -> bytes:
        path = self.folder / key
        return path.read_bytes() if path.exists() else b""


@dataclass(frozen=True, kw_only=True)
class KeptInBucket:
    """A bucket with versioning, and Terraform's state in it."""

    cloud: Cloud
    environment: str

    @property
    def configured(self) -> str:
        return _IN_S3.format(bucket=BUCKET, prefix=self.environment)

    def document(self) -> bytes:
        return self._read(self._key)

    def versions(self) -> list[bytes]:
        s3 = self.cloud.aws("s3")
        listed = s3.list_object_versions(Bucket=BUCKET, Prefix=self._key, MaxKeys=VERSIONS)
        return [self._read(self._key, VersionId=each["VersionId"]) for each in listed["Versions"]]

    def state(self) -> bytes:
        return self._read(f"states/web/{self.environment}.tfstate")

    @property
    def _key(self) -> str:
        return f"{self.environment}/environments/{self.environment}.json"

    def _read(self, key: str, **which: Any) -> bytes:
        s3 = self.cloud.aws("s3")
        try:
            return bytes(s3.get_object(Bucket=BUCKET, Key=key, **which)["Body"].read())
        except s3.exceptions.NoSuchKey:
            return b""


def made(cloud: Cloud) -> None:
    """Make the bucket."""
    s3 = cloud.aws("s3")
    s3.create_bucket(Bucket=BUCKET)
    s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
