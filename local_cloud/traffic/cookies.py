"""Write and read the cookies that keep a client with a member or a target group.

Application Load Balancers, "Sticky sessions": AWSALB names the target, AWSALBTG the target group;
a classic load balancer uses AWSELB. Only the load balancer can read them, every request renews
the expiry, and a cookie that names a target "that was deregistered or is unhealthy" is ignored.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import secrets
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import TypeVar

    T = TypeVar("T")

MEMBER = {"application": "AWSALB", "classic": "AWSELB"}
POOL = "AWSALBTG"


@dataclass(kw_only=True)
class Cookies:
    """The cookies of one cloud, signed with its secret."""

    secret: bytes = field(default_factory=lambda: secrets.token_bytes(16))
    now: Callable[[], float] = time.time

    def write(self, name: str, of: object, seconds: float) -> str:
        """Return the Set-Cookie header that names `of` for some seconds."""
        until = self.now() + seconds
        date = dt.datetime.fromtimestamp(until, tz=dt.UTC).strftime("%a, %d %b %Y %H:%M:%S GMT")
        return f"{name}={self._value(of, f'{until:.3f}')}; Expires={date}; Path=/"

    def read(self, given: Mapping[str, str], name: str, among: Iterable[T]) -> T | None:
        """Return the one that a client's cookie names, or None if it is missing or expired."""
        value = given.get(name, "")
        until, _, _ = value.partition("-")
        if not until or not until.replace(".", "", 1).isdigit() or float(until) < self.now():
            return None
        return next((one for one in among if self._value(one, until) == value), None)

    def _value(self, of: object, until: str) -> str:
        key = getattr(of, "key", of)
        digest = hashlib.blake2b(f"{until} {key!r}".encode(), key=self.secret, digest_size=24)
        return f"{until}-{digest.hexdigest()}"
