from __future__ import annotations

from datetime import UTC, datetime

import pytest

from pipeline.ui.text import age, one_line, wrapped

ESC = "\x1b"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain text", "plain text"),
        ("  trimmed\t tab ", "trimmed  tab"),
        (f"{ESC}[31mred{ESC}[0m", "red"),
        (f"{ESC}]0;title\x07text", "text"),
        (f"{ESC}]8;;http://x{ESC}\\link{ESC}]8;;{ESC}\\", "link"),
        (f"{ESC}[2J{ESC}[1;1Hgone", "gone"),
        (f"end{ESC}", "end"),
        ("one\r\ntwo\nthree", "one two three"),
        ("10%\r100%", "10% 100%"),
        ("a\x00b\x07c\x08d", "abcd"),
        ("a\u202eb\u2066c\u200bd", "abcd"),
        ("a\u2028b\x85c\vd", "abcd"),
        ("über 漢字", "über 漢字"),
        ("::set-output name=x::y", ": :set-output name=x::y"),
        ("  ::error::x", ": :error::x"),
        ("\u200b::error::x", ": :error::x"),
        ("\u200b\n::error::x", ": :error::x"),
        ("\u200b \r::error::x", ": :error::x"),
        (f"{ESC}[0m ::error::x", ": :error::x"),
        ("a\n::error::x", "a ::error::x"),
        ("##[add-mask]x", "# #[add-mask]x"),
        ("say ##[error]x", "say # #[error]x"),
        ("##vso[task.setvariable]x", "# #vso[task.setvariable]x"),
        (f"#{ESC}[0m#[error]x", "# #[error]x"),
        ("#\u200b#[error]x", "# #[error]x"),
        ("###[x]", "## #[x]"),
        ("# not a command ##", "# not a command ##"),
        ("", ""),
    ],
)
def test_any_text_becomes_one_harmless_line(text: str, shown: str) -> None:
    assert one_line(text) == shown


@pytest.mark.parametrize(
    ("width", "shown"), [(0, "abcdefghij"), (10, "abcdefghij"), (9, "abcdef..."), (3, "...")]
)
def test_a_line_is_cut_to_the_width(width: int, shown: str) -> None:
    assert one_line("abcdefghij", width) == shown


@pytest.mark.parametrize(
    ("created", "shown"),
    [
        ("2026-01-10T11:59:58Z", "2s"),
        ("2026-01-10T11:58:00.000Z", "2m"),
        ("2026-01-10T07:00:00Z", "5h"),
        ("2026-01-07T12:00:00Z", "3d"),
        ("2026-01-10T12:00:05Z", "0s"),
        ("2026-01-09", "?"),
        ("", "?"),
        ("yesterday", "?"),
    ],
)
def test_an_age_is_in_its_largest_unit(created: str, shown: str) -> None:
    assert age(created, datetime(2026, 1, 10, 12, tzinfo=UTC)) == shown


def test_a_command_is_not_broken() -> None:
    command = "ami-pipeline rollback -e production"
    assert wrapped(f"then: {command}: x", 40, 0) == f"then:\n{command}: x"
    assert wrapped(f"then: {command} --config 'my web.toml' x", 40, 0) == (
        f"then:\n{command} --config 'my web.toml'\nx"
    )


@pytest.mark.parametrize("duration", ["1m 30s", "900 s"])
def test_a_duration_is_not_broken(duration: str) -> None:
    assert wrapped("word " * 4 + f"in {duration}", 27, 0) == f"word word word word in\n{duration}"


def test_no_line_of_a_wrapped_text_is_a_command_to_a_ci_runner() -> None:
    """GitHub's runner trims a line before it recognizes a command (actions/runner)."""
    assert wrapped("a longer reason ::error::b", 20, 2) == "a longer reason\n  : :error::b"
