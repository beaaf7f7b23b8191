"""Verify a build and its images; each function is pure and returns a list of problems.

Packer's exit code alone is not enough. Packer exits with 0 if `-only` matches
no build, if a post-processor deregistered the image, or if 1.6.6's
`skip_save_build_region` leaves out a region.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from pipeline.core.bake.model import BakeRequest, BuildReport, Ending, ObservedImage
from pipeline.core.times import format_duration


def build_problems(request: BakeRequest, built: BuildReport) -> tuple[str, ...]:
    """Return the problems of a build by Packer's report; empty if there are none."""
    return tuple(_build_problems(request, built))


def image_problems(
    ids: Mapping[str, str],
    observed: Mapping[str, ObservedImage | None],
    *,
    encrypted: bool = False,
) -> tuple[str, ...]:
    """Return the problems of the images in AWS.

    An image may have any name, because a template may use `ami_name` as a part of it: the id in
    Packer's artifact proves which image the build made.
    """
    return tuple(
        problem
        for region, image_id in ids.items()
        for problem in _image_problems(region, image_id, observed.get(region), encrypted)
    )


def ids_by_region(built: BuildReport) -> dict[str, str]:
    """Return the AMI of each region, of all builds."""
    return {region: ami for images in built.images.values() for region, ami in images.items()}


def made_images(built: BuildReport) -> tuple[tuple[str, str], ...]:
    """Return each region with an AMI that a build made there, without duplicates."""
    pairs = (pair for images in built.images.values() for pair in images.items())
    return tuple(dict.fromkeys(pairs))


def by_architecture(seen: Iterable[ObservedImage]) -> dict[str, dict[str, ObservedImage]]:
    """Return the images by architecture and region, the architecture that sorts last first."""
    found: dict[str, dict[str, ObservedImage]] = {}
    for image in sorted(seen, key=lambda each: each.architecture, reverse=True):
        found.setdefault(image.architecture, {})[image.region] = image
    return found


def architecture_problems(
    request: BakeRequest, built: BuildReport, seen: Sequence[ObservedImage]
) -> tuple[str, ...]:
    """Return the problems of a bake's images together: one of each architecture in each region."""
    found = by_architecture(seen)
    problems = [*_conflicts(built, seen)]
    for name, there in found.items() if len(found) > 1 else ():
        missing = sorted({*request.all_regions} - there.keys())
        problems += [f"no {name} image was created in {region}" for region in missing]
    return tuple(problems)


def is_finished(observed: Mapping[str, ObservedImage | None]) -> bool:
    """Return True if the image is available and private in every region."""
    return bool(observed) and all(
        image is not None and image.state == "available" and not image.public
        for image in observed.values()
    )


def _build_problems(request: BakeRequest, built: BuildReport) -> Iterator[str]:
    if built.ending is Ending.TIMEOUT:
        yield f"packer was stopped at its timeout of {format_duration(request.timeout)}"
    elif built.code < 0 and not built.failures:
        yield f"packer was killed by signal {-built.code}"
    elif built.code > 0:
        yield f"packer exited with code {built.code}"
    yield from (f"{build or 'packer'}: {text}" for build, text in built.failures.items())
    if built.code == 0:
        yield from _artifact_problems(request, built)


def _artifact_problems(request: BakeRequest, built: BuildReport) -> Iterator[str]:
    ids = ids_by_region(built)
    if not built.expected:
        yield "packer exited with code 0, but no build of the template ran"
    for build in sorted(set(built.expected) - set(built.images)):
        yield f"build {build} ended without an image"
    if ids:
        missing = sorted(set(request.all_regions) - set(ids))
        yield from (f"no image was created in {region}" for region in missing)
    if built.manifest is not None and not _agrees(built, ids):
        yield f"the manifest lists {dict(built.manifest)}, the artifacts list {ids}"


def _agrees(built: BuildReport, ids: Mapping[str, str]) -> bool:
    """Return True if the manifest names these images; it has one of each region at most."""
    pairs = (built.manifest or {}).items()
    return ids.keys() == dict(pairs).keys() and {*pairs} <= {*made_images(built)}


def _conflicts(built: BuildReport, seen: Sequence[ObservedImage]) -> Iterator[str]:
    builds = {pair: build for build, images in built.images.items() for pair in images.items()}
    first: dict[tuple[str, str], ObservedImage] = {}
    for image in seen:
        other = first.setdefault((image.region, image.architecture), image)
        if other.id != image.id:
            of = f"{image.architecture} " if image.architecture else ""
            yield (
                f"two builds created an {of}image in {image.region}: {other.id} "
                f"({builds[other.region, other.id]}) and {image.id}"
            )


def _image_problems(
    region: str, image_id: str, image: ObservedImage | None, encrypted: bool
) -> Iterator[str]:
    if image is None:
        yield f"AWS lists no image {image_id} of this account in {region}"
        return
    if image.state != "available":
        reason = f": {image.reason}" if image.reason else ""
        yield f"{image_id} in {region} is {image.state}{reason}"
    if image.public:
        yield f"{image_id} in {region} is public: any AWS account can launch it"
    if encrypted and not image.encrypted:
        yield f"{image_id} in {region} is not encrypted, and the template has encrypt_boot = true"
