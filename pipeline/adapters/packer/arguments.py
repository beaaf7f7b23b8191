"""Build the arguments of Packer's commands: the files with variables, and the selected builds."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from pipeline.adapters.packer.template_source import TemplateSource
from pipeline.core.bake.builds import selected
from pipeline.core.bake.model import BakeRequest, Template
from pipeline.core.bake.variables import MANIFEST, PACKAGES, accepted, offered


@contextmanager
def private_folder() -> Iterator[Path]:
    """Yield a folder with mode 0700; delete it after the block."""
    with tempfile.TemporaryDirectory(prefix="ami-pipeline-") as folder:
        yield Path(folder)


def inputs(
    request: BakeRequest, template: Template, folder: Path, variables: Mapping[str, Any]
) -> list[str]:
    """Return the options that pass the variables and select the builds.

    `folder` is private: the file of the variables is written there.
    """
    return [*variable_files(request, folder, variables), *_selection(request, template)]


def variable_files(request: BakeRequest, folder: Path, variables: Mapping[str, Any]) -> list[str]:
    """Return the options that pass the user's files and these variables, which count more."""
    path = folder / "variables.json"
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        json.dump(variables, file)
    return [f"-var-file={each}" for each in (*request.var_files, path)]


def known_variables(request: BakeRequest, source: TemplateSource) -> dict[str, Any]:
    """Return the variables that are known before Packer has named those of the template.

    The arguments of a data source may need them. `ami_name` and `source_ami` are empty.
    """
    template = Template(
        old_style=False,
        variables=frozenset(source.variables),
        builds={},
        declared=source.variables,
    )
    known = replace(
        request,
        variables=_declared(request.variables, source),
        secrets=_declared(request.secrets, source),
    )
    return accepted(known, template, offered(request, "", "", {}))


def _declared(given: Mapping[str, Any], source: TemplateSource) -> dict[str, Any]:
    return {name: value for name, value in given.items() if name in source.variables}


def _selection(request: BakeRequest, template: Template) -> list[str]:
    """Return the options that select builds; Packer splits their values at commas.

    A pattern of HCL2 takes `?` for a comma. An old template has no patterns, so the other builds
    are left out instead.
    """
    if not request.only:
        return []
    if not template.old_style:
        return [f"-only={','.join(name.replace(',', '?') for name in request.only)}"]
    if not any("," in name for name in request.only):
        return [f"-only={','.join(request.only)}"]
    running = selected(template, request.only)
    others = ",".join(name for name in template.builds if name not in running)
    return [f"-except={others}"] if others else []


def with_places(variables: Mapping[str, Any], manifest: Path, packages: Path) -> Mapping[str, Any]:
    """Return the variables with the paths of the files that Packer writes for this program."""
    places = {"manifest": (MANIFEST, manifest), "packages_file": (PACKAGES, packages)}
    return {
        name: str(places[name][1]) if name in places and value == places[name][0] else value
        for name, value in variables.items()
    }
