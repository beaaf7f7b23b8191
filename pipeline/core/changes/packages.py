"""Read a list of installed packages and compare two of them; RPM's and Debian's.

The lists are in the formats that `rpm -qa` (NAME-VERSION-RELEASE.ARCH, rpm(8)) and `dpkg-query -W`
(NAME[:ARCH], a tab, VERSION, dpkg-query(1)) print without options.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import TypeVar

from pipeline.core.changes.model import MOST_LISTED, Package, PackageChanges, PackageUpdate
from pipeline.core.changes.versions import is_older

MOST_LINES = 20_000
"""Packages of a list that are read; a full desktop system has some 5,000."""
_DPKG = re.compile(r"(?P<name>[a-z0-9][a-z0-9+.-]*)(?::(?P<arch>[a-z0-9-]+))?\t(?P<version>\S+)")
_RPM = re.compile(
    r"(?P<name>[A-Za-z0-9_+.-]+)-(?P<version>[^\s-]+-[^\s-]+?)\.(?P<arch>[a-z0-9_]+|\(none\))"
)

_Key = tuple[str, str]
_Changed = TypeVar("_Changed", Package, PackageUpdate)


def read_packages(text: str) -> tuple[Package, ...]:
    """Return the packages of a list, by name; empty if it has none in either format."""
    lines = islice((line.strip() for line in text.splitlines()), MOST_LINES)
    found = (_DPKG.fullmatch(line) or _RPM.fullmatch(line) for line in lines)
    packages = {
        Package(
            name=each["name"],
            version=each["version"],
            arch=(each["arch"] or "").replace("(none)", ""),
        )
        for each in found
        if each and each["name"] != "gpg-pubkey"  # A key that rpm lists as a package.
    }
    return tuple(sorted(packages, key=lambda each: (each.name, each.arch, each.version)))


def package_changes(before: Iterable[Package], after: Iterable[Package]) -> PackageChanges:
    """Return the packages that differ, by name and architecture.

    A package that is installed in several versions, such as an RPM kernel, counts as its newest.
    """
    old, new = _newest(before), _newest(after)
    common = [key for key in new if key in old and old[key] != new[key]]
    updates = [
        PackageUpdate(name=key[0], before=old[key], after=new[key], arch=key[1]) for key in common
    ]
    upgraded = [each for each in updates if is_older(each.before, each.after)]
    downgraded = [each for each in updates if not is_older(each.before, each.after)]
    added = _packages(new, new.keys() - old.keys())
    removed = _packages(old, old.keys() - new.keys())
    return PackageChanges(
        added=_first(added),
        removed=_first(removed),
        upgraded=_first(upgraded),
        downgraded=_first(downgraded),
        more=sum(
            max(0, len(each) - MOST_LISTED) for each in (added, removed, upgraded, downgraded)
        ),
    )


def _newest(packages: Iterable[Package]) -> Mapping[_Key, str]:
    found: dict[_Key, str] = {}
    for each in packages:
        key = (each.name, each.arch)
        if key not in found or is_older(found[key], each.version):
            found[key] = each.version
    return found


def _packages(versions: Mapping[_Key, str], keys: Iterable[_Key]) -> list[Package]:
    return [Package(name=key[0], version=versions[key], arch=key[1]) for key in keys]


def _name(package: Package | PackageUpdate) -> tuple[bool, str, str]:
    """Return what sorts packages: the kernel first, because readers search for it."""
    kernel = package.name.startswith(("kernel", "linux-image"))
    return not kernel, package.name, package.arch


def _first(packages: Sequence[_Changed]) -> tuple[_Changed, ...]:
    return tuple(sorted(packages, key=_name)[:MOST_LISTED])
