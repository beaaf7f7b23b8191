from __future__ import annotations

from dataclasses import replace

import pytest

from pipeline.core.state.deployment import Deployment, Kind, Outcome, PhaseRun, Result
from pipeline.ui import words
from pipeline.ui.outcome import outcome_document, outcome_text, step_summary
from pipeline.ui.results import as_json
from tests.ui.status_examples import RUNS, a_deployment, image, rolled_back

AGAIN = "ami-pipeline bake -e production && ami-pipeline promote -e production"
STUCK = "r000123 still has 1 member: Terminating:Wait"


def ended(result: Result, phase: str = "", reason: str = "") -> Deployment:
    return a_deployment(outcome=Outcome(result=result, phase=phase, reason=reason))


def stranded() -> Deployment:
    return a_deployment(
        phases=(*RUNS[:6], PhaseRun(name="retire", seconds=900.0, fault=STUCK)),
        outcome=Outcome(
            result=Result.NEEDS_ATTENTION,
            phase="retire",
            reason=STUCK,
            rollback_error="timed out",
            evidence="x/e",
        ),
    )


def test_a_promotion_says_what_serves_and_what_it_replaced() -> None:
    assert (
        outcome_text(a_deployment())
        == """\
r000124 serves production

outcome    promoted, 3 min 32 s
asked      promote r000124 (1.4.0, ami-00000000000000124) in the place of r000123
phases     launch 1 min 12 s, verify 4.2 s, attach 48.0 s, soak 30.0 s, drain 45.1 s, observe 0.0 s,
           retire 12.2 s
id         20260104T030700-7f3a"""
    )


def test_a_promotion_put_back_says_why_where_to_read_and_what_to_do() -> None:
    assert (
        outcome_text(rolled_back())
        == """\
r000124 serves production, as before

outcome    rolled back, 3 min 32 s
asked      promote r000125 (1.5.0, ami-00000000000000125) in the place of r000124
phase      attach
reason     i-00125000000000001: unhealthy in web-tg: Target.FailedHealthChecks
left       nothing
evidence   .ami-pipeline/deployments/20260104T030700-7f3a/evidence.txt
phases     launch 1 min 12 s, verify 4.2 s, attach 1 min 31 s (failed), restore 1.1 s, withdraw
           20.0 s, remove 11.0 s
id         20260104T030700-7f3a
now        correct what the reason names, then: ami-pipeline bake -e production \
&& ami-pipeline promote -e production"""
    )


def test_a_stranded_one_says_what_serves_and_the_command_that_finishes_it() -> None:
    assert (
        outcome_text(stranded())
        == """\
r000124 serves production

outcome    stranded, 3 min 32 s
asked      promote r000124 (1.4.0, ami-00000000000000124) in the place of r000123
phase      retire
reason     r000123 still has 1 member: Terminating:Wait
undone     timed out
evidence   x/e
phases     launch 1 min 12 s, verify 4.2 s, attach 48.0 s, soak 30.0 s, drain 45.1 s, observe 0.0 s,
           retire 15 min 00 s (failed)
id         20260104T030700-7f3a
now        ami-pipeline recover -e production"""
    )


def test_a_refusal_touched_nothing() -> None:
    refused = replace(ended(Result.REFUSED, phase="plan", reason="more would change"), phases=())
    assert (
        outcome_text(refused)
        == """\
r000123 serves production, as before

outcome    refused, 3 min 32 s
asked      promote r000124 (1.4.0, ami-00000000000000124) in the place of r000123
phase      plan
reason     more would change
left       nothing: nothing was touched
id         20260104T030700-7f3a
now        correct what the reason names, then: ami-pipeline promote -e production"""
    )


def test_what_was_left_for_a_look_is_told() -> None:
    text = outcome_text(rolled_back(keep_failed=True))
    assert "\nleft       r000125, dark, for a look\n" in text
    assert text.endswith("now        when you have seen enough: ami-pipeline abort -e production")


@pytest.mark.parametrize(
    ("deployment", "told"),
    [
        (a_deployment(kind=Kind.ROLLBACK), "r000124 serves production again"),
        (a_deployment(blue=""), "r000124 serves production"),
        (
            replace(ended(Result.ROLLED_BACK), blue=""),
            "nothing serves production, as before",
        ),
        (
            replace(ended(Result.NEEDS_ATTENTION), phases=()),
            "what serves production, only AWS knows: ami-pipeline status -e production",
        ),
        (
            replace(ended(Result.ROLLED_BACK), kind=Kind.ABORT),
            "r000123 serves production, as before",
        ),
    ],
)
def test_who_serves_is_said_first(deployment: Deployment, told: str) -> None:
    assert outcome_text(deployment).splitlines()[0] == told


@pytest.mark.parametrize(
    ("deployment", "command"),
    [
        (a_deployment(), ""),
        (a_deployment(outcome=None), "ami-pipeline status -e production"),
        (
            replace(
                ended(Result.ROLLED_BACK),
                outcome=Outcome(result=Result.ROLLED_BACK, interrupted=True),
            ),
            "when you like: ami-pipeline promote -e production",
        ),
        (
            replace(ended(Result.ROLLED_BACK, "attach", "x"), kind=Kind.ROLLBACK),
            "choose another release: ami-pipeline history -e production",
        ),
        (replace(ended(Result.ROLLED_BACK), kind=Kind.ABORT), ""),
        (
            replace(ended(Result.ROLLED_BACK), kind=Kind.RECOVER),
            "when you like: ami-pipeline promote -e production",
        ),
        (
            replace(ended(Result.ROLLED_BACK, "attach", "x"), kind=Kind.RECOVER),
            f"correct what the reason names, then: {AGAIN}",
        ),
    ],
)
def test_there_is_one_thing_to_do_or_none(deployment: Deployment, command: str) -> None:
    assert words.now(deployment) == command


def test_where_nothing_served_the_intent_says_so() -> None:
    assert words.intent(a_deployment(blue="")) == (
        "promote r000124 (1.4.0, ami-00000000000000124), where nothing serves"
    )
    assert words.intent(a_deployment(kind=Kind.ROLLBACK, version="", image="")) == (
        "rollback to r000124 in the place of r000123"
    )


def test_a_program_gets_every_fact_of_a_deployment() -> None:
    reason = "i-00125000000000001: unhealthy in web-tg: Target.FailedHealthChecks"
    document = outcome_document(rolled_back())
    assert document == {
        "id": "20260104T030700-7f3a",
        "kind": "promote",
        "environment": "production",
        "outcome": "rolled back",
        "serves": "r000124",
        "release": "r000125",
        "previous": "r000124",
        "ami_id": image(125),
        "version": "1.5.0",
        "began": "2026-01-04T03:07:00+00:00",
        "ended": "2026-01-04T03:10:31.5+00:00",
        "seconds": 211.5,
        "by": {
            "user": "ada",
            "host": "ci-7",
            "pid": 4711,
            "run": "https://github.example/web/runs/9",
        },
        "phase": "attach",
        "reason": reason,
        "interrupted": False,
        "rollback_error": None,
        "evidence": ".ami-pipeline/deployments/20260104T030700-7f3a/evidence.txt",
        "phases": [
            {"name": "launch", "seconds": 72.0, "fault": None},
            {"name": "verify", "seconds": 4.2, "fault": None},
            {"name": "attach", "seconds": 91.0, "fault": reason},
            {"name": "reattach", "seconds": 1.1, "fault": None},
            {"name": "detach", "seconds": 20.0, "fault": None},
            {"name": "delete", "seconds": 11.0, "fault": None},
        ],
        "next": "correct what the reason names, then: "
        "ami-pipeline bake -e production && ami-pipeline promote -e production",
    }
    assert as_json(document)


def test_a_deployment_that_runs_has_no_end_for_a_program() -> None:
    document = outcome_document(a_deployment(outcome=None, ended="", phase="attach"))
    assert [document[key] for key in ("outcome", "serves", "ended", "seconds", "phase")] == [
        None,
        None,
        None,
        None,
        "attach",
    ]


def test_the_summary_of_a_job_is_markdown() -> None:
    deployment = replace(stranded(), phases=stranded().phases[-2:])
    assert (
        step_summary(deployment)
        == """\
### r000124 serves production

| | |
|---|---|
| outcome | `stranded, 3 min 32 s` |
| asked | `promote r000124 (1.4.0, ami-00000000000000124) in the place of r000123` |
| phase | `retire` |
| reason | `r000123 still has 1 member: Terminating:Wait` |
| undone | `timed out` |
| evidence | `x/e` |
| deployment | `20260104T030700-7f3a` |
| now | `ami-pipeline recover -e production` |

| phase | took | |
|---|--:|---|
| `observe` | 0.0 s | done |
| `retire` | 15 min 00 s | `r000123 still has 1 member: Terminating:Wait` |

"""
    )


def test_no_foreign_text_is_read_as_markdown() -> None:
    odd = "a`b` | <img src=x> \n\n# heading\n[x](y)"
    text = step_summary(
        replace(rolled_back(), outcome=Outcome(result=Result.NEEDS_ATTENTION, reason=odd))
    )
    assert "| reason | `a'b' \\| <img src=x> # heading [x](y)` |\n" in text


def test_a_long_reason_is_cut_in_a_summary() -> None:
    outcome = Outcome(result=Result.NEEDS_ATTENTION, reason="x" * 100_000)
    assert len(step_summary(a_deployment(outcome=outcome))) < 4000


def test_where_nothing_is_left_it_is_not_as_before() -> None:
    why = "the group of r000124 is gone, and nothing serves"
    outcome = Outcome(result=Result.ROLLED_BACK, rollback_error=why)
    text = outcome_text(a_deployment(blue="", outcome=outcome))
    assert text.startswith("nothing serves production\n")
    assert f"undone     {why}" in text
    assert text.endswith("now        ami-pipeline status -e production")
