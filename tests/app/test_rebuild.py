"""Which environment the nightly job bakes for."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from pipeline.app import rebuild
from pipeline.core.image import Image
from tests.core.deploy.fakes import cloud


@pytest.mark.parametrize(
    ("environment", "expected"), [("", ""), ("staging", "staging"), (None, "staging")]
)
def test_it_bakes_for_the_environment_that_the_serving_image_was_baked_for(
    environment: str | None, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise the first night after a promotion would bake and promote the same again."""

    def find(_app: str, ami_id: str) -> Image | None:
        if environment is None:
            return None
        ids = {"us-east-1": ami_id}
        return Image(
            app="web",
            version="1",
            name="web-1",
            region="us-east-1",
            ids=ids,
            environment=environment,
        )

    known = SimpleNamespace(find=find)
    monkeypatch.setattr(rebuild, "records", lambda *_: known)
    settings = SimpleNamespace(app="web")
    reader: Any = SimpleNamespace(
        app=SimpleNamespace(settings=settings), clients=None, environment="staging"
    )
    assert rebuild.environment_to_bake_for(reader, cloud().document) == expected


def test_it_bakes_for_its_own_environment_if_nothing_serves() -> None:
    reader: Any = SimpleNamespace(environment="staging")
    assert rebuild.environment_to_bake_for(reader, cloud(blue=False).document) == "staging"
