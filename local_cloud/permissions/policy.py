"""Read policies and decide what they allow.

Source: IAM User Guide, "IAM JSON policy element reference" and "Policy evaluation logic": a call is
denied unless a statement allows it, and a statement that denies it wins over all others.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any

from local_cloud.permissions.conditions import (
    Condition,
    Context,
    PolicyError,
    arn_like,
    like,
    read_conditions,
)

VERSIONS = ("2012-10-17", "2008-10-17")
ELEMENTS = {
    "Sid", "Effect", "Action", "NotAction", "Resource", "NotResource", "Condition",
}  # fmt: skip
ACTION = re.compile(r"\*|[a-z0-9-]+:[A-Za-z0-9*?]+", re.IGNORECASE)
PARTS_OF_AN_ARN = 6


class Decision(Enum):
    """What a policy says about a question."""

    ALLOWED = "allowed"
    NOT_ALLOWED = "not allowed"
    DENIED = "explicitly denied"


@dataclass(frozen=True, kw_only=True, slots=True)
class Question:
    """A permission that a call needs: an action on a resource; `*` where there is no resource."""

    action: str
    resource: str = "*"
    context: Context = field(default_factory=dict)
    because: str = ""
    """What AWS says instead of its usual message, if another service asks on the way."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Statement:
    """One statement of a policy."""

    sid: str
    allows: bool
    actions: tuple[str, ...]
    excludes_actions: bool
    resources: tuple[str, ...]
    excludes_resources: bool
    conditions: tuple[Condition, ...]

    def applies(self, question: Question) -> bool:
        """Return True if the statement is about the question."""
        action = question.action.lower()
        named = any(like(each.lower(), action) for each in self.actions)
        if named == self.excludes_actions:
            return False
        named = any(arn_like(each, question.resource) for each in self.resources)
        if named == self.excludes_resources:
            return False
        return all(condition.holds(question.context) for condition in self.conditions)


@dataclass(frozen=True, kw_only=True, slots=True)
class Policy:
    """A policy that is attached to a role."""

    statements: tuple[Statement, ...]

    def decide(self, question: Question) -> Decision:
        """Return what the policy says."""
        applying = [each.allows for each in self.statements if each.applies(question)]
        if not all(applying):
            return Decision.DENIED
        return Decision.ALLOWED if applying else Decision.NOT_ALLOWED


def read_file(path: Path) -> Policy:
    """Return the policy in a file, or raise PolicyError that names the file."""
    try:
        return read_policy(json.loads(path.read_text()))
    except OSError as error:
        raise PolicyError(f"{path}: {error.strerror}") from error
    except ValueError as error:
        raise PolicyError(f"{path}: {error}") from error


def read_policy(document: Any) -> Policy:
    """Return the policy of a decoded document, or raise PolicyError."""
    if not isinstance(document, dict) or "Statement" not in document:
        raise PolicyError("not a policy: it has no Statement")
    if unknown := document.keys() - {"Version", "Id", "Statement"}:
        raise PolicyError(f"unknown element {', '.join(sorted(unknown))}")
    if document.get("Version", VERSIONS[0]) not in VERSIONS:
        raise PolicyError(f"Version is one of {', '.join(VERSIONS)}, not {document['Version']!r}")
    given = document["Statement"]
    statements = given if isinstance(given, list) else [given]
    return Policy(statements=tuple(map(_statement, statements, range(1, len(statements) + 1))))


def _statement(given: Any, number: int) -> Statement:
    if not isinstance(given, dict):
        raise PolicyError(f"statement {number} is not an object")
    where = f"statement {given.get('Sid') or number}"
    if unknown := given.keys() - ELEMENTS:
        raise PolicyError(f"{where}: unknown element {', '.join(sorted(unknown))}")
    if given.get("Effect") not in {"Allow", "Deny"}:
        raise PolicyError(f"{where}: Effect is Allow or Deny, not {given.get('Effect')!r}")
    excludes_actions, actions = _either(given, "Action", where)
    excludes_resources, resources = _either(given, "Resource", where)
    _check_all(actions, ACTION.fullmatch, f"{where}: Action is SERVICE:NAME or *")
    _check_all(resources, _is_resource, f"{where}: Resource is an ARN or *")
    return Statement(
        sid=str(given.get("Sid", "")),
        allows=given["Effect"] == "Allow",
        actions=actions,
        excludes_actions=excludes_actions,
        resources=resources,
        excludes_resources=excludes_resources,
        conditions=tuple(read_conditions(given.get("Condition", {}), where)),
    )


def _either(given: dict[str, Any], name: str, where: str) -> tuple[bool, tuple[str, ...]]:
    """Return whether an element is negated, and its values."""
    present = [each for each in (name, f"Not{name}") if each in given]
    if len(present) != 1:
        raise PolicyError(f"{where}: exactly one of {name} and Not{name} is needed")
    value = given[present[0]]
    values = value if isinstance(value, list) else [value]
    if not values or not all(isinstance(each, str) for each in values):
        raise PolicyError(f"{where}: {present[0]} is a text or a list of texts")
    return present[0] != name, tuple(values)


def _is_resource(text: str) -> bool:
    return text == "*" or (text.startswith("arn:") and text.count(":") >= PARTS_OF_AN_ARN - 1)


def _check_all(values: Iterable[str], is_valid: Any, message: str) -> None:
    for value in values:
        if "${" in value:
            raise PolicyError(f"{message}; the local cloud does not support policy variables")
        if not is_valid(value):
            raise PolicyError(f"{message}, not {value!r}")
