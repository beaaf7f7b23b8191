"""`make crash`: every boundary of every scenario, killed; and what came of it, as a table.

`--replay NAME` plays one run again, `--sample N` a seeded part of them.
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

from tests.crash import environment, report
from tests.crash.case import Case, Played
from tests.crash.planning import BAKE, planned
from tests.crash.worker import act, record, theatre

SCENARIOS = ("promote", "rollback-cold", "rollback-warm", "recover", BAKE)
KINDS, STORES = ("classic", "application"), ("directory", "s3")
ACT = 10
"""Runs that follow each other on one stage."""


def main() -> int:
    """Play; return 1 where anything was violated."""
    given = arguments()
    if given.replay:
        return replay(given.replay)
    began = time.monotonic()
    chance = random.Random(given.seed)  # noqa: S311  no secret depends on it
    with pool(given.workers) as workers:
        scenarios = [each for each in given.scenario if each != BAKE]
        wanted = [*itertools.product(scenarios, given.kind, given.store)]
        if BAKE in given.scenario:
            wanted += [(BAKE, "none", store) for store in given.store]
        recorded = list(workers.map(record, sorted(wanted)))
        plays = planned(recorded, chance, double=given.double)
        plays = [each for each in plays if given.only in each.name]
        chance.shuffle(plays)
        plays = plays[: given.sample or None]
        until = time.time() + 60 * given.minutes
        acting = [workers.submit(act, names, until) for names in acts(plays, chance)]
        played = list(told(concurrent.futures.as_completed(acting), len(plays)))
    seconds = time.monotonic() - began
    summary = report.summary(recorded, plays, played, seconds)
    if given.write:
        Path(given.write).write_text(json.dumps(summary, indent=1) + "\n")
    sys.stdout.write(report.text(summary))
    return int(any(each.violations for each in played))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.crash", description=__doc__)
    parser.add_argument("--sample", type=int, default=0, help="so many runs of all, drawn by seed")
    parser.add_argument("--minutes", type=float, default=math.inf, help="no longer than this")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--double", type=int, default=60, help="runs whose mending dies, too")
    parser.add_argument("--only", metavar="TEXT", default="", help="runs whose names hold this")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--replay", metavar="NAME", help="one run, by the name it was told by")
    parser.add_argument("--write", metavar="FILE", help="the figures as JSON")
    for name, values in (("scenario", SCENARIOS), ("kind", KINDS), ("store", STORES)):
        parser.add_argument(f"--{name}", action="append", choices=values)
    given = parser.parse_args()
    given.scenario = given.scenario or list(SCENARIOS)
    given.kind, given.store = given.kind or list(KINDS), given.store or list(STORES)
    return given


def acts(plays: Sequence[Case], chance: random.Random) -> list[list[str]]:
    """Return the names of runs, some on one stage together: only one is under load at a time.

    In any order, so that what a limit of time leaves out is a sample, too.
    """
    places: dict[tuple[str, str], list[str]] = {}
    for each in plays:
        places.setdefault((each.kind, each.store), []).append(each.name)
    found = [names[at : at + ACT] for names in places.values() for at in range(0, len(names), ACT)]
    chance.shuffle(found)
    return found


def told(ended: Iterable[concurrent.futures.Future[list[Played]]], count: int) -> Iterator[Played]:
    """Say what is violated at once, and how far it is."""
    number = 0
    for each in ended:
        for played in each.result():
            number += 1
            if played.violations:
                sys.stdout.write(report.violation(played))
            yield played
        sys.stderr.write(f"{number} of {count} runs\n")
        sys.stdout.flush()


@contextlib.contextmanager
def pool(workers: int) -> Iterator[concurrent.futures.Executor]:
    """Run processes, each with a cloud of its own."""
    spawn = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(workers, spawn) as running:
        yield running


def replay(name: str) -> int:
    """Play one run here, and tell all of it."""
    played = theatre().play(Case.named(name))
    sys.stdout.write(report.violation(played) if played.violations else f"{name}: well\n")
    theatre().close()
    return int(bool(played.violations))


if __name__ == "__main__":
    os.chdir(environment.REPOSITORY)
    sys.exit(main())
