"""Find the parts of a Packer template that need more permissions than a plain bake.

A template is read as text: HCL and JSON name an argument alike, and a name that is only mentioned
adds permissions that the bake can do without.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from pipeline.core.permissions.scope import Feature

_NAMED = {
    Feature.BUILD_PROFILE: r"iam_instance_profile",
    Feature.BUILD_ROLE: r"temporary_iam_instance_profile_policy_document",
    Feature.BUILD_KEY: r"kms_key_id|region_kms_key_ids|encrypt_boot",
    Feature.SHARED: r"ami_users|ami_groups|ami_org_arns|ami_ou_arns|snapshot_users|snapshot_groups",
    Feature.SPOT: r"spot_price|spot_instance_types",
    Feature.DEPRECATE: r"deprecate_at",
    Feature.PROTECT: r"deregistration_protection",
    Feature.SESSION_MANAGER: r"ssh_interface|pause_before_ssm",
    Feature.WINDOWS: r"winrm_\w+",
}
"""The arguments of the Amazon builders (Packer Amazon plugin, "Amazon EBS")."""
_COMMENT = re.compile(r"^\s*(?:#|//).*$", re.MULTILINE)
_VARIABLE = re.compile(r"(?:var\.|\{\{\s*user\s+`)(\w+)")


def features_of(text: str) -> frozenset[Feature]:
    """Return what a template's text says that it needs."""
    plain = _COMMENT.sub("", text)
    found = {feature for feature in _NAMED if re.search(_argument(_NAMED[feature]), plain)}
    if Feature.SESSION_MANAGER in found and "session_manager" not in plain:
        found.discard(Feature.SESSION_MANAGER)
    return frozenset(found)


def values_of(text: str, name: str, variables: Mapping[str, object]) -> tuple[str, ...]:
    """Return the values of an argument; empty text for one that cannot be known from here.

    A value is a literal, or a variable that is passed to Packer.
    """
    plain = _COMMENT.sub("", text)
    given = re.findall(rf"{_argument(name)}([^\n,}}]*\}}*)", plain)
    return tuple(dict.fromkeys(_value(each.strip(), variables) for each in given))


def _argument(names: str) -> str:
    return rf"\"?\b(?:{names})\b\"?\s*[=:{{]\s*"


def _value(text: str, variables: Mapping[str, object]) -> str:
    if variable := _VARIABLE.search(text):
        return str(variables.get(variable[1], ""))
    literal = re.fullmatch(r'"([^"$]*)"', text)
    return literal[1] if literal else ""
