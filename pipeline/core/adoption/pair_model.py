"""Values of a pair that is set up for a target group which has the traffic already.

The second target group has the settings of the first and gets no traffic.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from pipeline.core.adoption.model import Described
from pipeline.core.adoption.toml_text import toml_value

LONGEST_NAME: Final = 32
"""The characters of a target group's name (ELBv2 API, CreateTargetGroup)."""
SETTINGS: Final = (
    "Protocol",
    "ProtocolVersion",
    "Port",
    "VpcId",
    "TargetType",
    "IpAddressType",
    "HealthCheckEnabled",
    "HealthCheckProtocol",
    "HealthCheckPort",
    "HealthCheckPath",
    "HealthCheckIntervalSeconds",
    "HealthCheckTimeoutSeconds",
    "HealthyThresholdCount",
    "UnhealthyThresholdCount",
    "Matcher",
)
"""What CreateTargetGroup takes of what DescribeTargetGroups shows."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TargetGroup:
    """A target group as ELBv2 describes it, with its attributes and its own tags, by key.

    `is_empty` is False if targets are registered.
    """

    described: Described
    attributes: Mapping[str, str]
    tags: Mapping[str, str] = field(default_factory=dict)
    is_empty: bool = True

    @property
    def arn(self) -> str:
        """Return its ARN."""
        return str(self.described["TargetGroupArn"])

    @property
    def name(self) -> str:
        """Return its name."""
        return str(self.described["TargetGroupName"])

    @property
    def settings(self) -> dict[str, Any]:
        """Return the settings that a second target group needs, too."""
        return {key: self.described[key] for key in SETTINGS if key in self.described}


@dataclass(frozen=True, kw_only=True, slots=True)
class Route:
    """A listener, or a rule of it, that forwards to target groups.

    `weights` are percent by the target groups' ARNs. `listener` is as ELBv2 describes it, `alone`
    are the actions with which it forwards to the first target group alone.
    """

    arn: str
    weights: Mapping[str, int]
    listener: Described
    is_rule: bool = False
    sticky: bool = False
    alone: tuple[Described, ...] = ()

    @property
    def key(self) -> str:
        """Return the key that names it in pipeline.toml."""
        return "listener_rule" if self.is_rule else "listener"

    @property
    def words(self) -> str:
        """Return what it is, in words."""
        at = f"{self.listener.get('Protocol', '')}:{self.listener.get('Port', '')}".strip(":")
        return f"{'rule of listener' if self.is_rule else 'listener'} {at} {self.arn}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Surroundings:
    """A target group with all that a pair for it depends on.

    `routes` are those of its load balancer, `kind` is the load balancer's type. `second` is the
    other target group of its forward action, else the one that has the name for it, if any.
    """

    region: str
    first: TargetGroup
    kind: str
    routes: tuple[Route, ...]
    ports: frozenset[int]
    second: TargetGroup | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class PairPlan:
    """A pair to set up.

    `second` exists already unless it is None. `test` is the ARN of an existing test listener or
    rule, `test_port` the port of one to create, 0 for none. `made` says that this run set it up.
    """

    region: str
    first: TargetGroup
    name: str
    second: TargetGroup | None
    route: Route
    test: str = ""
    test_port: int = 0
    made: bool = False

    @property
    def creates(self) -> bool:
        """Return True if the second target group does not exist yet."""
        return self.second is None

    @property
    def forwards(self) -> bool:
        """Return True if the forward action has to be changed."""
        return self.second is None or self.second.arn not in self.route.weights

    @property
    def attributes(self) -> dict[str, str]:
        """Return the attributes of the first target group that the second one does not have yet.

        Once the forward action names both, they are as their owner wants them.
        """
        if not self.forwards:
            return {}
        there = self.second.attributes if self.second else {}
        return changed_attributes(self.first.attributes, there)

    @property
    def is_done(self) -> bool:
        """Return True if AWS has all of it."""
        return not (self.creates or self.forwards or self.attributes or self.test_port)


def changed_attributes(wanted: Mapping[str, str], there: Mapping[str, str]) -> dict[str, str]:
    """Return the attributes that differ from the wanted ones."""
    return {key: value for key, value in wanted.items() if there.get(key) != value}


def tags_of_second(first: TargetGroup, name: str) -> dict[str, str]:
    """Return the tags of the second target group; a tag that is the first one's name follows.

    AWS reserves tags that begin with `aws:` (ELBv2 API Reference, AddTags).
    """
    kept = {key: value for key, value in first.tags.items() if not key.startswith("aws:")}
    return {key: name if value == first.name else value for key, value in kept.items()}


def second_name(first: str) -> str:
    """Return the name of the second target group, as `terraform/stack` has it."""
    return f"{first[: LONGEST_NAME - 2].rstrip('-')}-2"


def pair_table(plan: PairPlan, test: str) -> dict[str, Any]:
    """Return the keys of the pair in pipeline.toml; `test` is its test listener, or empty."""
    return {
        plan.route.key: plan.route.arn,
        "target_groups": [plan.first.name, plan.name],
        **({"test_listener": test} if test else {}),
    }


def pairs_toml(environment: str, tables: Sequence[Mapping[str, Any]]) -> str:
    """Return the pairs as tables of pipeline.toml."""
    parts = [
        [f"[[environments.{environment}.pairs]]", *(f"{k} = {toml_value(v)}" for k, v in t.items())]
        for t in tables
    ]
    return "\n\n".join("\n".join(part) for part in parts) + "\n"


@dataclass(frozen=True, kw_only=True, slots=True)
class PairSetup:
    """The pairs of an environment: to set up, or, once all plans are done, as they are.

    `by_hand` says why pipeline.toml cannot be changed by the program, empty if it can. `known`
    says that pipeline.toml has pairs already.
    """

    environment: str
    plans: tuple[PairPlan, ...]
    by_hand: str = ""
    known: bool = False

    @property
    def tables(self) -> tuple[dict[str, Any], ...]:
        """The keys of each pair in pipeline.toml.

        A test listener that does not exist yet is named by the pair's own listener.
        """
        return tuple(
            pair_table(each, each.test or (_arn_of_listener(each) if each.test_port else ""))
            for each in self.plans
        )

    @property
    def toml(self) -> str:
        """The pairs as tables of pipeline.toml."""
        return pairs_toml(self.environment, self.tables)


def _arn_of_listener(plan: PairPlan) -> str:
    return str(plan.route.listener.get("ListenerArn", plan.route.arn))
