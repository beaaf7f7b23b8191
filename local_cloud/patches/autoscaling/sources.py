"""Patch the calls that attach and detach load balancers: three APIs, one list of sources.

EC2 Auto Scaling API Reference: AttachTrafficSources supersedes AttachLoadBalancers and
AttachLoadBalancerTargetGroups; all work on the same group.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from moto.autoscaling.responses import AutoScalingResponse
from moto.core.responses import ActionResult, EmptyResult

from local_cloud.patches.autoscaling import checks, fields
from local_cloud.patches.autoscaling.pages import page
from local_cloud.patches.autoscaling.refusals import answers
from local_cloud.patches.context import Context
from local_cloud.scaling import attachments
from local_cloud.scaling.errors import invalid

if TYPE_CHECKING:
    from collections.abc import Callable

    from local_cloud.scaling.model import Group, Source

CLASSIC, TARGETS = "LoadBalancerNames", "TargetGroupARNs"


# Attaching is asynchronous and may be repeated: the state is Adding, Added, InService (API
# Reference, data type TrafficSourceState). moto knows Added only, and no traffic sources.
@answers(
    AutoScalingResponse,
    "attach_load_balancers",
    "attach_load_balancer_target_groups",
    "attach_traffic_sources",
)
def attach(context: Context, _original: Callable[..., Any] | None, response: Any) -> EmptyResult:
    """Attach the sources that the call names."""
    backend, params = response.autoscaling_backend, response.params
    group = context.regions.group(backend, params["AutoScalingGroupName"])
    checks.check_sources(backend, params)
    classic, targets = named(params)
    checks.check_count([*classic, *targets])
    now = context.regions.now()
    attachments.attach(group, "elb", classic, now)
    attachments.attach(group, "elbv2", targets, now)
    fields.show_sources(group)
    return EmptyResult()


# Detaching: Removing while the members drain, then no longer described (API
# Reference, DetachTrafficSources). moto deregisters from every load balancer at once.
@answers(
    AutoScalingResponse,
    "detach_load_balancers",
    "detach_load_balancer_target_groups",
    "detach_traffic_sources",
)
def detach(context: Context, _original: Callable[..., Any] | None, response: Any) -> EmptyResult:
    """Detach the sources that the call names."""
    backend, params = response.autoscaling_backend, response.params
    group = context.regions.group(backend, params["AutoScalingGroupName"])
    classic, targets = named(params)
    checks.check_count([*classic, *targets])
    check_attached(group, classic, "Load Balancers")
    check_attached(group, targets, "Target Groups")
    ports = context.regions.of(backend).ports
    attachments.detach(group, [*classic, *targets], ports, context.regions.now())
    fields.show_sources(group)
    return EmptyResult()


@answers(AutoScalingResponse, "describe_load_balancers")
def describe_load_balancers(
    context: Context, _original: Callable[..., Any], response: Any
) -> ActionResult:
    """Describe the classic load balancers of a group."""
    return describe_of_type(context, response, "elb", "LoadBalancers", "LoadBalancerName")


@answers(AutoScalingResponse, "describe_load_balancer_target_groups")
def describe_target_groups(
    context: Context, _original: Callable[..., Any], response: Any
) -> ActionResult:
    """Describe the target groups of a group."""
    return describe_of_type(
        context, response, "elbv2", "LoadBalancerTargetGroups", "LoadBalancerTargetGroupARN"
    )


@answers(AutoScalingResponse, "describe_traffic_sources")
def describe_traffic_sources(
    context: Context, _original: Callable[..., Any] | None, response: Any
) -> ActionResult:
    """Describe the traffic sources of a group."""
    sources = sources_of(context, response, response.params.get("TrafficSourceType"))
    shown, token = page(sources, response.params, 50)
    return ActionResult({"TrafficSources": [described(s) for s in shown], "NextToken": token})


def describe_of_type(
    context: Context, response: Any, kind: str, key: str, identifier: str
) -> ActionResult:
    """Describe the sources of one type, each by its identifier and state."""
    shown, token = page(sources_of(context, response, kind), response.params, 100)
    found = [{identifier: source.identifier, "State": source.state} for source in shown]
    return ActionResult({key: found, "NextToken": token})


def sources_of(context: Context, response: Any, kind: str | None) -> list[Source]:
    """Return the sources of the group that a call names, of one type or of all."""
    name = response.params["AutoScalingGroupName"]
    region = context.regions.of(response.autoscaling_backend)
    if (group := region.groups.get(name)) is None:
        raise invalid("AutoScalingGroup name not found - null")
    return [source for source in group.sources if kind in {None, source.type}]


def described(source: Source) -> dict[str, str]:
    """Describe a traffic source (API Reference, data type TrafficSourceState)."""
    return {
        "Identifier": source.identifier,
        "TrafficSource": source.identifier,
        "Type": source.type,
        "State": source.state,
    }


def named(params: dict[str, Any]) -> tuple[list[str], list[str]]:
    """Return the classic load balancers and the target groups that a call names."""
    sources = params.get("TrafficSources") or []
    classic = [s["Identifier"] for s in sources if checks.kind(s) == "elb"]
    targets = [s["Identifier"] for s in sources if checks.kind(s) != "elb"]
    return [*(params.get(CLASSIC) or []), *classic], [*(params.get(TARGETS) or []), *targets]


def attach_at_creation(group: Group, params: dict[str, Any]) -> None:
    """Attach the traffic sources that a group is created with."""
    classic, targets = named({"TrafficSources": params.get("TrafficSources")})
    attachments.attach_at_creation(group, "elb", classic)
    attachments.attach_at_creation(group, "elbv2", targets)
    fields.show_sources(group)


def check_attached(group: Group, names: list[str], what: str) -> None:
    """Refuse to detach a source that the group does not have, in AWS's words."""
    if any(attachments.find(group, name) is None for name in names):
        raise invalid(f"Trying to remove {what} that are not part of the group")
