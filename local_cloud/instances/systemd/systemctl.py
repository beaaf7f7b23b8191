"""Carry out `systemctl` in an instance of the local cloud."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from local_cloud.instances import rootfs
from local_cloud.instances.systemd import unit_files
from local_cloud.instances.systemd.unit_syntax import full_name

if TYPE_CHECKING:
    from pathlib import Path

    from local_cloud.instances.systemd.services import Services

Answer = tuple[int, str]
NO_OPERATION = {"daemon-reload", "daemon-reexec", "reset-failed"}

# systemctl(1), "Exit status": 3 is not running, 4 no such unit.
NOT_RUNNING = 3
NO_SUCH_UNIT = 4


async def run(services: Services, words: list[str]) -> Answer:
    """Run a command line; return the exit status and the output."""
    options = {word for word in words if word.startswith("-")}
    verb, *names = [word for word in words if not word.startswith("-")] or ["list-units"]
    if verb in NO_OPERATION:
        return 0, ""
    if verb in {"list-units", "list-unit-files"}:
        return 0, "".join(line(services, name) for name in sorted(services.running))
    if not names:
        return 1, f"systemctl {verb}: no unit given\n"
    answers = [await one(services, verb, name, now="--now" in options) for name in names]
    quiet = bool(options & {"-q", "--quiet"})
    return max(code for code, _ in answers), "" if quiet else "".join(text for _, text in answers)


async def one(services: Services, verb: str, name: str, *, now: bool) -> Answer:
    """Run one verb for one unit."""
    match verb:
        case "start" | "restart" | "stop" | "try-restart":
            return await turn(services, verb, name)
        case "reload" | "reload-or-restart" | "try-reload-or-restart":
            return await reload(services, verb, name)
        case "preset":
            return change(services, unit_files.preset(services.root, full_name(name)), name)
        case "enable" | "disable" | "reenable" | "mask" | "unmask":
            code, text = change(services, verb, name)
            if code == 0 and now:
                starts = verb in {"enable", "reenable"}
                code, more = await turn(services, "start" if starts else "stop", name)
                text += more
            return code, text
    return tell(services, verb, name)


def change(services: Services, verb: str, name: str) -> Answer:
    """Change the links of a unit."""
    made = mask if verb in {"mask", "unmask"} else link
    return made(services, verb, name)


def tell(services: Services, verb: str, name: str) -> Answer:
    """Answer a question about one unit."""
    match verb:
        case "is-enabled":
            on = full_name(name) in services.enabled()
            return (0, "enabled\n") if on else (1, "disabled\n")
        case "is-active" | "is-failed" | "status":
            return show(services, verb, name)
        case "cat" | "show":
            unit = services.load(name)
            return (0, f"{unit}\n") if unit else missing(name)
    return 1, f"systemctl {verb}: not supported by the local cloud\n"


async def turn(services: Services, verb: str, name: str) -> Answer:
    """Start, stop or restart."""
    service = services.running.get(full_name(name))
    if services.load(name) is None and service is None:
        return missing(name)
    if verb == "try-restart" and (service is None or service.state != "active"):
        return 0, ""
    if verb != "start":
        await services.stop(name)
    if verb != "stop":
        await services.start(name)
        service = services.running[full_name(name)]
        if service.state == "failed":
            return 1, f"Job for {service.unit.name} failed: exit code {service.code}.\n"
    return 0, ""


async def reload(services: Services, verb: str, name: str) -> Answer:
    """Run ExecReload= of a service that runs; `reload-or-restart` restarts one without it."""
    unit = services.load(name)
    if unit is None:
        return missing(name)
    service = services.running.get(unit.name)
    is_active = service is not None and service.state == "active"
    if is_active and unit.reload:
        code = await services.reload(name)
        return (1, f"Job for {unit.name} failed: exit code {code}.\n") if code else (0, "")
    if verb == "try-reload-or-restart" and not is_active:
        return 0, ""
    if verb == "reload":
        why = "Job type reload is not applicable for unit" if is_active else "it is not active:"
        return 1, f"Failed to reload {unit.name}: {why} {unit.name}.\n"
    return await turn(services, "restart", name)


def mask(services: Services, verb: str, name: str) -> Answer:
    """Make a unit one that cannot start, or undo that."""
    path = place(services, f"{unit_files.SYSTEM}/{full_name(name)}")
    is_masked = path.is_symlink() and str(path.readlink()) == os.devnull
    if verb == "unmask" and is_masked:
        path.unlink()
    if verb == "mask" and not is_masked:
        if os.path.lexists(path):
            return 1, f"Failed to mask unit: File {path.name} already exists.\n"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.symlink_to(os.devnull)
    return 0, ""


def place(services: Services, name: str) -> Path:
    """Return the path on the host of an entry of the instance, which may be a link itself."""
    folder, _, last = name.rpartition("/")
    return rootfs.inside(services.root, folder) / last


def link(services: Services, verb: str, name: str) -> Answer:
    """Write or remove the links that make a unit start at boot."""
    unit = services.load(name)
    if unit is None and unit_files.is_masked(services.root, name):
        return (
            1,
            f"Failed to {verb} unit: Unit file {unit_files.SYSTEM}/{full_name(name)} is masked.\n",
        )
    if unit is None:
        return 1, f"Failed to {verb} unit: Unit file {full_name(name)} does not exist.\n"
    text = ""
    source = unit_files.find(services.root, name) or ""
    system = unit_files.SYSTEM
    links = [f"{system}/{target}.wants/{unit.name}" for target in unit.wanted_by]
    for made in [*links, *(f"{system}/{alias}" for alias in unit.aliases)]:
        path = place(services, made)
        if verb == "disable":
            path.unlink(missing_ok=True)
            text += f"Removed {made}.\n"
        elif not os.path.lexists(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.symlink_to(source)
            text += f"Created symlink {made} -> {source}.\n"
    return 0, text


def show(services: Services, verb: str, name: str) -> Answer:
    """Return the state of a unit."""
    service = services.running.get(full_name(name))
    state = service.state if service else "inactive"
    if name.endswith(".target"):
        state = "active"  # an instance that answers has booted
    if verb == "is-failed":
        return int(state != "failed"), f"{state}\n"
    code = 0 if state == "active" else NOT_RUNNING
    if verb == "is-active":
        return code, f"{state}\n"
    if service is None and services.load(name) is None:
        return NO_SUCH_UNIT, f"Unit {full_name(name)} could not be found.\n"
    return code, line(services, full_name(name))


def line(services: Services, name: str) -> str:
    """Return the line that describes a unit."""
    service = services.running.get(name)
    if service is None:
        return f"{name} inactive\n"
    return f"{name} {service.state} pid={service.pid} {service.unit.description}\n"


def missing(name: str) -> Answer:
    """Return the answer for a unit that does not exist."""
    return 5, f"Unit {full_name(name)} not found.\n"
