from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.core.pausing.pause import Actor, Approval, Decision
from pipeline.core.state.deployment import Deployment, Kind, Outcome, PhaseRun, Result
from pipeline.ui import deployment_text
from pipeline.ui.outcome import outcome_document, outcome_text, step_summary
from pipeline.ui.reports.history import history_text
from pipeline.ui.results import as_json
from pipeline.ui.status import status_text
from tests.ui.status_examples import (
    NOW,
    RUNS,
    a_deployment,
    a_pause,
    a_paused_deployment,
    image,
    in_flight,
    rolled_back,
)

AGAIN = "ami-pipeline bake -e production && ami-pipeline promote -e production"
STUCK = "r000123 still has 1 member: Terminating:Wait"


def ended(result: Result, phase: str = "", reason: str = "") -> Deployment:
    return a_deployment(outcome=Outcome(result=result, phase=phase, reason=reason))


def needs_attention() -> Deployment:
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


def test_the_outcome_of_a_promotion() -> None:
    assert (
        outcome_text(a_deployment())
        == """\
r000124 serves production

outcome    promoted, 3m 32s
request    promote r000124 (1.4.0, ami-00000000000000124), replacing r000123
phases     launch 1m 12s, verify 4.2s, attach 48s, soak 30s, drain 45.1s, observe 0s, retire 12.2s
id         20260104T030700-7f3a"""
    )


def test_the_outcome_of_a_rolled_back_promotion() -> None:
    assert (
        outcome_text(rolled_back())
        == """\
r000124 still serves production

outcome    rolled back, 3m 32s
request    promote r000125 (1.5.0, ami-00000000000000125), replacing r000124
phase      attach
reason     i-00125000000000001: unhealthy in web-tg: Target.FailedHealthChecks
remaining  none
evidence   .ami-pipeline/deployments/20260104T030700-7f3a/evidence.txt
phases     launch 1m 12s, verify 4.2s, attach 1m 31s (failed), reattach 1.1s, detach 20s, delete 11s
id         20260104T030700-7f3a
next       fix the cause above, then: ami-pipeline bake -e production \
&& ami-pipeline promote -e production"""
    )


def test_what_a_rollback_left_to_remove_is_shown_with_the_command() -> None:
    done = a_deployment(
        kind=Kind.ROLLBACK,
        green="r000123",
        blue="r000124",
        image=image(123),
        version="1.3.0",
        phases=(PhaseRun(name="reattach", seconds=3.0), PhaseRun(name="detach", seconds=1.0)),
        ended="2026-01-04T03:07:06+00:00",
        outcome=Outcome(result=Result.PROMOTED, pending=("r000124",)),
    )
    assert (
        outcome_text(done, 80)
        == """\
r000123 serves production again

outcome    rolled back to r000123, 6s
request    rollback to r000123 (1.3.0, ami-00000000000000123), replacing r000124
phases     reattach 3s, detach 1s
pending    removal of r000124, which the next deployment does first
id         20260104T030700-7f3a
removal    ami-pipeline recover -e production"""
    )
    assert outcome_document(done)["removal_pending"] == ["r000124"]
    assert "| pending | `removal of r000124, which the next" in step_summary(done)
    assert "left for later: the removal of r000124" in history_text([done], NOW, "production")
    assert outcome_document(rolled_back())["removal_pending"] == []


def test_the_last_lines_of_an_unhealthy_member_are_shown_below_the_facts() -> None:
    lines = ("journal of i-1", "app[7]: \x1b[31mno database " + "x" * 80, "::error::bye")
    failed = rolled_back()
    assert failed.outcome
    failed = replace(failed, outcome=replace(failed.outcome, last_lines=lines))
    shown = outcome_text(failed, 60).partition("\nid ")[2].split("\n")
    assert shown[1:4] == [
        "last lines journal of i-1",
        "  | app[7]: no database " + "x" * 33 + "...",
        "  | : :error::bye",
    ]
    assert outcome_document(failed)["last_lines"] == list(lines)


def test_the_outcome_that_needs_attention() -> None:
    assert (
        outcome_text(needs_attention())
        == """\
r000124 serves production

outcome         needs attention, 3m 32s
request         promote r000124 (1.4.0, ami-00000000000000124), replacing r000123
phase           retire
reason          r000123 still has 1 member: Terminating:Wait
rollback error  timed out
evidence        x/e
phases          launch 1m 12s, verify 4.2s, attach 48s, soak 30s, drain 45.1s, observe 0s, retire
                15m (failed)
id              20260104T030700-7f3a
next            ami-pipeline recover -e production"""
    )


@pytest.mark.parametrize(
    "remedy",
    [
        "set its tags to\nami-pipeline:app=web",
        "set its tags to ami-pipeline:app=web; then: ami-pipeline recover -e production",
        "set its tags to ami-pipeline:app=web, then: ami-pipeline recover -e production",
    ],
)
def test_the_remedy_of_the_error_has_a_line_before_the_next_command(remedy: str) -> None:
    deployment = needs_attention()
    assert deployment.outcome
    deployment = replace(deployment, outcome=replace(deployment.outcome, remedy=remedy))
    lines = outcome_text(deployment).splitlines()
    assert "remedy          set its tags to ami-pipeline:app=web" in lines
    assert lines[-1] == "next            ami-pipeline recover -e production"
    document = outcome_document(deployment)
    assert document["remedy"] == "set its tags to ami-pipeline:app=web"
    assert document["next"] == "ami-pipeline recover -e production"


def test_a_remedy_that_is_the_next_command_is_not_repeated() -> None:
    deployment = needs_attention()
    assert deployment.outcome
    outcome = replace(deployment.outcome, remedy="ami-pipeline recover -e production")
    assert "remedy" not in outcome_text(replace(deployment, outcome=outcome))


def test_after_a_rollback_the_remedy_replaces_the_general_advice() -> None:
    deployment = rolled_back()
    assert deployment.outcome
    read = replace(deployment.outcome, remedy="read terraform.log")
    text = outcome_text(replace(deployment, outcome=read)).replace(" \\\n", " ")
    assert "next       read terraform.log, then: ami-pipeline bake -e production" in text
    view = replace(deployment.outcome, remedy="ami-pipeline status -e production")
    assert "next       fix the cause above, then:" in outcome_text(
        replace(deployment, outcome=view)
    )


def test_the_outcome_of_a_refusal() -> None:
    refused = replace(ended(Result.REFUSED, phase="plan", reason="more would change"), phases=())
    assert (
        outcome_text(refused)
        == """\
r000123 still serves production

outcome    refused, 3m 32s
request    promote r000124 (1.4.0, ami-00000000000000124), replacing r000123
phase      plan
reason     more would change
remaining  none, because nothing was changed
id         20260104T030700-7f3a
next       fix the cause above, then: ami-pipeline promote -e production --image \
ami-00000000000000124"""
    )


def test_a_kept_failed_group_is_reported() -> None:
    text = outcome_text(rolled_back(keep_failed=True))
    assert "\nremaining  r000125, detached, for debugging\n" in text
    assert text.endswith("next       when debugging is done: ami-pipeline abort -e production")


@pytest.mark.parametrize(
    ("deployment", "text"),
    [
        (a_deployment(kind=Kind.ROLLBACK), "r000124 serves production again"),
        (a_deployment(blue=""), "r000124 serves production"),
        (
            a_deployment(outcome=None),
            "promote of production has not ended; see: ami-pipeline status -e production",
        ),
        (
            replace(ended(Result.ROLLED_BACK), blue=""),
            "no managed release serves production; its load balancers are unchanged",
        ),
        (
            replace(ended(Result.NEEDS_ATTENTION), phases=()),
            "the serving release of production is unknown; see: ami-pipeline status -e production",
        ),
        (
            replace(ended(Result.ROLLED_BACK), kind=Kind.ABORT),
            "r000123 still serves production",
        ),
    ],
)
def test_the_first_line_is_the_serving_release(deployment: Deployment, text: str) -> None:
    assert outcome_text(deployment).splitlines()[0] == text


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
            "to retry: ami-pipeline promote -e production --image ami-00000000000000124",
        ),
        (
            replace(ended(Result.ROLLED_BACK, "attach", "x"), kind=Kind.ROLLBACK),
            "choose another release: ami-pipeline history -e production",
        ),
        (replace(ended(Result.ROLLED_BACK), kind=Kind.ABORT), ""),
        (
            replace(ended(Result.ROLLED_BACK), kind=Kind.RECOVER),
            "to retry: ami-pipeline promote -e production --image ami-00000000000000124",
        ),
        (
            replace(ended(Result.ROLLED_BACK, "attach", "x"), kind=Kind.RECOVER),
            f"fix the cause above, then: {AGAIN}",
        ),
    ],
)
def test_there_is_at_most_one_next_command(deployment: Deployment, command: str) -> None:
    assert deployment_text.next_step(deployment) == command


def test_the_request_says_what_is_replaced() -> None:
    assert deployment_text.format_request(a_deployment(blue="")) == (
        "promote r000124 (1.4.0, ami-00000000000000124) while no managed release serves"
    )
    assert deployment_text.format_request(
        a_deployment(kind=Kind.ROLLBACK, version="", image="")
    ) == ("rollback to r000124, replacing r000123")


def test_the_document_contains_every_fact() -> None:
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
        "changes": None,
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
        "pauses": [],
        "actor": None,
        "why": None,
        "override": None,
        "reason": reason,
        "interrupted": False,
        "rollback_error": None,
        "evidence": ".ami-pipeline/deployments/20260104T030700-7f3a/evidence.txt",
        "last_lines": [],
        "remedy": None,
        "hook_errors": [],
        "removal_pending": [],
        "probe": None,
        "analysis": [],
        "adopted": None,
        "phases": [
            {"name": "launch", "seconds": 72.0, "failure": None},
            {"name": "verify", "seconds": 4.2, "failure": None},
            {"name": "attach", "seconds": 91.0, "failure": reason},
            {"name": "reattach", "seconds": 1.1, "failure": None},
            {"name": "detach", "seconds": 20.0, "failure": None},
            {"name": "delete", "seconds": 11.0, "failure": None},
        ],
        "next": "fix the cause above, then: "
        "ami-pipeline bake -e production && ami-pipeline promote -e production",
        "abort": None,
    }
    assert as_json(document)


def test_the_document_of_a_running_deployment_has_no_end() -> None:
    document = outcome_document(a_deployment(outcome=None, ended="", phase="attach"))
    assert [document[key] for key in ("outcome", "serves", "ended", "seconds", "phase")] == [
        None,
        None,
        None,
        None,
        "attach",
    ]


def test_the_summary_of_a_ci_job_is_markdown() -> None:
    deployment = replace(needs_attention(), phases=needs_attention().phases[-2:])
    assert (
        step_summary(deployment)
        == """\
### r000124 serves production

| | |
|---|---|
| outcome | `needs attention, 3m 32s` |
| request | `promote r000124 (1.4.0, ami-00000000000000124), replacing r000123` |
| phase | `retire` |
| reason | `r000123 still has 1 member: Terminating:Wait` |
| rollback error | `timed out` |
| evidence | `x/e` |
| deployment | `20260104T030700-7f3a` |
| next | `ami-pipeline recover -e production` |

| phase | duration | |
|---|--:|---|
| `observe` | 0s | done |
| `retire` | 15m | `r000123 still has 1 member: Terminating:Wait` |

"""
    )


def test_foreign_text_is_not_markdown() -> None:
    odd = "a`b` | <img src=x> \n\n# heading\n[x](y)"
    text = step_summary(
        replace(rolled_back(), outcome=Outcome(result=Result.NEEDS_ATTENTION, reason=odd))
    )
    assert "| reason | `a'b' \\| <img src=x> # heading [x](y)` |\n" in text


def test_a_long_reason_is_shortened_in_a_summary() -> None:
    outcome = Outcome(result=Result.NEEDS_ATTENTION, reason="x" * 100_000)
    assert len(step_summary(a_deployment(outcome=outcome))) < 4000


def test_a_rollback_without_blue_leaves_no_serving_release() -> None:
    why = "the group of r000124 was deleted"
    outcome = Outcome(result=Result.ROLLED_BACK, rollback_error=why)
    text = outcome_text(a_deployment(blue="", outcome=outcome))
    assert text.startswith("no managed release serves production\n")
    assert f"rollback error  {why}" in text
    assert text.endswith("next            ami-pipeline status -e production")


def test_the_evidence_of_the_release_that_a_rollback_left_is_named() -> None:
    left = a_deployment(outcome=Outcome(result=Result.PROMOTED, evidence="x/evidence.txt"))
    assert "\nevidence   x/evidence.txt\n" in outcome_text(replace(left, kind=Kind.ROLLBACK))


ROOT = Path(__file__).parents[2]
PAUSED = """\
r000123 still serves production

outcome    paused
request    promote r000124 (1.4.0, ami-00000000000000124), replacing r000123
paused     before drain since 03:09:34+00:00 by ann (GitHub Actions), until 2026-01-05
           03:09:34+00:00, then abort
phases     launch 1m 12s, verify 4.2s, attach 48s, soak 30s
id         20260104T030700-7f3a
resume     ami-pipeline resume -e production
abort      ami-pipeline abort -e production"""


@pytest.fixture
def in_utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "UTC")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.usefixtures("in_utc")
def test_a_paused_deployment_shows_how_to_continue_and_how_to_go_back() -> None:
    paused = a_paused_deployment()
    assert outcome_text(paused) == PAUSED
    assert f"```text\n{PAUSED}\n```" in (ROOT / "docs/guide/promote.md").read_text()
    assert [outcome_document(paused)[key] for key in ("outcome", "next", "abort")] == [
        "paused",
        "ami-pipeline resume -e production",
        "ami-pipeline abort -e production",
    ]
    assert "| resume | `ami-pipeline resume -e production` |\n" in step_summary(paused)
    another = replace(paused, pauses=(a_pause(approval=Approval.ANOTHER),))
    text = deployment_text.format_pause(another)
    assert text.endswith(", then abort; another person must resume it")


def test_after_the_drain_green_serves_during_a_pause() -> None:
    paused = a_paused_deployment(phase="observe")
    assert outcome_text(paused).startswith("r000124 serves production\n")


def test_who_ended_a_pause_and_why_is_shown() -> None:
    bob = Actor(system="GitLab", name="bob")
    over = "2026-01-04T05:14:34+00:00"
    ended = a_pause(ended=over, decision=Decision.RESUMED, approver=bob, reason="flat\ngraphs")
    by_time = a_pause(before="retire", ended=over, decision=Decision.ABORTED)
    text = deployment_text.format_ended_pauses(a_deployment(pauses=(ended, by_time)))
    assert text == (
        "before drain for 2h 05m, resumed by bob (GitLab): flat graphs; "
        "before retire for 2h 05m, aborted because its time was over"
    )
    assert f"\npauses     {text[:60]}" in outcome_text(a_deployment(pauses=(ended, by_time)))


def test_a_hook_that_failed_after_the_decision_is_shown_with_every_outcome() -> None:
    error = "after hook ./announce: exit code 1\n| no such channel"
    promoted = a_deployment(outcome=Outcome(result=Result.PROMOTED, hook_errors=(error,)))
    line = "hook error  after hook ./announce: exit code 1 | no such channel"
    assert line in outcome_text(promoted)
    assert outcome_document(promoted)["hook_errors"] == [error]
    assert "| hook error | `after hook ./announce" in step_summary(promoted)
    failed = rolled_back()
    assert failed.outcome
    failed = replace(failed, outcome=replace(failed.outcome, hook_errors=(error,)))
    assert "hook error  after hook ./announce: exit code 1" in outcome_text(failed)


def test_why_a_person_began_it_is_shown_wherever_the_deployment_is() -> None:
    given = {"why": "fix\x1b[31m for #812", "override": "freeze by ann: sale"}
    shown = a_deployment(**given)
    rows = "\nwhy        fix for #812\noverride   freeze by ann: sale\n"
    assert rows in outcome_text(shown)
    assert "fix for #812" in step_summary(shown)
    assert (outcome_document(shown)["why"], outcome_document(shown)["override"]) == (
        given["why"],
        given["override"],
    )
    listed = history_text([shown], NOW, "production")
    assert "  why: fix for #812\n             override: freeze by ann: sale\n" in listed
    status = in_flight()
    running = replace(status.environment, deployment=replace(shown, outcome=None))
    assert rows in status_text(replace(status, environment=running), NOW)
