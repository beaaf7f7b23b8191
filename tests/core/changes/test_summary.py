from __future__ import annotations

from dataclasses import replace

from pipeline.core.changes.inputs import InputChange
from pipeline.core.changes.model import (
    Changes,
    CommitChange,
    ComparedImage,
    ImageChange,
    InputChanges,
    PackageChanges,
    PackageUpdate,
    SizeChange,
)
from pipeline.core.changes.summary import brought, summary
from tests.core.changes.examples import AFTER, BEFORE, CHANGES, SUMMARY


def test_one_line_says_what_differs() -> None:
    assert summary(CHANGES) == SUMMARY


def test_parts_that_do_not_differ_or_are_unknown_are_left_out() -> None:
    same = ComparedImage(id="ami-5")
    unknown = replace(CHANGES.packages, added=(), removed=(), upgraded=(), unknown="no list")
    quiet = Changes(source=ImageChange(before=same, after=same), packages=unknown)
    assert not summary(quiet)


def test_the_rest_of_a_summary_is_said_in_the_words_of_its_part() -> None:
    def kernel(name: str, before: str, after: str) -> PackageChanges:
        return PackageChanges(upgraded=(PackageUpdate(name=name, before=before, after=after),))

    inputs = tuple(InputChange(name=f"input_{n}", before=n, after=-n) for n in range(1, 6))
    commits = CommitChange(before=BEFORE, after=AFTER, unknown="git has no commit 1a2b3c4")
    source = ImageChange(before=ComparedImage(id="ami-5"), after=ComparedImage(id="ami-6"))
    table = {
        "commit 1a2b3c4 -> 5e6f7a8": Changes(commits=commits),
        "2 commits less": Changes(commits=CommitChange(removed=CHANGES.commits.added)),
        "202 commits": Changes(commits=replace(CHANGES.commits, more=200)),
        "uncommitted changes": Changes(commits=CommitChange(dirty=True)),
        "source image ami-5 -> ami-6": Changes(source=source),
        "5 inputs (input_1, ...)": Changes(inputs=InputChanges(changed=inputs)),
        "1 package, kernel 6.1.112-1 -> 6.1.112-2": Changes(
            packages=kernel("linux-image-amd64", "6.1.112-1", "6.1.112-2")
        ),
        "1 package": Changes(packages=kernel("kernel-tools", "6.1", "6.2")),
        "1,001 packages, kernel 6.1 -> 6.12": Changes(
            packages=replace(kernel("kernel6.12", "1:6.1-3", "1:6.12-1"), more=1000)
        ),
    }
    assert {text: summary(changes) for text, changes in table.items()} == {
        text: text for text in table
    }


def test_what_an_image_brings_says_also_that_its_packages_are_unknown_or_equal() -> None:
    assert brought(CHANGES) == SUMMARY
    assert brought(Changes()) == "no changed package"
    commits = replace(CHANGES, packages=PackageChanges(unknown="no list"), size=SizeChange())
    assert brought(commits) == (
        "2 commits, source image of 2025-12-01 -> 2025-12-22, 1 input (instance_type), "
        "unknown packages (no list)"
    )
