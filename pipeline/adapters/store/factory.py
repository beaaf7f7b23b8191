"""Open the store of a `[state] url`."""

from __future__ import annotations

from pathlib import Path

from pipeline.adapters.aws.client import Clients
from pipeline.adapters.store.base import Store
from pipeline.adapters.store.directory import DirectoryStore
from pipeline.adapters.store.s3 import S3Store


def open_store(
    url: str, root: Path, clients: Clients, account: str = "", *, kms_key: str = ""
) -> Store:
    """Return the store of a `[state] url`; a relative directory is below `root`.

    `account` must own the bucket; empty means the credentials' account, once it is known. A
    directory has no use for `kms_key`.
    """
    if url.startswith("s3://"):
        bucket, _, prefix = url.removeprefix("s3://").partition("/")
        return S3Store(clients, bucket, prefix.strip("/"), account, kms_key)
    return DirectoryStore(root / url)
