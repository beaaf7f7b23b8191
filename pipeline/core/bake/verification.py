"""Whether a bake made the image it should: pure questions, each with its own complaint.

Packer's exit code alone is not enough (0 with `-only` matching nothing, an image
deregistered by a post-processor, a region left out by 1.6.6's
`skip_save_build_region`), so everything that can be known is asked, and the
answer is the list of what does not hold.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pipeline.core.bake.model import BakeRequest, BuildReport, Ending, ObservedImage


def complaints_of_build(request: BakeRequest, built: BuildReport) -> tuple[str, ...]:
    """Return what is wrong with what Packer said and did; nothing where all is well."""
    return tuple(_build(request, built))


def complaints_of_images(
    ids: Mapping[str, str], seen: Mapping[str, ObservedImage | None], name: str
) -> tuple[str, ...]:
    """Return what is wrong with the images as AWS shows them. `name` is empty where not ours."""
    return tuple(
        complaint
        for region, image_id in ids.items()
        for complaint in _image(region, image_id, seen.get(region), name)
    )


def ids_by_region(built: BuildReport) -> dict[str, str]:
    """Return the AMI of each region over all builds."""
    return {region: ami for images in built.images.values() for region, ami in images.items()}


def finished(seen: Mapping[str, ObservedImage | None]) -> bool:
    """Whether the image is there, available and private in every region."""
    return bool(seen) and all(
        image is not None and image.state == "available" and not image.public
        for image in seen.values()
    )


def _build(request: BakeRequest, built: BuildReport) -> Iterator[str]:
    if built.ending is Ending.TIMEOUT:
        yield f"packer had not ended after {request.timeout:g} s"
    elif built.code < 0 and not built.failures:
        yield f"packer was ended by signal {-built.code}"
    elif built.code > 0:
        yield f"packer ended with exit code {built.code}"
    yield from (f"{build or 'packer'}: {text}" for build, text in built.failures.items())
    if built.code == 0:
        yield from _artifacts(request, built)


def _artifacts(request: BakeRequest, built: BuildReport) -> Iterator[str]:
    ids = ids_by_region(built)
    if not built.expected:
        yield "packer ended with 0 but no build of the template ran"
    for build in sorted(set(built.expected) - set(built.images)):
        yield f"build {build} ended without an image"
    yield from _conflicts(built, ids)
    if ids:
        missing = sorted(set(request.all_regions) - set(ids))
        yield from (f"no image was made in {region}" for region in missing)
    if built.manifest is not None and dict(built.manifest) != ids:
        yield f"the manifest says {dict(built.manifest)}, the artifacts say {ids}"


def _conflicts(built: BuildReport, ids: Mapping[str, str]) -> Iterator[str]:
    for build, images in built.images.items():
        for region, ami in images.items():
            if ids[region] != ami:
                yield f"two builds made an image in {region}: {ami} ({build}) and {ids[region]}"


def _image(region: str, image_id: str, image: ObservedImage | None, name: str) -> Iterator[str]:
    if image is None:
        yield f"AWS lists no image {image_id} of this account in {region}"
        return
    if image.state != "available":
        reason = f": {image.reason}" if image.reason else ""
        yield f"{image_id} in {region} is {image.state}{reason}"
    if image.public:
        yield f"{image_id} in {region} is public: everyone may launch it"
    if name and image.name != name:
        yield f"{image_id} in {region} is named {image.name}, not {name}"
