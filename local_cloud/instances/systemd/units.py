"""Read the settings of a service, as systemd.service(5) and systemd.exec(5) say.

Settings that the local cloud does not carry out are `ignored`, to be named on the console.
"""

from __future__ import annotations

import re
import shlex
import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING

from local_cloud.instances.systemd.unit_syntax import (
    TRUE,
    assignments,
    braces,
    full_name,
    last,
    pairs,
    seconds,
    specifiers,
    words,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

PREFIXES = "-@:+!|"
FOREVER = {"infinity", "0"}
KINDS = frozenset({"simple", "exec", "idle", "oneshot", "forking", "notify", "notify-reload"})
DIRECTORIES = {
    "RuntimeDirectory": "/run",
    "StateDirectory": "/var/lib",
    "CacheDirectory": "/var/cache",
    "LogsDirectory": "/var/log",
    "ConfigurationDirectory": "/etc",
}
"""The settings that make folders, and where (systemd.exec(5))."""

KNOWN = {
    "Unit": "Description Documentation After Before Wants Requires BindsTo",
    "Service": "Type ExecStart ExecStartPre ExecStartPost ExecStop ExecReload Environment"
    " EnvironmentFile WorkingDirectory Restart RestartSec RemainAfterExit StandardOutput"
    " StandardError User Group SupplementaryGroups PIDFile TimeoutSec TimeoutStartSec"
    " TimeoutStopSec KillMode KillSignal SuccessExitStatus SyslogIdentifier NotifyAccess"
    " " + " ".join(f"{name} {name}Mode" for name in DIRECTORIES),
    "Install": "WantedBy Alias",
}
"""The settings that count, by section; documentation and names of logs change nothing."""

FILES = ("file:", "append:", "truncate:", "socket", "fd:")
UNDERSTOOD: Mapping[str, Callable[[str], bool]] = {
    "Type": lambda given: given in KINDS | {""},
    "KillMode": lambda given: given in {"", "control-group", "mixed"},
    "StandardOutput": lambda given: not given.startswith(FILES),
}
"""Settings of which only some values count."""

START_WITHIN = 90.0
"""Seconds (systemd-system.conf(5), DefaultTimeoutStartSec=)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Command:
    """One Exec line; a `privileged` one ignores User= and Group=."""

    words: tuple[str, ...]
    may_fail: bool = False
    privileged: bool = False

    def expanded(self, environment: Mapping[str, str]) -> list[str]:
        """Return the words with variables: `${NAME}` inside a word, `$NAME` as several words."""
        found: list[str] = []
        for word in self.words:
            if re.fullmatch(r"\$[A-Za-z_]\w*", word):
                found += environment.get(word[1:], "").split()
            else:
                found.append(braces(word, environment).replace("$$", "$"))
        return found


@dataclass(frozen=True, kw_only=True, slots=True)
class Directory:
    """A folder that a service gets, owned by its user."""

    path: str
    mode: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Unit:
    """The settings of one unit file."""

    name: str
    description: str = ""
    kind: str = "simple"
    start: tuple[Command, ...] = ()
    start_before: tuple[Command, ...] = ()
    start_after: tuple[Command, ...] = ()
    stop: tuple[Command, ...] = ()
    reload: tuple[Command, ...] = ()
    user: str = ""
    group: str = ""
    groups: tuple[str, ...] = ()
    directories: tuple[Directory, ...] = ()
    pid_file: str = ""
    start_within: float = START_WITHIN
    stop_within: float | None = None
    kill_mode: str = "control-group"
    kill_signal: signal.Signals = signal.SIGTERM
    clean_codes: frozenset[int] = frozenset()
    after: frozenset[str] = frozenset()
    before: frozenset[str] = frozenset()
    wants: frozenset[str] = frozenset()
    aliases: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()
    environment: tuple[tuple[str, str], ...] = ()
    environment_files: tuple[str, ...] = ()
    directory: str = "/"
    restart: str = "no"
    restart_after: float = 0.1
    stays_active: bool = False
    wanted_by: tuple[str, ...] = ()
    output: str = "journal"

    @property
    def prints_on_console(self) -> bool:
        """True if its output is copied to the console (systemd.exec(5), StandardOutput=)."""
        return self.output.endswith("+console") or self.output.startswith("tty")


def parse(name: str, text: str) -> Unit:
    """Parse a unit file."""
    values = assignments(specifiers(name, text))
    service = {key: found for (section, key), found in values.items() if section == "Service"}
    return Unit(
        name=full_name(name),
        description=last(values.get(("Unit", "Description")), full_name(name)),
        kind=kind(service),
        start=commands(service, "ExecStart"),
        start_before=commands(service, "ExecStartPre"),
        start_after=commands(service, "ExecStartPost"),
        stop=commands(service, "ExecStop"),
        reload=commands(service, "ExecReload"),
        user=last(service.get("User"), ""),
        group=last(service.get("Group"), ""),
        groups=words(service.get("SupplementaryGroups")),
        directories=directories(service),
        pid_file=pid_file(last(service.get("PIDFile"), "")),
        start_within=timeout(service, "TimeoutStartSec") or START_WITHIN,
        stop_within=timeout(service, "TimeoutStopSec"),
        kill_mode=last(service.get("KillMode"), "control-group"),
        kill_signal=signal_named(last(service.get("KillSignal"), "SIGTERM")),
        clean_codes=clean_codes(words(service.get("SuccessExitStatus"))),
        after=frozenset(words(values.get(("Unit", "After")))),
        before=frozenset(words(values.get(("Unit", "Before")))),
        wants=frozenset(
            name
            for key in ("Wants", "Requires", "BindsTo")
            for name in words(values.get(("Unit", key)))
        ),
        aliases=words(values.get(("Install", "Alias"))),
        ignored=tuple(ignored(values)),
        environment=tuple(
            pair for line in service.get("Environment", ()) for pair in pairs(shlex.split(line))
        ),
        environment_files=tuple(service.get("EnvironmentFile", ())),
        directory=last(service.get("WorkingDirectory"), "/").lstrip("-").replace("~", "/root"),
        restart=last(service.get("Restart"), "no"),
        restart_after=seconds(last(service.get("RestartSec"), "100ms")),
        stays_active=last(service.get("RemainAfterExit"), "no") in TRUE,
        output=last(service.get("StandardOutput"), "journal"),
        wanted_by=words(values.get(("Install", "WantedBy"))),
    )


def ignored(values: Mapping[tuple[str, str], list[str]]) -> list[str]:
    """Return the settings of a service that the local cloud does not carry out.

    `X-` is for other programs (systemd.unit(5)).
    """
    names = [
        key
        for (section, key), value in values.items()
        if value and section in KNOWN and key not in KNOWN[section].split()
    ]
    unknown = [
        f"{name}={given}"
        for name, understood in UNDERSTOOD.items()
        if not understood(given := last(values.get(("Service", name)), ""))
    ]
    return unknown + [name for name in dict.fromkeys(names) if not name.startswith("X-")]


def kind(service: Mapping[str, list[str]]) -> str:
    """Return the type of a service; one that starts nothing is of type oneshot."""
    return last(service.get("Type"), "simple" if service.get("ExecStart") else "oneshot")


def commands(service: Mapping[str, list[str]], name: str) -> tuple[Command, ...]:
    """Return the commands of a setting."""
    return tuple(map(command, service.get(name, ())))


def directories(service: Mapping[str, list[str]]) -> tuple[Directory, ...]:
    """Return the folders that a service gets."""
    return tuple(
        Directory(path=f"{base}/{name}", mode=int(last(service.get(f"{setting}Mode"), "755"), 8))
        for setting, base in DIRECTORIES.items()
        for name in words(service.get(setting))
    )


def pid_file(name: str) -> str:
    """Return the path of a PID file; a relative one is below /run."""
    return name if not name or name.startswith("/") else f"/run/{name}"


def timeout(service: Mapping[str, list[str]], name: str) -> float | None:
    """Return the seconds of a timeout, or None if it is not set; `infinity` is a day."""
    given = last(service.get(name) or service.get("TimeoutSec"), "")
    if not given:
        return None
    return 86400.0 if given in FOREVER else seconds(given)


def signal_named(name: str) -> signal.Signals:
    """Return a signal by its name or number; SIGTERM if there is none of that name."""
    found = {each.name: each for each in signal.Signals} | {
        str(each.value): each for each in signal.Signals
    }
    return found.get(name, found.get(f"SIG{name}", signal.SIGTERM))


def clean_codes(given: tuple[str, ...]) -> frozenset[int]:
    """Return the exit codes that are clean beside 0; a signal is negative, as in Python."""
    signals = {each.name: each for each in signal.Signals}
    return frozenset(
        int(word) if word.isdigit() else -signals[word]
        for word in given
        if word.isdigit() or word in signals
    )


def command(line: str) -> Command:
    """Parse an Exec line: prefixes, then words; with `@` the second word is only a name."""
    bare = line.lstrip(PREFIXES)
    prefix = line[: len(line) - len(bare)]
    given = shlex.split(bare)
    if "@" in prefix:
        del given[1:2]
    privileged = "+" in prefix or "!" in prefix
    return Command(words=tuple(given), may_fail="-" in prefix, privileged=privileged)
