"""Tell what people attached to the serving group and the next release will not have.

A new release has what the module gives it. A scheduled action, a policy, a lifecycle hook, a tag or
a notification that a person attached to the serving group by hand, and a process that a person
suspended, ends with that group.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from pipeline.core.preflight.finding import Finding

SCHEDULES, POLICIES = "aws_autoscaling_schedule", "aws_autoscaling_policy"
HOOKS, NOTIFICATIONS = "aws_autoscaling_lifecycle_hook", "aws_autoscaling_notification"
"""Terraform's types of what a group can have attached."""

_WORDS = {
    SCHEDULES: "scheduled action",
    POLICIES: "scaling policy",
    HOOKS: "lifecycle hook",
    NOTIFICATIONS: "notification",
}
_PLURALS = {"scaling policy": "scaling policies", "suspended process": "suspended processes"}
_OWN_TAGS = ("aws:", "ami-pipeline:")


@dataclass(frozen=True, kw_only=True, slots=True)
class Attached:
    """What a group has attached, by name: a topic's ARN for a notification.

    `kinds` maps Terraform's type to the names. `tags` are the keys.
    """

    kinds: Mapping[str, frozenset[str]]
    suspended: frozenset[str] = frozenset()
    tags: frozenset[str] = frozenset()


@dataclass(frozen=True, kw_only=True, slots=True)
class Given:
    """What the module gives the next release; None if it is not known.

    `planned` maps Terraform's type to the keys of the resources that the plan creates for it.
    """

    planned: Mapping[str, frozenset[str]]
    hooks: frozenset[str] | None = None
    tags: frozenset[str] | None = None


def addition_findings(group: str, attached: Attached, given: Given) -> Iterator[Finding]:
    """Yield one notice that lists everything the next release will not have."""
    lines = [_listed(words, names) for words, names in _additions(attached, given) if names]
    if lines:
        yield Finding(
            where=f"server group {group}",
            what=f"has what the next release will not have: {'; '.join(lines)}",
            remedy="add it to [terraform.inputs] or to your module, or to the new group afterwards",
            blocking=False,
        )


def _additions(attached: Attached, given: Given) -> Iterator[tuple[str, Collection[str]]]:
    for kind, words in _WORDS.items():
        names = attached.kinds.get(kind, frozenset())
        if kind == HOOKS:
            if given.hooks is None:
                continue
            names -= given.hooks
        yield words, _beyond(names, given.planned.get(kind, frozenset()))
    yield "suspended process", attached.suspended
    if given.tags is not None:
        own = {each for each in attached.tags if each.startswith(_OWN_TAGS)}
        yield "tag", attached.tags - given.tags - own - {"Name"}


def _beyond(names: frozenset[str], planned: frozenset[str]) -> frozenset[str]:
    """Return the names that the plan does not create.

    A key of a user's own module need not be the name: as many others count as planned.
    """
    rest, others = names - planned, planned - names
    return rest if len(rest) > len(others) else frozenset()


def _listed(words: str, names: Collection[str]) -> str:
    plural = _PLURALS.get(words, f"{words}s") if len(names) > 1 else words
    return f"{plural} {', '.join(sorted(names))}"
