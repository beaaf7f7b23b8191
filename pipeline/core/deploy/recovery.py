"""Plan what is left to do of an interrupted deployment: continue or go back.

AWS is trusted first, then the document; the journal is for people. The plan continues only if
green is proven: it serves alone, blue has drained, and every load balancer finds it healthy now.
Otherwise the plan goes back to blue as long as there is a blue. Without a blue, green is all
there is; without both, the remains of both are deleted and nothing serves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from pipeline.core import commands
from pipeline.core.deploy.observer import Observer
from pipeline.core.deploy.phase import ALL, Fleet, Manner, Phase, manner_of
from pipeline.core.deploy.phases import promotion
from pipeline.core.deploy.ways_back import (
    after_drain,
    clearance,
    decision,
    destruction,
    drill_end,
    late_removal,
    removal,
    rollback,
    takeover,
)
from pipeline.core.errors import FailedError, NeedsAttentionError, RefusedError
from pipeline.core.health.assessment import Expected, all_healthy, drained, stopped
from pipeline.core.health.members import half_healthy
from pipeline.core.health.observation import Observation
from pipeline.core.health.place import Place
from pipeline.core.health.verdict import Healthy, Progressing, Verdict
from pipeline.core.state.deployment import Deployment, Kind, Policy, Result
from pipeline.core.state.environment import Environment
from pipeline.core.state.ownership import require_managed
from pipeline.core.validation.phases import ALONE, CREATES, traits_of

NOTHING_OBSERVED = Observation(at=0.0, unreadable=("AWS did not answer",))
"""The observation to plan with if AWS does not answer."""
CHECK = "resume"
"""The name that the check of the last phase has in the phases of a resumed deployment."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RecoveryPlan:
    """The phases that are left, and the result once they are performed.

    `undecided`: green was recorded as serving and is unhealthy, so the record is reverted first.
    `lost`: neither the serving group nor its replacement exists, so the document records first
    that nothing serves. `undone` says that nothing serves at the end. `check` is the phase that
    must still hold before a paused deployment continues.
    """

    phases: list[Phase]
    success: Result
    undecided: bool = False
    lost: bool = False
    undone: str = ""
    check: Phase | None = None


def fleet_in(document: Environment, place: Place, observation: Observation) -> Fleet:
    """Return the fleet as AWS shows it: a group that every load balancer has attached serves.

    A worker's group serves unless the pipeline stopped it. A group that AWS deletes does not.
    """
    names = {each: document.group(each) for each in document.releases}
    serves = frozenset(
        release
        for release, name in names.items()
        if (seen := observation.groups.get(name))
        and not seen.status
        and place.serves(release, seen)
    )
    return Fleet(serving=serves, detached=frozenset(names) - serves)


def is_usable(observation: Observation, group: str) -> bool:
    """Return True if a group can serve: AWS describes it and does not delete it."""
    seen = observation.groups.get(group)
    return seen is not None and not seen.status


def plan_recovery(
    observer: Observer, policy: Policy, dead: Deployment, *, back: bool = False
) -> RecoveryPlan:
    """Observe every release and plan the rest of a deployment; `back` goes back if possible.

    Raises RefusedError if another deployment made the group of green's name, and
    NeedsAttentionError if AWS does not answer and blue may be needed.
    """
    observer.inherit()
    document = observer.ledger.read()
    interrupted = InterruptedDeployment(
        dead=dead, document=document, place=observer.place, policy=policy
    )
    if dead.kind is Kind.DESTROY:
        phases = destruction(removable(document), interrupted.how, keeps=kept_serving(document))
        return RecoveryPlan(phases=phases, success=removal_result(dead.kind))
    if dead.kind in {Kind.ABORT, Kind.DRILL, Kind.RETIRE}:
        return _plan_removal(observer, interrupted)
    observation = _survey(observer, interrupted, interrupted.is_conclusive)
    interrupted.require_managed_green(observation)
    return interrupted.plan(observation, back=back)


def plan_resumption(observer: Observer, policy: Policy, paused: Deployment) -> RecoveryPlan:
    """Observe every release and plan the rest of a paused deployment.

    It continues if the fleet is as the last phase left it, otherwise it goes back. Raises
    RefusedError if AWS does not answer, if the phase is not in the table any more, or if another
    deployment made the group of green's name.
    """
    observer.inherit()
    document = observer.ledger.read()
    deployment = InterruptedDeployment(
        dead=paused, document=document, place=observer.place, policy=policy
    )
    before, rest = deployment.phases_around_pause()
    try:
        observation = observer.survey(lambda seen: deployment.holds(before, seen))
    except FailedError as error:
        again = commands.resume(document.environment)
        raise RefusedError(error.where, error.what, again) from error
    deployment.require_managed_green(observation)
    if not deployment.holds(before, observation):
        return deployment.plan(observation)
    check = replace(before[-1], name=CHECK) if before else None
    return RecoveryPlan(phases=rest, success=Result.PROMOTED, check=check)


def _plan_removal(observer: Observer, interrupted: InterruptedDeployment) -> RecoveryPlan:
    document, kind = interrupted.document, interrupted.dead.kind
    if kind is Kind.DRILL and interrupted.dead.warm and not interrupted.how.pairs:
        return interrupted.plan_end_of_drill()  # it has changed nothing
    observation = _survey(observer, interrupted, interrupted.serves)
    if not interrupted.serves(observation):
        return interrupted.plan_clearance(observation)
    if kind is Kind.DRILL:
        return interrupted.plan_end_of_drill()
    # Without a serving release, the groups that were kept warm are the way out.
    overdue = document.overdue(observer.pace.today()) if document.serving else ()
    unwanted = failed_releases(document) if kind is Kind.ABORT else overdue
    phases = removal_of(document, unwanted, interrupted.how)
    return RecoveryPlan(phases=phases, success=removal_result(kind))


def _survey(
    observer: Observer, interrupted: InterruptedDeployment, enough: Callable[[Observation], bool]
) -> Observation:
    document = interrupted.document
    try:
        return observer.survey(enough)
    except FailedError as error:
        if document.serving == interrupted.dead.green:
            remedy = commands.after(error.remedy, commands.recover(document.environment))
            raise NeedsAttentionError(error.where, error.what, remedy) from error
        return NOTHING_OBSERVED  # the way back observes again and reports the failure


def removal_of(document: Environment, unwanted: Iterable[str], how: Manner) -> list[Phase]:
    """Return the phases that delete groups; the members of one may still be draining."""
    names = frozenset(unwanted)
    others = [name for name in document.releases if name != document.serving]
    if names & set(document.unremoved):
        return late_removal(document.serving, others, names, how)
    return removal(document.serving, others, names)


def removal_result(kind: Kind) -> Result:
    """Return the result of a deployment that only deletes groups."""
    return Result.ROLLED_BACK if kind is Kind.ABORT else Result.PROMOTED


def removable(document: Environment) -> frozenset[str]:
    """Return the releases whose groups `destroy` deletes: those that the pipeline created.

    This is the only place that says so: a group that it did not create is left out here.
    """
    return frozenset(document.releases) - document.adopted


def kept_serving(document: Environment) -> str:
    """Return the release that serves after a `destroy`: an adopted one, if it does now."""
    return document.serving if document.serving in document.adopted else ""


def failed_releases(document: Environment) -> list[str]:
    """Return the releases that failed and were kept for debugging."""
    return sorted(name for name, record in document.releases.items() if record.failed)


def _instead(attached: list[str]) -> str:
    """Return what receives traffic although no release serves."""
    if not attached:
        return "no managed release serves"
    verb = "receives" if len(attached) == 1 else "receive"
    return f"{', '.join(attached)} {verb} traffic, which no deployment attached"


@dataclass(frozen=True, kw_only=True)
class InterruptedDeployment:
    """A deployment whose run died, in its environment."""

    dead: Deployment
    document: Environment
    place: Place
    policy: Policy

    def is_conclusive(self, observation: Observation) -> bool:
        """Return True if an observation shows a usable group; otherwise it may be stale."""
        if self._decided:
            return self._half_healthy(observation)
        if self.dead.warm:
            return self._usable(self.dead.green, observation)
        return not self.dead.blue or self._usable(self.dead.blue, observation)

    def serves(self, observation: Observation) -> bool:
        """Return True unless an observation shows that the recorded serving group is missing."""
        serving = self.document.serving
        return not serving or bool(observation.unreadable) or self._usable(serving, observation)

    def require_managed_green(self, observation: Observation) -> None:
        """Raise RefusedError if another deployment made the group of green's name.

        Not while blue is detached: blue gets its traffic first, and a later phase refuses.
        """
        name = self.dead.green
        seen = observation.groups.get(self._group(name))
        if seen and (not self.dead.blue or self.dead.blue in self.fleet(observation).serving):
            require_managed(self.document, name, seen)

    def plan(self, observation: Observation, *, back: bool = False) -> RecoveryPlan:
        """Return what is left to do; `back` goes back wherever that is still possible."""
        dead = self.dead
        fleet, blue = self.fleet(observation), self._usable(dead.blue, observation)
        green = self._usable(dead.green, observation) or bool(observation.unreadable)
        if not blue and not green and self.document.serving:
            return self.plan_clearance(observation)
        if dead.warm and green:
            return RecoveryPlan(
                phases=rollback(dead.green, dead.blue, fleet, self.how),
                success=Result.PROMOTED,
            )
        if self._decided and (not blue or self._half_healthy(observation)):
            return RecoveryPlan(phases=decision(self._promotion), success=Result.PROMOTED)
        if not self._decided and (phases := self._continuation(observation, back=back)):
            return RecoveryPlan(phases=phases, success=Result.PROMOTED)
        return RecoveryPlan(
            phases=rollback(dead.blue, dead.green, fleet, self.how),
            success=Result.ROLLED_BACK,
            undecided=self._decided,
            undone=self._undone,
        )

    def phases_around_pause(self) -> tuple[list[Phase], list[Phase]]:
        """Return the phases before the pause and those after it; raises RefusedError if unknown."""
        table, pause = self._promotion, self.dead.pause
        names = [phase.name for phase in table]
        if pause is None or pause.before not in names:
            name = self.document.environment
            what = f"is paused before {pause.before if pause else ''}, a phase that pipeline.toml "
            what += f"does not lead to any more; it leads to {', '.join(names)}"
            remedy = f"restore [promote] in pipeline.toml, or go back: {commands.abort(name)}"
            raise RefusedError(f"{self.dead.kind} {self.dead.id}", what, remedy)
        place = names.index(pause.before)
        return table[:place], table[place:]

    def holds(self, before: Sequence[Phase], observation: Observation) -> bool:
        """Return True if the fleet is as these phases left it; health is checked later."""
        dead = self.dead
        if dead.blue and not self._usable(dead.blue, observation):
            return False
        if any(phase.has(CREATES) for phase in before) and not self._usable(
            dead.green, observation
        ):
            return False
        pair = {dead.blue, dead.green}
        if not before:
            return True
        want, serving = before[-1].want, self.fleet(observation).serving & pair
        shares = self.place.shares(observation, want.shares) if want.shares else {}
        return serving == want.serving & pair and shares == want.shares

    @property
    def _undone(self) -> str:
        """What is wrong although everything was undone: without blue, no release is left."""
        is_first = self.dead.blue or not self.document.retired
        return "" if is_first else "no managed release serves any more"

    def _continuation(self, observation: Observation, *, back: bool) -> list[Phase]:
        """Return the phases that continue with a green that is not recorded as serving yet."""
        dead = self.dead
        lost_blue = bool(dead.blue) and not self._usable(dead.blue, observation)
        if lost_blue and self._usable(dead.green, observation):
            return takeover(dead.blue, dead.green, warm=self._others, how=self.how)
        proven = not back and self._is_proven(observation)
        return after_drain(self._promotion, self.how) if proven else []

    def plan_clearance(self, observation: Observation) -> RecoveryPlan:
        """Return the plan if both groups were deleted: delete the remains, so that nothing serves.

        A new release can then begin as the first one did. Another group that receives traffic was
        attached by a person and stays as it is.
        """
        document = self.document
        missing = {self.dead.blue, self.dead.green, document.serving} - {""}
        others = [name for name in document.releases if name not in missing]
        seen = {name: observation.groups.get(self._group(name)) for name in others}
        attached = [
            name for name, group in seen.items() if group and self.place.receives(name, group)
        ]
        return RecoveryPlan(
            phases=clearance(attached, others, missing),
            success=Result.ROLLED_BACK,
            lost=True,
            undone=f"the group of {document.serving} does not exist, and {_instead(attached)}",
        )

    def plan_end_of_drill(self) -> RecoveryPlan:
        """Return the plan that removes the release of a drill: proven, if it was verified before.

        The release may have been removed already.
        """
        dead, left = self.dead, self._others
        verified = any(run.name == "verify" and not run.fault for run in dead.phases)
        return RecoveryPlan(
            phases=drill_end(dead.blue, dead.green, left, self.how, warm=dead.warm),
            success=Result.PROVEN if verified else Result.ROLLED_BACK,
        )

    @property
    def how(self) -> Manner:
        """How groups take over from each other."""
        return manner_of(self.place, self.policy, self._adopted)

    def fleet(self, observation: Observation) -> Fleet:
        """Return the fleet as AWS shows it."""
        return fleet_in(self.document, self.place, observation)

    @property
    def _decided(self) -> bool:
        return self.document.serving == self.dead.green

    @property
    def _adopted(self) -> frozenset[str]:
        return self.document.adopted

    @property
    def _others(self) -> list[str]:
        pair = {self.dead.blue, self.dead.green}
        return [name for name in self.document.releases if name not in pair]

    @property
    def _promotion(self) -> list[Phase]:
        # A release that was rolled back from is bad: it is not kept warm.
        keep = self.policy.keep != 0 and self.dead.kind is not Kind.ROLLBACK
        blue, green = self.dead.blue, self.dead.green
        return promotion(blue, green, warm=self._others, keep=keep, how=self.how)

    def _is_proven(self, observation: Observation) -> bool:
        """Return True if `observe` may begin: blue has drained and green is healthy everywhere."""
        dead = self.dead
        # A deployment that needs attention was on its way back, or a person stopped it.
        alone = ALONE in traits_of(dead.phase)
        if not alone or dead.outcome is not None or not dead.blue:
            return False
        if self.place.pairs:
            moved = self.place.shares(observation, [dead.green])[dead.green] == ALL
            blue: Verdict = Healthy() if moved else Progressing(reason="it has traffic")
        else:
            blue = drained(self._expected(dead.blue), (observation,))
        if self.place.is_worker and isinstance(blue, Healthy):
            blue = stopped(self._group(dead.blue), (observation,))
        expected = replace(self._expected(dead.green), may_be_empty=True)
        green = all_healthy(expected, (observation,), in_a_row=1)
        return isinstance(blue, Healthy) and isinstance(green, Healthy)

    def _half_healthy(self, observation: Observation) -> bool:
        # A schedule or a person may have scaled green to zero; the pipeline does not.
        expected = replace(self._expected(self.dead.green), may_be_empty=True)
        verdict = half_healthy(expected, observation)
        return isinstance(verdict, Healthy)

    def _usable(self, release: str, observation: Observation) -> bool:
        return bool(release) and is_usable(observation, self._group(release))

    def _expected(self, release: str) -> Expected:
        balancers = self.place.balancers_of(release)
        return Expected(
            group=self._group(release), balancers=balancers, any_version=release in self._adopted
        )

    def _group(self, release: str) -> str:
        return self.document.group(release)
