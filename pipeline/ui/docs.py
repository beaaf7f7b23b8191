"""Show the shipped documentation: a list of topics, or a page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TextIO

from pipeline.core import commands
from pipeline.core.documentation import Page
from pipeline.ui.text import table

WIDTH = 100
"""The widest that a page is drawn."""


def topics_text(pages: Sequence[Page]) -> str:
    """Return a line for each topic, how to read one, and the folder of the files to copy."""
    lines = table([(page.topic, page.title) for page in pages])
    folder = pages[0].file.parents[1] / "ci"
    return "\n".join([*lines, "", f"read one: {commands.docs('TOPIC')}", f"CI files: {folder}"])


def topics_document(pages: Sequence[Page]) -> dict[str, Any]:
    """Return the topics for a program."""
    return {"topics": [_facts(page) for page in pages]}


def page_document(page: Page) -> dict[str, Any]:
    """Return a page for a program."""
    return {**_facts(page), "text": page.text}


def _facts(page: Page) -> dict[str, str]:
    return {"topic": page.topic, "title": page.title, "file": str(page.file)}


def draw_page(page: Page, stream: TextIO, width: int, *, color: bool) -> None:
    """Draw the Markdown of a page on a terminal."""
    from rich.console import Console
    from rich.markdown import Markdown

    console = Console(file=stream, width=min(width, WIDTH), no_color=not color)
    console.print(Markdown(page.text, hyperlinks=False))
