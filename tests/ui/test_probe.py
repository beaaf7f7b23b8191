"""What people and programs see of a probe."""

from __future__ import annotations

import io
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from rich.console import Console

from pipeline.core.deploy.phases import promotion
from pipeline.core.deploy.plan import PlanPreview
from pipeline.core.events import DeploymentEnded, ProbeCounted
from pipeline.core.probe.settings import Probe
from pipeline.core.probe.tally import ProbeTotals
from pipeline.core.state.deployment import Kind, Policy
from pipeline.ui.deployment_view import DeploymentView
from pipeline.ui.live import deployment_table
from pipeline.ui.outcome import deployment_document, outcome_text, step_summary
from pipeline.ui.plan import plan_document, plan_text
from pipeline.ui.reports.history import history_text
from tests.ui.events import began
from tests.ui.status_examples import a_deployment, rolled_back

GOOD = ProbeTotals(requests=6200)
BAD = ProbeTotals(requests=620, failures=3, blamed=2, unsent=1, file="deployments/d/probe.txt")
URL = "https://www.example.com/orders"


def test_the_outcome_the_history_and_the_summary_show_the_totals() -> None:
    good, bad = a_deployment(probe=GOOD), rolled_back(probe=BAD)
    failed = "620 requests, 3 failed, 1 not sent; see deployments/d/probe.txt"
    assert "\nprobe      6,200 requests, 0 failed\n" in outcome_text(good)
    assert f"\nprobe      {failed}\n" in outcome_text(bad)
    assert f"| probe | `{failed}` |\n" in step_summary(bad)
    history = history_text([good, bad], datetime(2026, 1, 5, tzinfo=UTC), "production")
    assert "probe: 6,200 requests, 0 failed\n" in history
    assert f"probe: {failed}\n" in history


def test_a_program_reads_the_totals() -> None:
    assert deployment_document(a_deployment())["probe"] is None
    assert deployment_document(rolled_back(probe=BAD))["probe"] == {
        "requests": 620,
        "failed": 3,
        "not_sent": 1,
        "file": "deployments/d/probe.txt",
    }


@pytest.mark.parametrize(
    ("kind", "blue", "begins"),
    [
        (Kind.PROMOTE, "r000123", "from attach"),
        (Kind.PROMOTE, "", "from soak"),
        (Kind.ROLLBACK, "r000123", "only counted, because this is a rollback"),
    ],
)
def test_the_plan_shows_the_probe_and_when_it_begins(kind: Kind, blue: str, begins: str) -> None:
    deployment = replace(a_deployment(), kind=kind, green="r000124", blue=blue)
    policy = Policy(probe=Probe(url=URL))
    phases = promotion(blue, "r000124")
    preview = PlanPreview(deployment=deployment, phases=phases, policy=policy)
    line = f"probe      {URL}, 10/s, expects 200-299, at most 0 failures; {begins}\n"
    assert line in plan_text(preview, 200)
    assert plan_document(preview)["probe"] == URL


def test_the_display_shows_the_probes_requests_while_the_deployment_runs() -> None:
    view = DeploymentView(began())
    view.report(ProbeCounted(totals=BAD), 1.0)
    console = Console(file=io.StringIO(), width=100, record=True)
    console.print(deployment_table(view, 2.0))
    assert "\nprobe: 620 requests, 3 failed, 1 not sent\n" in console.export_text()
    view.report(DeploymentEnded(deployment=a_deployment()), 3.0)
    console.print(deployment_table(view, 3.0))
    assert "probe:" not in console.export_text()
