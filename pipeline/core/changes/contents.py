"""Say what an image has by the lists of packages that its template downloaded."""

from __future__ import annotations

from collections.abc import Mapping

from pipeline.core import commands
from pipeline.core.changes.model import ComparedImage, ImageContents
from pipeline.core.changes.packages import read_packages

NO_LIST = f"its template downloads no list, see: {commands.docs('templates')}"
EMPTY = "the list that its template downloads has no packages"


def contents_of(
    lists: Mapping[str, str],
    builds: Mapping[str, Mapping[str, str]],
    ids: Mapping[str, str],
    source: ComparedImage,
) -> ImageContents:
    """Return what an image has; `ids` are its AMIs by region.

    `lists` has the text of each build's list, `builds` the AMIs that each build made.
    """
    made_by = next((name for name, made in builds.items() if made.items() & ids.items()), "")
    if made_by not in lists:
        return ImageContents(source=source, unknown=NO_LIST)
    packages = read_packages(lists[made_by])
    if not packages:
        return ImageContents(source=source, unknown=EMPTY)
    return ImageContents(source=source, packages=packages)
