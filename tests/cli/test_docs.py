"""`ami-pipeline docs`: the pages that ship, in a pipe, on a terminal and as JSON."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from hatchling.builders.wheel import WheelBuilder

import pipeline
from pipeline.adapters.files.documentation import documentation_folder, shipped_pages
from pipeline.cli.main import run
from pipeline.core.documentation import Page
from pipeline.core.errors import RefusedError
from pipeline.ui.docs import draw_page

ROOT = Path(__file__).resolve().parents[2]
Captured = pytest.CaptureFixture[str]


def test_without_a_topic_each_page_is_a_line(capsys: Captured) -> None:
    assert run(["docs"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == ["adopt            Adopt a running group", "analysis         Analysis"]
    assert "configuration    Every key of pipeline.toml" in lines
    assert lines[-2:] == ["read one: ami-pipeline docs TOPIC", f"CI files: {ROOT}/docs/ci"]
    assert len(lines) - 3 == len(shipped_pages(documentation_folder()))


def test_every_topic_is_named_once() -> None:
    topics = [page.topic for page in shipped_pages(documentation_folder())]
    assert len(topics) == len(set(topics)) >= 15


def test_a_pipe_gets_the_page_as_it_is_written(capsys: Captured) -> None:
    assert run(["docs", "exit-codes"]) == 0
    assert capsys.readouterr().out == (ROOT / "docs/reference/exit-codes.md").read_text()


def test_a_page_and_the_topics_are_one_json_document_each(capsys: Captured) -> None:
    assert run(["--output", "json", "docs", "bake"]) == 0
    page = json.loads(capsys.readouterr().out)
    assert (page["topic"], page["title"]) == ("bake", "Bake an image")
    assert page["text"] == Path(page["file"]).read_text()
    assert run(["--output", "json", "docs"]) == 0
    topics = json.loads(capsys.readouterr().out)["topics"]
    assert {"topic": "bake", "title": "Bake an image", "file": page["file"]} in topics


def test_an_unknown_topic_is_refused_with_the_nearest(capsys: Captured) -> None:
    assert run(["docs", "configuratoin"]) == 2
    assert capsys.readouterr().err == (
        "error: ami-pipeline docs:\n"
        "  there is no topic 'configuratoin'; the nearest is configuration\n"
        "next: ami-pipeline docs configuration\n"
    )


def test_a_topic_like_no_other_leads_to_the_list(capsys: Captured) -> None:
    assert run(["docs", "zzz"]) == 2
    assert capsys.readouterr().err.endswith("there is no topic 'zzz'\nnext: ami-pipeline docs\n")


@pytest.mark.parametrize("color", [True, False])
def test_a_terminal_gets_headings_tables_and_code_formatted(color: bool) -> None:
    text = "# Title\n\nSome `code`.\n\n| a | b |\n|---|---|\n| one | two |\n"
    page = Page(topic="t", title="Title", file=Path("t.md"), text=text)
    stream = io.StringIO()
    draw_page(page, stream, 60, color=color)
    drawn = stream.getvalue()
    assert "|---|" not in drawn
    assert "# Title" not in drawn
    assert all(word in drawn for word in ("Title", "code", "one", "two"))


def test_no_page_is_wider_than_the_terminal() -> None:
    for page in shipped_pages(documentation_folder()):
        stream = io.StringIO()
        draw_page(page, stream, 80, color=False)
        assert max(map(len, stream.getvalue().splitlines())) <= 80, page.topic


def test_an_installed_package_has_its_own_pages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "pipeline"
    (package / "docs/guide").mkdir(parents=True)
    monkeypatch.setattr(pipeline, "__file__", str(package / "__init__.py"))
    assert documentation_folder() == package / "docs"
    with pytest.raises(RefusedError, match="holds no documentation"):
        shipped_pages(documentation_folder())


def test_the_wheel_has_the_guide_the_reference_and_the_ci_files() -> None:
    files = {
        included.distribution_path for included in WheelBuilder(str(ROOT)).recurse_included_files()
    }
    shipped = [page.file.relative_to(ROOT) for page in shipped_pages(documentation_folder())]
    assert {f"pipeline/{path.as_posix()}" for path in shipped} <= files
    assert "pipeline/docs/ci/github-actions.yml" in files
    assert {"pipeline/packer/app.pkr.hcl", "pipeline/templates/pipeline.toml.j2"} <= files
    assert "pipeline/docs/reference/pipeline.schema.json" in files
    assert not [name for name in files if "docs/development" in name]
