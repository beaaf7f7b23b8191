"""Check the values of [promote.probe]: the URL, the expected answers, the limit of failures."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import SplitResult, urlsplit

from pipeline.core.validation.text import require_harmless, require_match, shown

LONGEST_URL: Final = 2048
LONGEST_TEXT: Final = 256
MOST_HEADERS: Final = 20
MOST_FAILURES: Final = 1_000_000
LONGEST_TIMEOUT: Final = 60.0
ADDRESS: Final = "{address}"
"""What stands for the private address of a member in its URL."""
METHODS: Final = ("GET", "HEAD")

_RANGE = re.compile(r"([1-5][0-9][0-9])(?:-([1-5][0-9][0-9]))?")
_SHARE = re.compile(r"([0-9]{1,2}(?:\.[0-9]{1,2})?)%")
# RFC 9110, 5.1: a field name is a token.
_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_PLACE = re.compile(r"(?:header:)?[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_SENT = frozenset({"connection", "content-length", "transfer-encoding"})
_SECRET = re.compile(r"authorization|cookie|token|secret|password|api-?key", re.IGNORECASE)


def check_url(value: str) -> str:
    """Check the URL that a probe requests; an empty one means that there is no probe."""
    if not value:
        return value
    allowed = "write a URL such as https://www.example.com/health"
    require_harmless(value, LONGEST_URL, allowed)
    if not value.isascii() or " " in value:
        raise ValueError(f"{shown(value)} is not ASCII without spaces: {allowed}")
    parts = urlsplit(value)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError(f"{shown(value)} is not an http or https URL: {allowed}")
    if parts.username is not None or parts.password is not None:
        raise ValueError("contains a user name, which logs would show: request a path without one")
    if parts.fragment or not _has_port(parts):
        raise ValueError(f"{shown(value)} has a fragment or an impossible port: {allowed}")
    return value


def check_member_url(value: str) -> str:
    """Check the URL of a member: one in which `{address}` stands for its private address."""
    if value:
        if ADDRESS not in value:
            raise ValueError(
                f"{shown(value)} does not contain {ADDRESS}, the private address of a member: "
                f"write a URL such as http://{ADDRESS}:8080/health"
            )
        check_url(value.replace(ADDRESS, "192.0.2.1"))
    return value


def _has_port(parts: SplitResult) -> bool:
    try:
        return parts.port != 0
    except ValueError:  # beyond 65535, or no number
        return False


def check_expect(value: object) -> str:
    """Check the expected status codes; a number is one of them."""
    text = str(value) if type(value) is int or isinstance(value, str) else f"{value!r}"[:32]
    read_expect(text)
    return text


def read_expect(value: str) -> tuple[tuple[int, int], ...]:
    """Return the ranges of status codes in a text such as `200-299, 404`."""
    allowed = 'write status codes from 100 to 599, such as 200 or "200-399, 404"'
    ranges = []
    for part in value.split(","):
        found = _RANGE.fullmatch(part.strip())
        low, high = (int(found[1]), int(found[2] or found[1])) if found else (1, 0)
        if low > high:
            raise ValueError(f"{shown(value)} is not allowed: {allowed}")
        ranges.append((low, high))
    return tuple(ranges)


def check_max_failures(value: object) -> int | str:
    """Check how many requests may fail: a number, or a share of those of a minute."""
    allowed = 'write a whole number of 0 or more, or a share of a minute\'s requests such as "1%"'
    if type(value) is int and 0 <= value <= MOST_FAILURES:
        return value
    if isinstance(value, str) and _SHARE.fullmatch(value):
        return value
    raise ValueError(f"{shown(str(value))} is not allowed: {allowed}")


def share_of(value: str) -> float:
    """Return a share such as `1%` as a number from 0 to 1."""
    return float(value.removesuffix("%")) / 100


def check_contains(value: str) -> str:
    """Check the text that a body must contain; an empty one is in every body."""
    if value:
        require_harmless(value, LONGEST_TEXT, f"a text has at most {LONGEST_TEXT} characters")
    return value


def check_header_name(value: str) -> str:
    """Check the name of a header; a secret would be readable in pipeline.toml."""
    allowed = "a header has a name such as X-Probe"
    require_harmless(value, LONGEST_TEXT, allowed)
    require_match(_HEADER, value, allowed)
    if value.lower() in _SENT:
        raise ValueError(f"the probe sets {value} itself: remove it")
    if _SECRET.search(value):
        raise ValueError(f"{value} is a secret, which does not belong in a file: remove it")
    return value


def check_header_value(value: str) -> str:
    """Check the value of a header: printable ASCII."""
    allowed = f"a header's value has 1 to {LONGEST_TEXT} characters of ASCII"
    require_harmless(value, LONGEST_TEXT, allowed)
    if not value.isascii():
        raise ValueError(f"{shown(value)} contains letters outside ASCII: {allowed}")
    return value


def check_method(value: str) -> str:
    """Check the method: one that changes nothing."""
    if value not in METHODS:
        raise ValueError(f"{shown(value)} is not allowed: write {' or '.join(METHODS)}")
    return value


def check_version_in(value: str) -> str:
    """Check where an answer names its version: a field of a JSON object, or `header:NAME`."""
    if not value:
        return value
    allowed = 'write a field of a JSON answer such as "version", or "header:X-Version"'
    require_harmless(value, LONGEST_TEXT, allowed)
    require_match(_PLACE, value, allowed)
    return value
