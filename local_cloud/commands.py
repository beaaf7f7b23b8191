"""The commands of the local cloud: what each does, and the text and document of its result.

Both front ends use them: `python -m local_cloud` and `ami-pipeline local-cloud`.
"""

from __future__ import annotations

import json
import os
import shlex
import urllib.error
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NoReturn

from local_cloud import control, environment
from local_cloud.client import Client
from local_cloud.clock import Delays
from local_cloud.consistency.setting import Consistency
from local_cloud.errors import PROGRAM, RefusedError
from local_cloud.instances import debian_tree, overlay
from local_cloud.permissions.roles import named_roles
from local_cloud.published_images import account_of, checked_name
from local_cloud.state_dir import State, StateDir, default_home

TERMINAL = ("TERM", "COLORTERM", "COLUMNS", "LINES")
"""The variables of a terminal, which a shell in an instance keeps."""


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
    lines = [
        f"The local cloud answers at {state.endpoint}.",
        *ssh_warning(state),
        f'Point this shell at it: eval "$({PROGRAM} env)"',
    ]
    return Result(document={"running": True, **asdict(state)}, text="\n".join(lines))


def ssh_warning(state: State) -> list[str]:
    """Return what a person must know if instances do not answer on port 22."""
    if not state.ssh_hint:
        return []
    port = f"Instances answer SSH on port {state.ssh_port}, and Packer connects to port 22"
    return [f"{port}: {state.ssh_hint}."]


def up_in_foreground(**settings: Any) -> NoReturn:
    """Become the cloud, so that Ctrl-C reaches it."""
    home = user_home()
    control.check_prerequisites(home)
    if settings.get("rootfs"):
        overlay.check_user()
    argv = control.command(home, **settings)
    os.execvp(argv[0], argv)  # noqa: S606  a fixed argv


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
    instances = f"instances in {state.network} (SSH on port {state.ssh_port})"
    where = f"API and proxy {state.endpoint}, {instances}"
    how = f"speed {state.speed:g}, isolation {state.isolation}, consistency {state.consistency}"
    lines = [
        f"The local cloud has been running since {state.started}: process {state.pid}.",
        f"{where}, {how}.",
        *ssh_warning(state),
        *(f"{b['kind']:<14} {b['name']:<40} {b['url']}" for b in balancers),
        *(f"{c['service']:<14} {c['action']:<40} {describe_call(c)}" for c in calls),
    ]
    document = {"running": True, **asdict(state), "balancers": balancers, "calls": calls}
    return Result(document=document, text="\n".join(lines))


def env(*, role: str | None = None) -> Result:
    """Return the variables that point clients at the cloud, as a role if one is named."""
    state = control.running(user_home())
    found = environment.variables(state)
    if role:
        found |= environment.of_session(assumed(state, role))
    return Result(document=found, text=environment.shell(found))


def credentials(*, role: str) -> Result:
    """Return new credentials of a role in the form of credential_process."""
    made = {"Version": 1, **assumed(control.running(user_home()), role)}
    return Result(document=made, text=json.dumps(made, indent=2))


def assumed(state: State, role: str) -> dict[str, str]:
    """Return new credentials of a role, or refuse."""
    try:
        return Client(endpoint=state.endpoint).assume(role)
    except urllib.error.HTTPError as error:
        raise RefusedError(
            f"role {role}",
            str(json.load(error)),
            f"{PROGRAM} down; {PROGRAM} up --role {role}=policy.json",
        ) from error


def shell_of(instance: str, endpoint: str) -> tuple[list[str], dict[str, str]]:
    """Return the command line and the variables of a root shell in an instance, or refuse."""
    try:
        made = Client(endpoint=endpoint).shell(instance)
    except urllib.error.HTTPError as error:
        raise RefusedError(
            f"instance {instance}", str(json.load(error)), f"{PROGRAM} status"
        ) from error
    terminal = {name: os.environ[name] for name in TERMINAL if name in os.environ}
    return [*overlay.inside(made["pid"]), *made["argv"]], {**made["env"], **terminal}


def shell(*, instance: str) -> NoReturn:
    """Become a root shell in an instance; its terminal is that of this process."""
    argv, env = shell_of(instance, control.running(user_home()).endpoint)
    os.execvpe(argv[0], argv, env)  # noqa: S606  the cloud's own command line


def rootfs(*, target: str, suite: str, mirror: str, include: Sequence[str]) -> Result:
    """Make a minimal Debian for `up --rootfs`."""
    path = Path(target).expanduser().resolve()
    debian_tree.make(path, suite=suite, mirror=mirror, packages=include)
    text = f"Made {path}.\nUse it: {PROGRAM} up --rootfs {shlex.quote(str(path))}"
    return Result(document={"rootfs": str(path)}, text=text)


def add_image(*, owner: str, name: str, arch: str) -> Result:
    """Publish an image in every region, as long as the cloud runs."""
    state = control.running(user_home())
    made = Client(endpoint=state.endpoint).add_image(owner=owner, name=name, architecture=arch)
    what = f"Added {made['name']} ({made['architecture']}) of {made['owner']}, in every region."
    text = f"{what}\n{made['image']} in {made['region']}"
    return Result(document=dict(made), text=text)


COMMANDS: dict[str, Callable[..., Result]] = {
    "down": down,
    "status": status,
    "env": env,
    "credentials": credentials,
    "rootfs": rootfs,
    "image add": add_image,
}
"""The commands beside `up`."""


def check_delays(delays: tuple[str, ...]) -> tuple[str, ...]:
    """Return the delays if all are valid, or raise ValueError with the reason."""
    Delays.named(delays)
    return delays


def check_consistency(text: str) -> str:
    """Return the consistency if it is valid, or raise ValueError with the reason."""
    Consistency.named(text)
    return text


def check_roles(roles: tuple[str, ...]) -> tuple[str, ...]:
    """Return the roles with whole paths if all are valid, or raise ValueError with the reason."""
    named_roles(roles)
    return tuple(
        f"{name}={Path(file).resolve()}" for name, file in (each.split("=", 1) for each in roles)
    )


def check_rootfs(given: str) -> str:
    """Return the whole path of a file or folder, or raise ValueError; empty stays empty."""
    path = Path(given).expanduser().resolve()
    if given and not path.exists():
        raise ValueError(f"{given!r} does not exist")
    return str(path) if given else ""


def check_image_owner(owner: str) -> str:
    """Return the owner of an image if it is valid, or raise ValueError with the reason."""
    account_of(owner)
    return owner


def check_image_name(name: str) -> str:
    """Return the name of an image if it is valid, or raise ValueError with the reason."""
    return checked_name(name)


def describe_call(call: dict[str, Any]) -> str:
    """Return how often an action was called, how often it failed, and its mean time."""
    mean = 1000 * call["seconds"] / call["calls"]
    failed = f", {call['errors']} failed" if call["errors"] else ""
    return f"{call['calls']:>6} calls{failed}, {mean:.0f} ms each"
