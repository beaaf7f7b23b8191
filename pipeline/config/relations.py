"""Check the keys of pipeline.toml against each other.

The model checks one value at a time; these rules compare two. They read the raw
document, even if the model rejects it, so that one run names every problem. Each
rule skips values that do not have the expected type.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, TypeAlias

from pipeline.config.analysis_relations import check_analysis
from pipeline.config.notify.relations import contradicting_targets
from pipeline.config.traffic_relations import check_traffic
from pipeline.core.permissions.scope import partition_of
from pipeline.core.validation import values
from pipeline.core.validation.deployment_values import DEFAULT_PAUSES, PAUSES
from pipeline.core.validation.text import shown

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pipeline.config.lines import Key

_Table: TypeAlias = "Mapping[str, Any]"

WHOAMI = (
    "has no owner: any AWS account can publish a newer image of such a name (the whoAMI attack)"
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Problem:
    """One problem of the file; `remedy` is empty if `what` says what to do."""

    key: Key
    what: str
    remedy: str = ""


def check_relations(document: _Table) -> Iterator[Problem]:
    """Find every pair of keys that contradict each other."""
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
    yield from _check_probes(document)
    yield from _check_keys(document)
    for key, what, remedy in contradicting_targets(document):
        yield Problem(key=key, what=what, remedy=remedy)
    yield from _check_names(document)


def _check_keys(document: _Table) -> Iterator[Problem]:
    """Find KMS keys that cannot encrypt: of another region than the bucket, or without one."""
    backend = _table(document, "terraform", "backend")
    key, region = backend.get("kms_key_id"), backend.get("region") or document.get("region")
    found = _KMS_REGION.match(key) if isinstance(key, str) else None
    if found and isinstance(region, str):
        expected = f"arn:{partition_of(region)}:kms:{region}:"
        if found[0] != expected:
            yield Problem(
                key=("terraform", "backend", "kms_key_id"),
                what=f"is a key of {found[0]}, but the bucket is in {region}",
                remedy=f"name a key of {expected}, or set terraform.backend.region",
            )
    state = _table(document, "state")
    url = state.get("url", "")
    if "kms_key_id" in state and not (isinstance(url, str) and url.startswith("s3://")):
        yield Problem(
            key=("state", "kms_key_id"),
            what="has no effect: the store is a directory",
            remedy="remove it, or set state.url to s3://bucket/prefix",
        )


_KMS_REGION = re.compile(r"arn:[a-z-]+:kms:[a-z0-9-]+:")


def _check_names(document: _Table) -> Iterator[Problem]:
    """Find freezes and policies of environments that the file does not have."""
    known = _table(document, "environments")
    for name in ("freeze", "policy"):
        given = document.get(name)
        for place, table in enumerate(given if isinstance(given, list) else ()):
            for number, each in enumerate(_list(_table({"_": table}, "_"), "environments")):
                if each not in known:
                    yield Problem(
                        key=(name, place, "environments", number),
                        what=f"there is no environment {shown(each)}",
                        remedy=f"write one of {', '.join(known) or 'the [environments.NAME]'}",
                    )


def _check_source(bake: _Table) -> Iterator[Problem]:
    if not isinstance(bake.get("source"), dict):
        return
    source, key = bake["source"], ("bake", "source")
    if "id" in source and source.keys() & {"owner", "name"}:
        yield Problem(
            key=key, what="has an id and also an owner or a name", remedy="remove one of the two"
        )
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
                what=f"{shown(region)} is a duplicate of region or of an earlier element",
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
                what=f"vars has no variable {shown(name)}",
                remedy="fix the name, or remove it; vars_from_env is always masked",
            )


def _check_variables(key: Key, table: _Table, base: _Table) -> Iterator[Problem]:
    """Find names that are both a plain value and a secret, in this table or with [bake]."""
    plain, secret = set(_table(table, "vars")), set(_table(table, "vars_from_env"))
    plain_base, secret_base = set(_table(base, "vars")), set(_table(base, "vars_from_env"))
    for name in sorted(plain & (secret | secret_base)):
        yield Problem(key=(*key, "vars", name), what="is also in vars_from_env", remedy=_REMOVE)
    for name in sorted(secret & plain_base):
        yield Problem(
            key=(*key, "vars_from_env", name), what="is also in bake.vars", remedy=_REMOVE
        )


_REMOVE = "keep it in one of the two; a secret belongs in vars_from_env"


def _check_tags(key: Key, table: _Table, base: _Table) -> Iterator[Problem]:
    try:
        values.check_tags({**_table(base, "tags"), **_table(table, "tags")})
    except ValueError as error:
        yield Problem(key=(*key, "tags"), what=str(error), remedy="remove tags")


def _check_size(key: Key, environment: object) -> Iterator[Problem]:
    """Find impossible sizes: Auto Scaling requires minimum <= desired <= maximum."""
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
    """Find phases whose deadline is shorter than the pause that they wait for."""
    base = _table(document, "promote")
    yield from _check_pauses(("promote",), base, {})
    yield from _check_approval(("promote",), base, {})
    for name, environment in _table(document, "environments").items():
        key = ("environments", name)
        over = _table({"environment": environment}, "environment", "promote")
        yield from _check_pauses((*key, "promote"), over, base)
        yield from _check_approval((*key, "promote"), over, base)
        yield from _check_overlap(key, environment, {**base, **over}, sets=over)
        table = _table({"_": environment}, "_")
        found = check_traffic(key, table, {**base, **over}, over)
        for place, what, remedy in (*found, *check_analysis(key, table, base, over)):
            yield Problem(key=place, what=what, remedy=remedy)
        for names in ("load_balancers", "target_groups"):
            yield from _check_twice((*key, names), _list(_table({"_": environment}, "_"), names))


def _check_approval(key: Key, table: _Table, base: _Table) -> Iterator[Problem]:
    """Find a pause that needs another person's approval and ends without one."""
    both = {**base, **table}
    names = [name for name in ("on_pause_timeout", "approval") if name in table]
    alone = both.get("on_pause_timeout") == "resume" and both.get("approval") == "another"
    if names and alone:
        yield Problem(
            key=(*key, names[0]),
            what='approval = "another" has no effect with on_pause_timeout = "resume": '
            "a promotion would continue without approval",
            remedy='set on_pause_timeout = "abort"',
        )


def _check_overlap(
    key: Key, environment: object, promote: _Table, *, sets: _Table
) -> Iterator[Problem]:
    """Find a service behind load balancers whose old release is to stop first."""
    table = _table({"_": environment}, "_")
    named = [each for each in ("load_balancers", "target_groups") if _list(table, each)]
    if promote.get("overlap") is False and named:
        inner, own = "overlap" in sets, f"[{'.'.join(map(str, key))}.promote]"
        yield Problem(
            key=(*key, "promote", "overlap") if inner else (*key, named[0]),
            what="promote.overlap = false is for workers, which have no load balancers: "
            "requests would fail until the new release serves",
            remedy="remove overlap" if inner else f"set overlap = true in {own}",
        )


def _check_probes(document: _Table) -> Iterator[Problem]:
    """Find probes of services without load balancers, and of several services at one URL."""
    common = _table(document, "promote", "probe").get("url")
    seen: dict[str, str] = {}
    for name, environment in _table(document, "environments").items():
        table = _table({"_": environment}, "_")
        own = _table(table, "promote", "probe")
        url = own.get("url", common)
        if not isinstance(url, str) or not url:
            continue
        where: Key = ("environments", name) if "url" in own else ()
        key: Key = (*where, "promote", "probe", "url")
        if not any(table.get(each) for each in ("load_balancers", "target_groups", "pairs")):
            yield Problem(
                key=key,
                what="the probe sends requests through a load balancer, and "
                f"[environments.{name}] has none",
                remedy=f'set url = "" in [environments.{name}.promote.probe]',
            )
        elif url in seen:
            yield Problem(
                key=key,
                what=f"the probes of {seen[url]} and {name} request the same URL, "
                "so one of them would watch the other's release",
                remedy=f"set url in [environments.{name}.promote.probe]",
            )
        seen.setdefault(url, name)
        yield from _check_test_url(name, table, own, _table(document, "promote", "probe"))


def _check_test_url(name: str, table: _Table, own: _Table, common: _Table) -> Iterator[Problem]:
    """Find a URL of a test listener that no pair has."""
    pairs = table.get("pairs")
    listed = pairs if isinstance(pairs, list) else []
    if own.get("test_url", common.get("test_url")) and not any(
        isinstance(each, dict) and each.get("test_listener") for each in listed
    ):
        where: Key = ("environments", name) if "test_url" in own else ()
        yield Problem(
            key=(*where, "promote", "probe", "test_url"),
            what=f"no pair of [environments.{name}] has a test_listener that would answer",
            remedy=f"add test_listener to [[environments.{name}.pairs]], or remove test_url",
        )


def _check_pauses(key: Key, table: _Table, base: _Table) -> Iterator[Problem]:
    both = {**DEFAULT_PAUSES, **base, **table}
    limits = {**_table(base, "deadlines"), **_table(table, "deadlines")}
    for pause, phase in PAUSES.items():
        length, limit = _duration(both.get(pause)), _duration(limits.get(phase))
        sets_limit = phase in _table(table, "deadlines")
        if length is None or limit is None or not (sets_limit or pause in table):
            continue
        if limit <= length:
            yield Problem(
                key=(*key, "deadlines", phase) if sets_limit else (*key, pause),
                what=f"deadlines.{phase} is not longer than {pause}",
                remedy=f"raise deadlines.{phase} or lower {pause}",
            )


def _check_twice(key: Key, names: tuple[str, ...]) -> Iterator[Problem]:
    for place, name in enumerate(names):
        if name in names[:place]:
            what = f"{shown(name)} is a duplicate of an earlier element"
            yield Problem(key=(*key, place), what=what, remedy="remove it")


def _duration(value: object) -> float | None:
    """Return the seconds of a duration, or None for an invalid one, which the model reports."""
    try:
        return values.check_pause(value) if isinstance(value, str) else None
    except ValueError:
        return None


def _table(document: _Table, *path: str) -> _Table:
    found: Any = document
    for name in path:
        found = found.get(name) if isinstance(found, dict) else None
    return found if isinstance(found, dict) else {}


def _list(table: _Table, name: str) -> tuple[str, ...]:
    """Return the strings of a list; the model reports other elements."""
    found = table.get(name)
    return tuple(each for each in found if isinstance(each, str)) if isinstance(found, list) else ()
