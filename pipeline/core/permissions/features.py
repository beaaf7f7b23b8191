"""Find the parts of the release module's inputs that need permissions of their own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.core.permissions.scope import Feature


def features_of_module(inputs: Mapping[str, Any]) -> frozenset[Feature]:
    """Return what the inputs of the release module need (terraform/release/variables.tf)."""
    found: Mapping[Feature, object] = {
        Feature.METRICS: inputs.get("enabled_metrics", True),
        Feature.PROFILE: inputs.get("instance_profile"),
        Feature.HOOKS: inputs.get("lifecycle_hooks"),
        Feature.HOOK_ROLES: hook_roles(inputs),
        Feature.POLICIES: inputs.get("scaling_policies"),
        Feature.SCHEDULES: inputs.get("schedules"),
    }
    return frozenset(feature for feature, value in found.items() if value)


def hook_roles(inputs: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the ARNs of the roles that lifecycle hooks get."""
    given = inputs.get("lifecycle_hooks")
    hooks: Sequence[Any] = given if isinstance(given, (list, tuple)) else ()
    found = (each.get("role_arn") for each in hooks if isinstance(each, Mapping))
    return tuple(str(each) for each in found if each)
