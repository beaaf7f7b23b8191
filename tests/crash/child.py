"""The boundaries of a Terraform's stand-in: its calls of AWS and the writes of its state.

Installed by the program that tests/crash puts on the PATH, before the stand-in runs. It may end
the tool that started it, and itself with it.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from tests.crash.boundaries import EFFECT, READS, ordered
from tests.standin import aws, state


def install(order: Path) -> None:
    """Have the boundaries of this run told, if anybody asks."""
    if "apply" not in sys.argv:
        return
    watched = ordered(order)
    if watched is None:
        return
    said = watched.log.read_text() if watched.log.exists() else ""
    watched.prefix = f"apply {said.count('start terraform apply') // 2}/"
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
