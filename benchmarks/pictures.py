"""Draw deployments as SVG: members by state, and requests, the recipe beside ami-pipeline.

It reads the series that a campaign kept and writes `docs/development/pictures/`. jinja2
and an SVG template suffice for steps and bars, and a test can compare them as text.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any

import jinja2

from benchmarks.local_cloud import REPOSITORY

PICTURES = REPOSITORY / "docs/development/pictures"
SERIES = REPOSITORY / "benchmarks/series"
PICTURES_OF = {
    "real-3-good": (
        "good.svg",
        "A good release",
        "A good release: both serve on while the groups change.",
    ),
    "real-3-never-healthy": (
        "never-healthy.svg",
        "A release that never becomes healthy",
        "A release whose members never pass a health check: who gives it up, and what is left.",
    ),
    "real-3-not-yet-listed": (
        "not-yet-listed.svg",
        "Members the load balancer lists 20 s late",
        (
            "Here Auto Scaling registers the new members 20 s after they came into service.\n"
            "Terraform counts a member that the load balancer does not list as healthy (the\n"
            "capacity wait of `aws_autoscaling_group`), and destroys the old group while nothing\n"
            "else serves."
        ),
    ),
}
"""For each series: the picture's file, its title, and its description."""
SHOWN = {"recipe": "the usual recipe", "ami-pipeline": "ami-pipeline promote"}

# Okabe and Ito's colors, which people with any color vision can distinguish.
COLORS = {
    "old healthy": "#0072B2",
    "old unhealthy": "#CC79A7",
    "old draining": "#56B4E9",
    "old waiting": "#BFD9EA",
    "new healthy": "#E69F00",
    "new unhealthy": "#CC79A7",
    "new draining": "#F3CF80",
    "new waiting": "#B5B5B5",
}
WORDS = {
    "old healthy": "old, healthy",
    "old unhealthy": "unhealthy",
    "old draining": "old, draining",
    "old waiting": "old, detached",
    "new healthy": "new, healthy",
    "new unhealthy": "new, unhealthy",
    "new draining": "new, draining",
    "new waiting": "new, starting or detached",
}
OK, FAILED = "#009E73", "#D55E00"
PLOT_WIDTH, MEMBERS_HEIGHT, REQUESTS_HEIGHT = 400, 150, 90
LEFT, COLUMN = 60, 480
NICE = (1, 2, 5, 10, 20, 30, 60, 120, 300)


@dataclass(frozen=True, kw_only=True)
class Area:
    """A filled shape in a color."""

    color: str
    path: str


@dataclass(frozen=True, kw_only=True)
class Column:
    """The two plots of one contender."""

    title: str
    left: int
    members: list[Area]
    requests: list[Area]
    ended: float
    ended_label: str


def draw(series: Path, folder: Path = PICTURES) -> list[tuple[str, str, str]]:
    """Draw every picture that has a series; return the entries of `PICTURES_OF` that were drawn."""
    folder.mkdir(exist_ok=True)
    there = {name: each for name, each in PICTURES_OF.items() if (series / f"{name}.json").exists()}
    for name, (file, title, _) in there.items():
        contenders = json.loads((series / f"{name}.json").read_text())
        (folder / file).write_text(svg(title, contenders))
    return list(there.values())


def svg(title: str, contenders: Mapping[str, Mapping[str, Any]]) -> str:
    """Return a picture of the contenders, on one scale."""
    shown = {key: contenders[key] for key in SHOWN if key in contenders}
    seconds = max(len(each["ok"]) * each["step"] for each in shown.values())
    most = max(total(each["members"]) for each in shown.values())
    rate = max(
        max(map(sum, zip(each["ok"], each["failed"], strict=True))) for each in shown.values()
    )
    states = [name for name in COLORS if any(name in each["members"] for each in shown.values())]
    columns = [
        column(SHOWN[key], LEFT + COLUMN * index, each, (seconds, most, rate))
        for index, (key, each) in enumerate(shown.items())
    ]
    template = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    return template.from_string((REPOSITORY / "benchmarks/picture.svg.j2").read_text()).render(
        title=title,
        columns=columns,
        width=COLUMN * len(columns) + 10,
        plot=PLOT_WIDTH,
        members_height=MEMBERS_HEIGHT,
        requests_height=REQUESTS_HEIGHT,
        times=ticks(seconds, PLOT_WIDTH),
        counts=ticks(most, MEMBERS_HEIGHT, 4),
        rates=ticks(rate, REQUESTS_HEIGHT, 3),
        legend=place_legend([(WORDS[name], COLORS[name]) for name in states]),
        requests_legend=place_legend([("answered 200", OK), ("failed", FAILED)]),
    )


def total(members: Mapping[str, Sequence[int]]) -> int:
    """Return the largest number of members."""
    return max(map(sum, zip(*members.values(), strict=True)), default=1)


def requests(series: Mapping[str, Any]) -> float:
    """Return the largest number of requests per second."""
    return max(map(sum, zip(series["ok"], series["failed"], strict=True)), default=1)


def column(
    title: str, left: int, series: Mapping[str, Any], scale: tuple[float, float, float]
) -> Column:
    """Return the plots of one contender."""
    seconds, most, rate = scale
    step = series["step"] * PLOT_WIDTH / seconds
    names = [name for name in COLORS if name in series["members"]]
    counts = [series["members"][name] for name in names]
    ended = series["ended"] * PLOT_WIDTH / seconds
    return Column(
        title=title,
        left=left,
        members=[
            Area(color=COLORS[name], path=path)
            for name, path in zip(
                names, stacked(counts, step, MEMBERS_HEIGHT / most, MEMBERS_HEIGHT), strict=True
            )
        ],
        requests=[
            Area(color=color, path=path)
            for color, path in zip(
                (FAILED, OK),
                stacked(
                    [series["failed"], series["ok"]], step, REQUESTS_HEIGHT / rate, REQUESTS_HEIGHT
                ),
                strict=True,
            )
        ],
        ended=round(ended, 1),
        ended_label=f"ends after {series['ended']:.0f} s",
    )


def stacked(
    layers: Sequence[Sequence[float]], step: float, unit: float, height: float
) -> list[str]:
    """Return the outline of each layer, in steps, the first one at the bottom."""
    sums = [list(accumulate(values)) for values in zip(*layers, strict=True)]
    paths = []
    for index in range(len(layers)):
        tops = [height - each[index] * unit for each in sums]
        bottoms = [height - (each[index - 1] if index else 0) * unit for each in sums]
        paths.append(outline(tops, bottoms, step))
    return paths


def outline(tops: Sequence[float], bottoms: Sequence[float], step: float) -> str:
    """Return a path along the tops and back along the bottoms."""
    there = corners(tops, step)
    back = reversed(corners(bottoms, step))
    points = [f"{x:.1f},{y:.1f}" for x, y in (*there, *back)]
    return f"M{' '.join(points)}Z" if points else ""


def corners(values: Sequence[float], step: float) -> list[tuple[float, float]]:
    """Return the corners of a line in steps."""
    found: list[tuple[float, float]] = []
    for index, value in enumerate(values):
        if len(found) >= 2 and found[-1][1] == value:  # noqa: PLR2004  the line continues
            found[-1] = ((index + 1) * step, value)
        else:
            found += [(index * step, value), ((index + 1) * step, value)]
    return found


def ticks(most: float, length: int, wanted: int = 6) -> list[tuple[float, str]]:
    """Return the marks of an axis: their pixels and labels."""
    every = next((each for each in NICE if most / each <= wanted), NICE[-1])
    count = int(most / every)
    return [
        (round(index * every * length / most, 1), str(index * every)) for index in range(count + 1)
    ]


def place_legend(entries: Sequence[tuple[str, str]]) -> list[tuple[int, str, str]]:
    """Return the entries of a legend with their horizontal positions."""
    found, place = [], 0
    for word, color in entries:
        found.append((place, word, color))
        place += 32 + 7 * len(word)
    return found


if __name__ == "__main__":
    for file, _, _ in draw(SERIES):
        print(PICTURES / file)
