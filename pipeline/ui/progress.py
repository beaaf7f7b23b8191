"""Show the progress of a bake or a deployment: a live display on a terminal, lines elsewhere.

Both show the same events and write to stderr only; stdout is for the result.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TextIO

from pipeline.core.events import Report
from pipeline.core.image import NO_ITEMS
from pipeline.ui import github
from pipeline.ui.plain import PlainProgress


@contextmanager
def progress(
    stream: TextIO, *, live: bool, environ: Mapping[str, str] = NO_ITEMS
) -> Iterator[Report]:
    """Yield the function that reports events; `live` selects the live display.

    `environ` is the environment of the process, which says whether it runs on GitHub.
    """
    if live:
        from pipeline.ui.live import LiveProgress

        display: PlainProgress | LiveProgress = LiveProgress(stream)
    else:
        display = PlainProgress(stream, on_github=github.is_github(environ))
    try:
        yield display.report
    finally:
        display.close()
