from __future__ import annotations

from dataclasses import replace

import pytest

from pipeline.core.deploy.selection.rebuild_policy import (
    require_no_rollback,
    require_unchanged,
    require_version,
)
from pipeline.core.errors import RefusedError
from pipeline.core.image import Image
from pipeline.core.state.deployment import Deployment, Kind, Outcome, Result, Runner
from pipeline.core.state.environment import Environment
from tests.core.deploy.fakes import BLUE, GREEN, cloud

IMAGE = Image(
    app="web", version="1.0.0", name="web", region="us-east-1", ids={"us-east-1": "ami-00000009"}
)


def document() -> Environment:
    return cloud().document


def put(kind: Kind, version: str = "1.0.0", result: Result = Result.PROMOTED) -> Deployment:
    return Deployment(
        id="d",
        kind=kind,
        environment="staging",
        green=BLUE,
        blue="",
        began="2026-01-01T00:00:00+00:00",
        ended="2026-01-01T00:05:00+00:00",
        by=Runner(user="ann", host="here", pid=1),
        version=version,
        outcome=Outcome(result=result),
    )


@pytest.mark.parametrize("history", [[], [put(Kind.PROMOTE)], [put(Kind.REBUILD, "0.9.0")]])
def test_a_rebuild_renews_the_same_version_and_what_a_rebuild_made(
    history: list[Deployment],
) -> None:
    require_unchanged(document(), document(), IMAGE, history)


def test_a_rebuild_never_undoes_a_rollback() -> None:
    failed = put(Kind.REBUILD, result=Result.ROLLED_BACK)
    with pytest.raises(RefusedError) as refused:
        require_no_rollback(document(), [failed, put(Kind.ROLLBACK)])
    assert refused.value.what == "ann on here rolled back to r000001 on 2026-01-01 at 00:05 UTC"
    require_no_rollback(document(), [put(Kind.PROMOTE), put(Kind.ROLLBACK)])


def test_a_rebuild_never_replaces_another_version_that_a_person_promoted() -> None:
    with pytest.raises(RefusedError) as refused:
        require_unchanged(document(), document(), IMAGE, [put(Kind.PROMOTE, "1.1.0")])
    assert refused.value.what == (
        "ann on here promoted r000001 on 2026-01-01 at 00:05 UTC: version 1.1.0, "
        "but the rebuild has 1.0.0"
    )
    assert refused.value.remedy == (
        "to promote the image anyway: ami-pipeline promote -e staging --image ami-00000009"
    )


def test_a_rebuild_that_another_version_would_refuse_does_not_bake() -> None:
    with pytest.raises(RefusedError) as refused:
        require_version(document(), "1.0.0", [put(Kind.PROMOTE, "1.1.0")])
    assert refused.value.what == (
        "ann on here promoted r000001 on 2026-01-01 at 00:05 UTC: version 1.1.0, "
        "but the rebuild has 1.0.0"
    )
    assert refused.value.remedy == (
        "to bake and promote it anyway: ami-pipeline bake && ami-pipeline promote -e staging"
    )
    require_version(document(), "1.1.0", [put(Kind.PROMOTE, "1.1.0")])
    require_version(document(), "1.0.0", [put(Kind.REBUILD, "0.9.0")])


def test_a_rebuild_never_replaces_what_was_deployed_during_its_bake() -> None:
    now = replace(document(), serving=GREEN)
    with pytest.raises(
        RefusedError, match="r000001 served when the rebuild began, but r000002 serves now"
    ):
        require_unchanged(document(), now, IMAGE, [])
