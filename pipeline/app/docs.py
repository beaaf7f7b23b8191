"""`docs`: give the command line the pages that ship."""

from __future__ import annotations

from pipeline.adapters.files.documentation import documentation_folder, shipped_pages
from pipeline.core.documentation import Page


def pages() -> tuple[Page, ...]:
    """Return every page that ships, those of the guide first."""
    return shipped_pages(documentation_folder())
