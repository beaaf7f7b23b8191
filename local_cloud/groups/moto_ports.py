"""Implement the ports of groups on moto's EC2 and Elastic Load Balancing."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from moto.autoscaling.models import ASG_NAME_TAG

from local_cloud.balancers import classic
from local_cloud.groups import launch as group_launch
from local_cloud.scaling.ports import LaunchRefusedError, LifecycleHook, Place

if TYPE_CHECKING:
    from collections.abc import Mapping

    from local_cloud.cloud import Cloud
    from local_cloud.scaling.model import Group, Source
    from local_cloud.scaling.ports import Launched

# The worst state counts for an instance that is registered on several ports.
WORST_LAST = ("unused", "unavailable", "healthy", "initial", "unhealthy", "draining")


@dataclass(kw_only=True)
class MotoPorts:
    """`scaling.ports.Ports` on moto's models of one region."""

    backend: Any
    cloud: Cloud
    _health: dict[str, dict[str, str]] = field(default_factory=dict)
    _instances: dict[str, Any] = field(default_factory=dict)  # moto searches all

    def refresh(self) -> None:
        """Drop the health that was read before."""
        self._health.clear()

    def scaled(self, seconds: float) -> float:
        """Return the real seconds for AWS's `seconds`."""
        return self.cloud.host.clock.scaled(seconds)

    def stamp(self) -> dt.datetime:
        """Return the time of day."""
        return dt.datetime.now(tz=dt.UTC)

    def places(self, group: Group) -> list[Place]:
        """Return the group's subnets, or the default subnets of its zones."""
        ec2, settings = self.backend.ec2_backend, group.settings
        if settings.vpc_zone_identifier:
            names = [name.strip() for name in settings.vpc_zone_identifier.split(",")]
            zones = {subnet.id: subnet.availability_zone for subnet in ec2.describe_subnets()}
            return [Place(zone=zones.get(name, ""), subnet=name) for name in names]
        subnets = ec2.get_default_subnets()
        return [
            Place(zone=zone, subnet=subnets[zone].id if zone in subnets else None)
            for zone in settings.availability_zones
        ]

    def launch(self, group: Group, place: Place) -> Launched:
        """Launch one instance of the group's template or configuration."""
        recipe = group_launch.recipe(self.backend, group.settings)
        refused = self.cloud.behaviors.refused_launch(
            group=group.name,
            image=recipe.image,
            zone=place.zone,
            instance_type=recipe.instance_type,
        )
        if refused:
            raise LaunchRefusedError(refused.message, elsewhere=refused.elsewhere)
        return group_launch.launch(self.backend, group.settings, recipe, place)

    def template(self, group: Group) -> dict[str, str] | None:
        """Return the launch template and version of the next launch, None without one."""
        try:
            return group_launch.recipe(self.backend, group.settings).launch_template
        except LaunchRefusedError:
            return None

    def state(self, instance: str) -> str:
        """Return EC2's word for the state of an instance."""
        found = self._instance(instance)
        return str(found.state) if found else "terminated"

    def _instance(self, instance: str) -> Any:
        if instance not in self._instances:
            found = self.backend.ec2_backend.get_instance_by_id(instance)
            if found is None:
                return None
            self._instances[instance] = found
        return self._instances[instance]

    def reason(self, instance: str) -> str:
        """Return EC2's reason for the state of an instance."""
        found = self._instance(instance)
        reason = getattr(found, "state_reason", None)
        return reason.message if reason and reason.message else "Client.UserInitiatedShutdown"

    def terminate(self, instance: str) -> None:
        """Terminate an instance, even if it is protected from users."""
        found = self._instance(instance)
        if found and found.state not in {"shutting-down", "terminated"}:
            found.terminate()

    def stop(self, instance: str) -> None:
        """Stop an instance."""
        if found := self._instance(instance):
            found.stop()

    def start(self, instance: str) -> None:
        """Start a stopped instance."""
        if found := self._instance(instance):
            found.start()

    def release(self, group: Group, instance: str) -> None:
        """Remove the group's tag from an instance."""
        self.backend.ec2_backend.delete_tags([instance], {ASG_NAME_TAG: group.name})

    def hooks(self, group: Group, transition: str) -> list[LifecycleHook]:
        """Return the lifecycle hooks of a transition."""
        return [
            LifecycleHook(
                name=hook.name,
                timeout=float(hook.heartbeat_timeout),
                default=str(hook.default_result),
            )
            for hook in self.backend.describe_lifecycle_hooks(group.name)
            if hook.lifecycle_transition == transition
        ]

    def register(self, source: Source, instance: str) -> None:
        """Register a running instance that is not registered."""
        if self.state(instance) != "running" or self._is_registered(source, instance):
            return
        if source.type == "elb":
            if source.identifier in self.backend.elb_backend.load_balancers:
                self.backend.elb_backend.register_instances(source.identifier, [instance], True)
        elif (group := self._target_group(source)) and self._has_room(group):
            group.register([{"Id": instance, "Port": group.port}])

    def _has_room(self, group: Any) -> bool:
        """Return True if the quota of a target group leaves room for one more."""
        return len(group.targets) < self.cloud.quotas.limit("targets-per-target-group")

    def registration_delay(self, instance: str) -> float:
        """Return AWS's seconds until an instance is registered, by its behavior."""
        return self.cloud.behaviors.registration_delay(instance)

    def deregister(self, source: Source, instance: str) -> None:
        """Deregister an instance that is registered."""
        if not self._is_registered(source, instance):
            return
        if source.type == "elb":
            for by_group in (True, False):  # moto has two lists; a member is in either
                self.backend.elb_backend.deregister_instances(
                    source.identifier, [instance], by_group
                )
        elif group := self._target_group(source):
            group.deregister([{"Id": instance}])

    def _is_registered(self, source: Source, instance: str) -> bool:
        if source.type == "elb":
            balancer = self.backend.elb_backend.load_balancers.get(source.identifier)
            return balancer is not None and instance in balancer.instance_ids
        group = self._target_group(source)
        return group is not None and any(t["Id"] == instance for t in group.targets.values())

    def _target_group(self, source: Source) -> Any:
        return self.backend.elbv2_backend.target_groups.get(source.identifier)

    def health(self, source: Source) -> Mapping[str, str]:
        """Return the health of a source's members in the data plane, read once for each step."""
        if source.identifier not in self._health:
            self._health[source.identifier] = self._read_health(source)
        return self._health[source.identifier]

    def _read_health(self, source: Source) -> dict[str, str]:
        pool = source.identifier
        if source.type == "elb":
            pool = classic.key(self.backend, source.identifier)
        healths = sorted(
            self.cloud.traffic.health(pool), key=lambda one: WORST_LAST.index(one.state)
        )
        return {one.id: one.state for one in healths}

    def delay(self, source: Source) -> float:
        """Return the draining time of a source, in AWS's seconds."""
        if source.type == "elbv2":
            group = self._target_group(source)
            seconds = group.attributes.get("deregistration_delay.timeout_seconds") if group else 0
            return float(seconds or 0)
        balancer = self.backend.elb_backend.load_balancers.get(source.identifier)
        draining = balancer.attributes.get("connection_draining", {}) if balancer else {}
        named = {str(name).lower(): value for name, value in draining.items()}
        return float(named.get("timeout") or 300) if named.get("enabled") else 0.0

    def forget(self, group: Group) -> None:
        """Delete a group with its hooks, policies and schedules."""
        self.backend.autoscaling_groups.pop(group.name, None)
        for things in (
            self.backend.lifecycle_hooks,
            self.backend.policies,
            self.backend.scheduled_actions,
        ):
            for name, thing in list(things.items()):
                if thing.auto_scaling_group_name == group.name:
                    del things[name]
