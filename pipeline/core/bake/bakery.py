"""Bake an image: run Packer and return an image that AWS confirms.

    resolve the source -> compute the fingerprint -> reuse an image of that fingerprint
    -> clean up or adopt the images of killed bakes -> inspect and validate the template
    -> record the intent -> build -> verify -> tag -> record

No step before "record the intent" creates anything, so an error there is a refusal.
From then on signals are deferred: Packer ends cleanly, its leftovers are removed, then
the run ends. An image is good only if Packer exited with 0, every build created one,
the manifest agrees, and DescribeImages shows each AMI available, private and owned by this
account.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from pipeline.core.bake.builds import check_builds
from pipeline.core.bake.cleanup import (
    CleanupReport,
    CleanupScope,
    clean_up,
    describe_cleanup,
    only_images,
    was_good,
)
from pipeline.core.bake.failures import (
    build_failure,
    cleanup_failure,
    hidden_image,
    unverified_image,
)
from pipeline.core.bake.inventory import record_contents, why_baked
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
from pipeline.core.bake.plan import BakePlan
from pipeline.core.bake.ports import Baker, Images, Leftovers, Records, Workplace
from pipeline.core.bake.regions import (
    check_architectures,
    check_groups,
    check_regions,
    is_encrypted,
    template_regions,
    used_regions,
)
from pipeline.core.bake.unchanged import unchanged_images
from pipeline.core.bake.variables import accepted, offered, run_tags
from pipeline.core.bake.verification import (
    architecture_problems,
    build_problems,
    by_architecture,
    ids_by_region,
    image_problems,
    made_images,
)
from pipeline.core.errors import ConfigurationError, PipelineError, RefusedError
from pipeline.core.events import Message, Report
from pipeline.core.freshness import Clock, read_until
from pipeline.core.image import (
    ARCHITECTURES_TAG,
    NO_ITEMS,
    STATUS_TAG,
    Image,
    ImageStatus,
)

_Baked = tuple[tuple[Image, ...], BakeOrigin, Path | None]
"""The image of each architecture, their origin, and the log of their build."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Bakery:
    """Bakes images through the ports that it is given.

    `before_build` raises an error if a build must not begin, for example for want of credentials.
    `clock` is the cloud's: a read of AWS may be some seconds old, also during a clean-up.
    """

    baker: Baker
    images: Images
    leftovers: Leftovers
    records: Records
    workplace: Workplace
    clock: Clock
    report: Report
    before_build: Callable[[], None] = lambda: None

    def bake(self, request: BakeRequest) -> BakeResult:
        """Return an image for this request: an existing one if nothing changed.

        Raise an error of `core.errors`, which says what the failed bake left.
        """
        began = self.workplace.clock()
        packer = self.baker.version()
        source = self.images.resolve(request.source, request.region) if request.source else ""
        fingerprint = self.workplace.fingerprint(request, source, packer)
        plan = BakePlan(request=request, source_ami=source, fingerprint=fingerprint)
        unchanged = self._unchanged(plan)
        adopted = self._adopted(plan, beside=unchanged is not None)
        (image, *others), origin, log = unchanged or adopted or self._bake(plan)
        seconds = self.workplace.clock() - began
        return BakeResult(
            image=image, origin=origin, seconds=seconds, log=log, others=tuple(others)
        )

    def _unchanged(self, plan: BakePlan) -> _Baked | None:
        if plan.request.source is None:
            self._report_message(
                "no [bake.source]: baking, because a newer source image cannot be detected"
            )
            return None
        found = () if plan.request.force else unchanged_images(self.images, self.records, plan)
        if not found:
            return None
        ids, were = " and ".join(each.id for each in found), "were" if len(found) > 1 else "was"
        self._report_message(f"nothing changed since {ids} {were} baked")
        return found, BakeOrigin.UNCHANGED, None

    def _adopted(self, plan: BakePlan, *, beside: bool = False) -> _Baked | None:
        """Clean up after killed bakes; return a finished image of theirs that fits the request.

        With `beside` the bake already has an image: a failed clean-up is then only reported.
        """
        wanted: _Baked | None = None
        for image, resources in self.records.unfinished(plan.request.app):
            same = image.fingerprint == plan.fingerprint and not plan.request.force
            with self.workplace.shield():
                known = tuple((image.region, ami) for ami in resources.images)
                cleanup = self._clean_up(
                    plan, image, resources, known=known, ended=image.ids, killed=True
                )
                if cleanup.trouble:
                    if not beside:
                        raise cleanup_failure(image.name, cleanup)
                    trouble = "; ".join(cleanup.trouble)
                    self._report_message(
                        f"could not clean up after the bake {image.name}: {trouble}"
                    )
                elif not cleanup.kept:
                    self.records.write(replace(image, ids={}, status=ImageStatus.GONE))
                    regions = used_regions(plan.request, image, resources)
                    self._report_message(describe_cleanup(image.name, cleanup, regions))
                elif same and wanted is None and not beside and plan.fits(cleanup.kept):
                    wanted = self._adopt(plan, image, cleanup.kept)
                elif all(map(was_good, cleanup.kept.values())):
                    # It was killed between its last tag and its record: the tags are complete.
                    self.records.write(replace(image, ids={}, status=ImageStatus.GONE))
                elif image.status is not ImageStatus.LEFT:
                    self.records.write(image.with_status(ImageStatus.LEFT))
        return wanted

    def _adopt(self, plan: BakePlan, image: Image, observed: Mapping[str, ObservedImage]) -> _Baked:
        current = plan.image_of(observed)
        adopted = replace(
            image,
            name=current.name,
            ids=current.ids,
            created=current.created,
            status=ImageStatus.GOOD,
        )
        self._tag_as_good(plan, image.bake, observed)
        self.records.write(adopted)
        self._report_message(f"adopted {adopted.id}, which an interrupted bake had completed")
        return (adopted,), BakeOrigin.ADOPTED, None

    def _bake(self, plan: BakePlan) -> _Baked:
        self.before_build()
        template = self.baker.inspect(plan.request)
        check_builds(plan.request, template)
        name = self.workplace.name(plan.request)
        offers = offered(plan.request, name, plan.source_ami, plan.tags)
        variables = accepted(plan.request, template, offers)
        if plan.source_ami and "source_ami" not in variables:
            raise ConfigurationError(
                "[bake.source]",
                f"{plan.request.template.name} does not declare the variable source_ami",
                'declare variable "source_ami" and use it in the source block, or remove '
                "[bake.source]",
            )
        check_regions(plan.request, template, variables)
        check_architectures(plan.request, template, variables)
        check_groups(plan.request, template)
        for path in template.unlisted:
            self._report_message(
                f"{plan.request.template.name} uploads {path}, which is no input: a change of it "
                "alone makes no new image; add it to inputs in [bake]"
            )
        self.baker.validate(plan.request, template, variables)
        if why := why_baked(self.images, self.records, plan):
            self._report_message(f"baking: {why}")
        with self.workplace.shield(), self.workplace.claim(name):
            return self._build(plan, name, template, variables)

    def _build(
        self, plan: BakePlan, name: str, template: Template, variables: Mapping[str, object]
    ) -> _Baked:
        intent = plan.image(name, ids={}, created=self.workplace.now(), status=ImageStatus.BAKING)
        named = BuildResources(template_regions=template_regions(plan.request, template, variables))
        self.records.write(intent, named)
        with self.workplace.noting_writes(plan.request):
            built = self.baker.build(
                plan.request,
                name,
                template,
                variables,
                on_resources=lambda made: self.records.write(intent, named.with_more(made)),
            )
        built = replace(built, resources=named.with_more(built.resources))
        if not plan.source_ami:
            plan = replace(plan, source_ami=built.source_ami)
        try:
            built = self._unmasked(plan, intent, built)
            if built.code == 0 and not build_problems(plan.request, built):
                # From here on, a run that is killed leaves a finished image: the next adopts it.
                # Images of several architectures are removed then, and baked again.
                ids = ids_by_region(built)
                single = len(made_images(built)) == len(ids)
                intent = replace(intent, ids=ids if single else NO_ITEMS)
                self.records.write(intent, built.resources)
            encrypted = is_encrypted(plan.request, template, variables)
            images = self._verified(plan, intent, built, encrypted=encrypted)
            for image in images:
                self.records.write(image)
                record_contents(self.images, self.records, self.report, image, built)
            if len(images) > 1:
                self.records.write(replace(intent, ids=NO_ITEMS, status=ImageStatus.GONE))
        except RefusedError as error:
            # "Refused" would mean that nothing was changed, but Packer has created an image.
            raise unverified_image(name, built, error) from error
        return images, BakeOrigin.BAKED, built.log

    def _unmasked(self, plan: BakePlan, intent: Image, built: BuildReport) -> BuildReport:
        """Return the report with the images that EC2 shows, if Packer masked what it made."""
        if not (built.masked and built.code == 0 and build_problems(plan.request, built)):
            return built
        self._report_message(
            "the value of a sensitive variable occurs in the result of Packer, which masks it: "
            "searching for the image by what EC2 shows"
        )
        wanted = plan.request.all_regions
        scope = CleanupScope(
            bake=intent.bake, resources=built.resources, known=(), since=intent.created
        )
        regions = used_regions(plan.request, intent, built.resources)
        ids = only_images(self.images, scope, self.clock, regions, wanted)
        return replace(built, expected=("packer",), images={"packer": ids} if ids else {})

    def _verified(
        self, plan: BakePlan, intent: Image, built: BuildReport, *, encrypted: bool
    ) -> tuple[Image, ...]:
        """Return the image of each architecture that AWS confirms, or clean up and raise."""
        problems = build_problems(plan.request, built)
        seen: list[ObservedImage] = []
        if not problems and built.ending is Ending.EXITED:
            for region, ami in made_images(built):
                image = self._baked(region, ami)
                problems += image_problems({region: ami}, {region: image}, encrypted=encrypted)
                seen += [image] if image else []
            problems = problems or architecture_problems(plan.request, built, seen)
        if problems or built.ending is not Ending.EXITED:
            raise self._failure(plan, intent, built, problems)
        found = by_architecture(seen)
        if len(found) == 1:
            self._tag_as_good(plan, intent.bake, next(iter(found.values())))
            return tuple(
                replace(plan.image_of(there), bake=intent.bake) for there in found.values()
            )
        return tuple(self._one_of_several(plan, intent.bake, found))

    def _one_of_several(
        self, plan: BakePlan, bake: str, found: Mapping[str, Mapping[str, ObservedImage]]
    ) -> Iterator[Image]:
        """Tag and yield the image of each architecture; each has a record of its own."""
        several = " ".join(sorted(found))
        for name, there in found.items():
            self._tag_as_good(plan, bake, there, {ARCHITECTURES_TAG: several})
            made = plan.image_of(there)
            yield replace(made, bake=f"{bake}-{name}", architectures=several)

    def _baked(self, region: str, image_id: str) -> ObservedImage | None:
        """Return an image that Packer found available a moment ago.

        AWS may not list it yet, or show an earlier state of it.
        """
        return read_until(
            lambda: self.images.find(region, image_id),
            lambda image: image is not None and image.state != "pending",
            self.clock,
        )

    def _tag_as_good(
        self,
        plan: BakePlan,
        bake: str,
        observed: Mapping[str, ObservedImage],
        more: Mapping[str, str] = NO_ITEMS,
    ) -> None:
        """Replace the tags of the build; add those that the template did not set, and `good`."""
        temporary = run_tags(plan.request, bake).items() - plan.tags.items()
        for image in observed.values():
            of_build = dict(temporary & image.tags.items())
            if of_build:
                self._untag(image, of_build)
            own = {key: value for key, value in image.tags.items() if key not in of_build}
            tags = {"Name": image.name, **own, **plan.tags, **more, STATUS_TAG: ImageStatus.GOOD}
            missing = {key: value for key, value in tags.items() if own.get(key) != value}
            self.images.tag(image, missing)

    def _untag(self, image: ObservedImage, tags: Mapping[str, str]) -> None:
        """Remove the tags that newer Amazon plugins copy from the instance.

        They do no harm, so a missing permission does not cost the image.
        """
        try:
            self.images.untag(image, tags)
        except RefusedError as error:
            self._report_message(
                f"{image.id} in {image.region} and its snapshots keep tags of the build: "
                f"{error.what}; {error.remedy}"
            )

    def _failure(
        self,
        plan: BakePlan,
        intent: Image,
        built: BuildReport,
        problems: tuple[str, ...],
    ) -> PipelineError:
        cancelled = built.ending is not Ending.EXITED
        known = [pair for images in built.images.values() for pair in images.items()]
        known += [(plan.request.region, ami) for ami in built.resources.images]
        known += (built.manifest or {}).items()
        cleanup = CleanupReport()
        cut_off = cancelled or built.code < 0
        if cut_off or built.resources.any_made or known or built.masked:
            cleanup = self._clean_up(
                plan,
                intent,
                built.resources,
                known=tuple(known),
                ended=intent.ids if cancelled else NO_ITEMS,
                killed=built.code < 0,
            )
        if built.masked and built.code == 0 and not (cleanup.removed or cleanup.kept):
            cleanup.trouble.append(hidden_image(built))
        left = ImageStatus.LEFT if cleanup.kept or cleanup.trouble else ImageStatus.GONE
        ids = intent.ids if cleanup.kept else NO_ITEMS
        self.records.write(replace(intent, ids=ids, status=left), built.resources)
        if cleanup.trouble:
            return cleanup_failure(intent.name, cleanup)
        return build_failure(plan.request, built, problems, cleanup)

    def _clean_up(
        self,
        plan: BakePlan,
        intent: Image,
        resources: BuildResources,
        *,
        known: tuple[tuple[str, str], ...],
        ended: Mapping[str, str],
        killed: bool,
    ) -> CleanupReport:
        """Clean up every region that the bake may have used, its own and the plan's.

        The configuration may have changed since, and a template may copy to regions of its own.
        """
        used = tuple(region for region, _ in known)
        return clean_up(
            self.images,
            self.leftovers,
            CleanupScope(
                bake=intent.bake,
                resources=resources,
                known=known,
                since=intent.created,
                ended=ended,
                killed=killed,
            ),
            self.clock,
            regions=used_regions(plan.request, intent, resources, used),
        )

    def _report_message(self, text: str) -> None:
        self.report(Message(text=text))
