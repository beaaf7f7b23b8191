"""Notice a call of AWS that the program makes outside of `retry`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pipeline
from pipeline.adapters.aws import client, retry

PIPELINE = Path(pipeline.__file__).parent
RETRY = Path(retry.__file__)
TESTS = Path(__file__).parents[1]


class UnguardedCallError(AssertionError):
    """A module of the program called a client itself."""


def watch_calls() -> None:
    """Let every client that `Clients` makes from now on check who calls it."""
    make = client._make

    def make_watched(service: str, region: str) -> Any:
        made = make(service, region)
        made.meta.events.register("before-call", _require_retry)
        return made

    client._make = make_watched


def _require_retry(model: Any, **_: Any) -> None:
    caller = _caller()
    if caller.is_relative_to(PIPELINE) and caller != RETRY:
        raise UnguardedCallError(f"{caller} calls {model.name} outside of retry.call")


def _caller() -> Path:
    """Return the file of the innermost frame that belongs to this repository."""
    frame: Any = sys._getframe(2)  # above `_require_retry`
    while frame:
        path = Path(frame.f_code.co_filename)
        if path.is_relative_to(PIPELINE) or path.is_relative_to(TESTS):
            return path
        frame = frame.f_back
    return TESTS
