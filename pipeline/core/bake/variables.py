"""Which Packer variables the tool sets itself, and in what shape a template takes them.

The tool offers; the template decides: a variable goes into the var-file only
where the template declares it, so that a template written before this tool
works as it stands. JSON templates know strings only: lists become comma-joined
text, which Packer splits again, and maps are left out (tags are then set on the
finished image instead).
"""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

from pipeline.core.bake.model import BakeRequest, Template
from pipeline.core.errors import ConfigurationError
from pipeline.core.image import TAG_PREFIX


def image_tags(request: BakeRequest, source_ami: str, fingerprint: str) -> dict[str, str]:
    """Return the tags of the image: what it is, what it was made of, who made it where."""
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
    """Return the tags of the temporary instance, so that a person can tell what it is."""
    return {"Name": f"baking {name}", TAG_PREFIX + "app": request.app, TAG_PREFIX + "bake": name}


def offered(
    request: BakeRequest, name: str, source_ami: str, tags: Mapping[str, str]
) -> dict[str, Any]:
    """Return everything the tool can tell a template, by variable name."""
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
        **request.overrides,
    }


def accepted(request: BakeRequest, template: Template, offers: Mapping[str, Any]) -> dict[str, Any]:
    """Return the variables for this template: its user's, and those of ours that it declares.

    Raises ConfigurationError for a variable of the user's that the template does
    not declare: Packer would only warn, and bake an image without it.
    """
    asked = {**request.variables, **request.secrets}
    for name in asked:
        if name not in template.variables:
            raise _undeclared(name, template, request)
    ours = {key: value for key, value in offers.items() if key in template.variables and value}
    if template.old_style:
        return {key: _as_text(value) for key, value in {**ours, **asked}.items() if _fits(value)}
    return {**ours, **asked}


def _undeclared(name: str, template: Template, request: BakeRequest) -> ConfigurationError:
    near = get_close_matches(name, template.variables, n=1)
    hint = f"did you mean {near[0]}" if near else f'add: variable "{name}" {{}}'
    return ConfigurationError(
        f"[bake] variable {name}",
        f"{request.template.name} declares no variable named {name}",
        f"{hint}, or remove {name} from pipeline.toml",
    )


def _fits(value: Any) -> bool:
    return not isinstance(value, Mapping)


def _as_text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (list, tuple)):
        return ",".join(_as_text(item) for item in value)
    return str(value)
