"""The tables of `docs/benchmarks.md`, rendered from `benchmarks/latest.json` between markers.

Pure: a document in, Markdown out. A test renders them again, so that the page never says what was
not measured.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.summary import Record, middle

MEASURED = ("<!-- measured: written by make bench -->", "<!-- /measured -->")
PICTURES = ("<!-- pictures: drawn by make bench -->", "<!-- /pictures -->")
WAYS = {"recipe": "recipe", "ours": "ami-pipeline", "waiter": "boto3 waiters"}
PROFILES = {
    "real": "Real latencies",
    "none": "No latencies: what the tools themselves take",
}
COLUMNS = (
    *("release", "members", "way", "wall time", "failed requests", "healthy to decision"),
    *("own calls", "Terraform's calls", "peak memory", "exit", "left running"),
)


def rendered(latest: Mapping[str, Any]) -> str:
    """Return all that stands between the markers."""
    parts = [goals(latest)]
    if runs := latest.get("deployments", {}).get("runs"):
        parts += [
            f"### {title}\n\n{table(chosen)}"
            for profile, title in PROFILES.items()
            if (chosen := [run for run in runs if run["profile"] == profile])
        ]
    return "\n\n".join(parts)


def updated(page: str, latest: Mapping[str, Any], drawn: Sequence[tuple[str, str, str]]) -> str:
    """Return the page with the tables as measured and the pictures that were drawn.

    A picture is its file's name, its title and a sentence. Raises ValueError where a marker lacks.
    """
    shown = [f"{text}\n\n![{title}](pictures/{name})" for name, title, text in drawn]
    return between(between(page, MEASURED, rendered(latest)), PICTURES, "\n\n".join(shown))


def between(page: str, markers: tuple[str, str], text: str) -> str:
    """Return a page with this between two markers, and nothing else there."""
    before, begin, rest = page.partition(markers[0])
    _, end, after = rest.partition(markers[1])
    if not (begin and end):
        raise ValueError(f"the page has no {markers[0]} and {markers[1]}")
    return "\n\n".join(part for part in (before + begin, text, end + after) if part)


def goals(latest: Mapping[str, Any]) -> str:
    """Return every part's figures, each with its goal."""
    parts = []
    for name, part in latest.items():
        rows = [[f["name"], value(f), *verdict(f)] for f in part["figures"]]
        head = f"### {name}\n\nMeasured on {part['measured']}: {part['machine']}.\n\n"
        parts.append(head + markdown(("figure", "value", "goal", ""), rows))
    return "\n\n".join(parts)


def value(figure: Mapping[str, Any]) -> str:
    """Return what was measured, with its unit."""
    return f"{figure['value']:g} {figure['unit']}".strip()


def verdict(figure: Mapping[str, Any]) -> tuple[str, str]:
    """Return a figure's goal and whether it was met."""
    if not figure["goal"]:
        return "", ""
    return figure["goal"], "met" if figure["met"] else "**missed**"


def table(runs: Sequence[Record]) -> str:
    """Return the runs side by side, those of one kind as one row of medians."""
    kinds: dict[tuple[Any, ...], list[Record]] = {}
    for run in runs:
        kinds.setdefault((run["scenario"], run["members"], run["way"], run["looks"]), []).append(
            run
        )
    return markdown(COLUMNS, [row(alike) for alike in kinds.values()])


def row(alike: Sequence[Record]) -> list[str]:
    """Return the row of some runs of one kind."""
    first = alike[0]
    way = WAYS[first["way"]] + (f", {first['looks']} looks" if first["looks"] != 1 else "")
    of_python = first["way"] != "recipe"
    failed, requests = (sum(run[name] for run in alike) for name in ("failed", "requests"))
    return [
        first["scenario"],
        str(first["members"]),
        way,
        told(middle(alike, "seconds"), "s", 1),
        f"{failed} of {requests}",
        told(middle(alike, "decision"), "s", 1),
        told(middle(alike, "own_calls"), "") if of_python else "",
        told(middle(alike, "terraform_calls"), "") if first["way"] != "waiter" else "",
        told(middle(alike, "memory"), "MiB") if of_python else "",
        ", ".join(sorted({str(run["code"]) for run in alike})),
        str(max(run["left"] for run in alike)),
    ]


def told(value: float | None, unit: str, digits: int = 0) -> str:
    """Return a number as people read it."""
    return "" if value is None else f"{value:.{digits}f} {unit}".strip()


def markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
