"""Find the rule of an Application Load Balancer's listener that a request matches: pure.

Application Load Balancers, "Listener rules": rules are evaluated by priority. A rule matches if
all its conditions match; a condition matches if one of its values does.
"""

from __future__ import annotations

import functools
import ipaddress
import re
import urllib.parse
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from local_cloud.traffic.plan import Action, Condition, Listener, Redirect


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """The facts of a request that conditions test."""

    method: str
    protocol: str  # http or https
    host: str  # without the port
    port: int  # where the load balancer listens
    path: str
    query: str
    source: str
    headers: tuple[tuple[str, str], ...] = ()


def action(listener: Listener, request: Request) -> Action:
    """Return the action for a request."""
    for rule in listener.rules:
        if all(matches(condition, request) for condition in rule.conditions):
            return rule.action
    return listener.default


def matches(condition: Condition, request: Request) -> bool:
    """Return True if a request matches a condition; an unknown field never matches."""
    test = FIELDS.get(condition.field)
    return test is not None and any(test(condition, value, request) for value in condition.values)


def _path(_condition: Condition, value: str, request: Request) -> bool:
    return wildcard(value).fullmatch(request.path) is not None


def _host(_condition: Condition, value: str, request: Request) -> bool:
    return wildcard(value.lower()).fullmatch(request.host.lower()) is not None


def _header(condition: Condition, value: str, request: Request) -> bool:
    pattern = wildcard(value.lower())
    name = condition.name.lower()
    return any(
        key.lower() == name and pattern.fullmatch(given.lower()) for key, given in request.headers
    )


def _method(_condition: Condition, value: str, request: Request) -> bool:
    return value == request.method


def _query(_condition: Condition, value: str, request: Request) -> bool:
    key, has_key, wanted = value.partition("=")
    pattern = wildcard((wanted if has_key else key).lower())
    pairs = urllib.parse.parse_qsl(request.query, keep_blank_values=True)
    return any(
        pattern.fullmatch(given.lower())
        and (not has_key or wildcard(key.lower()).fullmatch(name.lower()))
        for name, given in pairs
    )


def _source(_condition: Condition, value: str, request: Request) -> bool:
    return ipaddress.ip_address(request.source) in ipaddress.ip_network(value, strict=False)


FIELDS: dict[str, Callable[[Condition, str, Request], bool]] = {
    "path-pattern": _path,
    "host-header": _host,
    "http-header": _header,
    "http-request-method": _method,
    "query-string": _query,
    "source-ip": _source,
}


@functools.lru_cache(maxsize=1024)
def wildcard(pattern: str) -> re.Pattern[str]:
    r"""Return the pattern of a text with `*` (any text), `?` (one character) and `\` escapes."""
    parts = re.findall(r"\\[*?\\]|.", pattern, re.DOTALL)
    meaning = {"*": ".*", "?": "."}
    return re.compile(
        "".join(meaning.get(part) or re.escape(part[-1]) for part in parts), re.DOTALL
    )


def location(redirect: Redirect, request: Request) -> str:
    """Return the location of a redirect, with ELBv2's keywords replaced."""
    keywords = {
        "protocol": request.protocol,
        "host": request.host,
        "port": str(request.port),
        "path": request.path.removeprefix("/"),
        "query": request.query,
    }

    def fill(text: str) -> str:
        return re.sub(r"#\{(\w+)\}", lambda found: keywords.get(found[1], found[0]), text)

    query = fill(redirect.query)
    protocol = fill(redirect.protocol).lower()
    target = f"{protocol}://{fill(redirect.host)}:{fill(redirect.port)}{fill(redirect.path)}"
    return f"{target}?{query}" if query else target
