"""Combine all problems of pipeline.toml into one error.

One run reports every mistake of a file, each with its line, its key, the problem and
a remedy.
"""

from __future__ import annotations

import difflib
import json
import re
from typing import TYPE_CHECKING, Final

from pipeline.config.bake import BakeSettings
from pipeline.config.model import Settings, tables
from pipeline.config.notify.settings import NotifySettings
from pipeline.config.operations.freezes import FreezeSettings
from pipeline.config.promote.hooks import HookSettings
from pipeline.config.promote.traffic import key_of
from pipeline.config.relations import Problem
from pipeline.config.source_text import show_file
from pipeline.config.terraform import BackendSettings
from pipeline.core import commands
from pipeline.core.errors import ConfigurationError
from pipeline.core.validation.text import shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from pydantic_core import ErrorDetails

    from pipeline.config.layers import Layers, Place
    from pipeline.config.lines import Key

MOST_SHOWN: Final = 20
_PLAIN: Final = {
    "string_type": "is not a string: put it in double quotes",
    "int_type": "is not a whole number: write it without quotes",
    "float_type": "is not a number: write it without quotes",
    "tuple_type": "is not a list: write it in square brackets",
    "mapping_type": "is not a table",
    "dict_type": "is not a table",
    "model_type": "is not a table",
}


def explain(error: ErrorDetails) -> Problem:
    """Return an error of pydantic as a problem in plain words."""
    key: Key = tuple(part for part in error["loc"] if part != "[key]")
    context: Mapping[str, object] = error.get("ctx", {})
    match error["type"]:
        case "extra_forbidden":
            return Problem(key=key, what="unknown key", remedy=_nearest(key))
        case "missing":
            return Problem(key=key, what="is missing", remedy=_example(key))
        case "value_error":
            return Problem(key=key, what=str(context["error"]))
        case "greater_than_equal" | "less_than_equal":
            return Problem(key=key, what=f"is out of range: {_lower(error['msg'])}")
        case kind:
            return Problem(key=key, what=_PLAIN.get(kind) or _lower(error["msg"]))


def combine(layers: Layers, problems: Iterable[Problem]) -> ConfigurationError:
    """Return one error of all problems, in the order of their lines; the own file's are first."""
    # The first problem of a key is enough.
    first = {each.key: each for each in reversed(tuple(problems))}.values()
    own = layers.own.path
    placed = sorted(
        ((layers.place(each.key), each) for each in reversed(first)),
        key=lambda pair: (pair[0].file != own, pair[0].line),
    )
    if len(placed) == 1:
        place, only = placed[0]
        remedy = only.remedy or f"fix it, then run: {commands.config_check()}"
        where = f"{show_file(place.file)} {_place(place, only.key)}"
        return ConfigurationError(where=where, what=only.what, remedy=remedy)
    files = {place.file for place, _ in placed}
    file = files.pop() if len(files) == 1 else own
    texts = [f"{_of(place, file)}{_place(place, e.key)}: {_sentence(e)}" for place, e in placed]
    if len(texts) > MOST_SHOWN:
        texts = [*texts[:MOST_SHOWN], f"and {len(texts) - MOST_SHOWN} more"]
    return ConfigurationError(
        where=show_file(file),
        what="\n".join(texts),
        remedy=f"fix these {len(placed)} problems, then run: {commands.config_check()}",
    )


def _of(place: Place, file: Path) -> str:
    """Return the name of the file of a place, if the message does not begin with it."""
    return "" if place.file == file else f"{show_file(place.file)} "


def show_key(key: Key) -> str:
    """Return a key in the syntax of TOML; other keys are quoted and escaped."""
    text = ""
    for part in key:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += f".{part}" if re.fullmatch(r"[A-Za-z0-9_-]{1,64}", part) else f".{shown(part)}"
    return text.lstrip(".")


def _sentence(problem: Problem) -> str:
    return f"{problem.what}; {problem.remedy}" if problem.remedy else problem.what


def _place(place: Place, key: Key) -> str:
    return f"line {place.line}, {show_key(key)}" if place.line else show_key(key)


def _table_of(key: Key) -> str:
    """Return the name of a key's table as `tables` gives it, each environment as NAME."""
    parts = [part for part in key[:-1] if isinstance(part, str)]
    if len(parts) > 1 and parts[0] == "environments":
        parts[1] = "NAME"
    return ".".join(parts)


def _nearest(key: Key) -> str:
    """Return a remedy for an unknown key: the nearest key of its table, or of another."""
    word, place, known = str(key[-1])[:64], _table_of(key), tables()
    siblings = known.get(place, ())
    if near := difflib.get_close_matches(word, siblings, n=1):
        return f"write {show_key((*key[:-1], near[0]))}"
    elsewhere = [f"{table}.{word}".lstrip(".") for table, names in known.items() if word in names]
    if elsewhere:
        return f"the known key is {elsewhere[0]}"
    return f"remove it; the keys of this table are {', '.join(siblings)}"


def _example(key: Key) -> str:
    """Return a remedy with a line to paste for a required key."""
    name = str(key[-1])
    models = (
        Settings,
        BakeSettings,
        BackendSettings,
        HookSettings,
        FreezeSettings,
        NotifySettings,
    )
    fields = (pair for each in models for pair in each.model_fields.items())
    examples = next((each.examples for own, each in fields if key_of(own, each) == name), None)
    if not examples:
        return f"add a table [{show_key(key)}]"
    line = f"{name} = {json.dumps(examples[0])}"
    return f"add to {_header(key[:-1])}: {line}" if key[:-1] else f"add a line: {line}"


def _header(key: Key) -> str:
    """Return the header of a table, or of an array of tables."""
    return f"[{show_key(key)}]" if isinstance(key[-1], str) else f"[[{show_key(key[:-1])}]]"


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]
