"""One worker of the crash suite: a local cloud of its own, and the environments on it."""

from __future__ import annotations

import contextlib
import functools
import itertools
import multiprocessing.util
import os
import re
import shutil
import tempfile
import time
import traceback
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.crash.baking import Bakery
from tests.crash.case import Case, CaseResult
from tests.crash.command_runner import CommandRunner
from tests.crash.environment import CrashEnvironment, build_testbed, under_load
from tests.crash.planning import BAKE, RecordedScenario
from tests.crash.run import CaseRunner
from tests.forkserver import log_of


@functools.cache
def this_worker() -> Worker:
    """Return the worker of this process, built once."""
    built = Worker()
    multiprocessing.util.Finalize(None, built.close, exitpriority=100)
    return built


class Worker:
    """A local cloud and the environments on it, each built at its first use."""

    def __init__(self) -> None:
        self._stack = contextlib.ExitStack()
        self._folder = Path(tempfile.mkdtemp(prefix="crash-", dir=in_memory()))
        self._runner = CommandRunner.ready(self._folder / "commands")
        self._testbed = self._stack.enter_context(build_testbed(self._folder / "testbed"))
        self._case_runners: dict[tuple[str, str], CaseRunner] = {}
        self._bakeries: dict[str, Bakery] = {}
        self._left: list[CaseRunner] = []

    @contextlib.contextmanager
    def case_runner(self, kind: str, store: str) -> Iterator[CaseRunner]:
        """Return the runner for this kind of load balancer and store, under load for a block."""
        if (kind, store) not in self._case_runners:
            short = "".join(each[:3] for each in re.split(r"\W", kind))
            name = f"{short}-{store[:3]}{len(self._left) or ''}"
            environment = CrashEnvironment.built(
                self._testbed, self._runner, name, kind=kind, store=store
            )
            built = self._case_runners[kind, store] = CaseRunner(environment=environment)
            built.settle()
        found = self._case_runners[kind, store]
        with under_load(found.environment):
            yield found

    def bakery(self, store: str) -> Bakery:
        """Return the project that bakes with this store."""
        if store not in self._bakeries:
            self._bakeries[store] = Bakery.built(self._testbed, self._runner, store)
        return self._bakeries[store]

    def record(self, scenario: str, kind: str, store: str) -> RecordedScenario:
        """Record the boundaries of a scenario."""
        if scenario == BAKE:
            moments = self.bakery(store).recorded()
        else:
            with self.case_runner(kind, store) as found:
                moments = found.record_scenario(scenario)
        return RecordedScenario(scenario=scenario, kind=kind, store=store, moments=tuple(moments))

    def run(self, case: Case) -> CaseResult:
        """Run one case; after an exception the next case gets a new environment."""
        if case.scenario == BAKE:
            return self.bakery(case.store).run(case)
        try:
            with self.case_runner(case.kind, case.store) as found:
                return found.run(case)
        except Exception:  # noqa: BLE001  the other cases must still run
            self._left.append(self._case_runners.pop((case.kind, case.store)))
            return aborted(case, f"{traceback.format_exc()}\n{self._cloud_log()}")

    def _cloud_log(self) -> str:
        """Return the last lines that the cloud printed."""
        return log_of(self._testbed.cloud.home).read_text(errors="replace")[-3000:]

    def close(self) -> None:
        self._stack.close()
        self._runner.close()
        shutil.rmtree(self._folder, ignore_errors=True)


def in_memory() -> str | None:
    """Return a memory-backed folder if there is one: instances are many files."""
    memory = Path("/dev/shm")
    return str(memory) if os.access(memory, os.W_OK) else None


def aborted(case: Case, output: str) -> CaseResult:
    """Return the result of a run that raised an exception."""
    return CaseResult(
        name=case.name,
        killed=0,
        faulted=0,
        violations=("the run was aborted",),
        requests=0,
        failed=0,
        orphans=0,
        seconds=0.0,
        output=output,
    )


def record(what: tuple[str, str, str]) -> RecordedScenario:
    """Record the boundaries of a scenario, in a worker process."""
    return this_worker().record(*what)


def run_batch(names: Sequence[str], until: float) -> list[CaseResult]:
    """Run cases one after another in a worker process, until a time (UNIX)."""
    cases = (Case.named(each) for each in names)
    return [
        this_worker().run(each)
        for each in itertools.takewhile(lambda _: time.time() < until, cases)
    ]
