"""Write what AWS reports about a failed group as a text for a person.

The text is written before the group is deleted, because AWS shows little of it afterwards. A
rollback waits for the text, so each call is made once, without retries, and a failed read becomes
a line of the text.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar

from pipeline.adapters.aws.balancing.balancers import HEALTHY
from pipeline.adapters.aws.client import Clients
from pipeline.adapters.aws.group_parsing import activity_arguments, parse_activities
from pipeline.adapters.aws.members.consoles import read_console
from pipeline.adapters.aws.members.printed import (
    JournalReading,
    last_lines,
    printed_in_journals,
    printed_on_consoles,
)
from pipeline.adapters.aws.retry import call
from pipeline.core.deploy.ports import Evidence
from pipeline.core.health.observation import Activity, Member, Observation, ObservedGroup, Target

Answer = TypeVar("Answer")

MEMBERS = 2
"""Instances whose journal and console are read: the same failure repeats in the others."""

PAGES = 3
"""Pages of activities that are read; usually the first has all of them."""


_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|.)?")
_INSTANCE = re.compile(r"\bi-[0-9a-f]{8,17}\b")


def gather(clients: Clients, region: str, group: str, observation: Observation) -> Evidence:
    """Return the group, its members, its activities, journals and consoles of unhealthy members.

    Never raises.
    """
    observed, failures = observation.groups.get(group), list(observation.unreadable)
    activities = observation.activities.get(group)
    if activities is None:
        activities = _read(failures, partial(_activities, clients, region, group)) or ()
    unhealthy = suspects(observed, observation.targets, activities)
    present = {each.id for each in observed.members} if observed else set()
    reading = JournalReading(clients, region, [each for each in unhealthy if each in present])
    consoles = {
        instance: _read(failures, partial(read_console, clients, region, instance))
        for instance in unhealthy
    }
    journals = reading.result(failures)
    printed = [*printed_in_journals(journals), *printed_on_consoles(consoles)]
    lines = [
        f"group {group} in {region}",
        *_group_lines(observed),
        *_section("members", _member_lines(observed, observation.targets)),
        *_section("activities, newest first", _activity_lines(activities)),
        *(line for each in printed for line in _section(each.title, each.shown)),
        *(_section("could not be read", failures) if failures else []),
    ]
    text = "\n".join(map(printable_lines, lines)) + "\n"
    return Evidence(text=text, lines=tuple(map(printable_lines, last_lines(printed))))


def suspects(
    group: ObservedGroup | None,
    targets: Mapping[str, Mapping[str, Target]],
    activities: Sequence[Activity],
) -> tuple[str, ...]:
    """Return the instances whose console is read: unhealthy members, then terminated ones."""
    members = group.members if group else ()
    failing = [each.id for each in members if not _is_healthy(each, group, targets)]
    present = {each.id for each in members}
    named = [found for each in activities for found in _INSTANCE.findall(each.description)]
    terminated = [instance for instance in named if instance not in present]
    return tuple(dict.fromkeys([*failing, *terminated]))[:MEMBERS]


def _is_healthy(
    member: Member, group: ObservedGroup | None, targets: Mapping[str, Mapping[str, Target]]
) -> bool:
    attached = group.attached if group else frozenset[str]()
    states = [
        found[member.id].state if member.id in found else ""
        for balancer, found in targets.items()
        if balancer in attached or member.id in found
    ]
    in_service = member.lifecycle == "InService" and member.health == "Healthy"
    return in_service and HEALTHY.issuperset(states)


def printable_lines(text: str) -> str:
    """Return text without terminal escapes; other control characters become U+FFFD."""
    clean = _ESCAPES.sub("", text.replace("\t", "    "))
    return "".join("\N{REPLACEMENT CHARACTER}" if _is_control(one) else one for one in clean)


def _is_control(character: str) -> bool:
    return unicodedata.category(character) in {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}


def _read(failures: list[str], query: Callable[[], Answer]) -> Answer | None:
    try:
        return query()
    except Exception as error:  # noqa: BLE001  a failure in here must not stop a rollback
        failures.append(" ".join(str(error).split()) or type(error).__name__)
        return None


def _activities(clients: Clients, region: str, group: str) -> tuple[Activity, ...]:
    """Read the newest activities; a page may be short or empty and yet not the last."""
    describe: Any = clients.autoscaling(region).describe_scaling_activities
    arguments = activity_arguments(group)
    pages = [call(describe, **arguments)]
    while (token := pages[-1].get("NextToken")) and len(pages) < PAGES:
        pages.append(call(describe, **arguments, NextToken=token))
    return parse_activities(pages)


def _section(title: str, lines: Sequence[str]) -> list[str]:
    return ["", title, *(f"  {line}" for line in lines or ["none"])]


def _group_lines(group: ObservedGroup | None) -> Iterator[str]:
    if group is None:
        yield "  AWS did not return it"
        return
    yield f"  size: desired {group.desired}, minimum {group.minimum}, maximum {group.maximum}"
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
    words = (target.state, target.reason, target.description)
    return " ".join(word for word in words if word and word != "N/A")


def _short(identifier: str) -> str:
    """Return the name in a target group's ARN, `...:targetgroup/NAME/ID`; a name unchanged."""
    return identifier.split("/")[1] if identifier.startswith("arn:") else identifier


def _activity_lines(activities: Sequence[Activity]) -> list[str]:
    lines = []
    for each in activities:
        lines.append(f"{each.began} {each.status} {each.description}")
        lines += [f"  {words}" for words in (each.cause, each.message) if words]
    return lines
