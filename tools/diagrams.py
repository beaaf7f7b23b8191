"""Draw the two pictures of docs/development/architecture.md: `make docs`.

`diagrams.toml` has their boxes and arrows. A test draws them again and compares.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jinja2

ROOT = Path(__file__).resolve().parents[1]
PICTURES = ROOT / "docs/pictures"
DIAGRAMS = ROOT / "tools/diagrams.toml"
TEMPLATE = ROOT / "tools/diagram.svg.j2"
LINE = 16
"""Pixels from one line of text to the next."""


def drawn() -> dict[str, str]:
    """Return each picture as SVG, by the name of its file."""
    diagrams = tomllib.loads(DIAGRAMS.read_text())
    return {f"{name}.svg": svg(diagram) for name, diagram in diagrams.items()}


def svg(diagram: Mapping[str, Any]) -> str:
    """Return one diagram as SVG."""
    environment = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string(TEMPLATE.read_text())
    width, height = diagram["size"]
    keys = ("x", "y", "width", "height", "kind", "title", "lines")
    return (
        template.render(
            title=diagram["title"],
            width=width,
            height=height,
            boxes=[dict(zip(keys, box, strict=True)) for box in diagram["boxes"]],
            arrows=[{**arrow, "path": _path(arrow["points"])} for arrow in diagram["arrows"]],
            line=LINE,
        )
        + "\n"
    )


def _path(points: list[list[int]]) -> str:
    return "M" + " L".join(f"{x},{y}" for x, y in points)


def main() -> None:
    """Draw both pictures."""
    for name, text in drawn().items():
        (PICTURES / name).write_text(text)
        print(PICTURES / name)


if __name__ == "__main__":
    main()
