"""A pair: two target groups behind one listener or rule, whose weights say who has the traffic."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from pipeline.core.health.observation import Balancer

ALL = 100


@dataclass(frozen=True, kw_only=True, slots=True)
class Pair:
    """Two target groups behind one listener or rule.

    `rule` is the ARN of a listener rule, or that of a listener for its default action. `test` is
    that of the listener or rule through which a release without traffic is verified, or empty.
    `live` is the target group that had the traffic when the pair was found. `sticky` says that the
    forward action keeps each client with its target group, whatever the weights are.
    """

    rule: str
    targets: tuple[Balancer, Balancer]
    live: Balancer
    test: str = ""
    sticky: bool = False

    def target_of(self, recorded: Iterable[str]) -> Balancer:
        """Return the target group of a release by its recorded ones; the live one if unknown."""
        known = {*recorded}
        return next((each for each in self.targets if each.identifier in known), self.live)

    def other(self, target: Balancer) -> Balancer:
        """Return the target group beside this one."""
        first, second = self.targets
        return second if target == first else first

    @property
    def rules(self) -> tuple[str, ...]:
        """The rule, and the one for tests if there is one."""
        return (self.rule, self.test) if self.test else (self.rule,)


def percent(weights: Mapping[str, int]) -> dict[str, int]:
    """Return weights by target group as percent of their sum; all 0 if that is 0."""
    whole = sum(weights.values())
    return {arn: round(ALL * each / whole) if whole else 0 for arn, each in weights.items()}


def describe_weights(weights: Mapping[str, int]) -> str:
    """Return weights in words, such as `web-a 100 %, web-b 0 %`."""
    named = sorted((_name(arn), part) for arn, part in weights.items())
    return ", ".join(f"{name} {part} %" for name, part in named)


def _name(arn: str) -> str:
    return arn.partition(":targetgroup/")[2].partition("/")[0] or arn
