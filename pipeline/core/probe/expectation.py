"""Decide whether the answer to a request of the probe is the expected one."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.core.probe.settings import Probe, format_statuses

EXCERPT_LINES = 5
EXCERPT_LENGTH = 400
"""The part of a failing answer's body that is kept, in lines and characters."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """What a server answered: an HTTP status and the beginning of the body."""

    status: int
    body: bytes = b""


@dataclass(frozen=True, kw_only=True, slots=True)
class Result:
    """One request of the probe; `failure` says what is wrong with its answer, empty for nothing.

    `phase` is the phase in which it was sent, `sent` the monotonic time in seconds, `at` the time
    of day (UTC, ISO 8601). `seconds` is how long the answer took. `excerpt` has the first lines of
    a failing answer's body.
    """

    phase: str
    sent: float
    at: str = ""
    seconds: float = 0.0
    failure: str = ""
    excerpt: str = ""


def failure_of(probe: Probe, answer: Answer) -> str:
    """Return what is wrong with an answer, empty if it is the expected one."""
    if not any(low <= answer.status <= high for low, high in probe.expect):
        return f"HTTP {answer.status}, expected {format_statuses(probe.expect)}"
    if probe.contains and probe.contains.encode() not in answer.body:
        return f"HTTP {answer.status} without {probe.contains!r} in the body"
    return ""


def excerpt_of(body: bytes) -> str:
    """Return the first lines of a body; bytes that are not UTF-8 are replaced."""
    text = body[: EXCERPT_LENGTH * 4].decode("utf-8", "replace")[:EXCERPT_LENGTH]
    return "\n".join(text.strip().splitlines()[:EXCERPT_LINES])
