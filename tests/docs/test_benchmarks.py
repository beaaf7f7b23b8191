"""The page of benchmarks and its pictures say what was measured, and nothing else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks.page import MEASURED, PICTURES, rendered, table, updated
from benchmarks.pictures import draw
from benchmarks.run import PARTS, written

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/development/benchmarks.md").read_text()
TEXT = (ROOT / "benchmarks/latest.json").read_text()
LATEST = json.loads(TEXT)
RUN = {
    "profile": "real",
    "scenario": "good",
    "members": 3,
    "contender": "ami-pipeline",
    "healthy_checks": 1,
    "seconds": 61.24,
    "code": 0,
    "requests": 3000,
    "failed": 0,
    "decision": 0.52,
    "own_calls": 40,
    "terraform_calls": 20,
    "memory": 81.4,
    "left": 0,
}


def test_the_page_and_its_pictures_are_those_of_the_last_run(tmp_path: Path) -> None:
    drawn = draw(ROOT / "benchmarks/series", tmp_path)
    kept = {
        path.name: path.read_text() for path in (ROOT / "docs/development/pictures").glob("*.svg")
    }
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == kept
    assert updated(PAGE, LATEST, drawn) == PAGE


def test_the_file_is_as_the_harness_writes_it() -> None:
    assert written(LATEST) == TEXT
    assert set(LATEST) <= set(PARTS)


def test_a_picture_is_shown_with_what_is_said_of_it() -> None:
    page = f"# Page\n\n{PICTURES[0]}\n\nan old one\n\n{PICTURES[1]}\n\n{''.join(MEASURED)}\n"
    drawn = updated(page, {}, [("good.svg", "Good", "It is good.")])
    assert "\n\nIt is good.\n\n![Good](pictures/good.svg)\n\n" in drawn
    assert "an old one" not in drawn
    assert updated(drawn, {}, []) == updated(page, {}, [])


def of(**how: Any) -> dict[str, Any]:
    return {**RUN, **how}


def test_runs_of_one_kind_are_one_row_of_medians() -> None:
    runs = [of(), of(seconds=63.26, failed=1), of(contender="recipe", memory=2.0, own_calls=0)]
    assert table(runs).splitlines()[2:] == [
        "| good | 3 | ami-pipeline | 62.2 s | 1 of 6000 | 0.5 s | 40 | 20 | 81 MiB | 0 | 0 |",
        "| good | 3 | recipe | 61.2 s | 0 of 3000 | 0.5 s |  | 20 |  | 0 | 0 |",
    ]


def test_a_release_that_was_given_up_says_so() -> None:
    (row,) = table([of(contender="boto3-script", code=1, left=3, decision=None)]).splitlines()[2:]
    assert row == "| good | 3 | boto3 script | 61.2 s | 0 of 3000 |  | 40 |  | 81 MiB | 1 | 3 |"


def test_a_goal_that_was_missed_stands_out() -> None:
    figure = {"name": "decision: p95", "value": 1.5, "unit": "s", "goal": "<= 1", "met": False}
    part = {"measured": "2026-01-01", "machine": "two cores", "figures": [figure]}
    assert "| decision: p95 | 1.5 s | <= 1 | **missed** |" in rendered({"decisions": part})


def test_a_page_without_markers_is_no_page() -> None:
    with pytest.raises(ValueError, match="has no <!-- measured"):
        updated("# Benchmarks\n", LATEST, [])
