"""No change that is added to a good plan's stream passes the guard; harmless events do."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from pipeline.adapters.terraform.stream import StreamReader
from pipeline.core.terraform.plan_guard import adoption_breaches, breaches

CAPTURES = Path(__file__).parents[2] / "captures/terraform-1.11.4"
NONE: frozenset[str] = frozenset()
OLD, NEW = frozenset({"r000001"}), frozenset({"r000002"})
IMPORTED = frozenset(
    f'module.release.{kind}.this["r000002"]'
    for kind in ("aws_launch_template", "aws_autoscaling_group")
)
Event = dict[str, Any]
Stream = list[Event]

GOOD = {"launch": (NEW, NONE), "retire": (NONE, OLD), "empty": (OLD, NONE), "adopt": (NEW, NONE)}
ACTIONS = ("create", "update", "delete", "replace", "import", "remove", "move", "forget", "later")
TOTALS = {
    "create": {"add": 1},
    "update": {"change": 1},
    "delete": {"remove": 1},
    "replace": {"add": 1, "remove": 1},
    "import": {"import": 1},
}
FOREIGN = {"addr": 'module.release.aws_lb.this["r000009"]', "resource_type": "aws_lb"}
HARMLESS: tuple[Event, ...] = (
    {"type": "log", "@message": "text"},
    {"type": "state_lock_acquire", "@message": "Acquiring state lock."},
    {"type": "apply_start", "hook": {"resource": {"addr": "data.aws_ami.a"}, "action": "read"}},
    {"type": "ephemeral_op_start", "hook": {"resource": {"addr": "ephemeral.a.b"}}},
    {"type": "policy_result", "policy": {"result": "passed"}},
    {"type": "resource_drift", "change": {"resource": FOREIGN, "action": "update"}},
    {"type": "outputs", "outputs": {"releases": {"action": "update"}}},
    {"type": "estimate_progress", "hook": {"elapsed_seconds": 1}},
    {"type": "greeting", "@message": "a text of a later version"},
    {"type": "diagnostic", "diagnostic": {"severity": "warning", "summary": "old"}},
)
CHANGING: tuple[Event, ...] = (
    {"type": "planned_action_invocation", "invocation": {"action": {"addr": "action.a.b"}}},
    {"type": "deferred_change", "deferred_change": {"reason": "unknown"}},
    {"type": "planned_destruction"},
    {"type": "action_start", "hook": {"addr": "action.a.b"}},
    {"type": "apply_start", "hook": {"resource": FOREIGN, "action": "create"}},
    {"type": "later", "resource": FOREIGN},
    {"change": {"resource": FOREIGN, "action": "delete"}},
    {"type": None, "change": {}},
    {"type": "planned_change"},
    {"type": "planned_change", "change": None},
    {"type": "planned_change", "change": {"resource": FOREIGN}},
    {"type": "planned_change", "change": {"action": "forget"}},
    {"type": "planned_change", "change": {"resource": "aws_lb.a", "action": "move"}},
)


def stream(name: str, **totals: object) -> Stream:
    lines = (CAPTURES / f"{name}.log").read_text().splitlines()
    return add([json.loads(line) for line in lines], totals)


def add(events: Stream, totals: dict[str, Any]) -> Stream:
    """Add to the totals of a stream."""
    for event in events:
        if event["type"] == "change_summary":
            counts = event["changes"]
            new = {name: counts.get(name, 0) + count for name, count in totals.items()}
            event["changes"] = counts | new
    return events


def judge(name: str, events: Stream) -> tuple[str, ...]:
    """Return what `TerraformResources` refuses a plan for."""
    reader = StreamReader()
    reader.feed(b"".join(json.dumps(event).encode() + b"\n" for event in events))
    output = reader.close()
    creates, deletes = GOOD[name]
    found = (
        adoption_breaches(output.planned, IMPORTED)
        if name == "adopt"
        else breaches((*output.planned, *output.standing), creates=creates, deletes=deletes)
    )
    return (*found, *output.breaches)


def planned(action: str, resource: Event = FOREIGN) -> Event:
    extra = {"importing": {"id": "lb"}} if action == "import" else {}
    return {"type": "planned_change", "change": {"resource": resource, "action": action, **extra}}


def inserted(name: str, event: Event, totals: dict[str, int]) -> Iterator[Stream]:
    """Yield a stream with an event at each of its places."""
    good = stream(name, **totals)
    for place in range(len(good) + 1):
        yield [*good[:place], event, *good[place:]]


def foreign_changes(name: str) -> Iterator[Stream]:
    for action in ACTIONS:
        for totals in ({}, TOTALS.get(action, {})):
            yield from inserted(name, planned(action), totals)


def unknown_events(name: str) -> Iterator[Stream]:
    for event in CHANGING:
        yield from inserted(name, event, {})


def other_actions(name: str) -> Iterator[Stream]:
    """Yield streams in which one change has another action, with totals that agree."""
    for place, event in enumerate(stream(name)):
        if event["type"] != "planned_change":
            continue
        for action in ACTIONS:
            was, importing = event["change"]["action"], "importing" in event["change"]
            # A launch may also import what it creates, and an import may update.
            if action in {was, "import"} or (importing and action == "update"):
                continue
            less, more = TOTALS[was], TOTALS.get(action, {})
            counted = (less.keys() | more.keys()) - {"import"}
            changed = stream(name, **{key: more.get(key, 0) - less.get(key, 0) for key in counted})
            changed[place]["change"]["action"] = action
            yield changed


def repeated_changes(name: str) -> Iterator[Stream]:
    for event in stream(name):
        if event["type"] == "planned_change":
            totals = TOTALS[event["change"]["action"]]
            yield from inserted(name, event, totals)


def other_totals(name: str) -> Iterator[Stream]:
    for key in ("add", "change", "remove", "import", "action_invocation", "forget", "defer"):
        yield stream(name, **{key: 1})
    for count in (True, "1", None, [1], 0.5):
        events = stream(name)
        [summary] = [event for event in events if event["type"] == "change_summary"]
        summary["changes"]["later"] = count
        yield events


def second_totals(name: str) -> Iterator[Stream]:
    good = stream(name)
    yield [*good, *(deepcopy(each) for each in good if each["type"] == "change_summary")]


MUTATIONS = (
    foreign_changes,
    unknown_events,
    other_actions,
    repeated_changes,
    other_totals,
    second_totals,
)


@pytest.mark.parametrize("name", GOOD)
def test_a_good_plan_passes(name: str) -> None:
    assert judge(name, stream(name)) == ()
    assert judge(name, stream(name, action_invocation=0, forget=0)) == ()


@pytest.mark.parametrize("name", GOOD)
@pytest.mark.parametrize("mutate", MUTATIONS)
def test_no_stream_with_an_added_change_passes(
    name: str, mutate: Callable[[str], Iterator[Stream]]
) -> None:
    passed = [events for events in mutate(name) if not judge(name, events)]
    assert passed == []


def test_each_mutation_yields_streams() -> None:
    assert all(next(mutate("launch"), None) for mutate in MUTATIONS)


@pytest.mark.parametrize("name", GOOD)
@pytest.mark.parametrize("event", HARMLESS, ids=lambda event: str(event["type"]))
def test_a_harmless_event_refuses_no_plan(name: str, event: Event) -> None:
    assert {judge(name, events) for events in inserted(name, event, {})} == {()}


def test_an_unknown_event_is_named_with_terraforms_own_text() -> None:
    text = "action.aws_lambda_invoke.warm: Plan to invoke"
    event = {"type": "planned_action_invocation", "@message": f"{text}\nmore", "invocation": {}}
    assert judge("launch", [*stream("launch"), event]) == (
        f"planned_action_invocation: unknown to ami-pipeline: {text}",
    )
