"""Keep the evidence of a deployment: what AWS says about a release that is unhealthy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from pipeline.core.deploy.observer import Observer
from pipeline.core.deploy.phase import Phase
from pipeline.core.deploy.ports import Ledger
from pipeline.core.health.assessment import Expected, all_healthy
from pipeline.core.health.observation import Observation
from pipeline.core.health.verdict import Healthy


@dataclass(frozen=True, kw_only=True, slots=True)
class KeptEvidence:
    """Where the evidence is, or why there is none, and the last lines of an unhealthy member."""

    where: str
    lines: tuple[str, ...] = ()


@dataclass(kw_only=True)
class EvidenceKeeper:
    """The evidence of one deployment; `attempt` runs an action and returns why it failed.

    `of_blue` is where the evidence of the release is that a rollback leaves, empty without any.
    """

    observer: Observer
    ledger: Ledger
    attempt: Callable[[Callable[[], None]], str]
    of_blue: str = field(default="", init=False)
    _is_blue_observed: bool = field(default=False, init=False)
    _unhealthy_blue: Observation | None = field(default=None, init=False)

    def keep_of_blue(self, blue: str, phase: Phase) -> None:
        """Store the evidence about an unhealthy release that a rollback leaves, before it goes.

        It is observed before it loses its traffic; its consoles are read after that, because a
        rollback must not wait for them.
        """
        if not self._is_blue_observed:
            self._is_blue_observed = True
            self._unhealthy_blue = self._observe_unhealthy(blue)
        if self._unhealthy_blue and blue not in phase.want.all:
            self.of_blue = self.keep(blue, self._unhealthy_blue).where
            self._unhealthy_blue = None

    def _observe_unhealthy(self, release: str) -> Observation | None:
        """Return an observation of a release with its targets; None if it is healthy."""
        balancers, seen = self.observer.place.balancers_of(release), self.observer.latest
        if seen is None or any(each.identifier not in seen.targets for each in balancers):
            seen = self.observer.observe({release})
        expected = Expected(
            group=self.observer.group(release),
            balancers=balancers,
            any_version=release in self.ledger.read().adopted,
        )
        healthy = isinstance(all_healthy(expected, (seen,), in_a_row=1), Healthy)
        return None if healthy else seen

    def keep(self, release: str, seen: Observation | None = None) -> KeptEvidence:
        """Store the evidence about a release; return its location, or why there is none."""
        kept: list[KeptEvidence] = []

        def store() -> None:
            of = frozenset({release})
            observation = seen or self.observer.observe(of, activities=of)
            found = self.observer.groups.evidence(self.observer.group(release), observation)
            where = self.ledger.keep("evidence.txt", found.text)
            kept.append(KeptEvidence(where=where, lines=found.lines))

        reason = self.attempt(store)
        return kept[0] if kept else KeptEvidence(where=f"none: {reason}")
