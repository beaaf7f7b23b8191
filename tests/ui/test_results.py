from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.core.bake.model import BakeOrigin, BakeResult
from pipeline.core.errors import RefusedError
from pipeline.core.image import ImageStatus
from pipeline.ui.results import (
    bake_document,
    bake_text,
    error_document,
)
from tests.fakes import an_image

IMAGE = an_image(
    ids={"us-east-1": "ami-2", "eu-central-1": "ami-1"}, status=ImageStatus.GOOD, name="web-1"
)
RESULT = BakeResult(image=IMAGE, origin=BakeOrigin.BAKED, seconds=192.0, log=Path("logs/web-1.log"))


def test_the_text_of_a_bake() -> None:
    assert bake_text(RESULT) == (
        "image      ami-1\n"
        "us-east-1  ami-2\n"
        "name       web-1\n"
        "version    1.2.3\n"
        "source     ami-50000000\n"
        "origin     baked, 3m 12s"
    )


ARM = replace(IMAGE, name="web-1-arm", ids={"eu-central-1": "ami-3"}, architecture="arm64")
INTEL = replace(IMAGE, architecture="x86_64")


def test_the_text_of_a_bake_for_two_architectures_has_both_images() -> None:
    assert bake_text(replace(RESULT, image=INTEL, others=(ARM,))) == (
        "image      ami-1 (x86_64)\n"
        "us-east-1  ami-2 (x86_64)\n"
        "image      ami-3 (arm64)\n"
        "name       web-1\n"
        "name       web-1-arm\n"
        "version    1.2.3\n"
        "source     ami-50000000\n"
        "origin     baked, 3m 12s"
    )


@pytest.mark.parametrize(
    ("origin", "text"),
    [
        (BakeOrigin.BAKED, "baked, 3m 12s"),
        (BakeOrigin.UNCHANGED, "unchanged since an earlier bake, 3m 12s"),
        (BakeOrigin.ADOPTED, "adopted from an interrupted bake, 3m 12s"),
    ],
)
def test_each_origin_of_an_image_has_its_text(origin: BakeOrigin, text: str) -> None:
    assert bake_text(replace(RESULT, origin=origin)).endswith(f"origin     {text}")


def test_the_document_of_a_bake_contains_every_fact() -> None:
    assert bake_document(RESULT) == {
        "ami_id": "ami-1",
        "ami_ids": {"us-east-1": "ami-2", "eu-central-1": "ami-1"},
        "name": "web-1",
        "app": "web",
        "environment": "",
        "version": "1.2.3",
        "architecture": "",
        "region": "eu-central-1",
        "source_ami": "ami-50000000",
        "fingerprint": "f" * 64,
        "created": "2026-01-01T00:00:00Z",
        "commit": "",
        "dirty": False,
        "baked_by": "",
        "status": "good",
        "others": [],
        "origin": "baked",
        "seconds": 192.0,
        "log": "logs/web-1.log",
    }
    assert bake_document(replace(RESULT, log=None))["log"] is None


def test_the_document_of_an_error_has_its_parts() -> None:
    assert error_document(RefusedError("here", "this", "that")) == {
        "error": {
            "kind": "RefusedError",
            "where": "here",
            "what": "this",
            "next": "that",
            "exit_code": 3,
        }
    }
