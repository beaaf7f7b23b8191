"""Find and load pipeline.toml, merged with the file that it extends.

The configuration names templates and secrets, so the file must be trustworthy: no file of another
user in a folder above, and no path that leaves the repository.
"""

from __future__ import annotations

import stat
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from pipeline.config.hook_files import unusable_programs
from pipeline.config.hook_relations import contradicting_hooks, replaced_hooks
from pipeline.config.layers import Layer, Layers, read_layers
from pipeline.config.model import Settings
from pipeline.config.paths import check_places, missing, relocated
from pipeline.config.problems import combine, explain
from pipeline.config.relations import Problem, check_relations
from pipeline.config.source_text import NAME, parse, show_file
from pipeline.core import commands
from pipeline.core.errors import ConfigurationError

if TYPE_CHECKING:
    from pathlib import Path


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
    return settings_of(read_layers(path), with_files=with_files)


def extended(path: Path, tables: str) -> tuple[str, Settings]:
    """Return the text of a file with more tables at its end, and the settings that it has then.

    Nothing is written. Raises ConfigurationError if the file cannot take the tables.
    """
    layers = read_layers(path)
    text = layers.own.text
    longer = f"{text.rstrip()}\n\n{tables}" if text.strip() else tables
    own = Layer(path=path, text=longer, document=parse(path, longer))
    return longer, settings_of(replace(layers, own=own))


def document(path: Path) -> dict[str, Any]:
    """Return what a file and its defaults say; its paths begin in the folder of the file."""
    return relocated(read_layers(path))


def settings_of(layers: Layers, *, with_files: bool = False) -> Settings:
    """Return the settings of a file and its defaults; the error names all of their problems."""
    path, merged = layers.own.path, relocated(layers)
    problems: list[Problem] = [*check_relations(merged), *check_places(layers, merged)]
    problems += contradicting_hooks(merged)
    if with_files:
        problems += missing(path.absolute().parent, merged)
        problems += unusable_programs(path.absolute().parent, merged)
    try:
        settings = Settings.model_validate(merged, context={"file": path.absolute()})
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False)
        raise combine(layers, [*replaced_hooks(merged), *map(explain, found), *problems]) from None
    if problems:
        raise combine(layers, problems)
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
