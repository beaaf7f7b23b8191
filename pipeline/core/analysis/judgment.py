"""Define the judgment of an analysis, and how those of several comparisons combine."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Judged(StrEnum):
    """The three results, the most severe first."""

    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"
    PASS = "pass"  # noqa: S105 - no password


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """The result of one comparison, with a sentence that has its numbers."""

    name: str
    result: Judged
    sentence: str

    def __str__(self) -> str:
        """Return `NAME: SENTENCE`."""
        return f"{self.name}: {self.sentence}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Judgment:
    """The results of all comparisons at one time."""

    findings: tuple[Finding, ...] = ()

    @property
    def result(self) -> Judged:
        """Fail if one comparison fails, pass if all pass; without a comparison, pass."""
        found = {each.result for each in self.findings}
        return next((each for each in Judged if each in found), Judged.PASS)

    @property
    def decisive(self) -> tuple[Finding, ...]:
        """The findings that have the result of the whole."""
        return tuple(each for each in self.findings if each.result is self.result)

    @property
    def reason(self) -> str:
        """The decisive findings in one line."""
        return "; ".join(map(str, self.decisive))


def joined(judgments: Iterable[Judgment]) -> Judgment:
    """Return one judgment with the findings of all."""
    return Judgment(findings=tuple(each for one in judgments for each in one.findings))
