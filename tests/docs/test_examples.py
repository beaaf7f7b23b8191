"""Hold the screens that the guide shows to what the interface prints."""

from __future__ import annotations

from pathlib import Path

from pipeline.ui.outcome import outcome_text
from pipeline.ui.status import status_text
from tests.ui.status_examples import NOW, rolled_back, warm

GUIDE = Path(__file__).resolve().parents[2] / "docs/guide"


def test_the_status_of_the_guide_is_what_status_prints() -> None:
    assert (
        f"```console\n$ ami-pipeline status -e production\n{status_text(warm(), NOW)}\n```"
        in (GUIDE / "promote.md").read_text()
    )


def test_the_outcome_of_the_guide_is_what_promote_prints() -> None:
    text = outcome_text(rolled_back(keep_failed=True))
    assert f"```text\n{text}\n```" in (GUIDE / "troubleshooting.md").read_text()
