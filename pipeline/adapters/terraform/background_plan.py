"""A plan made beside other work: begun early, taken over once it is asked for, else forgotten.

Terraform needs seconds for a plan, and a deployment waits for AWS most of the time. Apart from
`resources`, which knows how a plan is made: here is only who waits for whom.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

from pipeline.core.state.release import Release
from pipeline.core.terraform.plan_guard import Plan


@dataclass(frozen=True, kw_only=True, slots=True)
class PlanRequest:
    """What is to be planned: these releases, by creating and deleting no more than these."""

    wanted: tuple[Release, ...]
    creates: frozenset[str]
    deletes: frozenset[str]


@dataclass(kw_only=True)
class BackgroundPlanner:
    """At most one plan, made in a thread; `forget` undoes what `make` did for it.

    From one thread. A plan that failed is none: whoever asks for it makes it again and hears why.
    """

    make: Callable[[PlanRequest], Plan]
    forget: Callable[[Plan], None]
    _pool: ThreadPoolExecutor | None = field(default=None, init=False)
    _begun: tuple[PlanRequest, Future[Plan]] | None = field(default=None, init=False)

    def begin(self, question: PlanRequest) -> None:
        """Begin to plan, after whatever was begun before has been forgotten; waits for nothing."""
        self._pool = self._pool or ThreadPoolExecutor(1)  # one after another
        before, self._begun = self._begun, None
        if before:
            self._pool.submit(self._forget, before[1])
        self._begun = question, self._pool.submit(self.make, question)

    def take(self, question: PlanRequest) -> Plan | None:
        """Return the plan of exactly this, waiting for it; None where another or none was made."""
        if self._begun is None or self._begun[0] != question:
            self.drop()
            return None
        (_, future), self._begun = self._begun, None
        return None if future.exception() else future.result()

    def drop(self) -> None:
        """Forget what was begun, once it has ended; raises nothing."""
        before, self._begun = self._begun, None
        if before:
            self._forget(before[1])

    def _forget(self, future: Future[Plan]) -> None:
        if not future.exception():
            self.forget(future.result())
