from __future__ import annotations

from pipeline.ui import github


def test_the_data_of_a_command_is_escaped_for_the_runner() -> None:
    assert github.group("100 % of a,b:c") == "::group::100 %25 of a,b:c"
    assert github.error("a,b:c", "50 %: x") == "::error title=a%2Cb%3Ac::50 %25: x"
    assert github.notice("t", "a\nb\r\nc") == "::notice title=t::a b c"


def test_a_second_command_cannot_follow_in_the_same_line() -> None:
    assert github.error("t", "%0A::notice::x") == "::error title=t::%250A::notice::x"
    assert github.notice("::error::", "##[group]x") == (
        "::notice title=%3A %3Aerror%3A%3A::# #[group]x"
    )


def test_a_long_annotation_is_cut() -> None:
    assert len(github.error("t", "x" * 10_000)) < 4096
