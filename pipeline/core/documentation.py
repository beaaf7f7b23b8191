"""Describe a page of the shipped documentation and find one by its topic."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from pipeline.core import commands
from pipeline.core.errors import ConfigurationError


@dataclass(frozen=True, kw_only=True, slots=True)
class Page:
    """A page of the guide or the reference: its topic, its title, its file and its Markdown."""

    topic: str
    title: str
    file: Path
    text: str


def find(pages: Sequence[Page], topic: str) -> Page:
    """Return the page of a topic; raises ConfigurationError naming the nearest topic."""
    for page in pages:
        if page.topic == topic:
            return page
    near = get_close_matches(topic.lower(), [page.topic for page in pages], n=1)
    raise ConfigurationError(
        commands.docs(),
        f"there is no topic {topic!r}" + (f"; the nearest is {near[0]}" if near else ""),
        commands.docs(*near),
    )
