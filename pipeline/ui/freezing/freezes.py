"""Render the freezes of an environment."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from pipeline.core import commands
from pipeline.core.freezing.freeze import Freeze, FreezeState
from pipeline.core.state.deployment import Deployment
from pipeline.core.times import format_time
from pipeline.ui.text import one_line

ALLOWED = "promote, rebuild and resume are refused; rollback, recover and abort still work"


def frozen_text(
    environment: str, state: FreezeState, in_flight: Deployment | None, now: datetime
) -> str:
    """Return the freezes after one was made, and what they mean for a deployment in flight."""
    lines = [f"{environment} is frozen {each.describe(now)}" for each in state.active]
    lines.append(ALLOWED)
    if in_flight:
        name = f"{in_flight.kind} {in_flight.id}"
        paused = f"{name} is paused: it needs abort, or resume after the freeze"
        lines.append(paused if in_flight.pause else f"{name} is in flight: it continues to its end")
    lines.append(f"to lift it: {commands.unfreeze(environment)}")
    return "\n".join(map(one_line, lines))


def lifted_text(
    environment: str, state: FreezeState, lifted: Sequence[Freeze], now: datetime
) -> str:
    """Return what was lifted, and what still freezes the environment."""
    if not lifted:
        return f"nothing to do: {environment} is not frozen"
    lines = [f"lifted: the freeze {each.describe(now)}" for each in lifted]
    lines += [f"{environment} is still frozen {each.describe(now)}" for each in state.active]
    lines += [] if state.active else [f"{environment} is not frozen"]
    return "\n".join(map(one_line, lines))


def format_freezes(state: FreezeState, now: datetime) -> str:
    """Return the freezes that last, or the next one that is planned; empty for neither."""
    if not state.active:
        following = state.following
        if following is None:
            return ""
        return one_line(
            f"none; next from {format_time(following.since, now)} {following.describe(now)}"
        )
    return one_line("; ".join([f"frozen {state.describe(now)}", *_later(state, now)]))


def _later(state: FreezeState, now: datetime) -> Iterator[str]:
    """Yield the end of the freezes that follow without a gap, if it is later."""
    if state.free not in {each.until for each in state.active}:
        yield f"more freezes follow until {format_time(state.free, now)}"


def freezes_document(state: FreezeState) -> dict[str, Any]:
    """Return the freezes for a program; `free` is when the last one in a row ends."""
    return {
        "frozen": bool(state.active),
        "free": state.free or None,
        "freezes": [freeze_document(each) for each in state.active],
        "following": freeze_document(state.following) if state.following else None,
    }


def freeze_document(freeze: Freeze) -> dict[str, Any]:
    """Return a freeze for a program; one of pipeline.toml has a window instead of a person."""
    return {
        "why": freeze.why,
        "since": freeze.since,
        "until": freeze.until,
        "by": freeze.by or None,
        "run": freeze.run or None,
        "window": freeze.window or None,
    }


def change_document(
    environment: str,
    state: FreezeState,
    lifted: Sequence[Freeze],
    in_flight: Deployment | None,
) -> dict[str, Any]:
    """Return what `freeze` and `unfreeze` did for a program."""
    return {
        "environment": environment,
        **freezes_document(state),
        "lifted": [freeze_document(each) for each in lifted],
        "in_flight": in_flight.id if in_flight else None,
    }
