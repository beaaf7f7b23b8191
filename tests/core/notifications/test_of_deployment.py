from __future__ import annotations

from dataclasses import replace

import pytest

from pipeline.core.changes.model import Changes, CommitChange
from pipeline.core.notifications.notification import document, plain_text
from pipeline.core.notifications.of_deployment import began, ended
from pipeline.core.pausing.pause import Actor, Decision, PausePolicy
from pipeline.core.state.deployment import Deployment, Kind, Result
from tests.core.notifications.examples import DEPLOYMENT, RUN, a_beginning, an_end, over, paused

ABORTED = (
    PausePolicy()
    .begin("drain", "2026-11-21T15:43:00+00:00")
    .decided(
        Decision.ABORTED,
        "2026-11-21T15:44:00+00:00",
        Actor(system="GitLab", name="bob"),
        "not today",
    )
)
BY = f"by: ann (GitHub Actions)\n{RUN}"


def test_the_texts_of_a_deployment_that_begins() -> None:
    first = replace(DEPLOYMENT, blue="", kind=Kind.REBUILD)
    back = replace(DEPLOYMENT, kind=Kind.ROLLBACK, green="r000123", image="", version="")
    texts = [plain_text(made) for each in (DEPLOYMENT, first, back) if (made := began("web", each))]
    assert texts == [
        f"web production: promote of r000125 (1.5.0, ami-2) began, to replace r000124\n{BY}",
        f"web production: rebuild of r000125 (1.5.0, ami-2) began, as the first release\n{BY}",
        f"web production: rollback from r000124 to r000123 began\n{BY}",
    ]


@pytest.mark.parametrize(
    ("deployment", "text"),
    [
        (over(Result.PROMOTED), "r000125 (1.5.0, ami-2) serves, 2m"),
        (over(Result.PROMOTED, Kind.REBUILD), "rebuilt, r000125 (1.5.0, ami-2) serves, 2m"),
        (over(Result.PROMOTED, Kind.ROLLBACK), "rolled back to r000125 (1.5.0, ami-2), 2m"),
        (
            over(Result.ROLLED_BACK, phase="verify", reason="smoke.sh: exit 1\nboom"),
            (
                "promote of r000125 (1.5.0, ami-2) failed in verify and was rolled back, "
                "r000124 serves\nreason: smoke.sh: exit 1 boom\n"
                "next: ami-pipeline report 20261121T154224Z-4f2a"
            ),
        ),
        (
            replace(over(Result.ROLLED_BACK, phase="launch", reason="no capacity"), blue=""),
            (
                "promote of r000125 (1.5.0, ami-2) failed in launch and was rolled back, "
                "no release serves\nreason: no capacity\n"
                "next: ami-pipeline report 20261121T154224Z-4f2a"
            ),
        ),
        (
            replace(over(Result.ROLLED_BACK), pauses=(ABORTED,)),
            (
                "promote of r000125 (1.5.0, ami-2) was undone, r000124 serves\n"
                "next: ami-pipeline report 20261121T154224Z-4f2a\n"
                "pause: aborted by bob (GitLab): not today"
            ),
        ),
        (
            over(Result.ROLLED_BACK, Kind.ROLLBACK, phase="attach", reason="unhealthy"),
            (
                "rollback to r000125 (1.5.0, ami-2) failed in attach and was undone, "
                "r000124 serves\nreason: unhealthy\n"
                "next: ami-pipeline report 20261121T154224Z-4f2a"
            ),
        ),
        (
            over(Result.NEEDS_ATTENTION, phase="retire", reason="AccessDenied"),
            (
                "promote of r000125 (1.5.0, ami-2) needs attention, it failed in retire\n"
                "reason: AccessDenied\nnext: ami-pipeline recover -e production"
            ),
        ),
        (
            paused(),
            (
                "promote of r000125 (1.5.0, ami-2) is paused before drain\n"
                "paused until: 2026-11-22 15:44 UTC, then abort\n"
                "next: ami-pipeline resume -e production\nabort: ami-pipeline abort -e production"
            ),
        ),
        (
            over(Result.ROLLED_BACK, Kind.DRILL, phase="verify", reason="exit 1"),
            (
                "the drill of the rollback to r000123 failed in verify\nreason: exit 1\n"
                "next: ami-pipeline report 20261121T154224Z-4f2a"
            ),
        ),
    ],
)
def test_the_texts_of_a_deployment_that_ends(deployment: Deployment, text: str) -> None:
    assert plain_text(an_end(deployment)) == f"web production: {text}\n{BY}"


def test_nothing_is_told_of_a_proven_drill_or_of_groups_that_are_removed() -> None:
    quiet = [over(Result.PROVEN, Kind.DRILL), over(Result.PROMOTED, Kind.RETIRE)]
    quiet += [over(Result.PROMOTED, Kind.DESTROY), over(Result.ROLLED_BACK, Kind.DRILL)]
    assert [began("web", each) for each in quiet] == [None] * 4
    assert [ended("web", each) for each in (*quiet[:3], DEPLOYMENT)] == [None] * 4


def test_an_event_has_one_key_however_often_it_is_told_and_each_pause_its_own() -> None:
    twice = replace(paused(), pauses=(*paused().pauses, *paused().pauses))
    keys = [a_beginning().key, an_end().key, an_end(paused()).key, an_end(twice).key]
    assert keys == [
        "production.20261121T154224Z-4f2a.began",
        "production.20261121T154224Z-4f2a.promoted",
        "production.20261121T154224Z-4f2a.paused-1",
        "production.20261121T154224Z-4f2a.paused-2",
    ]


def test_a_message_says_what_changes_and_why() -> None:
    changes = Changes(commits=CommitChange(before="0a1b2c3d4e", after="1b2c3d4e5f"))
    told = replace(DEPLOYMENT, changes=changes, why="hotfix", override="freeze until Monday")
    made = began("web", told)
    assert made
    assert plain_text(made).split("\n")[1:-1] == [
        "changes: commit 0a1b2c3 -> 1b2c3d4",
        "by: ann (GitHub Actions)",
        "why: hotfix",
        "override: freeze until Monday",
    ]
    assert (made.facts["changes"], made.facts["why"]) == ("commit 0a1b2c3 -> 1b2c3d4", "hotfix")


def test_hostile_text_is_one_printable_line() -> None:
    reason = "a\x1b[31mb\n::error::c\u202e" + "x" * 5000
    text = plain_text(an_end(over(Result.NEEDS_ATTENTION, phase="soak", reason=reason)))
    line = text.split("\n")[1]
    assert line.startswith("reason: ab ::error::cxxx")
    assert len(line) < 1100


def test_a_program_gets_the_facts() -> None:
    failed = over(Result.ROLLED_BACK, phase="verify", reason="exit 1")
    assert document(an_end(failed), "https://example.com") == {
        "id": "production.20261121T154224Z-4f2a.rolled-back",
        "event": "rolled-back",
        "app": "web",
        "environment": "production",
        "at": "2026-11-21T15:44:24+00:00",
        "title": "promote of r000125 (1.5.0, ami-2) failed in verify and was rolled back, "
        "r000124 serves",
        "details": {
            "reason": "exit 1",
            "next": "ami-pipeline report 20261121T154224Z-4f2a",
            "by": "ann (GitHub Actions)",
        },
        "link": RUN,
        "deployment": {
            "id": "20261121T154224Z-4f2a",
            "kind": "promote",
            "release": "r000125",
            "previous": "r000124",
            "serves": "r000124",
            "version": "1.5.0",
            "ami_id": "ami-2",
            "began": "2026-11-21T15:42:24+00:00",
            "ended": "2026-11-21T15:44:24+00:00",
            "seconds": 120.0,
            "outcome": "rolled back",
            "phase": "verify",
            "reason": "exit 1",
            "by": "ann (GitHub Actions)",
            "why": None,
            "override": None,
            "removal_pending": [],
            "changes": None,
        },
    }


def test_what_a_rollback_left_to_remove_is_told() -> None:
    done = over(Result.PROMOTED, kind=Kind.ROLLBACK)
    assert done.outcome
    left = replace(done, outcome=replace(done.outcome, pending=("r000124",)))
    made = ended("web", left)
    assert made
    assert "removal pending: r000124" in plain_text(made).splitlines()
