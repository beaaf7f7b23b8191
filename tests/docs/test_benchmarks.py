"""The page of benchmarks and its pictures say what was measured, and nothing else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks.page import rendered, table, updated
from benchmarks.pictures import DRAWN, draw
from benchmarks.run import PARTS, written

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/benchmarks.md").read_text()
TEXT = (ROOT / "benchmarks/latest.json").read_text()
LATEST = json.loads(TEXT)
RUN = {
    "profile": "real",
    "scenario": "good",
    "members": 3,
    "way": "ours",
    "looks": 1,
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


def test_the_tables_are_those_of_the_last_run() -> None:
    assert updated(PAGE, LATEST) == PAGE


def test_the_file_is_as_the_harness_writes_it() -> None:
    assert written(LATEST) == TEXT
    assert set(LATEST) <= set(PARTS)


def test_the_pictures_are_those_of_the_series(tmp_path: Path) -> None:
    drawn = {path.name: path.read_text() for path in draw(ROOT / "benchmarks/series", tmp_path)}
    kept = {path.name: path.read_text() for path in (ROOT / "docs/pictures").glob("*.svg")}
    assert {name: kept[name] for name in drawn} == drawn
    assert {f"{short}.svg" for short, _ in DRAWN.values()} <= kept.keys()


@pytest.mark.parametrize("short", [short for short, _ in DRAWN.values()])
def test_every_picture_is_shown(short: str) -> None:
    assert f"(pictures/{short}.svg)" in PAGE


def of(**how: Any) -> dict[str, Any]:
    return {**RUN, **how}


def test_runs_of_one_kind_are_one_row_of_medians() -> None:
    runs = [of(), of(seconds=63.26, failed=1), of(way="recipe", memory=2.0, own_calls=0)]
    assert table(runs).splitlines()[2:] == [
        "| good | 3 | ami-pipeline | 62.2 s | 1 of 6000 | 0.5 s | 40 | 20 | 81 MiB | 0 | 0 |",
        "| good | 3 | recipe | 61.2 s | 0 of 3000 | 0.5 s |  | 20 |  | 0 | 0 |",
    ]


def test_a_release_that_was_given_up_says_so() -> None:
    (row,) = table([of(way="waiter", code=1, left=3, decision=None)]).splitlines()[2:]
    assert row == "| good | 3 | boto3 waiters | 61.2 s | 0 of 3000 |  | 40 |  | 81 MiB | 1 | 3 |"


def test_a_goal_that_was_missed_stands_out() -> None:
    figure = {"name": "decision: p95", "value": 1.5, "unit": "s", "goal": "<= 1", "met": False}
    part = {"measured": "2026-01-01", "machine": "two cores", "figures": [figure]}
    assert "| decision: p95 | 1.5 s | <= 1 | **missed** |" in rendered({"decisions": part})


def test_a_page_without_markers_is_no_page() -> None:
    with pytest.raises(ValueError, match="has no <!-- measured"):
        updated("# Benchmarks\n", LATEST)
