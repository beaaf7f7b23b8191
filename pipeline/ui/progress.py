"""Show the progress of a bake or a deployment: a live display on a terminal, lines elsewhere.

Both show the same events and write to stderr only; stdout is for the result.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TextIO

from pipeline.core.events import DeploymentBegan, DeploymentEnded, Event, Message, Report
from pipeline.core.image import NO_ITEMS
from pipeline.ui import github
from pipeline.ui.deployment_text import format_ending
from pipeline.ui.plain import PlainProgress

if TYPE_CHECKING:
    from pipeline.ui.live import LiveProgress


@contextmanager
def progress(
    stream: TextIO,
    *,
    live: bool,
    environ: Mapping[str, str] = NO_ITEMS,
    result_follows: bool = False,
) -> Iterator[Report]:
    """Yield the function that reports events; `live` selects the live display.

    `environ` is the environment of the process, which says whether it runs on GitHub. With
    `result_follows`, the reader of the progress also reads the result, which says how the last
    deployment ended: the progress does not.
    """
    if live:
        from pipeline.ui.live import LiveProgress

        display: PlainProgress | LiveProgress = LiveProgress(stream)
    else:
        display = PlainProgress(stream, on_github=github.is_github(environ))
    endings = _Endings(display=display) if result_follows else None
    try:
        yield endings.report if endings else display.report
    except BaseException:
        if endings:
            endings.tell()
        raise
    finally:
        display.close()


@dataclass(kw_only=True)
class _Endings:
    """Holds back how a deployment ended until another one begins; that of the last is dropped."""

    display: PlainProgress | LiveProgress
    _held: str = field(default="", init=False)

    def __post_init__(self) -> None:
        """Let the display say no ending itself."""
        self.display.says_endings = False

    def report(self, event: Event) -> None:
        if isinstance(event, DeploymentBegan):
            self.tell()
        self.display.report(event)
        if isinstance(event, DeploymentEnded):
            self._held = format_ending(event.deployment)

    def tell(self) -> None:
        """Say how the deployment before ended."""
        if self._held:
            self.display.report(Message(text=self._held))
        self._held = ""
