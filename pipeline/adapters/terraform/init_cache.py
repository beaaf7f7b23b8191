"""Whether `terraform init` has anything to do: it takes seconds, and a deployment plans often.

A digest of all that `init` reads or leaves behind is kept among what it leaves behind, so
whoever removes `.terraform` removes it too. Where it is wrong, Terraform itself says that it
must be initialised, before it does anything.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path

from pipeline.adapters.files.atomic import write_atomically
from pipeline.core.terraform.module_contract import ROOT_FILE

_STAMP = ".terraform/ami-pipeline"


def is_initialised(folder: Path, program: str) -> bool:
    """Tell whether a root module is as it was when `program` initialised it."""
    try:
        return (folder / _STAMP).read_text() == _digest(folder, program)
    except OSError:
        return False


def note_initialised(folder: Path, program: str) -> None:
    """Remember that `program` has just initialised a root module; where it cannot, it will again.

    `program` is the path of Terraform: another one may want another `.terraform`.
    """
    try:
        write_atomically(folder / _STAMP, _digest(folder, program).encode())
    except OSError:
        (folder / _STAMP).unlink(missing_ok=True)


def _digest(folder: Path, program: str) -> str:
    """Raises OSError where something that should be there is not."""
    digest = hashlib.sha256()
    facts = Path(program).stat()
    digest.update(f"{program} {facts.st_size} {facts.st_mtime_ns}\n".encode())
    for path in _read_by_init(folder):
        content = path.read_bytes() if path.is_file() else b"none"
        name = os.path.relpath(path, folder)
        digest.update(f"{name} {hashlib.sha256(content).hexdigest()}\n".encode())
    for provider in _providers(folder):
        digest.update(f"{provider.name} {provider.stat().st_size}\n".encode())
    return digest.hexdigest()


def _read_by_init(folder: Path) -> Iterator[Path]:
    yield folder / ROOT_FILE
    yield folder / ".terraform.lock.hcl"
    yield folder / ".terraform/terraform.tfstate"  # which backend, not the state
    manifest = folder / ".terraform/modules/modules.json"
    yield manifest
    for module in _modules(folder, manifest):
        yield from sorted(path for path in module.iterdir() if path.name.endswith(_SOURCES))


_SOURCES = (".tf", ".tf.json")


def _modules(folder: Path, manifest: Path) -> Iterator[Path]:
    """Return the folders of the modules that are called, at any depth."""
    try:
        called = json.loads(manifest.read_bytes())["Modules"]
        places = sorted({str(each["Dir"]) for each in called})
    except (ValueError, KeyError, TypeError) as error:
        raise FileNotFoundError(manifest) from error
    return (folder / place for place in places if place != ".")


def _providers(folder: Path) -> Iterator[Path]:
    """Return the providers: often links into a mirror or a cache, which may be gone."""
    for place in sorted((folder / ".terraform/providers").glob("*/*/*/*/*")):
        yield from sorted(place.iterdir())
