"""The images of an app and where each is used: AWS's list joined with the store's.

AWS is asked first, so that an image baked on another machine shows too; the store
adds what AWS forgets (an image that was deregistered, a bake that was cut off).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.adapters.aws.client import Clients, speaking_plainly
from pipeline.adapters.aws.images import Ec2Images
from pipeline.adapters.store.image_records import ImageRecords
from pipeline.core.bake.model import ObservedImage
from pipeline.core.image import TAG_PREFIX, Image, ImageStatus, Usage

if TYPE_CHECKING:
    from mypy_boto3_autoscaling import AutoScalingClient
    from mypy_boto3_ec2 import EC2Client
    from mypy_boto3_ec2.type_defs import FilterTypeDef

Listed = tuple[tuple[Image, tuple[Usage, ...]], ...]


class Catalogue:
    """Reads only."""

    def __init__(self, clients: Clients, records: ImageRecords) -> None:
        self._clients = clients
        self._records = records

    def images(self, app: str, region: str) -> Listed:
        """Return the app's images, newest first, each with the uses of its AMI in `region`."""
        newest = self.known(app, region)
        uses = self._uses(region) if newest else {}
        return tuple((image, tuple(uses.get(image.id, ()))) for image in newest)

    def known(self, app: str, region: str) -> tuple[Image, ...]:
        """Return the app's images, newest first: one call to AWS."""
        seen = Ec2Images(self._clients).owned(region, {TAG_PREFIX + "app": app})
        there = {image.id: _image(image, app) for image in seen}
        for recorded in self._records.all(app):
            if recorded.id in there:
                there[recorded.id] = _joined(recorded, there[recorded.id].status)
            elif recorded.id or recorded.status is not ImageStatus.GONE:
                status = ImageStatus.GONE if recorded.id else recorded.status
                there[recorded.id or recorded.bake] = recorded.with_status(status)
        newest = sorted(there.values(), key=lambda image: (image.created, image.name), reverse=True)
        return tuple(newest)

    def _uses(self, region: str) -> dict[str, list[Usage]]:
        uses: dict[str, list[Usage]] = defaultdict(list)
        with speaking_plainly("listing where images are used", region):
            templates = _templates(self._clients.ec2(region))
            for template in templates:
                for image_id in sorted(template.offered()):
                    uses[image_id].append(Usage(kind="launch template", name=template.name))
            by_name = {template.name: template for template in templates}
            for group, name, version in _groups(self._clients.autoscaling(region)):
                if name in by_name and (image_id := by_name[name].image(version)):
                    uses[image_id].append(Usage(kind="group", name=group))
            for image_id, instance in _instances(self._clients.ec2(region)):
                uses[image_id].append(Usage(kind="instance", name=instance))
        return uses


@dataclass(frozen=True, kw_only=True, slots=True)
class _LaunchTemplate:
    """A launch template and the image of each of its versions."""

    name: str
    default: str
    latest: str
    images: Mapping[str, str]

    def image(self, version: str) -> str:
        """Return the image of a version as a group names it: a number, $Latest or $Default."""
        number = {"$Latest": self.latest, "$Default": self.default}.get(version, version)
        return self.images.get(number, "")

    def offered(self) -> set[str]:
        """Return the images a launch gets that names no version, or the latest."""
        return {self.image("$Default"), self.image("$Latest")} - {""}


def _templates(ec2: EC2Client) -> list[_LaunchTemplate]:
    """Read every launch template with all its versions: one call, and one for each template."""
    return [
        _LaunchTemplate(
            name=template["LaunchTemplateName"],
            default=str(template["DefaultVersionNumber"]),
            latest=str(template["LatestVersionNumber"]),
            images=_versions(ec2, template["LaunchTemplateName"]),
        )
        for page in ec2.get_paginator("describe_launch_templates").paginate()
        for template in page["LaunchTemplates"]
    ]


def _versions(ec2: EC2Client, name: str) -> dict[str, str]:
    pages = ec2.get_paginator("describe_launch_template_versions")
    return {
        str(version["VersionNumber"]): version["LaunchTemplateData"].get("ImageId", "")
        for page in pages.paginate(LaunchTemplateName=name)
        for version in page["LaunchTemplateVersions"]
    }


def _groups(autoscaling: AutoScalingClient) -> Iterator[tuple[str, str, str]]:
    """Give group, launch template and version, of each group itself and of its members."""
    for page in autoscaling.get_paginator("describe_auto_scaling_groups").paginate():
        for group in page["AutoScalingGroups"]:
            mixed = group.get("MixedInstancesPolicy", {}).get("LaunchTemplate", {})
            named = [
                group.get("LaunchTemplate"),
                mixed.get("LaunchTemplateSpecification"),
                *(member.get("LaunchTemplate") for member in group.get("Instances", [])),
            ]
            pairs = {
                (one.get("LaunchTemplateName"), one.get("Version", "$Default"))
                for one in named
                if one
            }
            for name, version in sorted((name, version) for name, version in pairs if name):
                yield group["AutoScalingGroupName"], name, version


def _instances(ec2: EC2Client) -> Iterator[tuple[str, str]]:
    live: list[FilterTypeDef] = [
        {"Name": "instance-state-name", "Values": ["pending", "running", "stopping", "stopped"]}
    ]
    for page in ec2.get_paginator("describe_instances").paginate(Filters=live):
        for reservation in page["Reservations"]:
            for instance in reservation["Instances"]:
                yield instance["ImageId"], instance["InstanceId"]


def _joined(recorded: Image, tagged: ImageStatus) -> Image:
    """Return a recorded image with AWS's status, but quarantined if either says so.

    A rollback at night writes both, and one of the two writes may have failed.
    """
    if recorded.status is ImageStatus.QUARANTINED:
        return recorded
    return recorded.with_status(tagged)


def _image(seen: ObservedImage, app: str) -> Image:
    """Return what an image's own tags tell, for one this store has no record of."""

    def fact(key: str) -> str:
        return seen.tags.get(TAG_PREFIX + key, "")

    known = {status.value for status in ImageStatus}
    status = fact("status")
    return Image(
        app=app,
        version=fact("version"),
        environment=fact("environment"),
        name=seen.name,
        region=seen.region,
        ids={seen.region: seen.id},
        source_ami=fact("source-ami"),
        fingerprint=fact("fingerprint"),
        created=seen.created,
        commit=fact("commit"),
        dirty=fact("dirty") == "true",
        baked_by=fact("baked-by"),
        status=ImageStatus(status) if status in known else ImageStatus.BAKING,
        tags=seen.tags,
    )
