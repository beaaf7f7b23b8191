"""The bake: from what was asked for to an image that AWS itself confirms.

    resolve the source -> fingerprint -> an image that has it already?
    -> what earlier, killed bakes left: remove or adopt -> done, or inspect, validate
    -> record the intent -> build -> judge -> tag -> record

Nothing before "record the intent" makes anything, so a fault there is a refusal.
From there on signals are held back: Packer is ended properly, what it left is
found and removed, and only then the run ends. An image counts only if Packer
ended with 0, every build that should made one, the manifest agrees, and
DescribeImages shows each AMI available, private, ours and of the right name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from pipeline.core.bake.cleanup import CleanupReport, CleanupScope, is_rejected, sweep, was_good
from pipeline.core.bake.failures import stranded, told, unjudged
from pipeline.core.bake.model import (
    BakeOrigin,
    BakeRequest,
    BakeResult,
    BuildReport,
    BuildResources,
    Ending,
    ObservedImage,
    Template,
)
from pipeline.core.bake.ports import Baker, Images, Leftovers, Records, Workplace
from pipeline.core.bake.variables import accepted, image_tags, offered
from pipeline.core.bake.verification import (
    complaints_of_build,
    complaints_of_images,
    finished,
    ids_by_region,
)
from pipeline.core.errors import ConfigurationError, PipelineError, RefusedError
from pipeline.core.events import Message, Report
from pipeline.core.image import FINGERPRINT_TAG, STATUS_TAG, TAG_PREFIX, Image, ImageStatus

_Made = tuple[Image, BakeOrigin, Path | None]
"""An image, why it is the answer, and the log of the build that made it."""


@dataclass(frozen=True, kw_only=True)
class BakePlan:
    """A request with what was found out about it."""

    request: BakeRequest
    source_ami: str
    fingerprint: str

    @property
    def tags(self) -> dict[str, str]:
        """The tags of the image, without its verdict."""
        return image_tags(self.request, self.source_ami, self.fingerprint)

    def image(
        self, name: str, *, ids: Mapping[str, str], created: str, verdict: ImageStatus
    ) -> Image:
        """Return the image as it is recorded."""
        request = self.request
        return Image(
            app=request.app,
            version=request.version,
            environment=request.environment,
            name=name,
            bake=name,
            region=request.region,
            ids=dict(ids),
            source_ami=self.source_ami,
            fingerprint=self.fingerprint,
            created=created,
            commit=request.commit.id,
            dirty=request.commit.dirty,
            baked_by=request.baked_by,
            verdict=verdict,
            tags=request.tags,
        )


@dataclass(frozen=True, kw_only=True)
class Bakery:
    """The outside world a bake needs."""

    baker: Baker
    images: Images
    leftovers: Leftovers
    records: Records
    workplace: Workplace
    report: Report

    def bake(self, request: BakeRequest) -> BakeResult:
        """Return an image for this request, one that is there already where nothing changed.

        Raises the errors of `core.errors`; what each means for the world stands there.
        """
        began = self.workplace.clock()
        packer = self.baker.version()
        source = self.images.resolve(request.source, request.region) if request.source else ""
        fingerprint = self.workplace.fingerprint(request, source, packer)
        plan = BakePlan(request=request, source_ami=source, fingerprint=fingerprint)
        unchanged = self._unchanged(plan)
        adopted = self._adopted(plan, beside=unchanged is not None)
        image, how, log = unchanged or adopted or self._baked(plan)
        seconds = self.workplace.clock() - began
        return BakeResult(image=image, how=how, seconds=seconds, log=log)

    def _unchanged(self, plan: BakePlan) -> _Made | None:
        """Return the newest good image of this fingerprint that is whole in every region."""
        request = plan.request
        if request.source is None:
            self._note("no [bake.source]: a newer source image cannot be noticed, so a bake it is")
            return None
        if request.force:
            return None
        wanted = {FINGERPRINT_TAG: plan.fingerprint, STATUS_TAG: ImageStatus.GOOD}
        for candidate in self.images.owned(request.region, wanted):
            seen = self._everywhere(request, candidate)
            if finished(seen):
                self._note(f"nothing changed since {candidate.id} was baked")
                return _as_tagged(self._as_image(plan, seen), candidate), BakeOrigin.UNCHANGED, None
        return None

    def _everywhere(
        self, request: BakeRequest, image: ObservedImage
    ) -> dict[str, ObservedImage | None]:
        copies = {
            region: next(iter(self.images.named(region, image.name)), None)
            for region in request.all_regions[1:]
        }
        return {request.region: image, **copies}

    def _as_image(self, plan: BakePlan, seen: Mapping[str, ObservedImage | None]) -> Image:
        there = {region: image for region, image in seen.items() if image is not None}
        home = there[plan.request.region]
        ids = {region: image.id for region, image in there.items()}
        return plan.image(home.name, ids=ids, created=home.created, verdict=ImageStatus.GOOD)

    def _adopted(self, plan: BakePlan, *, beside: bool = False) -> _Made | None:
        """Deal with what killed bakes left; return an image of theirs if it is what is asked.

        With `beside` there is an answer already: what cannot be removed is only told then.
        """
        wanted: _Made | None = None
        for image, traces in self.records.unfinished(plan.request.app):
            same = image.fingerprint == plan.fingerprint and not plan.request.force
            with self.workplace.shield():
                known = tuple((image.region, ami) for ami in traces.images)
                swept = self._sweep(
                    plan, image, image.name, traces, known=known, keep_finished=True
                )
                if swept.trouble:
                    if not beside:
                        raise stranded(image.name, swept)
                    self._note(f"what the bake of {image.name} left: {'; '.join(swept.trouble)}")
                elif not swept.kept:
                    self.records.write(image.with_verdict(ImageStatus.GONE))
                    self._note(f"cleaned up after the bake of {image.name} that was cut off")
                elif same and wanted is None and not beside and _adoptable(plan, swept.kept):
                    wanted = self._adopt(plan, image, swept.kept)
                elif was_good(swept.kept[image.region]):
                    # Killed between the last tag and the record: AWS knows all of it.
                    self.records.write(image.with_verdict(ImageStatus.GONE))
                elif image.verdict is not ImageStatus.LEFT:
                    self.records.write(image.with_verdict(ImageStatus.LEFT))
        return wanted

    def _adopt(self, plan: BakePlan, image: Image, seen: Mapping[str, ObservedImage]) -> _Made:
        now = self._as_image(plan, seen)
        adopted = replace(
            image, name=now.name, ids=now.ids, created=now.created, verdict=ImageStatus.GOOD
        )
        self._bless(plan, seen)
        self.records.write(adopted)
        self._note(f"took over {adopted.id}, which an interrupted bake left complete")
        return adopted, BakeOrigin.ADOPTED, None

    def _baked(self, plan: BakePlan) -> _Made:
        template = self.baker.inspect(plan.request)
        if plan.source_ami and "source_ami" not in template.variables:
            raise ConfigurationError(
                "[bake.source]",
                f"{plan.request.template.name} declares no variable source_ami to take it",
                'declare variable "source_ami" and use it in the source block, or remove '
                "[bake.source]",
            )
        name = self.workplace.name(plan.request)
        offers = offered(plan.request, name, plan.source_ami, plan.tags)
        variables = accepted(plan.request, template, offers)
        self.baker.validate(plan.request, variables)
        with self.workplace.shield(), self.workplace.claim(name):
            return self._build(plan, name, template, variables)

    def _build(
        self, plan: BakePlan, name: str, template: Template, variables: Mapping[str, object]
    ) -> _Made:
        intent = plan.image(name, ids={}, created=self.workplace.now(), verdict=ImageStatus.BAKING)
        self.records.write(intent)
        built = self.baker.build(
            plan.request,
            name,
            template,
            variables,
            traced=lambda traces: self.records.write(intent, traces),
        )
        if not plan.source_ami:
            plan = replace(plan, source_ami=built.source_ami)
        named = name if "ami_name" in template.variables else ""
        try:
            image = self._judged(plan, intent, named, built)
            self.records.write(image)
        except RefusedError as error:
            # Refused means that nothing was touched, and Packer has run.
            raise unjudged(name, built, error) from error
        return image, BakeOrigin.BAKED, built.log

    def _judged(self, plan: BakePlan, intent: Image, name: str, built: BuildReport) -> Image:
        """Return the image as AWS confirms it, or clean up and raise."""
        complaints = complaints_of_build(plan.request, built)
        seen: dict[str, ObservedImage | None] = {}
        if not complaints and built.ending is Ending.EXITED:
            ids = ids_by_region(built)
            seen = {region: self.images.seen(region, ami) for region, ami in ids.items()}
            complaints = complaints_of_images(ids, seen, name)
        if complaints or built.ending is not Ending.EXITED:
            raise self._failure(plan, intent, name, built, complaints)
        there = {region: image for region, image in seen.items() if image is not None}
        self._bless(plan, there)
        return replace(self._as_image(plan, there), bake=intent.bake)

    def _bless(self, plan: BakePlan, seen: Mapping[str, ObservedImage]) -> None:
        """Tag the image: what the template did not, and that it was verified."""
        for image in seen.values():
            tags = {"Name": image.name, **image.tags, **plan.tags, STATUS_TAG: ImageStatus.GOOD}
            missing = {key: value for key, value in tags.items() if image.tags.get(key) != value}
            self.images.tag(image, missing)

    def _failure(
        self,
        plan: BakePlan,
        intent: Image,
        name: str,
        built: BuildReport,
        complaints: tuple[str, ...],
    ) -> PipelineError:
        cancelled = built.ending is not Ending.EXITED
        known = [pair for images in built.images.values() for pair in images.items()]
        known += [(plan.request.region, ami) for ami in built.traces.images]
        known += (built.manifest or {}).items()
        swept = CleanupReport()
        cut_off = cancelled or built.code < 0
        if cut_off or built.traces != BuildResources() or known:
            swept = self._sweep(
                plan, intent, name, built.traces, known=tuple(known), keep_finished=cancelled
            )
        left = ImageStatus.LEFT if swept.kept or swept.trouble else ImageStatus.GONE
        self.records.write(intent.with_verdict(left), built.traces)
        if swept.trouble:
            return stranded(intent.name, swept)
        return told(built, complaints, swept)

    def _sweep(
        self,
        plan: BakePlan,
        intent: Image,
        name: str,
        traces: BuildResources,
        *,
        known: tuple[tuple[str, str], ...],
        keep_finished: bool,
    ) -> CleanupReport:
        """Sweep the region that bake built in, which may no longer be configured, and ours."""
        return sweep(
            self.images,
            self.leftovers,
            CleanupScope(
                bake=intent.bake, name=name, traces=traces, known=known, since=intent.created
            ),
            regions=tuple(dict.fromkeys([intent.region, *plan.request.all_regions])),
            keep_finished=keep_finished,
        )

    def _note(self, text: str) -> None:
        self.report(Message(text=text))


def _adoptable(plan: BakePlan, seen: Mapping[str, ObservedImage]) -> bool:
    return plan.request.source is not None and not any(map(is_rejected, seen.values()))


def _as_tagged(image: Image, seen: ObservedImage) -> Image:
    """Return the image with the facts of the run that baked it, which is not this one."""
    facts = {key: seen.tags.get(TAG_PREFIX + key, "") for key in ("commit", "dirty", "baked-by")}
    return replace(
        image,
        commit=facts["commit"],
        dirty=facts["dirty"] == "true",
        baked_by=facts["baked-by"],
    )
