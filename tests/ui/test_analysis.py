"""What people and programs see of an analysis."""

from __future__ import annotations

from datetime import UTC, datetime

from pipeline.core.analysis.judgment import Finding, Judged
from pipeline.core.analysis.policy import Analysis, Threshold
from pipeline.core.analysis.record import PhaseAnalysis
from pipeline.core.deploy.phases import promotion
from pipeline.core.deploy.plan import PlanPreview
from pipeline.core.state.deployment import Kind, Policy
from pipeline.ui.outcome import deployment_document, outcome_text, step_summary
from pipeline.ui.plan import plan_document, plan_text
from pipeline.ui.reports.history import history_text
from tests.ui.status_examples import a_deployment

GOOD = Finding(name="5xx", result=Judged.PASS, sentence="0 % of 9 against 0 % of 9: not worse")
POOR = Finding(name="p99", result=Judged.INCONCLUSIVE, sentence="may be 20 % slower")
ANALYZED = (
    PhaseAnalysis(phase="step-1", findings=(GOOD,)),
    PhaseAnalysis(phase="observe", findings=(GOOD, POOR)),
)
METRIC = Threshold(namespace="Shop", metric="QueueAge", statistic="Maximum", above=60)


def test_the_outcome_the_history_and_the_summary_show_each_phase() -> None:
    done = a_deployment(analysis=ANALYZED)
    text = "step-1 pass; observe inconclusive (p99: may be 20 % slower)"
    assert f"\nanalysis   {text}\n" in outcome_text(done)
    assert f"| analysis | `{text}` |\n" in step_summary(done)
    history = history_text([done], datetime(2026, 1, 5, tzinfo=UTC), "production")
    assert f"analysis: {text}" in history


def test_a_program_reads_each_comparison() -> None:
    assert deployment_document(a_deployment())["analysis"] == []
    [step, observe] = deployment_document(a_deployment(analysis=ANALYZED))["analysis"]
    assert (step["phase"], step["result"]) == ("step-1", "pass")
    assert observe["result"] == "inconclusive"
    assert observe["comparisons"][1] == {
        "name": "p99",
        "result": "inconclusive",
        "reason": "may be 20 % slower",
    }


def preview(kind: Kind = Kind.PROMOTE, **given: object) -> PlanPreview:
    analysis = Analysis(metrics=(METRIC,), **given)  # type: ignore[arg-type]
    return PlanPreview(
        deployment=a_deployment(kind=kind),
        policy=Policy(soak=30, observe=0, analysis=analysis),
        phases=promotion("r000123", "r000124"),
        findings=(),
        plan=None,
    )


def test_the_plan_shows_the_phases_and_what_is_compared() -> None:
    whole = (
        "in soak: 5xx at most 0.1 points more; p50, p90, p99 at most 10 % slower; QueueAge not "
        "above 60; at least 5 complete minutes; inconclusive: pass"
    )
    assert plan_document(preview())["analysis"] == whole
    assert "\nanalysis   in soak: 5xx at most 0.1 points more;" in plan_text(preview())
    assert "5xx at" not in plan_text(preview(compare=("p50",)))


def test_a_rollback_has_no_analysis() -> None:
    assert "\nanalysis" not in plan_text(preview(Kind.ROLLBACK))
