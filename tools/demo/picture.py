"""Draw the picture of README.md from a recorded demo: `make docs`.

`python -m tools.demo classic --record tools/demo/recorded.json` records another one.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2

from benchmarks.pictures import stacked, ticks

ROOT = Path(__file__).resolve().parents[2]
RECORDED = ROOT / "tools/demo/recorded.json"
PICTURE = ROOT / "docs/pictures/deployment.svg"
TEMPLATE = ROOT / "tools/demo/picture.svg.j2"
TITLES = {
    "promote 2.0.0": "promote 2.0.0: it replaces 1.0.0",
    "promote 3.0.0, never healthy": "promote 3.0.0: its members never become healthy",
    "rollback": "rollback: 1.0.0 is still warm",
}
"""The deployments that are drawn, by their names in the demo, with what is written above them."""

# Okabe and Ito's colors, which people with any color vision can tell apart.
VERSIONS = {"1.0.0": "#0072B2", "2.0.0": "#E69F00", "failed": "#D55E00"}
WIDTH, LEFT, PLOT, HEIGHT, ROW, TOP = 960, 56, 880, 70, 186, 60
LETTER, GAP = 6.6, 8.0
"""Pixels: the width of a letter in a label, the least space between two labels."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Band:
    """A phase: where it begins and how wide it is, and where its label stands."""

    name: str
    left: float
    width: float
    label: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """A deployment: its title, its phases, and the requests that each version answered."""

    title: str
    top: int
    bands: list[Band]
    areas: list[tuple[str, str]]
    end: float


def svg(recorded: Mapping[str, Any]) -> str:
    """Return the picture of a recorded demo."""
    named = {each["name"]: each for each in recorded["deployments"]}
    shown = [named[name] for name in TITLES]
    seconds = max(_seconds(each) for each in shown)
    unit = PLOT / seconds
    rate = max(max(map(sum, zip(*each["answers"].values(), strict=True))) for each in shown)
    began = shown[0]["began"]
    environment = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    return (
        environment.from_string(TEMPLATE.read_text()).render(
            width=WIDTH,
            height=TOP + ROW * len(shown) + 24,
            left=LEFT,
            plot=PLOT,
            plot_height=HEIGHT,
            rows=[_row(each, TOP + ROW * index, unit, rate) for index, each in enumerate(shown)],
            rates=ticks(rate, HEIGHT, 3),
            times=[
                (round(place + began * unit, 1), label)
                for place, label in ticks(seconds - began, round(PLOT - began * unit))
            ],
            began=round(began * unit, 1),
            legend=_legend(shown),
        )
        + "\n"
    )


def _seconds(deployment: Mapping[str, Any]) -> int:
    return max(map(len, deployment["answers"].values()))


def _row(deployment: Mapping[str, Any], top: int, unit: float, rate: float) -> Row:
    names = [name for name in VERSIONS if name in deployment["answers"]]
    layers = [deployment["answers"][name] for name in names]
    paths = stacked(layers, unit, HEIGHT / rate, HEIGHT)
    return Row(
        title=TITLES[deployment["name"]],
        top=top,
        bands=list(_bands(deployment, unit)),
        areas=[(VERSIONS[name], path) for name, path in zip(names, paths, strict=True)],
        end=round(deployment["ended"] * unit, 1),
    )


def _bands(deployment: Mapping[str, Any], unit: float) -> Iterator[Band]:
    """Yield the plan and each phase, their labels beside each other without overlap."""
    phases = deployment["phases"]
    plan = {"name": "plan", "began": deployment["began"], "ended": phases[0]["began"]}
    right = 0.0
    for phase in (plan, *phases):
        left, width = phase["began"] * unit, (phase["ended"] - phase["began"]) * unit
        half = LETTER * len(phase["name"]) / 2
        label = max(left + width / 2, right + GAP + half)
        right = label + half
        yield Band(
            name=phase["name"], left=round(left, 1), width=round(width, 1), label=round(label, 1)
        )


def _legend(shown: Sequence[Mapping[str, Any]]) -> list[tuple[int, str, str]]:
    """Return each entry of the legend: how far to the right it is, its color, its words."""
    lost = sum(sum(each["answers"].get("failed", ())) for each in shown)
    words = {"1.0.0": "answered by 1.0.0", "2.0.0": "answered by 2.0.0"}
    words["failed"] = f"failed: {lost}"
    return [(index * 160, VERSIONS[name], text) for index, (name, text) in enumerate(words.items())]


def main() -> None:
    """Draw the picture."""
    PICTURE.write_text(svg(json.loads(RECORDED.read_text())))
    print(PICTURE)


if __name__ == "__main__":
    main()
