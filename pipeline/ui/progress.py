"""Shows a bake or a deployment while it runs: a live display on a terminal, lines elsewhere.

Both read the same events and write to stderr only; stdout is the result's.
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
    """Give the function to report events to; `live` asks for the display.

    `environ` is the process's environment, which says whether GitHub reads the lines.
    """
    if live:
        from pipeline.ui.live import LiveProgress

        shown: PlainProgress | LiveProgress = LiveProgress(stream)
    else:
        shown = PlainProgress(stream, on_github=github.asked(environ))
    try:
        yield shown.report
    finally:
        shown.close()
