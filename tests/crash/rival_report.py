"""What became of the deaths of other ways to deploy, as figures and as text."""

from __future__ import annotations

import collections
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from tests.crash.report import percentile

COLUMNS = (
    "way",
    "load balancer",
    "state",
    "boundaries",
    "kills",
    "requests",
    "failed",
    "orphans at death",
    "orphans after one command",
    "mended by one command",
    "seconds p50, max",
)
_VARIES = re.compile(
    r"(?:web-[\w-]+-)?\b(?:ami|lt|sg|i)-[0-9a-f]{8,}"
    r"|(?<=RequestID: )\w+"
    r"|[0-9a-f]{8}-[0-9a-f-]{27}"
)


@dataclass(frozen=True, kw_only=True)
class Death:
    """What became of a deploy that was killed after a call, and typed once more.

    `code` and `seconds` are those of the command that was to mend it; `left` is what was there
    beside what served, at the death and after that command.
    """

    after: str
    died: bool
    code: int
    mended: bool
    seconds: float
    requests: int
    failed: int
    failures: dict[str, int]
    at_death: tuple[str, ...]
    left: tuple[str, ...]
    error: str


@dataclass(frozen=True, kw_only=True)
class Campaign:
    """All deaths of one way to deploy."""

    way: str
    kind: str
    state: str
    boundaries: tuple[str, ...]
    deaths: tuple[Death, ...]


def last_error(said: str) -> str:
    """Return the last line in which a tool says what is wrong, without its frame and colours.

    Terraform's begin with the word, and tell more below; Packer's have it somewhere.
    """
    plain = (re.sub(r"\x1b\[[\d;]*m", "", line).strip(" │╷╵") for line in said.splitlines())
    wrong = [line for line in plain if "error" in line.lower()]
    first = [line for line in wrong if line.startswith("Error")]
    return (first or wrong or [""])[-1]


def error_class(error: str) -> str:
    """Return an error without what differs from run to run."""
    return _VARIES.sub("…", error)


def figures(campaign: Campaign) -> dict[str, Any]:
    """Return the sums of a campaign; the seconds are those of commands that mended."""
    died = [each for each in campaign.deaths if each.died]
    times = sorted(each.seconds for each in died if each.mended)
    return {
        "way": campaign.way,
        "load balancer": campaign.kind,
        "state": campaign.state,
        "boundaries": len(campaign.boundaries),
        "kills": len(died),
        "requests": sum(each.requests for each in died),
        "failed": sum(each.failed for each in died),
        "orphans at death": sum(len(each.at_death) for each in died),
        "orphans after one command": sum(len(each.left) for each in died),
        "mended by one command": f"{sum(each.mended for each in died)} of {len(died)}",
        "seconds p50, max": ", ".join(f"{percentile(times, share):.0f}" for share in (0.5, 1.0))
        if times
        else "-",
    }


def document(campaigns: Iterable[Campaign]) -> list[dict[str, Any]]:
    """Return everything there is to know, for a file."""
    return [{"figures": figures(each), **asdict(each)} for each in campaigns]


def text(campaigns: Sequence[Campaign]) -> str:
    """Return the table, and below it every death and the classes of what went wrong."""
    rows = [figures(each) for each in campaigns]
    lines = [row(COLUMNS), "|" + "---|" * len(COLUMNS)]
    lines += [row(each[name] for name in COLUMNS) for each in rows]
    for campaign in campaigns:
        lines += ["", f"{campaign.way}, {campaign.kind}, {campaign.state}:"]
        lines += [story(each) for each in campaign.deaths]
    return "\n".join([*lines, "", *classes(campaigns)]) + "\n"


def row(cells: Iterable[object]) -> str:
    return f"| {' | '.join(map(str, cells))} |"


def story(death: Death) -> str:
    """Tell one death in one line."""
    came = "mended" if death.mended else "not mended"
    left = ", ".join(death.left) or "nothing"
    words = f"exit {death.code} after {death.seconds:.0f} s, {came}, left: {left}"
    words = f"{words}, {death.failed} of {death.requests} requests failed"
    return f"  {death.after}: {words if death.died else 'not reached'} {death.error}".rstrip()


def classes(campaigns: Iterable[Campaign]) -> Iterator[str]:
    """Give what went wrong, how often: errors of the second command, requests, what was left."""
    deaths = [each for campaign in campaigns for each in campaign.deaths if each.died]
    errors = collections.Counter(error_class(each.error) for each in deaths if each.code)
    requests: collections.Counter[str] = collections.Counter()
    for each in deaths:
        requests.update(each.failures)
    left = collections.Counter(what(thing) for each in deaths for thing in each.left)
    named = {"errors": errors, "failed requests": requests, "left after one command": left}
    for name, counted in named.items():
        yield f"{name}:"
        yield from (f"  {count} x {each}" for each, count in counted.most_common())


def what(thing: str) -> str:
    """Return what a thing is, without its name, which has no space in it."""
    return thing.rpartition(" ")[0]
