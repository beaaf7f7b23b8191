"""Refuse the actions of listeners and rules that Elastic Load Balancing refuses.

The codes are those of CreateListener, CreateRule, ModifyListener and ModifyRule (API Reference);
the sentences are as callers report them, in the issues named beside each.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from moto.elbv2.exceptions import ActionTargetGroupNotFoundError, ELBClientError

from local_cloud.balancers import elbv2, rules

if TYPE_CHECKING:
    from collections.abc import Iterator

HEAVIEST = 999
LONGEST = 604800  # seconds of the stickiness of target groups
# ALB and NLB guides, "Target groups": the protocols of target groups for those of a listener.
FITTING = {
    "HTTP": {"HTTP", "HTTPS"},
    "HTTPS": {"HTTP", "HTTPS"},
    "TCP": {"TCP", "TCP_UDP"},
    "TLS": {"TCP", "TLS"},
    "UDP": {"UDP", "TCP_UDP"},
    "TCP_UDP": {"TCP_UDP"},
}
STICKY = "stickiness.enabled"


def refuse_actions(
    backend: Any, balancer: Any, protocol: str | None, actions: list[dict[str, Any]]
) -> None:
    """Refuse actions that a listener of this load balancer and protocol cannot have."""
    for data in actions:
        if data.get("Type") == "forward":
            refuse_weights(data)
            refuse_stickiness(backend, data)
            for group in groups_of(backend, data):
                refuse_group(backend, balancer, protocol, group)


def groups_of(backend: Any, data: dict[str, Any]) -> Iterator[Any]:
    """Yield the target groups of an action, or refuse one that does not exist."""
    for arn, _ in rules.weighted(data):
        if arn not in backend.target_groups:
            raise ActionTargetGroupNotFoundError(arn)
        yield backend.target_groups[arn]


# aws/aws-cdk#24805: several target groups without weights are refused by the same sentence.
def refuse_weights(data: dict[str, Any]) -> None:
    """Refuse weights out of range, and several target groups without weights."""
    groups = (data.get("ForwardConfig") or {}).get("TargetGroups") or []
    default = 1 if len(groups) == 1 else -1
    weights = [int(each.get("Weight", default)) for each in groups]
    if not all(0 <= weight <= HEAVIEST for weight in weights):
        raise ELBClientError(
            "ValidationError",
            f"The weight for each target group must be between 0 and {HEAVIEST}, inclusive",
        )


# app-sre/qontract-reconcile#2089; for target groups with stickiness of their own,
# kubernetes-sigs/aws-load-balancer-controller#2734.
def refuse_stickiness(backend: Any, data: dict[str, Any]) -> None:
    """Refuse stickiness without its duration, and sticky targets of groups that are not."""
    config = data.get("ForwardConfig") or {}
    sticky = config.get("TargetGroupStickinessConfig") or {}
    enabled = rules.truth(sticky.get("Enabled"))
    seconds = sticky.get("DurationSeconds")
    if (enabled or seconds is not None) and not 1 <= int(seconds or 0) <= LONGEST:
        raise ELBClientError(
            "ValidationError",
            f"Target group stickiness duration must be between 1 and {LONGEST} seconds",
        )
    groups = list(groups_of(backend, data))
    if not enabled and len(groups) > 1 and any(map(is_sticky, groups)):
        raise ELBClientError(
            "InvalidConfigurationRequest",
            "You must enable group stickiness on a rule if you enabled target stickiness on one"
            " of its target groups",
        )


def is_sticky(group: Any) -> bool:
    """Return True if the targets of a group are sticky."""
    return rules.truth(group.attributes.get(STICKY))


# TargetGroupAssociationLimit: the quotas of the guides. IncompatibleProtocols:
# hashicorp/terraform-provider-aws#4955. Another VPC:
# kubernetes-sigs/aws-load-balancer-controller#1045.
def refuse_group(backend: Any, balancer: Any, protocol: str | None, group: Any) -> None:
    """Refuse a target group of another load balancer, protocol or VPC."""
    others = [each for each in backend.load_balancers.values() if each is not balancer]
    if elbv2.using(others, group.arn):
        raise ELBClientError(
            "TargetGroupAssociationLimit",
            "The following target groups cannot be associated with more than one load"
            f" balancer: {group.arn}",
        )
    fitting = FITTING.get(protocol or "")
    if fitting and group.protocol and group.protocol not in fitting:
        raise ELBClientError(
            "IncompatibleProtocols",
            f"The listener and its associated target group '{group.arn}' have incompatible"
            f" protocols: '{protocol}' and '{group.protocol}'",
        )
    if balancer and group.vpc_id and group.vpc_id != balancer.vpc_id:
        raise ELBClientError(
            "InvalidConfigurationRequest",
            f"Target group '{group.arn}' is in a different VPC than load balancer '{balancer.arn}'",
        )


# kubernetes-sigs/aws-load-balancer-controller#2734.
def refuse_sticky_targets(backend: Any, arn: str, attributes: dict[str, Any]) -> None:
    """Refuse sticky targets for a group of a weighted action that is not sticky."""
    if not rules.truth(attributes.get(STICKY)):
        return
    for balancer in backend.load_balancers.values():
        for listener in balancer.listeners.values():
            for rule in listener.rules.values():
                if any(spreads(action.data, arn) for action in rule.actions):
                    raise ELBClientError(
                        "InvalidConfigurationRequest",
                        "This target group appears behind a rule with group stickiness disabled"
                        f" ({rule.arn}). You must enable group stickiness before enabling target"
                        " stickiness",
                    )


def spreads(data: dict[str, Any], arn: str) -> bool:
    """Return True if an action spreads requests over this group and others, not sticky."""
    groups = [group for group, _ in rules.weighted(data)]
    config = (data.get("ForwardConfig") or {}).get("TargetGroupStickinessConfig") or {}
    return len(groups) > 1 and arn in groups and not rules.truth(config.get("Enabled"))
