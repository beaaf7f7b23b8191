"""Record the deployments of a demo: who answered in each second, and which phase ran when.

The picture in README.md is drawn from such a file (`tools.demo.picture`).
"""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Protocol

from tools.demo.steps import Record, Step

DOCUMENT = ".ami-pipeline/environments/staging.json"
INTERVAL = 0.1
"""Seconds between two reads of the document."""
BEFORE, AFTER = 3, 5
"""Seconds of load that are kept around a command."""
FAILED = "failed"


class Answer(Protocol):
    """A request: when it was due (monotonic), and the version that answered it, if any."""

    @property
    def at(self) -> float:
        """When the request was due."""

    @property
    def version(self) -> str:
        """The version that answered; empty if the request failed."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Change:
    """A moment (monotonic) at which another phase was found in the document; empty for none."""

    at: float
    phase: str


@contextmanager
def recorded_phases(folder: Path) -> Iterator[list[Change]]:
    """Note each change of the phase in a project's document until the block ends."""
    changes: list[Change] = []
    ended = threading.Event()
    thread = threading.Thread(target=_watch, args=(folder / DOCUMENT, changes, ended.wait))
    thread.start()
    try:
        yield changes
    finally:
        ended.set()
        thread.join()


def _watch(document: Path, changes: list[Change], wait: Callable[[float], bool]) -> None:
    last = ""
    while not wait(INTERVAL):
        if (phase := _phase(document)) != last:
            changes.append(Change(at=time.monotonic(), phase=phase))
            last = phase


def _phase(document: Path) -> str:
    try:
        content = json.loads(document.read_bytes())["content"]
    except FileNotFoundError:
        return ""
    return str((content["deployment"] or {}).get("phase", ""))


def recording(record: Record, changes: Sequence[Change]) -> dict[str, Any]:
    """Return every deployment that ran under load, with its phases and its answers."""
    under_load = [
        step
        for step in record.steps
        if step.name.startswith(("promote", "rollback"))
        and any(answer.at < step.began for answer in record.answers)
    ]
    return {"deployments": [_deployment(record, step, changes) for step in under_load]}


def _deployment(record: Record, step: Step, changes: Sequence[Change]) -> dict[str, Any]:
    began = step.began - BEFORE
    seconds = int(step.ended + AFTER - began)
    return {
        "name": step.name,
        "outcome": step.outcome,
        "began": BEFORE,
        "ended": round(step.ended - began, 1),
        "phases": [
            {"name": name, "began": round(at - began, 1), "ended": round(until - began, 1)}
            for name, at, until in _phases(step, changes)
        ],
        "answers": _per_second(record.answers, began, seconds),
    }


def _phases(step: Step, changes: Sequence[Change]) -> Iterator[tuple[str, float, float]]:
    """Yield each phase of a step with its two moments."""
    during = [change for change in changes if step.began <= change.at <= step.ended]
    for change, later in pairwise([*during, Change(at=step.ended, phase="")]):
        if change.phase:
            yield change.phase, change.at, later.at


def _per_second(answers: Sequence[Answer], began: float, seconds: int) -> dict[str, list[int]]:
    """Return how many requests of each second were answered by each version, or failed."""
    counts: dict[str, Counter[int]] = {}
    for answer in answers:
        second = int(answer.at - began) if answer.at >= began else -1
        if 0 <= second < seconds:
            counts.setdefault(answer.version or FAILED, Counter())[second] += 1
    return {
        version: [found[second] for second in range(seconds)]
        for version, found in sorted(counts.items())
    }


def written(found: dict[str, Any]) -> str:
    """Return the text of the file, one line for each phase and each version."""
    parts = [_written(each) for each in found["deployments"]]
    return '{"deployments": [\n' + ",\n".join(parts) + "\n]}\n"


def _written(deployment: dict[str, Any]) -> str:
    facts = {key: value for key, value in deployment.items() if key not in {"phases", "answers"}}
    head = json.dumps(facts)[:-1]
    phases = ",\n   ".join(map(json.dumps, deployment["phases"]))
    answers = ",\n   ".join(
        f"{json.dumps(version)}: {json.dumps(counts)}"
        for version, counts in deployment["answers"].items()
    )
    return f'{head},\n  "phases": [\n   {phases}],\n  "answers": {{\n   {answers}}}}}'
