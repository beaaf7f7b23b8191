"""Read the documentation that ships with the program."""

from __future__ import annotations

from pathlib import Path

import pipeline
from pipeline.core import commands
from pipeline.core.documentation import Page
from pipeline.core.errors import RefusedError

PARTS = ("guide", "reference")


def documentation_folder() -> Path:
    """Return the folder of the documentation: in the installed package, or in the checkout."""
    package = Path(pipeline.__file__).resolve().parent
    folders = (package / "docs", package.parent / "docs")
    return next((folder for folder in folders if folder.is_dir()), folders[0])


def shipped_pages(folder: Path) -> tuple[Page, ...]:
    """Return the pages of the guide and of the reference; raises RefusedError without any."""
    files = [file for part in PARTS for file in sorted((folder / part).glob("*.md"))]
    if not files:
        raise RefusedError(
            commands.docs(),
            f"{folder} holds no documentation",
            f"install the program again: {commands.UPGRADE} --force-reinstall",
        )
    return tuple(_read(file) for file in files)


def _read(file: Path) -> Page:
    text = file.read_text(encoding="utf-8")
    title = text.partition("\n")[0].removeprefix("# ")
    return Page(topic=file.stem, title=title, file=file, text=text)
