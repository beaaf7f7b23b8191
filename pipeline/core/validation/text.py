"""Check text of users: no invisible characters, no command to a CI runner, no template call.

Length is checked first, so that a hostile megabyte costs nothing. Messages show a value shortened
and escaped, or not at all if it may be a secret.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

LONGEST_SHOWN: Final = 64

# Fillers and variation selectors: invisible, but in no category of their own.
_INVISIBLE = frozenset(
    "\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0" + "".join(map(chr, range(0xFE00, 0xFE10)))
)
# CI runners execute such text anywhere in the output of a job.
_WORKFLOW = re.compile(
    r"::(?:add-mask|add-matcher|add-path|debug|echo|endgroup|error|group|notice|remove-matcher"
    r"|save-state|set-env|set-output|stop-commands|warning)\b[^:]*::|##(?:vso|teamcity)?\[|%0[ad]",
    re.IGNORECASE,
)
# Packer, HCL and shell-like templates; JSON templates evaluate `{{` in a variable's value.
_TEMPLATE = re.compile(r"\{\{|\}\}|[$%]\{")


def shown(value: str) -> str:
    """Return a value for a message: quoted, escaped to printable ASCII, shortened."""
    short = value if len(value) <= LONGEST_SHOWN else value[:LONGEST_SHOWN] + "..."
    return ascii(short)


def require_text(value: str, longest: int, allowed: str, *, secret: bool = False) -> None:
    """Reject text that is dangerous if a template engine evaluates it."""
    require_harmless(value, longest, allowed, secret=secret)
    if _TEMPLATE.search(value):
        subject = "the value" if secret else shown(value)
        raise ValueError(f"{subject} contains a template call: {allowed}")


def require_harmless(value: str, longest: int, allowed: str, *, secret: bool = False) -> None:
    """Reject text that is too long, or contains invisible characters or CI commands."""
    if not value:
        raise ValueError(f"is empty: {allowed}")
    if len(value) > longest:
        raise ValueError(f"has {len(value)} characters: {allowed}")
    subject = "the value" if secret else shown(value)
    for character in value:
        if _is_invisible(character):
            code = f"U+{ord(character):04X}"
            raise ValueError(f"{subject} contains the invisible character {code}: {allowed}")
    if not unicodedata.is_normalized("NFC", value):
        raise ValueError(f"{subject} is not in Unicode normal form C: {allowed}")
    if _WORKFLOW.search(value):
        raise ValueError(f"{subject} contains a command to the CI runner: {allowed}")


def require_ascii(value: str, longest: int, allowed: str) -> None:
    """Reject anything but text of at most `longest` ASCII characters."""
    require_text(value, longest, allowed)
    if not value.isascii():
        # Letters of other scripts can be mistaken for Latin ones.
        raise ValueError(f"{shown(value)} contains letters outside ASCII: {allowed}")


def require_trimmed(value: str, allowed: str) -> None:
    """Reject text that begins or ends with a space."""
    if value != value.strip():
        raise ValueError(f"{shown(value)} begins or ends with a space: {allowed}")


def require_match(pattern: re.Pattern[str], value: str, allowed: str) -> str:
    """Return the value, or reject it if it does not match the pattern."""
    if not pattern.fullmatch(value):
        raise ValueError(f"{shown(value)} is not allowed: {allowed}")
    return value


def _is_invisible(character: str) -> bool:
    """Return True for control and format characters, and for spaces other than the usual one."""
    if character == " ":
        return False
    return unicodedata.category(character)[0] in "CZ" or character in _INVISIBLE
