"""Read the lines of journals and consoles, and put those of several members in order of time."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from shlex import quote
from typing import Literal

LONGEST = 4096
"""Characters of a line that are shown."""
ANSWER = 23_000
"""Bytes that a member sends at once: GetCommandInvocation returns 24,000 characters at most."""
MISSING = 127
"""The exit code of the script on a member without journalctl, as of a shell."""
OVERLAP = 200
"""Characters by which the end of a console is found again in a later reading."""
_ENTRY = re.compile(
    r"(?P<at>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d\d:?\d\d) \S+ (?P<text>.*)", re.ASCII
)
# A cursor goes into the next command to every member, in which Systems Manager resolves
# `{{ssm:NAME}}` with the caller's permissions (Systems Manager User Guide, "Working with Parameter
# Store"): a member could read a parameter so, or run its value elsewhere.
_CURSOR = re.compile(r"-- cursor: (?P<cursor>[0-9A-Za-z;=]{1,300})", re.ASCII)
_REBOOT = "-- "
_LINES = re.compile(r"\r*\n|\r")


@dataclass(frozen=True, kw_only=True, slots=True)
class LogLine:
    """One line of a member; `at` is ISO 8601, empty for a console, which has no times."""

    member: str
    release: str
    source: Literal["journal", "console"]
    at: str
    text: str


@dataclass(frozen=True, kw_only=True, slots=True)
class JournalPart:
    """A part of a journal: its entries with their times, and the cursor to continue after.

    `cut` says that entries before these were left out.
    """

    entries: tuple[tuple[str, str], ...] = ()
    cursor: str = ""
    cut: bool = False


def journal_script(lines: int, cursors: Mapping[str, str]) -> list[str]:
    """Return the lines of a shell script that prints the end of the journal.

    A member in `cursors` prints what came after its cursor. SSM Agent tells a script the id of its
    instance (amazon-ssm-agent, agent/executers/executers.go). The options are those of systemd 219,
    which Amazon Linux 2 has.
    """
    known = [f"{member}) set -- --after-cursor={quote(at)};;" for member, at in cursors.items()]
    choice = ["case $AWS_SSM_INSTANCE_ID in", *known, "esac"] if known else []
    show = "journalctl --no-pager --quiet --utc --output=short-iso --show-cursor"
    return [
        "export LC_ALL=C.UTF-8",
        f"command -v journalctl >/dev/null || exit {MISSING}",
        f"set -- --lines={lines}",
        *choice,
        f'{show} "$@" | tail -c {ANSWER}',
    ]


def parse_journal(output: str) -> JournalPart:
    """Return what `journal_script` printed; a line without a time continues the one before."""
    cut = len(output.encode()) >= ANSWER
    entries: list[tuple[str, str]] = []
    cursor = ""
    for line in _LINES.split(output)[1 if cut else 0 :]:
        if found := _CURSOR.fullmatch(line):
            cursor = found["cursor"]
        elif (entry := _ENTRY.fullmatch(line)) and (at := _iso(entry["at"])):
            entries.append((at, entry["text"][:LONGEST]))
        elif line and not line.startswith(_REBOOT):
            entries.append((entries[-1][0] if entries else "", line[:LONGEST]))
    return JournalPart(entries=tuple(entries), cursor=cursor, cut=cut)


def _iso(time: str) -> str:
    """Return a time in UTC's range, empty for none: what a member prints may be anything."""
    try:
        found = datetime.fromisoformat(time)
        found.astimezone(UTC)
    except (ValueError, OverflowError):
        return ""
    return found.isoformat()


def in_order(lines: Iterable[LogLine]) -> tuple[LogLine, ...]:
    """Return lines in order of time; a console has no times, so it comes first, as it is."""
    return tuple(sorted(lines, key=_moment))


def _moment(line: LogLine) -> float:
    return datetime.fromisoformat(line.at).timestamp() if line.at else 0.0


def console_lines(text: str, count: int) -> Sequence[str]:
    """Return the last lines of a console."""
    printed = _LINES.split(text.rstrip()) if text.strip() else []
    return [line[:LONGEST] for line in printed[-count:]]


def printed_since(before: str, now: str) -> str:
    """Return what a console printed since the reading `before`; everything if that is not found.

    EC2 keeps the last 64 KB, so an earlier reading is not always a beginning of the next one.
    """
    end = before[-OVERLAP:]
    if not end or (at := now.rfind(end)) < 0:
        return now
    return now[at + len(end) :].lstrip("\r\n")


def lines_of_journal(member: str, release: str, part: JournalPart) -> Iterator[LogLine]:
    """Yield the entries of a part as lines of a member."""
    for at, text in part.entries:
        yield LogLine(member=member, release=release, source="journal", at=at, text=text)
