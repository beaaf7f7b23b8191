"""Read the store of an environment without the tool's code: a directory, or an S3 bucket.

Both kinds have the same interface, `StoreReader`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from pathlib import Path

    from tests.running_cloud import Cloud

BUCKET = "crashes"
VERSIONS = 10
"""How many document versions to read for their writers: as many as a directory keeps."""
_IN_S3 = """
[state]
url = "s3://{bucket}/{prefix}"

[terraform.backend]
bucket = "{bucket}"
key_prefix = "states"
"""


class StoreReader(Protocol):
    """Reads the store of an environment."""

    @property
    def configured(self) -> str:
        """Return the lines of `pipeline.toml` that configure the store."""
        ...

    def document(self) -> bytes:
        """Return the document, or nothing if there is none."""
        ...

    def versions(self) -> list[bytes]:
        """Return the newest versions of the document."""
        ...

    def state(self) -> bytes:
        """Return Terraform's state, or nothing if there is none."""
        ...


@dataclass(frozen=True, kw_only=True)
class DirectoryReader:
    """Reads a store in the project's own directory."""

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
class BucketReader:
    """Reads a store in a bucket with versioning, which also has Terraform's state."""

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


def create_bucket(cloud: Cloud) -> None:
    """Create the bucket."""
    s3 = cloud.aws("s3")
    s3.create_bucket(Bucket=BUCKET)
    s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
