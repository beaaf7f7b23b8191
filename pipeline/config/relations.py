"""What the keys of pipeline.toml owe each other.

The model looks at one value at a time. These rules look at two, and they read
the raw document, whatever else is wrong with it, so that one run names every
problem there is: each rule steps over what has not the type it needs.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, TypeAlias

from pipeline.core.validation import values as rules
from pipeline.core.validation.deployment_values import DEFAULT_PAUSES, PAUSES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pipeline.config.lines import Key

_Table: TypeAlias = "Mapping[str, Any]"

WHOAMI = (
    "names images of no owner: the newest image of such a name may be a stranger's "
    "(the whoAMI attack)"
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Problem:
    """One thing wrong with the file: the key, what, and its remedy where that is not plain."""

    key: Key
    what: str
    remedy: str = ""


def check_relations(document: _Table) -> Iterator[Problem]:
    """Find every pair of keys that cannot both be as they are."""
    bake = _table(document, "bake")
    yield from _check_source(bake)
    yield from _check_copies(document, bake)
    yield from _check_sensitive(document, bake)
    yield from _check_variables(("bake",), bake, {})
    yield from _check_tags(("bake",), bake, {})
    for name, environment in _table(document, "environments").items():
        over = _table({"environment": environment}, "environment", "bake")
        yield from _check_variables(("environments", name, "bake"), over, bake)
        yield from _check_tags(("environments", name, "bake"), over, bake)
        yield from _check_size(("environments", name), environment)
    yield from _check_promotions(document)


def _check_source(bake: _Table) -> Iterator[Problem]:
    if not isinstance(bake.get("source"), dict):
        return
    source, key = bake["source"], ("bake", "source")
    if "id" in source and source.keys() & {"owner", "name"}:
        yield Problem(key=key, what="has both id and owner or name", remedy="remove one of the two")
    elif "name" in source and "owner" not in source:
        yield Problem(
            key=(*key, "name"),
            what=WHOAMI,
            remedy='add owner = "amazon" or the 12-digit account id',
        )
    elif "id" not in source and "name" not in source:
        yield Problem(
            key=key, what="names no image", remedy='add id = "ami-...", or owner and name = "..."'
        )


def _check_copies(document: _Table, bake: _Table) -> Iterator[Problem]:
    seen = {document.get("region")} if isinstance(document.get("region"), str) else set()
    for place, region in enumerate(_list(bake, "regions")):
        if region in seen:
            yield Problem(
                key=("bake", "regions", place),
                what=f"{rules.shown(region)} is there already: as region, or earlier in the list",
                remedy="remove it",
            )
        seen.add(region)


def _check_sensitive(document: _Table, bake: _Table) -> Iterator[Problem]:
    environments = _table(document, "environments").values()
    known = set(_table(bake, "vars"))
    for environment in environments:
        known |= set(_table({"environment": environment}, "environment", "bake", "vars"))
    for place, name in enumerate(_list(bake, "sensitive")):
        if name not in known:
            yield Problem(
                key=("bake", "sensitive", place),
                what=f"no variable of the name {rules.shown(name)} in vars",
                remedy="correct the name, or remove it; what is in vars_from_env is masked anyway",
            )


def _check_variables(key: Key, table: _Table, base: _Table) -> Iterator[Problem]:
    """Find names that are both a plain value and a secret, here or together with [bake]."""
    plain, secret = set(_table(table, "vars")), set(_table(table, "vars_from_env"))
    plain_base, secret_base = set(_table(base, "vars")), set(_table(base, "vars_from_env"))
    for name in sorted(plain & (secret | secret_base)):
        yield Problem(key=(*key, "vars", name), what="is in vars_from_env too", remedy=_REMOVE)
    for name in sorted(secret & plain_base):
        yield Problem(key=(*key, "vars_from_env", name), what="is in bake.vars too", remedy=_REMOVE)


_REMOVE = "keep it in one of the two, in vars_from_env if it is a secret"


def _check_tags(key: Key, table: _Table, base: _Table) -> Iterator[Problem]:
    try:
        rules.check_tags({**_table(base, "tags"), **_table(table, "tags")})
    except ValueError as error:
        yield Problem(key=(*key, "tags"), what=str(error), remedy="remove tags")


def _check_size(key: Key, environment: object) -> Iterator[Problem]:
    """Find sizes that no group can have: Auto Scaling takes least <= wanted <= most."""
    table = _table({"environment": environment}, "environment")
    order = ("min_size", "desired_capacity", "max_size")
    given = [(name, table[name]) for name in order if type(table.get(name)) is int]
    for (low, least), (high, most) in pairwise(given):
        if least > most:
            yield Problem(
                key=(*key, high),
                what=f"is {most}, less than {low} = {least}",
                remedy=f"raise {high} or lower {low}",
            )


def _check_promotions(document: _Table) -> Iterator[Problem]:
    """Find phases that would have to end before what they wait for can be over."""
    base = _table(document, "promote")
    yield from _check_pauses(("promote",), base, {})
    for name, environment in _table(document, "environments").items():
        key = ("environments", name)
        over = _table({"environment": environment}, "environment", "promote")
        yield from _check_pauses((*key, "promote"), over, base)
        for names in ("load_balancers", "target_groups"):
            yield from _check_twice((*key, names), _list(_table({"_": environment}, "_"), names))


def _check_pauses(key: Key, table: _Table, base: _Table) -> Iterator[Problem]:
    both = {**DEFAULT_PAUSES, **base, **table}
    limits = {**_table(base, "deadlines"), **_table(table, "deadlines")}
    for pause, phase in PAUSES.items():
        length, limit = _duration(both.get(pause)), _duration(limits.get(phase))
        is_limit_here = phase in _table(table, "deadlines")
        if length is None or limit is None or not (is_limit_here or pause in table):
            continue
        if limit <= length:
            yield Problem(
                key=(*key, "deadlines", phase) if is_limit_here else (*key, pause),
                what=f"deadlines.{phase} is over before {pause} is",
                remedy=f"raise deadlines.{phase} or lower {pause}",
            )


def _check_twice(key: Key, names: tuple[str, ...]) -> Iterator[Problem]:
    for place, name in enumerate(names):
        if name in names[:place]:
            what = f"{rules.shown(name)} is there already: earlier in the list"
            yield Problem(key=(*key, place), what=what, remedy="remove it")


def _duration(value: object) -> float | None:
    """The seconds of a duration; one that is written wrong is the model's affair."""
    try:
        return rules.check_pause(value) if isinstance(value, str) else None
    except ValueError:
        return None


def _table(document: _Table, *path: str) -> _Table:
    found: Any = document
    for name in path:
        found = found.get(name) if isinstance(found, dict) else None
    return found if isinstance(found, dict) else {}


def _list(table: _Table, name: str) -> tuple[str, ...]:
    """The strings of a list in place; whatever is no string is the model's affair."""
    found = table.get(name)
    return tuple(each for each in found if isinstance(each, str)) if isinstance(found, list) else ()
