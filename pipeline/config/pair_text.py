"""Write pairs of target groups into pipeline.toml in place of target groups; the rest stays.

Comments and order are the person's, so lines are replaced, and the text is parsed again: it must
say what was wanted, and nothing else.
"""

from __future__ import annotations

import copy
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from pipeline.config.file import settings_of
from pipeline.config.layers import Layer, read_layers
from pipeline.config.lines import Key, last_lines, lines
from pipeline.config.source_text import parse
from pipeline.core import commands
from pipeline.core.errors import ConfigurationError

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.config.model import Settings

STRATEGY: Final = 'strategy = "flip"'
_REPLACED: Final = ("target_groups", "promote.strategy", "promote.steps", "promote.min_healthy")
"""The keys of an environment that flip makes useless or contradicts."""


def with_pairs(
    path: Path, environment: str, pairs: Sequence[Mapping[str, Any]], tables: str
) -> tuple[str, Settings]:
    """Return the text of a file whose environment flips these pairs, and its settings.

    `tables` are the pairs as TOML. Nothing is written. Raises ConfigurationError if the file
    cannot be changed this way: an inline table has the keys, or another file.
    """
    layers = read_layers(path)
    text = edited(layers.own.text, environment, tables)
    wanted = _wanted(layers.own.document, environment, pairs)
    try:
        found: object = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        found = None
    if found != wanted:
        what = f"[environments.{environment}] is not written as tables of lines"
        raise ConfigurationError(str(path), what, commands.config_check())
    own = Layer(path=path, text=text, document=parse(path, text))
    return text, settings_of(replace(layers, own=own))


def edited(text: str, environment: str, tables: str) -> str:
    """Return a text without the replaced keys, with the strategy, and with tables at its end."""
    own: Key = ("environments", environment)
    first, last = lines(text), last_lines(text)
    keys = [(*own, *name.split(".")) for name in _REPLACED]
    gone = {n for key in keys if key in last for n in range(first[key], last[key] + 1)}
    heading = f"[environments.{environment}.promote]"
    kept = list(_kept(text.splitlines(), gone, heading))
    table = [] if heading in map(_bare, kept) else ["", heading, STRATEGY]
    return "\n".join([*_trimmed(kept), *table, "", tables.rstrip(), ""])


def _kept(found: Sequence[str], gone: set[int], heading: str) -> Iterator[str]:
    """Yield the lines that stay; the strategy follows the heading of its table."""
    for number, line in enumerate(found, start=1):
        if number not in gone:
            yield line
        if _bare(line) == heading:
            yield STRATEGY


def _bare(line: str) -> str:
    return line.partition("#")[0].strip()


def _trimmed(found: list[str]) -> list[str]:
    return "\n".join(found).rstrip().split("\n")


def _wanted(
    document: Mapping[str, Any], environment: str, pairs: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """Return what the file has to say afterwards."""
    wanted: dict[str, Any] = copy.deepcopy(dict(document))
    table = wanted.setdefault("environments", {}).setdefault(environment, {})
    table.pop("target_groups", None)
    promote = table.setdefault("promote", {})
    for name in ("steps", "min_healthy"):
        promote.pop(name, None)
    promote["strategy"] = "flip"
    table["pairs"] = [dict(each) for each in pairs]
    return wanted
