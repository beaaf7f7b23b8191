"""Check the keys that say how traffic moves against each other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from pipeline.core import commands
from pipeline.core.state.strategy import Strategy

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pipeline.config.lines import Key

_Table: TypeAlias = "Mapping[str, Any]"
Found: TypeAlias = "Iterator[tuple[Key, str, str]]"
"""A key, what is wrong with it, and what to do."""

WEIGHTED = "pairs move traffic by weights"


def check_traffic(key: Key, environment: _Table, promote: _Table, over: _Table) -> Found:
    """Find strategies that an environment's load balancers or steps do not fit.

    `promote` are the environment's settings with the defaults, `over` those of the environment.
    """
    strategy = promote.get("strategy", Strategy.OVERLAP.value)
    if strategy not in {each.value for each in Strategy}:
        return
    place = (*key, "promote", "strategy") if "strategy" in over else key
    steps = _tables(promote, "steps")
    yield from _check_pairs(key, environment)
    yield from _check_steps((*key, "promote", "steps"), strategy, steps)
    yield from _check_entries(place, strategy, environment, steps)


def _check_pairs(key: Key, environment: _Table) -> Found:
    for number, pair in enumerate(_tables(environment, "pairs")):
        where: Key = (*key, "pairs", number)
        named = [name for name in ("listener", "listener_rule") if pair.get(name)]
        if len(named) != 1:
            what = (
                "has both listener and listener_rule" if named else "names no listener and no rule"
            )
            yield where, what, 'write listener = "arn:..." or listener_rule = "arn:..."'
        groups = pair.get("target_groups")
        if isinstance(groups, list) and len(groups) == 2 and groups[0] == groups[1]:  # noqa: PLR2004
            yield (*where, "target_groups"), "names one target group twice", "name two"


def _check_steps(key: Key, strategy: str, steps: list[_Table]) -> Found:
    if strategy == Strategy.CANARY.value and not steps:
        yield (
            key,
            "is empty, but the strategy is canary",
            'write steps = [{ weight = 5, for = "5m" }]',
        )
    if strategy != Strategy.CANARY.value and steps:
        yield key, f"has no effect: the strategy is {strategy}", 'set strategy = "canary"'
    for number, step in enumerate(steps):
        if ("weight" in step) == ("members" in step):
            yield (*key, number), "needs either weight or members", 'write members = 1 or "50%"'
    kinds = {name for step in steps for name in ("weight", "members") if name in step}
    if len(kinds) > 1:
        yield key, "mixes weight and members", "use one of them in every step"
    weights = [each for step in steps if isinstance(each := step.get("weight"), int)]
    if weights != sorted(set(weights)):
        yield key, "has a weight that is not more than the one before", "raise it from step to step"


def _check_entries(key: Key, strategy: str, environment: _Table, steps: list[_Table]) -> Found:
    pairs = bool(_tables(environment, "pairs"))
    others = [each for each in ("load_balancers", "target_groups") if environment.get(each)]
    by_weight = any("weight" in step for step in steps)
    needs_pairs = strategy == Strategy.FLIP.value or by_weight
    named = f'strategy = "{strategy}"' + (" by weight" if by_weight else "")
    if needs_pairs and not pairs:
        yield key, f"{named} needs pairs", f"name a pair: {commands.docs('strategies')}"
    elif needs_pairs and others:
        what = f"{named} moves only the traffic of pairs, but {others[0]} names others"
        yield (*key[:2], others[0]), what, f"remove {others[0]}, or set another strategy"
    elif pairs and not needs_pairs:
        remedy = 'set strategy = "flip", or name the live one in target_groups and remove pairs'
        yield (*key[:2], "pairs"), f"{WEIGHTED}, but {named} does not", remedy
    if strategy != Strategy.OVERLAP.value and not pairs and not others:
        yield key, f"{named} needs load balancers: this is a worker", 'set strategy = "overlap"'


def _tables(table: _Table, name: str) -> list[_Table]:
    found = table.get(name)
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []
