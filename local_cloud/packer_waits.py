"""Choose the poll delay with which the installed Packer waits least for this cloud.

The Amazon plugin from 1.8 on reads AWS_POLL_DELAY_SECONDS for instances. For an image it then
polls after 15 seconds and later, and without the variable after 5 (common/state.go,
`WaitUntilAMIAvailable`). The SDK doubles the longest pause each time, up to 120 seconds.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Mapping
from functools import lru_cache

from local_cloud.clock import Clock, Delays

VARIABLE = "AWS_POLL_DELAY_SECONDS"
FIXED_PAUSE = 15.0
"""Seconds between two polls of AWS's older SDK, which Packer's own plugins use."""
LONGEST_PAUSE = 120.0
SHORTEST_DELAY = 1
DROPS_THE_DELAY = (1, 8)
"""The first version of the Amazon plugin with AWS's SDK v2 for its builders."""
_READ = ("PATH", "HOME", "XDG_CONFIG_HOME", "PACKER_CONFIG_DIR", "PACKER_PLUGIN_PATH")
_PLUGIN = re.compile(r"packer-plugin-amazon_v(\d+)\.(\d+)\.\d+")
_SECONDS = 10


def poll_delay(speed: float, environ: Mapping[str, str]) -> str:
    """Return the value of AWS_POLL_DELAY_SECONDS; empty, as if it were not set, can be quickest."""
    read = tuple((name, environ[name]) for name in _READ if name in environ)
    plugin = _installed_plugin(read)
    if plugin < DROPS_THE_DELAY:
        return str(max(SHORTEST_DELAY, round(FIXED_PAUSE / speed)))
    unset, given = (_waits(speed, delay) for delay in (0, SHORTEST_DELAY))
    return "" if unset <= given else str(SHORTEST_DELAY)


@lru_cache(maxsize=8)
def _installed_plugin(environ: tuple[tuple[str, str], ...]) -> tuple[int, ...]:
    """Return the newest installed version of the Amazon plugin; nothing for one built in.

    Packer before 1.7 has no such command.
    """
    known = dict(environ)
    program = shutil.which("packer", path=known.get("PATH"))
    if program is None:
        return ()
    try:
        listed = subprocess.run(
            [program, "plugins", "installed"],
            env={**known, "CHECKPOINT_DISABLE": "1"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            errors="replace",
            timeout=_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ()
    versions = [(int(major), int(minor)) for major, minor in _PLUGIN.findall(listed.stdout)]
    return max(versions, default=()) if listed.returncode == 0 else ()


def _waits(speed: float, delay: float) -> float:
    """Return the seconds that a bake waits with plugin 1.8; a `delay` of 0 is not set."""
    clock, usual = Clock(speed=speed), Delays()
    instance = (usual.pending, usual.stopping, usual.shutting_down)
    first = delay or FIXED_PAUSE
    image = FIXED_PAUSE if delay else FIXED_PAUSE / 3
    return sum(_polled(clock.scaled(each), first) for each in instance) + _polled(
        clock.scaled(usual.image), image
    )


def _polled(ready: float, pause: float) -> float:
    """Return when a poll first finds what is ready after so many seconds.

    A pause is random between the first one and a limit that doubles; here it has its mean.
    """
    seconds, limit = 0.0, pause
    while seconds < ready:
        seconds += (pause + limit) / 2
        limit = min(2 * limit, max(LONGEST_PAUSE, pause))
    return seconds
