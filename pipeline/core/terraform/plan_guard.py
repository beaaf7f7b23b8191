"""What Terraform plans, and whether that is exactly what a phase expects.

The last thing between a saved plan and the group that serves: everything the plan would do
is named, and anything a phase did not ask for refuses the whole plan.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

GROUP = "aws_autoscaling_group"
TEMPLATE = "aws_launch_template"
KINDS = (TEMPLATE, GROUP)
"""What a server group is made of, in the order in which it is made."""

STANDS = "noop"
"""The action of what the state knows, AWS has, and the plan leaves as it is."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Change:
    """One change of a plan, as `plan -json` streams it: `planned_change`, Terraform 1.11.

    `action` is create, update, delete, replace, import, remove (forget), move or read; `imports`
    says that the resource is adopted by this plan. `noop` is no change, but something that
    stands (Terraform's `refresh_start`). `missing`: the state knows it, AWS no longer has it
    (Terraform's `resource_drift`).
    """

    address: str
    kind: str
    action: str
    reason: str = ""
    imports: bool = False
    missing: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """A saved plan; `summary` is Terraform's own line, `file` None where nothing changes."""

    file: Path | None
    changes: tuple[Change, ...]
    summary: str = ""


_KEY = re.compile(r'\["((?:[^"\\]|\\.)*)"\]')
_RELEASE = re.compile(r"r\d{6,}")
_INDEX = re.compile(r'\["(?:[^"\\]|\\.)*"\]|\[\d+\]')
_RESOURCE = re.compile(r"(?:module\.[\w-]+\.)*(?P<kind>[\w-]+)\.[\w-]+")
# Terraform's words for why (internal/command/views/json, 1.11), as a person would say them.
_REASONS = {
    "tainted": "its creation was cut short, it is tainted",
    "requested": "the command line asked for it",
    "replace_triggered_by": "something that it follows changes",
    "cannot_update": "AWS cannot change it in place",
    "delete_because_no_resource_config": "the module has no such resource any more",
    "delete_because_wrong_repetition": "the module repeats it in another way",
    "delete_because_count_index": "the module makes fewer of them",
    "delete_because_each_key": "its key is no longer in the module's map",
    "delete_because_no_module": "the root module calls no such module any more",
    "delete_because_no_move_target": "it was moved to where nothing is",
}


def releases_of(address: str) -> frozenset[str]:
    """Return the releases that a resource belongs to, by its index keys.

    A key is a release's name or begins with it and a slash: `this["r000002/cpu"]`,
    `module.group["r000002"].this`.
    """
    heads = (key.partition("/")[0] for key in _KEY.findall(address))
    return frozenset(head for head in heads if _RELEASE.fullmatch(head))


def kind_of(address: str) -> str:
    """Return the type of a managed resource by its address; empty for data."""
    found = _RESOURCE.fullmatch(_INDEX.sub("", address))
    return found["kind"] if found else ""


def breaches(
    changes: Iterable[Change], *, creates: frozenset[str], deletes: frozenset[str]
) -> tuple[str, ...]:
    """Return a line for each thing that a plan does beyond what was asked, or does not do.

    `changes` holds what stands too: a launch is whole if each release in `creates` has a
    launch template and a group, made by this plan or there already, and a retirement is
    whole if nothing of a release in `deletes` stands.
    """
    everything = tuple(changes)
    unasked = (_told(each) for each in everything if not _asked(each, creates, deletes))
    return (
        *unasked,
        *_twice(everything),
        *_not_made(everything, creates),
        *_left(everything, deletes),
    )


def adoption_breaches(changes: Iterable[Change], addresses: frozenset[str]) -> tuple[str, ...]:
    """Return a line for each thing that a plan to adopt these addresses does beyond that.

    An import may come with an update in place: `timeouts` and `force_delete` are written to
    the state by nothing else (docs/adr/0011).
    """
    everything = tuple(changes)
    imported = {
        each.address
        for each in everything
        if each.imports and each.action in {"import", "update"} and each.address in addresses
    }
    others = (
        each
        for each in everything
        if each.address not in imported and each.action not in _NO_CHANGE
    )
    lost = (f"{address}: not imported" for address in sorted(addresses - imported))
    return (*map(_told, others), *_twice(everything), *lost)


_NO_CHANGE = frozenset({STANDS, "read"})


def _asked(change: Change, creates: frozenset[str], deletes: frozenset[str]) -> bool:
    of = releases_of(change.address)
    match change.action:
        case "noop" | "read":
            return True
        case "create":
            return _within(of, creates) and not change.missing
        case "import":
            return _within(of, creates)
        case "update":
            return _within(of, creates) and change.imports
        case "delete":
            return _within(of, deletes)
    # What Terraform may learn to do is refused until somebody has thought about it.
    return False


def _within(of: frozenset[str], allowed: frozenset[str]) -> bool:
    return bool(of) and of <= allowed


def _told(change: Change) -> str:
    reason = _REASONS.get(change.reason, change.reason)
    if change.missing:
        reason = "missing in AWS, still in the state"
    also = " with an import" if change.imports and change.action != "import" else ""
    return f"{change.address}: {change.action}{also}{f', {reason}' if reason else ''}"


def _twice(changes: Sequence[Change]) -> tuple[str, ...]:
    """A second object at one address is a deposed one: what a failed replacement left behind."""
    counted = Counter(each.address for each in changes if each.action not in _NO_CHANGE)
    return tuple(f"{address}: a deposed object" for address, count in counted.items() if count > 1)


def _not_made(changes: Sequence[Change], creates: frozenset[str]) -> tuple[str, ...]:
    made = {
        (release, each.kind)
        for each in changes
        if each.action in {"create", "import", STANDS} or each.imports
        for release in releases_of(each.address)
    }
    return tuple(
        f"{release}: no {kind} would be made"
        for release in sorted(creates)
        for kind in KINDS
        if (release, kind) not in made
    )


def _left(changes: Sequence[Change], deletes: frozenset[str]) -> tuple[str, ...]:
    return tuple(
        f"{each.address}: would not be deleted"
        for each in changes
        if each.action == STANDS and releases_of(each.address) & deletes
    )
