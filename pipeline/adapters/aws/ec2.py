"""Read instances, launch templates and tags from EC2; each call and its parser is here only."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pipeline.adapters.aws.retry import call, error_code, items

INSTANCES = 1000
"""Instances in a page, the most DescribeInstances returns."""
VERSIONS = 200
"""Versions of launch templates in a page, the most DescribeLaunchTemplateVersions returns."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LaunchTemplate:
    """A launch template; `default` and `latest` are version numbers as text."""

    id: str
    name: str
    default: str
    latest: str
    tags: Mapping[str, str]


@dataclass(frozen=True, kw_only=True, slots=True)
class TemplateVersion:
    """A version of a launch template; `image` and `instance_type` may be empty."""

    template: str
    name: str
    number: int
    default: bool
    image: str
    instance_type: str


def read_instances(ec2: Any, filters: Mapping[str, Sequence[str]]) -> Iterator[Mapping[str, Any]]:
    """Yield the instances that match all filters, as DescribeInstances describes them."""
    named = as_filters(filters)
    found = items(ec2.describe_instances, "Reservations", Filters=named, MaxResults=INSTANCES)
    return (instance for reservation in found for instance in reservation["Instances"])


def read_states(ec2: Any, instances: Sequence[str]) -> frozenset[str]:
    """Return the states of these instances; raises ClientError for an unknown id."""
    found = call(ec2.describe_instances, InstanceIds=list(instances))["Reservations"]
    listed = (instance for reservation in found for instance in reservation["Instances"])
    return frozenset(instance.get("State", {}).get("Name", "") for instance in listed)


def read_templates(ec2: Any, names: Sequence[str] | None = None) -> tuple[LaunchTemplate, ...]:
    """Return the launch templates with these names, or all of the region.

    The names are a filter: an unknown name in `LaunchTemplateNames` is an error (EC2 API
    Reference, DescribeLaunchTemplates).
    """
    given = {} if names is None else {"Filters": as_filters({"launch-template-name": names})}
    found = items(ec2.describe_launch_templates, "LaunchTemplates", **given)
    return tuple(map(_template, found))


def read_template_versions(ec2: Any, name: str = "") -> Iterator[TemplateVersion]:
    """Yield every version of a launch template; without a name `$Latest` and `$Default` of all.

    AWS answers these two for all templates of a region at once, and lists one that is both once or
    twice (EC2 API Reference, DescribeLaunchTemplateVersions).
    """
    which: dict[str, Any] = {"LaunchTemplateName": name}
    if not name:
        which = {"Versions": ["$Latest", "$Default"]}
    describe = ec2.describe_launch_template_versions
    found = items(describe, "LaunchTemplateVersions", **which, MaxResults=VERSIONS)
    return map(_version, found)


def read_launched_version(ec2: Any, template: str, version: str) -> TemplateVersion | None:
    """Return the version of a launch template that a group launches; None if there is none.

    No version means the default one (API Reference, LaunchTemplateSpecification).
    """
    from botocore.exceptions import ClientError

    which = {"LaunchTemplateId" if template.startswith("lt-") else "LaunchTemplateName": template}
    describe = ec2.describe_launch_template_versions
    try:
        found = call(describe, **which, Versions=[version or "$Default"])["LaunchTemplateVersions"]
    except ClientError as error:
        if error_code(error).startswith("InvalidLaunchTemplate"):
            return None
        raise
    return next(map(_version, found), None)


def as_filters(filters: Mapping[str, Sequence[str]]) -> list[Any]:
    """Return filters in the shape that EC2's calls take."""
    return [{"Name": name, "Values": list(values)} for name, values in filters.items()]


def read_tags(described: Mapping[str, Any]) -> dict[str, str]:
    """Return the tags of a resource as EC2 and Auto Scaling describe it; a value may be missing."""
    return {tag["Key"]: tag.get("Value", "") for tag in described.get("Tags", [])}


def read_time(said: datetime | str | None) -> datetime | None:
    """Return a time that AWS gives, in UTC; None without one, or for text that is no time.

    botocore parses most times into the zone of this machine and leaves some as text (an image's
    DeprecationTime). No time here is worth failing the call that carries it.
    """
    try:
        moment = datetime.fromisoformat(said) if isinstance(said, str) else said
    except ValueError:
        return None
    if moment is None:
        return None
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


def _template(described: Mapping[str, Any]) -> LaunchTemplate:
    return LaunchTemplate(
        id=described["LaunchTemplateId"],
        name=described["LaunchTemplateName"],
        default=str(described.get("DefaultVersionNumber", "")),
        latest=str(described.get("LatestVersionNumber", "")),
        tags=read_tags(described),
    )


def _version(described: Mapping[str, Any]) -> TemplateVersion:
    return TemplateVersion(
        template=described["LaunchTemplateId"],
        name=described["LaunchTemplateName"],
        number=int(described["VersionNumber"]),
        default=bool(described.get("DefaultVersion")),
        image=described["LaunchTemplateData"].get("ImageId", ""),
        instance_type=described["LaunchTemplateData"].get("InstanceType", ""),
    )
