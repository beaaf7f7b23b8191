"""Tell before the build where a template builds, and whether its image is encrypted or public.

Only what a template says in simple expressions is judged; the rest is verified after the build.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pipeline.core.bake.builds import makes_image, selected
from pipeline.core.bake.expressions import REFERENCE, evaluate
from pipeline.core.bake.model import BakeRequest, Builder, BuildResources, Template
from pipeline.core.errors import ConfigurationError
from pipeline.core.image import Image


def check_regions(request: BakeRequest, template: Template, variables: Mapping[str, Any]) -> None:
    """Raise ConfigurationError if a build is known to run in another region than configured."""
    known = dict(_regions_of(request, template, variables))
    wanted = (request.region,) if len(known) == 1 else request.all_regions
    for build, region in known.items():
        if region not in wanted:
            raise _other_region(request, template, build, region)


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
    return tuple(dict.fromkeys([*configured, *resources.regions, *others]))


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
