"""Intercept the boundaries of Terraform's stand-in: its AWS calls and the writes of its state.

The program that tests/crash puts on the PATH installs this before the stand-in runs. It may kill
the tool that started it, and itself.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from tests.crash.boundaries import EFFECT, READS, ordered
from tests.standin import aws, state


def install(order: Path) -> None:
    """Intercept the boundaries of this process if there is an order file."""
    if "apply" not in sys.argv:
        return
    watched = ordered(order)
    if watched is None:
        return
    output = watched.log.read_text() if watched.log.exists() else ""
    watched.prefix = f"apply {output.count('start terraform apply') // 2}/"
    call, save = aws.Aws._once, state.State.save

    def calling(self: Any, service: str, action: str, body: str) -> Any:
        if action.startswith(READS):
            return call(self, service, action, body)
        with watched.at(f"{service}.{action}") as reached:
            answer = call(self, service, action, body)
            reached(EFFECT)
            return answer

    def saving(self: Any) -> None:
        with watched.at("save"):
            save(self)

    aws.Aws._once = calling  # type: ignore[method-assign]
    state.State.save = saving  # type: ignore[method-assign]
