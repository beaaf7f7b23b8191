"""The checker of words: what it finds, what it leaves alone, what it reads."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools.check_words import WORDS, files, main, offences, rules

KNOWN = rules("# a comment\nmend(s|ed)? = fix\nlook(s)?(?! up) = observation\nguard[-_ ]?ian = x\n")


def found(text: str) -> list[tuple[int, str]]:
    return list(offences(text, KNOWN))


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("they mend it", "mend"),
        ("Mended at last", "Mended"),
        ("a_mend_of = 1", "mend"),
        ("class MendsIt:", "Mends"),
        ("one look\ntwo", "look"),
        ("a guard-ian", "guard-ian"),
    ],
)
def test_a_word_is_found_whole_in_any_case_and_in_parts_of_a_name(text: str, word: str) -> None:
    assert [advice.partition(":")[0] for _, advice in found(text)] == [repr(word)]


@pytest.mark.parametrize("text", ["amendment", "commend", "look up", "mending", ""])
def test_a_part_of_another_word_is_left_alone(text: str) -> None:
    assert found(text) == []


def test_an_offence_has_its_line_and_the_replacement() -> None:
    assert found("fine\nthey mend\n") == [(2, "'mend': write fix")]


def test_the_id_of_a_test_is_no_prose() -> None:
    assert found("held by `a/test_x.py::test_they_mend_it` only") == []
    assert found("held by `a/test_x.py::test_they_mend_it`, to mend") != []


def test_an_address_is_no_prose() -> None:
    assert found("[an issue](https://example.org/mend/it)") == []
    assert found("[they mend](https://example.org/it)") != []


def test_the_file_of_words_is_valid_and_every_rule_has_a_replacement() -> None:
    known = rules(WORDS.read_text())
    assert len(known) > 30
    assert all(instead.strip() for _, instead in known)


def test_files_of_other_kinds_are_not_read(tmp_path: Path) -> None:
    for name in ("a.py", "b.md", "c.bin", "d/e.toml"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    names = [path.relative_to(tmp_path).as_posix() for path in files([str(tmp_path)])]
    assert names == ["a.py", "b.md", "d/e.toml"]


def test_the_exit_code_says_whether_a_word_was_found(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "page.md"
    page.write_text("Nobody is here.\n")
    assert main([str(page)]) == 1
    assert capsys.readouterr().out.startswith(f"{page}:1: 'Nobody': write ")
    page.write_text("All is well.\n")
    assert main([str(page)]) == 0
