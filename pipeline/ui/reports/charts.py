"""Compute the shapes of a report's charts: stacked areas over time, and the bars of phases.

A chart has no text: the page draws names, legends and axes as HTML, which stays readable on a
phone. All coordinates are within `WIDTH` and `HEIGHT`; the browser stretches them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from pipeline.core.state.deployment import Deployment
from pipeline.core.timeline.model import MemberState, Span, Timeline
from pipeline.core.timeline.requests import Key, answered, total_answers
from pipeline.core.times import format_duration

WIDTH, HEIGHT = 1000, 100
LEAST_SECONDS = 1.0
"""Seconds that an axis has at least."""
SHARPEST = 90
"""Intervals of requests at most: narrower ones are added up."""
_GOOD = ("2", "3")


@dataclass(frozen=True, kw_only=True, slots=True)
class Axis:
    """Seconds of a deployment as a share of a chart's width; pauses are cut out.

    `pauses` are from when to when, in seconds, in order.
    """

    end: float
    pauses: tuple[tuple[float, float], ...] = ()

    def x(self, at: float) -> float:
        """Return the place of a time, from 0 to `WIDTH`."""
        span = max(self._passed(self.end), LEAST_SECONDS)
        return round(min(max(self._passed(at) / span, 0.0), 1.0) * WIDTH, 1)

    def percent(self, at: float) -> float:
        """Return the place of a time, from 0 to 100."""
        return round(self.x(at) / WIDTH * 100, 2)

    def _passed(self, at: float) -> float:
        return at - sum(max(min(at, ended) - began, 0.0) for began, ended in self.pauses)


@dataclass(frozen=True, kw_only=True, slots=True)
class Area:
    """One layer of a stacked chart: its name, its CSS class, its outline, and its last figure."""

    name: str
    style: str
    path: str
    figure: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Chart:
    """A stacked chart over time; `top` is the highest value, `lines` are the starts of phases."""

    title: str
    description: str
    top: str
    areas: tuple[Area, ...]
    lines: tuple[float, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Bar:
    """One phase: its place in percent of the width, and what is written beside it."""

    name: str
    style: str
    icon: str
    left: float
    width: float
    began: str
    took: str
    fault: str


def axis_of(deployment: Deployment, spans: Iterable[Span], timeline: Timeline) -> Axis:
    """Return the axis that all charts of a deployment share."""
    ends = [each.began if each.ended is None else each.ended for each in spans]
    began = datetime.fromisoformat(deployment.began)
    found = [
        (_seconds(began, each.since), _seconds(began, each.ended))
        for each in deployment.pauses
        if each.ended
    ]
    return Axis(end=max([timeline.end, *ends]), pauses=tuple(found))


def _seconds(began: datetime, time: str) -> float:
    return max((datetime.fromisoformat(time) - began).total_seconds(), 0.0)


def bars(spans: Sequence[Span], axis: Axis) -> list[Bar]:
    """Return a bar for each phase; one that runs ends at the end of the axis."""
    return [_bar(each, axis) for each in spans]


def _bar(span: Span, axis: Axis) -> Bar:
    ended = axis.end if span.ended is None else span.ended
    left = axis.percent(span.began)
    state = "failed" if span.fault else "running" if span.ended is None else "done"
    return Bar(
        name=span.name,
        style=state,
        icon={"failed": "✖", "running": "▸", "done": "✔"}[state],
        left=min(left, 99.4),
        width=max(round(axis.percent(ended) - left, 2), 0.6),
        began=format_duration(span.began),
        took=format_duration(max(ended - span.began, 0.0)) if span.ended is not None else "",
        fault=span.fault,
    )


def member_chart(
    timeline: Timeline, release: str, role: str, axis: Axis, lines: Iterable[float]
) -> Chart:
    """Return the chart of the members of one release by state; `role` says which release it is."""
    steps, top = list[tuple[float, Counter[str]]](), 1
    for point in timeline.points:
        found = next((each for each in point.groups if each.release == release), None)
        steps.append((point.at, Counter(found.states if found else {})))
        top = max(top, sum(steps[-1][1].values()), found.desired if found else 0)
    layers = [str(state) for state in MemberState if any(each[state] for _, each in steps)]
    last = steps[-1][1] if steps else Counter[str]()
    return Chart(
        title=f"{release} ({role})",
        description=", ".join(f"{last[each]} {each}" for each in layers if last[each])
        or "no members at the end",
        top=str(top),
        areas=tuple(
            Area(
                name=layer,
                style=f"state-{layer.replace(' ', '-')}",
                path=_stacked(steps, layers[: index + 1], layers[:index], top, axis),
                figure=str(last[layer] or ""),
            )
            for index, layer in enumerate(layers)
        ),
        lines=tuple(axis.x(each) for each in lines),
    )


def _stacked(
    steps: Sequence[tuple[float, Mapping[str, float]]],
    upper: Sequence[str],
    lower: Sequence[str],
    top: float,
    axis: Axis,
) -> str:
    """Return the outline between two sums as steps: each value holds until the next time."""

    def edge(layers: Sequence[str]) -> list[tuple[float, float]]:
        line = list[tuple[float, float]]()
        for index, (at, counts) in enumerate(steps):
            until = steps[index + 1][0] if index + 1 < len(steps) else axis.end
            y = _y(sum(counts.get(each, 0) for each in layers), top)
            line += [(axis.x(at), y), (axis.x(until), y)]
        return _plain(line)

    return _outline(edge(upper), edge(lower))


def _plain(line: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Return a line without the points in the middle of a straight part."""
    kept = list[tuple[float, float]]()
    for point in line:
        if len(kept) > 1 and kept[-1][1] == point[1] == kept[-2][1]:
            kept[-1] = point
        elif not kept or kept[-1] != point:
            kept.append(point)
    return kept


def _y(value: float, top: float) -> float:
    return round(HEIGHT - HEIGHT * value / top, 1)


def _outline(there: list[tuple[float, float]], back: list[tuple[float, float]]) -> str:
    return "M" + "L".join(f"{x:g},{y:g}" for x, y in (*there, *reversed(back))) + "Z"


def request_chart(
    timeline: Timeline, axis: Axis, lines: Iterable[float], new_version: str
) -> Chart | None:
    """Return the chart of requests per second by version and status; None without a probe."""
    steps = list(_rates(timeline))
    if not steps:
        return None
    total = Counter({(each.version, each.status): each.count for each in total_answers(timeline)})
    keys = sorted(total, key=lambda key: (_is_good(key), key[0] == new_version, key))
    layers = [_name(key) for key in keys]
    top = max(sum(rates.values()) for _, rates in steps) or 1.0
    return Chart(
        title="requests per second",
        description=", ".join(f"{total[key]:,} {_name(key)}" for key in keys),
        top=f"{top:.0f}" if top >= 1 else f"{top:.1f}",
        areas=tuple(
            Area(
                name=layer,
                style=_style(keys[index], new_version),
                path=_stacked(steps, layers[: index + 1], layers[:index], top, axis),
                figure=f"{total[keys[index]]:,}",
            )
            for index, layer in enumerate(layers)
        ),
        lines=tuple(axis.x(each) for each in lines),
    )


def _rates(timeline: Timeline) -> Iterator[tuple[float, Mapping[str, float]]]:
    """Yield requests per second from a time on, by version and status; none at the end."""
    least, since, until = timeline.end / SHARPEST, -1.0, 0.0
    pending = Counter[Key]()
    for began, ended, new in answered(timeline):
        since, until = (began if since < 0 else since), ended
        pending += new
        if ended - since >= least:
            yield since, _per_second(pending, ended - since)
            since, pending = ended, Counter()
    if pending:
        yield since, _per_second(pending, until - since)
    if until:
        yield until, {}


def _per_second(counts: Counter[Key], seconds: float) -> Mapping[str, float]:
    return {_name(key): count / max(seconds, 0.1) for key, count in counts.items()}


def _name(key: Key) -> str:
    version, status = key
    return f"{version}, {status}" if version else status


def _is_good(key: Key) -> bool:
    return key[1].startswith(_GOOD)


def _style(key: Key, new_version: str) -> str:
    if not _is_good(key):
        return "answer-bad"
    if not key[0]:
        return "answer-other"
    return "answer-new" if key[0] == new_version else "answer-old"
