"""Decide whether the answer to a request of the probe is the expected one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from pipeline.core.image import NO_ITEMS
from pipeline.core.probe.settings import Probe, format_statuses

EXCERPT_LINES = 5
EXCERPT_LENGTH = 400
"""The part of a failing answer's body that is kept, in lines and characters."""
LARGEST_DOCUMENT = 16 * 1024
"""Bytes of a JSON answer that may name a version."""
LONGEST_VERSION = 64


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """What a server answered: an HTTP status, its headers and the beginning of the body.

    The names of `headers` are in lower case.
    """

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=lambda: NO_ITEMS, compare=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class Result:
    """One request of the probe; `failure` says what is wrong with its answer, empty for nothing.

    `phase` is the phase in which it was sent, `sent` the monotonic time in seconds, `at` the time
    of day (UTC, ISO 8601). `seconds` is how long the answer took. `excerpt` has the first lines of
    a failing answer's body. `member` is the address and port of the member that was requested,
    empty for a load balancer. `status` is 0 without an answer, `version` the version that the
    answer names, empty if none.
    """

    phase: str
    sent: float
    at: str = ""
    seconds: float = 0.0
    failure: str = ""
    excerpt: str = ""
    member: str = ""
    status: int = 0
    version: str = ""


def failure_of(probe: Probe, answer: Answer) -> str:
    """Return what is wrong with an answer, empty if it is the expected one."""
    if not any(low <= answer.status <= high for low, high in probe.expect):
        return f"HTTP {answer.status}, expected {format_statuses(probe.expect)}"
    if probe.contains and probe.contains.encode() not in answer.body:
        return f"HTTP {answer.status} without {probe.contains!r} in the body"
    return ""


def version_of(probe: Probe, answer: Answer) -> str:
    """Return the version that an answer names, empty if it names none.

    It is in a header, or in a field of a small JSON object. Its characters are printable.
    """
    source, _, name = probe.version_in.rpartition(":")
    found = answer.headers.get(name.lower(), "") if source else _field(answer.body, name)
    return "".join(each for each in found if each.isprintable())[:LONGEST_VERSION]


def _field(body: bytes, name: str) -> str:
    if not name or len(body) > LARGEST_DOCUMENT or not body.lstrip().startswith(b"{"):
        return ""
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return ""
    found = document.get(name) if isinstance(document, dict) else None
    return found if isinstance(found, str) else ""


def excerpt_of(body: bytes) -> str:
    """Return the first lines of a body; bytes that are not UTF-8 are replaced."""
    text = body[: EXCERPT_LENGTH * 4].decode("utf-8", "replace")[:EXCERPT_LENGTH]
    return "\n".join(text.strip().splitlines()[:EXCERPT_LINES])
