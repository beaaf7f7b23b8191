"""The HTML report: it says what failed, stands alone, escapes everything and stays small."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from pipeline.core.health.observation import Activity
from pipeline.core.pausing.pause import Actor
from pipeline.core.probe.tally import Answers
from pipeline.core.state.deployment import Outcome, Result, Runner
from pipeline.core.state.journal import Entry
from pipeline.core.timeline.model import GroupActivity, Members, Note, Point, Span, Timeline
from pipeline.core.timeline.record import DeploymentRecord
from pipeline.core.timeline.thinning import MOST_ACTIVITIES, MOST_NOTES, MOST_POINTS
from pipeline.ui.changes import changes_text
from pipeline.ui.reports.html_report import report_html
from tests.core.changes.examples import CHANGES, SUMMARY
from tests.core.hostile import HOSTILE
from tests.ui.reports.markup import ATTACKS, Page, dangers
from tests.ui.reports.report_examples import failed_record
from tests.ui.status_examples import a_deployment, a_paused_deployment, rolled_back

LARGEST = 500_000
FIRST_SCREEN = 900
"""Characters of the text that a phone and a laptop show first."""


def test_the_first_screen_says_what_failed_and_why_and_what_users_noticed() -> None:
    page = Page(report_html(failed_record()))
    assert page.errors == []
    first = page.text[:FIRST_SCREEN]
    for text in (
        "r000124 still serves production",
        "rolled back",
        "promote r000125 (1.5.0, ami-00000000000000125), replacing r000124",
        "Failed in attach",
        "i-00125000000000001: unhealthy in web-tg: Target.FailedHealthChecks",
        "8 of 950 requests of the probe failed",
        "Next: fix the cause above, then ami-pipeline bake -e production",
        "app.service: Main process exited, code=exited, status=1/FAILURE",
    ):
        assert text in first


def test_the_first_screen_shows_what_an_unhealthy_member_printed_last() -> None:
    record = failed_record()
    outcome = record.deployment.outcome
    assert outcome
    printed = replace(outcome, last_lines=("journal of i-1", "app: no database"))
    page = report_html(replace(record, deployment=replace(record.deployment, outcome=printed)))
    assert "journal of i-1\napp: no database" in page
    assert "journal of i-1" not in report_html(record)


def test_a_report_shows_phases_members_requests_activities_and_messages() -> None:
    page = Page(report_html(failed_record()))
    shown = {name: given.get("aria-label", "") for name, given in page.elements if name == "svg"}
    assert shown
    labels = page.attributes("aria-label")
    assert "attach began after 30s and took 55s" in labels
    assert "r000125 (new) over time: 1 healthy, 2 starting" in labels
    assert "requests per second over time: 9 1.5.0, 503, 450 1.4.0, 200, 396 1.5.0, 200" in labels
    assert "We currently do not have sufficient t3.micro capacity" in page.text
    assert "the probe's first failed request, in attach: HTTP 503" in page.text


def test_a_report_says_what_the_release_brings() -> None:
    record = DeploymentRecord(deployment=a_deployment(changes=CHANGES))
    page = Page(report_html(record))
    assert dangers(page) == []
    assert SUMMARY in page.text
    assert all(" ".join(line.split()) in page.text for line in changes_text(CHANGES))


def test_a_report_needs_no_network_and_no_script() -> None:
    page = Page(report_html(failed_record()))
    assert dangers(page) == []
    assert not {"script", "link", "img"} & {name for name, _ in page.elements}
    assert page.attributes("href") == ["#content", "https://github.example/web/runs/9"]
    assert "url(" not in report_html(failed_record())


@pytest.mark.parametrize(
    ("deployment", "title", "outcome"),
    [
        (a_deployment(), "r000124 serves production", "promoted"),
        (a_paused_deployment(), "r000123 still serves production", "paused"),
        (a_deployment(outcome=None, ended=""), "production is being deployed", "running"),
        (
            a_deployment(outcome=Outcome(result=Result.REFUSED, reason="a reason")),
            "r000123 still serves production",
            "refused",
        ),
    ],
)
def test_a_report_exists_for_each_outcome_even_without_a_timeline(
    deployment: object, title: str, outcome: str
) -> None:
    assert isinstance(deployment, type(a_deployment()))
    page = Page(report_html(DeploymentRecord(deployment=deployment)))
    assert dangers(page) == []
    assert f"{title} " in page.text
    assert f" {outcome} " in page.text


def hostile_record(text: str) -> DeploymentRecord:
    """Return a record in which everything that a person or AWS can write is this text."""
    deployment = replace(
        rolled_back(),
        by=Runner(user=text, host=text, pid=1, run=text),
        actor=Actor(system=text, name=text),
        environment=text,
        version=text,
        image=text,
        why=text,
        override=text,
        outcome=Outcome(
            result=Result.ROLLED_BACK,
            phase=text,
            reason=text,
            rollback_error=text,
            remedy=text,
            evidence=f"x/{text}.txt",
            last_lines=(text, text),
            hook_errors=(text,),
        ),
    )
    activity = Activity(id="a", status=text, description=text, cause=text, message=text, began=text)
    members = Members(release=text, desired=1, states={text: 1})
    return DeploymentRecord(
        deployment=replace(deployment, green=text),
        timeline=Timeline(
            points=(
                Point(at=1.0, phase=text, waiting=text, groups=(members,)),
                Point(
                    at=2.0,
                    phase=text,
                    answers=(Answers(version=text, status=text, count=3),),
                ),
            ),
            spans=(Span(name=text, began=0.0, ended=2.0, fault=text),),
            notes=(Note(at=1.0, text=text),),
            activities=(GroupActivity(release=text, activity=activity),),
        ),
        journal=(Entry(n=1, at=text, kind="intent", step=text, facts={text: text}),),
        texts=((f"{text}.txt", f"{text}\n  {text}"),),
    )


@pytest.mark.parametrize("text", ATTACKS)
def test_no_text_of_a_user_is_markup_or_code(text: str) -> None:
    page = Page(report_html(hostile_record(text)))
    assert dangers(page) == []
    assert page.text.count(text) > 20


def test_no_hostile_text_leaves_a_control_character_on_the_page() -> None:
    short = dict.fromkeys(each.value for each in HOSTILE if len(each.value) < 300)
    notes = tuple(Note(at=1.0, text=each) for each in short)
    record = DeploymentRecord(
        deployment=rolled_back(),
        timeline=Timeline(notes=notes),
        texts=(("evidence.txt", "\n".join(short)),),
    )
    html = report_html(record)
    assert dangers(Page(html)) == []
    assert re.findall(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", html) == []


def test_the_largest_report_is_below_500_kb() -> None:
    states = dict.fromkeys(("healthy", "starting", "unhealthy", "draining"), 100)
    points = tuple(
        Point(
            at=float(number),
            phase="observe",
            waiting="w" * 300,
            groups=tuple(
                Members(
                    release=name,
                    desired=400,
                    states={each: count + number % 7 for each, count in states.items()},
                )
                for name in ("r000124", "r000125")
            ),
            answers=tuple(
                Answers(version=f"v{which}", status="200", count=number * (which + 1 + number % 3))
                for which in range(12)
            ),
        )
        for number in range(MOST_POINTS)
    )
    activity = replace(FULL_ACTIVITY, message="m" * 300, description="d" * 300)
    record = DeploymentRecord(
        deployment=rolled_back(),
        timeline=Timeline(
            points=points,
            spans=tuple(
                Span(name=f"step-{each}", began=each, ended=each + 1, fault="f" * 300)
                for each in range(60)
            ),
            notes=(Note(at=1.0, text="n" * 300),) * MOST_NOTES,
            activities=(GroupActivity(release="r000125", activity=activity),) * MOST_ACTIVITIES,
        ),
        journal=tuple(
            Entry(n=each, at="2026-01-04T03:07:30+00:00", kind="intent", step="s" * 30,
                  facts={"group": "g" * 900})
            for each in range(500)
        ),
        texts=(("evidence.txt", "e" * 20_000), ("probe.txt", "p" * 20_000)),
    )  # fmt: skip
    assert len(report_html(record).encode()) < LARGEST


FULL_ACTIVITY = Activity(
    id="a", status="Failed", description="", cause="", message="", began="2026-01-04T03:07:30Z"
)
