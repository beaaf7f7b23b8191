"""Values of an adoption: the running group as AWS describes it, and its configuration."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

Described: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class RunningGroup:
    """A group and all that belongs to it, as Auto Scaling and EC2 describe it.

    `launch` has the keys of a launch template's data, also if the group has a launch
    configuration; `source` names which of the two. `root_device` is that of the group's image,
    empty if the image does not exist any more. `drain_seconds` is the longest deregistration delay
    of its load balancers, None if it was not read.
    """

    group: Described
    launch: Described
    source: str
    root_device: str = ""
    drain_seconds: int | None = None
    policies: Sequence[Described] = ()
    schedules: Sequence[Described] = ()
    hooks: Sequence[Described] = ()
    notifications: Sequence[Described] = ()

    @property
    def name(self) -> str:
        """Return the name of the group."""
        return str(self.group["AutoScalingGroupName"])


@dataclass(frozen=True, kw_only=True, slots=True)
class Gap:
    """A setting of the group that the shipped module cannot express.

    `group` says what the group has, `release` what each release has instead.
    """

    setting: str
    group: str
    release: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """A part of the configuration, by key, and what of it the module cannot express."""

    values: Mapping[str, Any]
    gaps: tuple[Gap, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Adoption:
    """The configuration that a group has, and what is missing in it.

    `settings` are the keys of [environments.NAME], `inputs` those of its terraform.inputs.
    `owner` is the CloudFormation stack of the group, empty for none. `missing` are inputs that a
    release needs and that the group does not tell.
    """

    group: str
    source: str
    owner: str
    settings: Mapping[str, Any]
    inputs: Mapping[str, Any]
    gaps: tuple[Gap, ...]
    missing: tuple[str, ...]


def joined(*parts: Part) -> Part:
    """Return the parts as one."""
    values = {key: value for part in parts for key, value in part.values.items()}
    return Part(values=values, gaps=tuple(gap for part in parts for gap in part.gaps))


def present(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values that are set."""
    return {key: value for key, value in values.items() if value not in (None, "", [], {})}


def other_settings(
    described: Described, known: Collection[str], usual: Mapping[str, Collection[Any]]
) -> Iterator[Gap]:
    """Yield a gap for each key that is set, that nothing else reads, and that is not `usual`.

    A key that AWS adds one day is a gap, too: nothing is lost without a word.
    """
    for key, value in sorted(described.items()):
        is_usual = value in usual.get(key, ())
        if key not in known and not is_usual and value not in (None, "", [], {}, False):
            yield Gap(setting=key, group=shown(value), release="does not have it")


def shown(value: object) -> str:
    """Return a value of AWS in one line: text as it is, other values as JSON."""
    return value if isinstance(value, str) else json.dumps(value, default=str, sort_keys=True)
