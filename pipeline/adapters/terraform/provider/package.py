"""Find the installed package of the AWS provider, and compare it with the dependency lock file."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from pipeline.adapters.terraform.init_cache import module_files
from pipeline.core import commands
from pipeline.core.errors import RefusedError
from pipeline.core.terraform.module_contract import ROOT_FILE
from pipeline.core.terraform.program import Program
from pipeline.core.terraform.provider_lock import LOCK_FILE, locked_package
from pipeline.core.terraform.shared_provider import SOURCE, may_configure, package_hash

INSTALLED = ".terraform/providers"
CHUNK = 1 << 18
_CONFIGURATION = ("TF_CLI_CONFIG_FILE", "TERRAFORM_CONFIG")
_OVERRIDES = "dev_overrides"


@dataclass(frozen=True, kw_only=True, slots=True)
class Package:
    """An installed provider: its program, and the facts that change if one of its files does."""

    address: str
    folder: Path
    program: Path
    facts: tuple[tuple[str, int, int, int], ...]


def find_package(root: Path, program: Program) -> Package | None:
    """Return the package that the lock file of a root module names; None without exactly one."""
    address = f"{program.product.registry}/{SOURCE}"
    version, _ = locked_package(_lock_text(root), address)
    folder = root / INSTALLED / address / version / program.platform
    if not version or not folder.is_dir():
        return None
    name = f"terraform-provider-{SOURCE.rpartition('/')[2]}"
    programs = [each for each in folder.iterdir() if each.name.split("_")[0] == name]
    if len(programs) != 1:
        return None
    facts = ((path, path.stat()) for path in _files(folder))
    return Package(
        address=address,
        folder=folder,
        program=programs[0].absolute(),
        facts=tuple((str(p), it.st_size, it.st_mtime_ns, it.st_ino) for p, it in facts),
    )


def is_lockable(root: Path, package: Package) -> bool:
    """Return True if the lock file has a hash that an unpacked package can be compared with."""
    return bool(locked_package(_lock_text(root), package.address)[1])


class StoppedError(Exception):
    """The checksum of a package is no longer needed."""


def hash_of(package: Package, stopped: Callable[[], bool] = lambda: False) -> str:
    """Return the `h1:` hash of a package: it reads all of it, about a second.

    Raises StoppedError once `stopped` returns True.
    """
    digests = {}
    for path in _files(package.folder):
        digest = hashlib.sha256()
        with path.open("rb") as file:
            while chunk := file.read(CHUNK):
                if stopped():
                    raise StoppedError
                digest.update(chunk)
        digests[path.relative_to(package.folder).as_posix()] = digest.hexdigest()
    return package_hash(digests)


def require_locked(root: Path, package: Package, found: str) -> None:
    """Raise RefusedError unless the lock file of a root module has the hash of its package."""
    version, hashes = locked_package(_lock_text(root), package.address)
    if found in hashes and package.folder.parent.name == version:
        return
    remove = commands.shell("rm", "-r", str(root / INSTALLED))
    raise RefusedError(
        f"the provider {package.address} {version}",
        f"{package.folder} has the checksum {found}, which is not in {root / LOCK_FILE}",
        f"find out who changed it; the next run installs it again after: {remove}",
    )


def has_one_configuration(root: Path, program: Program) -> bool:
    """Return True if no module that a root module calls may configure a provider itself."""
    try:
        return not any(
            may_configure(path.name, path.read_text("utf-8", "replace"))
            for path in module_files(root, program.product)
            if path.name != ROOT_FILE
        )
    except OSError:
        return False


def is_overridden(environ: Mapping[str, str]) -> bool:
    """Return True if a CLI configuration file may replace a provider by a developer's build.

    Terraform would prefer a running provider to it (its docs, "CLI Configuration File").
    """
    return any(_OVERRIDES in _text(path) for path in _configurations(environ))


def _configurations(environ: Mapping[str, str]) -> Iterator[Path]:
    yield from (Path(environ[name]) for name in _CONFIGURATION if environ.get(name))
    home = Path(environ.get("HOME") or "/nonexistent")
    tofu = Path(environ.get("XDG_CONFIG_HOME") or home / ".config") / "opentofu"
    yield from (home / ".terraformrc", home / ".tofurc", tofu / "tofurc")
    for folder in (home / ".terraform.d", tofu):
        yield from folder.glob("*.tfrc")


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _lock_text(root: Path) -> str:
    return _text(root / LOCK_FILE)


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8", "replace")
    except OSError:
        return ""
