"""Prune: remove the images that nothing uses any more, with their copies and snapshots."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import cached_property

from pipeline.adapters.aws.client import Clients
from pipeline.adapters.aws.images import Ec2Images
from pipeline.adapters.aws.inventory.reader import ImageInventory
from pipeline.adapters.clock import DeferringClock, speed_of
from pipeline.adapters.store.base import Store
from pipeline.adapters.store.records.environments import Environments
from pipeline.adapters.store.records.image_records import ImageRecords
from pipeline.app.application import Application
from pipeline.app.baked_images import records
from pipeline.core.bake.model import ObservedImage
from pipeline.core.errors import PipelineError
from pipeline.core.events import Message
from pipeline.core.freshness import read_until
from pipeline.core.image import Image
from pipeline.core.pruning import Decision, Inventory, PrunePlan, PruneReport, prune_plan
from pipeline.core.state.environment import Environment


def plan_prune(app: Application) -> PrunePlan:
    """Return what a prune would remove, and why everything else stays; changes nothing.

    Raises RefusedError if anything that decides cannot be read.
    """
    app.require_lasting_state()
    return _Pruner(app=app).plan()


def prune(app: Application, agreed: PrunePlan) -> PruneReport:
    """Remove what a plan removes and what a new read still shows as unused.

    Minutes may have passed since the plan: what is used by now stays.
    """
    pruner = _Pruner(app=app)
    plan = pruner.plan().within(agreed)
    for each in plan.removed:
        pruner.remove(each)
    for snapshot in plan.snapshots:
        pruner.remove_snapshots(snapshot.region, (snapshot.id,))
    return replace(pruner.report, plan=plan)


@dataclass(kw_only=True)
class _Pruner:
    app: Application
    report: PruneReport = field(default_factory=PruneReport)

    @cached_property
    def clients(self) -> Clients:
        return Clients(self.app.settings.region)

    @cached_property
    def store(self) -> Store:
        return self.app.store(self.clients)

    @cached_property
    def records(self) -> ImageRecords:
        return records(self.app, self.clients, timedelta())

    @cached_property
    def inventory(self) -> ImageInventory:
        return ImageInventory(self.clients)

    def plan(self) -> PrunePlan:
        """Return the plan; who an image is shared with is asked only if nothing else keeps it."""
        settings = self.app.settings
        regions = dict.fromkeys((settings.region, *settings.bake.regions))
        plan = prune_plan(
            Inventory(
                app=settings.app,
                keep=settings.bake.keep,
                now=self.store.now(),
                records=self.records.all(settings.app),
                documents=self._documents(),
                regions={each: self.inventory.read(each, settings.app) for each in regions},
            )
        )
        shared = {each.image.name: tuple(self._shared(each)) for each in plan.removed}
        return plan.with_reasons(shared)

    def remove(self, decision: Decision) -> None:
        """Remove an image's copies and then itself; its record goes last, once all are gone."""
        gone = [self._remove(each) for each in reversed(decision.copies)]
        if all(gone):
            self._forget(decision.image)

    def remove_snapshots(self, region: str, snapshots: tuple[str, ...]) -> None:
        """Delete snapshots; one that an image uses stays."""
        for each in snapshots:
            try:
                gone = self.inventory.delete_snapshot(region, each)
            except PipelineError as error:
                self.report.failed(error)
                continue
            kept = self.report.snapshots if gone else self.report.left
            kept.append(each if gone else f"{each} in {region}: another image uses it")

    def _documents(self) -> tuple[Environment, ...]:
        settings, documents = self.app.settings, Environments(self.store)
        keys = self.store.keys("environments/", deep=False)
        names = (key.removeprefix("environments/").removesuffix(".json") for key in keys)
        return tuple(documents.read(settings.app, each, "", settings.region) for each in names)

    def _shared(self, decision: Decision) -> list[str]:
        found = ((each.region, self.inventory.sharers(each)) for each in decision.copies)
        return [f"shared with {', '.join(names)} in {region}" for region, names in found if names]

    def _remove(self, image: ObservedImage) -> bool:
        """Deregister one image and delete its snapshots; return True if it is gone.

        Its snapshots stay if the Recycle Bin keeps it: without them it cannot be restored.
        """
        try:
            Ec2Images(self.clients).deregister(image)
            self._await_gone(image)
            binned = {each.id: each for each in self.inventory.binned(image.region)}
        except PipelineError as error:
            self.report.failed(error)
            return False
        self.report.images.append(image.id)
        self.app.report(Message(text=f"removed {image.id} in {image.region}"))
        if kept := binned.get(image.id):
            self.report.left.append(
                f"{image.id} in {image.region}: in the Recycle Bin until {kept.until}, "
                f"with {', '.join(image.snapshots) or 'no snapshots'}"
            )
        else:
            self.remove_snapshots(image.region, image.snapshots)
        return True

    def _await_gone(self, image: ObservedImage) -> None:
        """Wait until DescribeImages no longer lists the image, so that the next plan is right."""
        images, clock = Ec2Images(self.clients), DeferringClock(speed_of(self.app.environ))
        read_until(lambda: images.find(image.region, image.id), lambda seen: seen is None, clock)

    def _forget(self, image: Image) -> None:
        try:
            self.records.forget(image)
        except PipelineError as error:
            self.report.failed(error)
