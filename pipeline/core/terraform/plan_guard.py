"""Check that a Terraform plan contains exactly the changes that a phase expects.

The last check before a saved plan is applied: any change that the phase did not request rejects
the whole plan.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

GROUP = "aws_autoscaling_group"
TEMPLATE = "aws_launch_template"
KINDS = (TEMPLATE, GROUP)
"""The resources of a server group, in the order of their creation."""

FORGOTTEN = "replace without a deletion"
"""The action of a replacement whose old object would only leave the state (OpenTofu's `destroy`)"""

UNCHANGED = "noop"
"""The action of a resource that exists in the state and in AWS, and that the plan keeps."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Change:
    """One change of a plan, as `plan -json` streams it: `planned_change`, Terraform 1.11.

    `action` is create, update, delete, replace, import, remove (forget), move or read; `imports`
    says that the plan imports the resource. `noop` is an existing resource without a change
    (Terraform's `refresh_start`). `missing` is a resource of the state that AWS no longer has
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
    """A saved plan; `file` is None if nothing changes.

    `summary` is the own line of the program that made it: `terraform` or `tofu`.
    """

    file: Path | None
    changes: tuple[Change, ...]
    summary: str = ""
    program: str = "terraform"


_KEY = re.compile(r'\["((?:[^"\\]|\\.)*)"\]')
_RELEASE = re.compile(r"r\d{6,}")
_INDEX = re.compile(r'\["(?:[^"\\]|\\.)*"\]|\[\d+\]')
_RESOURCE = re.compile(r"(?:module\.[\w-]+\.)*(?P<kind>[\w-]+)\.[\w-]+")
# Plain English for the reasons of Terraform 1.11 to 1.15 and OpenTofu 1.12
# (internal/command/views/json/change.go of both).
_REASONS = {
    "tainted": "it is tainted: its creation was interrupted",
    "requested": "the command line requested it",
    "replace_triggered_by": "a resource that it depends on changes",
    "cannot_update": "AWS cannot change it in place",
    "delete_because_no_resource_config": "the module no longer has this resource",
    "delete_because_wrong_repetition": "the module changed its count or for_each",
    "delete_because_count_index": "the module creates fewer of them",
    "delete_because_each_key": "its key is no longer in the module's map",
    "delete_because_enabled_false": "the module disables it with `enabled`",
    "forgot_because_lifecycle_destroy_in_config": "the module sets `destroy = false`",
    "forgot_because_lifecycle_destroy_in_state": "the module had set `destroy = false`",
    "unknown": "the program gives no reason",
    "delete_because_no_module": "the root module no longer calls this module",
    "delete_because_no_move_target": "it was moved to an address without a resource",
}


def releases_of(address: str) -> frozenset[str]:
    """Return the releases that a resource belongs to, by its index keys.

    A key is a release's name or begins with it and a slash: `this["r000002/cpu"]`,
    `module.group["r000002"].this`.
    """
    heads = (key.partition("/")[0] for key in _KEY.findall(address))
    return frozenset(head for head in heads if _RELEASE.fullmatch(head))


def key_of(address: str, release: str) -> str:
    """Return what follows a release in an address: `cpu` in `this["r000002/cpu"]`, else nothing."""
    heads = (key.partition("/") for key in _KEY.findall(address))
    return next((rest for head, _, rest in heads if head == release), "")


def kind_of(address: str) -> str:
    """Return the type of a managed resource by its address; empty for a data source."""
    found = _RESOURCE.fullmatch(_INDEX.sub("", address))
    return found["kind"] if found else ""


def breaches(
    changes: Iterable[Change], *, creates: frozenset[str], deletes: frozenset[str]
) -> tuple[str, ...]:
    """Return a line for each change that was not requested, and for each that is missing.

    `changes` includes unchanged resources: a launch is complete if each release in `creates` has
    a launch template and a group, new or existing. A retirement is complete if no resource of a
    release in `deletes` stays.
    """
    everything = tuple(changes)
    unexpected = (
        _format_change(each) for each in everything if not _is_expected(each, creates, deletes)
    )
    return (
        *unexpected,
        *_deposed(everything),
        *_not_created(everything, creates),
        *_not_deleted(everything, deletes),
    )


def adoption_breaches(changes: Iterable[Change], addresses: frozenset[str]) -> tuple[str, ...]:
    """Return a line for each change of a plan other than the import of these addresses.

    An import may include an update in place, because only an update writes `timeouts` and
    `force_delete` to the state (docs/development/adr/0011-a-release-never-changes.md).
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
    missing = (f"{address}: not imported" for address in sorted(addresses - imported))
    return (*map(_format_change, others), *_deposed(everything), *missing)


_NO_CHANGE = frozenset({UNCHANGED, "read"})


def event_breach(event: Mapping[str, object]) -> str:
    """Return a line for an event of `plan -json` that may change something unknown; else empty.

    The known types are those of Terraform 1.15 and OpenTofu 1.12 (their
    internal/command/views/json/message_types.go). An unknown event is harmless if it only reports
    progress (`hook`) or has a text alone: each result of a plan has a member of its own.
    """
    name = str(event.get("type", ""))
    members = {key for key in event if not key.startswith("@")} - {"type", "message_code"}
    is_known = name in _KNOWN_EVENTS or name.startswith(_HARMLESS) or _is_read(event)
    if is_known or (members <= {"hook"} and not _CHANGES.search(name)):
        return ""
    text = str(event.get("@message", "")).partition("\n")[0]
    return f"{name or 'an event'}: unknown to ami-pipeline{f': {text}' if text else ''}"


_KNOWN_EVENTS = frozenset(
    {
        *("version", "log", "diagnostic", "outputs"),
        *("planned_change", "resource_drift", "change_summary"),
    }
)
_HARMLESS = ("refresh_", "ephemeral_op_", "policy_", "provider_", "state_lock_")
_CHANGES = re.compile("action|appl|change|defer|destroy|forget|invo|move|plan|provision|remove")


def _is_read(event: Mapping[str, object]) -> bool:
    """Return True for the progress of a data source, which a plan reads as an apply would."""
    hook = event.get("hook")
    return isinstance(hook, Mapping) and hook.get("action") == "read"


def total_breaches(
    totals: Mapping[str, object], changes: Iterable[Change], program: str = "Terraform"
) -> tuple[str, ...]:
    """Return a line for each of a program's totals of a plan that these changes do not explain.

    OpenTofu counts what leaves the state as `forget`, Terraform 1.11 to 1.15 not at all. A total
    that this function does not know must be 0, such as Terraform 1.14's `action_invocation`.
    """
    everything = tuple(changes)
    planned = Counter(each.action for each in everything)
    read = {
        "add": planned["create"] + planned["replace"] + planned[FORGOTTEN],
        "change": planned["update"],
        "remove": planned["delete"] + planned["replace"],
        "import": sum(each.imports for each in everything),
    }
    if "forget" in totals:
        read["forget"] = planned["remove"] + planned[FORGOTTEN]
    explained = {**read, **{name: 0 for name in totals if name not in {*read, "operation"}}}
    return tuple(
        f"{program}'s total {name} is {totals.get(name, 'missing')}, its changes give {count}"
        for name, count in explained.items()
        if type(totals.get(name)) is not int or totals[name] != count
    )


def _is_expected(change: Change, creates: frozenset[str], deletes: frozenset[str]) -> bool:
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
    # Reject actions of later Terraform versions until this function handles them.
    return False


def _within(of: frozenset[str], allowed: frozenset[str]) -> bool:
    return bool(of) and of <= allowed


def _format_change(change: Change) -> str:
    reason = _REASONS.get(change.reason, change.reason)
    if change.missing:
        reason = "missing in AWS, still in the state"
    also = " with an import" if change.imports and change.action != "import" else ""
    return f"{change.address}: {change.action}{also}{f', {reason}' if reason else ''}"


def _deposed(changes: Sequence[Change]) -> tuple[str, ...]:
    """Report deposed objects, which share an address: a failed replacement left them."""
    counted = Counter(each.address for each in changes if each.action not in _NO_CHANGE)
    return tuple(f"{address}: a deposed object" for address, count in counted.items() if count > 1)


def _not_created(changes: Sequence[Change], creates: frozenset[str]) -> tuple[str, ...]:
    created = {
        (release, each.kind)
        for each in changes
        if each.action in {"create", "import", UNCHANGED} or each.imports
        for release in releases_of(each.address)
    }
    return tuple(
        f"{release}: the plan creates no {kind}"
        for release in sorted(creates)
        for kind in KINDS
        if (release, kind) not in created
    )


def _not_deleted(changes: Sequence[Change], deletes: frozenset[str]) -> tuple[str, ...]:
    return tuple(
        f"{each.address}: the plan does not delete it"
        for each in changes
        if each.action == UNCHANGED and releases_of(each.address) & deletes
    )
