r"""Read the syntax of systemd's files: sections, assignments, specifiers, time spans.

As systemd.syntax(7) and systemd.unit(5) say: `\\` joins lines, and an empty assignment clears what
came before.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

SECONDS = {"ms": 0.001, "s": 1, "sec": 1, "min": 60, "m": 60, "h": 3600, "": 1}
TRUE = frozenset({"yes", "true", "1", "on"})


def braces(word: str, environment: Mapping[str, str]) -> str:
    """Replace `${NAME}` in a word."""
    return re.sub(r"\$\{([A-Za-z_]\w*)\}", lambda m: environment.get(m[1], ""), word)


def full_name(name: str) -> str:
    """Return `app.service` for `app`."""
    return name if re.search(r"\.(service|target|timer|socket)$", name) else f"{name}.service"


def file_name(name: str) -> str:
    """Return the template's file for an instance of it: `app@.service` for `app@blue`."""
    return re.sub(r"@[^.]+\.", "@.", full_name(name))


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


def pairs(given: list[str]) -> list[tuple[str, str]]:
    """Return the assignments among words."""
    return [(name, value) for name, is_one, value in (w.partition("=") for w in given) if is_one]


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


def words(lines: list[str] | None) -> tuple[str, ...]:
    """Return the words of all assignments of a setting."""
    return tuple(word for line in lines or () for word in line.split())


def seconds(span: str) -> float:
    """Parse a time span: `5`, `5s`, `1min 30s`, `100ms`."""
    parts = re.findall(r"([\d.]+)\s*([a-z]*)", span)
    return sum(float(number) * SECONDS.get(unit, 1) for number, unit in parts)


def last(values: list[str] | None, default: str) -> str:
    """Return the last of several assignments, or the default."""
    return values[-1] if values else default
