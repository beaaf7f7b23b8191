"""Find pipeline.toml and read it, with nothing else touched on the way.

A configuration names the program's template and secrets, so which file is
taken, and from where, is a matter of safety: not a pipe that blocks, not a
file of another user in a folder above, and no path that leads out of the
repository through a symbolic link.
"""

from __future__ import annotations

import os
import re
import stat
import tomllib
from typing import TYPE_CHECKING, Any, Final

from pydantic import ValidationError

from pipeline.config.lines import depth
from pipeline.config.model import Settings
from pipeline.config.problems import CHECK, combine, explain, show_file
from pipeline.config.relations import Problem, check_relations
from pipeline.core.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pipeline.config.lines import Key

NAME: Final = "pipeline.toml"
LARGEST: Final = 256 * 1024
DEEPEST: Final = 32
_PATHS: Final = {
    "bake": ("template", "directory", "inputs", "tfvars", "dotenv"),
    "terraform": ("module",),
}


def find(start: Path) -> Path:
    """Find pipeline.toml in a folder or the nearest above it, within its repository."""
    for folder in (start.absolute(), *start.absolute().parents):
        if (folder / NAME).exists() or (folder / NAME).is_symlink():
            return _trusted(folder, start) / NAME
        if (folder / ".git").exists():
            break
    raise ConfigurationError(
        where=show_file(start),
        what=f"no {NAME} here or in a folder above, up to the top of the repository",
        remedy="write one (docs/configuration.md), or name it: ami-pipeline --config FILE ...",
    )


def load(path: Path) -> Settings:
    """Read and check a file; an error names everything that is wrong with it."""
    text = _read(path)
    document = _parse(path, text)
    problems: list[Problem] = [*check_relations(document), *_check_places(path, document)]
    try:
        settings = Settings.model_validate(document, context={"file": path.absolute()})
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False)
        raise combine(path, text, [*map(explain, found), *problems]) from None
    if problems:
        raise combine(path, text, problems)
    return settings


def _trusted(folder: Path, start: Path) -> Path:
    """Refuse a file above us in a folder anyone may write to, such as /tmp."""
    if folder != start.absolute() and folder.stat().st_mode & stat.S_IWOTH:
        raise ConfigurationError(
            where=show_file(folder / NAME),
            what="lies in a folder above this one that every user may write to",
            remedy=f"if it is yours, name it: ami-pipeline --config {show_file(folder / NAME)} ...",
        )
    return folder


def _read(path: Path) -> str:
    try:
        # A pipe without a writer would block the open for ever.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise _refuse(
            path, f"cannot be opened: {reason}", f"name a {NAME}: --config FILE"
        ) from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise _refuse(path, "is not a regular file", f"name a {NAME}: --config FILE")
    with os.fdopen(descriptor, "rb") as file:
        content = file.read(LARGEST + 1)
    return _decode(path, content)


def _decode(path: Path, content: bytes) -> str:
    if len(content) > LARGEST:
        raise _refuse(path, f"is larger than {LARGEST // 1024} KiB", "move data out of it")
    if content.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\0" in content:
        raise _refuse(path, "is UTF-16 or binary, not UTF-8 text", "save it as UTF-8")
    if content.startswith(b"\xef\xbb\xbf"):
        raise _refuse(path, "begins with a byte order mark", "save it as UTF-8 without one")
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise _refuse(path, f"line {line} is not UTF-8 text", "save it as UTF-8") from error


def _parse(path: Path, text: str) -> dict[str, Any]:
    if depth(text) > DEEPEST:
        raise _refuse(path, f"nests deeper than {DEEPEST} levels", "write flatter values")
    try:
        return tomllib.loads(text)
    except ValueError as error:  # an integer of thousands of digits is one without a line
        what, _, place = str(error).partition(" (at ")
        line = re.match(r"line \d+", place)
        raise ConfigurationError(
            where=f"{show_file(path)} {line[0]}" if line else show_file(path),
            what=f"is not TOML: {ascii(what)[1:-1]}",
            remedy=f"correct it, then run: {CHECK}",
        ) from error


def _check_places(path: Path, document: dict[str, Any]) -> Iterator[Problem]:
    """Find paths that leave the repository; `..` is refused before, so only links can."""
    root = path.absolute().parent
    top = _repository(root)
    for key, value in _paths(document):
        if isinstance(value, str) and not _is_within(root / value.strip("/"), top):
            yield Problem(
                key=key,
                what="leads out of the repository through a symbolic link",
                remedy="replace the link by the file or directory itself",
            )


def _paths(document: dict[str, Any]) -> Iterator[tuple[Key, object]]:
    """Give each path in the file with its key; what is no table has none."""
    for section, names in _PATHS.items():
        table = document.get(section)
        for name in names:
            values = table.get(name) if isinstance(table, dict) else None
            if isinstance(values, list):
                yield from (((section, name, place), each) for place, each in enumerate(values))
            else:
                yield (section, name), values


def _repository(folder: Path) -> Path:
    """Give the top of the Git repository a folder is in, or the folder itself."""
    tops = (each for each in (folder, *folder.parents) if (each / ".git").exists())
    return next(tops, folder).resolve()


def _is_within(path: Path, top: Path) -> bool:
    try:
        return path.resolve().is_relative_to(top)
    except (OSError, RuntimeError, ValueError):  # a name no file can have, or a loop of links
        return False


def _refuse(path: Path, what: str, remedy: str) -> ConfigurationError:
    return ConfigurationError(where=show_file(path), what=what, remedy=remedy)
