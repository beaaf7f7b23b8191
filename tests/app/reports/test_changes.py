"""What is compared before a deployment; without an answer of the store or EC2 it is unknown."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from pipeline.app.environment.undone import undone
from pipeline.app.reports import changes
from pipeline.app.reports.changes import ImageReader
from pipeline.core.changes.compare import Side, reverse
from pipeline.core.changes.model import ComparedImage, ImageContents, Package
from pipeline.core.errors import RefusedError
from pipeline.core.image import Image
from tests.core.changes.examples import CHANGES
from tests.core.deploy.fakes import begin, cloud

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def an_image(number: int) -> Image:
    return Image(
        app="web",
        version=f"1.{number}",
        name=f"web-{number}",
        region="us-east-1",
        ids={"us-east-1": f"ami-{number}"},
        source_ami=f"ami-5{number}",
    )


def reading(monkeypatch: pytest.MonkeyPatch, folder: Path, *, answers: bool) -> ImageReader:
    """Return a reader of images; without answers the store and EC2 refuse."""

    def contents(image: Image) -> ImageContents:
        if not answers:
            raise RefusedError("[state]", "AccessDenied", "allow it")
        source = ComparedImage(id=image.source_ami, name="recorded", created="2026-01-01")
        package = Package(name="curl", version=image.version)
        return ImageContents(source=source, packages=(package,))

    def compared(_region: str, ids: list[str]) -> dict[str, ComparedImage]:
        if not answers:
            raise RefusedError("reading source images", "AccessDenied", "allow it")
        return {ids[-1]: ComparedImage(id=ids[-1], name="described", quarantined=True)}

    monkeypatch.setattr(changes, "records", lambda *_: SimpleNamespace(contents=contents))
    monkeypatch.setattr(changes, "Ec2Images", lambda _: SimpleNamespace(compared=compared))
    settings = SimpleNamespace(region="us-east-1", root=folder)
    app: Any = SimpleNamespace(settings=settings, environ={})
    clients: Any = None
    return ImageReader(app=app, clients=clients)


def test_contents_are_those_of_the_store_and_sources_those_that_ec2_still_has(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    reader = reading(monkeypatch, tmp_path, answers=True)
    found = reader.compare(Side(image=an_image(1)), Side(image=an_image(2)))
    [update] = found.packages.upgraded
    assert (update.name, update.before, update.after) == ("curl", "1.1", "1.2")
    assert found.source.before == ComparedImage(id="ami-51", name="recorded", created="2026-01-01")
    assert found.source.after == ComparedImage(id="ami-52", name="described", quarantined=True)


def test_what_cannot_be_read_is_unknown_and_refuses_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    reader = reading(monkeypatch, tmp_path, answers=False)
    found = reader.compare(Side(image=an_image(1)), Side(image=an_image(2)))
    assert found.packages.unknown == "those of ami-1: [state]: AccessDenied"
    assert found.source.after == ComparedImage(id="ami-52")


def test_a_rollback_undoes_what_the_promotion_of_the_serving_release_brought() -> None:
    document = cloud().document
    serving = document.releases[document.serving]
    facts = {**serving.release.facts, "deployment": "d-1"}
    document = document.with_release(
        replace(serving, release=replace(serving.release, facts=facts))
    )
    done = replace(begin(cloud()).deployment, blue="r000009", changes=CHANGES)
    back = replace(done, green="r000009", blue=document.serving)

    def reader(found: object) -> Any:
        def one(name: str) -> object:
            assert name == "d-1"
            if isinstance(found, RefusedError):
                raise found
            return found

        return SimpleNamespace(deployments=SimpleNamespace(one=one))

    assert undone(reader(done), document, back) == reverse(CHANGES)
    others = (None, replace(done, blue="r000008"), replace(done, changes=None))
    damaged = RefusedError("[state] d-1", "is damaged", "restore it")
    assert [undone(reader(each), document, back) for each in (*others, damaged)] == [None] * 4
