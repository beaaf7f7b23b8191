"""Name the resources of a policy's statements, and the condition that they are ours."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from pipeline.core.image import TAG_PREFIX
from pipeline.core.permissions.scope import Scope, arn

Condition = dict[str, dict[str, Any]]
Statement = tuple[Sequence[str], Condition]
"""The resources of a statement, and its condition, empty for none."""


def one_or_all(values: Sequence[str]) -> Any:
    """Return the values without repetition, or the only one itself, as IAM accepts both."""
    unique = list(dict.fromkeys(values))
    return unique[0] if len(unique) == 1 else unique


def ec2_arns(scope: Scope, account: str, *kinds: str) -> Iterator[str]:
    """Yield the ARNs of all resources of these kinds; a kind may name one, as `subnet/ID`."""
    for kind in kinds:
        owner = "" if kind in {"image", "snapshot"} else account
        yield arn("ec2", scope.region, owner, kind if "/" in kind else f"{kind}/*")


def tagged(scope: Scope, key: str) -> Condition:
    """Return the condition that a resource is of these environments; none if a module has no tags.

    A module of the user's own may leave tags out (docs/reference/terraform.md).
    """
    if not all(each.tagged for each in scope.environments):
        return {}
    names = [each.name for each in scope.environments]
    wanted = {"app": scope.app, "environment": one_or_all(names)}
    return {"StringEquals": {f"{key}{TAG_PREFIX}{name}": wanted[name] for name in wanted}}
