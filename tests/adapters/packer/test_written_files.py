from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.adapters.packer.written_files import noting_writes, written_files


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "packer"
    (root / ".git").mkdir(parents=True)
    (root / "app.json").write_text("{}")
    (root / "state").mkdir()
    return root


def bake(root: Path, **files: str) -> list[Path]:
    """Write these files while a bake is noted; return what is reported."""
    reported: list[Path] = []
    outputs = (root / "state", root / "result.json")
    with noting_writes(root / "state", (root,), outputs, reported.append):
        for name, text in files.items():
            (root / name.replace("_", ".")).write_text(text)
    return reported


def test_a_file_that_a_bake_writes_is_noted_and_reported_once(root: Path) -> None:
    assert bake(root, manifest_json="1") == [root / "manifest.json"]
    assert written_files(root / "state") == (root / "manifest.json",)
    assert bake(root, manifest_json="12") == []
    assert written_files(root / "state") == (root / "manifest.json",)


def test_a_file_that_is_changed_later_counts_again(root: Path) -> None:
    bake(root, manifest_json="1")
    (root / "manifest.json").write_text("by hand")
    assert written_files(root / "state") == ()
    (root / "manifest.json").unlink()
    assert written_files(root / "state") == ()


def test_outputs_and_unchanged_files_are_not_noted(root: Path) -> None:
    assert bake(root, result_json="1") == []
    assert not (root / "state" / "written.json").exists()
    assert written_files(root / "state") == ()


def test_a_failed_bake_is_noted_too(root: Path) -> None:
    def fail() -> None:
        with noting_writes(root / "state", (root,), (), lambda _: None):
            (root / "manifest.json").write_text("1")
            raise OSError("full")

    with pytest.raises(OSError, match="full"):
        fail()
    assert written_files(root / "state") == (root / "manifest.json",)


@pytest.mark.parametrize("content", ["", "[]", '{"files": 3}', "\0"])
def test_an_unreadable_note_is_none(root: Path, content: str) -> None:
    (root / "state" / "written.json").write_text(content)
    assert written_files(root / "state") == ()
