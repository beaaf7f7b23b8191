"""EC2 instances that run: what moto leaves out of RunInstances and what follows it."""

from __future__ import annotations

import base64
import dataclasses
import functools
from typing import TYPE_CHECKING, Any

from moto.core.responses import ActionResult
from moto.core.types import Base64EncodedString
from moto.core.utils import utcnow
from moto.ec2.exceptions import EC2ClientError, InvalidAMIIdError, UnvailableAMIIdError
from moto.ec2.models.elastic_network_interfaces import NetworkInterface
from moto.ec2.models.instances import Instance, InstanceBackend, StateReason
from moto.ec2.responses.general import General

from local_cloud.instances.machine import Birth
from local_cloud.patches import Hook, replace
from local_cloud.patches.ec2 import template_launches
from local_cloud.patches.ec2.forgotten import Terminated

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from local_cloud.cloud import Cloud

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


def hooks(cloud: Cloud, lock: AbstractContextManager[Any]) -> list[Hook]:
    """Return the hooks of instances."""
    terminated = Terminated(clock=cloud.ground.clock)
    here = Instances(cloud=cloud, lock=lock, terminated=terminated)
    return [
        *replace(
            InstanceBackend,
            run_instances=here.run_instances,
            start_instances=here.start_instances,
            stop_instances=here.stop_instances,
        ),
        *replace(
            Instance,
            start=here.start,
            stop=here.stop,
            reboot=here.reboot,
            terminate=here.terminate,
            instance_status=here.instance_status,
        ),
        *replace(NetworkInterface, check_auto_public_ip=here.public_address),
        *replace(General, get_console_output=here.get_console_output),
    ]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Instances:
    """The hooks of instances, each named after what it replaces."""

    cloud: Cloud
    lock: AbstractContextManager[Any]
    terminated: Terminated

    # RunInstances fails for an AMI that does not exist or is not available (EC2 API error
    # codes: InvalidAMIID.NotFound, InvalidAMIID.Unavailable); moto launches anything.
    # What a launch template's version says counts where the call says nothing; moto drops much
    # of it. And an instance begins `pending`, has an address something can answer on, and runs.
    def run_instances(
        self,
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
        check_image(backend, image)
        groups, named = template_launches.complete(
            backend, template, image, security_group_names, named
        )
        made = original(backend, image_id, count, user_data, groups, **named)
        for instance in made.instances:
            self.bring_to_life(instance)
        return made

    def bring_to_life(self, instance: Any) -> None:
        """Give a new instance its address and its machine."""
        address = self.cloud.network.address()
        move(instance.nics[0], address)
        self.reach(instance, "pending", "running", self.cloud.ground.clock.delays.pending)
        self.cloud.moments.note("instance", **facts(instance, "pending"))
        self.cloud.launch(
            Birth(
                id=instance.id,
                image=instance.image_id,
                address=address,
                user_data=decoded(instance.user_data),
                settle=functools.partial(self.settle, instance),
                shut_down=functools.partial(self.shut_down, instance),
                behaviour=self.cloud.orders.of(instance.id),
                booted=self.booted,
            )
        )

    # EC2 User Guide, "Instance lifecycle": the transitions take time, and what an instance
    # is told to do replaces what it was doing; moto is at the end of each at once.
    def reach(self, instance: Any, by_way_of: str, state: str, seconds: float) -> None:
        """Show the state that the instance passes, if anybody could see it."""
        set_state(instance, by_way_of if self.cloud.takes_time(seconds) else state)

    def settle(self, instance: Any, state: str) -> None:
        """Show the state that was reached, unless something else was asked since."""
        before = {"running": "pending", "stopped": "stopping", "terminated": "shutting-down"}
        with self.lock:
            if instance.state == before[state]:
                set_state(instance, state)
                if state == "terminated":
                    self.terminated.add(instance)
                self.cloud.moments.note("instance", **facts(instance, state))
                self.cloud.changed()

    def booted(self) -> None:
        """Let load balancers hear that an instance has booted in whose place they answer."""
        with self.lock:
            self.cloud.changed()

    # An instance that shuts itself down stops or terminates, as its attribute
    # InstanceInitiatedShutdownBehavior says (EC2 API Reference, RunInstances).
    def shut_down(self, instance: Any) -> None:
        """Stop or terminate an instance that shut itself down."""
        with self.lock:
            if instance.state != "running":
                return
            if instance.instance_initiated_shutdown_behavior == "terminate":
                instance.terminate()
            else:
                instance.stop()
            instance.state_reason = StateReason(
                f"{SHUT_ITSELF_DOWN}: Instance initiated shutdown", SHUT_ITSELF_DOWN
            )
            self.cloud.changed()

    # StartInstances and StopInstances answer IncorrectInstanceState for an instance that is
    # in no state to start or stop (EC2 API error codes); moto revives the terminated.
    def start_instances(
        self, original: Callable[..., Any], backend: Any, instance_ids: list[str]
    ) -> Any:
        """Refuse to start what is not stopped, unless it runs already."""
        check_states(backend, instance_ids, {"stopped", "running", "pending"}, "started")
        return original(backend, instance_ids)

    def stop_instances(
        self, original: Callable[..., Any], backend: Any, instance_ids: list[str]
    ) -> Any:
        """Refuse to stop what is being terminated."""
        allowed = {"stopped", "stopping", "running", "pending"}
        check_states(backend, instance_ids, allowed, "stopped")
        return original(backend, instance_ids)

    def start(self, original: Callable[..., Any], instance: Any) -> Any:
        """Boot a stopped instance; a running one stays as it is."""
        was = instance.state
        previous = original(instance)
        if was == "stopped":
            self.reach(instance, "pending", "running", self.cloud.ground.clock.delays.pending)
            self.cloud.start(instance.id)
        else:
            set_state(instance, was)
        return previous

    def stop(self, original: Callable[..., Any], instance: Any) -> Any:
        """End the processes of an instance, keep its directory."""
        was = instance.state
        previous = original(instance)
        if was in {"running", "pending"}:
            self.reach(instance, "stopping", "stopped", self.cloud.ground.clock.delays.stopping)
            self.cloud.stop(instance.id)
        else:
            set_state(instance, was)
        return previous

    def reboot(self, original: Callable[..., Any], instance: Any) -> None:
        """Boot a running instance again."""
        was = instance.state
        original(instance)
        set_state(instance, was)
        if was == "running":
            self.cloud.reboot(instance.id)

    def terminate(self, original: Callable[..., Any], instance: Any) -> Any:
        """End an instance; a terminated one stays so."""
        was = instance.state
        previous = original(instance)
        if was in {"shutting-down", "terminated"}:
            set_state(instance, was)
            return previous
        seconds = self.cloud.ground.clock.delays.shutting_down
        self.reach(instance, "shutting-down", "terminated", seconds)
        self.cloud.moments.note("instance", **facts(instance, "shutting-down"))
        self.cloud.terminate(instance.id)
        return previous

    # DescribeInstanceStatus: the instance status check is `initializing` until the instance
    # answers (EC2 User Guide, "Status checks for Amazon EC2 instances"); moto says `ok`.
    def instance_status(self, original: Callable[..., Any], instance: Any) -> Any:
        """Say `initializing` until the instance has booted."""
        status = original(instance)
        if status.get("Status") == "ok" and self.cloud.takes_time(
            self.cloud.ground.clock.delays.boot
        ):
            booted = self.cloud.has_booted(instance.id)
            return status if booted else {"Status": "initializing", "Details": []}
        return status

    # An instance that AWS would give a public address answers on it. Here both addresses are
    # the instance's own on loopback; moto invents one that leads to a stranger's machine.
    def public_address(self, original: Callable[..., Any], interface: Any) -> None:
        """Show the private address as the public one of an instance that has one."""
        original(interface)
        if interface.public_ip and str(interface.private_ip_address).startswith(LOOPBACK):
            interface.public_ip = interface.private_ip_address

    # GetConsoleOutput returns what the instance printed, at most the last 64 KB (EC2 User
    # Guide, "Instance console output"); moto returns a sample of 2006.
    def get_console_output(self, _original: Callable[..., Any], response: Any) -> ActionResult:
        """Return the console of an instance."""
        instance = response.ec2_backend.get_instance(response._get_param("InstanceId"))  # noqa: SLF001  how moto's responses read parameters
        output = base64.b64encode(self.cloud.console(instance.id)).decode()
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


def check_image(backend: Any, image: str | None) -> None:
    """Refuse an AMI that cannot be launched, in EC2's words."""
    found = backend.amis.get(image)
    if found is None:
        raise InvalidAMIIdError([str(image)])
    if found.state != "available":
        raise UnvailableAMIIdError(str(image))


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


def decoded(user_data: Any) -> bytes:
    """Return user data as the instance reads it."""
    if user_data is None:
        return b""
    return base64.b64decode(str(user_data))
