"""List the images of an app and where each is used: AWS's list joined with the store's.

AWS's list includes images that were baked on another machine. The store adds what AWS does not
have: deregistered images and interrupted bakes.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from pipeline.adapters.aws.client import Clients, translate_errors
from pipeline.adapters.aws.ec2 import TemplateVersion, read_instances, read_template_versions
from pipeline.adapters.aws.group_parsing import read_all_groups
from pipeline.adapters.aws.images import Ec2Images
from pipeline.adapters.store.image_records import ImageRecords
from pipeline.core.bake.model import ObservedImage
from pipeline.core.freshness import Clock, read_until
from pipeline.core.health.observation import ObservedGroup
from pipeline.core.image import STATUS_TAG, TAG_PREFIX, Image, ImageStatus, Usage

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client

_ALIVE = ("pending", "running", "stopping", "stopped")

Listed = tuple[tuple[Image, tuple[Usage, ...]], ...]


class ImageCatalog:
    """The images in AWS and in the store; reads only."""

    def __init__(self, clients: Clients, records: ImageRecords, clock: Clock) -> None:
        self._clients = clients
        self._records = records
        self._clock = clock

    def images(self, app: str, region: str) -> Listed:
        """Return the app's images, newest first, each with the uses of its AMI in `region`."""
        newest = self.known(app, region)
        uses = self._uses(region) if newest else {}
        return tuple((image, tuple(uses.get(image.id, ()))) for image in newest)

    def known(self, app: str, region: str) -> tuple[Image, ...]:
        """Return the app's images, newest first, without their uses.

        One call lists them by their tags, one asks for recorded images that it did not list.
        """
        listed = Ec2Images(self._clients).owned(region, {TAG_PREFIX + "app": app})
        recorded = self._records.all(app)
        asked = self._unlisted(region, recorded, {each.id for each in listed})
        observed = {each.id: each for each in (*listed, *asked)}
        found = {id_: _image(each, app) for id_, each in observed.items()}
        for image in recorded:
            if seen := observed.get(image.id):
                found[image.id] = _joined(image, seen, found[image.id].status)
            elif image.id or image.status is not ImageStatus.GONE:
                status = ImageStatus.GONE if image.id else image.status
                found[image.id or image.bake] = image.with_status(status)
        newest = sorted(found.values(), key=lambda image: (image.created, image.name), reverse=True)
        return tuple(newest)

    def _unlisted(
        self, region: str, recorded: Sequence[Image], listed: Collection[str]
    ) -> tuple[ObservedImage, ...]:
        """Return the recorded images of this region that exist, although AWS did not list them.

        The tag that it lists by may not be visible yet. Only an image that was baked a moment ago
        is asked for until one answer cannot be older than it.
        """
        missing = [each for each in recorded if each.id not in listed and each.region == region]
        ids = sorted({each.id for each in missing} - {""})
        new = {each.id for each in missing if each.created >= self._records.recently} - {""}

        def read() -> tuple[ObservedImage, ...]:
            return Ec2Images(self._clients).by_id(region, ids) if ids else ()

        return read_until(read, lambda seen: {each.id for each in seen} >= new, self._clock)

    def _uses(self, region: str) -> dict[str, list[Usage]]:
        uses: dict[str, list[Usage]] = defaultdict(list)
        ec2, scaling = self._clients.ec2(region), self._clients.autoscaling(region)
        with translate_errors("listing where images are used", region):
            templates = _Templates(ec2)
            for name, image_id in templates.next_images():
                uses[image_id].append(Usage(kind="launch template", name=name))
            for group, template, version in _launch_sources(read_all_groups(scaling)):
                if image_id := templates.image(template, version):
                    uses[image_id].append(Usage(kind="group", name=group))
            for instance in read_instances(ec2, {"instance-state-name": _ALIVE}):
                usage = Usage(kind="instance", name=instance["InstanceId"])
                uses[instance["ImageId"]].append(usage)
        return uses


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


def _launch_sources(groups: Iterable[ObservedGroup]) -> Iterator[tuple[str, str, str]]:
    """Yield group, launch template and version, of each group itself and of its members."""
    for group in groups:
        sources = {(group.template, group.version)}
        sources |= {(each.template, each.version) for each in group.members}
        for template, version in sorted(sources):
            yield group.name, template, version


def _joined(recorded: Image, seen: ObservedImage, tagged: ImageStatus) -> Image:
    """Return a recorded image with the status of its tag; quarantined if either one is.

    A rollback writes both, and one of the two writes may have failed. A tag that is not visible
    does not overrule the record.
    """
    if recorded.status is ImageStatus.QUARANTINED or STATUS_TAG not in seen.tags:
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
