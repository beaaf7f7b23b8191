from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.adapters.aws.client import Clients
from pipeline.adapters.store.directory import DirectoryStore
from pipeline.adapters.store.factory import open_store
from pipeline.adapters.store.s3 import S3Store


@pytest.mark.parametrize(
    ("url", "bucket", "prefix"),
    [
        ("s3://state", "state", ""),
        ("s3://state/", "state", ""),
        ("s3://state/a/b/", "state", "a/b/"),
    ],
)
def test_a_url_of_s3_is_a_bucket_and_a_prefix(
    tmp_path: Path, url: str, bucket: str, prefix: str
) -> None:
    store = open_store(url, tmp_path, Clients())
    assert isinstance(store, S3Store)
    assert (store._bucket, store._prefix) == (bucket, prefix)
    assert store.where("a.json") == f"s3://{bucket}/{prefix}a.json"


@pytest.mark.parametrize(
    ("url", "folder"), [("state", "/root/state"), ("/var/state", "/var/state")]
)
def test_a_path_is_relative_to_the_configurations_folder(url: str, folder: str) -> None:
    store = open_store(url, Path("/root"), Clients())
    assert isinstance(store, DirectoryStore)
    assert str(store.folder) == folder
    assert store.where("images/a.json") == f"{folder}/images/a.json"
