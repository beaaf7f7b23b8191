"""What there is to read about a group that failed, as a text for a person.

Written before the group is removed, for afterwards AWS shows little of it. A rollback waits for
this, so each call is made once, and what cannot be read at once is said in a line.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar

from pipeline.adapters.aws.balancers import GOOD
from pipeline.adapters.aws.client import Clients
from pipeline.adapters.aws.group_parsing import ACTIVITIES, activity
from pipeline.core.health.observation import Activity, Member, Observation, ObservedGroup, Target

Answer = TypeVar("Answer")

CONSOLES = 3
"""Members whose console is read: what failed in three failed in all."""

LINES = 100
"""Lines of a console, its last ones."""

_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|.)?")
_INSTANCE = re.compile(r"\bi-[0-9a-f]{8,17}\b")


def gather(clients: Clients, region: str, group: str, observation: Observation) -> str:
    """Return the text: the group, its members, its activities, consoles of members that fail.

    Never raises.
    """
    seen, failures = observation.groups.get(group), list(observation.unreadable)
    told = observation.activities.get(group)
    if told is None:
        told = _read(failures, partial(_activities, clients, region, group)) or ()
    consoles = {
        instance: _read(failures, partial(_console, clients, region, instance))
        for instance in suspects(seen, observation.targets, told)
    }
    lines = [
        f"group {group} in {region}",
        *_group_lines(seen),
        *_section("members", _member_lines(seen, observation.targets)),
        *_section("activities, newest first", _activity_lines(told)),
        *(line for each in consoles.items() for line in _console_lines(*each)),
        *(_section("could not be read", failures) if failures else []),
    ]
    return "\n".join(map(plain, lines)) + "\n"


def suspects(
    group: ObservedGroup | None,
    targets: Mapping[str, Mapping[str, Target]],
    activities: Sequence[Activity],
) -> tuple[str, ...]:
    """Return the members whose console is worth reading: those that fail, then those that left."""
    members = group.members if group else ()
    failing = [each.id for each in members if not _is_well(each, group, targets)]
    here = {each.id for each in members}
    named = [found for each in activities for found in _INSTANCE.findall(each.description)]
    gone = [instance for instance in named if instance not in here]
    return tuple(dict.fromkeys([*failing, *gone]))[:CONSOLES]


def _is_well(
    member: Member, group: ObservedGroup | None, targets: Mapping[str, Mapping[str, Target]]
) -> bool:
    attached = group.attached if group else frozenset[str]()
    states = [
        found[member.id].state if member.id in found else ""
        for balancer, found in targets.items()
        if balancer in attached or member.id in found
    ]
    return (
        member.lifecycle == "InService" and member.health == "Healthy" and GOOD.issuperset(states)
    )


def plain(text: str) -> str:
    """Return text without terminal escapes and with a mark for each character that would act."""
    clean = _ESCAPES.sub("", text.replace("\t", "    "))
    return "".join("\N{REPLACEMENT CHARACTER}" if _acts(one) else one for one in clean)


def _acts(character: str) -> bool:
    return unicodedata.category(character) in {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}


def _read(failures: list[str], question: Callable[[], Answer]) -> Answer | None:
    try:
        return question()
    except Exception as error:  # noqa: BLE001  no fault in here may keep a rollback from its work
        failures.append(" ".join(str(error).split()) or type(error).__name__)
        return None


def _activities(clients: Clients, region: str, group: str) -> tuple[Activity, ...]:
    ask = clients.autoscaling(region).describe_scaling_activities
    page: Any = ask(AutoScalingGroupName=group, MaxRecords=ACTIVITIES)
    return tuple(map(activity, page["Activities"]))


def _console(clients: Clients, region: str, instance: str) -> str:
    """Return the latest output, or, where the instance type has none, that of the last boot.

    "Latest" is for instances on the Nitro system (EC2 User Guide, "Instance console output"), and
    any refusal of it may be that; botocore has decoded the base64.
    """
    from botocore.exceptions import ClientError

    ask = clients.ec2(region).get_console_output
    try:
        return ask(InstanceId=instance, Latest=True).get("Output", "")
    except ClientError:
        return ask(InstanceId=instance).get("Output", "")


def _section(title: str, lines: Sequence[str]) -> list[str]:
    return ["", title, *(f"  {line}" for line in lines or ["none"])]


def _group_lines(group: ObservedGroup | None) -> Iterator[str]:
    if group is None:
        yield "  AWS did not show it"
        return
    yield f"  size: {group.desired} wanted, {group.minimum} at least, {group.maximum} at most"
    yield f"  launched from: {_template(group.template, group.version)}"
    yield f"  created: {group.created}"
    yield f"  health checks: {group.health_check}"
    yield f"  attached to: {', '.join(sorted(group.attached)) or 'nothing'}"
    yield f"  suspended: {', '.join(sorted(group.suspended)) or 'nothing'}"
    if group.status:
        yield f"  status: {group.status}"


def _member_lines(
    group: ObservedGroup | None, targets: Mapping[str, Mapping[str, Target]]
) -> list[str]:
    lines = []
    for each in group.members if group else ():
        source = _template(each.template, each.version)
        lines.append(f"{each.id} {each.lifecycle} {each.health} {each.zone} {source}")
        for balancer, found in targets.items():
            lines.append(f"  {_short(balancer)}: {_target(found.get(each.id))}")
    return lines


def _template(template: str, version: str) -> str:
    return f"{template} version {version}" if version else template


def _target(target: Target | None) -> str:
    if target is None:
        return "not a target"
    said = (target.state, target.reason, target.description)
    return " ".join(words for words in said if words and words != "N/A")


def _short(identifier: str) -> str:
    """Return the name in a target group's ARN, `...:targetgroup/NAME/ID`; a name as it is."""
    return identifier.split("/")[1] if identifier.startswith("arn:") else identifier


def _activity_lines(activities: Sequence[Activity]) -> list[str]:
    lines = []
    for each in activities:
        lines.append(f"{each.began} {each.status} {each.description}")
        lines += [f"  {words}" for words in (each.cause, each.message) if words]
    return lines


def _console_lines(instance: str, text: str | None) -> list[str]:
    if text is None:
        return _section(f"console of {instance}", ["could not be read"])
    printed = re.split(r"\r*\n|\r", text.rstrip())
    lines = [f"| {line}" for line in printed[-LINES:]] if text.strip() else []
    return _section(f"console of {instance}, its last {LINES} lines", lines or ["nothing yet"])
