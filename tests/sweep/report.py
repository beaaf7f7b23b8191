"""The results of a sweep as text, and as the table of the reliability page."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from tests.sweep.case import FAULTS, SCENARIOS, SweepCase, SweepResult

PAGE = Path(__file__).resolve().parents[2] / "docs/development/reliability.md"
BEGIN, END = "<!-- table: sweep -->", "<!-- end -->"
HEAD = ("command", "calls of", "action", *FAULTS.values())
NOT_RUN, NOT_CALLED = "not run", "not reached"


def table(planned: Sequence[SweepCase], results: Sequence[SweepResult]) -> str:
    """Return a row for each action, with the exit code of each fault, or why there is none."""
    by_name = {each.name: each for each in results}
    rows = dict.fromkeys((each.scenario, each.service, each.action) for each in planned)
    lines = [f"| {' | '.join(HEAD)} |", f"|{'---|' * len(HEAD)}"]
    for scenario, service, action in sorted(rows):
        cells = [_cell(by_name, scenario, service, action, fault) for fault in FAULTS]
        command = "bake" if scenario == "packer" else scenario.replace("terraform", "promote")
        words = [command, SCENARIOS[scenario], f"`{service}:{action}`", *cells]
        lines.append(f"| {' | '.join(words)} |")
    return "\n".join(lines) + "\n"


def write_page(text: str) -> None:
    """Replace the table on the reliability page."""
    before, _, rest = PAGE.read_text().partition(BEGIN)
    after = rest.partition(END)[2]
    PAGE.write_text(f"{before}{BEGIN}\n{text}{END}{after}")


def _cell(
    by_name: dict[str, SweepResult], scenario: str, service: str, action: str, fault: str
) -> str:
    case = SweepCase(scenario=scenario, service=service, action=action, fault=fault)
    found = by_name.get(case.name)
    if found is None:
        return NOT_RUN
    if found.violations:
        return f"**{found.code}, {'; '.join(found.violations)[:60]}**"
    return str(found.code) if found.struck else NOT_CALLED


def violation(result: SweepResult) -> str:
    """Return the violations of a case, and the command that repeats it."""
    again = f"python -m tests.sweep --replay {shlex.quote(result.name)}"
    found = "".join(f"  {each}\n" for each in result.violations)
    return f"{result.name}\n{found}  repeat: {again}\n{result.output}\n"


def last_line(planned: int, results: Sequence[SweepResult], seconds: float) -> str:
    """Return the sums in one line."""
    return (
        f"sweep: {len(results)} of {planned} cases in {seconds:.0f} s, "
        f"{sum(each.struck for each in results)} faults struck, "
        f"{sum(bool(each.violations) for each in results)} violations, "
        f"{sum(each.requests for each in results)} requests, "
        f"{sum(each.failed for each in results)} failed"
    )
