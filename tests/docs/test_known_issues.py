"""The page on users' pains: each of the fifteen once, with its issues and with tests that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/known-issues.md").read_text()
NUMBERED = re.compile(r"^(?:\| |- \*\*)(\d+)(?: \||\*\*)", re.MULTILINE)
ROWS = [line for line in PAGE.splitlines() if re.match(r"\| \d+ \|", line)]


def test_each_of_the_fifteen_pains_is_there_once() -> None:
    assert sorted(int(number) for number in NUMBERED.findall(PAGE)) == list(range(1, 16))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[:6])
def test_every_row_has_its_public_issue_and_two_tests_that_exist(row: str) -> None:
    assert re.findall(r"\]\(https://github\.com/[\w.-]+/[\w.-]+/(?:issues|pull)/\d+\)", row)
    named = re.findall(r"`(\w+\.py)::(\w+)`", row)
    assert len(named) >= 2
    folders = (ROOT / "tests/known_issues", ROOT / "tests/e2e")
    for file, test in named:
        found = [folder / file for folder in folders if (folder / file).exists()]
        assert found
        assert f"def {test}(" in found[0].read_text()


def test_every_test_of_a_pain_is_on_the_page() -> None:
    files = sorted((ROOT / "tests/known_issues").glob("test_*.py"))
    tests = [
        f"{file.name}::{name}"
        for file in files
        for name in re.findall(r"^def (test_\w+)\(", file.read_text(), re.MULTILINE)
    ]
    assert len(tests) > 20
    assert [test for test in tests if f"`{test}`" not in PAGE] == []
