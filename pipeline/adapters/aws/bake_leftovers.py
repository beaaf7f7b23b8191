"""Delete what a killed Packer left in the account, and tell what could not be deleted.

Packer cleans up after SIGTERM, but not after SIGKILL, a lost machine or a lost network
(hashicorp/packer-plugin-amazon#497). The names come from Packer's output before its first
provisioner, so that a provisioner's output cannot name something unrelated. An instance is also
found by the temporary key pair, the temporary security group or this bake's tag.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from pipeline.adapters.aws.client import Clients, translate_errors
from pipeline.adapters.aws.ec2 import (
    as_filters,
    read_instances,
    read_states,
    read_tags,
    read_templates,
    read_time,
)
from pipeline.adapters.aws.instance_profiles import delete_temporary_profile
from pipeline.adapters.aws.retry import call, error_code, items, poll_until
from pipeline.core.bake.model import SPOT_TEMPLATES, BuildResources, Removal
from pipeline.core.errors import PipelineError
from pipeline.core.freshness import SETTLED
from pipeline.core.image import BAKE_TAG

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client

TERMINATION = 300.0
"""Seconds an instance may take to terminate; its volumes and group can be deleted only then."""
UNUSED_WITHIN = 60.0
"""Seconds a security group may stay in use after its instance has terminated."""

_LIVE = ("pending", "running", "shutting-down", "stopping", "stopped")
_SPOT_NAME = SPOT_TEMPLATES.rstrip("*")
_UNIQUE = "packer_"
"""How the names begin that Packer makes up for key pairs, with a UUID after it."""
_TEMPORARY_PROFILE = re.compile(r"packer-[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")

Described = Mapping[str, Any]


class Ec2Leftovers:
    """The temporary AWS resources of a bake that was killed."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients

    def remove(self, region: str, resources: BuildResources, bake: str, since: str) -> Removal:
        """Delete them; return what is gone and what is left, with AWS's message.

        `since` is the earliest time, ISO 8601, at which the bake created something. Raises
        RefusedError if AWS does not say what there is.
        """
        ec2 = self._clients.ec2(region)
        with translate_errors("searching for what the bake left", region):
            instances = tuple(_instances(ec2, resources, bake, since))
            volumes = _volumes(ec2, instances, bake)
            keys = _keys(ec2, resources, bake, since)
            groups = _groups(ec2, resources, bake)
            marks = {*keys, *groups, bake}
            templates = _launch_templates(ec2, instances, resources, marks)
        work = _Work(region=region)
        ids = [each["InstanceId"] for each in instances]
        if ids and not work.attempt(ids, partial(_terminate, ec2, ids)):
            work.left += [f"{each} belongs to it" for each in (*volumes, *groups)]
            volumes, groups = (), ()
        for key in keys:
            work.attempt([key], partial(_delete_key, ec2, key))
        for group in groups:
            work.attempt([group], partial(_delete_group, ec2, group))
        for volume in volumes:
            work.attempt([volume], partial(_delete_volume, ec2, volume))
        for template in templates:
            work.attempt([template], partial(_delete_template, ec2, template))
        for name in dict.fromkeys((*resources.profiles, *_profiles(instances))):
            profile = partial(delete_temporary_profile, self._clients, region, name)
            work.attempt([name], profile)
        return Removal(gone=tuple(work.gone), left=tuple(work.left))


@dataclass(kw_only=True)
class _Work:
    """What was seen to go and what is left."""

    region: str
    gone: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)

    def attempt(self, names: Sequence[str], delete: Callable[[], bool | None]) -> bool:
        """Delete these; return whether they are gone. False: they are still there."""
        listed = ", ".join(names)
        try:
            with translate_errors(f"deleting {listed}", self.region):
                result = delete()
        except PipelineError as error:
            self.left.append(f"{error.where}: {error.what}")
            return False
        if result is None:
            return True
        if result:
            self.gone += names
        else:
            self.left.append(f"{listed} in {self.region} is still there")
        return result


def _instances(
    ec2: EC2Client, resources: BuildResources, bake: str, since: str
) -> Iterable[Described]:
    """Return the live instances of a bake.

    One that only the output names must have been launched since, and not for another bake.
    """
    unique = tuple(name for name in resources.key_pairs if name.startswith(_UNIQUE))
    searches = (
        ("key-name", unique),
        ("instance.group-name", resources.security_groups),
        (f"tag:{BAKE_TAG}", (bake,) if bake else ()),
    )
    found: dict[str, Described] = {}
    for filter_name, values in searches:
        if values:
            filters = {filter_name: values, "instance-state-name": _LIVE}
            found |= {each["InstanceId"]: each for each in read_instances(ec2, filters)}
    others = set(resources.instances) - set(found)
    if others:
        filters = {"instance-id": tuple(others), "instance-state-name": _LIVE}
        for each in read_instances(ec2, filters):
            if _is_new(each, since) and read_tags(each).get(BAKE_TAG, bake) == bake:
                found[each["InstanceId"]] = each
    return found.values()


def _is_new(described: Described, since: str) -> bool:
    made = read_time(described.get("LaunchTime") or described.get("CreateTime"))
    return made is not None and made >= datetime.fromisoformat(since)


def _keys(ec2: EC2Client, resources: BuildResources, bake: str, since: str) -> tuple[str, ...]:
    """Return the temporary key pairs of a bake, by name and by tag.

    A template may name its temporary key pair, and CreateKeyPair refuses a name that is taken. So
    one with a name that is not unique must have been created since.
    """
    describe = ec2.describe_key_pairs
    named = _present(describe, "KeyPairs", "key-name", resources.key_pairs)
    found = [each for each in named if each["KeyName"].startswith(_UNIQUE) or _is_new(each, since)]
    found += _tagged(describe, "KeyPairs", bake)
    return tuple(dict.fromkeys(each["KeyName"] for each in found))


def _profiles(instances: Sequence[Described]) -> Iterator[str]:
    """Yield the temporary instance profiles of these instances (step_iam_instance_profile.go)."""
    for each in instances:
        name = each.get("IamInstanceProfile", {}).get("Arn", "").rpartition("/")[2]
        if _TEMPORARY_PROFILE.fullmatch(name):
            yield name


def _volumes(ec2: EC2Client, instances: Sequence[Described], bake: str) -> tuple[str, ...]:
    """Return the volumes that outlive these instances or carry the bake's tag."""
    kept = {
        mapping["Ebs"]["VolumeId"]: None
        for instance in instances
        for mapping in instance.get("BlockDeviceMappings", [])
        if not mapping.get("Ebs", {}).get("DeleteOnTermination", True)
    }
    tagged = _tagged(ec2.describe_volumes, "Volumes", bake)
    attached = {
        mapping.get("Ebs", {}).get("VolumeId", "")
        for instance in instances
        for mapping in instance.get("BlockDeviceMappings", [])
    }
    own = {each["VolumeId"]: None for each in tagged if each["VolumeId"] not in attached}
    return tuple(kept | own)


def _launch_templates(
    ec2: EC2Client,
    instances: Sequence[Described],
    resources: BuildResources,
    marks: AbstractSet[str],
) -> tuple[str, ...]:
    """Return the launch templates that Packer made for a spot instance.

    EC2 tags an instance with its template (User Guide, "Launch instances from a launch template").
    One that Packer was creating when it was killed is known by what it holds: one of `marks`.
    """
    of_instances = (read_tags(each).get("aws:ec2launchtemplate:id", "") for each in instances)
    ids = {*resources.launch_templates, *of_instances} - {"", SPOT_TEMPLATES}
    own = {each for each in ids if _name_of_template(ec2, each).startswith(_SPOT_NAME)}
    if SPOT_TEMPLATES in resources.launch_templates:
        unnamed = {each.id for each in read_templates(ec2, (SPOT_TEMPLATES,))} - own
        own |= {each for each in unnamed if _held_by(ec2, each) & set(marks)}
    return tuple(sorted(own))


def _held_by(ec2: EC2Client, template: str) -> set[str]:
    """Return the key pair, the groups and the bake that version 1 of a template holds."""
    options = {"LaunchTemplateId": template, "Versions": ["1"]}
    found = items(ec2.describe_launch_template_versions, "LaunchTemplateVersions", **options)
    data: dict[str, Any] = next((each["LaunchTemplateData"] for each in found), {})
    interfaces = data.get("NetworkInterfaces", [])
    tags = [read_tags(each).get(BAKE_TAG, "") for each in data.get("TagSpecifications", [])]
    groups = [group for each in interfaces for group in each.get("Groups", [])]
    held = {data.get("KeyName", ""), *data.get("SecurityGroupIds", []), *groups, *tags}
    return held - {""}


def _name_of_template(ec2: EC2Client, template: str) -> str:
    """Return the name of a launch template, empty if it is gone; EC2 has no filter on ids."""
    from botocore.exceptions import ClientError

    try:
        found = call(ec2.describe_launch_templates, LaunchTemplateIds=[template])
    except ClientError as error:
        if error_code(error) != "InvalidLaunchTemplateId.NotFound":
            raise
        return ""
    return next((each["LaunchTemplateName"] for each in found["LaunchTemplates"]), "")


def _groups(ec2: EC2Client, resources: BuildResources, bake: str) -> tuple[str, ...]:
    describe, names = ec2.describe_security_groups, resources.security_groups
    found = _present(describe, "SecurityGroups", "group-name", names)
    found += _tagged(describe, "SecurityGroups", bake)
    return tuple(dict.fromkeys(each["GroupId"] for each in found))


def _tagged(describe: Callable[..., Any], field: str, bake: str) -> list[dict[str, Any]]:
    """Return what carries the run tags of a bake; newer plugins tag all that they make."""
    return _present(describe, field, f"tag:{BAKE_TAG}", (bake,) if bake else ())


def _present(
    describe: Callable[..., Any], field: str, filter_name: str, names: Sequence[str]
) -> list[dict[str, Any]]:
    if not names:
        return []
    return list(items(describe, field, Filters=as_filters({filter_name: names})))


def _terminate(ec2: EC2Client, instances: Sequence[str]) -> bool:
    call(ec2.terminate_instances, InstanceIds=list(instances))

    def have_terminated() -> bool | None:
        return True if read_states(ec2, instances) <= {"terminated"} else None

    return poll_until(have_terminated, seconds=TERMINATION) is not None


def _delete_key(ec2: EC2Client, name: str) -> bool:
    call(ec2.delete_key_pair, KeyName=name)
    return _is_gone(ec2.describe_key_pairs, "KeyPairs", "key-name", name)


def _delete_volume(ec2: EC2Client, volume: str) -> bool:
    _ignoring("InvalidVolume.NotFound", ec2.delete_volume, VolumeId=volume)
    return _is_gone(ec2.describe_volumes, "Volumes", "volume-id", volume)


def _delete_template(ec2: EC2Client, template: str) -> bool:
    call(ec2.delete_launch_template, LaunchTemplateId=template)

    def listed() -> bool | None:
        return None if _name_of_template(ec2, template) else True

    return poll_until(listed, seconds=SETTLED) is not None


def _delete_group(ec2: EC2Client, group: str) -> bool:
    """Delete a security group; AWS answers DependencyViolation while it is in use."""
    from botocore.exceptions import ClientError

    def is_deleted() -> bool | None:
        try:
            call(ec2.delete_security_group, GroupId=group)
        except ClientError as error:
            if error_code(error) == "InvalidGroup.NotFound":
                return True
            if error_code(error) == "DependencyViolation":
                return None
            raise
        return True

    if poll_until(is_deleted, seconds=UNUSED_WITHIN) is None:
        call(ec2.delete_security_group, GroupId=group)
    return _is_gone(ec2.describe_security_groups, "SecurityGroups", "group-id", group)


def _is_gone(describe: Callable[..., Any], field: str, filter_name: str, name: str) -> bool:
    """Return whether AWS stops to list it, as soon as a read cannot be older than the deletion."""

    def listed() -> bool | None:
        return None if _present(describe, field, filter_name, (name,)) else True

    return poll_until(listed, seconds=SETTLED) is not None


def _ignoring(code: str, operation: Callable[..., object], **arguments: str) -> None:
    from botocore.exceptions import ClientError

    try:
        call(operation, **arguments)
    except ClientError as error:
        if error_code(error) != code:
            raise
