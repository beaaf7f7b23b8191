"""Carry out `systemctl` in an instance of the local cloud."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from local_cloud.instances import rootfs, units

if TYPE_CHECKING:
    from local_cloud.instances.services import Services

Answer = tuple[int, str]
SYSTEM = "/etc/systemd/system"
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
        case "start" | "restart" | "stop" | "reload" | "reload-or-restart" | "try-restart":
            return await turn(services, verb, name)
        case "enable" | "disable" | "reenable":
            code, text = link(services, verb, name)
            if code == 0 and now:
                code, more = await turn(services, "stop" if verb == "disable" else "start", name)
                text += more
            return code, text
        case "is-enabled":
            on = units.full_name(name) in services.enabled()
            return (0, "enabled\n") if on else (1, "disabled\n")
        case "is-active" | "is-failed" | "status":
            return show(services, verb, name)
        case "cat" | "show":
            unit = services.load(name)
            return (0, f"{unit}\n") if unit else missing(name)
    return 1, f"systemctl {verb}: not supported by the local cloud\n"


async def turn(services: Services, verb: str, name: str) -> Answer:
    """Start, stop or restart."""
    service = services.running.get(units.full_name(name))
    if services.load(name) is None and service is None:
        return missing(name)
    if verb == "try-restart" and (service is None or service.state != "active"):
        return 0, ""
    if verb != "start":
        await services.stop(name)
    if verb != "stop":
        await services.start(name)
        service = services.running[units.full_name(name)]
        if service.state == "failed":
            return 1, f"Job for {service.unit.name} failed: exit code {service.code}.\n"
    return 0, ""


def link(services: Services, verb: str, name: str) -> Answer:
    """Write or remove the links that make a unit start at boot."""
    unit = services.load(name)
    if unit is None:
        return 1, f"Failed to {verb} unit: Unit file {units.full_name(name)} does not exist.\n"
    text = ""
    for target in unit.wanted_by:
        wants = f"{SYSTEM}/{target}.wants"
        path = rootfs.inside(services.root, wants) / unit.name
        if verb == "disable":
            path.unlink(missing_ok=True)
            text += f"Removed {wants}/{unit.name}.\n"
        elif not os.path.lexists(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.symlink_to(f"{SYSTEM}/{units.file_name(name)}")
            text += f"Created symlink {wants}/{unit.name} -> {SYSTEM}/{units.file_name(name)}.\n"
    return 0, text


def show(services: Services, verb: str, name: str) -> Answer:
    """Return the state of a unit."""
    service = services.running.get(units.full_name(name))
    state = service.state if service else "inactive"
    if verb == "is-failed":
        return int(state != "failed"), f"{state}\n"
    code = 0 if state == "active" else NOT_RUNNING
    if verb == "is-active":
        return code, f"{state}\n"
    if service is None and services.load(name) is None:
        return NO_SUCH_UNIT, f"Unit {units.full_name(name)} could not be found.\n"
    return code, line(services, units.full_name(name))


def line(services: Services, name: str) -> str:
    """Return the line that describes a unit."""
    service = services.running.get(name)
    if service is None:
        return f"{name} inactive\n"
    return f"{name} {service.state} pid={service.pid} {service.unit.description}\n"


def missing(name: str) -> Answer:
    """Return the answer for a unit that does not exist."""
    return 5, f"Unit {units.full_name(name)} not found.\n"
