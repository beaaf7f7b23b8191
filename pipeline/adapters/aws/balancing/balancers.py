"""Find load balancers by their configured names and read the health of their targets.

One type covers the two APIs, classic load balancers and target groups, so that callers need not
distinguish them. `balancer_settings` reads listeners, zones and delays.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from pipeline.adapters.aws.client import Clients, translate_errors
from pipeline.adapters.aws.retry import NO_BALANCER, batches, call, error_code, items
from pipeline.core import commands
from pipeline.core.errors import RefusedError
from pipeline.core.health.observation import Balancer, Target

NAMES_PER_CALL = 20
"""Elastic Load Balancing documents a limit for some calls only, and it is 20 names."""

HEALTHY = frozenset({"healthy", "InService"})
"""The states of a healthy target: of a target group, and of a classic load balancer."""


Descriptions = Mapping[str, dict[str, Any]]
"""Load balancers and target groups as AWS describes them, by the identifiers of `Balancer`."""


def find(
    clients: Clients, region: str, load_balancers: Sequence[str], target_groups: Sequence[str]
) -> tuple[tuple[Balancer, ...], tuple[Balancer, ...]]:
    """Return the load balancers that exist, then those that do not.

    Each part lists the classic load balancers first. A target group is given by name or ARN. A
    load balancer that does not exist is identified by what was given. Raises RefusedError.
    """
    existing, absent, _ = find_described(clients, region, load_balancers, target_groups)
    return existing, absent


def find_described(
    clients: Clients, region: str, load_balancers: Sequence[str], target_groups: Sequence[str]
) -> tuple[tuple[Balancer, ...], tuple[Balancer, ...], Descriptions]:
    """Return the same, and how AWS described those that exist; raises RefusedError."""
    with translate_errors("finding the load balancers", region):
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
    by_arn = {each["TargetGroupArn"]: each for each in groups.values()}
    return tuple(dict.fromkeys(found)), tuple(dict.fromkeys(absent)), {**classic, **by_arn}


def resolve(
    clients: Clients, region: str, load_balancers: Sequence[str], target_groups: Sequence[str]
) -> tuple[Balancer, ...]:
    """Return the load balancers; raises RefusedError naming every one that does not exist."""
    found, absent = find(clients, region, load_balancers, target_groups)
    if absent:
        raise missing(region, absent)
    return found


def _classic(name: str) -> Balancer:
    return Balancer(kind="elb", identifier=name, name=name)


def missing(region: str, absent: Sequence[Balancer]) -> RefusedError:
    """Return the error about load balancers that do not exist."""
    has_classic = any(each.kind == "elb" for each in absent)
    listing = [commands.aws("elbv2", "describe-target-groups", {"region": region})]
    if has_classic:
        listing.insert(0, commands.aws("elb", "describe-load-balancers", {"region": region}))
    hint = " (give an application or network load balancer by its target groups)"
    return RefusedError(
        f"load balancers in {region}",
        "\n".join(map(describe_absent, absent)),
        f"fix the names{hint if has_classic else ''}; list those that exist: {'; '.join(listing)}",
    )


def describe_absent(balancer: Balancer) -> str:
    """Return a sentence that a load balancer does not exist."""
    kind = "classic load balancer" if balancer.kind == "elb" else "target group"
    return f"there is no {kind} {balancer.name}"


def find_classic(clients: Clients, region: str, names: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Return those of these classic load balancers that exist, as AWS describes them, by name."""
    if not names:
        return {}
    describe = clients.elb(region).describe_load_balancers
    found = _existing(describe, "LoadBalancerNames", "LoadBalancerDescriptions", names)
    return {each["LoadBalancerName"]: each for each in found}


def find_groups(clients: Clients, region: str, names: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Return those of these target groups that exist, as AWS describes them, by name and by ARN.

    DescribeTargetGroups takes names or ARNs, never both in one call.
    """
    if not names:
        return {}
    describe = clients.elbv2(region).describe_target_groups
    arns = [name for name in names if name.startswith("arn:")]
    short = [name for name in names if not name.startswith("arn:")]
    by_arn = _existing(describe, "TargetGroupArns", "TargetGroups", arns)
    by_name = _existing(describe, "Names", "TargetGroups", short)
    return {
        **{each["TargetGroupArn"]: each for each in by_arn},
        **{each["TargetGroupName"]: each for each in by_name},
    }


def _existing(
    describe: Callable[..., Any], parameter: str, field: str, names: Sequence[str]
) -> Iterator[dict[str, Any]]:
    """Yield the load balancers that exist.

    AWS rejects a call with an unknown name and reports at most the first one. Then each name gets
    a call of its own.
    """
    for batch in batches(tuple(dict.fromkeys(names)), NAMES_PER_CALL):
        found = _described(describe, parameter, field, batch)
        if found is None and len(batch) > 1:
            alone = (_described(describe, parameter, field, [name]) for name in batch)
            found = [each for one in alone for each in one or []]
        yield from found or []


def _described(
    describe: Callable[..., Any], parameter: str, field: str, names: Sequence[str]
) -> list[dict[str, Any]] | None:
    """Return AWS's descriptions; None if one of the names does not exist."""
    from botocore.exceptions import ClientError

    try:
        return list(items(describe, field, **{parameter: list(names)}))
    except ClientError as error:
        if error_code(error) in NO_BALANCER:
            return None
        raise


def target_reader(
    clients: Clients, region: str, balancer: Balancer
) -> Callable[[], Mapping[str, Target]]:
    """Return a function that reads a balancer's targets, by instance id.

    It makes one call; both APIs return all targets in one page. The client is made here, because
    threads may share a client but must not make one.
    """
    if balancer.kind == "elb":
        describe = clients.elb(region).describe_instance_health
        return partial(_read_classic, describe, balancer.identifier)
    return partial(_read_group, clients.elbv2(region).describe_target_health, balancer.identifier)


def _read_classic(describe: Callable[..., Any], name: str) -> dict[str, Target]:
    states = call(describe, LoadBalancerName=name)["InstanceStates"]
    return {
        each["InstanceId"]: Target(
            id=each["InstanceId"],
            state=each.get("State", ""),
            reason=each.get("ReasonCode", ""),
            description=each.get("Description", ""),
        )
        for each in states
    }


def _read_group(describe: Callable[..., Any], arn: str) -> dict[str, Target]:
    """Return the targets; an instance registered with several ports has its worst state."""
    found: dict[str, Target] = {}
    for each in call(describe, TargetGroupArn=arn)["TargetHealthDescriptions"]:
        target = _target(each)
        if found.setdefault(target.id, target).state in HEALTHY:
            found[target.id] = target
    return found


def _target(described: Mapping[str, Any]) -> Target:
    health = described.get("TargetHealth", {})
    return Target(
        id=described["Target"]["Id"],
        state=health.get("State", ""),
        reason=health.get("Reason", ""),
        description=health.get("Description", ""),
    )
