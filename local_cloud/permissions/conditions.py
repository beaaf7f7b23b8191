"""Read and evaluate the conditions of a policy's statement.

Source: IAM User Guide, "IAM JSON policy elements: Condition operators", "Multivalued context
keys" and "AWS global condition context keys".
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Context = Mapping[str, tuple[str, ...]]
"""The values of the keys that a call has; keys in lower case, because their case is ignored."""

Matches = Callable[[str, str], bool]
"""Takes a value of the policy and a value of the call."""

# The keys that calls have here. A policy with another key is refused when it is read, because a
# key that no call has would silently allow nothing.
KEYS = (
    "aws:PrincipalAccount",
    "aws:PrincipalArn",
    "aws:RequestedRegion",
    "aws:TagKeys",
    "ec2:CreateAction",
    "ec2:InstanceType",
    "ec2:IsLaunchTemplateResource",
    "ec2:LaunchTemplate",
    "ec2:Region",
    "elasticloadbalancing:CreateAction",
    "iam:PassedToService",
    "kms:GrantIsForAWSResource",
    "kms:ViaService",
    "s3:prefix",
)
KEYS_OF_TAGS = (
    "aws:RequestTag/",
    "aws:ResourceTag/",
    "autoscaling:ResourceTag/",
    "ec2:ResourceTag/",
    "elasticloadbalancing:ResourceTag/",
    "iam:ResourceTag/",
    "ssm:resourceTag/",
)
SET_OPERATORS = ("ForAllValues", "ForAnyValue")


class PolicyError(ValueError):
    """A policy document that is invalid or that this cloud cannot judge."""


@functools.lru_cache(4096)
def pattern(text: str) -> re.Pattern[str]:
    """Return the expression of a text in which * stands for any characters and ? for one."""
    parts = (".*" if c == "*" else "." if c == "?" else re.escape(c) for c in text)
    return re.compile("".join(parts), re.DOTALL)


def like(wanted: str, value: str) -> bool:
    """Return True if a value matches a text with wildcards."""
    return pattern(wanted).fullmatch(value) is not None


def arn_like(wanted: str, value: str) -> bool:
    """Return True if an ARN matches one with wildcards, each of its six parts by itself."""
    if wanted == "*":
        return True
    ours, theirs = wanted.split(":", 5), value.split(":", 5)
    return len(ours) == len(theirs) and all(map(like, ours, theirs))


def _equals(wanted: str, value: str) -> bool:
    return wanted == value


def _equals_without_case(wanted: str, value: str) -> bool:
    return wanted.casefold() == value.casefold()


OPERATORS: dict[str, tuple[Matches, bool]] = {
    "StringEquals": (_equals, True),
    "StringNotEquals": (_equals, False),
    "StringEqualsIgnoreCase": (_equals_without_case, True),
    "StringNotEqualsIgnoreCase": (_equals_without_case, False),
    "StringLike": (like, True),
    "StringNotLike": (like, False),
    "ArnEquals": (arn_like, True),
    "ArnNotEquals": (arn_like, False),
    "ArnLike": (arn_like, True),
    "ArnNotLike": (arn_like, False),
    "Bool": (_equals_without_case, True),
}
"""Each operator: how two values are compared, and whether they must match or must not."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Condition:
    """One key that a statement compares."""

    operator: str
    if_exists: bool
    quantifier: str
    key: str
    values: tuple[str, ...]

    def holds(self, context: Context) -> bool:
        """Return True if a call with this context meets the condition."""
        given = context.get(self.key.lower(), ())
        if self.operator == "Null":
            return ("false" if given else "true") in self.values
        match self.quantifier:
            case "ForAllValues":
                return all(self._holds_for(value) for value in given)
            case "ForAnyValue":
                return any(self._holds_for(value) for value in given)
        positive = OPERATORS[self.operator][1]
        if not given:
            return self.if_exists or not positive
        return (any if positive else all)(self._holds_for(value) for value in given)

    def _holds_for(self, value: str) -> bool:
        matches, positive = OPERATORS[self.operator]
        return any(matches(wanted, value) for wanted in self.values) == positive


def read_conditions(block: Any, where: str) -> Iterator[Condition]:
    """Yield the conditions of a statement's Condition element, or raise PolicyError."""
    if not isinstance(block, dict) or not all(isinstance(each, dict) for each in block.values()):
        raise PolicyError(f"{where}: Condition is not an object of operators")
    for name, compared in block.items():
        quantifier, operator, if_exists = _operator(name, where)
        for key, value in compared.items():
            check_key(key, where)
            yield Condition(
                operator=operator,
                if_exists=if_exists,
                quantifier=quantifier,
                key=key,
                values=_values(value, f"{where}: Condition {name} {key}"),
            )


def check_key(key: str, where: str) -> None:
    """Raise PolicyError if no call has this key."""
    lower = key.lower()
    known = {each.lower() for each in KEYS}
    if lower in known or lower.startswith(tuple(each.lower() for each in KEYS_OF_TAGS)):
        return
    names = ", ".join((*KEYS, *(f"{each}TAG" for each in KEYS_OF_TAGS)))
    raise PolicyError(
        f"{where}: the local cloud does not support the condition key {key}; it supports {names}"
    )


def _operator(name: str, where: str) -> tuple[str, str, bool]:
    quantifier, _, operator = name.rpartition(":")
    base = operator.removesuffix("IfExists")
    if_exists = base != operator
    supported = base in OPERATORS or (base == "Null" and not if_exists and not quantifier)
    if not supported or quantifier not in {"", *SET_OPERATORS}:
        names = ", ".join((*OPERATORS, "Null"))
        raise PolicyError(
            f"{where}: the local cloud does not support the condition operator {name}; it supports "
            f"{names}, with IfExists, ForAllValues: or ForAnyValue:"
        )
    return quantifier, base, if_exists


def _values(value: Any, where: str) -> tuple[str, ...]:
    texts = tuple(_text(each) for each in (value if isinstance(value, list) else [value]))
    for text in texts:
        if "${" in text:
            raise PolicyError(f"{where}: the local cloud does not support policy variables: {text}")
    return texts


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
