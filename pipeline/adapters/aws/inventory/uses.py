"""Find where images of a region are used: launch templates, groups, configurations, instances."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from pipeline.adapters.aws.client import Clients, translate_errors
from pipeline.adapters.aws.ec2 import TemplateVersion, read_instances, read_template_versions
from pipeline.adapters.aws.group_parsing import read_launch_sources
from pipeline.adapters.aws.retry import items
from pipeline.core.image import Usage

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client

_ALIVE = ("pending", "running", "stopping", "stopped")


def read_uses(clients: Clients, region: str) -> Mapping[str, Sequence[Usage]]:
    """Return the uses of each image by launch templates, groups and instances of a region."""
    uses: dict[str, list[Usage]] = defaultdict(list)
    ec2, scaling = clients.ec2(region), clients.autoscaling(region)
    with translate_errors("listing where images are used", region):
        templates = _Templates(ec2)
        for name, image_id in templates.next_images():
            uses[image_id].append(Usage(kind="launch template", name=name))
        for group, template, version in read_launch_sources(scaling):
            if image_id := templates.image(template, version):
                uses[image_id].append(Usage(kind="group", name=group))
        for instance in read_instances(ec2, {"instance-state-name": _ALIVE}):
            usage = Usage(kind="instance", name=instance["InstanceId"])
            uses[instance["ImageId"]].append(usage)
    return uses


def read_configurations(clients: Clients, region: str) -> Iterator[tuple[str, Usage]]:
    """Yield the image of each launch configuration of a region, used by a group or not."""
    with translate_errors("listing launch configurations", region):
        scaling = clients.autoscaling(region)
        found = items(scaling.describe_launch_configurations, "LaunchConfigurations")
        for each in found:
            name = each["LaunchConfigurationName"]
            yield each["ImageId"], Usage(kind="launch configuration", name=name)


class _Templates:
    """The launch templates of a region, and the AMIs of the versions that are in use.

    One paged call reads the latest and the default version of all of them, one more call all
    versions of a template of which a group uses another one.
    """

    def __init__(self, ec2: EC2Client) -> None:
        self._ec2 = ec2
        self._versions: dict[str, dict[int, TemplateVersion]] = defaultdict(dict)
        for each in read_template_versions(ec2):
            self._versions[each.template][each.number] = each
        self._ids = {found[max(found)].name: id_ for id_, found in self._versions.items()}
        self._read: set[str] = set()

    def next_images(self) -> Iterator[tuple[str, str]]:
        """Yield each template's name and the AMIs of its latest and its default version."""
        for found in self._versions.values():
            next_ones = [found[max(found)], *(each for each in found.values() if each.default)]
            for image_id in sorted({each.image for each in next_ones} - {""}):
                yield found[max(found)].name, image_id

    def image(self, template: str, version: str) -> str:
        """Return the AMI of a version as a group names it: a number, `$Latest` or `$Default`.

        `template` is an id or a name. No version means the default one (API Reference,
        LaunchTemplateSpecification). Empty if there is no such template or version.
        """
        # A launch configuration has no version, and may have the name of a template.
        id_ = template if template in self._versions else self._ids.get(template if version else "")
        found = self._versions.get(id_ or "")
        if not id_ or not found:
            return ""
        if version == "$Latest":
            return found[max(found)].image
        if version in {"$Default", ""}:
            return next((each.image for each in found.values() if each.default), "")
        if int(version) not in found and id_ not in self._read:
            self._read.add(id_)
            others = read_template_versions(self._ec2, found[max(found)].name)
            found.update({each.number: each for each in others})
        known = found.get(int(version))
        return known.image if known else ""
