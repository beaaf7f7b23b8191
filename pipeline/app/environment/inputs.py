"""The inputs of the releases that the configuration describes."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

from pipeline.adapters.terraform.root_module import module_digest
from pipeline.app.application import Application
from pipeline.core.changes.inputs import (
    CONTENT,
    INSTANCE_TYPE,
    MODULE,
    SIZES,
    TERRAFORM,
)
from pipeline.core.terraform.root_module import FILE_INPUTS


def configured_inputs(app: Application, environment: str) -> dict[str, Any]:
    """Return the inputs of a release that is made now; raises ConfigurationError.

    A module and a file count by a hash of their content.
    """
    size, root = app.settings.environment(environment).size, app.root(environment)
    given = app.settings.terraform_for(environment).inputs
    numbers = dict(zip(SIZES, (size.minimum, size.maximum, size.desired), strict=True))
    files = {name: root.inputs[name] for name in FILE_INPUTS if isinstance(given.get(name), str)}
    return {
        INSTANCE_TYPE: size.instance_type,
        **numbers,
        MODULE: module_digest(root.module),
        **{f"{TERRAFORM}{name}": value for name, value in given.items()},
        **{f"{CONTENT}{name}": _digest(app, path) for name, path in files.items()},
    }


def _digest(app: Application, path: str) -> str:
    return sha256(app.inside(path).read_bytes()).hexdigest()
