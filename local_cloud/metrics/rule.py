"""Evaluate the rule of a composite alarm, such as `ALARM(a) AND NOT OK("b")`.

Source: CloudWatch API Reference, PutCompositeAlarm.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

TOKEN = re.compile(
    r"\s*(?:(ALARM|OK|INSUFFICIENT_DATA)\s*\(\s*(?:\"([^\"]*)\"|'([^']*)'|([^()\"']*?))\s*\)"
    r"|(AND|OR|NOT|TRUE|FALSE)\b|([()]))",
)


def evaluate(rule: str, state_of: Callable[[str], str | None]) -> bool:
    """Return True if the rule is met; raises ValueError for text that is no rule.

    `state_of` returns the state of an alarm by its name or ARN, None if it does not exist.
    """
    parser = _Parser(list(tokens(rule)), state_of)
    met = parser.any_of()
    if parser.rest:
        raise ValueError(f"unexpected {parser.rest[0]}")
    return met


def names(rule: str) -> list[str]:
    """Return the names or ARNs of the alarms in a rule."""
    return [token.partition(" ")[2] for token in tokens(rule) if " " in token]


def tokens(rule: str) -> Iterator[str]:
    """Yield words, parentheses, and `STATE NAME` for each function; raises ValueError."""
    at = 0
    while rule[at:].strip():
        found = TOKEN.match(rule, at)
        if found is None:
            raise ValueError(f"unexpected {rule[at:].strip()[:20]}")
        state, *given, word, parenthesis = found.groups()
        name = next((each for each in given if each is not None), "")
        yield f"{state} {name}" if state else word or parenthesis
        at = found.end()


class _Parser:
    """A recursive descent: OR binds less than AND, and AND less than NOT."""

    def __init__(self, rest: list[str], state_of: Callable[[str], str | None]) -> None:
        self.rest = rest
        self._state_of = state_of

    def any_of(self) -> bool:
        met = self._all_of()
        while self._takes("OR"):
            met = self._all_of() or met
        return met

    def _all_of(self) -> bool:
        met = self._one()
        while self._takes("AND"):
            met = self._one() and met
        return met

    def _one(self) -> bool:
        if self._takes("NOT"):
            return not self._one()
        if self._takes("("):
            met = self.any_of()
            if not self._takes(")"):
                raise ValueError("a parenthesis is not closed")
            return met
        if self._takes("TRUE"):
            return True
        if self._takes("FALSE"):
            return False
        function = self.rest.pop(0) if self.rest else "end"
        state, space, name = function.partition(" ")
        if not space:
            raise ValueError(f"unexpected {function}")
        return self._state_of(name) == state

    def _takes(self, token: str) -> bool:
        taken = self.rest[:1] == [token]
        if taken:
            del self.rest[0]
        return taken
