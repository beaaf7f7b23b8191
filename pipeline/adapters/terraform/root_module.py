"""Writes the root module of an environment: JSON from an encoder, one folder each.

Whatever a person wrote goes into tfvars, where Terraform takes it literally; text
in `main.tf.json` is read as HCL templates (Terraform docs, "JSON Configuration
Syntax"), so only words held to their own rules stand there. A module's `source` is
literal in both.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pipeline
from pipeline.adapters.files.atomic import write_atomically
from pipeline.adapters.store.directory import tell_git
from pipeline.core.errors import RefusedError
from pipeline.core.state.release import Release
from pipeline.core.terraform.module_contract import INPUTS, OUTPUTS, ROOT_FILE
from pipeline.core.terraform.root_module import Root

INPUTS_FILE = "inputs.auto.tfvars.json"
RELEASES_FILE = "releases.auto.tfvars.json"
TERRAFORM = ">= 1.10"
"""The first with S3's own lock file, `use_lockfile` (Terraform 1.10 release notes)."""
PROVIDER = ">= 5.0, < 7.0"


def shipped_module() -> Path:
    """Return the folder of the module that ships: in the installed package, or the checkout's."""
    package = Path(pipeline.__file__).resolve().parent
    homes = (package / "terraform", package.parent / "terraform")
    return next((home for home in homes if home.is_dir()), homes[0]) / "release"


def write_root(root: Root) -> tuple[Path, ...]:
    """Write the files that are there once it returns; raises RefusedError where it cannot.

    The releases are kept as they are. Where there are none yet, a root module with its
    state beside it gets an empty map; one with its state in S3 gets no file, as another
    machine may have released, and a plan of an empty map would delete it all.
    """
    folder = root.folder
    releases = folder / RELEASES_FILE
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        tell_git(folder)
        _write(folder / ROOT_FILE, main_document(root))
        _write(folder / INPUTS_FILE, {"inputs": dict(root.inputs)})
        if root.bucket is None and not releases.exists():
            _write(releases, releases_document(()))
    except OSError as error:
        raise RefusedError(
            f"the root module {folder}",
            error.strerror or str(error),
            "make the folder writable for you, or name another as [state] url",
        ) from error
    names = (ROOT_FILE, INPUTS_FILE, RELEASES_FILE)
    return tuple(folder / name for name in names if (folder / name).exists())


def main_document(root: Root) -> dict[str, Any]:
    """Return what `main.tf.json` says."""
    call = {"source": _relative(root.module, root.folder)}
    call |= {"app": root.app, "environment": root.environment, "releases": "${var.releases}"}
    call |= {name: f"${{var.inputs.{name}}}" for name in root.inputs}
    accounts = {"allowed_account_ids": [root.account]} if root.account else {}
    return {
        "//": "Written by ami-pipeline, again before each use: what you change here is lost.",
        "terraform": {
            "required_version": TERRAFORM,
            "required_providers": {"aws": {"source": "hashicorp/aws", "version": PROVIDER}},
            "backend": _backend(root),
        },
        "provider": {"aws": {"region": root.region, **accounts}},
        "variable": {
            "inputs": {"type": "any", "description": "[terraform.inputs] of pipeline.toml."},
            "releases": {"type": INPUTS["releases"], "description": "What is to exist, by name."},
        },
        "module": {"release": call},
        "output": {"releases": {"description": "What exists, by name.", "value": _made()}},
    }


def releases_document(releases: Iterable[Release]) -> dict[str, Any]:
    """Return what `releases.auto.tfvars.json` says: every release that is to exist."""
    return {"releases": {each.name: each.as_module_input() for each in releases}}


def _backend(root: Root) -> dict[str, Any]:
    if root.bucket is None:
        return {"local": {"path": "terraform.tfstate"}}
    return {
        "s3": {
            "bucket": root.bucket.name,
            "key": root.bucket.key,
            "region": root.bucket.region,
            "encrypt": True,
            "use_lockfile": True,
        }
    }


def _made() -> str:
    """Return an expression that reads all the contract promises, so that a lack shows in a plan."""
    read = ", ".join(f"{name} = made.{name}" for name in OUTPUTS)
    return f"${{{{ for name, made in module.release.releases : name => {{ {read} }} }}}}"


def _relative(module: Path, folder: Path) -> str:
    """Return the way to the module: to Terraform, an absolute path is a download."""
    path = os.path.relpath(module.resolve(), folder.resolve())
    return path if path.startswith("../") else f"./{path}"


def _write(path: Path, document: Mapping[str, Any]) -> None:
    write_atomically(path, json.dumps(document, indent=2).encode() + b"\n")
