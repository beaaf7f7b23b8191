"""Define the interface of a group to EC2 and Elastic Load Balancing.

A protocol, so that tests of the state machine need neither moto nor time.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from local_cloud.scaling.model import Group, Source


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """A zone and a subnet for a launch."""

    zone: str
    subnet: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Launched:
    """A launched instance."""

    instance: str
    instance_type: str
    zone: str
    subnet: str | None = None
    launch_template: dict[str, str] | None = None
    launch_configuration: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class LifecycleHook:
    """A lifecycle hook; the timeout is in AWS's seconds."""

    name: str
    timeout: float
    default: str


class LaunchRefusedError(Exception):
    """A refused launch; the text is EC2's."""

    def __init__(self, message: str, *, elsewhere: bool = False) -> None:
        super().__init__(message)
        self.elsewhere = elsewhere  # True if another zone may have capacity


class Ports(Protocol):
    """EC2 and Elastic Load Balancing, as groups use them."""

    def refresh(self) -> None:
        """Drop what was read before: a step begins."""

    def scaled(self, seconds: float) -> float:
        """Return AWS's `seconds` in the time of the clock that steps get."""

    def stamp(self) -> dt.datetime:
        """Return the time of day."""

    def places(self, group: Group) -> Sequence[Place]:
        """Return the places where a group may launch."""

    def launch(self, group: Group, place: Place) -> Launched:
        """Launch one instance, or raise LaunchRefusedError."""

    def template(self, group: Group) -> dict[str, str] | None:
        """Return the launch template and version of the next launch, None without one."""

    def state(self, instance: str) -> str:
        """Return EC2's word for the state of an instance; `terminated` if there is none."""

    def reason(self, instance: str) -> str:
        """Return EC2's reason for the state, such as Client.UserInitiatedShutdown: ..."""

    def terminate(self, instance: str) -> None:
        """Terminate an instance."""

    def stop(self, instance: str) -> None:
        """Stop an instance."""

    def start(self, instance: str) -> None:
        """Start a stopped instance."""

    def release(self, group: Group, instance: str) -> None:
        """Release an instance: remove the group's tag."""

    def hooks(self, group: Group, transition: str) -> Sequence[LifecycleHook]:
        """Return the lifecycle hooks of a transition."""

    def register(self, source: Source, instance: str) -> None:
        """Register an instance, unless it is registered."""

    def registration_delay(self, instance: str) -> float:
        """Return AWS's seconds until a member in service is registered; usually 0."""

    def deregister(self, source: Source, instance: str) -> None:
        """Deregister an instance, if it is registered."""

    def health(self, source: Source) -> Mapping[str, str]:
        """Return the state of each instance in ELBv2's words, including draining ones."""

    def delay(self, source: Source) -> float:
        """Return the draining time of a source in AWS's seconds; 0: no draining."""

    def forget(self, group: Group) -> None:
        """Delete a group's hooks, schedules and policies."""
