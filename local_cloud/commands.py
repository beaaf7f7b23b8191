"""The commands of the local cloud: what each does, and the text and document of its result.

Both front ends use them: `python -m local_cloud` and `ami-pipeline local-cloud`.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, NoReturn

from local_cloud import control, environment
from local_cloud.client import Client
from local_cloud.clock import Delays
from local_cloud.consistency.setting import Consistency
from local_cloud.errors import PROGRAM
from local_cloud.state_dir import StateDir, default_home


@dataclass(frozen=True, kw_only=True, slots=True)
class Result:
    """The result of a command, as a document for programs and as text for people."""

    document: dict[str, Any]
    text: str


def user_home() -> StateDir:
    """Return the home of this user's cloud, as the environment says."""
    return StateDir(path=default_home(os.environ).resolve())


def up(**settings: Any) -> Result:
    """Start the cloud; the settings are those of `control.Settings`."""
    state = control.up(user_home(), **settings)
    text = (
        f"The local cloud answers at {state.endpoint}.\n"
        f'Point this shell at it: eval "$({PROGRAM} env)"'
    )
    return Result(document={"running": True, **asdict(state)}, text=text)


def up_in_foreground(**settings: Any) -> NoReturn:
    """Become the cloud, so that Ctrl-C reaches it."""
    home = user_home()
    control.check_prerequisites(home)
    argv = control.command(home, **settings)
    os.execv(argv[0], argv)  # noqa: S606  a fixed argv of this interpreter


def down() -> Result:
    """Stop the cloud and remove everything that it made."""
    was_running = control.down(user_home())
    text = "The local cloud was stopped." if was_running else "The local cloud is not running."
    return Result(document={"running": False, "ran": was_running}, text=text)


def status() -> Result:
    """Describe the cloud, its load balancers and its calls so far."""
    state = user_home().read()
    if state is None:
        return Result(document={"running": False}, text="The local cloud is not running.")
    client = Client(endpoint=state.endpoint)
    calls, balancers = client.calls(), client.balancers()
    where = f"API {state.endpoint}, SSH 127.0.0.1:{state.ssh_port}, instances in {state.network}"
    how = f"speed {state.speed:g}, isolation {state.isolation}, consistency {state.consistency}"
    lines = [
        f"The local cloud has been running since {state.started}: process {state.pid}.",
        f"{where}, {how}.",
        *(f"{b['kind']:<14} {b['name']:<40} {b['url']}" for b in balancers),
        *(f"{c['service']:<14} {c['action']:<40} {describe_call(c)}" for c in calls),
    ]
    document = {"running": True, **asdict(state), "balancers": balancers, "calls": calls}
    return Result(document=document, text="\n".join(lines))


def env() -> Result:
    """Return the variables that point clients at the cloud."""
    state = control.running(user_home())
    return Result(document=environment.variables(state), text=environment.shell(state))


COMMANDS: dict[str, Callable[[], Result]] = {"down": down, "status": status, "env": env}
"""The commands without options."""


def check_delays(delays: tuple[str, ...]) -> tuple[str, ...]:
    """Return the delays if all are valid, or raise ValueError with the reason."""
    Delays.named(delays)
    return delays


def check_consistency(text: str) -> str:
    """Return the consistency if it is valid, or raise ValueError with the reason."""
    Consistency.named(text)
    return text


def describe_call(call: dict[str, Any]) -> str:
    """Return how often an action was called, how often it failed, and its mean time."""
    mean = 1000 * call["seconds"] / call["calls"]
    failed = f", {call['errors']} failed" if call["errors"] else ""
    return f"{call['calls']:>6} calls{failed}, {mean:.0f} ms each"
