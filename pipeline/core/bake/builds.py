"""Match the builds of a template: what `only` selects, and which of them make an image.

Names are compared as a whole, because a name may hold any character. Packer evaluates template
calls such as `{{user ...}}` inside the names of an old JSON template, and since 1.7 prints the
build `app` of such a template as `amazon-ebs.app`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase

from pipeline.core.bake.model import BakeRequest, Template
from pipeline.core.errors import ConfigurationError

CALL = re.compile(r"\{\{.*?\}\}", re.DOTALL)
"""A template call inside a name of an old JSON template."""


def check_builds(request: BakeRequest, template: Template) -> None:
    """Raise ConfigurationError if a name selects no build, or if no build makes an image."""
    name = request.template.name
    for wanted in request.only:
        if not selected(template, (wanted,)):
            raise ConfigurationError(
                "[bake] only",
                f"{wanted} matches no build of {name}",
                f"set it to one of: {_listed(template.builds)}",
            )
    running = selected(template, request.only)
    images = [build for build, kind in running.items() if makes_image(kind)]
    if not images and running:
        raise ConfigurationError(
            "[bake] only" if request.only else "[bake] template",
            f"no build of {name} makes an AMI: {_listed(running)}",
            "use a template with a builder such as amazon-ebs, or select such a build",
        )


def selected(template: Template, only: tuple[str, ...]) -> Mapping[str, str]:
    """Return the builds that `packer build -only` runs, with their builder types.

    HCL2 takes glob patterns; an old JSON template takes names (packer/core.go, `BuildNames`).
    """
    if not only:
        return template.builds
    return {
        build: kind
        for build, kind in template.builds.items()
        if any(_selects(wanted, build, template) for wanted in only)
    }


def expected_builds(
    template: Template, only: tuple[str, ...], ran: Iterable[str]
) -> tuple[str, ...]:
    """Return the builds that must each make an image; `ran` are those that Packer ran.

    A build that did not run is known only from the template, where its name may hold a call. So
    the names of the template count only if fewer builds ran than it has.
    """
    running = selected(template, only)
    makes = {build for build, kind in running.items() if makes_image(kind)}
    began = {build for build in ran if makes_image(_kind(template, build))}
    if len(began) < len(makes):
        matched = {
            build for build in makes if any(_is_name(each, build, running[build]) for each in began)
        }
        began |= makes - matched
    return tuple(sorted(began))


def makes_image(kind: str) -> bool:
    """Return True if builders of this type make an AMI."""
    return kind.startswith("amazon") and kind != "amazon-ebsvolume"


def name_pattern(name: str) -> re.Pattern[str]:
    """Return a pattern of the names that a build of the template may get."""
    return re.compile(".+?".join(map(re.escape, CALL.split(name))), re.DOTALL)


def _selects(wanted: str, build: str, template: Template) -> bool:
    if template.old_style:
        return name_pattern(build).fullmatch(wanted) is not None
    return fnmatchcase(build, wanted)


def _kind(template: Template, ran: str) -> str:
    exact = template.builds.get(ran)
    kinds = [kind for build, kind in template.builds.items() if _is_name(ran, build, kind)]
    return exact or next(iter(kinds), "amazon")


def _is_name(ran: str, build: str, kind: str) -> bool:
    pattern = name_pattern(build)
    bare = ran.removeprefix(f"{kind}.")
    return bool(pattern.fullmatch(ran) or pattern.fullmatch(bare))


def _listed(builds: Iterable[str]) -> str:
    return ", ".join(builds)
