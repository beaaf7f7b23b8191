"""What a phase waits for, judged: from an entry of the table and the looks so far to a verdict.

`health` judges one group; here the deployment's releases get their names in AWS, the pauses
their length, and a group that served and fell ill is told apart from one that still grows.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from typing import assert_never

from pipeline.core.deploy import polling
from pipeline.core.deploy.phases import (
    AllHealthy,
    AllInService,
    Deleted,
    Drained,
    Gate,
    HalfHealthy,
    Phase,
    StaysHealthy,
    Verified,
)
from pipeline.core.deploy.polling import Forecast
from pipeline.core.health.assessment import Expected, booted, drained, gone, serving
from pipeline.core.health.observation import Balancer, Observation, ObservedGroup
from pipeline.core.health.target_health import is_healthy, state
from pipeline.core.health.verdict import Failed, Healthy, Progressing, Verdict
from pipeline.core.state.deployment import Place, Policy
from pipeline.core.state.release import group_name

REMEMBERED = 3600
"""Looks that are kept for judging: an hour of quick ones, for what churns is judged by an hour."""


class GateWatcher:
    """A phase being waited for: what was seen so far. `see` first, then `judge`.

    `known` are the instances that were well in this deployment, also in phases before this one:
    only such a one can fall ill. `forecast` is when the wait is likely to end.
    """

    def __init__(
        self,
        phase: Phase,
        place: Place,
        policy: Policy,
        known: set[str],
        forecast: Forecast | None = None,
    ) -> None:
        self.phase = phase
        self.observations: deque[Observation] = deque(maxlen=REMEMBERED)
        self._forecast = forecast or Forecast()
        self._place = place
        self._policy = policy
        self._known = known
        self._ill: deque[str] = deque(maxlen=policy.healthy_checks)
        self._well_since = 0.0

    def see(self, observation: Observation) -> None:
        """Take a look in."""
        if not self.observations:
            self._well_since = observation.at
        self.observations.append(
            sharing(observation, self.observations[-1]) if self.observations else observation
        )
        if isinstance(self.phase.until, (AllHealthy, StaysHealthy)):
            self._examine(self._expected(self.phase.until.release), observation)

    def judge(self, alarms: Sequence[str] = ()) -> Verdict:
        """Return whether it is so by what was seen; `alarms` are those that ring now."""
        until = self.phase.until
        match until:
            case AllInService(release=release):
                return booted(self._expected(release), tuple(self.observations))
            case Verified():
                return Healthy()
            case AllHealthy() | HalfHealthy() | StaysHealthy():
                return self._served(until, alarms)
            case Drained(release=release):
                return drained(self._expected(release), tuple(self.observations))
            case Deleted(releases=releases):
                return gone(
                    [self.group(name) for name in sorted(releases)], tuple(self.observations)
                )
            case _:
                assert_never(until)

    def _served(
        self, until: AllHealthy | HalfHealthy | StaysHealthy, alarms: Sequence[str]
    ) -> Verdict:
        if isinstance(until, HalfHealthy):
            return self._stands(until)
        expected = self._expected(until.release, least=self.live(until.least))
        if isinstance(until, StaysHealthy):
            return self._steady(expected, alarms)
        return serving(expected, tuple(self.observations), in_a_row=self._policy.healthy_checks)

    def _stands(self, until: HalfHealthy) -> Verdict:
        """Judge by half of the members; by all of them that are not ill while blue has shrunk."""
        observation = self.observations[-1]
        other = self.group(until.other) if until.other else ""
        expected = self._expected(until.release)
        verdict = standing(expected, observation, other)
        least = self.needed(until)
        if not isinstance(verdict, Healthy) or not least or observation.unreadable:
            return verdict
        group = observation.groups.get(expected.group)
        healthy = len(fit(group, expected.balancers, observation)) if group else 0
        ill = self._ill_at_first(expected)
        late = observation.at - self.observations[0].at >= self._policy.limit(self.phase.name) / 2
        if late or healthy >= least - ill:
            return verdict
        return Progressing(
            reason=f"{healthy} of {least} members of {expected.group} are healthy: "
            f"as many as {other} has are needed before it goes"
        )

    def needed(self, until: HalfHealthy) -> int:
        """Return what blue must have before the other leaves: its live size where it serves."""
        if not until.other or self.observations[-1].unreadable:
            return 0
        nobody = serves_nobody(
            self.group(until.other), self._place.balancers, self.observations[-1]
        )
        return 0 if nobody else self.live(until.other)

    def _ill_at_first(self, expected: Expected) -> int:
        """Count the members that were ill before anybody waited: no one waits for those."""
        first = next(
            (each for each in self.observations if not each.unreadable), self.observations[-1]
        )
        group = first.groups.get(expected.group)
        if group is None:
            return 0
        there = sum(member.lifecycle == "InService" for member in group.members)
        return there - len(fit(group, expected.balancers, first))

    @property
    def length(self) -> float:
        """The seconds that the wait takes where all is well from its beginning."""
        until = self.phase.until
        return self._policy.pause(until.pause) if isinstance(until, StaysHealthy) else 0.0

    def pause(self) -> float:
        """Return the seconds from the last look to the next."""
        until, forecast = self.phase.until, self._forecast
        if isinstance(until, StaysHealthy):
            forecast = Forecast(quiet=self._well_since + self.length - self.observations[0].at)
        if isinstance(until, AllHealthy) and not self.serves_nobody(self.observations[-1]):
            return polling.QUICK  # where one member is healthy, the others soon are
        group = self.group(until.release) if isinstance(until, AllInService) else ""
        return polling.pause(until, self.observations, group, forecast)

    @property
    def listens(self) -> bool:
        """Whether the load balancers alone tell when to look: at a first healthy member."""
        if not isinstance(self.phase.until, AllHealthy):
            return False
        between = polling.is_between(self.observations, self._forecast)
        return between and self.serves_nobody(self.observations[-1])

    def serves_nobody(self, observation: Observation) -> bool:
        """Return whether no member of the release that is waited for is healthy in this look."""
        until = self.phase.until
        release = "" if isinstance(until, Deleted) else until.release
        return serves_nobody(self.group(release), self._place.balancers, observation)

    def news_of(self) -> frozenset[str]:
        """Return the releases of whose activities the next look is to ask: of who may be doomed."""
        until = self.phase.until
        if not isinstance(until, (AllInService, AllHealthy, StaysHealthy)):
            return frozenset()
        asks = polling.asks_activities(self.group(until.release), self.observations)
        return frozenset({until.release} if asks else ())

    def live(self, release: str) -> int:
        """Return how many members a release is to have now, by its group's own word."""
        group = self.observations[-1].groups.get(self.group(release)) if release else None
        return group.desired if group else 0

    def group(self, release: str) -> str:
        """Return the name of a release's group."""
        return group_name(self._place.app, self._place.environment, release)

    def _steady(self, expected: Expected, alarms: Sequence[str]) -> Verdict:
        """Healthy once it was so for long enough without a break; an illness that stays is doom."""
        if alarms:
            return Failed(reason="; ".join(alarms))
        now = serving(expected, tuple(self.observations), in_a_row=1)
        if len(self._ill) == self._policy.healthy_checks and all(self._ill):
            return Failed(reason=f"it served and fell ill: {self._ill[-1]}")
        if not isinstance(now, Healthy):
            return now
        well = self.observations[-1].at - self._well_since
        if well >= self.length:
            return now
        return Progressing(reason=f"healthy for {well:.0f} of {self.length:.0f} s")

    def _examine(self, expected: Expected, observation: Observation) -> None:
        """Note whether a member that was well is ill in this look, and who is well by now."""
        if observation.unreadable:
            return
        ill = ailing(expected, observation, self._known)
        self._ill.append(ill)
        if ill:
            self._well_since = observation.at
        self._known |= well(expected.balancers, observation)

    def _expected(self, release: str, least: int = 0) -> Expected:
        balancers = self._place.balancers
        return Expected(group=self.group(release), balancers=balancers, least=least)


def sharing(observation: Observation, last: Observation) -> Observation:
    """Return a look that holds the last one's values where nothing changed: an hour fits in."""
    return replace(
        observation,
        groups=last.groups if observation.groups == last.groups else observation.groups,
        targets=last.targets if observation.targets == last.targets else observation.targets,
        activities=last.activities
        if observation.activities == last.activities
        else observation.activities,
    )


def well(balancers: Sequence[Balancer], observation: Observation) -> set[str]:
    """Return the instances that every balancer finds healthy."""
    found = [
        {t.id for t in observation.targets.get(each.identifier, {}).values() if is_healthy(each, t)}
        for each in balancers
    ]
    return set.intersection(*found) if found else set()


def fit(group: ObservedGroup, balancers: Sequence[Balancer], observation: Observation) -> set[str]:
    """Return the members in service that every balancer finds healthy."""
    ours = {member.id for member in group.members if member.lifecycle == "InService"}
    return ours & well(balancers, observation)


def serves_nobody(name: str, balancers: Sequence[Balancer], observation: Observation) -> bool:
    """Return whether no member of a group is healthy in any load balancer."""
    group = observation.groups.get(name)
    members = {member.id for member in group.members} if group else set[str]()
    return not any(
        target.id in members and is_healthy(each, target)
        for each in balancers
        for target in observation.targets.get(each.identifier, {}).values()
    )


def standing(expected: Expected, observation: Observation, other: str = "") -> Verdict:
    """Judge whether at least half of a group's members are healthy in every load balancer.

    Or whether the other group serves nobody, by a look that shows everything.
    """
    if (
        other
        and not observation.unreadable
        and serves_nobody(other, expected.balancers, observation)
    ):
        return Healthy()
    group = observation.groups.get(expected.group)
    if group is None:
        return Progressing(reason=f"{expected.group} cannot be seen")
    if group.status:
        return Progressing(reason=f"AWS says of {expected.group}: {group.status}")
    healthy = len(fit(group, expected.balancers, observation))
    if healthy and 2 * healthy >= group.desired:
        return Healthy()
    return Progressing(
        reason=f"{healthy} of {group.desired} members of {expected.group} are healthy"
    )


def ailing(expected: Expected, observation: Observation, known: set[str]) -> str:
    """Return what is wrong with a member that was well before and is InService, if one is.

    One that was never well yet still boots: a group may grow while it is watched.
    """
    group = observation.groups.get(expected.group)
    if group is None:
        return f"{expected.group} is no more"
    for member in group.members:
        if member.lifecycle != "InService" or member.id not in known:
            continue
        for balancer in expected.balancers:
            target = observation.targets.get(balancer.identifier, {}).get(member.id)
            if target is None or not is_healthy(balancer, target):
                return f"{state(balancer, member.id, target)} in {balancer.name}"
    return ""


def concerned(until: Gate) -> frozenset[str]:
    """Return the releases an entry of the table speaks of."""
    match until:
        case Deleted(releases=releases):
            return releases
        case AllHealthy(release=release, least=least):
            return frozenset({release, least} - {""})
        case AllInService() | Verified() | Drained() | HalfHealthy() | StaysHealthy():
            return frozenset({until.release})
        case _:
            assert_never(until)
