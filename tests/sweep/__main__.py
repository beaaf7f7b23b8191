"""Fail every call of AWS once, in every way, and print the results as a table (`make sweep`).

`--sample N` runs a seeded sample, `--replay NAME` repeats one case.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import json
import math
import os
import random
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

from tests.crash.__main__ import pool
from tests.crash.environment import REPOSITORY
from tests.sweep import report
from tests.sweep.case import SCENARIOS, SweepCase, SweepResult, cases_of
from tests.sweep.worker import record, run_batch, this_worker

BATCH = 10
"""Cases that follow each other in one environment."""


def main() -> int:
    """Run all cases; return 1 if one of them ended as it must not."""
    given = arguments()
    if given.replay:
        return replay(given.replay)
    began, chance = time.monotonic(), random.Random(given.seed)  # noqa: S311  no secret
    with pool(given.workers) as workers:
        recorded = zip(given.scenario, workers.map(record, given.scenario), strict=True)
        planned = [case for name, actions in recorded for case in cases_of(name, actions)]
        chosen = chance.sample(planned, min(given.sample or len(planned), len(planned)))
        until = time.time() + 60 * given.minutes
        running = [workers.submit(run_batch, names, until) for names in batches(chosen)]
        results = list(show_progress(concurrent.futures.as_completed(running), len(chosen)))
    if given.write:
        Path(given.write).write_text(json.dumps([asdict(each) for each in results], indent=1))
    table = report.table(planned, results)
    if given.docs:
        report.write_page(table)
    sys.stdout.write(table)
    sys.stdout.write(report.last_line(len(planned), results, time.monotonic() - began) + "\n")
    return int(any(each.violations for each in results))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.sweep", description=__doc__)
    parser.add_argument("--sample", type=int, default=0, help="run this many, drawn by seed")
    parser.add_argument(
        "--minutes",
        type=float,
        default=math.inf,
        help="stop starting cases after this many minutes",
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--replay", metavar="NAME", help="repeat one case, by its printed name")
    parser.add_argument("--write", metavar="FILE", help="write the results as JSON")
    parser.add_argument("--docs", action="store_true", help="write the table into the page")
    parser.add_argument("--scenario", action="append", choices=SCENARIOS)
    given = parser.parse_args()
    given.scenario = given.scenario or list(SCENARIOS)
    return given


def batches(cases: Sequence[SweepCase]) -> list[list[str]]:
    """Return batches of case names, each of one scenario's environment."""
    own = [each.name for each in cases if SCENARIOS[each.scenario] == "ami-pipeline"]
    others = {
        tool: [each.name for each in cases if each.scenario == tool]
        for tool in ("terraform", "packer")
    }
    return [
        names[at : at + BATCH]
        for names in (own, *others.values())
        for at in range(0, len(names), BATCH)
    ]


def show_progress(
    ended: Iterator[concurrent.futures.Future[list[SweepResult]]], count: int
) -> Iterator[SweepResult]:
    """Print each violation at once, and the progress."""
    number = 0
    for each in ended:
        for result in each.result():
            number += 1
            if result.violations:
                sys.stdout.write(report.violation(result))
            yield result
        sys.stderr.write(f"{number} of {count} cases\n")
        sys.stdout.flush()


def replay(name: str) -> int:
    """Repeat one case in this process and print its violations."""
    result = this_worker().run(SweepCase.named(name))
    sys.stdout.write(report.violation(result) if result.violations else f"{name}: no violation\n")
    this_worker().close()
    return int(bool(result.violations))


if __name__ == "__main__":
    os.chdir(REPOSITORY)
    sys.exit(main())
