"""Find out what a release brings compared with the serving one, before its deployment begins.

What cannot be read is unknown, with the reason: it never refuses a deployment.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from pipeline.adapters.aws.client import Clients
from pipeline.adapters.aws.images import Ec2Images
from pipeline.adapters.ci.git import read_commits
from pipeline.app.application import Application
from pipeline.app.baked_images import records
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
class ImageReader:
    """A reader of what images have, in the store and in EC2."""

    app: Application
    clients: Clients

    def compare(self, before: Side | None, after: Side) -> Changes:
        """Return what differs between two sides, whose contents are read, and their commits."""
        described = self._sources([each.image for each in (before, after) if each])
        changes = compare(
            self._with_contents(before, described) if before else None,
            self._with_contents(after, described),
        )
        commits = read_commits(self.app.settings.root, self.app.environ, changes.commits)
        return replace(changes, commits=commits)

    def _with_contents(self, side: Side, described: Mapping[str, ComparedImage]) -> Side:
        contents, source = self._contents(side.image), side.image.source_ami
        recorded = contents.source if contents.source.id else ComparedImage(id=source)
        return replace(side, contents=replace(contents, source=described.get(source, recorded)))

    def _contents(self, image: Image) -> ImageContents:
        try:
            return records(self.app, self.clients, timedelta()).contents(image)
        except PipelineError as error:
            return ImageContents(unknown=f"{error.where}: {error.what}")

    def _sources(self, images: Sequence[Image]) -> Mapping[str, ComparedImage]:
        """Return the source images that EC2 still has, by their ids; none if it does not answer."""
        ids = sorted({each.source_ami for each in images} - {""})
        try:
            return Ec2Images(self.clients).compared(self.app.settings.region, ids)
        except PipelineError:
            return {}


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
        size = GroupSize(
            instance_type=whole.instance_type,
            minimum=new.minimum,
            maximum=whole.maximum,
            desired=whole.desired,
        )
        after = Side(image=image, inputs=new.inputs, size=size, is_release=True)
        images = ImageReader(app=self.reader.app, clients=self.reader.clients)
        old = document.releases.get(deployment.blue)
        if old is None:
            return images.compare(None, after)
        changes = images.compare(self._serving(old, blue), after)
        return replace(changes, extra=self._extra(deployment, old, blue, whole.desired))

    def _serving(self, old: ReleaseRecord, blue: ObservedGroup | None) -> Side:
        settings = self.reader.app.settings
        return Side(
            image=image_of(self.known, old.release.ami_id, settings.app, settings.region),
            inputs=old.inputs,
            size=size_of(old.release.size.instance_type, blue) if blue else None,
            is_release=True,
        )

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


def size_of(instance_type: str, group: ObservedGroup) -> GroupSize:
    """Return the size of an observed group."""
    return GroupSize(
        instance_type=instance_type,
        minimum=group.minimum,
        maximum=group.maximum,
        desired=group.desired,
    )
