"""Hold the screens that the guide and the reference show to what the program prints."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest

from pipeline.core.deploy.selection.release import target_of
from pipeline.core.errors import PipelineError, RefusedError
from pipeline.core.state.deployment import Runner
from pipeline.core.state.environment import Environment, Lease, RetiredRelease
from pipeline.core.state.lease import held_error
from pipeline.ui.outcome import outcome_text
from pipeline.ui.status import status_text
from tests.core.deploy.fakes import cloud
from tests.ui.status_examples import (
    NOW,
    a_status,
    environment,
    observation,
    record,
    rolled_back,
    warm,
)

DOCS = Path(__file__).resolve().parents[2] / "docs"
GUIDE = DOCS / "guide"


def block(error: PipelineError) -> str:
    return f"```text\nerror: {error}\n```"


def test_the_status_of_the_guide_is_what_status_prints() -> None:
    assert (
        f"```console\n$ ami-pipeline status -e production\n{status_text(warm(), NOW)}\n```"
        in (GUIDE / "promote.md").read_text()
    )


def test_the_outcome_of_the_guide_is_what_promote_prints() -> None:
    failed = rolled_back(keep_failed=True)
    assert failed.outcome
    printed = (
        "journal of i-00125000000000001",
        "2026-01-04T03:09:12+00:00 app[812]: connecting to db.internal:5432",
        "2026-01-04T03:09:42+00:00 app[812]: no answer from the database, giving up",
    )
    text = outcome_text(replace(failed, outcome=replace(failed.outcome, last_lines=printed)))
    assert f"```text\n{text}\n```" in (GUIDE / "troubleshooting.md").read_text()


def test_the_status_without_the_serving_group_is_what_status_prints() -> None:
    text = status_text(a_status(environment(record(124)), observation()), NOW)
    _, facts, _, command = text.split("\n\n")
    assert f"```text\n{facts}\n...\n{command}\n```" in (GUIDE / "troubleshooting.md").read_text()


def test_the_error_of_a_held_lease_is_what_a_second_run_prints() -> None:
    lease = Lease(
        owner=Runner(user="ada", host="vm", pid=14915),
        epoch=1,
        since="2026-11-21T15:46:58+01:00",
        expires="2026-11-21T15:48:18+01:00",
        command="ami-pipeline promote -e staging",
    )
    staging = Environment(app="web", environment="staging", account="1", region="x")
    error = held_error(staging, lease, datetime.fromisoformat("2026-11-21T15:47:21+01:00"))
    assert block(error) in (GUIDE / "troubleshooting.md").read_text()


def test_the_error_of_the_reference_is_what_rollback_prints() -> None:
    left = RetiredRelease(release="r000002", ami_id="ami-2", quarantined=True)
    document = replace(cloud().document, retired=(left,))
    with pytest.raises(RefusedError) as refused:
        target_of(document, "", NOW)
    assert block(refused.value) in (DOCS / "reference/exit-codes.md").read_text()
