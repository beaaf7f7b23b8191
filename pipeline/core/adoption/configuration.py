"""Turn a running group into the configuration of an environment."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from pipeline.core.adoption.behavior import behavior, settings, tags
from pipeline.core.adoption.launching import instance_type, instances
from pipeline.core.adoption.model import Adoption, Gap, Part, RunningGroup, joined
from pipeline.core.adoption.scaling import scaling
from pipeline.core.adoption.user_data import user_data
from pipeline.core.adoption.volumes import volumes
from pipeline.core.validation.terraform_values import check_input

NEEDED: Final = ("subnet_ids", "security_group_ids")
"""The inputs of the shipped module without a default."""
_STACK: Final = "aws:cloudformation:stack-name"


def adoption(running: RunningGroup) -> Adoption:
    """Return the configuration that the group has, and what of it a release cannot have."""
    here = joined(instance_type(running), settings(running))
    parts = (behavior, instances, volumes, user_data, tags, scaling)
    inputs = _writable(_readable_tags(joined(*(part(running) for part in parts))))
    given = {key: here.values[key] for key in ORDER if key in here.values}
    missing = [each for each in NEEDED if each not in inputs.values]
    if "instance_type" not in given:
        missing.append("instance_type")
    return Adoption(
        group=running.name,
        source=running.source,
        owner=_stack(running),
        settings=given,
        inputs=inputs.values,
        gaps=(*here.gaps, *inputs.gaps),
        missing=tuple(missing),
    )


ORDER: Final = (
    "account",
    "instance_type",
    "min_size",
    "max_size",
    "desired_capacity",
    "load_balancers",
    "target_groups",
)
"""The keys of an environment, in the order of the reference page."""


def _stack(running: RunningGroup) -> str:
    tagged = {each["Key"]: each.get("Value") or "" for each in running.group.get("Tags") or []}
    return tagged.get(_STACK, "")


def _readable_tags(part: Part) -> Part:
    """Drop `metadata_tags` if a tag's key has a space or a slash, which EC2 refuses with it."""
    keys = part.values.get("tags", {})
    if not part.values.get("metadata_tags") or not any(set(key) & set(" /") for key in keys):
        return part
    gap = Gap(
        setting="tags in the metadata service",
        group="enabled",
        release="does not have them: a tag's key has a space or a slash",
    )
    kept = {key: value for key, value in part.values.items() if key != "metadata_tags"}
    return Part(values=kept, gaps=(*part.gaps, gap))


def _writable(part: Part) -> Part:
    """Leave out what pipeline.toml does not take, such as a tag with an invisible character."""
    kept: dict[str, Any] = {}
    problems: dict[str, str] = {}
    for name, value in part.values.items():
        if not isinstance(value, dict):
            usable, found = _usable({name: value})
        else:
            elements, found = _usable(value)
            found = {f"{name}.{key}": what for key, what in found.items()}
            usable = {name: elements} if elements else {}
        kept |= usable
        problems |= found
    release = "does not have it: write it by hand"
    gaps = (Gap(setting=key, group=what, release=release) for key, what in problems.items())
    return Part(values=kept, gaps=(*part.gaps, *gaps))


def _usable(values: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the values that pipeline.toml takes, and the problem of each other one."""
    kept: dict[str, Any] = {}
    problems: dict[str, str] = {}
    for key, value in values.items():
        try:
            check_input({key: value})
        except ValueError as error:
            problems[ascii(key)[1:-1]] = str(error)
        else:
            kept[key] = value
    return kept, problems
