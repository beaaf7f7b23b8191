"""The page of known issues has each problem once, with its public issues and existing tests."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/development/known-issues.md").read_text()
SECTIONS = re.split(r"^## ", PAGE, flags=re.MULTILINE)[1:]
WITHOUT_A_TEST = "12. "


def named_tests(text: str) -> list[tuple[str, str]]:
    return re.findall(r"`(\w+\.py)::(\w+)`", text)


def test_each_of_the_fifteen_problems_has_one_section() -> None:
    assert [section.partition(".")[0] for section in SECTIONS] == [str(n) for n in range(1, 16)]


@pytest.mark.parametrize("section", SECTIONS, ids=lambda section: section.partition(".")[0])
def test_a_section_has_a_public_issue_and_two_tests_that_exist(section: str) -> None:
    joined = " ".join(section.split())
    assert re.findall(r"\]\(https://github\.com/[\w.-]+/[\w.-]+/(?:issues|pull)/\d+\)", joined)
    tests = named_tests(section)
    assert len(tests) >= 2 or section.startswith(WITHOUT_A_TEST)
    folders = (ROOT / "tests/known_issues", ROOT / "tests/e2e")
    for file, test in tests:
        found = [folder / file for folder in folders if (folder / file).exists()]
        assert found
        assert f"def {test}(" in found[0].read_text()


def test_every_test_of_a_known_issue_is_on_the_page() -> None:
    files = sorted((ROOT / "tests/known_issues").glob("test_*.py"))
    tests = [
        (file.name, name)
        for file in files
        for name in re.findall(r"^def (test_\w+)\(", file.read_text(), re.MULTILINE)
    ]
    assert len(tests) > 20
    assert [test for test in tests if test not in named_tests(PAGE)] == []
