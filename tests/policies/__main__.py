"""Prove the printed policies: `make policies ARGS="--role deploy --sample 10"`.

First every command runs with the policies of its roles: no call may be denied. Then each action is
removed from each statement, and a command must name it. With `--stand-in` a quick Terraform is
used, which knows neither hooks nor schedules.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from pipeline.core.permissions.scope import Role
from tests.policies.cases import Case, cases_of
from tests.policies.every_command import run_every_command
from tests.policies.proof import CaseResult, run_case
from tests.policies.world import ENVIRONMENT, Policy, World, build_world


def main() -> int:
    """Run the proof; return 1 if a call was denied or an action was not named."""
    options = _options(sys.argv[1:])
    path = "" if options.stand_in else os.environ["PATH"]
    with (
        tempfile.TemporaryDirectory(prefix="policies-") as folder,
        build_world(Path(folder), path=path, bakes=True) as world,
    ):
        problems = [] if options.skip_commands else run_every_command(world)
        _print(f"{len(problems)} problems of all commands with the printed policies", problems)
        results = _removals(world, options)
    failed = [each.line for each in results if each.problems]
    _print(f"{len(results)} actions removed, {len(failed)} with problems", failed)
    _table(results)
    return 1 if problems or failed else 0


def _removals(world: World, options: argparse.Namespace) -> list[CaseResult]:
    picked: list[tuple[Case, Policy]] = []
    for role in options.role or [*Role]:
        policy = world.policy(str(role))
        picked += [(each, policy) for each in cases_of(Role(role), policy)]
    if options.only:
        picked = [each for each in picked if options.only in each[0].name]
    if options.without:
        picked = [each for each in picked if options.without not in each[0].name]
    if options.sample:
        chosen = random.Random(options.seed)  # noqa: S311  a sample, no secret
        picked = chosen.sample(picked, min(options.sample, len(picked)))
    if not world.document().get("serving"):
        done = world.run(("promote", "-e", ENVIRONMENT, "--yes", "--image", world.site.testbed.old))
        assert done.code == 0, done.err
    results = []
    for case, policy in picked:
        began = time.monotonic()
        results.append(run_case(world, case, policy))
        print(f"{time.monotonic() - began:5.1f}s {results[-1].line}", flush=True)  # noqa: T201  its output
    return results


def _print(title: str, lines: Sequence[str]) -> None:
    print(f"== {title}", *lines, sep="\n   ", flush=True)  # noqa: T201  its output


def _table(results: Sequence[CaseResult]) -> None:
    """Print how many actions of each role ended how, for the documentation."""
    counted = Counter((str(each.case.role), each.code) for each in results)
    for (role, code), count in sorted(counted.items()):
        print(f"{role}: {count} named with exit code {code}")  # noqa: T201  its output


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.policies")
    parser.add_argument("--role", action="append", choices=[str(role) for role in Role])
    parser.add_argument("--sample", type=int, default=0, metavar="N", help="try N actions")
    parser.add_argument("--seed", type=int, default=1, help="choose which")
    parser.add_argument("--only", default="", metavar="TEXT", help="try the cases with this text")
    parser.add_argument("--without", default="", metavar="TEXT", help="leave out the cases with it")
    parser.add_argument("--skip-commands", action="store_true", help="only remove actions")
    parser.add_argument("--stand-in", action="store_true", help="use a quick Terraform")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
