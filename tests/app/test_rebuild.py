"""What the nightly job bakes: the image that serves, anew."""

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
def test_an_image_is_baked_as_the_one_that_serves_was(
    environment: str | None, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the first night after `bake` and `promote` would bake and promote the same again."""

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
    session: Any = SimpleNamespace(
        app=SimpleNamespace(settings=settings), clients=None, environment="staging"
    )
    assert rebuild.baked_for(session, cloud().document) == expected


def test_where_nothing_serves_it_is_baked_for_its_environment() -> None:
    session: Any = SimpleNamespace(environment="staging")
    assert rebuild.baked_for(session, cloud(blue=False).document) == "staging"
