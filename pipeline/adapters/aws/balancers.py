"""Load balancers: found by what a person wrote, and their targets as one look sees them.

Two APIs, the classic one and that of target groups, stand behind one type here, so that nothing
above this module asks which kind it has. What they are set to is in `balancer_facts`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar

from pipeline.adapters.aws.client import NOWHERE, Clients, call, error_code, speaking_plainly
from pipeline.core.errors import RefusedError
from pipeline.core.health.observation import Balancer, Target

Thing = TypeVar("Thing")

AT_ONCE = 20
"""Names in one call; Elastic Load Balancing documents a limit for some calls only, and it is 20."""

GOOD = frozenset({"healthy", "InService"})


def find(
    clients: Clients, region: str, load_balancers: Sequence[str], target_groups: Sequence[str]
) -> tuple[tuple[Balancer, ...], tuple[Balancer, ...]]:
    """Return the classic load balancers of these names, then these target groups (names or ARNs).

    First those that exist, then those that do not, identified by what was given.
    """
    with speaking_plainly("finding the load balancers", region):
        classic = find_classic(clients, region, load_balancers)
        groups = find_groups(clients, region, target_groups)
    found = [_classic(name) for name in load_balancers if name in classic]
    found += [
        Balancer(
            kind="elbv2",
            identifier=groups[name]["TargetGroupArn"],
            name=groups[name]["TargetGroupName"],
        )
        for name in target_groups
        if name in groups
    ]
    absent = [_classic(name) for name in load_balancers if name not in classic]
    absent += [
        Balancer(kind="elbv2", identifier=name, name=name)
        for name in target_groups
        if name not in groups
    ]
    return tuple(dict.fromkeys(found)), tuple(dict.fromkeys(absent))


def resolve(
    clients: Clients, region: str, load_balancers: Sequence[str], target_groups: Sequence[str]
) -> tuple[Balancer, ...]:
    """Return what `find` finds; raises RefusedError that names every one that does not exist."""
    found, absent = find(clients, region, load_balancers, target_groups)
    if absent:
        raise missing(region, absent)
    return found


def _classic(name: str) -> Balancer:
    return Balancer(kind="elb", identifier=name, name=name)


def missing(region: str, absent: Sequence[Balancer]) -> RefusedError:
    """Return the refusal of load balancers that do not exist."""
    lines = [told_absent(each) for each in absent]
    kinds = {each.kind for each in absent}
    observations = [
        *([f"aws elb describe-load-balancers --region {region}"] if "elb" in kinds else []),
        f"aws elbv2 describe-target-groups --region {region}",
    ]
    hint = " (an application or network load balancer is named by its target groups)"
    return RefusedError(
        f"load balancers in {region}",
        "\n".join(lines),
        f"correct the names{hint if 'elb' in kinds else ''}; what there is: {'; '.join(observations)}",
    )


def told_absent(balancer: Balancer) -> str:
    """Return that a load balancer does not exist, in words."""
    kind = "classic load balancer" if balancer.kind == "elb" else "target group"
    return f"there is no {kind} {balancer.name}"


def find_classic(clients: Clients, region: str, names: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Return those of these classic load balancers that exist, as AWS describes them, by name."""
    if not names:
        return {}
    ask = clients.elb(region).describe_load_balancers
    found = _existing(ask, "LoadBalancerNames", "LoadBalancerDescriptions", names)
    return {each["LoadBalancerName"]: each for each in found}


def find_groups(clients: Clients, region: str, names: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Return those of these target groups that exist, as AWS describes them, by what was given.

    DescribeTargetGroups takes names or ARNs, never both in one call.
    """
    if not names:
        return {}
    ask = clients.elbv2(region).describe_target_groups
    arns = [name for name in names if name.startswith("arn:")]
    plain = [name for name in names if not name.startswith("arn:")]
    by_arn = _existing(ask, "TargetGroupArns", "TargetGroups", arns)
    by_name = _existing(ask, "Names", "TargetGroups", plain)
    return {
        **{each["TargetGroupArn"]: each for each in by_arn},
        **{each["TargetGroupName"]: each for each in by_name},
    }


def _existing(
    ask: Callable[..., Any], parameter: str, answer: str, names: Sequence[str]
) -> Iterator[dict[str, Any]]:
    """Ask for all; where AWS says that there is none, for each: it names the first one at most."""
    for batch in batches(tuple(dict.fromkeys(names)), AT_ONCE):
        found = _asked(ask, parameter, answer, batch)
        if found is None and len(batch) > 1:
            alone = (_asked(ask, parameter, answer, [name]) for name in batch)
            found = [each for one in alone for each in one or []]
        yield from found or []


def _asked(
    ask: Callable[..., Any], parameter: str, answer: str, names: Sequence[str]
) -> list[dict[str, Any]] | None:
    from botocore.exceptions import ClientError

    try:
        found: list[dict[str, Any]] = call(ask, **{parameter: list(names)})[answer]
    except ClientError as error:
        if error_code(error) in NOWHERE:
            return None
        raise
    return found


def batches(things: Sequence[Thing], size: int) -> Iterator[Sequence[Thing]]:
    """Return the things in parts of at most `size`, for calls that take no more."""
    for start in range(0, len(things), size):
        yield things[start : start + size]


def reader(clients: Clients, region: str, balancer: Balancer) -> Callable[[], Mapping[str, Target]]:
    """Return what reads a balancer's targets, in one call and unpaged, as AWS answers them.

    The client is made next: threads may use one, but not make one.
    """
    if balancer.kind == "elb":
        ask = clients.elb(region).describe_instance_health
        return partial(_read_classic, ask, balancer.identifier)
    return partial(_read_group, clients.elbv2(region).describe_target_health, balancer.identifier)


def _read_classic(ask: Callable[..., Any], name: str) -> dict[str, Target]:
    states = call(ask, LoadBalancerName=name)["InstanceStates"]
    return {
        each["InstanceId"]: Target(
            id=each["InstanceId"],
            state=each.get("State", ""),
            reason=each.get("ReasonCode", ""),
            description=each.get("Description", ""),
        )
        for each in states
    }


def _read_group(ask: Callable[..., Any], arn: str) -> dict[str, Target]:
    """One registered with several ports is as well as the worst of them."""
    found: dict[str, Target] = {}
    for each in call(ask, TargetGroupArn=arn)["TargetHealthDescriptions"]:
        target = _target(each)
        if found.setdefault(target.id, target).state in GOOD:
            found[target.id] = target
    return found


def _target(said: Mapping[str, Any]) -> Target:
    health = said.get("TargetHealth", {})
    return Target(
        id=said["Target"]["Id"],
        state=health.get("State", ""),
        reason=health.get("Reason", ""),
        description=health.get("Description", ""),
    )
