"""What is left to do of a deployment whose run died: on, or back, by what the world shows.

AWS is believed first, then the document; the journal is for people. Forward only where
green is proven: alone in service once blue has drained, and well in every load balancer now.
Else back to blue, as long as there is a blue. Where there is none, green is all there is; and
where that is gone as well, what is left of both is taken away, and nothing serves.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from pipeline.core.deploy.fleet import Fleet
from pipeline.core.deploy.gates import standing
from pipeline.core.deploy.ownership import require_ours
from pipeline.core.deploy.phases import (
    AllHealthy,
    Phase,
    Recovery,
    clearance,
    promotion,
    removal,
    rollback,
)
from pipeline.core.deploy.reconciler import Reconciler
from pipeline.core.errors import FailedError, NeedsAttentionError
from pipeline.core.health.assessment import Expected, drained, serving
from pipeline.core.health.observation import Observation
from pipeline.core.health.verdict import Healthy
from pipeline.core.state.deployment import Deployment, Kind, Place, Policy, Result
from pipeline.core.state.environment import Environment
from pipeline.core.state.release import group_name

ALONE = frozenset({"drain", "observe"})
"""The phases in which green serves alone, and is on its way to be decided for."""
NOTHING_SEEN = Observation(at=0.0, unreadable=("nothing was seen",))
"""What is known where AWS does not answer."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RecoveryPlan:
    """The phases that are left, and what it is called once they are done.

    `undecided`: green had been decided for and is not well, so the decision is taken back first.
    `lost`: what served is gone, and what could serve, so the document is told first that nothing
    does. `undone` says that nothing serves any more at its end.
    """

    phases: list[Phase]
    success: Result
    undecided: bool = False
    lost: bool = False
    undone: str = ""


def fleet_in(document: Environment, place: Place, observation: Observation) -> Fleet:
    """Return the fleet as AWS shows it: who is attached to every load balancer serves.

    A group that AWS deletes serves no more, whatever it is attached to.
    """
    everywhere = {each.identifier for each in place.balancers}
    names = {each: group_name(place.app, place.environment, each) for each in document.releases}
    serves = frozenset(
        release
        for release, name in names.items()
        if (seen := observation.groups.get(name))
        and not seen.status
        and seen.attached >= everywhere
    )
    return Fleet(serving=serves, detached=frozenset(names) - serves)


def is_there(observation: Observation, group: str) -> bool:
    """Tell whether a group can serve: AWS knows it, and does not delete it."""
    seen = observation.groups.get(group)
    return seen is not None and not seen.status


def what_is_left(world: Reconciler, dead: Deployment, *, back: bool = False) -> RecoveryPlan:
    """Return what is left to do of a deployment, by a look at everything there is.

    Raises RefusedError where a group of green's name is another deployment's, and StrandedError
    where AWS does not answer and it cannot be told whether blue is still needed.
    """
    document = world.ledger.read()
    left = InterruptedDeployment(
        dead=dead, document=document, place=world.place, policy=world.policy
    )
    removes = dead.kind in {Kind.ABORT, Kind.RETIRE}
    try:
        observation = world.survey(left.serves if removes else left.is_clear)
    except FailedError as error:
        if document.serving == dead.green:
            remedy = f"ami-pipeline recover -e {document.environment}"
            raise NeedsAttentionError(error.where, error.what, remedy) from error
        observation = NOTHING_SEEN  # going back looks again, and says what it could not see
    if removes and not left.serves(observation):
        return left.bereft(observation)
    if removes:
        # Where nothing serves any more, what was kept warm is the way out.
        overdue = document.overdue(world.pace.today()) if document.serving else ()
        gone = failed(document) if dead.kind is Kind.ABORT else overdue
        return RecoveryPlan(phases=removal_of(document, gone), success=success_of(dead.kind))
    left.require_ours(observation)
    return left.rest(observation, back=back)


def removal_of(document: Environment, gone: Iterable[str]) -> list[Phase]:
    """Return the one phase that removes groups that serve nothing."""
    detached = (name for name in document.releases if name != document.serving)
    return removal(document.serving, detached, gone)


def success_of(kind: Kind) -> Result:
    """Return what it is called where groups were removed."""
    return Result.ROLLED_BACK if kind is Kind.ABORT else Result.PROMOTED


def failed(document: Environment) -> list[str]:
    """Return the releases that failed and were left for a look."""
    return sorted(name for name, kept in document.releases.items() if kept.failed)


@dataclass(frozen=True, kw_only=True)
class InterruptedDeployment:
    """A deployment whose run died, in its environment."""

    dead: Deployment
    document: Environment
    place: Place
    policy: Policy

    def is_clear(self, observation: Observation) -> bool:
        """Tell whether a look may be gone by; one that shows nobody to go on with may be stale."""
        if self._decided:
            return self._stands(observation)
        if self.dead.warm:
            return self._usable(self.dead.green, observation)
        return not self.dead.blue or self._usable(self.dead.blue, observation)

    def serves(self, observation: Observation) -> bool:
        """Tell whether what serves by the document is there, as far as a look can tell."""
        serving = self.document.serving
        return not serving or bool(observation.unreadable) or self._usable(serving, observation)

    def require_ours(self, observation: Observation) -> None:
        """Raise RefusedError where green's name is another deployment's group.

        Not where blue serves nobody: that comes first, and what is another's is refused then.
        """
        name = self.dead.green
        seen = observation.groups.get(self._group(name))
        if seen and (not self.dead.blue or self.dead.blue in self.fleet(observation).serving):
            require_ours(self.document, name, seen)

    def rest(self, observation: Observation, *, back: bool = False) -> RecoveryPlan:
        """Return what is left to do; with `back` it leads back wherever it still can."""
        dead = self.dead
        fleet, blue = self.fleet(observation), self._usable(dead.blue, observation)
        green = self._usable(dead.green, observation) or bool(observation.unreadable)
        if not blue and not green and self.document.serving:
            return self.bereft(observation)
        if dead.warm and green:
            return RecoveryPlan(
                phases=rollback(dead.green, dead.blue, fleet), success=Result.PROMOTED
            )
        if self._decided and (not blue or self._stands(observation)):
            return RecoveryPlan(phases=self._forward[-1:], success=Result.PROMOTED)
        if not self._decided and (on := self._onward(observation, back=back)):
            return RecoveryPlan(phases=on, success=Result.PROMOTED)
        return RecoveryPlan(
            phases=rollback(dead.blue, dead.green, fleet),
            success=Result.ROLLED_BACK,
            undecided=self._decided,
            undone="" if dead.blue or not self.document.retired else "nothing serves any more",
        )

    def _onward(self, observation: Observation, *, back: bool) -> list[Phase]:
        """Return the phases of a green that is to be gone on with before it was decided for."""
        dead = self.dead
        if (
            dead.blue
            and not self._usable(dead.blue, observation)
            and self._usable(dead.green, observation)
        ):
            return self._alone()
        return self._forward[-2:] if not back and self._is_alone(observation) else []

    def bereft(self, observation: Observation) -> RecoveryPlan:
        """Both were deleted meanwhile: a release that begins as the first does is the way out.

        Who else takes traffic does so by a person's hand, who had a reason: that is left alone.
        """
        document = self.document
        gone = {self.dead.blue, self.dead.green, document.serving} - {""}
        others = [name for name in document.releases if name not in gone]
        ours = {each.identifier for each in self.place.balancers}
        seen = {name: observation.groups.get(self._group(name)) for name in others}
        taking = [name for name, group in seen.items() if group and group.attached & ours]
        return RecoveryPlan(
            phases=clearance(taking, others, gone),
            success=Result.ROLLED_BACK,
            lost=True,
            undone=f"the group of {document.serving} is gone, and nothing serves",
        )

    def fleet(self, observation: Observation) -> Fleet:
        """Return the fleet as AWS shows it."""
        return fleet_in(self.document, self.place, observation)

    @property
    def _decided(self) -> bool:
        return self.document.serving == self.dead.green

    @property
    def _others(self) -> list[str]:
        pair = {self.dead.blue, self.dead.green}
        return [name for name in self.document.releases if name not in pair]

    @property
    def _forward(self) -> list[Phase]:
        # What is rolled back from is bad: nobody needs it warm.
        keep = self.policy.keep != 0 and self.dead.kind is not Kind.ROLLBACK
        return promotion(self.dead.blue, self.dead.green, warm=self._others, keep=keep)

    def _alone(self) -> list[Phase]:
        """Blue was deleted meanwhile: green is all there is, and nothing is left to go back to."""
        green = self.dead.green
        want = Fleet(
            serving=frozenset({green}), detached=frozenset(self._others) | {self.dead.blue}
        )
        attach = Phase("attach", want, AllHealthy(green), Recovery.HOLD)
        retire = promotion(self.dead.blue, green, warm=self._others)[-1]
        return [attach, retire]

    def _is_alone(self, observation: Observation) -> bool:
        """Whether blue has drained and green is well everywhere: all that observe begins with."""
        dead = self.dead
        # One that was stranded was on its way back, or a person stopped it.
        if dead.phase not in ALONE or dead.outcome is not None or not dead.blue:
            return False
        blue = drained(self._expected(dead.blue), (observation,))
        green = serving(self._expected(dead.green), (observation,), in_a_row=1)
        return isinstance(blue, Healthy) and isinstance(green, Healthy)

    def _stands(self, observation: Observation) -> bool:
        return isinstance(standing(self._expected(self.dead.green), observation), Healthy)

    def _usable(self, release: str, observation: Observation) -> bool:
        return bool(release) and is_there(observation, self._group(release))

    def _expected(self, release: str) -> Expected:
        return Expected(group=self._group(release), balancers=self.place.balancers)

    def _group(self, release: str) -> str:
        return group_name(self.place.app, self.place.environment, release)
