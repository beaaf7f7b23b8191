"""Read pipeline.toml with the file of common defaults that it extends, and merge both."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from pipeline.config.lines import Key, lines
from pipeline.config.source_text import parse, read, show_file
from pipeline.core import commands
from pipeline.core.errors import ConfigurationError
from pipeline.core.merging import EXTENDS, fill_app, is_inherited, merge
from pipeline.core.validation import values


@dataclass(frozen=True, kw_only=True)
class Layer:
    """One file: its path, its text and what it says."""

    path: Path
    text: str
    document: Mapping[str, Any]

    @cached_property
    def lines(self) -> Mapping[Key, int]:
        """Return the line of each key, counted from 1."""
        return lines(self.text)


@dataclass(frozen=True, kw_only=True)
class Place:
    """A file, and a line of it that is 0 if no line has the key or a table around it."""

    file: Path
    line: int = 0


@dataclass(frozen=True, kw_only=True)
class Layers:
    """The file of a service and the defaults that it extends, if any."""

    own: Layer
    defaults: Layer | None = None

    @cached_property
    def document(self) -> dict[str, Any]:
        """Return what both files say together; each path is written as in its own file."""
        if self.defaults is None:
            return fill_app(self.own.document)
        return fill_app(merge(self.own.document, self.defaults.document))

    def place(self, key: Key) -> Place:
        """Return the place of a key, or of the nearest table around an absent key."""
        for length in range(len(key), 0, -1):
            if found := self.exact(key[:length]):
                return found
        return Place(file=self.own.path)

    def exact(self, key: Key) -> Place | None:
        """Return the place of a key in the file that decides its value, None if it is absent."""
        if key in self.own.lines:
            return Place(file=self.own.path, line=self.own.lines[key])
        theirs = self.defaults
        if theirs and key in theirs.lines and is_inherited(self.own.document, key):
            return Place(file=theirs.path, line=theirs.lines[key])
        return None

    def home(self, key: Key) -> Path:
        """Return the folder in which a path with this key begins."""
        return self.place(key).file.absolute().parent


def read_layers(path: Path) -> Layers:
    """Read a file and the one that it extends; raises ConfigurationError."""
    own = _read(path)
    if EXTENDS not in own.document:
        return Layers(own=own)
    here = f"{show_file(path)} line {own.lines[EXTENDS,]}, {EXTENDS}"
    try:
        name = values.check_shared_file(own.document[EXTENDS])
    except ValueError as error:
        raise ConfigurationError(here, str(error), _fix()) from None
    defaults = Path(os.path.normpath(path.parent / name))
    if not _is_in_repository(path, defaults):
        what = f"{show_file(defaults)} is outside of the repository"
        raise ConfigurationError(here, what, "move it into the repository")
    if not defaults.exists():
        raise ConfigurationError(here, f"{show_file(defaults)} does not exist", _fix())
    theirs = _read(defaults)
    if EXTENDS in theirs.document:
        where = f"{show_file(defaults)} line {theirs.lines[EXTENDS,]}, {EXTENDS}"
        what = f"{show_file(path)} extends this file, which cannot extend another one"
        raise ConfigurationError(where, what, "remove it, and copy what it names into this file")
    return Layers(own=own, defaults=theirs)


def _fix() -> str:
    return f'name a file such as "../common.toml", then run: {commands.config_check()}'


def _read(path: Path) -> Layer:
    text = read(path)
    return Layer(path=path, text=text, document=parse(path, text))


def repository(folder: Path) -> Path | None:
    """Return the top of the folder's Git repository, None if it is in none."""
    tops = (each for each in (folder, *folder.parents) if (each / ".git").exists())
    return next((each.resolve() for each in tops), None)


def _is_in_repository(path: Path, other: Path) -> bool:
    top = repository(path.absolute().parent)
    return top is None or is_within(other.absolute(), top)


def is_within(path: Path, top: Path) -> bool:
    """Return True if a path leads below a folder; its symbolic links are followed."""
    try:
        return path.resolve().is_relative_to(top)
    except (OSError, RuntimeError, ValueError):  # an impossible name, or a loop of links
        return False
