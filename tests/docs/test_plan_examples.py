"""The plans that the guide shows are those that the program prints."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from pipeline.core.changes.model import ComparedImage, ImageChange
from pipeline.core.deploy.phase import Fleet, Phase
from pipeline.core.deploy.phases import promotion
from pipeline.core.deploy.plan import PlanPreview
from pipeline.core.deploy.ways_back import removing_later, rollback
from pipeline.core.state.deployment import Policy
from pipeline.ui.changes import changes_text
from pipeline.ui.plan import plan_text
from tests.core.changes.examples import CHANGES
from tests.ui.status_examples import a_deployment

GUIDE = Path(__file__).resolve().parents[2] / "docs" / "guide"
BLUE, GREEN = "r000001", "r000002"
POLICY = Policy(soak=30, observe=600, deadlines={"soak": 930, "observe": 1500})


def table(phases: Sequence[Phase]) -> str:
    deployment = a_deployment(outcome=None, ended="")
    text = plan_text(PlanPreview(deployment=deployment, phases=tuple(phases), policy=POLICY))
    lines = text.splitlines()
    return "\n".join(lines[2 : 3 + len(phases)])


def test_the_guide_shows_the_plan_of_a_promotion() -> None:
    assert table(promotion(BLUE, GREEN, keep=True)) in (GUIDE / "promote.md").read_text()


def test_the_guide_shows_what_a_release_brings() -> None:
    image = ImageChange(
        before=ComparedImage(id="ami-c42cdb8e6edd99210", version="1.0.0", created="2026-01-01"),
        after=ComparedImage(id="ami-7ef10dba6bd9d74b6", version="2.0.0", created="2026-01-04"),
    )
    shown = "\n".join(changes_text(replace(CHANGES, image=image), 100))
    assert f"\n{shown}\n" in (GUIDE / "promote.md").read_text()


def test_the_guide_shows_the_plan_of_a_rollback_to_a_warm_group() -> None:
    fleet = Fleet(serving=frozenset({GREEN}), detached=frozenset({BLUE}))
    phases = removing_later(rollback(BLUE, GREEN, fleet))
    assert table(phases) in (GUIDE / "rollback.md").read_text()
