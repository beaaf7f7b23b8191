"""Find the paths in pipeline.toml, and check where they lead.

A path that a command reads begins in the folder of the file that names it. A file that a command
writes begins in the folder of pipeline.toml, so that services do not overwrite each other's.
"""

from __future__ import annotations

import copy
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pipeline.config.hook_files import programs
from pipeline.config.layers import Layers, is_within, repository
from pipeline.config.relations import Problem
from pipeline.config.source_text import NAME, show_file
from pipeline.core.terraform.root_module import FILE_INPUTS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipeline.config.lines import Key

_PATHS: Final = {
    "bake": ("template", "directory", "inputs", "var_files", "tfvars", "dotenv"),
    "terraform": ("module",),
}
_WRITTEN: Final = {("bake", "tfvars"), ("bake", "dotenv")}


def relocated(layers: Layers) -> dict[str, Any]:
    """Return the merged document, in which every path begins in the folder of pipeline.toml."""
    document = copy.deepcopy(layers.document)
    root = layers.own.path.absolute().parent
    for key, value in [*_read_paths(layers.document)]:
        home = layers.home(key)
        if home != root and not value.startswith("/"):
            _set(document, key, os.path.relpath(home / value, root))
    return document


def check_places(layers: Layers, document: dict[str, Any]) -> Iterator[Problem]:
    """Find paths that leave the repository."""
    root = layers.own.path.absolute().parent
    for key, value in _paths(document):
        home = layers.home(key)
        top = repository(home) or home.resolve()
        if isinstance(value, str) and not is_within(_below(root, value.strip("/")), top):
            climbs = value.startswith("../")
            yield Problem(
                key=key,
                what="leaves the repository" + ("" if climbs else " through a symbolic link"),
                remedy="move the file or directory into the repository"
                if climbs
                else "replace the link with the file or directory itself",
            )


def missing(root: Path, document: dict[str, Any]) -> Iterator[Problem]:
    """Find files that a command would read and that do not exist."""
    for key, value in [*_paths(document), *_templates(document)]:
        is_read = key[:2] not in _WRITTEN and isinstance(value, str)
        if is_read and not _below(root, str(value)).exists():
            what = f"{show_file(_below(root, str(value)))} does not exist"
            remedy = f"create it, or fix the path, which begins in the folder of {NAME}"
            yield Problem(key=key, what=what, remedy=remedy)


def _below(root: Path, value: str) -> Path:
    """Return a path of the document; `..` leaves a folder by its name, as in `extends`."""
    return Path(os.path.normpath(root / value))


def _read_paths(document: dict[str, Any]) -> Iterator[tuple[Key, str]]:
    """Return each path of a file that a command reads or runs, with its key."""
    programs = [(key, value) for key, value in _programs(document) if "/" in str(value)]
    for key, value in [*_paths(document), *_templates(document), *programs]:
        if key[:2] not in _WRITTEN and isinstance(value, str):
            yield key, value


def _programs(document: dict[str, Any]) -> Iterator[tuple[Key, object]]:
    for key, table in _tables(document, "terraform"):
        yield (*key, "program"), table.get("program")
    yield from programs(document)


def _templates(document: dict[str, Any]) -> Iterator[tuple[Key, object]]:
    """Return each file among the inputs of the shipped module; another module's are unknown."""
    terraform = document.get("terraform")
    if isinstance(terraform, dict) and terraform.get("module"):
        return
    for key, table in _tables(document, "terraform"):
        inputs = table.get("inputs")
        if isinstance(inputs, dict):
            yield from (((*key, "inputs", name), inputs.get(name)) for name in FILE_INPUTS)


def _tables(document: dict[str, Any], name: str) -> Iterator[tuple[Key, dict[str, Any]]]:
    """Return a table of the top, and those of the same name of the environments."""
    environments = document.get("environments")
    found: list[tuple[Key, object]] = [((name,), document.get(name))]
    if isinstance(environments, dict):
        for environment, table in environments.items():
            given = table.get(name) if isinstance(table, dict) else None
            found.append((("environments", environment, name), given))
    yield from ((key, table) for key, table in found if isinstance(table, dict))


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


def _set(document: Any, key: Key, value: str) -> None:
    for part in key[:-1]:
        document = document[part]
    document[key[-1]] = value
