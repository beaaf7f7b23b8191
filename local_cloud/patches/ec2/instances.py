"""Patch EC2 instances: give each a machine that runs, and the states of its life."""

from __future__ import annotations

import base64
import functools
from typing import TYPE_CHECKING, Any

from moto.autoscaling.models import ASG_NAME_TAG
from moto.core.responses import ActionResult
from moto.core.types import Base64EncodedString
from moto.core.utils import utcnow
from moto.ec2.exceptions import EC2ClientError
from moto.ec2.models.elastic_network_interfaces import NetworkInterface
from moto.ec2.models.instance_types import INSTANCE_TYPES
from moto.ec2.models.instances import Instance, InstanceBackend, StateReason
from moto.ec2.responses.general import General
from moto.ec2.utils import generate_dns_from_ip

from local_cloud.groups import launch
from local_cloud.instances.machine import InstanceSpec
from local_cloud.instances.user_data import decoded
from local_cloud.launch_failures import DIED, Death
from local_cloud.patches.context import Context
from local_cloud.patches.ec2 import image_settings, template_launches
from local_cloud.patches.patching import patch

if TYPE_CHECKING:
    from collections.abc import Callable


# EC2 API Reference, data type InstanceState.
CODES = {
    "pending": 0,
    "running": 16,
    "shutting-down": 32,
    "terminated": 48,
    "stopping": 64,
    "stopped": 80,
}
LOOPBACK = "127."
SHUTDOWN_FROM_INSIDE = "Client.InstanceInitiatedShutdown"


# RunInstances fails for an AMI that does not exist, is not available or is of another architecture
# (EC2 API error codes: InvalidAMIID.NotFound, InvalidAMIID.Unavailable); moto launches anything.
# The version of a launch template supplies what the call leaves out; moto drops much of it. A new
# instance is `pending` and gets an address on loopback and a machine.
@patch(InstanceBackend, "run_instances")
def run_instances(
    context: Context,
    original: Callable[..., Any],
    backend: Any,
    image_id: str,
    count: int,
    user_data: Any,
    security_group_names: Any,
    **named: Any,
) -> Any:
    """Refuse a launch that cannot succeed, or launch."""
    template = template_launches.template_of(backend, named)
    image = image_id or template.get("ImageId", "")
    launch.check_image(backend, image)
    refuse_by_behavior(context, backend, image, named)
    groups, named = template_launches.complete(
        backend, template, image, security_group_names, named
    )
    launch.check_architecture(backend, image, template_launches.type_of(template, named))
    asked = image_settings.metadata_options(backend.amis.get(image), named.get("metadata_options"))
    named["metadata_options"] = asked
    made = original(backend, image_id, count, user_data, groups, **named)
    for instance in made.instances:
        start_machine(context, instance)
    return made


def refuse_by_behavior(context: Context, backend: Any, image: str, named: Any) -> None:
    """Refuse a launch if a behavior says so; those of groups were refused before."""
    if ASG_NAME_TAG in (named.get("tags") or {}).get("instance", {}):
        return
    subnet = named.get("subnet_id")
    zone = backend.get_subnet(subnet).availability_zone if subnet else named.get("placement")
    refusal = context.cloud.behaviors.refused_launch(
        group="", image=image, zone=zone or "", instance_type=named.get("instance_type") or ""
    )
    if refusal:
        raise EC2ClientError(refusal.code, refusal.message)


def start_machine(context: Context, instance: Any) -> None:
    """Give a new instance its address and its machine, unless it ends before it runs."""
    address = context.cloud.network.address()
    move(instance.nics[0], address)
    behavior = context.cloud.behaviors.of(instance.id)
    if behavior and behavior.kind in DIED:
        die(context, instance, DIED[behavior.kind])
        return
    show_transition(
        context, instance, "pending", "running", context.cloud.host.clock.delays.pending
    )
    context.cloud.timeline.record("instance", **facts(instance, "pending"))
    context.cloud.launch(
        InstanceSpec(
            id=instance.id,
            image=instance.image_id,
            address=address,
            user_data=decoded(instance.user_data),
            settle=functools.partial(show_final, context, instance),
            shut_down=functools.partial(shut_down, context, instance),
            behavior=behavior,
            booted=functools.partial(report_boot, context),
        )
    )


# "Instance terminates immediately" (EC2 User Guide, "Troubleshoot instance launch issues"): the
# instance goes from pending to terminated, and its StateReason says why.
def die(context: Context, instance: Any, death: Death) -> None:
    """Let an instance pend and end."""
    set_state(instance, "pending")
    context.cloud.timeline.record("instance", **facts(instance, "pending"))

    def end() -> None:
        with context.lock:
            if instance.state == "pending":
                instance.terminate()
            set_state(instance, "terminated")
            instance.state_reason = StateReason(death.message, death.code)
            context.terminated.add(instance)
            context.cloud.timeline.record("instance", **facts(instance, "terminated"))
            context.cloud.changed()

    context.cloud.later(context.cloud.host.clock.delays.pending, end)


# EC2 User Guide, "Instance lifecycle": transitions take time, and a new request replaces the
# transition in progress. moto reaches the end of each at once.
def show_transition(
    context: Context, instance: Any, intermediate: str, state: str, seconds: float
) -> None:
    """Show the intermediate state, if it lasts long enough to be seen."""
    set_state(instance, intermediate if context.cloud.takes_time(seconds) else state)


def show_final(context: Context, instance: Any, state: str) -> None:
    """Show the final state, unless another request came since."""
    before = {"running": "pending", "stopped": "stopping", "terminated": "shutting-down"}
    with context.lock:
        if instance.state == before[state]:
            set_state(instance, state)
            if state == "terminated":
                context.terminated.add(instance)
            context.cloud.timeline.record("instance", **facts(instance, state))
            context.cloud.changed()


def report_boot(
    context: Context,
) -> None:
    """Update the load balancers, which answer in place of a hollow instance."""
    with context.lock:
        context.cloud.changed()


# An instance that shuts itself down stops or terminates, as its attribute
# InstanceInitiatedShutdownBehavior says (EC2 API Reference, RunInstances).
def shut_down(context: Context, instance: Any) -> None:
    """Stop or terminate an instance that shut itself down."""
    with context.lock:
        if instance.state != "running":
            return
        if instance.instance_initiated_shutdown_behavior == "terminate":
            instance.terminate()
        else:
            instance.stop()
        instance.state_reason = StateReason(
            f"{SHUTDOWN_FROM_INSIDE}: Instance initiated shutdown", SHUTDOWN_FROM_INSIDE
        )
        context.cloud.changed()


# StartInstances and StopInstances answer IncorrectInstanceState for an instance that is
# in no state to start or stop (EC2 API error codes); moto starts terminated instances again.
@patch(InstanceBackend, "start_instances")
def start_instances(original: Callable[..., Any], backend: Any, instance_ids: list[str]) -> Any:
    """Refuse to start an instance that is neither stopped nor running."""
    check_states(backend, instance_ids, {"stopped", "running", "pending"}, "started")
    return original(backend, instance_ids)


@patch(InstanceBackend, "stop_instances")
def stop_instances(original: Callable[..., Any], backend: Any, instance_ids: list[str]) -> Any:
    """Refuse to stop an instance that is being terminated."""
    allowed = {"stopped", "stopping", "running", "pending"}
    check_states(backend, instance_ids, allowed, "stopped")
    return original(backend, instance_ids)


@patch(Instance, "start")
def start(context: Context, original: Callable[..., Any], instance: Any) -> Any:
    """Boot a stopped instance; ignore a running one."""
    was = instance.state
    previous = original(instance)
    if was == "stopped":
        show_transition(
            context, instance, "pending", "running", context.cloud.host.clock.delays.pending
        )
        context.cloud.start(instance.id)
    else:
        set_state(instance, was)
    return previous


@patch(Instance, "stop")
def stop(context: Context, original: Callable[..., Any], instance: Any) -> Any:
    """End the processes of an instance and keep its directory."""
    was = instance.state
    previous = original(instance)
    if was in {"running", "pending"}:
        show_transition(
            context, instance, "stopping", "stopped", context.cloud.host.clock.delays.stopping
        )
        context.cloud.stop(instance.id)
    else:
        set_state(instance, was)
    return previous


@patch(Instance, "reboot")
def reboot(context: Context, original: Callable[..., Any], instance: Any) -> None:
    """Reboot a running instance."""
    was = instance.state
    original(instance)
    set_state(instance, was)
    if was == "running":
        context.cloud.reboot(instance.id)


@patch(Instance, "terminate")
def terminate(context: Context, original: Callable[..., Any], instance: Any) -> Any:
    """Terminate an instance; ignore a terminated one."""
    was = instance.state
    previous = original(instance)
    if was in {"shutting-down", "terminated"}:
        set_state(instance, was)
        return previous
    seconds = context.cloud.host.clock.delays.shutting_down
    show_transition(context, instance, "shutting-down", "terminated", seconds)
    context.cloud.timeline.record("instance", **facts(instance, "shutting-down"))
    context.cloud.terminate(instance.id)
    return previous


# DescribeInstanceStatus: the instance status check is `initializing` until the instance
# answers (EC2 User Guide, "Status checks for Amazon EC2 instances"); moto shows `ok`.
@patch(Instance, "instance_status")
def instance_status(context: Context, original: Callable[..., Any], instance: Any) -> Any:
    """Show `initializing` until the instance has booted."""
    status = original(instance)
    if status.get("Status") == "ok" and context.cloud.takes_time(
        context.cloud.host.clock.delays.boot
    ):
        booted = context.cloud.has_booted(instance.id)
        return status if booted else {"Status": "initializing", "Details": []}
    return status


# An instance answers on its public address. Here that is its private address on loopback; moto
# invents a public address, which belongs to another machine.
@patch(NetworkInterface, "check_auto_public_ip")
def show_public_address(original: Callable[..., Any], interface: Any) -> None:
    """Show the private address as the public one, if the instance has a public one."""
    original(interface)
    if interface.public_ip and str(interface.private_ip_address).startswith(LOOPBACK):
        interface.public_ip = interface.private_ip_address


# GetConsoleOutput returns the last 64 KB that the instance printed, some minutes late; Latest,
# which only types on the Nitro system have, returns what is there now (EC2 User Guide, "Instance
# console output"). moto returns a sample.
@patch(General, "get_console_output")
def get_console_output(
    context: Context, _original: Callable[..., Any], response: Any
) -> ActionResult:
    """Return the console of an instance."""
    instance = response.ec2_backend.get_instance(response._get_param("InstanceId"))  # noqa: SLF001  moto's accessor
    latest = bool(response._get_bool_param("Latest"))  # noqa: SLF001  the same
    if latest and not is_nitro(instance.instance_type):
        raise EC2ClientError(
            "UnsupportedOperation",
            f"This instance type {instance.instance_type} does not support retrieving the latest "
            "console logs. You can only retrieve the latest console logs for Nitro instances.",
        )
    output = base64.b64encode(context.cloud.console(instance.id, latest=latest)).decode()
    return ActionResult(
        {
            "InstanceId": instance.id,
            "Timestamp": utcnow(),
            "Output": Base64EncodedString(output),
        }
    )


def is_nitro(instance_type: str) -> bool:
    """Return True if a type is on the Nitro system, as DescribeInstanceTypes tells it."""
    return bool(INSTANCE_TYPES.get(instance_type, {}).get("Hypervisor") == "nitro")


def set_state(instance: Any, state: str) -> None:
    """Set the state of an instance."""
    instance._state.name, instance._state.code = state, CODES[state]  # noqa: SLF001  moto has no setter


def facts(instance: Any, state: str) -> dict[str, str]:
    """Return the facts of an instance's state for the timeline."""
    return {"id": str(instance.id), "image": str(instance.image_id), "state": state}


def check_states(backend: Any, ids: list[str], allowed: set[str], done: str) -> None:
    """Refuse instances in a wrong state, in EC2's words."""
    for instance in backend.get_multi_instances_by_id(ids):
        if instance.state not in allowed:
            raise EC2ClientError(
                "IncorrectInstanceState",
                f"The instance '{instance.id}' is not in a state from which it can be {done}.",
            )


def move(interface: Any, address: str) -> None:
    """Give a network interface an address of this cloud."""
    old = interface.private_ip_address
    interface.private_ip_address = address
    interface.private_dns_name = generate_dns_from_ip(address)
    for entry in interface.private_ip_addresses:
        if entry.get("PrivateIpAddress") == old:
            entry["PrivateIpAddress"] = address
            entry["PrivateDnsName"] = interface.private_dns_name
    interface.check_auto_public_ip()
