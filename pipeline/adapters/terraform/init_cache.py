"""Skip `terraform init` if nothing has changed: it takes seconds, and a deployment plans often.

A digest of all files that `init` reads and writes is stored in `.terraform`, so it is deleted with
that folder. If the digest is wrong, Terraform itself fails and requests an `init` before it changes
anything.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path

from pipeline.adapters.files.atomic import write_atomically
from pipeline.core.terraform.module_contract import ROOT_FILE
from pipeline.core.terraform.program import Product, Program, source_files

_STAMP = ".terraform/ami-pipeline"
_MODULES = ".terraform/modules/modules.json"
_BACKEND = ".terraform/terraform.tfstate"
"""The backend's configuration, not the state."""


def is_initialized(folder: Path, program: Program) -> bool:
    """Return True if a root module is unchanged since `program` initialized it."""
    try:
        return (folder / _STAMP).read_text() == digest(folder, program)
    except OSError:
        return False


def mark_initialized(folder: Path, program: Program) -> None:
    """Record that `program` has initialized a root module; an error only costs another `init`.

    Another program or another version of it may need another `.terraform`.
    """
    try:
        write_atomically(folder / _STAMP, digest(folder, program).encode())
    except OSError:
        (folder / _STAMP).unlink(missing_ok=True)


def has_other_backend_options(folder: Path) -> bool:
    """Return True if only options of the backend have changed, such as its KMS key.

    Terraform refuses to initialize after any change, because the state may be elsewhere ("Backend
    configuration changed"). With the same bucket and key it is not, so `-reconfigure` is safe.
    """
    try:
        saved = json.loads((folder / _BACKEND).read_bytes())["backend"]
        wanted = json.loads((folder / ROOT_FILE).read_bytes())["terraform"]["backend"]["s3"]
        config = {name: value for name, value in saved["config"].items() if value is not None}
        is_same_state = all(config[name] == wanted[name] for name in ("bucket", "key"))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False
    return saved.get("type") == "s3" and is_same_state and config != wanted


def digest(folder: Path, program: Program) -> str:
    """Return the digest; raises OSError if a file is missing."""
    digest = hashlib.sha256()
    facts = Path(program.path).stat()
    named = f"{program.path} {program} {facts.st_size} {facts.st_mtime_ns}\n"
    digest.update(named.encode())
    for path in _read_by_init(folder, program.product):
        content = path.read_bytes() if path.is_file() else b"none"
        name = os.path.relpath(path, folder)
        digest.update(f"{name} {hashlib.sha256(content).hexdigest()}\n".encode())
    for provider in _providers(folder):
        digest.update(f"{provider.name} {provider.stat().st_size}\n".encode())
    return digest.hexdigest()


def _read_by_init(folder: Path, product: Product) -> Iterator[Path]:
    yield folder / ROOT_FILE
    yield folder / ".terraform.lock.hcl"
    yield folder / _BACKEND
    yield folder / _MODULES
    yield from module_files(folder, product)


def module_files(folder: Path, product: Product) -> Iterator[Path]:
    """Yield the source files of all called modules; raises OSError if one is missing."""
    for module in _modules(folder, folder / _MODULES):
        names = (path.name for path in module.iterdir())
        yield from (module / name for name in source_files(product, names))


def _modules(folder: Path, manifest: Path) -> Iterator[Path]:
    """Return the folders of the called modules, at any depth."""
    try:
        called = json.loads(manifest.read_bytes())["Modules"]
        folders = sorted({str(each["Dir"]) for each in called})
    except (ValueError, KeyError, TypeError) as error:
        raise FileNotFoundError(manifest) from error
    return (folder / each for each in folders if each != ".")


def _providers(folder: Path) -> Iterator[Path]:
    """Yield the providers; they are often links into a mirror or a cache, and may be broken.

    OpenTofu 1.12 leaves a lock file beside each provider's folder, `linux_amd64.lock`.
    """
    for package in sorted((folder / ".terraform/providers").glob("*/*/*/*/*")):
        if package.is_dir():
            yield from sorted(package.iterdir())
