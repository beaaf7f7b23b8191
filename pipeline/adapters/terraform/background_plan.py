"""Make a plan in the background, so that it is ready when a deployment needs it.

Terraform needs seconds for a plan, and a deployment mostly waits for AWS. `server_groups` makes the
plans; this module only coordinates the threads.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

from pipeline.core.state.release import Release
from pipeline.core.terraform.plan_guard import Plan


@dataclass(frozen=True, kw_only=True, slots=True)
class PlanRequest:
    """A request for a plan: these releases, and the releases it may create and delete."""

    releases: tuple[Release, ...]
    creates: frozenset[str]
    deletes: frozenset[str]


@dataclass(kw_only=True)
class BackgroundPlanner:
    """Makes at most one plan in a background thread; `discard` undoes what `make` did for it.

    All methods are called from one thread. A failed plan is dropped: its caller makes it again and
    gets the error.
    """

    make: Callable[[PlanRequest], Plan]
    discard: Callable[[Plan], None]
    _started: tuple[PlanRequest, Future[Plan]] | None = field(default=None, init=False)

    def begin(self, request: PlanRequest) -> None:
        """Start a plan and discard an earlier one first, both in the background."""
        before, self._started = self._started, None
        pool = ThreadPoolExecutor(1)  # one after another
        if before:
            pool.submit(self._discard, before[1])
        self._started = request, pool.submit(self.make, request)
        pool.shutdown(wait=False)  # its thread ends with the plan

    def take(self, request: PlanRequest) -> Plan | None:
        """Wait for the plan of exactly this request and return it; None if there is none."""
        if self._started is None or self._started[0] != request:
            self.drop()
            return None
        (_, future), self._started = self._started, None
        return None if future.exception() else future.result()

    def drop(self) -> None:
        """Wait for the plan in the background and discard it; raises nothing."""
        before, self._started = self._started, None
        if before:
            self._discard(before[1])

    def _discard(self, future: Future[Plan]) -> None:
        if not future.exception():
            self.discard(future.result())
