"""Fake EC2 and load balancers for tests of the Auto Scaling state machine, without a clock."""

from __future__ import annotations

import datetime as dt
import itertools
from dataclasses import dataclass, field
from typing import Any

from local_cloud.scaling import capacity
from local_cloud.scaling import group as groups
from local_cloud.scaling.model import Activity, Group, Member, Source
from local_cloud.scaling.ports import Launched, LaunchRefusedError, LifecycleHook, Place

START = dt.datetime(2026, 1, 2, 3, 4, 5, tzinfo=dt.UTC)
LAUNCHING = "autoscaling:EC2_INSTANCE_LAUNCHING"
TERMINATING = "autoscaling:EC2_INSTANCE_TERMINATING"


@dataclass(kw_only=True)
class Settings:
    name: str = "web"
    arn: str = "arn:web"
    desired_capacity: int = 0
    min_size: int = 0
    max_size: int = 9
    health_check_type: str = "EC2"
    health_check_grace_period: int = 0
    default_cooldown: int = 300
    termination_policies: list[str] = field(default_factory=lambda: ["Default"])
    new_instances_protected_from_scale_in: bool = False
    status: str | None = None
    instance_lifecycle_policy: dict[str, Any] | None = None


@dataclass(kw_only=True)
class FakePorts:
    """The ports of a group; tests set its fields."""

    now: float = 0.0
    zones: tuple[str, ...] = ("a", "b")
    version: str = "1"
    states: dict[str, str] = field(default_factory=dict)
    targets: dict[str, dict[str, str]] = field(default_factory=dict)
    delays: dict[str, float] = field(default_factory=dict)
    late: dict[str, float] = field(default_factory=dict)
    lifecycle_hooks: dict[str, list[LifecycleHook]] = field(default_factory=dict)
    refuses: dict[str, LaunchRefusedError] = field(default_factory=dict)  # by zone
    released: list[str] = field(default_factory=list)
    forgotten: list[str] = field(default_factory=list)
    numbers: Any = field(default_factory=lambda: itertools.count(1))

    def refresh(self) -> None:
        pass

    def scaled(self, seconds: float) -> float:
        return seconds

    def stamp(self) -> dt.datetime:
        return START + dt.timedelta(seconds=self.now)

    def places(self, _group: Group) -> list[Place]:
        return [Place(zone=zone, subnet=f"subnet-{zone}") for zone in self.zones]

    def launch(self, _group: Group, place: Place) -> Launched:
        if refusal := self.refuses.get(place.zone):
            raise refusal
        instance = f"i-{next(self.numbers)}"
        self.states[instance] = "pending"
        template = {"LaunchTemplateId": "lt-1", "Version": self.version}
        return Launched(
            instance=instance,
            instance_type="t3.micro",
            zone=place.zone,
            subnet=place.subnet,
            launch_template=template,
        )

    def template(self, _group: Group) -> dict[str, str] | None:
        return {"LaunchTemplateId": "lt-1", "Version": self.version}

    def state(self, instance: str) -> str:
        return self.states[instance]

    def reason(self, _instance: str) -> str:
        return "Client.UserInitiatedShutdown: User initiated shutdown"

    def terminate(self, instance: str) -> None:
        if self.states[instance] != "terminated":
            self.states[instance] = "shutting-down"

    def stop(self, instance: str) -> None:
        self.states[instance] = "stopping"

    def start(self, instance: str) -> None:
        self.states[instance] = "pending"

    def release(self, _group: Group, instance: str) -> None:
        self.released.append(instance)

    def hooks(self, _group: Group, transition: str) -> list[LifecycleHook]:
        return self.lifecycle_hooks.get(transition, [])

    def register(self, source: Source, instance: str) -> None:
        self.targets.setdefault(source.identifier, {}).setdefault(instance, "initial")

    def registration_delay(self, instance: str) -> float:
        return self.late.get(instance, 0.0)

    def deregister(self, source: Source, instance: str) -> None:
        targets = self.targets.get(source.identifier, {})
        if instance in targets and self.delays.get(source.identifier, 0.0):
            targets[instance] = "draining"
        else:
            targets.pop(instance, None)

    def health(self, source: Source) -> dict[str, str]:
        return self.targets.get(source.identifier, {})

    def delay(self, source: Source) -> float:
        return self.delays.get(source.identifier, 0.0)

    def forget(self, group: Group) -> None:
        self.forgotten.append(group.name)


@dataclass(kw_only=True)
class Trial:
    """A group with fake ports, and the steps between a test's changes."""

    ports: FakePorts = field(default_factory=FakePorts)
    settings: Settings = field(default_factory=Settings)
    group: Group = field(init=False)

    def __post_init__(self) -> None:
        self.group = Group(settings=self.settings)

    @property
    def members(self) -> list[Member]:
        return self.group.members

    def states(self) -> list[str]:
        return [member.lifecycle_state for member in self.members]

    def step(self, seconds: float = 1.0) -> bool:
        self.ports.now += seconds
        return groups.step(self.group, self.ports, self.ports.now)

    def run(self) -> None:
        """Let EC2 finish its transitions, and step the group before and after."""
        after = {"pending": "running", "shutting-down": "terminated", "stopping": "stopped"}
        self.step()
        for instance, state in self.ports.states.items():
            self.ports.states[instance] = after.get(state, state)
        self.step()

    def want(self, desired: int, why: str = capacity.BY_SETTING) -> None:
        capacity.resize(self.group, desired, why, self.ports.stamp())

    def newest(self) -> Activity:
        return self.group.activities[-1]

    def with_members(self, count: int) -> list[Member]:
        self.want(count)
        self.run()
        assert self.states() == ["InService"] * count
        return list(self.members)
