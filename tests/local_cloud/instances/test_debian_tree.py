"""`local-cloud rootfs`, with a stand-in for mmdebstrap that makes what it is asked for."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from local_cloud.errors import FailedError, RefusedError
from local_cloud.instances import debian_tree
from pipeline.cli.local_cloud import local_cloud

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file with the arguments of mmdebstrap."""
    program = tmp_path / "bin/mmdebstrap"
    program.parent.mkdir()
    program.write_text('#!/bin/sh\necho progress\nprintf "%s\\n" "$@" >"$WORDS"\nexit "$CODE"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent), prepend=os.pathsep)
    monkeypatch.setenv("WORDS", str(tmp_path / "words"))
    monkeypatch.setenv("CODE", "0")
    return tmp_path / "words"


def test_an_archive_is_made_and_the_next_command_is_told(tmp_path: Path, words: Path) -> None:
    target = tmp_path / "debian.tar.gz"
    given = ["rootfs", str(target), "--include", "curl", "--mirror", "mirror.list"]
    done = CliRunner().invoke(local_cloud, given)
    assert done.exit_code == 0
    assert f"ami-pipeline local-cloud up --rootfs {target}" in done.output
    options = ["--variant=minbase", "--include=ca-certificates,curl", "--format=tar"]
    assert words.read_text().split() == [*options, "bookworm", str(target), "mirror.list"]


def test_a_failure_shows_the_last_lines_and_leaves_nothing(
    tmp_path: Path, words: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CODE", "2")
    with pytest.raises(FailedError, match="progress"):
        debian_tree.make(tmp_path / "d.tar", suite="bookworm", mirror="", packages=())
    assert words.exists()
    assert not (tmp_path / "d.tar").exists()


def test_what_is_missing_is_said(
    tmp_path: Path, words: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(RefusedError, match="already exists"):
        debian_tree.check(tmp_path)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(RefusedError, match="only root can make a folder"):
        debian_tree.check(tmp_path / "folder")
    debian_tree.check(tmp_path / "file.tar")
    monkeypatch.setenv("PATH", str(words.parent))
    with pytest.raises(RefusedError, match="apt-get install mmdebstrap"):
        debian_tree.check(tmp_path / "file.tar")
