"""Find and read pipeline.toml.

The configuration names templates and secrets, so the file must be trustworthy: no
pipe that blocks, no file of another user in a folder above, and no path that leaves
the repository through a symbolic link.
"""

from __future__ import annotations

import os
import re
import stat
import tomllib
from typing import TYPE_CHECKING, Any, Final

from pydantic import ValidationError

from pipeline.config.hook_files import unusable_hooks
from pipeline.config.lines import depth
from pipeline.config.model import Settings
from pipeline.config.problems import CHECK, combine, explain, show_file
from pipeline.config.relations import Problem, check_relations
from pipeline.core import commands
from pipeline.core.errors import ConfigurationError
from pipeline.core.terraform.root_module import FILE_INPUTS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pipeline.config.lines import Key

NAME: Final = "pipeline.toml"
LARGEST: Final = 256 * 1024
DEEPEST: Final = 32
_PATHS: Final = {
    "bake": ("template", "directory", "inputs", "var_files", "tfvars", "dotenv"),
    "terraform": ("module",),
}
_WRITTEN: Final = {("bake", "tfvars"), ("bake", "dotenv")}


def find(start: Path) -> Path:
    """Return the path of pipeline.toml in a folder or the nearest above it, in its repository."""
    for folder in (start.absolute(), *start.absolute().parents):
        if (folder / NAME).exists() or (folder / NAME).is_symlink():
            return _trusted(folder, start) / NAME
        if (folder / ".git").exists():
            break
    raise ConfigurationError(
        where=show_file(start),
        what=f"no {NAME} in this folder or above it, up to the top of the repository",
        remedy=f"write one: {commands.init()}; or add the option --config FILE",
    )


def load(path: Path, *, with_files: bool = False) -> Settings:
    """Read and check a file; the error names all of its problems.

    `with_files` also reports each file that it names and that does not exist or cannot run.
    """
    return _settings(path, _read(path), with_files=with_files)


def extended(path: Path, tables: str) -> tuple[str, Settings]:
    """Return the text of a file with more tables at its end, and the settings that it has then.

    Nothing is written. Raises ConfigurationError if the file cannot take the tables.
    """
    text = _read(path)
    longer = f"{text.rstrip()}\n\n{tables}" if text.strip() else tables
    return longer, _settings(path, longer)


def _settings(path: Path, text: str, *, with_files: bool = False) -> Settings:
    document = _parse(path, text)
    problems: list[Problem] = [*check_relations(document), *_check_places(path, document)]
    if with_files:
        problems += _missing(path.absolute().parent, document)
        problems += unusable_hooks(path.absolute().parent, document)
    try:
        settings = Settings.model_validate(document, context={"file": path.absolute()})
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False)
        raise combine(path, text, [*map(explain, found), *problems]) from None
    if problems:
        raise combine(path, text, problems)
    return settings


def _trusted(folder: Path, start: Path) -> Path:
    """Reject a file in a folder above that every user can write to, such as /tmp."""
    if folder != start.absolute() and folder.stat().st_mode & stat.S_IWOTH:
        raise ConfigurationError(
            where=show_file(folder / NAME),
            what="is in a folder above this one that every user can write to",
            remedy=f"if it is yours, add the option --config {show_file(folder / NAME)}",
        )
    return folder


def _read(path: Path) -> str:
    try:
        # Opening a pipe without a writer would block forever.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise _refuse(
            path, f"cannot be opened: {reason}", f"name another {NAME}: --config FILE"
        ) from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise _refuse(path, "is not a regular file", f"name another {NAME}: --config FILE")
    with os.fdopen(descriptor, "rb") as file:
        content = file.read(LARGEST + 1)
    return _decode(path, content)


def _decode(path: Path, content: bytes) -> str:
    if len(content) > LARGEST:
        raise _refuse(path, f"is larger than {LARGEST // 1024} KiB", "move data to other files")
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
    except ValueError as error:  # the error of an integer with thousands of digits has no line
        what, _, place = str(error).partition(" (at ")
        line = re.match(r"line \d+", place)
        raise ConfigurationError(
            where=f"{show_file(path)} {line[0]}" if line else show_file(path),
            what=f"is not TOML: {ascii(what)[1:-1]}",
            remedy=f"fix it, then run: {CHECK}",
        ) from error


def _check_places(path: Path, document: dict[str, Any]) -> Iterator[Problem]:
    """Find paths that leave the repository through a link; the model rejects `..`."""
    root = path.absolute().parent
    top = _repository(root)
    for key, value in _paths(document):
        if isinstance(value, str) and not _is_within(root / value.strip("/"), top):
            yield Problem(
                key=key,
                what="leaves the repository through a symbolic link",
                remedy="replace the link with the file or directory itself",
            )


def _missing(root: Path, document: dict[str, Any]) -> Iterator[Problem]:
    """Find files that a command would read and that do not exist."""
    for key, value in [*_paths(document), *_templates(document)]:
        is_read = key[:2] not in _WRITTEN and isinstance(value, str)
        if is_read and not (root / str(value)).exists():
            what = f"{show_file(root / str(value))} does not exist"
            remedy = f"create it, or fix the path, which begins in the folder of {NAME}"
            yield Problem(key=key, what=what, remedy=remedy)


def _templates(document: dict[str, Any]) -> Iterator[tuple[Key, object]]:
    """Return each file among the inputs of the shipped module; another module's are unknown."""
    terraform, environments = document.get("terraform"), document.get("environments")
    tables: list[tuple[Key, object]] = [(("terraform",), terraform)]
    if isinstance(terraform, dict) and terraform.get("module"):
        return
    if isinstance(environments, dict):
        for name, table in environments.items():
            given = table.get("terraform") if isinstance(table, dict) else None
            tables.append((("environments", name, "terraform"), given))
    for key, table in tables:
        inputs = table.get("inputs") if isinstance(table, dict) else None
        if isinstance(inputs, dict):
            yield from (((*key, "inputs", name), inputs.get(name)) for name in FILE_INPUTS)


def _paths(document: dict[str, Any]) -> Iterator[tuple[Key, object]]:
    """Return each path in the file with its key."""
    for section, names in _PATHS.items():
        table = document.get(section)
        for name in names:
            values = table.get(name) if isinstance(table, dict) else None
            if isinstance(values, list):
                yield from (((section, name, place), each) for place, each in enumerate(values))
            else:
                yield (section, name), values


def _repository(folder: Path) -> Path:
    """Return the top of the folder's Git repository, or the folder itself."""
    tops = (each for each in (folder, *folder.parents) if (each / ".git").exists())
    return next(tops, folder).resolve()


def _is_within(path: Path, top: Path) -> bool:
    try:
        return path.resolve().is_relative_to(top)
    except (OSError, RuntimeError, ValueError):  # an impossible name, or a loop of links
        return False


def _refuse(path: Path, what: str, remedy: str) -> ConfigurationError:
    return ConfigurationError(where=show_file(path), what=what, remedy=remedy)
