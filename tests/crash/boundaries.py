"""What a run may die at, found as it runs: mutating calls, writes, renames, children.

Installed in the process of the tool before its first line runs. Each boundary has a name that
is the same from run to run, `autoscaling.AttachTrafficSources#1`, and two or three moments:
before it; after its effect, before the answer came; after the answer, before anything was made
of it. Told a name and a moment, the process dies there, with all its children or alone. Or what
it does there goes wrong, once or from then on: the disk is full, the connection is cut.
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
    from collections.abc import Callable, Iterable, Iterator

BEFORE, EFFECT, ANSWER = "before", "effect", "answer"
READS = ("Assume", "Describe", "Get", "Head", "List")
_VARIES = re.compile(
    r"(?<=^/tmp/)[a-z0-9_]{8}$|\d{8}T\d{6}Z-\w+|r\d{6}|[0-9a-f]{8,}|\d+|_[a-z0-9_]{7,}"
    r"|\.[a-z0-9_]{8}(?=$|/)"
)


FAULTS = {"full": errno.ENOSPC, "io": errno.EIO}
"""What files may suffer."""
CUT = "cut"
"""What a call may: its effect came about, the answer never arrived."""
STORM = "storm"
"""What all calls may: three in ten fail, some of them after their effect."""
STOP = "stop"
"""What a process may: it stands still, as on a laptop that sleeps, and goes on much later."""


@dataclass(frozen=True, kw_only=True)
class Death:
    """Where a run dies, `alone` or with its children; or what goes wrong there, once or `lasting`.

    `moment` is one of BEFORE, EFFECT, ANSWER for a death, or of FAULTS, CUT, STORM and STOP.
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
    def named(cls, name: str) -> Death:
        """Return the death of a name that was printed."""
        boundary, moment, *words = name.split(":")
        return cls(
            boundary=boundary, moment=moment, alone="alone" in words, lasting="lasting" in words
        )


@dataclass(kw_only=True)
class Boundaries:
    """The boundaries of one process; each moment is a line of `log`, its last one if it dies.

    `tool` is the process that dies: this one, or the one that started it.
    """

    log: Path
    death: Death | None = None
    tool: int = field(default_factory=os.getpid)
    prefix: str = ""
    _count: collections.Counter[str] = field(default_factory=collections.Counter)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _broken: bool = False

    @contextlib.contextmanager
    def at(self, what: str) -> Iterator[Passing]:
        """Pass a boundary: `before` now, what the block says meanwhile, `answer` at its end."""
        with self._lock:
            self._count[what] += 1
            name = f"{self.prefix}{what}#{self._count[what]}"

        reached = Passing(boundaries=self, name=name)
        reached(BEFORE)
        yield reached
        reached(ANSWER)

    def once(self, what: str) -> None:
        """Pass a boundary that is one moment."""
        with self._lock:
            self._count[what] += 1
            name = f"{self.prefix}{what}#{self._count[what]}"
        self._reached(name, ANSWER)

    def strikes(self, name: str, moments: Iterable[str]) -> str:
        """Return which of these faults strikes at a boundary now, if one does."""
        death = self.death
        if death is None or death.moment not in moments:
            return ""
        here = death.boundary == name
        self._broken = self._broken or (here and death.lasting)
        return death.moment if here or self._broken else ""

    def _reached(self, name: str, moment: str) -> None:
        with self.log.open("a") as log:
            log.write(f"{name}:{moment}\n")
        if self.death and (self.death.boundary, self.death.moment) == (name, moment):
            die(self.tool, alone=self.death.alone)


@dataclass(frozen=True, kw_only=True)
class Passing:
    """A boundary that is being passed."""

    boundaries: Boundaries
    name: str

    def __call__(self, moment: str) -> None:
        self.boundaries._reached(self.name, moment)

    def strikes(self, moments: Iterable[str]) -> str:
        """Return which of these faults strikes here."""
        return self.boundaries.strikes(self.name, moments)


def die(tool: int, *, alone: bool) -> None:
    """End a tool by -9, with all that it started unless `alone`; returns only in its child."""
    me = os.getpid()
    if tool != me:
        os.kill(tool, signal.SIGSTOP)  # it starts nothing more
    doomed = [] if alone else below(tool)
    for each in doomed:
        if each != me:
            with contextlib.suppress(ProcessLookupError):
                os.kill(each, signal.SIGKILL)
    os.kill(tool, signal.SIGKILL)
    if me in doomed:
        os.kill(me, signal.SIGKILL)


def below(ancestor: int) -> list[int]:
    """Return the processes that descend from one."""
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
    """Return a path below the project without what differs from run to run."""
    text = str(path)
    with contextlib.suppress(ValueError):
        text = str(Path(text).resolve().relative_to(Path.cwd()))
    return _VARIES.sub("N", text.removeprefix(".ami-pipeline/"))


def install(boundaries: Boundaries) -> None:
    """Have every boundary of this process told."""
    _calls(boundaries)
    _files(boundaries)
    _children(boundaries)


def _calls(boundaries: Boundaries) -> None:
    from botocore.client import BaseClient  # noqa: PLC0415  slow, and not in every process
    from botocore.exceptions import ConnectionClosedError  # noqa: PLC0415  the same
    from botocore.httpsession import URLLib3Session  # noqa: PLC0415  the same

    at_work = threading.local()
    client: Any = BaseClient
    call = client._make_api_call
    send: Any = URLLib3Session.send

    def calling(self: Any, operation: str, parameters: Any) -> Any:
        if operation.startswith(READS):
            return call(self, operation, parameters)
        name = f"{self.meta.service_model.service_name}.{operation}"
        if key := parameters.get("Key"):
            name += f" {_VARIES.sub('N', key)}"
        with boundaries.at(name) as reached:
            at_work.reached = reached
            try:
                return call(self, operation, parameters)
            finally:
                at_work.reached = None

    def sending(self: Any, request: Any) -> Any:
        answer = send(self, request)
        if reached := getattr(at_work, "reached", None):
            reached(EFFECT)
            if reached.strikes([CUT]):
                raise ConnectionClosedError(endpoint_url=request.url)
        return answer

    client._make_api_call = calling
    setattr(URLLib3Session, "send", sending)  # noqa: B010  mypy allows no other way


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
    """Raise OSError where the disk is to have a fault."""
    if fault := reached.strikes(FAULTS):
        raise OSError(FAULTS[fault], os.strerror(FAULTS[fault]), str(path))


def _children(boundaries: Boundaries) -> None:
    from pipeline.adapters.process import process  # noqa: PLC0415  the stand-in for Terraform starts none

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
    """Return the moments of a run that were logged, in their order, each once."""
    if not log.exists():
        return []
    return list(dict.fromkeys(log.read_text().splitlines()))


def ordered(order: Path) -> Boundaries | None:
    """Return what an order asks for, a file of JSON with log, death and, from a child, the tool."""
    if not order.exists():
        return None
    given = json.loads(order.read_bytes())
    death = Death.named(given["death"]) if given["death"] else None
    return Boundaries(log=Path(given["log"]), death=death, tool=given.get("tool", os.getpid()))


def watch_tool(order: Path) -> None:
    """Have the boundaries of this process told, and those of the children it will start."""
    if watched := ordered(order):
        install(watched)
        given = json.loads(order.read_bytes())
        order.write_text(json.dumps({**given, "tool": os.getpid()}))
