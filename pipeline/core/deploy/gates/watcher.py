"""Watch one phase: collect its observations and ask its gate."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from math import ceil, inf
from typing import Self

from pipeline.core.deploy.gates.base import Gate, SizeTarget
from pipeline.core.deploy.gates.wait import MemberHistory, Wait
from pipeline.core.freshness import Writes
from pipeline.core.health.observation import Observation
from pipeline.core.health.place import Place
from pipeline.core.health.verdict import Healthy, Progressing, Verdict
from pipeline.core.state.deployment import Policy
from pipeline.core.state.environment import Environment


@dataclass(frozen=True, kw_only=True, slots=True)
class GateWatcher:
    """A gate and the wait for it: first `add` an observation, then `judge`.

    `writes` are those of the deployment.
    """

    gate: Gate
    wait: Wait
    writes: Writes = field(default_factory=Writes)

    @classmethod
    def begin(
        cls,
        gate: Gate,
        *,
        document: Environment,
        place: Place,
        policy: Policy,
        known: dict[str, float],
        writes: Writes,
        limit: float,
    ) -> Self:
        """Return the watcher of a wait that begins.

        `document` is the environment's. `known` maps the instances that were healthy in this
        deployment to the time of the first observation that showed it; the wait adds to them.
        """
        health = MemberHistory(known=known, failures=deque(maxlen=policy.healthy_checks))
        wait = Wait(
            document=document,
            place=place,
            policy=policy,
            limit=limit,
            health=health,
        )
        return cls(gate=gate, wait=wait, writes=writes)

    def add(self, observation: Observation) -> None:
        """Take in an observation."""
        self.wait.add(observation)
        if self.gate.follows and not observation.unreadable:
            self.wait.health.add(self.wait.expected(self.gate.follows), observation)

    def judge(self) -> Verdict:
        """Return the gate's verdict.

        It is not Healthy while observations may be older than a write that contradicts it.
        """
        verdict = self.gate.judge(self.wait)
        if isinstance(verdict, Healthy) and (wrong := self.wait.misdirected()):
            return Progressing(reason=wrong)
        if not isinstance(verdict, Healthy) or self._is_proof:
            return verdict
        left = max(1, ceil(self.settled - self.latest.at))
        return Progressing(reason=f"AWS may still show the state before the last change ({left}s)")

    @property
    def settled(self) -> float:
        """From when on every observation shows the writes that contradict the gate."""
        return max(
            (
                self.writes.settled(writes, [self.wait.group(release)])
                for release, writes in self.gate.contradicting.items()
                if release
            ),
            default=-inf,
        )

    @property
    def _is_proof(self) -> bool:
        proofs = self.gate.proofs(self.wait.policy)
        return all(each.at >= self.settled for each in self.wait.history[-proofs:])

    @property
    def latest(self) -> Observation:
        """The newest observation."""
        return self.wait.latest

    @property
    def due(self) -> float:
        """When the next observation is due."""
        return self.latest.at + self.gate.interval(self.wait)

    @property
    def activities(self) -> frozenset[str]:
        """The releases whose scaling activities the next observation must read."""
        return self.gate.activities(self.wait)

    @property
    def accepts_earlier(self) -> bool:
        """Whether an observation from before the phase may be the first one."""
        return not self.wait.observations and self.gate.accepts_earlier(self.wait.policy)

    def rest(self, longest: float) -> float:
        """Return the seconds before the first observation, at most `longest`; the wait knows."""
        seconds = min(self.gate.rest(self.wait.forecast), longest)
        self.wait.forecast = self.wait.forecast.after(seconds)
        return seconds

    @property
    def listens(self) -> bool:
        """Whether reading the load balancers alone is enough until they show news."""
        return self.gate.listens(self.wait)

    def is_news(self, observation: Observation) -> bool:
        """Return True if what the load balancers show is a reason to read everything."""
        return self.gate.is_news(self.wait, observation)

    @property
    def size_target(self) -> SizeTarget | None:
        """The size that a group must reach first, if there is one."""
        return self.gate.size_target(self.wait)
