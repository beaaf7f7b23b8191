"""Which rule of an Application Load Balancer's listener a request meets: pure.

Application Load Balancers, "Listener rules": rules are evaluated in the order of their
priority; a rule is met when all its conditions are, a condition when one of its values is.
"""

from __future__ import annotations

import dataclasses
import functools
import ipaddress
import re
import urllib.parse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from local_cloud.traffic.plan import Action, Condition, Listener, Redirect


@dataclasses.dataclass(frozen=True, kw_only=True)
class Request:
    """What conditions can ask about a request."""

    method: str
    protocol: str  # http or https
    host: str  # without the port
    port: int  # where the load balancer listens
    path: str
    query: str
    source: str
    headers: tuple[tuple[str, str], ...] = ()


def action(listener: Listener, request: Request) -> Action:
    """Return what is to be done with a request."""
    for rule in listener.rules:
        if all(met(condition, request) for condition in rule.conditions):
            return rule.action
    return listener.default


def met(condition: Condition, request: Request) -> bool:
    """Tell whether a request meets one condition; an unknown field is never met."""
    ask = FIELDS.get(condition.field)
    return ask is not None and any(ask(condition, value, request) for value in condition.values)


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
    r"""Return what `*` (0 or more characters), `?` (exactly one) and `\` before them mean."""
    parts = re.findall(r"\\[*?\\]|.", pattern, re.DOTALL)
    meaning = {"*": ".*", "?": "."}
    return re.compile(
        "".join(meaning.get(part) or re.escape(part[-1]) for part in parts), re.DOTALL
    )


def location(redirect: Redirect, request: Request) -> str:
    """Return where a redirect sends the client, ELBv2's keywords filled in."""
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
