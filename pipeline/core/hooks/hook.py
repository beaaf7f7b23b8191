"""Define a hook: a program of the user, and when and where it runs."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from shlex import join


class Point(StrEnum):
    """When a hook runs; `points.py` says in which phase that is."""

    BEFORE_LAUNCH = "before-launch"
    AFTER_LAUNCH = "after-launch"
    BEFORE_TRAFFIC = "before-traffic"
    AFTER_TRAFFIC = "after-traffic"
    AFTER_DRAIN = "after-drain"
    BEFORE_RETIRE = "before-retire"
    AFTER = "after"
    ON_FAILURE = "on-failure"
    ON_ROLLBACK = "on-rollback"


class Runs(StrEnum):
    """Where a hook runs: beside this program, or on the instances of a release."""

    HERE = "here"
    INSTANCE = "instance"


class On(StrEnum):
    """The release on whose instances a hook runs."""

    GREEN = "green"
    BLUE = "blue"


DEFAULT_ON = {
    each: On.BLUE
    if each in {Point.BEFORE_LAUNCH, Point.AFTER_DRAIN, Point.BEFORE_RETIRE, Point.ON_FAILURE}
    else On.GREEN
    for each in Point
}
"""The release on whose instances a hook of a point runs: blue before green exists, and where blue
is about to leave or serves again."""
ONCE_AT = (
    Point.BEFORE_LAUNCH,
    Point.AFTER_LAUNCH,
    Point.BEFORE_TRAFFIC,
    Point.BEFORE_RETIRE,
    Point.AFTER,
)
"""The points of a hook that runs once: blue serves anyway, or there is no way back to it."""
NEVER_DECIDES = frozenset({Point.AFTER, Point.ON_FAILURE, Point.ON_ROLLBACK})
"""The points at which a failed hook is reported and changes nothing: the outcome is decided."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Hook:
    """A program that must exit with 0 at a point of a deployment; `timeout` in seconds.

    `on` matters only for `run` on instances. With `once` the program runs once for each image; on
    instances, on one of them.
    """

    at: Point
    command: tuple[str, ...]
    timeout: float
    run: Runs = Runs.HERE
    on: On = On.GREEN
    once: bool = False

    def __str__(self) -> str:
        """Return the hook as messages name it, such as `before-traffic hook ./smoke.sh`."""
        return f"{self.at} hook {join(self.command)}"


NOT_STARTED = 127
"""The exit code of a program that could not be started, as shells have it (POSIX sh, 2.8.2)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class HookResult:
    """How a hook ended: what is wrong, empty for success, and what it printed, masked.

    `code` is its exit code, None if it is unknown whether the program has ended. `remedy` is empty
    if the output says enough.
    """

    code: int | None
    failure: str = ""
    remedy: str = ""
    output: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class OnceRun:
    """A hook with `once` that began for an image; `began` and `ended` are UTC, ISO 8601.

    `ended` is empty and `code` None while it runs, and if nothing knows whether it has ended.
    """

    image: str
    at: Point
    command: tuple[str, ...]
    deployment: str
    release: str
    began: str
    ended: str = ""
    code: int | None = None

    @property
    def is_done(self) -> bool:
        """Return True if the program succeeded: it never runs again for this image."""
        return self.code == 0

    @property
    def is_unknown(self) -> bool:
        """Return True if the program began and its end is unknown."""
        return self.code is None

    @property
    def name(self) -> str:
        """Return the name of the record: the image, and a digest of the point and the command."""
        text = "\0".join((self.at, *self.command))
        return f"{self.image}-{sha256(text.encode()).hexdigest()[:12]}"

    def __str__(self) -> str:
        """Return the hook as messages name it."""
        return f"{self.at} hook {join(self.command)}"
