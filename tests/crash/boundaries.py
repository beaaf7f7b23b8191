"""Intercept the boundaries of a run: mutating AWS calls, file writes, renames and child processes.

`install` runs in the process of the tool before its first line. Each boundary has a name that is
the same in every run, such as `autoscaling.AttachTrafficSources#1`, and two or three moments:
before the action, after its effect but before the response, and after the response. At an ordered
moment the process is killed, alone or with its children, or a fault is injected: a full disk, a
lost response.
"""

from __future__ import annotations

import collections
import contextlib
import errno
import json
import os
import re
import signal
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

BEFORE, EFFECT, ANSWER = "before", "effect", "answer"
READS = ("Assume", "Describe", "Get", "Head", "List")
_VARIES = re.compile(
    r"(?<=^/tmp/)[a-z0-9_]{8}$|\d{8}T\d{6}Z-\w+|r\d{6}|[0-9a-f]{8,}|\d+|_[a-z0-9_]{7,}"
    r"|\.[a-z0-9_]{8}(?=$|/)"
)


FAULTS = {"full": errno.ENOSPC, "io": errno.EIO}
"""The faults of file operations."""
CUT = "cut"
"""The fault of one call: it takes effect, but its response is lost."""
STORM = "storm"
"""The fault of all calls: three in ten fail, some of them after their effect."""
STOP = "stop"
"""The fault of a process: it is suspended, like a laptop that sleeps, and continues much later."""


@dataclass(frozen=True, kw_only=True)
class Injection:
    """What is injected at a boundary: a kill (`alone` or with children), or a fault (once or
    `lasting`).

    `moment` is BEFORE, EFFECT or ANSWER for a kill, or one of FAULTS, CUT, STORM and STOP.
    """

    boundary: str
    moment: str
    alone: bool = False
    lasting: bool = False

    @property
    def name(self) -> str:
        words = ["alone"] * self.alone + ["lasting"] * self.lasting
        return ":".join([self.boundary, self.moment, *words])

    @property
    def kills(self) -> bool:
        return self.moment in {BEFORE, EFFECT, ANSWER}

    @classmethod
    def named(cls, name: str) -> Injection:
        """Return the injection that has this printed name."""
        boundary, moment, *words = name.split(":")
        return cls(
            boundary=boundary, moment=moment, alone="alone" in words, lasting="lasting" in words
        )


@dataclass(kw_only=True)
class Boundaries:
    """The boundaries of one process; `log` gets a line for each moment, a killed process's last one
    too.

    `tool` is the process to kill: this one, or its parent. `names` say what a listener or rule is
    for, by its ARN.
    """

    log: Path
    injection: Injection | None = None
    tool: int = field(default_factory=os.getpid)
    prefix: str = ""
    names: Mapping[str, str] = field(default_factory=dict)
    _count: collections.Counter[str] = field(default_factory=collections.Counter)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _broken: bool = False

    @contextlib.contextmanager
    def at(self, what: str) -> Iterator[Passing]:
        """Pass a boundary: report `before` now, the caller's moments in between, and `answer` at
        the end.
        """
        with self._lock:
            self._count[what] += 1
            name = f"{self.prefix}{what}#{self._count[what]}"

        reached = Passing(boundaries=self, name=name)
        reached(BEFORE)
        yield reached
        reached(ANSWER)

    def take_back(self, what: str) -> None:
        """Count a boundary as not passed: AWS refused the call, and its next attempt takes its
        place.
        """
        with self._lock:
            self._count[what] -= 1

    def once(self, what: str) -> None:
        """Pass a boundary that has a single moment."""
        with self._lock:
            self._count[what] += 1
            name = f"{self.prefix}{what}#{self._count[what]}"
        self._reached(name, ANSWER)

    def fault_here(self, name: str, moments: Iterable[str]) -> str:
        """Return the fault to inject at this boundary, or an empty string."""
        injection = self.injection
        if injection is None or injection.moment not in moments:
            return ""
        here = injection.boundary == name
        self._broken = self._broken or (here and injection.lasting)
        return injection.moment if here or self._broken else ""

    def _reached(self, name: str, moment: str) -> None:
        with self.log.open("a") as log:
            log.write(f"{name}:{moment}\n")
        if self.injection and (self.injection.boundary, self.injection.moment) == (name, moment):
            kill_tool(self.tool, alone=self.injection.alone)


@dataclass(frozen=True, kw_only=True)
class Passing:
    """A boundary that is being passed."""

    boundaries: Boundaries
    name: str

    def __call__(self, moment: str) -> None:
        self.boundaries._reached(self.name, moment)

    def fault_here(self, moments: Iterable[str]) -> str:
        """Return the fault to inject here, or an empty string."""
        return self.boundaries.fault_here(self.name, moments)


def kill_tool(tool: int, *, alone: bool) -> None:
    """Kill a process with SIGKILL, and its descendants unless `alone`.

    Returns only if the caller is a descendant that survives.
    """
    me = os.getpid()
    if tool != me:
        os.kill(tool, signal.SIGSTOP)  # it starts no more children
    victims = [] if alone else below(tool)
    for each in victims:
        if each != me:
            with contextlib.suppress(ProcessLookupError):
                os.kill(each, signal.SIGKILL)
    os.kill(tool, signal.SIGKILL)
    if me in victims:
        os.kill(me, signal.SIGKILL)


def below(ancestor: int) -> list[int]:
    """Return the descendants of a process."""
    parents: dict[int, list[int]] = collections.defaultdict(list)
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                facts = (entry / "stat").read_text().rpartition(")")[2].split()
                parents[int(facts[1])].append(int(entry.name))
    found: list[int] = []
    waiting = [ancestor]
    while waiting:
        children = parents[waiting.pop()]
        found += children
        waiting += children
    return found


def plain(path: object) -> str:
    """Return a path relative to the project, without the parts that differ from run to run."""
    text = str(path)
    with contextlib.suppress(ValueError):
        text = str(Path(text).resolve().relative_to(Path.cwd()))
    return _VARIES.sub("N", text.removeprefix(".ami-pipeline/"))


def install(boundaries: Boundaries) -> None:
    """Intercept every boundary of this process."""
    _calls(boundaries)
    _files(boundaries)
    _children(boundaries)


def _calls(boundaries: Boundaries) -> None:
    from botocore.client import BaseClient  # noqa: PLC0415  slow, and not needed in every process
    from botocore.exceptions import (  # noqa: PLC0415  the same
        ClientError,
        ConnectionClosedError,
    )
    from botocore.httpsession import URLLib3Session  # noqa: PLC0415  the same

    at_work = threading.local()
    client: Any = BaseClient
    call = client._make_api_call
    send: Any = URLLib3Session.send

    def calling(self: Any, operation: str, parameters: Any) -> Any:
        if operation.startswith(READS):
            return call(self, operation, parameters)
        name = f"{self.meta.service_model.service_name}.{operation}"
        if what := object_of(parameters, boundaries.names):
            name += f" {what}"
        with boundaries.at(name) as reached:
            at_work.reached = reached
            try:
                return call(self, operation, parameters)
            except ClientError:
                boundaries.take_back(name)
                raise
            finally:
                at_work.reached = None

    def sending(self: Any, request: Any) -> Any:
        answer = send(self, request)
        if reached := getattr(at_work, "reached", None):
            reached(EFFECT)
            if reached.fault_here([CUT]):
                raise ConnectionClosedError(endpoint_url=request.url)
        return answer

    client._make_api_call = calling
    setattr(URLLib3Session, "send", sending)  # noqa: B010  mypy allows no other way


def object_of(parameters: Mapping[str, Any], names: Mapping[str, str]) -> str:
    """Return what a call changes: a key of S3, or what a listener or rule is for."""
    listener = parameters.get("RuleArn") or parameters.get("ListenerArn", "")
    return _VARIES.sub("N", parameters.get("Key", "")) or names.get(listener, "")


def _files(boundaries: Boundaries) -> None:
    for name in ("rename", "replace", "link"):
        setattr(os, name, _two_paths(boundaries, getattr(os, name), name))
    os.unlink = _one_path(boundaries, os.unlink, "unlink")


def _two_paths(boundaries: Boundaries, real: Callable[..., Any], name: str) -> Callable[..., Any]:
    def renaming(source: Any, target: Any, **how: Any) -> Any:
        with boundaries.at(f"{name} {plain(target)}") as reached:
            require_sound(reached, target)
            return real(source, target, **how)

    return renaming


def _one_path(boundaries: Boundaries, real: Callable[..., Any], name: str) -> Callable[..., Any]:
    def removing(path: Any, **how: Any) -> Any:
        if not os.path.lexists(path):
            return real(path, **how)
        with boundaries.at(f"{name} {plain(path)}"):
            return real(path, **how)

    return removing


def require_sound(reached: Passing, path: object) -> None:
    """Raise OSError if a disk fault is to be injected here."""
    if fault := reached.fault_here(FAULTS):
        raise OSError(FAULTS[fault], os.strerror(FAULTS[fault]), str(path))


def _children(boundaries: Boundaries) -> None:
    from pipeline.adapters.process import process  # noqa: PLC0415  the Terraform stand-in starts no children

    module: Any = process
    real = module._started

    @contextlib.contextmanager
    def started(command: Any, *more: Any, **how: Any) -> Iterator[Any]:
        words = [str(each) for each in command.argv if not str(each).startswith("-")]
        name = " ".join([Path(words[0]).name, *(plain(each) for each in words[1:3])])
        with contextlib.ExitStack() as stack:
            with boundaries.at(f"start {name}"):
                child = stack.enter_context(real(command, *more, **how))
            yield child
        boundaries.once(f"exit {name}")

    module._started = started


def reached(log: Path) -> list[str]:
    """Return the logged moments of a run in order, each once."""
    if not log.exists():
        return []
    return list(dict.fromkeys(log.read_text().splitlines()))


def ordered(order: Path) -> Boundaries | None:
    """Read an order file (JSON: log, injection and, for a child, tool); return its boundaries."""
    if not order.exists():
        return None
    given = json.loads(order.read_bytes())
    injection = Injection.named(given["injection"]) if given["injection"] else None
    return Boundaries(
        log=Path(given["log"]),
        injection=injection,
        tool=given.get("tool", os.getpid()),
        names=given.get("names", {}),
    )


def watch_tool(order: Path) -> None:
    """Intercept the boundaries of this process, and let its children intercept theirs."""
    if watched := ordered(order):
        install(watched)
        given = json.loads(order.read_bytes())
        order.write_text(json.dumps({**given, "tool": os.getpid()}))
