"""Choose the Packer variables that a template receives from this program and from its user.

This program sets a variable only if the template declares it, so that an existing
template works unchanged. JSON templates know only strings: lists become comma-joined
text, which Packer splits again, and maps are left out (tags are then set on the
finished image).
"""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

from pipeline.core.bake.model import BakeRequest, Declared, Template
from pipeline.core.errors import ConfigurationError
from pipeline.core.image import TAG_PREFIX

MANIFEST = "ami-pipeline-manifest.json"
"""Stands for the manifest's path until the build has a folder for it."""

PACKAGES = "ami-pipeline-packages.txt"
"""Stands for the path that a list of packages is downloaded to, likewise."""


def image_tags(request: BakeRequest, source_ami: str, fingerprint: str) -> dict[str, str]:
    """Return the tags of the image: its version, its inputs and who baked it."""
    facts = {
        "app": request.app,
        "version": request.version,
        "environment": request.environment,
        "commit": request.commit.id,
        "dirty": str(request.commit.dirty).lower() if request.commit.id else "",
        "source-ami": source_ami,
        "fingerprint": fingerprint,
        "baked-by": request.baked_by,
    }
    own = {TAG_PREFIX + key: value for key, value in facts.items() if value}
    return {**request.tags, **own}


def run_tags(request: BakeRequest, name: str) -> dict[str, str]:
    """Return the tags of the temporary instance, by which a person recognizes it."""
    return {"Name": f"baking {name}", TAG_PREFIX + "app": request.app, TAG_PREFIX + "bake": name}


def offered(
    request: BakeRequest, name: str, source_ami: str, tags: Mapping[str, str]
) -> dict[str, Any]:
    """Return the variables that this program can set in a template, by name."""
    return {
        "app": request.app,
        "version": request.version,
        "environment": request.environment,
        "ami_name": name,
        "region": request.region,
        "ami_regions": list(request.all_regions[1:]),
        "source_ami": source_ami,
        "tags": {"Name": name, **tags},
        "run_tags": run_tags(request, name),
        "manifest": MANIFEST,
        "packages_file": PACKAGES,
    }


def accepted(request: BakeRequest, template: Template, offers: Mapping[str, Any]) -> dict[str, Any]:
    """Return the variables for this template: the user's, and each offer that is meant.

    An offer is meant if the template declares a variable of its name and type that the user has not
    set. A required variable gets an empty offer, too. Raise ConfigurationError if the template does
    not declare a variable of the user: Packer would only warn, and bake an image without it.
    """
    given = {**request.variables, **request.secrets}
    for name in given:
        if name not in template.variables:
            raise _undeclared(name, template, request)
    if "source_ami" in {*given, *request.elsewhere} and request.source is not None:
        raise ConfigurationError(
            "[bake.source]",
            "the variable source_ami is set, too, so this source would not be used",
            "remove [bake.source], or source_ami",
        )
    own = {key: value for key, value in offers.items() if _is_meant(request, template, key, value)}
    if template.old_style:
        return {
            key: _as_text(value) for key, value in {**own, **given}.items() if _is_text_like(value)
        }
    return {**own, **given}


def _is_meant(request: BakeRequest, template: Template, name: str, value: Any) -> bool:
    if name not in template.variables or name in request.elsewhere:
        return False
    if request.passed is not None and name not in request.passed:
        return False
    declared = template.declared.get(name, Declared())
    return (bool(value) or declared.required) and _fits(declared.kind, name, value)


def _fits(kind: str, name: str, value: Any) -> bool:
    match kind:
        case "any" | "text":
            return True
        case "string":
            return isinstance(value, str)
        case "number":
            return name == "ssh_port"
        case "list":
            return isinstance(value, (list, tuple))
        case "map":
            return isinstance(value, Mapping)
        case _:
            return False


def _undeclared(name: str, template: Template, request: BakeRequest) -> ConfigurationError:
    near = get_close_matches(name, template.variables, n=1)
    hint = f"did you mean {near[0]}" if near else f'add: variable "{name}" {{}}'
    return ConfigurationError(
        f"[bake] variable {name}",
        f"{request.template.name} declares no variable named {name}",
        f"{hint}, or remove {name} from pipeline.toml",
    )


def _is_text_like(value: Any) -> bool:
    return not isinstance(value, Mapping)


def _as_text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (list, tuple)):
        return ",".join(_as_text(item) for item in value)
    return str(value)
