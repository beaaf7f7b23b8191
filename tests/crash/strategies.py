"""The strategies of the crash runs: how traffic moves, where a promotion pauses or is killed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from tests.crash.boundaries import Injection

KINDS = ("classic", "application")
"""The load balancers of `overlap`, by the names of `tests.e2e.site`."""
PAIRS = ("pair", "pair-rule", "pair-network")
STEP = "30s"


@dataclass(frozen=True, kw_only=True)
class Strategy:
    """A strategy: its keys in `[promote]`, its kinds of load balancer, and its scenarios.

    A promotion that pauses does so `before` a phase, where green has the `share` of a pair. It is
    killed after the `half_way` boundary before a scenario recovers it.
    """

    kinds: tuple[str, ...]
    before: str
    half_way: str
    share: int | None = None
    promote: dict[str, object] = field(default_factory=dict)
    verbs: tuple[str, ...] = ("promote", "recover", "pause", "resume", "abort")

    def killed_at(self, kind: str) -> Injection:
        """Return where a promotion is killed before it is recovered."""
        call = "ModifyRule" if kind == "pair-rule" else "ModifyListener"
        return Injection.named(self.half_way.replace("CHANGE", call))


OVERLAP = Strategy(
    kinds=KINDS,
    before="drain",
    half_way="autoscaling.AttachTrafficSources#1:answer",
    verbs=("promote", "rollback-cold", "rollback-warm", "remove", "recover", "pause", "resume"),
)
FLIP = Strategy(
    kinds=PAIRS,
    before="drain",
    share=100,
    half_way="elbv2.CHANGE traffic#1:answer",
    promote={"strategy": "flip"},
    verbs=(
        "promote",
        "rollback-cold",
        "rollback-warm",
        "remove",
        "recover",
        "pause",
        "resume",
        "abort",
    ),
)
WEIGHT = Strategy(
    kinds=PAIRS,
    before="step-2",
    share=5,
    half_way="elbv2.CHANGE traffic#2:answer",
    promote={
        "strategy": "canary",
        "steps": [{"weight": 5, "for": STEP}, {"weight": 25, "for": STEP}],
    },
)
MEMBERS = Strategy(
    kinds=KINDS[1:],
    before="soak",
    half_way="autoscaling.AttachTrafficSources#1:answer",
    promote={
        "strategy": "canary",
        "steps": [{"members": 1, "for": STEP}, {"members": "50%", "for": STEP}],
    },
)
BATCHES = Strategy(
    kinds=KINDS,
    before="batch-2",
    half_way="autoscaling.AttachTrafficSources#1:answer",
    promote={"strategy": "batches", "min_healthy": 80},
)
STRATEGIES = {
    "": OVERLAP,
    "flip": FLIP,
    "weight": WEIGHT,
    "members": MEMBERS,
    "batches": BATCHES,
}
SCENARIOS = tuple(
    f"{verb}+{name}" if name else verb for name, each in STRATEGIES.items() for verb in each.verbs
)
"""The scenarios by name: a verb, and its strategy unless that is `overlap`."""


def parts(scenario: str) -> tuple[str, str]:
    """Return the verb of a scenario and the name of its strategy."""
    verb, _, strategy = scenario.partition("+")
    return verb, strategy


def first(kind: str) -> str:
    """Return the kind whose recorded moments are those of this one: pairs are all alike."""
    return PAIRS[0] if kind in PAIRS else kind


def places(scenario: str) -> Iterator[str]:
    """Yield the kinds of load balancer of a scenario."""
    yield from STRATEGIES[parts(scenario)[1]].kinds
