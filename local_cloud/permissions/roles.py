"""Keep the roles whose calls are judged, their sessions, and what was asked of their policies."""

from __future__ import annotations

import datetime as dt
import re
import threading
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from local_cloud.permissions.conditions import PolicyError
from local_cloud.permissions.policy import Policy, read_file, read_policy

SECONDS = 3600
"""How long a session lasts by default (STS API Reference, AssumeRole)."""

ACCOUNT = "123456789012"
KEPT = 10_000
NAME = re.compile(r"[\w+,.@-]{1,64}")  # IAM API Reference, CreateRole


def now() -> dt.datetime:
    """Return the present time."""
    return dt.datetime.now(tz=dt.UTC)


@dataclass(frozen=True, kw_only=True, slots=True)
class Role:
    """A role with one policy; its sessions last `seconds` of the wall clock."""

    name: str
    policy: Policy
    seconds: int = SECONDS

    @property
    def arn(self) -> str:
        """The ARN of the role."""
        return f"arn:aws:iam::{ACCOUNT}:role/{self.name}"


def named_roles(given: Sequence[str], seconds: int = SECONDS) -> tuple[Role, ...]:
    """Return roles that are each given as NAME=FILE; raise PolicyError if one is invalid."""
    return tuple(_named_role(each, seconds) for each in given)


def _named_role(given: str, seconds: int) -> Role:
    name, _, file = given.partition("=")
    if not NAME.fullmatch(name) or not file:
        raise PolicyError(f"{given!r} is not NAME=FILE, such as deploy=policy.json")
    return Role(name=name, policy=read_file(Path(file)), seconds=seconds)


@dataclass(kw_only=True, slots=True)
class Session:
    """The credentials of a role that was assumed."""

    role: str
    access_key: str
    token: str
    arn: str
    expires: dt.datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class Denial:
    """A permission that a call needed and the policy of its role did not give."""

    role: str
    call: str
    action: str
    resource: str
    decision: str


class Roles:
    """The roles of one cloud."""

    def __init__(
        self, roles: Sequence[Role] = (), *, clock: Callable[[], dt.datetime] = now
    ) -> None:
        self.clock = clock
        self._roles = {role.name: role for role in roles}
        self._sessions: dict[str, Session] = {}
        self._denials: deque[Denial] = deque(maxlen=KEPT)
        self._asked: Counter[tuple[str, str, str]] = Counter()
        self._lock = threading.Lock()

    def set(self, name: str, document: Any, seconds: int | None = None) -> Role:
        """Create a role or replace its policy; raise PolicyError if that is invalid."""
        policy = read_policy(document)
        if not NAME.fullmatch(name):
            raise PolicyError(f"{name!r} is not the name of a role")
        with self._lock:
            known = self._roles.get(name)
            kept = known.seconds if known else SECONDS
            role = Role(name=name, policy=policy, seconds=seconds or kept)
            self._roles[name] = role
        return role

    def get(self, name: str) -> Role:
        """Return a role, or raise ValueError."""
        with self._lock:
            if name in self._roles:
                return self._roles[name]
            names = ", ".join(sorted(self._roles)) or "none"
        raise ValueError(f"there is no role {name!r}; roles: {names}")

    def find(self, arn: str) -> Role | None:
        """Return the role with this ARN, if it is judged here."""
        with self._lock:
            return next((role for role in self._roles.values() if role.arn == arn), None)

    def listed(self) -> list[dict[str, Any]]:
        """Return the roles and how many of their sessions are valid."""
        with self._lock:
            moment = self.clock()
            valid = Counter(s.role for s in self._sessions.values() if s.expires > moment)
            return [
                {"name": r.name, "arn": r.arn, "seconds": r.seconds, "sessions": valid[r.name]}
                for r in self._roles.values()
            ]

    def add_session(self, session: Session) -> None:
        """Judge the calls of a session from now on."""
        with self._lock:
            self._sessions[session.access_key] = session

    def session(self, access_key: str) -> Session | None:
        """Return the session of an access key; None for a key whose calls are not judged."""
        return self._sessions.get(access_key)

    def expire(self, name: str) -> int:
        """End every session of a role now; return how many were valid."""
        self.get(name)
        with self._lock:
            moment = self.clock()
            ended = [
                session
                for session in self._sessions.values()
                if session.role == name and session.expires > moment
            ]
            for session in ended:
                session.expires = moment
        return len(ended)

    def policy(self, session: Session) -> Policy:
        """Return the policy of a session's role as it is now."""
        return self.get(session.role).policy

    def record(self, role: str, action: str, resource: str, denial: Denial | None) -> None:
        """Count a question, and keep its denial."""
        with self._lock:
            self._asked[role, action, resource] += 1
            if denial:
                self._denials.append(denial)

    def denials(self) -> list[dict[str, Any]]:
        """Return the denials so far, oldest first."""
        with self._lock:
            return [asdict(denial) for denial in self._denials]

    def asked(self) -> list[dict[str, Any]]:
        """Return every action and resource that calls of roles needed, and how often."""
        with self._lock:
            return [
                {"role": role, "action": action, "resource": resource, "times": times}
                for (role, action, resource), times in sorted(self._asked.items())
            ]

    def forget(self) -> None:
        """Forget denials and questions; roles and sessions stay."""
        with self._lock:
            self._denials.clear()
            self._asked.clear()
