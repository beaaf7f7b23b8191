"""Define what a deployment records of its analysis: the judgment at the end of each phase."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.core.analysis.judgment import Finding, Judged, Judgment


@dataclass(frozen=True, kw_only=True, slots=True)
class PhaseAnalysis:
    """The last judgment of a phase."""

    phase: str
    findings: tuple[Finding, ...]

    @property
    def judgment(self) -> Judgment:
        """The findings as a judgment."""
        return Judgment(findings=self.findings)

    def __str__(self) -> str:
        """Return the result in words; the reason of a failure is the deployment's own."""
        judged = self.judgment
        said = f"{self.phase} {judged.result}"
        return f"{said} ({judged.reason})" if judged.result is Judged.INCONCLUSIVE else said
