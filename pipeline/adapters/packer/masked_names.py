"""Recognize names in which Packer has masked the value of a sensitive variable.

From 1.15.1 on, Packer masks such a value in every text, also where it is a part of another word,
for example of a build's name (packer/ui.go, `MachineReadableUi.Machine`). A target is not masked.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace

from pipeline.core.bake.model import Template

MASK = "<sensitive>"


def unmasked(name: str, candidates: Iterable[str]) -> str:
    """Return the only candidate that Packer can have masked to this name, else the name."""
    if MASK not in name:
        return name
    pattern = re.compile(".+?".join(map(re.escape, name.split(MASK))), re.DOTALL)
    fitting = [each for each in candidates if pattern.fullmatch(each)]
    return fitting[0] if len(fitting) == 1 else name


def unmasked_template(
    template: Template, builders: Mapping[str, object], variables: Mapping[str, object]
) -> Template:
    """Return the template with the names that its files have in place of masked ones."""
    builds = {
        _unmasked_build(name, builders, old_style=template.old_style): kind
        for name, kind in template.builds.items()
    }
    names = frozenset(unmasked(name, variables) for name in template.variables)
    return replace(template, builds=builds, variables=names)


def _unmasked_build(name: str, builders: Mapping[str, object], *, old_style: bool) -> str:
    """Return the name of a build; in HCL2 it may begin with that of its block."""
    if old_style:
        return unmasked(name, builders)
    block, dot, rest = name.partition(".") if name.count(".") > 1 else ("", "", name)
    return block + dot + unmasked(rest, builders)
