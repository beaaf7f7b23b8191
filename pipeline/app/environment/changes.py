"""Find out what a release brings compared with the serving one, before its deployment begins.

What cannot be read is unknown, with the reason: it never refuses a deployment.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from pipeline.adapters.aws.images import read_compared
from pipeline.app.environment.reader import EnvironmentReader
from pipeline.core.changes.compare import Side, compare
from pipeline.core.changes.model import (
    Changes,
    ComparedImage,
    ExtraHours,
    GroupSize,
    ImageContents,
)
from pipeline.core.deploy.selection.release import image_of
from pipeline.core.deploy.sizes.instance_hours import Groups, extra_hours
from pipeline.core.errors import PipelineError
from pipeline.core.health.observation import ObservedGroup
from pipeline.core.image import Image
from pipeline.core.state.deployment import Deployment, Kind, Policy
from pipeline.core.state.environment import Environment, ReleaseRecord
from pipeline.core.state.release import Size


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """A comparison of releases; `known` are the images of the app as far as they were read.

    `policy` is that of the deployment.
    """

    reader: EnvironmentReader
    policy: Policy
    known: Sequence[Image] = ()

    def of_promotion(
        self,
        document: Environment,
        deployment: Deployment,
        image: Image,
        new: ReleaseRecord,
        whole: Size,
        blue: ObservedGroup | None,
    ) -> Changes:
        """Return what a new release brings; `whole` is its size once it serves alone."""
        after = GroupSize(
            instance_type=whole.instance_type,
            minimum=new.minimum,
            maximum=whole.maximum,
            desired=whole.desired,
        )
        old = document.releases.get(deployment.blue)
        if old is None:
            return compare(None, self._side(image, self._sources([image]), new, after))
        serving = self._image(old.release.ami_id)
        sources = self._sources([serving, image])
        size = size_of(old.release.size.instance_type, blue) if blue else None
        changes = compare(
            self._side(serving, sources, old, size), self._side(image, sources, new, after)
        )
        return replace(changes, extra=self._extra(deployment, old, blue, whole.desired))

    def _extra(
        self, deployment: Deployment, old: ReleaseRecord, blue: ObservedGroup | None, new: int
    ) -> ExtraHours:
        """Return what both groups cost; a release that is rolled back from is not kept warm."""
        policy = self.policy
        if deployment.kind in {Kind.ROLLBACK, Kind.DRILL}:
            policy = replace(policy, keep=0.0)
        groups = Groups(
            old=blue.desired if blue else 0,
            new=new,
            ready=old.ready,
            adopted=old.adopted is not None,
            worker=deployment.worker,
        )
        return extra_hours(policy, groups)

    def _side(
        self,
        image: Image,
        sources: Mapping[str, ComparedImage],
        release: ReleaseRecord,
        size: GroupSize | None,
    ) -> Side:
        source = sources.get(image.source_ami, ComparedImage(id=image.source_ami))
        return Side(
            image=image,
            contents=ImageContents(source=source),
            inputs=release.inputs,
            size=size,
            is_release=True,
        )

    def _image(self, ami_id: str) -> Image:
        settings = self.reader.app.settings
        return image_of(self.known, ami_id, settings.app, settings.region)

    def _sources(self, images: Sequence[Image]) -> Mapping[str, ComparedImage]:
        """Return the source images that EC2 still has, by their ids; none if it does not answer."""
        ids = sorted({each.source_ami for each in images} - {""})
        try:
            return read_compared(self.reader.clients, self.reader.app.settings.region, ids)
        except PipelineError:
            return {}


def size_of(instance_type: str, group: ObservedGroup) -> GroupSize:
    """Return the size of an observed group."""
    return GroupSize(
        instance_type=instance_type,
        minimum=group.minimum,
        maximum=group.maximum,
        desired=group.desired,
    )
