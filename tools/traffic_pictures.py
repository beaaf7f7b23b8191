"""Draw how traffic moves in each strategy, from recorded runs: docs/guide/strategies.md.

    python -m tools.traffic_pictures [RECORDINGS...]

`docs/pictures/traffic.json` has the recordings. The end-to-end tests of the strategies write new
ones to `.build/traffic/`; given as arguments, they replace those of the same strategy. A test draws
the pictures again and compares.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import jinja2

ROOT = Path(__file__).resolve().parents[1]
PICTURES = ROOT / "docs/pictures"
RECORDINGS = PICTURES / "traffic.json"
TEMPLATE = ROOT / "tools/traffic_picture.svg.j2"
WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 760, 226, 16, 744, 40, 170
ROWS = 3
"""Rows for the names of phases: neighbors must not overlap."""
LETTER = 6.2
"""Pixels of a letter of the small font, with room to spare."""
NAMED = 40.0
"""Pixels that an area must be wide for its name."""

Recording = Mapping[str, Any]
"""`title`; `seconds`: one pair of the old and the new version's answers for each part of a second;
`step`: its length; `phases`: pairs of a name and the second of its beginning; `requests`, `failed`.
"""


def drawn(recordings: Mapping[str, Recording]) -> dict[str, str]:
    """Return each picture as SVG, by the name of its file."""
    return {f"traffic-{name}.svg": svg(each) for name, each in recordings.items()}


def svg(recording: Recording) -> str:
    """Return the picture of one run as SVG."""
    environment = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    counts = [(old, new) for old, new in recording["seconds"]]
    requests, failed = recording["requests"], recording["failed"]
    shares = [old / max(1, old + new) for old, new in counts]
    template = environment.from_string(TEMPLATE.read_text())
    rendered = template.render(
        title=recording["title"],
        description="The share of the answers of the old and the new version over time. "
        f"Phases: {', '.join(name for name, _ in recording['phases'])}.",
        caption=f"{requests:,} requests, {failed} failed",
        width=WIDTH,
        height=HEIGHT,
        left=LEFT,
        right=RIGHT,
        top=TOP,
        bottom=BOTTOM,
        old=_area([1.0] * len(shares), [1 - each for each in shares]),
        new=_area([1 - each for each in shares], [0.0] * len(shares)),
        labels=list(_labels(shares)),
        phases=list(_phases(recording, len(shares))),
    )
    return rendered + "\n"


def _x(place: float, count: int) -> float:
    return round(LEFT + (RIGHT - LEFT) * place / max(1, count - 1), 1)


def _y(share: float) -> float:
    return round(BOTTOM - (BOTTOM - TOP) * share, 1)


def _area(upper: list[float], lower: list[float]) -> str:
    count = len(upper)
    there = [f"{_x(n, count)},{_y(each)}" for n, each in enumerate(upper)]
    back = [f"{_x(n, count)},{_y(lower[n])}" for n in reversed(range(count))]
    return "M" + "L".join([*there, *back]) + "Z"


def _labels(shares: list[float]) -> Iterable[dict[str, Any]]:
    """Yield the names of the areas, in the middle of where each has most of the traffic."""
    half = 0.5
    areas = {
        "old version": [n for n, each in enumerate(shares) if each > half],
        "new version": [n for n, each in enumerate(shares) if each < half],
    }
    for text, places in areas.items():
        if places and _x(len(places), len(shares)) - LEFT > NAMED:
            middle = places[len(places) // 2]
            yield {"text": text, "x": _x(middle, len(shares)), "y": _y(half)}


def _phases(recording: Recording, count: int) -> Iterable[dict[str, Any]]:
    """Yield the beginnings of phases, in the first row where the name has room."""
    ends = [0.0] * ROWS
    for name, at in recording["phases"]:
        x = _x(at / recording["step"], count)
        row = next((n for n, end in enumerate(ends) if end <= x), ends.index(min(ends)))
        ends[row] = x + 6 + LETTER * len(name)
        yield {"name": name, "x": x, "row": row}


def main(paths: Iterable[str]) -> None:
    """Take in the recordings and draw the pictures."""
    recordings = json.loads(RECORDINGS.read_text()) if RECORDINGS.exists() else {}
    for each in map(Path, paths):
        recordings[each.stem] = json.loads(each.read_text())
    RECORDINGS.write_text(json.dumps(recordings, indent=None, sort_keys=True) + "\n")
    for name, text in drawn(recordings).items():
        (PICTURES / name).write_text(text)
        print(PICTURES / name)


if __name__ == "__main__":
    main(sys.argv[1:])
