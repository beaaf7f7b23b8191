"""Render the tables of `docs/development/benchmarks.md`, between markers.

The figures are those of `benchmarks/latest.json`.

All functions are pure. A test renders the page again, so that it only contains measured values.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.summary import Record, median_of

MEASURED = ("<!-- measured: written by make bench -->", "<!-- /measured -->")
PICTURES = ("<!-- pictures: drawn by make bench -->", "<!-- /pictures -->")
CONTENDERS = {
    "recipe": "recipe",
    "ami-pipeline": "ami-pipeline",
    "no-wait-retire": "ami-pipeline, --no-wait-retire",
    "boto3-script": "boto3 script",
}
PROFILES = {
    "real": "Real latencies",
    "none": "No latencies: what the tools themselves take",
}
COLUMNS = (
    *("release", "members", "contender", "wall time", "failed requests", "healthy to decision"),
    *("own calls", "Terraform's calls", "peak memory", "exit", "left running"),
)


def rendered(latest: Mapping[str, Any]) -> str:
    """Return the text between the markers."""
    parts = [goals(latest)]
    if runs := latest.get("deployments", {}).get("runs"):
        parts += [
            f"### {title}\n\n{table(selected)}"
            for profile, title in PROFILES.items()
            if (selected := [run for run in runs if run["profile"] == profile])
        ]
    return "\n\n".join(parts)


def updated(page: str, latest: Mapping[str, Any], drawn: Sequence[tuple[str, str, str]]) -> str:
    """Return the page with the measured tables and the drawn pictures.

    A picture is a file name, a title and a sentence. Raises ValueError if a marker is missing.
    """
    shown = [f"{text}\n\n![{title}](pictures/{name})" for name, title, text in drawn]
    return between(between(page, MEASURED, rendered(latest)), PICTURES, "\n\n".join(shown))


def between(page: str, markers: tuple[str, str], text: str) -> str:
    """Return a page with this text between two markers."""
    before, begin, rest = page.partition(markers[0])
    _, end, after = rest.partition(markers[1])
    if not (begin and end):
        raise ValueError(f"the page has no {markers[0]} and {markers[1]}")
    return "\n\n".join(part for part in (before + begin, text, end + after) if part)


def goals(latest: Mapping[str, Any]) -> str:
    """Return the figures of every part with their goals."""
    parts = []
    for name, part in latest.items():
        rows = [[f["name"], value(f), *verdict(f)] for f in part["figures"]]
        head = f"### {name}\n\nMeasured on {part['measured']}: {part['machine']}.\n\n"
        parts.append(head + markdown(("figure", "value", "goal", ""), rows))
    return "\n\n".join(parts)


def value(figure: Mapping[str, Any]) -> str:
    """Return a measured value with its unit."""
    return f"{figure['value']:g} {figure['unit']}".strip()


def verdict(figure: Mapping[str, Any]) -> tuple[str, str]:
    """Return a figure's goal, and whether it was met."""
    if not figure["goal"]:
        return "", ""
    return figure["goal"], "met" if figure["met"] else "**missed**"


def table(runs: Sequence[Record]) -> str:
    """Return the table of runs; runs of one kind become one row of medians."""
    kinds: dict[tuple[Any, ...], list[Record]] = {}
    for run in runs:
        kinds.setdefault(
            (run["scenario"], run["members"], run["contender"], run["healthy_checks"]), []
        ).append(run)
    return markdown(COLUMNS, [row(alike) for alike in kinds.values()])


def row(alike: Sequence[Record]) -> list[str]:
    """Return the row of runs of one kind."""
    first = alike[0]
    contender = CONTENDERS[first["contender"]]
    if first["healthy_checks"] != 1:
        contender += f", {first['healthy_checks']} healthy checks"
    of_python = first["contender"] != "recipe"
    failed, requests = (sum(run[name] for run in alike) for name in ("failed", "requests"))
    return [
        first["scenario"],
        str(first["members"]),
        contender,
        formatted(median_of(alike, "seconds"), "s", 1),
        f"{failed} of {requests}",
        formatted(median_of(alike, "decision"), "s", 1),
        formatted(median_of(alike, "own_calls"), "") if of_python else "",
        formatted(median_of(alike, "terraform_calls"), "")
        if first["contender"] != "boto3-script"
        else "",
        formatted(median_of(alike, "memory"), "MiB") if of_python else "",
        ", ".join(sorted({str(run["code"]) for run in alike})),
        str(max(run["left"] for run in alike)),
    ]


def formatted(value: float | None, unit: str, digits: int = 0) -> str:
    """Return a number as text."""
    return "" if value is None else f"{value:.{digits}f} {unit}".strip()


def markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
