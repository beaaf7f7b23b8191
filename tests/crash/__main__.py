"""Kill commands at every boundary of every scenario and print the results as a table (`make
crash`).

`--replay NAME` repeats one run. `--sample N` runs a seeded sample.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import contextlib
import itertools
import json
import math
import multiprocessing
import os
import random
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from tests.crash import report
from tests.crash.case import Case, CaseResult
from tests.crash.environment import REPOSITORY
from tests.crash.planning import BAKE, plan
from tests.crash.strategies import KINDS, PAIRS, SCENARIOS, STRATEGIES, first, parts, places
from tests.crash.worker import record, run_batch, this_worker

STORES = ("directory", "s3")
BATCH = 1
"""Runs that one task has: each result is shown as soon as it is there."""


def main() -> int:
    """Run all cases; return 1 if an invariant was violated."""
    given = arguments()
    if given.replay:
        return replay(given.replay)
    began = time.monotonic()
    chance = random.Random(given.seed)  # noqa: S311  no secret depends on it
    with pool(given.workers) as workers:
        wanted = [
            (scenario, kind, store)
            for scenario, store in itertools.product(given.scenario, given.store)
            if scenario != BAKE and parts(scenario)[1] in given.strategy
            for kind in places(scenario)
            if kind in given.kind
        ]
        if BAKE in given.scenario:
            wanted += [(BAKE, "none", store) for store in given.store]
        alike = {(one, first(kind), store): None for one, kind, store in sorted(wanted)}
        once = dict(zip(alike, workers.map(record, alike), strict=True))
        recorded = [once[one, first(kind), store].at(kind) for one, kind, store in sorted(wanted)]
        cases = plan(recorded, chance, double=given.double)
        cases = [each for each in cases if given.only in each.name]
        chance.shuffle(cases)
        cases = cases[: given.sample or None]
        until = time.time() + 60 * given.minutes
        running = [workers.submit(run_batch, names, until) for names in batches(cases, chance)]
        results = list(show_progress(concurrent.futures.as_completed(running), len(cases)))
    seconds = time.monotonic() - began
    summary = report.summary(recorded, cases, results, seconds)
    if given.write:
        Path(given.write).write_text(json.dumps(summary, indent=1) + "\n")
    sys.stdout.write(report.text(summary))
    return int(any(each.violations for each in results))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.crash", description=__doc__)
    parser.add_argument("--sample", type=int, default=0, help="run this many, drawn by seed")
    parser.add_argument(
        "--minutes", type=float, default=math.inf, help="stop starting runs after this many minutes"
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--double", type=int, default=60, help="runs in which the fixing command is killed, too"
    )
    parser.add_argument(
        "--only", metavar="TEXT", default="", help="run only those whose names contain this"
    )
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--replay", metavar="NAME", help="repeat one run, by its printed name")
    parser.add_argument("--write", metavar="FILE", help="write the figures as JSON")
    choices: dict[str, Sequence[str]] = {
        "scenario": (*SCENARIOS, BAKE),
        "strategy": [*STRATEGIES],
        "kind": (*KINDS, *PAIRS),
        "store": STORES,
    }
    for name, values in choices.items():
        parser.add_argument(f"--{name}", action="append", choices=values)
    given = parser.parse_args()
    for name, values in choices.items():
        setattr(given, name, getattr(given, name) or [*values])
    return given


def batches(cases: Sequence[Case], chance: random.Random) -> list[list[str]]:
    """Return batches of run names; the runs of a batch share one environment, one after another.

    The order is random, so that a time limit leaves a sample.
    """
    places: dict[tuple[str, str], list[str]] = {}
    for each in cases:
        places.setdefault((each.kind, each.store), []).append(each.name)
    found = [
        names[at : at + BATCH] for names in places.values() for at in range(0, len(names), BATCH)
    ]
    chance.shuffle(found)
    return found


def show_progress(
    ended: Iterable[concurrent.futures.Future[list[CaseResult]]], count: int
) -> Iterator[CaseResult]:
    """Print each violation at once, and the progress."""
    number = 0
    for each in ended:
        for result in each.result():
            number += 1
            if result.violations:
                sys.stdout.write(report.violation(result))
            yield result
        sys.stderr.write(f"{number} of {count} runs\n")
        sys.stdout.flush()


@contextlib.contextmanager
def pool(workers: int) -> Iterator[concurrent.futures.Executor]:
    """Start worker processes, each with a local cloud of its own."""
    spawn = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(workers, spawn) as running:
        yield running


def replay(name: str) -> int:
    """Repeat one run in this process and print its violations."""
    result = this_worker().run(Case.named(name))
    sys.stdout.write(report.violation(result) if result.violations else f"{name}: no violation\n")
    this_worker().close()
    return int(bool(result.violations))


if __name__ == "__main__":
    os.chdir(REPOSITORY)
    sys.exit(main())
