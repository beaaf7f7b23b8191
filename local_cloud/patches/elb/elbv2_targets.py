"""Patch target groups and targets: registration and health."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from moto.elbv2.exceptions import InvalidTargetError, TargetGroupNotFoundError, TargetNotRunning
from moto.elbv2.models import ELBv2Backend, FakeHealthStatus, FakeTargetGroup
from moto.elbv2.responses import ELBV2Response

from local_cloud.patches.context import Context
from local_cloud.patches.elb.actions import refuse_sticky_targets
from local_cloud.patches.patching import patch
from local_cloud.traffic.plan import Health

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


DELAY = "deregistration_delay.timeout_seconds"
LONGEST_DELAY = "3600"
TO_SERVERS = {"instance", "ip"}

# API Reference, data type TargetHealth.
NOT_REGISTERED = (
    "unused",
    "Target.NotRegistered",
    "Target is not registered to the target group",
)
REGISTERING = (
    "initial",
    "Elb.RegistrationInProgress",
    "Target registration is in progress",
)


# The matcher of HTTP checks is 200-399 for a network load balancer (guide, "Health checks");
# moto has 200 for all types.
@patch(FakeTargetGroup, "__init__")
def make_group(original: Callable[..., Any], group: Any, *arguments: Any, **named: Any) -> None:
    """Make a target group with the defaults of its protocol."""
    original(group, *arguments, **named)
    of_network = group.protocol in {"TCP", "TLS", "UDP", "TCP_UDP"}
    if of_network and not named.get("matcher") and group.target_type in TO_SERVERS:
        group.matcher = {"HttpCode": "200-399"}


# RegisterTargets: an instance or address may be registered several times, with different
# ports (API Reference); moto keeps the last. A repeated registration has no effect.
@patch(FakeTargetGroup, "register")
def register(_original: Callable[..., Any], group: Any, targets: Iterable[dict[str, Any]]) -> None:
    """Register targets."""
    for target in targets:
        group.targets[key(group, target)] = {**target, "Port": port(group, target)}


# DeregisterTargets of a target that is not registered succeeds; moto refuses it. One that was
# registered with a port of its own is deregistered with that port (API Reference).
@patch(FakeTargetGroup, "deregister")
def deregister(
    _original: Callable[..., Any], group: Any, targets: Iterable[dict[str, Any]]
) -> None:
    """Deregister targets."""
    for target in targets:
        group.targets.pop(key(group, target), None)


@patch(FakeTargetGroup, "deregister_terminated_instances")
def deregister_terminated(
    _original: Callable[..., Any], group: Any, instance_ids: list[str]
) -> None:
    """Deregister instances that are being terminated, on all ports."""
    for name, target in list(group.targets.items()):
        if target["Id"] in instance_ids:
            del group.targets[name]


# RegisterTargets: "If the target is an EC2 instance, it must be in the running state when you
# register it", exist and be in the group's VPC; otherwise InvalidTarget (API Reference). It
# registers all or none. Auto Scaling calls the model directly, without this check.
@patch(ELBV2Response, "register_targets")
def register_call(original: Callable[..., Any], response: Any) -> Any:
    """Register targets, or refuse an instance that cannot be registered."""
    backend = response.elbv2_backend
    group = backend.target_groups.get(response._get_param("TargetGroupArn"))  # noqa: SLF001  moto's accessor
    if group and group.target_type == "instance":
        for target in response._get_param("Targets", []):  # noqa: SLF001  the same
            refuse(group, backend.ec2_backend.get_instance_by_id(target["Id"]))
    return original(response)


# DescribeTargetHealth: the results of the health checks, with draining targets unless targets are
# named; HealthCheckPort is a number (API Reference). moto's targets are healthy from the start.
@patch(ELBv2Backend, "describe_target_health")
def describe_health(
    context: Context,
    _original: Callable[..., Any],
    backend: Any,
    target_group_arn: str,
    targets: list[dict[str, Any]],
) -> list[FakeHealthStatus]:
    """Return the health of targets."""
    group = backend.target_groups.get(target_group_arn)
    if group is None:
        raise TargetGroupNotFoundError
    known_health = {(h.id, h.port): h for h in context.cloud.traffic.health(target_group_arn)}
    known = dict.fromkeys([*(pair(each) for each in group.targets.values()), *known_health])
    requested = [each for target in targets for each in matching(group, target, list(known))]
    registered = {pair(each) for each in group.targets.values()}
    return [
        status(group, target, known_health.get(target), registered=target in registered)
        for target in (requested if targets else known)
    ]


# The deregistration delay is 0 to 3600 seconds, both included (API Reference, data type
# TargetGroupAttribute); moto refuses 3600.
@patch(ELBv2Backend, "modify_target_group_attributes")
def modify_attributes(
    original: Callable[..., Any],
    backend: Any,
    target_group_arn: str,
    attributes: dict[str, Any],
) -> None:
    """Change the attributes of a target group."""
    refuse_sticky_targets(backend, target_group_arn, attributes)
    longest = str(attributes.get(DELAY)) == LONGEST_DELAY
    checked = {k: v for k, v in attributes.items() if not (longest and k == DELAY)}
    original(backend, target_group_arn, checked)
    backend.target_groups[target_group_arn].attributes.update(attributes)


def port(group: Any, target: dict[str, Any]) -> int:
    """Return the port of a target, by default the group's."""
    return int(target.get("Port") or group.port or 0)


def key(group: Any, target: dict[str, Any]) -> str:
    """Return the key of a target: its id, and its port if it differs from the group's."""
    own = port(group, target)
    return str(target["Id"]) if own == int(group.port or 0) else f"{target['Id']}:{own}"


def pair(target: dict[str, Any]) -> tuple[str, int]:
    """Return the id and the port of a registered target."""
    return str(target["Id"]), int(target["Port"] or 0)


def matching(
    group: Any, target: dict[str, Any], known: list[tuple[str, int]]
) -> list[tuple[str, int]]:
    """Return the targets that a call names; without a port, the target on all ports."""
    if not target.get("Port") and (found := [each for each in known if each[0] == target["Id"]]):
        return found
    return [(str(target["Id"]), port(group, target))]


def status(
    group: Any, target: tuple[str, int], found: Health | None, *, registered: bool
) -> FakeHealthStatus:
    """Return the health of one target in moto's type."""
    words: tuple[str, str | None, str | None] = REGISTERING if registered else NOT_REGISTERED
    if found and (registered or found.state == "draining"):
        words = (found.state, found.reason or None, found.description or None)
    id_, own = target
    checked = str(own) if group.health_check_port == "traffic-port" else group.health_check_port
    return FakeHealthStatus(id_, str(own), checked, *words)


def refuse(group: Any, instance: Any) -> None:
    """Refuse an instance that cannot be registered, in ELBv2's words."""
    if instance is None or (instance.vpc_id and instance.vpc_id != group.vpc_id):
        raise InvalidTargetError
    if instance.state != "running":
        raise TargetNotRunning(instance_id=instance.id)
