"""Patch the instances of classic load balancers: registration and health.

Separate from `classic`, which patches the settings of a load balancer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from moto.core.responses import ActionResult
from moto.elb.exceptions import ELBClientError
from moto.elb.models import ELBBackend
from moto.elb.responses import ELBResponse

from local_cloud.balancers import classic
from local_cloud.patches.context import Context
from local_cloud.patches.elb.classic import ec2_of
from local_cloud.patches.patching import patch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from local_cloud.traffic.plan import State

# The answers of DescribeInstanceHealth: State, ReasonCode, Description (API Reference, data type
# InstanceState; reasons as in the guide, "Troubleshoot instance registration").
IN_SERVICE = ("InService", "N/A", "N/A")
DRAINING = ("InService", "N/A", "Instance deregistration currently in progress.")
REGISTERING = ("OutOfService", "ELB", "Instance registration is still in progress.")
FAILED = (
    "OutOfService",
    "Instance",
    "Instance has failed at least the UnhealthyThreshold number of health checks consecutively.",
)
OTHER_ZONE = (
    "OutOfService",
    "ELB",
    (
        "Instance is in the EC2 Availability Zone for which LoadBalancer is not configured"
        " to route traffic to."
    ),
)
NOT_REGISTERED = (
    "OutOfService",
    "Instance",
    "Instance is not currently registered with the LoadBalancer.",
)
PENDING = ("OutOfService", "Instance", "Instance is in pending state.")
STOPPED = ("OutOfService", "Instance", "Instance is in stopped state.")

OF_INSTANCE = {"pending": PENDING, "stopping": STOPPED, "stopped": STOPPED}
OF_HEALTH: dict[State, tuple[str, str, str]] = {
    "healthy": IN_SERVICE,
    "unhealthy": FAILED,
    "draining": DRAINING,
}


# An instance is registered once, after any number of calls; moto lists it again. Auto Scaling
# deregisters the instances that it registered, but a user's call deregisters them, too.
@patch(ELBBackend, "register_instances")
def register(
    _original: Callable[..., Any],
    backend: Any,
    load_balancer_name: str,
    instance_ids: Iterable[str],
    from_autoscaling: bool = False,
) -> Any:
    """Register instances."""
    balancer = backend.get_load_balancer(load_balancer_name)
    for id_ in instance_ids:
        balancer.known.add(id_)
        if from_autoscaling and id_ in balancer.instance_sparse_ids:
            balancer.instance_sparse_ids.remove(id_)
        if id_ not in balancer.instance_ids:
            mine = "autoscaling" if from_autoscaling else "sparse"
            getattr(balancer, f"instance_{mine}_ids").append(id_)
    return balancer


@patch(ELBBackend, "deregister_instances")
def deregister(
    original: Callable[..., Any],
    backend: Any,
    load_balancer_name: str,
    instance_ids: Iterable[str],
    from_autoscaling: bool = False,
) -> Any:
    """Deregister instances."""
    ids = list(instance_ids)
    if not from_autoscaling:
        original(backend, load_balancer_name, ids, from_autoscaling=True)
    return original(backend, load_balancer_name, ids, from_autoscaling)


# RegisterInstancesWithLoadBalancer: "The instance must be a running instance in the same
# network as the load balancer" (API Reference); otherwise InvalidInstance. The answer is
# every registered instance; moto's is empty.
@patch(ELBResponse, "register_instances_with_load_balancer")
def register_call(original: Callable[..., Any], response: Any) -> ActionResult:
    """Refuse instances that cannot be registered, then register."""
    balancer = named_balancer(response)
    ec2 = ec2_of(response.elb_backend)
    for id_ in named_instances(response):
        instance = ec2.get_instance_by_id(id_)
        if instance is None or instance.state != "running":
            raise could_not_find(id_)
        if balancer.vpc_id and instance.vpc_id and instance.vpc_id != balancer.vpc_id:
            raise ELBClientError(
                "InvalidInstance", f"EC2 instance {id_} is not in the same VPC as ELB."
            )
    original(response)
    return ActionResult({"Instances": balancer.instances})


# DeregisterInstancesFromLoadBalancer of an instance that was never registered is answered
# InvalidInstance; of one that was registered before it succeeds (boto/boto issues 2274, 2576).
@patch(ELBResponse, "deregister_instances_from_load_balancer")
def deregister_call(original: Callable[..., Any], response: Any) -> ActionResult:
    """Refuse instances that were never registered, then deregister."""
    balancer = named_balancer(response)
    for id_ in named_instances(response):
        if id_ not in balancer.known:
            raise could_not_find(id_)
    original(response)
    return ActionResult({"Instances": balancer.instances})


# DescribeInstanceHealth: "If instances are specified, their state is returned even if they
# are no longer registered with the load balancer. The state of terminated instances is not
# returned" (API Reference). moto's instances are in service as soon as they run.
@patch(ELBBackend, "describe_instance_health")
def describe_health(
    context: Context,
    _original: Callable[..., Any],
    backend: Any,
    lb_name: str,
    instances: list[dict[str, str]],
) -> list[dict[str, str]]:
    """Return the health of instances, in AWS's words."""
    balancer = backend.get_load_balancer(lb_name)
    states = {h.id: h.state for h in context.cloud.traffic.health(classic.key(backend, lb_name))}
    requested = [instance["InstanceId"] for instance in instances]
    found = []
    for id_ in requested or dict.fromkeys([*balancer.instance_ids, *states]):
        instance = ec2_of(backend).get_instance_by_id(id_)
        if instance is None or id_ not in balancer.known:
            raise could_not_find(id_)
        if instance.state != "terminated":
            words = in_words(balancer, instance, states.get(id_))
            names = ("State", "ReasonCode", "Description")
            found.append({"InstanceId": id_, **dict(zip(names, words, strict=True))})
    return found


@patch(ELBResponse, "describe_instance_health")
def health_call(_original: Callable[..., Any], response: Any) -> ActionResult:
    """Answer with reasons and descriptions, which moto leaves out."""
    name, wanted = response._get_param("LoadBalancerName"), response._get_param("Instances", [])  # noqa: SLF001  moto's accessor
    states = response.elb_backend.describe_instance_health(name, wanted)
    return ActionResult({"InstanceStates": states})


def in_words(balancer: Any, instance: Any, state: State | None) -> tuple[str, str, str]:
    """Return state, reason and description of an instance that exists."""
    if instance.id not in balancer.instance_ids:
        return DRAINING if state == "draining" else NOT_REGISTERED
    if instance.state in OF_INSTANCE:
        return OF_INSTANCE[instance.state]
    if instance.availability_zone not in balancer.availability_zones:
        return OTHER_ZONE
    return OF_HEALTH.get(state or "initial", REGISTERING)


def named_balancer(response: Any) -> Any:
    """Return the load balancer that a call names."""
    return response.elb_backend.get_load_balancer(response._get_param("LoadBalancerName"))  # noqa: SLF001  moto's accessor


def named_instances(response: Any) -> list[str]:
    """Return the instances that a call names."""
    return [each["InstanceId"] for each in response._get_param("Instances", [])]  # noqa: SLF001  the same


def could_not_find(instance: str) -> ELBClientError:
    """Return AWS's error for an instance that the load balancer does not know."""
    return ELBClientError("InvalidInstance", f"Could not find EC2 instance {instance}.")
