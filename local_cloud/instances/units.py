r"""Parse the part of systemd's unit files that a service of an image needs.

Parsed as systemd.syntax(7), systemd.service(5) and systemd.exec(5) say: `\` joins
lines, an empty assignment clears what came before, values are words in shell-like quotes.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

SECONDS = {"ms": 0.001, "s": 1, "sec": 1, "min": 60, "m": 60, "h": 3600, "": 1}
PREFIXES = "-@:+!|"
TRUE = frozenset({"yes", "true", "1", "on"})


@dataclass(frozen=True, kw_only=True, slots=True)
class Command:
    """One ExecStart= or ExecStartPre= line."""

    words: tuple[str, ...]
    may_fail: bool = False

    def expanded(self, environment: Mapping[str, str]) -> list[str]:
        """Return the words with variables: `${NAME}` inside a word, `$NAME` as several words."""
        words: list[str] = []
        for word in self.words:
            if re.fullmatch(r"\$[A-Za-z_]\w*", word):
                words += environment.get(word[1:], "").split()
            else:
                words.append(braces(word, environment).replace("$$", "$"))
        return words


@dataclass(frozen=True, kw_only=True, slots=True)
class Unit:
    """The settings of one unit file."""

    name: str
    description: str = ""
    kind: str = "simple"
    start: tuple[Command, ...] = ()
    start_before: tuple[Command, ...] = ()
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


def braces(word: str, environment: Mapping[str, str]) -> str:
    """Replace `${NAME}` in a word."""
    return re.sub(r"\$\{([A-Za-z_]\w*)\}", lambda m: environment.get(m[1], ""), word)


def full_name(name: str) -> str:
    """Return `app.service` for `app`."""
    return name if re.search(r"\.(service|target|timer|socket)$", name) else f"{name}.service"


def file_name(name: str) -> str:
    """Return the template's file for an instance of it: `app@.service` for `app@blue`."""
    return re.sub(r"@[^.]+\.", "@.", full_name(name))


def parse(name: str, text: str) -> Unit:
    """Parse a unit file."""
    values = assignments(specifiers(name, text))
    service = {key: found for (section, key), found in values.items() if section == "Service"}
    return Unit(
        name=full_name(name),
        description=last(values.get(("Unit", "Description")), full_name(name)),
        kind=last(service.get("Type"), "simple"),
        start=tuple(map(command, service.get("ExecStart", ()))),
        start_before=tuple(map(command, service.get("ExecStartPre", ()))),
        environment=tuple(
            pair for line in service.get("Environment", ()) for pair in pairs(shlex.split(line))
        ),
        environment_files=tuple(service.get("EnvironmentFile", ())),
        directory=last(service.get("WorkingDirectory"), "/").lstrip("-").replace("~", "/root"),
        restart=last(service.get("Restart"), "no"),
        restart_after=seconds(last(service.get("RestartSec"), "100ms")),
        stays_active=last(service.get("RemainAfterExit"), "no") in TRUE,
        output=last(service.get("StandardOutput"), "journal"),
        wanted_by=tuple(
            word for line in values.get(("Install", "WantedBy"), ()) for word in line.split()
        ),
    )


def forwards_to_console(*files: str) -> bool:
    """Return True if the last of journald's configuration files forwards to the console.

    journald.conf(5), ForwardToConsole=: a boolean, off by default.
    """
    given = [value for text in files for value in journal_setting(text, "ForwardToConsole")]
    return last(given, "no").lower() in TRUE


def journal_setting(text: str, name: str) -> list[str]:
    """Return the values of a setting of journald."""
    return assignments(text).get(("Journal", name), [])


def assignments(text: str) -> dict[tuple[str, str], list[str]]:
    """Return the values of each section and key, since an empty assignment cleared them."""
    values: dict[tuple[str, str], list[str]] = {}
    section = ""
    for line in re.sub(r"\\\n", " ", text).splitlines():
        stripped = line.strip()
        if not stripped or stripped[0] in "#;":
            continue
        if stripped.startswith("["):
            section = stripped.strip("[]")
            continue
        key, _, value = (part.strip() for part in stripped.partition("="))
        values.setdefault((section, key), []).append(value)
        if not value:
            values[section, key] = []
    return values


def specifiers(name: str, text: str) -> str:
    """Replace the specifiers that a service of an image uses."""
    stem = full_name(name).rpartition(".")[0]
    prefix, _, instance = stem.partition("@")
    known = {"i": instance, "I": instance, "n": full_name(name), "N": stem, "p": prefix, "%": "%"}
    return re.sub(r"%([iInNp%])", lambda m: known[m[1]], text)


def command(line: str) -> Command:
    """Parse an Exec line: prefixes, then words; with `@` the second word is only a name."""
    bare = line.lstrip(PREFIXES)
    prefix = line[: len(line) - len(bare)]
    words = shlex.split(bare)
    if "@" in prefix:
        del words[1:2]
    return Command(words=tuple(words), may_fail="-" in prefix)


def pairs(words: list[str]) -> list[tuple[str, str]]:
    """Return the assignments among words."""
    return [(name, value) for name, is_one, value in (w.partition("=") for w in words) if is_one]


def environment_file(text: str) -> list[tuple[str, str]]:
    """Parse an EnvironmentFile: assignments, one per line, quotes removed."""
    found = []
    for line in re.sub(r"\\\n", "", text).splitlines():
        name, is_one, value = line.strip().partition("=")
        if is_one and name and name[0] not in "#;":
            bare = value.strip()
            quoted = len(bare) > 1 and bare[0] == bare[-1] and bare[0] in "\"'"
            found.append((name.strip(), bare[1:-1] if quoted else bare))
    return found


def seconds(span: str) -> float:
    """Parse a time span: `5`, `5s`, `1min 30s`, `100ms`."""
    parts = re.findall(r"([\d.]+)\s*([a-z]*)", span)
    return sum(float(number) * SECONDS.get(unit, 1) for number, unit in parts)


def last(values: list[str] | None, default: str) -> str:
    """Return the last of several assignments, or the default."""
    return values[-1] if values else default
