from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from pipeline.adapters.ci.git import as_version, read_commit, read_commits, read_ignored
from pipeline.core.bake.model import Commit
from pipeline.core.changes.model import CommitChange
from pipeline.core.validation.values import check_version


def git(*arguments: str) -> str:
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "init.defaultBranch=m"]
    argv = ["git", *identity, *arguments]
    done = subprocess.run(argv, check=True, capture_output=True, text=True)
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "repository"
    folder.mkdir()
    monkeypatch.chdir(folder)
    git("init", "-q")
    (folder / "app.txt").write_text("one\n")
    git("add", ".")
    git("commit", "-qm", "First")
    return folder


def test_outside_a_repository_there_is_no_commit(tmp_path: Path) -> None:
    assert read_commit(tmp_path, os.environ) == Commit()


def test_without_git_there_is_no_commit(repository: Path) -> None:
    assert read_commit(repository, {"PATH": "/nonexistent"}) == Commit()


def test_in_a_repository_without_a_commit_there_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    git("init", "-q")
    assert read_commit(tmp_path, os.environ) == Commit()


def test_a_clean_commit_is_described_by_its_id(repository: Path) -> None:
    commit = read_commit(repository, os.environ)
    assert commit.id == git("rev-parse", "HEAD")
    assert commit.id.startswith(commit.describe)
    assert not commit.dirty


def test_a_tag_is_the_version(repository: Path) -> None:
    git("tag", "v1.4.2")
    assert read_commit(repository, os.environ).describe == "v1.4.2"


@pytest.mark.parametrize("staged", [False, True])
def test_a_change_makes_the_commit_dirty_and_its_version_too(
    repository: Path, staged: bool
) -> None:
    git("tag", "v1.4.2")
    (repository / "app.txt").write_text("two\n")
    if staged:
        git("add", ".")
    commit = read_commit(repository, os.environ)
    assert commit.dirty
    assert commit.describe == "v1.4.2-dirty"


def test_other_changes_have_another_digest_and_the_same_the_same(repository: Path) -> None:
    digests = []
    for text in ("two\n", "three\n", "two\n"):
        (repository / "app.txt").write_text(text)
        digests.append(read_commit(repository, os.environ).changes)
    assert digests[0] == digests[2] != digests[1]


def test_a_change_anywhere_counts_where_the_configuration_lies_deeper(repository: Path) -> None:
    (repository / "deep").mkdir()
    (repository / "app.txt").write_text("two\n")
    assert read_commit(repository / "deep", os.environ).dirty


@pytest.mark.parametrize(
    ("path", "output"),
    [
        ("ami.auto.tfvars.json", "ami.auto.tfvars.json"),
        ("deep/web.auto.tfvars.json", "deep/web.auto.tfvars.json"),
        (".ami-pipeline/images/a.json", ".ami-pipeline"),
        ("state[1]/a.json", "state[1]"),
    ],
)
def test_files_that_a_bake_writes_are_not_changes(repository: Path, path: str, output: str) -> None:
    written = repository / path
    written.parent.mkdir(parents=True, exist_ok=True)
    written.write_text("one\n")
    git("add", "-f", ".")
    git("commit", "-qm", "Second")
    written.write_text("two\n")
    assert read_commit(repository, os.environ).dirty
    outputs = (repository / output, repository.parent / "bake.env")
    assert not read_commit(repository, os.environ, outputs).dirty


@pytest.mark.parametrize(
    ("described", "version"),
    [
        ("v1.4.2", "v1.4.2"),
        ("release/1.4", "release-1.4"),
        ("v1-3-gabc-dirty", "v1-3-gabc-dirty"),
        ("--odd~tag", "odd-tag"),
        ("ü1", "1"),
        ("x" * 80, "x" * 64),
        ("1..2", "1.2"),
        ("", ""),
    ],
)
def test_a_description_becomes_a_version_the_rules_allow(described: str, version: str) -> None:
    assert as_version(described) == version
    if version:
        assert check_version(version) == version


def test_what_git_ignores_is_read_from_git_itself(repository: Path) -> None:
    (repository / ".gitignore").write_text("*.log\n/dist/\n!kept.log\n")
    (repository / "deep").mkdir(exist_ok=True)
    (repository / "dist").mkdir()
    for name in ("dist/a", "deep/b.log", "deep/d", "kept.log", "c"):
        (repository / name).touch()
    (repository / "tracked.log").touch()
    git("add", "-f", "tracked.log")
    assert set(read_ignored(repository, os.environ)) == {
        repository / "dist",
        repository / "deep/b.log",
    }
    assert read_ignored(repository / "deep", os.environ) == (repository / "deep/b.log",)


def test_nothing_is_ignored_outside_a_repository_without_git_or_in_a_file(
    repository: Path,
) -> None:
    assert read_ignored(repository, {"PATH": "/nonexistent"}) == ()
    assert read_ignored(repository / "missing", os.environ) == ()


def a_commit(subject: str) -> str:
    git("commit", "-q", "--allow-empty", "--cleanup=verbatim", "-m", subject)
    return git("rev-parse", "HEAD")


def test_the_commits_between_two_images_are_listed_newest_first(repository: Path) -> None:
    first = git("rev-parse", "HEAD")
    second = a_commit("Round prices\x1f half up\n\nA body.")
    third = a_commit("\x1b[2Jüber 漢字 <b>")
    change = read_commits(repository, os.environ, CommitChange(before=first, after=third))
    assert [(each.id, each.subject, each.author) for each in change.added] == [
        (third, "\x1b[2Jüber 漢字 <b>", "t"),
        (second, "Round prices\x1f half up", "t"),
    ]
    assert (change.removed, change.more, change.unknown, change.link) == ((), 0, "", "")
    back = read_commits(repository, os.environ, CommitChange(before=third, after=first))
    assert (back.added, back.removed) == ((), change.added)


def test_branches_that_diverged_have_commits_on_both_sides(repository: Path) -> None:
    first = git("rev-parse", "HEAD")
    left = a_commit("Left")
    git("checkout", "-q", first)
    right = a_commit("Right")
    git("remote", "add", "origin", "git@github.com:shop/web.git")
    change = read_commits(repository, os.environ, CommitChange(before=left, after=right))
    assert [each.subject for each in change.added] == ["Right"]
    assert [each.subject for each in change.removed] == ["Left"]
    assert change.link == f"https://github.com/shop/web/compare/{left}...{right}"


def test_why_git_lists_no_commits_is_said_and_a_link_stands_for_them(
    repository: Path, tmp_path: Path
) -> None:
    first, gone = git("rev-parse", "HEAD"), "1a2b3c4d" * 5
    second = a_commit("Second")
    git("clone", "-q", "--depth=1", f"file://{repository}", str(tmp_path / "shallow"))
    github = {"GITHUB_SERVER_URL": "https://github.com", "GITHUB_REPOSITORY": "shop/web"}
    table = {
        (repository, gone): "this repository has no commit 1a2b3c4",
        (tmp_path / "shallow", first): (
            f"this repository has no commit {first[:7]}; this clone is shallow: fetch all commits"
        ),
        (tmp_path, first): "git finds no repository here",
    }
    for (folder, before), why in table.items():
        given = CommitChange(before=before, after=second)
        change = read_commits(folder, {**os.environ, **github}, given)
        assert (change.unknown, change.added) == (why, ())
        assert change.link == f"https://github.com/shop/web/compare/{before}...{second}"
    without = read_commits(
        repository, {"PATH": "/nonexistent"}, CommitChange(before=gone, after=first)
    )
    assert without.unknown == "git finds no repository here"


def test_a_recorded_commit_that_is_no_id_is_no_option_of_git(repository: Path) -> None:
    """The tag of an image may have been changed by anyone who may tag it."""
    given = CommitChange(before="--output=stolen", after=git("rev-parse", "HEAD"))
    change = read_commits(repository, os.environ, given)
    assert change.unknown == "a recorded commit is not the id of a commit"
    assert not list(repository.glob("stolen*"))


PROGRAMS = (
    "diff.external",
    "diff.odd.command",
    "diff.odd.textconv",
    "core.fsmonitor",
    "core.pager",
    "gpg.program",
)


def test_no_program_that_the_configuration_of_the_repository_names_runs(repository: Path) -> None:
    (repository / ".gitattributes").write_text("*.txt diff=odd\n")
    git("add", ".")
    git("commit", "-qm", "Second")
    program = repository.parent / "program"
    program.write_text(f"#!/bin/sh\ntouch {repository.parent}/ran\n")
    program.chmod(0o755)
    for name in PROGRAMS:
        git("config", name, str(program))
    git("config", "log.showSignature", "true")
    (repository / "app.txt").write_text("two\n")
    assert read_commit(repository, os.environ).changes
    read_ignored(repository, os.environ)
    change = CommitChange(before=git("rev-parse", "HEAD~"), after=git("rev-parse", "HEAD"))
    assert [each.subject for each in read_commits(repository, os.environ, change).added] == [
        "Second"
    ]
    assert not (repository.parent / "ran").exists()
    subprocess.run(["git", "diff"], check=False, capture_output=True)  # noqa: S607 - as above
    assert (repository.parent / "ran").exists()
