"""Tell before the build where a template builds, and whether its image is encrypted or public.

Only what a template says in simple expressions is judged; the rest is verified after the build.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pipeline.core.bake.builds import makes_image, selected
from pipeline.core.bake.expressions import REFERENCE, evaluate, evaluate_list
from pipeline.core.bake.model import BakeRequest, Builder, BuildResources, Template
from pipeline.core.errors import ConfigurationError
from pipeline.core.image import Image

_REGION = re.compile(r"[a-z]{2,4}(?:-[a-z]+)+-\d+")


def check_regions(request: BakeRequest, template: Template, variables: Mapping[str, Any]) -> None:
    """Raise ConfigurationError if a build is known to run in another region than configured."""
    known = dict(_regions_of(request, template, variables))
    wanted = (request.region,) if len(known) == 1 else request.all_regions
    for build, region in known.items():
        if region not in wanted:
            raise _other_region(request, template, build, region)


def check_architectures(
    request: BakeRequest, template: Template, variables: Mapping[str, Any]
) -> None:
    """Raise ConfigurationError if the builds make more than one image of an architecture a region.

    Builds with different expressions of an unknown value may differ; AWS shows after the build.
    """
    builds: dict[str, list[str]] = {}
    values = _values(request, template, variables)
    running = [each for each, kind in selected(template, request.only).items() if makes_image(kind)]
    for build in running:
        builder = template.builders.get(_name(template, build), Builder())
        kind = _evaluate(template, builder.type, values) if builder.type else ""
        builds.setdefault(architecture_of(kind) if kind else builder.type, []).append(build)
    most = len(request.all_regions)
    found = [(name, each) for name, each in builds.items() if len(each) > most]
    if not found and len(running) <= most * len(ARCHITECTURES):
        return
    name, images = found[0] if found else ("", running)
    of = f" for {name}" if name in ARCHITECTURES else ""
    raise ConfigurationError(
        "[bake] only",
        f"{len(images)} builds of {request.template.name} each make an AMI{of}: "
        f"{', '.join(images)}; a bake makes one image of each architecture in {_count(most)}",
        f'select one in pipeline.toml, such as: only = ["{images[0]}"]',
    )


def architecture_of(instance_type: str) -> str:
    """Return the architecture of an instance type by its name, for example `c7gn.large`.

    `g` after the generation means Graviton, and a1 is its first one; mac2 is Apple silicon (EC2
    instance types guide, "Naming conventions").
    """
    return "arm64" if _ARM.match(instance_type) else "x86_64"


ARCHITECTURES = ("arm64", "x86_64")
"""The architectures that a bake makes at most one image of, in each region."""
_ARM = re.compile(r"(?:a1|mac2|[a-z]+\d+g)[a-z0-9-]*\.")


def _count(regions: int) -> str:
    return "1 region" if regions == 1 else f"each of {regions} regions"


def check_groups(request: BakeRequest, template: Template) -> None:
    """Raise ConfigurationError if a build would make its image public: it would be deleted."""
    for build, builder in _image_builders(request, template):
        if '"all"' in builder.groups:
            raise ConfigurationError(
                "[bake] template",
                f"{request.template.name} makes the image of {build} public: ami_groups or "
                'snapshot_groups is ["all"], so any AWS account could use it',
                f"remove them from {request.template.name}; ami_users shares an image with "
                "accounts",
            )


def used_regions(
    request: BakeRequest, image: Image, resources: BuildResources, others: Sequence[str] = ()
) -> tuple[str, ...]:
    """Return every region that a bake may have used, that of its build first."""
    configured = (image.region, *request.all_regions)
    named = (*resources.regions, *resources.template_regions)
    return tuple(dict.fromkeys([*configured, *named, *others]))


def template_regions(
    request: BakeRequest, template: Template, variables: Mapping[str, Any]
) -> tuple[str, ...]:
    """Return the regions that the builds of a template are known to build in and copy to."""
    values = _values(request, template, variables)
    found = [region for _, region in _regions_of(request, template, variables)]
    for _, builder in _image_builders(request, template):
        old_style = template.old_style
        found += evaluate_list(builder.copies, values, template.locals, old_style=old_style)
    return tuple(dict.fromkeys(each for each in found if _REGION.fullmatch(each)))


def is_encrypted(request: BakeRequest, template: Template, variables: Mapping[str, Any]) -> bool:
    """Return True if a build asks for an encrypted image."""
    values = _values(request, template, variables)
    return any(
        _evaluate(template, builder.encrypt, values) == "true"
        for _, builder in _image_builders(request, template)
    )


def _regions_of(
    request: BakeRequest, template: Template, variables: Mapping[str, Any]
) -> Iterator[tuple[str, str]]:
    """Yield the builds whose region is known; a builder without one uses AWS_REGION."""
    values = _values(request, template, variables)
    for build, builder in _image_builders(request, template):
        region = _evaluate(template, builder.region, values) if builder.region else request.region
        if region:
            yield build, region


def _image_builders(request: BakeRequest, template: Template) -> Iterator[tuple[str, Builder]]:
    for build, kind in selected(template, request.only).items():
        builder = template.builders.get(_name(template, build))
        if builder is not None and makes_image(kind):
            yield build, builder


def _values(
    request: BakeRequest, template: Template, variables: Mapping[str, Any]
) -> dict[str, Any]:
    defaults = {name: declared.default for name, declared in template.declared.items()}
    return {**defaults, **request.elsewhere, **variables}


def _evaluate(template: Template, text: str, values: Mapping[str, Any]) -> str | None:
    return evaluate(text, values, template.locals, old_style=template.old_style)


def _other_region(
    request: BakeRequest, template: Template, build: str, region: str
) -> ConfigurationError:
    variable = REFERENCE.search(template.builders[_name(template, build)].region)
    here = f"change the region in {request.template.name}"
    if variable:
        name = variable[1] or variable[2]
        here = f'set {name} = "{request.region}" under [bake.vars]'
    return ConfigurationError(
        "[bake] template",
        f"{request.template.name} builds {build} in {region}, and pipeline.toml has region = "
        f'"{request.region}"',
        f'{here}, or set region = "{region}" in pipeline.toml',
    )


def _name(template: Template, build: str) -> str:
    """Return the key of a build's builder: in HCL2 a build may have a name before it."""
    return build if template.old_style else ".".join(build.split(".")[-2:])
