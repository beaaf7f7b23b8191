"""The outside world of a bake, in memory; each fake fulfils its protocol of `core.ports`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pipeline.core.bake.bakery import Bakery
from pipeline.core.bake.model import (
    BakeRequest,
    BuildReport,
    BuildResources,
    Ending,
    ObservedImage,
    Removal,
    Source,
    Template,
)
from pipeline.core.bake.ports import Baker, Images, Leftovers, Records, Workplace
from pipeline.core.changes.model import ComparedImage, ImageContents
from pipeline.core.errors import RefusedError
from pipeline.core.events import Event, Message
from pipeline.core.image import BAKE_TAG, Image, ImageStatus

HOME = "eu-central-1"
AWAY = "us-east-1"
NAME = "web-1.2.3-20260101T000000Z-abcdef"
SOURCE = "ami-50000000"
NOW = "2026-01-01T00:00:00Z"
LATER = "2026-01-01T00:05:00.000Z"
FINGERPRINT = "f" * 64
VARIABLES = frozenset({"app", "version", "ami_name", "region", "source_ami", "tags"})
TEMPLATE = Template(old_style=False, variables=VARIABLES, builds={"amazon-ebs.app": "amazon-ebs"})
RESOURCES = BuildResources(
    key_pairs=("packer_key",),
    security_groups=("packer_group",),
    instances=("i-1",),
)


def a_request(**changes: Any) -> BakeRequest:
    """Return what `ami-pipeline bake` asks for in these tests."""
    asked = BakeRequest(
        app="web",
        version="1.2.3",
        region=HOME,
        template=Path("/repository/packer/app.pkr.hcl"),
        directory=Path("/repository"),
        source=Source(owner="amazon", name="al2023-*"),
    )
    return replace(asked, **changes)


def a_report(**changes: Any) -> BuildReport:
    """Return what a good build of the template reports."""
    good = BuildReport(
        ending=Ending.EXITED,
        code=0,
        expected=("amazon-ebs.app",),
        images={"amazon-ebs.app": {HOME: "ami-1"}},
        manifest=None,
        failures={},
        last_lines=(),
        resources=replace(RESOURCES, images=("ami-1",)),
        source_ami=SOURCE,
        log=Path("/repository/.ami-pipeline/logs/x.log"),
    )
    return replace(good, **changes)


def a_seen(image_id: str = "ami-1", **changes: Any) -> ObservedImage:
    """Return an AMI as DescribeImages shows a good one."""
    good = ObservedImage(
        id=image_id,
        region=HOME,
        name=NAME,
        state="available",
        public=False,
        created=LATER,
        tags={},
    )
    return replace(good, **changes)


def an_image(**changes: Any) -> Image:
    """Return the record of a bake that was cut off."""
    begun = Image(
        app="web",
        version="1.2.3",
        name="web-earlier",
        bake="web-earlier",
        region=HOME,
        ids={},
        source_ami=SOURCE,
        fingerprint=FINGERPRINT,
        created=NOW,
        status=ImageStatus.BAKING,
    )
    return replace(begun, **changes)


@dataclass
class FakeBaker:
    """A Packer that reports what the test says, and makes the images it says."""

    images: FakeImages
    report: BuildReport = field(default_factory=a_report)
    makes: Sequence[ObservedImage] = field(default_factory=lambda: (a_seen(),))
    template: Template = TEMPLATE
    refuses: Exception | None = None
    builds: list[dict[str, Any]] = field(default_factory=list)

    def version(self) -> str:
        return "1.6.6"

    def inspect(self, request: BakeRequest) -> Template:
        assert request.template.name
        return self.template

    def validate(
        self, request: BakeRequest, template: Template, variables: Mapping[str, Any]
    ) -> None:
        assert template == self.template, (request, variables)
        if self.refuses:
            raise self.refuses

    def build(
        self,
        request: BakeRequest,
        name: str,
        template: Template,
        variables: Mapping[str, Any],
        *,
        on_resources: Callable[[BuildResources], None],
    ) -> BuildReport:
        assert template == self.template, request
        self.builds.append({"name": name, "variables": dict(variables)})
        if self.report.resources != BuildResources():
            on_resources(self.report.resources)
        for image in self.makes:
            self.images.there[image.region, image.id] = image
        return self.report


@dataclass
class FakeImages:
    """AMIs by region and id; `resists` makes every call for that id or region fail.

    `made_by` has the images of an instance, `copied` the copies of an image.
    """

    there: dict[tuple[str, str], ObservedImage] = field(default_factory=dict)
    source: str = SOURCE
    resists: set[str] = field(default_factory=set)
    removed: list[str] = field(default_factory=list)
    snapshots: tuple[str, ...] = ()
    snapshots_in_use: tuple[str, ...] = ()
    made_by: dict[str, tuple[str, ...]] = field(default_factory=dict)
    copied: dict[str, tuple[str, ...]] = field(default_factory=dict)
    created: dict[str, str] = field(default_factory=dict)

    def resolve(self, source: Source, region: str) -> str:
        self._touch("resolve", region)
        return source.id or self.source

    def owned(self, region: str, tags: Mapping[str, str]) -> tuple[ObservedImage, ...]:
        self._touch(region)
        fitting = (image for image in self._in(region) if tags.items() <= dict(image.tags).items())
        return tuple(sorted(fitting, key=lambda image: image.created, reverse=True))

    def named(self, region: str, name: str) -> tuple[ObservedImage, ...]:
        self._touch(region)
        return tuple(image for image in self._in(region) if image.name == name)

    def of_bake(
        self, region: str, bake: str, instances: Sequence[str]
    ) -> tuple[ObservedImage, ...]:
        self._touch(region)
        made = {image for instance in instances for image in self.made_by.get(instance, ())}
        return tuple(
            image
            for image in self._in(region)
            if image.name.find(bake) >= 0 or image.tags.get(BAKE_TAG) == bake or image.id in made
        )

    def copies(self, region: str, image_ids: Sequence[str]) -> tuple[ObservedImage, ...]:
        self._touch(region)
        copied = {copy for source in image_ids for copy in self.copied.get(source, ())}
        return tuple(image for image in self._in(region) if image.id in copied)

    def find(self, region: str, image_id: str) -> ObservedImage | None:
        self._touch(region, "find")
        return self.there.get((region, image_id))

    def compared(self, region: str, ids: Sequence[str]) -> dict[str, ComparedImage]:
        self._touch("compared", region)
        return {
            each: ComparedImage(id=each, name=f"name of {each}", created=self.created.get(each, ""))
            for each in ids
        }

    def tag(self, image: ObservedImage, tags: Mapping[str, str]) -> None:
        self._touch("tag")
        there = self.there[image.region, image.id]
        self.there[image.region, image.id] = replace(there, tags={**there.tags, **tags})

    def untag(self, image: ObservedImage, tags: Mapping[str, str]) -> None:
        self._touch("untag")
        kept = {key: value for key, value in image.tags.items() if tags.get(key) != value}
        self.there[image.region, image.id] = replace(image, tags=kept)

    def remove(self, image: ObservedImage) -> None:
        self._touch(image.id)
        del self.there[image.region, image.id]
        self.removed.append(image.id)

    def remove_snapshots(self, region: str, resources: BuildResources, since: str) -> Removal:
        self._touch(region)
        assert since, "the time of the bake"
        return Removal(
            gone=self.snapshots if resources.instances else (), left=self.snapshots_in_use
        )

    def _in(self, region: str) -> list[ObservedImage]:
        return [image for (where, _), image in self.there.items() if where == region]

    def _touch(self, *names: str) -> None:
        for name in names:
            if name in self.resists:
                raise RefusedError(f"asking for {name}", "UnauthorizedOperation", "allow it")


@dataclass
class FakeLeftovers:
    """Remembers what it was asked to remove; `resists` makes it fail."""

    asked: list[tuple[str, BuildResources, str]] = field(default_factory=list)
    removes: tuple[str, ...] = ()
    leaves: tuple[str, ...] = ()
    resists: bool = False

    def remove(self, region: str, resources: BuildResources, bake: str, since: str) -> Removal:
        assert since, "the time of the bake"
        self.asked.append((region, resources, bake))
        if self.resists:
            raise RefusedError("removing what the bake left", "DependencyViolation", "wait")
        return Removal(gone=self.removes, left=self.leaves)


@dataclass
class FakeRecords:
    """Records by the name of their bake, with every status each of them had."""

    earlier: list[tuple[Image, BuildResources]] = field(default_factory=list)
    written: dict[str, Image] = field(default_factory=dict)
    resources: dict[str, BuildResources] = field(default_factory=dict)
    statuses: dict[str, list[str]] = field(default_factory=dict)
    refuses_status: str = ""
    contents: dict[str, ImageContents] = field(default_factory=dict)

    def write_contents(self, image: Image, contents: ImageContents) -> None:
        self.contents[image.bake] = contents

    def write(self, image: Image, resources: BuildResources | None = None) -> None:
        if image.status == self.refuses_status:
            raise RefusedError("[state] images", "No space left on device", "free space")
        self.written[image.bake] = image
        self.resources[image.bake] = resources or BuildResources()
        self.statuses.setdefault(image.bake, []).append(str(image.status))

    def killed(self) -> None:
        """Let the bake that is recorded as running be one that runs no more."""
        names = [name for name, image in self.written.items() if image.status is ImageStatus.BAKING]
        self.earlier = [(self.written[name], self.resources[name]) for name in names]

    def all(self, app: str) -> Sequence[Image]:
        return [image for image in self.written.values() if image.app == app]

    def unfinished(self, app: str) -> Sequence[tuple[Image, BuildResources]]:
        return [pair for pair in self.earlier if pair[0].app == app]


@dataclass
class FakeWorkplace:
    """A machine whose clock ticks once a look and whose signals are counted by the test."""

    seconds: float = 0.0
    shields: int = 0
    claimed: list[str] = field(default_factory=list)
    noted: list[BakeRequest] = field(default_factory=list)

    def fingerprint(self, request: BakeRequest, source_ami: str, packer: str) -> str:
        assert request.app, (source_ami, packer)
        return FINGERPRINT

    def name(self, request: BakeRequest) -> str:
        assert request.app == "web"
        return NAME

    def now(self) -> str:
        return NOW

    def clock(self) -> float:
        self.seconds += 1.0
        return self.seconds

    def shield(self) -> AbstractContextManager[None]:
        return self._shield()

    @contextmanager
    def noting_writes(self, request: BakeRequest) -> Iterator[None]:
        self.noted.append(request)
        yield

    @contextmanager
    def claim(self, bake: str) -> Iterator[None]:
        self.claimed.append(bake)
        yield

    @contextmanager
    def _shield(self) -> Iterator[None]:
        self.shields += 1
        yield


@dataclass
class FakeSeconds:
    """A clock that only moves in a sleep."""

    time: float = 0.0

    def now(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.time += seconds


@dataclass
class World:
    """A bakery over fakes, with everything it reported."""

    images: FakeImages = field(default_factory=FakeImages)
    leftovers: FakeLeftovers = field(default_factory=FakeLeftovers)
    records: FakeRecords = field(default_factory=FakeRecords)
    workplace: FakeWorkplace = field(default_factory=FakeWorkplace)
    events: list[Event] = field(default_factory=list)
    clock: FakeSeconds = field(default_factory=FakeSeconds)
    baker: FakeBaker = field(init=False)

    def __post_init__(self) -> None:
        self.baker = FakeBaker(images=self.images)

    @property
    def bakery(self) -> Bakery:
        """Return the bakery; mypy holds each fake to its protocol here."""
        baker: Baker = self.baker
        images: Images = self.images
        leftovers: Leftovers = self.leftovers
        records: Records = self.records
        workplace: Workplace = self.workplace
        return Bakery(
            baker=baker,
            images=images,
            leftovers=leftovers,
            records=records,
            workplace=workplace,
            clock=self.clock,
            report=self.events.append,
        )

    @property
    def notes(self) -> list[str]:
        """Return what was noted."""
        return [event.text for event in self.events if isinstance(event, Message)]

    def untouched(self) -> bool:
        """Whether nothing was built, recorded, tagged or removed."""
        return not (self.baker.builds or self.records.written or self.images.removed)
