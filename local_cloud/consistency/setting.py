"""The option `--consistency`: how old a read may be, and how old the Nth read of a caller is."""

from __future__ import annotations

import random
from dataclasses import dataclass

STRONG, EVENTUAL = "strong", "eventual"
DEFAULT_SECONDS = 10.0

OBSERVER = "local-cloud-observer"
"""The access key whose reads are never old: for tests and for people who watch (not AWS)."""

SERVICES = frozenset({"ec2", "autoscaling", "elb", "elbv2"})
READS = ("Describe", "Get", "List")


def may_be_stale(service: str, action: str) -> bool:
    """Return True if an action is a read of a service that is eventually consistent."""
    return service in SERVICES and action.startswith(READS)


@dataclass(frozen=True, kw_only=True, slots=True)
class Consistency:
    """How old a read may be, in AWS's seconds; 0 for strong consistency."""

    seconds: float = 0.0
    seed: int = 0

    @classmethod
    def named(cls, text: str, seed: int = 0) -> Consistency:
        """Return what `strong` or `eventual[:SECONDS]` means; raise ValueError if it is neither."""
        name, _, seconds = text.partition(":")
        if text == STRONG:
            return cls(seed=seed)
        try:
            age = float(seconds or DEFAULT_SECONDS) if name == EVENTUAL else 0.0
        except ValueError:
            age = 0.0
        if not 0 < age < float("inf"):
            raise ValueError(f"{text!r} is not strong, eventual or eventual:SECONDS")
        return cls(seconds=age, seed=seed)

    def __str__(self) -> str:
        """Return the text that `named` takes."""
        return f"{EVENTUAL}:{self.seconds:g}" if self.seconds else STRONG

    def share(self, caller: str, service: str, action: str, number: int) -> float:
        """Return the age of the Nth read of an action by a caller, as a share of the maximum."""
        chance = random.Random(f"{self.seed} {caller} {service} {action} {number}")  # noqa: S311
        return chance.random()
