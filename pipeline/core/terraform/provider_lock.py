"""Define the recorded dependency lock file of an environment: provider versions and hashes.

Terraform writes the file in one form (its docs, "Dependency Lock File"), so lines are enough to
read it. A `zh:` hash comes from the registry's signed list, which covers every platform; an `h1:`
hash is that of one platform's unpacked package.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from pipeline.core.terraform.plan_guard import Plan

LOCK_FILE = ".terraform.lock.hcl"
PLATFORMS = ("darwin_amd64", "darwin_arm64", "linux_amd64", "linux_arm64")
"""The platforms whose hashes a new lock gets, if the registry can be reached."""

_BLOCK = re.compile(r'^provider "([^"\n]+)" \{\n(.*?)^\}\n?', re.MULTILINE | re.DOTALL)
_VERSION = re.compile(r'^\s*version\s*=\s*"([^"\n]+)"', re.MULTILINE)
_HASHES = re.compile(r"^  hashes = \[\n(.*?)^  \]\n", re.MULTILINE | re.DOTALL)
_HASH = re.compile(r'"((?:h1|zh):[^"\n]+)"')


@dataclass(frozen=True, kw_only=True, slots=True)
class ProviderLock:
    """A dependency lock file; `platforms` are those whose own packages it has hashes of."""

    text: str
    platforms: tuple[str, ...]

    @property
    def versions(self) -> Mapping[str, str]:
        """The version of each provider, by its address in a registry."""
        return versions_in(self.text)

    def text_for(self, platform: str) -> str:
        """Return the file for `init` on a platform.

        On a new platform an unsigned provider has no hash yet: its version is kept, and `init`
        adds the hash of the package that it installs.
        """
        return self.text if platform in self.platforms else _without_unsigned(self.text)

    def with_file(self, text: str, platform: str) -> ProviderLock:
        """Return this lock with what `init` on a platform has written: new hashes, new providers.

        A new provider has the hashes of this platform only, so the other platforms are new again.
        """
        platforms = self.platforms if versions_in(text) == self.versions else ()
        known = {name: hashes_in(block) for name, block in _blocks(self.text).items()}

        def add_known(block: str) -> str:
            name = _name(block)
            is_same = versions_in(block).get(name) == self.versions.get(name)
            return _with_hashes(block, hashes_in(block) | known[name]) if is_same else block

        merged = _BLOCK.sub(lambda found: add_known(found[0]), text)
        return ProviderLock(text=merged, platforms=_sorted({*platforms, platform}))


@dataclass(frozen=True, kw_only=True, slots=True)
class ProviderUpgrade:
    """Newer providers, and Terraform's plan with them; `before` is empty without a record."""

    before: Mapping[str, str]
    lock: ProviderLock
    plan: Plan

    @property
    def changes(self) -> tuple[tuple[str, str, str], ...]:
        """The providers that change: address, version before and after; empty for none."""
        after = self.lock.versions
        names = sorted({*self.before, *after})
        found = ((name, self.before.get(name, ""), after.get(name, "")) for name in names)
        return tuple(each for each in found if each[1] != each[2])


def new_lock(text: str, *platforms: str) -> ProviderLock:
    """Return the lock of a file that has the hashes of these platforms."""
    return ProviderLock(text=text, platforms=_sorted(set(platforms)))


def versions_in(text: str) -> dict[str, str]:
    """Return the version of each provider in a dependency lock file."""
    found = {name: _VERSION.search(block) for name, block in _blocks(text).items()}
    return {name: version[1] for name, version in found.items() if version}


def hashes_in(text: str) -> set[str]:
    """Return the hashes in a dependency lock file or a part of it."""
    return set(_HASH.findall(text))


def locked_package(text: str, address: str) -> tuple[str, frozenset[str]]:
    """Return the version of a provider and the `h1:` hashes of its packages; empty if unknown."""
    block = _blocks(text).get(address, "")
    hashes = frozenset(each for each in hashes_in(block) if each.startswith("h1:"))
    return versions_in(block).get(address, ""), hashes


def is_signed(text: str) -> bool:
    """Return True if every provider has hashes of the registry's signed list."""
    return all(any(each.startswith("zh:") for each in hashes_in(b)) for b in _blocks(text).values())


def _blocks(text: str) -> dict[str, str]:
    return {found[1]: found[0] for found in _BLOCK.finditer(text)}


def _name(block: str) -> str:
    return next(iter(_blocks(block)), "")


def _without_unsigned(text: str) -> str:
    return _BLOCK.sub(lambda b: b[0] if is_signed(b[0]) else _HASHES.sub("", b[0]), text)


def _with_hashes(block: str, hashes: set[str]) -> str:
    lines = "".join(f'    "{each}",\n' for each in sorted(hashes))
    return _HASHES.sub(lambda _: f"  hashes = [\n{lines}  ]\n", block)


def _sorted(platforms: set[str]) -> tuple[str, ...]:
    return tuple(sorted(platforms))
