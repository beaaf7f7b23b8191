"""Report the killed deploys of other deployment tools as figures and as text."""

from __future__ import annotations

import collections
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from tests.crash.report import percentile

COLUMNS = (
    "tool",
    "load balancer",
    "state",
    "boundaries",
    "kills",
    "requests",
    "failed",
    "orphans at kill",
    "orphans after one command",
    "fixed by one command",
    "seconds p50, max",
)
_VARIES = re.compile(
    r"(?:web-[\w-]+-)?\b(?:ami|lt|sg|i)-[0-9a-f]{8,}"
    r"|(?<=RequestID: )\w+"
    r"|[0-9a-f]{8}-[0-9a-f-]{27}"
)


@dataclass(frozen=True, kw_only=True)
class KilledDeploy:
    """A deploy that was killed after a call and then repeated.

    `code` and `seconds` belong to the repeated command. `at_kill` and `left` list the leftovers at
    the kill and after the repeated command.
    """

    after: str
    killed: bool
    code: int
    fixed: bool
    seconds: float
    requests: int
    failed: int
    failures: dict[str, int]
    at_kill: tuple[str, ...]
    left: tuple[str, ...]
    error: str


@dataclass(frozen=True, kw_only=True)
class ContenderResult:
    """All killed deploys of one tool."""

    tool: str
    kind: str
    state: str
    boundaries: tuple[str, ...]
    kills: tuple[KilledDeploy, ...]


def last_error(output: str) -> str:
    """Return the last line of a tool's error, without frame and colors.

    Terraform's errors begin with "Error" and continue below; Packer's contain the word anywhere.
    """
    plain = (re.sub(r"\x1b\[[\d;]*m", "", line).strip(" │╷╵") for line in output.splitlines())
    wrong = [line for line in plain if "error" in line.lower()]
    first = [line for line in wrong if line.startswith("Error")]
    return (first or wrong or [""])[-1]


def error_class(error: str) -> str:
    """Return an error without the parts that differ from run to run."""
    return _VARIES.sub("…", error)


def figures(result: ContenderResult) -> dict[str, Any]:
    """Return the sums of a result; the seconds are those of commands that fixed the deploy."""
    killed = [each for each in result.kills if each.killed]
    times = sorted(each.seconds for each in killed if each.fixed)
    return {
        "tool": result.tool,
        "load balancer": result.kind,
        "state": result.state,
        "boundaries": len(result.boundaries),
        "kills": len(killed),
        "requests": sum(each.requests for each in killed),
        "failed": sum(each.failed for each in killed),
        "orphans at kill": sum(len(each.at_kill) for each in killed),
        "orphans after one command": sum(len(each.left) for each in killed),
        "fixed by one command": f"{sum(each.fixed for each in killed)} of {len(killed)}",
        "seconds p50, max": ", ".join(f"{percentile(times, share):.0f}" for share in (0.5, 1.0))
        if times
        else "-",
    }


def document(results: Iterable[ContenderResult]) -> list[dict[str, Any]]:
    """Return all results as plain data, for a JSON file."""
    return [{"figures": figures(each), **asdict(each)} for each in results]


def text(results: Sequence[ContenderResult]) -> str:
    """Return the table, each killed deploy, and the classes of errors."""
    rows = [figures(each) for each in results]
    lines = [row(COLUMNS), "|" + "---|" * len(COLUMNS)]
    lines += [row(each[name] for name in COLUMNS) for each in rows]
    for result in results:
        lines += ["", f"{result.tool}, {result.kind}, {result.state}:"]
        lines += [describe(each) for each in result.kills]
    return "\n".join([*lines, "", *classes(results)]) + "\n"


def row(cells: Iterable[object]) -> str:
    return f"| {' | '.join(map(str, cells))} |"


def describe(deploy: KilledDeploy) -> str:
    """Return one line about a killed deploy."""
    outcome = "fixed" if deploy.fixed else "not fixed"
    left = ", ".join(deploy.left) or "nothing"
    words = f"exit {deploy.code} after {deploy.seconds:.0f} s, {outcome}, left: {left}"
    words = f"{words}, {deploy.failed} of {deploy.requests} requests failed"
    return f"  {deploy.after}: {words if deploy.killed else 'not reached'} {deploy.error}".rstrip()


def classes(results: Iterable[ContenderResult]) -> Iterator[str]:
    """Yield the counts of errors of the second command, of failed requests, and of leftovers."""
    kills = [each for result in results for each in result.kills if each.killed]
    errors = collections.Counter(error_class(each.error) for each in kills if each.code)
    requests: collections.Counter[str] = collections.Counter()
    for each in kills:
        requests.update(each.failures)
    left = collections.Counter(what(thing) for each in kills for thing in each.left)
    named = {"errors": errors, "failed requests": requests, "left after one command": left}
    for name, counted in named.items():
        yield f"{name}:"
        yield from (f"  {count} x {each}" for each, count in counted.most_common())


def what(thing: str) -> str:
    """Return the kind of a thing, without its name (a name contains no space)."""
    return thing.rpartition(" ")[0]
