"""Show the result of a rehearsal."""

from __future__ import annotations

from typing import Any

from pipeline.core.starter.rehearsal import Rehearsal
from pipeline.core.times import format_duration


def text(done: Rehearsal) -> str:
    """Return what was proved, how long each step took, and what follows."""
    total = format_duration(sum(step.seconds for step in done.steps))
    lines = [f"Baked, promoted and answered in {total}:", f"  {done.answer}"]
    lines += [f"  {format_duration(step.seconds):>8}  {step.name}" for step in done.steps]
    if done.kept:
        lines += ["The local cloud is still running. To use it, and to stop it:"]
        lines += [f"  {line}" for line in done.kept]
    return "\n".join(lines)


def document(done: Rehearsal) -> dict[str, Any]:
    """Return a rehearsal for `--output json`; durations are in seconds."""
    steps = [{"command": step.name, "seconds": round(step.seconds, 1)} for step in done.steps]
    return {"url": done.url, "answer": done.answer, "steps": steps}
