"""One worker of the sweep: a local cloud of its own for each group of scenarios."""

from __future__ import annotations

import contextlib
import functools
import itertools
import multiprocessing.util
import tempfile
import time
import traceback
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.crash.worker import Worker
from tests.e2e.testbed import build_testbed
from tests.sweep.case import PACKER, TERRAFORM, SweepCase, SweepResult
from tests.sweep.own_calls import KIND, KINDS, STORE, OwnCalls
from tests.sweep.tool_calls import PackerCalls, TerraformCalls


@functools.cache
def this_worker() -> SweepWorker:
    """Return the worker of this process, built once."""
    built = SweepWorker()
    multiprocessing.util.Finalize(None, built.close, exitpriority=100)
    return built


class SweepWorker:
    """Runs cases one after another; each kind of test bed is built at its first use."""

    def __init__(self, fast: Worker | None = None) -> None:
        self._stack = contextlib.ExitStack()
        self._fast = fast
        self._terraform: TerraformCalls | None = None

    @contextlib.contextmanager
    def _calls(self, scenario: str) -> Iterator[OwnCalls | TerraformCalls | PackerCalls]:
        """Return what sweeps a scenario, under load for a block."""
        if scenario == TERRAFORM:
            self._terraform = self._terraform or self._build_terraform()
            yield self._terraform
            return
        if self._fast is None:
            self._fast = Worker()
            self._stack.callback(self._fast.close)
        if scenario == PACKER:
            yield PackerCalls(bakery=self._fast.bakery("directory"))
            return
        with self._fast.case_runner(KINDS.get(scenario, KIND), STORE) as found:
            yield OwnCalls(environment=found.environment)

    def _build_terraform(self) -> TerraformCalls:
        folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="sweep-")))
        testbed = self._stack.enter_context(build_testbed(folder))
        return TerraformCalls(site=testbed.site("sweep", *KIND.split("+")))

    def recorded(self, scenario: str) -> list[tuple[str, str]]:
        """Return the actions that are called in a scenario."""
        with self._calls(scenario) as calls:
            return calls.recorded(scenario)

    def run(self, case: SweepCase) -> SweepResult:
        """Run one case."""
        try:
            with self._calls(case.scenario) as calls:
                return calls.run(case)
        except Exception:  # noqa: BLE001  the other cases must still run
            return SweepResult(
                name=case.name,
                code=-1,
                struck=False,
                violations=("the case was aborted",),
                output=traceback.format_exc(),
            )

    def close(self) -> None:
        self._stack.close()


def record(scenario: str) -> list[tuple[str, str]]:
    """Return the actions that are called in a scenario, in a worker process."""
    return this_worker().recorded(scenario)


def run_batch(names: Sequence[str], until: float) -> list[SweepResult]:
    """Run cases one after another in a worker process, until a time (UNIX)."""
    cases = (SweepCase.named(each) for each in names)
    return [
        this_worker().run(each)
        for each in itertools.takewhile(lambda _: time.time() < until, cases)
    ]
