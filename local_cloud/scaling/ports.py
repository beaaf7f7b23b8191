"""What a group asks of EC2 and Elastic Load Balancing.

A protocol, so that the state machine is tested without moto and without waiting.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Protocol

from local_cloud.scaling.model import Group, Source


@dataclasses.dataclass(frozen=True, kw_only=True)
class Place:
    """Where an instance may be launched."""

    zone: str
    subnet: str | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Launched:
    """What EC2 made."""

    instance: str
    instance_type: str
    zone: str
    subnet: str | None = None
    launch_template: dict[str, str] | None = None
    launch_configuration: str | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class LifecycleHook:
    """A lifecycle hook as it was put; the timeout is in AWS's seconds."""

    name: str
    timeout: float
    default: str


class LaunchRefusedError(Exception):
    """EC2 launched nothing; the text is EC2's."""

    def __init__(self, message: str, *, elsewhere: bool = False) -> None:
        super().__init__(message)
        self.elsewhere = elsewhere  # another zone may do


class World(Protocol):
    """EC2 and Elastic Load Balancing, as one group sees them."""

    def look(self) -> None:
        """Ask anew what may have changed: a step begins."""

    def scaled(self, seconds: float) -> float:
        """Return how long `seconds` of AWS's take on the clock that steps are given."""

    def stamp(self) -> dt.datetime:
        """Return the time of day."""

    def places(self, group: Group) -> Sequence[Place]:
        """Return where a group may launch."""

    def launch(self, group: Group, place: Place) -> Launched:
        """Launch one instance, or raise LaunchRefusedError."""

    def state(self, instance: str) -> str:
        """Return EC2's word for the state of an instance; `terminated` if there is none."""

    def reason(self, instance: str) -> str:
        """Return EC2's reason for the state, such as Client.UserInitiatedShutdown: ..."""

    def terminate(self, instance: str) -> None:
        """Terminate an instance."""

    def release(self, group: Group, instance: str) -> None:
        """Let an instance go its own way, without the group's tag."""

    def hooks(self, group: Group, transition: str) -> Sequence[LifecycleHook]:
        """Return the lifecycle hooks of a transition."""

    def register(self, source: Source, instance: str) -> None:
        """Register an instance; nothing happens if it is."""

    def lateness(self, instance: str) -> float:
        """Return AWS's seconds until a member is registered that is to be; usually 0."""

    def deregister(self, source: Source, instance: str) -> None:
        """Deregister an instance; nothing happens if it is not registered."""

    def health(self, source: Source) -> Mapping[str, str]:
        """Return the state of each instance in ELBv2's words, the draining included."""

    def delay(self, source: Source) -> float:
        """Return how long a source drains, in AWS's seconds; 0 if it does not."""

    def forget(self, group: Group) -> None:
        """Delete what goes with a group: hooks, schedules, policies."""
