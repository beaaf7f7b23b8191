"""Parse what Packer prints of a template, and the files that it writes for this program."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from pipeline.adapters.packer.stream import Stream
from pipeline.core.bake.model import Template

_HCL_BUILD = re.compile(
    r"^  > (?P<name>[^\n]+):\n+(?:  > Description: .*?\n+)?"
    r"    sources:\n+(?P<sources>(?:      [^\n]*\n+)+)    provisioners:\n",
    re.MULTILINE | re.DOTALL,
)
_HCL_SOURCE = re.compile(r"^      ([\w-]+\.[\w-]+)$", re.MULTILINE)
_HCL_VARIABLE = re.compile(r"^var\.([\w-]+): ", re.MULTILINE)


def parse_inspection(found: Stream) -> Template:
    """Return the declarations that `packer inspect -machine-readable` printed."""
    if any(kind == "template-builder" for kind, _ in found.records):
        return _json_template(found)
    return _hcl_template(found.ui_text)


def _json_template(found: Stream) -> Template:
    def names(kind: str) -> Iterator[tuple[str, ...]]:
        return (arguments for name, arguments in found.records if name == kind)

    return Template(
        old_style=True,
        variables=frozenset(arguments[0] for arguments in names("template-variable")),
        builds={arguments[0]: arguments[1] for arguments in names("template-builder")},
    )


def _hcl_template(texts: Sequence[str]) -> Template:
    """Parse the texts of `inspect` for HCL2 (hcl2template/types.packer_config.go).

    Packer prints the values of variables as they are, so a value may have the form of any part of
    this output. It cannot leave its own text: variables and builds are texts of their own.
    """
    variables, builds = (
        next((text for text in texts if text.lstrip().startswith(title)), "")
        for title in ("> input-variables:", "> builds:")
    )
    found: dict[str, str] = {}
    for block in _HCL_BUILD.finditer(builds):
        prefix = "" if block["name"].startswith("<") else f"{block['name']}."
        for source in _HCL_SOURCE.findall(block["sources"]):
            found[prefix + source] = source.partition(".")[0]
    names = frozenset(_HCL_VARIABLE.findall(variables))
    return Template(old_style=False, variables=names, builds=found)


def read_manifest(path: Path) -> dict[str, str] | None:
    """Return the AMI of each region in the manifest post-processor's file, or None without one.

    The post-processor appends to an existing file; each run uses a new one.
    """
    try:
        builds = json.loads(path.read_bytes())["builds"]
        parts = [part for one in builds for part in one["artifact_id"].split(",")]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    pairs = (part.split(":", 1) for part in parts)
    return {pair[0]: pair[1] for pair in pairs if len(pair) == 2 and pair[1].startswith("ami-")}  # noqa: PLR2004 - region and id


_LARGEST = 4 * 1024 * 1024
"""Bytes of a list of packages that are read; 20,000 packages take a quarter."""


def read_package_lists(path: Path, builds: Sequence[str]) -> dict[str, str]:
    """Return the list of packages that each of these builds downloaded, by build.

    The only build writes `path`. Each of several writes a file of its own: `path`, a dash and the
    name of its source.
    """
    places = {build: path.with_name(f"{path.name}-{build.rpartition('.')[2]}") for build in builds}
    if len(builds) == 1 and not places[builds[0]].exists():
        places = {builds[0]: path}
    return {build: _read_text(place) for build, place in places.items() if place.is_file()}


def _read_text(path: Path) -> str:
    with path.open("rb") as file:
        return file.read(_LARGEST).decode("utf-8", "replace")
