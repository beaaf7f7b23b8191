"""EC2 instances that run: what moto leaves out of RunInstances and what follows it."""

from __future__ import annotations

import base64
import functools
from typing import TYPE_CHECKING, Any

from moto.core.responses import ActionResult
from moto.core.types import Base64EncodedString
from moto.core.utils import utcnow
from moto.ec2.exceptions import EC2ClientError
from moto.ec2.models.elastic_network_interfaces import NetworkInterface
from moto.ec2.models.instances import Instance, InstanceBackend, StateReason
from moto.ec2.responses.general import General

from local_cloud.groups import launch
from local_cloud.instances.machine import InstanceSpec
from local_cloud.instances.user_data import decoded
from local_cloud.patches.context import Context
from local_cloud.patches.ec2 import template_launches
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
SHUT_ITSELF_DOWN = "Client.InstanceInitiatedShutdown"


# RunInstances fails for an AMI that does not exist or is not available (EC2 API error
# codes: InvalidAMIID.NotFound, InvalidAMIID.Unavailable); moto launches anything.
# What a launch template's version says counts where the call says nothing; moto drops much
# of it. And an instance begins `pending`, has an address something can answer on, and runs.
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
    """Refuse what cannot be launched, then launch."""
    template = template_launches.template_of(backend, named)
    image = image_id or template.get("ImageId", "")
    launch.check_image(backend, image)
    groups, named = template_launches.complete(
        backend, template, image, security_group_names, named
    )
    made = original(backend, image_id, count, user_data, groups, **named)
    for instance in made.instances:
        start_machine(context, instance)
    return made


def start_machine(context: Context, instance: Any) -> None:
    """Give a new instance its address and its machine."""
    address = context.cloud.network.address()
    move(instance.nics[0], address)
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
            settle=functools.partial(show_reached, context, instance),
            shut_down=functools.partial(shut_down, context, instance),
            behavior=context.cloud.behaviors.of(instance.id),
            booted=functools.partial(report_boot, context),
        )
    )


# EC2 User Guide, "Instance lifecycle": the transitions take time, and what an instance
# is told to do replaces what it was doing; moto is at the end of each at once.
def show_transition(
    context: Context, instance: Any, by_way_of: str, state: str, seconds: float
) -> None:
    """Show the state that the instance passes, if anybody could see it."""
    set_state(instance, by_way_of if context.cloud.takes_time(seconds) else state)


def show_reached(context: Context, instance: Any, state: str) -> None:
    """Show the state that was reached, unless something else was asked since."""
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
    """Let load balancers hear that an instance has booted in whose place they answer."""
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
            f"{SHUT_ITSELF_DOWN}: Instance initiated shutdown", SHUT_ITSELF_DOWN
        )
        context.cloud.changed()


# StartInstances and StopInstances answer IncorrectInstanceState for an instance that is
# in no state to start or stop (EC2 API error codes); moto revives the terminated.
@patch(InstanceBackend, "start_instances")
def start_instances(original: Callable[..., Any], backend: Any, instance_ids: list[str]) -> Any:
    """Refuse to start what is not stopped, unless it runs already."""
    check_states(backend, instance_ids, {"stopped", "running", "pending"}, "started")
    return original(backend, instance_ids)


@patch(InstanceBackend, "stop_instances")
def stop_instances(original: Callable[..., Any], backend: Any, instance_ids: list[str]) -> Any:
    """Refuse to stop what is being terminated."""
    allowed = {"stopped", "stopping", "running", "pending"}
    check_states(backend, instance_ids, allowed, "stopped")
    return original(backend, instance_ids)


@patch(Instance, "start")
def start(context: Context, original: Callable[..., Any], instance: Any) -> Any:
    """Boot a stopped instance; a running one stays as it is."""
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
    """End the processes of an instance, keep its directory."""
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
    """Boot a running instance again."""
    was = instance.state
    original(instance)
    set_state(instance, was)
    if was == "running":
        context.cloud.reboot(instance.id)


@patch(Instance, "terminate")
def terminate(context: Context, original: Callable[..., Any], instance: Any) -> Any:
    """End an instance; a terminated one stays so."""
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
# answers (EC2 User Guide, "Status checks for Amazon EC2 instances"); moto says `ok`.
@patch(Instance, "instance_status")
def instance_status(context: Context, original: Callable[..., Any], instance: Any) -> Any:
    """Say `initializing` until the instance has booted."""
    status = original(instance)
    if status.get("Status") == "ok" and context.cloud.takes_time(
        context.cloud.host.clock.delays.boot
    ):
        booted = context.cloud.has_booted(instance.id)
        return status if booted else {"Status": "initializing", "Details": []}
    return status


# An instance that AWS would give a public address answers on it. Here both addresses are
# the instance's own on loopback; moto invents one that leads to a stranger's machine.
@patch(NetworkInterface, "check_auto_public_ip")
def show_public_address(original: Callable[..., Any], interface: Any) -> None:
    """Show the private address as the public one of an instance that has one."""
    original(interface)
    if interface.public_ip and str(interface.private_ip_address).startswith(LOOPBACK):
        interface.public_ip = interface.private_ip_address


# GetConsoleOutput returns what the instance printed, at most the last 64 KB (EC2 User
# Guide, "Instance console output"); moto returns a sample of 2006.
@patch(General, "get_console_output")
def get_console_output(
    context: Context, _original: Callable[..., Any], response: Any
) -> ActionResult:
    """Return the console of an instance."""
    instance = response.ec2_backend.get_instance(response._get_param("InstanceId"))  # noqa: SLF001  how moto's responses read parameters
    output = base64.b64encode(context.cloud.console(instance.id)).decode()
    return ActionResult(
        {
            "InstanceId": instance.id,
            "Timestamp": utcnow(),
            "Output": Base64EncodedString(output),
        }
    )


def set_state(instance: Any, state: str) -> None:
    """Put an instance in a state."""
    instance._state.name, instance._state.code = state, CODES[state]  # noqa: SLF001  moto has no setter


def facts(instance: Any, state: str) -> dict[str, str]:
    """Return what is noted of an instance that reaches a state."""
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
    for entry in interface.private_ip_addresses:
        if entry.get("PrivateIpAddress") == old:
            entry["PrivateIpAddress"] = address
    interface.check_auto_public_ip()
