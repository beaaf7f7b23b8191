"""Define everything that is recorded about one deployment, as a report shows it."""

from __future__ import annotations

from dataclasses import dataclass, field

from pipeline.core.state.deployment import Deployment
from pipeline.core.state.journal import Entry
from pipeline.core.timeline.model import Span, Timeline

LONGEST_TEXT = 20_000
"""Characters of a text file that are shown, the last ones."""


@dataclass(frozen=True, kw_only=True, slots=True)
class DeploymentRecord:
    """A deployment with its timeline, its journal and its text files, by their names."""

    deployment: Deployment
    timeline: Timeline = field(default_factory=Timeline)
    journal: tuple[Entry, ...] = ()
    texts: tuple[tuple[str, str], ...] = ()

    @property
    def spans(self) -> tuple[Span, ...]:
        """When each phase ran; without a timeline, one phase follows another."""
        if self.timeline.spans:
            return self.timeline.spans
        found, began = list[Span](), 0.0
        for run in self.deployment.phases:
            ended = began + run.seconds
            found.append(Span(name=run.name, began=began, ended=ended, fault=run.fault))
            began = ended
        return tuple(found)


def shortened(text: str) -> str:
    """Return the last part of a long text."""
    if len(text) <= LONGEST_TEXT:
        return text
    return f"... ({len(text) - LONGEST_TEXT} characters before)\n{text[-LONGEST_TEXT:]}"
