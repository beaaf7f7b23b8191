from __future__ import annotations

import json
from dataclasses import replace

from pipeline.core.changes.inputs import InputChange
from pipeline.core.changes.model import (
    Changes,
    CommitChange,
    ExtraHours,
    InputChanges,
    ListedCommit,
    Package,
    PackageChanges,
)
from pipeline.ui.changes import changes_document, changes_text, summary_text
from pipeline.ui.outcome import deployment_document, outcome_text, step_summary
from pipeline.ui.reports.history import history_text
from tests.core.changes.examples import AFTER, BEFORE, CHANGES, SUMMARY
from tests.ui.status_examples import NOW, a_deployment, rolled_back

TEXT = """\
image      ami-123 (1.3.0, 2026-01-01) -> ami-124 (1.4.0, 2026-01-04)
source     ami-5 (al2023-1, 2025-12-01) -> ami-6 (al2023-2, 2025-12-22)
commits    2 new
             + 5e6f7a8 Round prices half up (Ada)
             + 9999999 Log the currency (Bob)
           https://github.example/shop/web/compare/1a2b3c4...5e6f7a8
packages   1 upgraded, 1 added, 1 removed
             kernel 6.1.112 -> 6.1.115
             + strace 6.1-1
             - telnet 0.17-2
inputs     instance_type: t3.small -> t3.large
size       3 t3.small (2 to 6) -> 4 t3.large (2 to 6)
cost       extra instance-hours: 0.50 for the deployment, 3 while the old group stays warm"""


def test_each_part_is_shown() -> None:
    assert "\n".join(changes_text(CHANGES, 100)) == TEXT


def test_a_text_fits_its_width_except_for_words_that_cannot_be_broken() -> None:
    lines = changes_text(CHANGES, 80)
    assert [line for line in lines if len(line) > 80 and "://" not in line] == []
    assert lines[-2:] == [
        "cost       extra instance-hours: 0.50 for the deployment, 3 while the old group",
        "           stays warm",
    ]


def test_unknown_parts_say_why() -> None:
    unknown = Changes(
        commits=CommitChange(before=BEFORE, after=AFTER, unknown="git is not installed"),
        packages=PackageChanges(unknown="those of ami-123: no list was downloaded"),
        inputs=InputChanges(unknown="not recorded"),
        extra=ExtraHours(stays=3, until="the next promotion", unknown="without pauses"),
    )
    assert changes_text(unknown) == [
        "commits    1a2b3c4 -> 5e6f7a8",
        "           unknown: git is not installed",
        "packages   unknown: those of ami-123: no list was downloaded",
        "inputs     unknown: not recorded",
        "cost       extra instance-hours: 3 an hour until the next promotion (without pauses)",
    ]
    assert changes_text(Changes()) == changes_text(None) == []


def test_long_lists_are_cut_and_counted() -> None:
    commits = tuple(ListedCommit(id=f"{n:040}", subject=f"Change {n}") for n in range(12))
    packages = tuple(Package(name=f"p{n}", version="1") for n in range(15))
    lines = changes_text(
        Changes(
            commits=CommitChange(added=commits, more=50),
            packages=PackageChanges(added=packages),
        )
    )
    assert lines[0] == "commits    12 new, 50 more not listed"
    assert lines[11] == "             ... 2 more"
    assert lines[-1] == "             ... 5 more"


HOSTILE = "\x1b]0;owned\x07Fix\n::set-env name=A::b\n##[group]x\u202e <script>`|"


def test_hostile_texts_are_harmless_everywhere() -> None:
    commit = ListedCommit(id="a" * 40, subject=HOSTILE, author=HOSTILE)
    package = Package(name=HOSTILE, version=HOSTILE)
    change = InputChange(name=HOSTILE, before=HOSTILE, after=None)
    changes = replace(
        CHANGES,
        commits=CommitChange(added=(commit,), link=HOSTILE, unknown=HOSTILE),
        packages=PackageChanges(added=(package,), unknown=HOSTILE),
        inputs=InputChanges(changed=(change,), unknown=HOSTILE),
    )
    deployment = a_deployment(changes=changes)
    texts = [
        "\n".join(changes_text(changes)),
        outcome_text(deployment),
        history_text([deployment], NOW, "production"),
        step_summary(deployment),
    ]
    found = {each for text in texts for each in ("\x1b", "\x07", "\u202e", "##[") if each in text}
    assert found == set()
    lines = [line.strip() for text in texts for line in text.splitlines()]
    assert not [line for line in lines if line.startswith("::")]


def test_a_program_reads_each_part() -> None:
    document = changes_document(CHANGES)
    assert document
    assert document["summary"] == SUMMARY
    assert document["packages"]["upgraded"][0]["name"] == "kernel"
    assert document["commits"]["unknown"] is None
    assert document["extra"] == {
        "deployment": 0.5,
        "warm": 3.0,
        "stays": 0,
        "until": None,
        "unknown": None,
    }
    json.dumps(document)
    assert changes_document(None) is None
    assert deployment_document(a_deployment(changes=CHANGES))["changes"] == document


def test_the_outcome_and_the_history_have_the_summary() -> None:
    for deployment in (a_deployment(changes=CHANGES), rolled_back(changes=CHANGES)):
        line = next(each for each in outcome_text(deployment, 200).splitlines() if SUMMARY in each)
        assert line.split() == ["changes", *SUMMARY.split()]
        assert f"changes: {SUMMARY}" in history_text([deployment], NOW, "production", 200)
        assert f"| changes | `{SUMMARY}` |" in step_summary(deployment)
    assert "changes" not in outcome_text(a_deployment())
    assert not summary_text(None)
