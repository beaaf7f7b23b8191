"""Which program the document records, and what a restored document keeps of it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pipeline.core.state.deployment import Deployment, Kind, Runner
from pipeline.core.state.document_versions import (
    DocumentVersion,
    DocumentVersions,
    restored_document,
)
from pipeline.core.state.environment import Environment

NEW = Environment(app="web", environment="staging", account="", region="us-east-1")
DEPLOYMENT = Deployment(
    id="d",
    kind=Kind.PROMOTE,
    environment="staging",
    green="r000001",
    blue="",
    began="2026-11-28T09:00:00+00:00",
    by=Runner(user="ann", host="ci-7", pid=1),
)


def test_a_deployment_records_the_program_that_planned_it() -> None:
    started = NEW.started(DEPLOYMENT, program="tofu")
    assert started.program == "tofu"
    assert started.started(DEPLOYMENT).program == "tofu"
    assert started.started(DEPLOYMENT, program="terraform").program == "terraform"


@pytest.mark.parametrize(
    ("current", "expected"), [("tofu", "tofu"), ("", "terraform"), (None, "terraform")]
)
def test_a_restored_document_keeps_the_newest_program(current: str | None, expected: str) -> None:
    """Terraform's state is not restored with it."""
    newest = None if current is None else replace(NEW, program=current)
    versions = DocumentVersions(
        environment="staging",
        where="environments/staging.json",
        current=DocumentVersion(text="", environment=newest),
        version="3",
        earlier=tuple(
            DocumentVersion(text="", environment=replace(NEW, program=each, next=2))
            for each in ("terraform", "")
        ),
    )
    for number in (1, 2):
        assert restored_document(versions, number).program == expected
