"""Which environment the nightly job bakes for, and when it promotes."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from pipeline.app import rebuild, survey
from pipeline.app.reports.changes import ImageReader
from pipeline.core.changes.model import Changes, PackageChanges
from pipeline.core.errors import RefusedError
from pipeline.core.image import Image
from pipeline.core.preflight.facts import Facts
from pipeline.core.preflight.finding import Finding
from pipeline.core.state.deployment import Deployment, Kind, Outcome, Result, Runner
from pipeline.ui.outcome import unchanged_document, unchanged_text
from tests.core.changes.examples import CHANGES, SUMMARY
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


# --- refused before the bake ----------------------------------------------------------------------


def surveyed(monkeypatch: pytest.MonkeyPatch, *found: Finding) -> None:
    """Let preflight find this."""
    monkeypatch.setattr(survey.Survey, "facts", lambda *_: (Facts(), None))
    monkeypatch.setattr(survey, "is_lost", lambda *_: False)
    monkeypatch.setattr(survey, "findings", lambda *_: list(found))


SERVING = Image(app="web", version="1", name="w", region="x", ids={"x": "ami-1"})
UNHEALTHY = Finding(where="server group g", what="was unhealthy", remedy="roll back")
NO_IMAGE = Finding(where="image ami-1", what="does not exist", remedy="bake")
READER: Any = SimpleNamespace(environment="staging")


def test_a_promotion_that_would_be_refused_is_refused_before_the_bake(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    surveyed(monkeypatch, NO_IMAGE, UNHEALTHY)
    with pytest.raises(RefusedError, match="was unhealthy") as refused:
        survey.require_rebuildable(READER, cloud().document, SERVING)
    assert "does not exist" not in refused.value.what


@pytest.mark.parametrize("found", [(NO_IMAGE,), (), (replace(UNHEALTHY, blocking=False),)])
def test_what_concerns_only_the_old_image_refuses_no_bake(
    found: tuple[Finding, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    surveyed(monkeypatch, *found)
    survey.require_rebuildable(READER, cloud().document, SERVING)


def test_before_the_first_release_the_load_balancers_must_exist() -> None:
    class Reader:
        @property
        def balancers(self) -> None:
            raise RefusedError("load balancers", "there is no target group web", "fix the names")

    reader: Any = Reader()
    with pytest.raises(RefusedError, match="there is no target group web"):
        survey.require_rebuildable(reader, cloud(blue=False).document, SERVING)


def test_a_rebuild_of_another_version_than_a_person_promoted_is_refused_before_the_bake(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    surveyed(monkeypatch)
    monkeypatch.setattr(rebuild, "serving_image", lambda *_: SERVING)
    document = cloud().document
    history = SimpleNamespace(history=lambda *_: [promoted_by_hand(document.serving)])
    reader: Any = SimpleNamespace(environment="staging", deployments=history)
    rebuild.require_worth_a_build(reader, document, "1.1.0")
    with pytest.raises(RefusedError, match="but the rebuild has"):
        rebuild.require_worth_a_build(reader, document, "1.0.0")


def promoted_by_hand(release: str) -> Deployment:
    return Deployment(
        id="d",
        kind=Kind.PROMOTE,
        environment="staging",
        green=release,
        blue="",
        began="2026-01-01T00:00:00+00:00",
        ended="2026-01-01T00:05:00+00:00",
        by=Runner(user="ann", host="here", pid=1),
        version="1.1.0",
        outcome=Outcome(result=Result.PROMOTED),
    )


# --- only if a package changed ----------------------------------------------------------------


def test_an_image_without_a_changed_package_is_not_promoted() -> None:
    document = cloud().document
    new = replace(SERVING, ids={"x": "ami-2"})
    same = rebuild.nothing_in(Changes(), document, SERVING, new)
    assert same
    assert same.image is SERVING
    assert unchanged_text("nothing new", same) == (
        "nothing new: no package of ami-2 differs from ami-1, with which r000001 serves staging"
    )
    assert unchanged_document(same)["why"] == same.why


@pytest.mark.parametrize(
    "packages", [PackageChanges(unknown="no list"), PackageChanges(more=1), CHANGES.packages]
)
def test_an_image_whose_packages_changed_or_are_unknown_is_promoted(
    packages: PackageChanges,
) -> None:
    brings = Changes(packages=packages)
    assert rebuild.nothing_in(brings, cloud().document, SERVING, SERVING) is None


def test_a_rebuild_says_what_the_new_image_brings(monkeypatch: pytest.MonkeyPatch) -> None:
    messages: list[str] = []
    monkeypatch.setattr(ImageReader, "compare", lambda *_: CHANGES)
    app = SimpleNamespace(report=lambda event: messages.append(event.text))
    reader: Any = SimpleNamespace(app=app, clients=None)
    assert rebuild.compared(reader, SERVING, replace(SERVING, ids={"x": "ami-2"})) is CHANGES
    assert messages == [f"ami-2 brings {SUMMARY}"]
