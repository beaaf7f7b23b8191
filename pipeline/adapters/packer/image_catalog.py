"""List the images of an app and where each is used: AWS's list joined with the store's.

AWS's list includes images that were baked on another machine. The store adds what AWS does not
have: deregistered images and interrupted bakes.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.adapters.aws.client import Clients, translate_errors
from pipeline.adapters.aws.ec2 import (
    LaunchTemplate,
    read_instances,
    read_template_images,
    read_templates,
)
from pipeline.adapters.aws.group_parsing import read_all_groups
from pipeline.adapters.aws.images import Ec2Images
from pipeline.adapters.store.image_records import ImageRecords
from pipeline.core.bake.model import ObservedImage
from pipeline.core.health.observation import ObservedGroup
from pipeline.core.image import TAG_PREFIX, Image, ImageStatus, Usage

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client

_ALIVE = ("pending", "running", "stopping", "stopped")

Listed = tuple[tuple[Image, tuple[Usage, ...]], ...]


class ImageCatalog:
    """The images in AWS and in the store; reads only."""

    def __init__(self, clients: Clients, records: ImageRecords) -> None:
        self._clients = clients
        self._records = records

    def images(self, app: str, region: str) -> Listed:
        """Return the app's images, newest first, each with the uses of its AMI in `region`."""
        newest = self.known(app, region)
        uses = self._uses(region) if newest else {}
        return tuple((image, tuple(uses.get(image.id, ()))) for image in newest)

    def known(self, app: str, region: str) -> tuple[Image, ...]:
        """Return the app's images, newest first, without their uses: one call to AWS."""
        observed = Ec2Images(self._clients).owned(region, {TAG_PREFIX + "app": app})
        found = {image.id: _image(image, app) for image in observed}
        for recorded in self._records.all(app):
            if recorded.id in found:
                found[recorded.id] = _joined(recorded, found[recorded.id].status)
            elif recorded.id or recorded.status is not ImageStatus.GONE:
                status = ImageStatus.GONE if recorded.id else recorded.status
                found[recorded.id or recorded.bake] = recorded.with_status(status)
        newest = sorted(found.values(), key=lambda image: (image.created, image.name), reverse=True)
        return tuple(newest)

    def _uses(self, region: str) -> dict[str, list[Usage]]:
        uses: dict[str, list[Usage]] = defaultdict(list)
        ec2, scaling = self._clients.ec2(region), self._clients.autoscaling(region)
        with translate_errors("listing where images are used", region):
            templates = _read_template_images(ec2)
            for each in templates:
                for image_id in sorted(each.next_images()):
                    uses[image_id].append(Usage(kind="launch template", name=each.template.name))
            by_id = {each.template.id: each for each in templates}
            by_name = {each.template.name: each for each in templates}
            for group, template, version in _launch_sources(read_all_groups(scaling)):
                # A launch configuration has no version, and may have the name of a template.
                found = by_id.get(template) or (by_name.get(template) if version else None)
                if found and (image_id := found.image(version)):
                    uses[image_id].append(Usage(kind="group", name=group))
            for instance in read_instances(ec2, {"instance-state-name": _ALIVE}):
                usage = Usage(kind="instance", name=instance["InstanceId"])
                uses[instance["ImageId"]].append(usage)
        return uses


@dataclass(frozen=True, kw_only=True, slots=True)
class _TemplateImages:
    """A launch template and the AMI of each of its versions."""

    template: LaunchTemplate
    images: Mapping[str, str]

    def image(self, version: str) -> str:
        """Return the AMI of a version as a group names it: a number, `$Latest` or `$Default`.

        No version means the default one (API Reference, LaunchTemplateSpecification).
        """
        template = self.template
        aliases = {"$Latest": template.latest, "$Default": template.default, "": template.default}
        return self.images.get(aliases.get(version, version), "")

    def next_images(self) -> set[str]:
        """Return the AMIs of a launch with the default version, and with the latest."""
        return {self.image("$Default"), self.image("$Latest")} - {""}


def _read_template_images(ec2: EC2Client) -> list[_TemplateImages]:
    """Return all launch templates of the region: one call, and one for each template."""
    return [
        _TemplateImages(template=each, images=read_template_images(ec2, each.name))
        for each in read_templates(ec2)
    ]


def _launch_sources(groups: Iterable[ObservedGroup]) -> Iterator[tuple[str, str, str]]:
    """Yield group, launch template and version, of each group itself and of its members."""
    for group in groups:
        sources = {(group.template, group.version)}
        sources |= {(each.template, each.version) for each in group.members}
        for template, version in sorted(sources):
            yield group.name, template, version


def _joined(recorded: Image, tagged: ImageStatus) -> Image:
    """Return a recorded image with the status of its tag; quarantined if either one is.

    A rollback writes both, and one of the two writes may have failed.
    """
    if recorded.status is ImageStatus.QUARANTINED:
        return recorded
    return recorded.with_status(tagged)


def _image(seen: ObservedImage, app: str) -> Image:
    """Return an image without a record in this store, from its own tags."""

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
