"""Check that no group of the environment receives traffic that the configuration does not name.

A promotion would end that traffic without a replacement. A person who removed a load balancer from
the configuration confirms that with `--detach NAME`; nothing else does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from pipeline.core import commands
from pipeline.core.errors import RefusedError
from pipeline.core.health.observation import Balancer
from pipeline.core.health.place import Place
from pipeline.core.health.traffic_sources import balancer_of, describe_sources
from pipeline.core.preflight.finding import Finding

REQUIRED_OF_ADOPTED = ("AddToLoadBalancer",)
"""Auto Scaling processes that a rollback to an adopted group needs: it keeps its size."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Attachments:
    """The serving group's traffic sources, and those that it is to leave for good.

    `attached` are the identifiers of all of them. `detach` are the names that the command line
    gives. `again` returns the command with `--detach` for more names.
    """

    place: Place
    group: str
    attached: frozenset[str]
    detach: tuple[str, ...]
    again: Callable[[Sequence[str]], str]

    @property
    def beyond(self) -> frozenset[str]:
        """The traffic sources that the configuration does not name."""
        return self.place.beyond("", self.attached)

    @property
    def leaving(self) -> tuple[Balancer, ...]:
        """The load balancers that the serving group is to leave for good."""
        found = (balancer_of(each) for each in sorted(self.beyond))
        return tuple(each for each in found if each and self._is_named(each))

    def _is_named(self, balancer: Balancer) -> bool:
        return bool({balancer.name, balancer.identifier} & {*self.detach})

    def findings(self) -> Iterator[Finding]:
        """Yield what blocks, and a notice about what is confirmed."""
        yield from self._unmatched()
        named = {each.identifier for each in self.leaving}
        if named:
            yield Finding(
                where=f"server group {self.group}",
                what=f"leaves {describe_sources(named)}: no release takes its place there",
                remedy=self._keep(named),
                blocking=False,
            )
        rest = self.beyond - named
        if possible := frozenset(each for each in rest if balancer_of(each)):
            yield self._unconfirmed(possible)
        if impossible := rest - possible:
            yield self._unsupported(impossible)

    def _unconfirmed(self, sources: frozenset[str]) -> Finding:
        names = [*self.detach, *(name for each in sorted(sources) for name in _name(each))]
        return Finding(
            where=f"server group {self.group}",
            what=f"receives traffic from {describe_sources(sources)}, which "
            f"{self._table} does not name: it was removed there, or attached by hand",
            remedy=f"{self._keep(sources)}; to end that traffic: {self.again(names)}",
        )

    def _unsupported(self, sources: frozenset[str]) -> Finding:
        return Finding(
            where=f"server group {self.group}",
            what=f"receives traffic from {describe_sources(sources)}, "
            "which ami-pipeline can neither attach nor observe",
            remedy="move that traffic to another group first; "
            f"see: {_sources_of(self.group, self.place)}",
        )

    def _unmatched(self) -> Iterator[Finding]:
        """Yield a finding for each name after `--detach` that is not to be detached."""
        configured = {
            name for each in self.place.all_balancers for name in (each.name, each.identifier)
        }
        found = {name for each in self.leaving for name in (each.name, each.identifier)}
        for name in sorted({*self.detach} - found):
            if name in configured:
                what = f"{name} is still in {self._table}"
                remedy = f"remove it from {self._table}, then run the command again"
            else:
                what = f"the serving group is not attached to {name}"
                remedy = commands.status(self.place.environment)
            yield Finding(where="--detach", what=what, remedy=remedy)

    def _keep(self, sources: Iterable[str]) -> str:
        found = [each for each in map(balancer_of, sorted(sources)) if each]
        keys = {"elb": "load_balancers", "elbv2": "target_groups"}
        lists = [
            f"{key} ({', '.join(each.name for each in found if each.kind == kind)})"
            for kind, key in keys.items()
            if any(each.kind == kind for each in found)
        ]
        return f"to keep it, add it to {' and '.join(lists)} in {self._table}"

    @property
    def _table(self) -> str:
        return f"[environments.{self.place.environment}]"


def require_confirmed(attachments: Attachments) -> tuple[Finding, ...]:
    """Return the notices about attachments; raises RefusedError for the first that blocks."""
    found = tuple(attachments.findings())
    for each in found:
        if each.blocking:
            raise RefusedError(each.where, each.what, each.remedy)
    return found


def detached_findings(place: Place, group: str, attached: frozenset[str]) -> Iterator[Finding]:
    """Yield a finding if a group that is detached here receives traffic from elsewhere."""
    if beyond := place.beyond("", attached):
        yield Finding(
            where=f"server group {group}",
            what=f"is to be deleted or to serve again, but receives traffic from "
            f"{describe_sources(beyond)}, which [environments.{place.environment}] does not name",
            remedy=f"move that traffic to another group first; see: {_sources_of(group, place)}",
        )


def _name(identifier: str) -> list[str]:
    found = balancer_of(identifier)
    return [found.name] if found else []


def _sources_of(group: str, place: Place) -> str:
    options = {"region": place.region, "auto-scaling-group-name": group}
    return commands.aws("autoscaling", "describe-traffic-sources", options)
