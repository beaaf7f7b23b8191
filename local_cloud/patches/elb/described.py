"""Patch what Elastic Load Balancing describes: keys that AWS answers, and keys that it does not.

`make recorded-shapes` compares them with recorded answers of AWS.
"""

from __future__ import annotations

from typing import Any

from moto.elb.models import LoadBalancer
from moto.elbv2.models import AvailabilityZone, FakeAction, FakeListener, FakeTargetGroup

from local_cloud.balancers import rules
from local_cloud.patches.patching import fact

ENCRYPTED = {"HTTPS", "TLS"}


@fact(LoadBalancer, "CanonicalHostedZoneNameID")
def canonical_hosted_zone_name_id(_balancer: Any) -> str:
    """Return the hosted zone of classic load balancers in us-east-1 (AWS General Reference)."""
    return "Z35SXDOTRQ7X7K"


@fact(AvailabilityZone, "LoadBalancerAddresses")
def load_balancer_addresses(_zone: Any) -> list[Any]:
    """Return none: static addresses are those of a network load balancer that asks for them."""
    return []


@fact(FakeListener, "SslPolicy")
def ssl_policy(listener: Any) -> Any:
    """Return the policy of an encrypted listener; another has none (API Reference, Listener)."""
    return listener.ssl_policy if listener.protocol in ENCRYPTED else None


@fact(FakeListener, "AlpnPolicy")
def alpn_policy(listener: Any) -> Any:
    """Return the policy of a TLS listener; another has none (API Reference, Listener)."""
    return listener.alpn_policy if listener.protocol == "TLS" else None


@fact(FakeTargetGroup, "Matcher")
def matcher(group: Any) -> Any:
    """Return the codes that pass a check by HTTP; one by TCP has none."""
    by_http = (group.health_check_protocol or "").startswith("HTTP")
    return getattr(group, "matcher", None) if by_http else None


# An action shows its target groups with their weights and whether it is sticky, and one with a
# single target group shows it in the short form as well, whichever form was given (recorded
# answers of DescribeListeners; AWS CLI Reference, examples of create-rule). moto shows what it got.
@fact(FakeAction, "ForwardConfig")
def forward_config(action: Any) -> dict[str, Any] | None:
    """Return the target groups of a forward action."""
    if action.type != "forward":
        return None
    sticky = (action.data.get("ForwardConfig") or {}).get("TargetGroupStickinessConfig") or {}
    shown: dict[str, Any] = {"Enabled": rules.truth(sticky.get("Enabled"))}
    if sticky.get("DurationSeconds") is not None:
        shown["DurationSeconds"] = int(sticky["DurationSeconds"])
    groups = [{"TargetGroupArn": a, "Weight": n} for a, n in rules.weighted(action.data)]
    return {"TargetGroups": groups, "TargetGroupStickinessConfig": shown}


@fact(FakeAction, "TargetGroupArn")
def target_group_arn(action: Any) -> str | None:
    """Return the target group of a forward action that has only one."""
    groups = [arn for arn, _ in rules.weighted(action.data)] if action.type == "forward" else []
    return groups[0] if len(groups) == 1 else None


@fact(FakeAction, "Order")
def order(action: Any) -> int:
    """Return the position of an action; a single one is the first."""
    return int(action.data.get("Order") or 1)
