"""Put what happens in an environment in order of time: deployments, phases, activities, targets."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import zip_longest
from typing import Any, Literal

from pipeline.core.health.observation import Activity, Balancer, Observation, Target
from pipeline.core.health.pairs import describe_weights
from pipeline.core.state.deployment import Deployment
from pipeline.core.state.environment import Environment
from pipeline.core.state.journal import Entry
from pipeline.core.times import format_duration


@dataclass(frozen=True, kw_only=True, slots=True)
class Happening:
    """One line of the stream; `at` is UTC, ISO 8601, as AWS or the store recorded it.

    `subject` identifies what it is about: a deployment, a member, a scaling activity, a listener.
    Two happenings with the same kind, subject and text are the same one.
    """

    at: str
    kind: Literal["deployment", "phase", "step", "activity", "target", "weights"]
    release: str
    subject: str
    text: str

    @property
    def key(self) -> tuple[str, str, str]:
        """Return what identifies it, whenever it is read."""
        return self.kind, self.subject, self.text


def of_deployment(deployment: Deployment) -> Iterator[Happening]:
    """Yield the beginning of a deployment, its phases, its pauses and its end."""

    def tell(at: str, kind: Literal["deployment", "phase"], text: str) -> Happening:
        return Happening(
            at=at, kind=kind, release=deployment.green, subject=deployment.id, text=text
        )

    begun = f"{deployment.kind} {deployment.green or deployment.blue} began"
    yield tell(deployment.began, "deployment", f"{begun}, by {deployment.beginner}")
    for phase in _phases(deployment):
        yield tell(phase.at, "phase", phase.text)
    for pause in deployment.pauses:
        yield tell(pause.since, "deployment", f"paused before {pause.before}")
        if pause.decision and pause.ended:
            yield tell(pause.ended, "deployment", f"{pause.decision} before {pause.before}")
    outcome = deployment.outcome
    if outcome and deployment.ended:
        reason = f": {outcome.reason}" if outcome.reason else ""
        yield tell(deployment.ended, "deployment", f"{outcome.result}{reason}")


@dataclass(frozen=True, kw_only=True, slots=True)
class _PhaseEdge:
    """The beginning or the end of a phase."""

    at: str
    text: str


def _phases(deployment: Deployment) -> Iterator[_PhaseEdge]:
    """Yield the edges of the phases; the time of one that was not recorded is that before it."""
    at = deployment.began
    for run in deployment.phases:
        began = run.began or at
        at = _later(began, run.seconds)
        yield _PhaseEdge(at=began, text=f"{run.name} began")
        how = f"failed: {run.fault}" if run.fault else "done"
        yield _PhaseEdge(at=at, text=f"{run.name} {how} ({format_duration(run.seconds)})")
    if deployment.phase and not deployment.ended and not deployment.pause:
        yield _PhaseEdge(at=at, text=f"{deployment.phase} began")


def _later(at: str, seconds: float) -> str:
    try:
        moment = datetime.fromisoformat(at) + timedelta(seconds=seconds)
    except ValueError:
        return at
    return moment.isoformat(timespec="seconds")


def of_run(deployment: Deployment, entries: Iterable[Entry]) -> Iterator[Happening]:
    """Yield what happened in a deployment and the steps of its journal, in order.

    The recorded times are whole seconds, so that equal ones say nothing: a step belongs to the
    phase that has begun, a phase ends after its steps, and the deployment after all of them.
    """
    steps, told = deque(of_journal(deployment, entries)), [*of_deployment(deployment)]
    over = [told.pop()] if deployment.outcome and deployment.ended else []
    told = [*sorted(told, key=moment), *over]
    for each, following in zip_longest(told, told[1:]):
        # The time of an end may be a second early: its parts were rounded.
        late = moment(each) + 1
        until = min(late, moment(following)) if following else late
        at = each.at
        while steps and (moment(steps[0]) < moment(each) or _is_in(steps[0], each, until)):
            at = max(at, steps[0].at, key=_seconds)
            yield steps.popleft()
        yield replace(each, at=at)
    yield from steps


def _is_in(step: Happening, edge: Happening, until: float) -> bool:
    """Return True if a step belongs to what ends at an edge; `until` is the edge's latest time."""
    begins = edge.text.endswith(" began") or " began, by " in edge.text
    return not begins and moment(step) <= until


def of_journal(deployment: Deployment, entries: Iterable[Entry]) -> Iterator[Happening]:
    """Yield the steps of a deployment's journal: what changes AWS, and that it is done."""
    for entry in entries:
        done = " done" if entry.kind == "result" else ""
        yield Happening(
            at=entry.at,
            kind="step",
            release=deployment.green,
            subject=f"{deployment.id} {entry.n}",
            text=f"{entry.step}{done}{_facts(entry.facts)}",
        )


def _facts(facts: Mapping[str, Any]) -> str:
    """Return the plain facts of a step, such as ` (release r000124)`."""
    plain = {name: _plain(value) for name, value in facts.items()}
    shown = ", ".join(f"{name} {value}" for name, value in plain.items() if value)
    return f" ({shown})" if shown else ""


def _plain(value: object) -> str:
    if isinstance(value, (list, tuple)):
        return " ".join(filter(None, map(_plain, value)))
    return str(value) if isinstance(value, (str, int, float)) else ""


def of_activities(
    document: Environment, activities: Mapping[str, Iterable[Activity]]
) -> Iterator[Happening]:
    """Yield the scaling activities of groups, in AWS's words."""
    for group, found in activities.items():
        for each in found:
            # AWS repeats the message in most descriptions.
            is_told = not each.message or each.message in each.description
            message = "" if is_told else f": {each.message}"
            yield Happening(
                at=each.began,
                kind="activity",
                release=document.release_at(group),
                subject=each.id,
                text=f"{each.status} {each.description}{message}",
            )


@dataclass(kw_only=True)
class Stream:
    """Gives each happening once, and the changes between two observations.

    The first reading shows the state of every target as it is then.
    """

    _known: set[tuple[str, str, str]] = field(default_factory=set, init=False)
    _subjects: set[str] = field(default_factory=set, init=False)
    _states: dict[str, Happening] = field(default_factory=dict, init=False)

    def new(self, found: Iterable[Happening], now: str) -> list[Happening]:
        """Return those that were not given before, in order of time.

        A scaling activity that was known and has another status now changed just `now`.
        """
        fresh = [each for each in found if each.key not in self._known]
        changed = [
            replace(each, at=now)
            if each.kind == "activity" and each.subject in self._subjects
            else each
            for each in fresh
        ]
        self._known |= {each.key for each in fresh}
        self._subjects |= {each.subject for each in fresh}
        return sorted(changed, key=moment)

    def changes(
        self, document: Environment, seen: Observation, balancers: Iterable[Balancer], now: str
    ) -> list[Happening]:
        """Return the targets and weights whose state is another one than before."""
        states = {each.subject: each for each in _states(document, seen, balancers, now)}
        read = {each.identifier for each in balancers if each.identifier in seen.targets}
        found: list[Happening] = []
        for subject, state in states.items():
            before = self._states.get(subject)
            if before is None or before.text != state.text:
                found.append(_change(before, state))
        for subject, before in self._states.items():
            if before.kind == "target" and subject not in states and _balancer(subject) in read:
                found.append(replace(before, at=now, text=f"{before.text} -> deregistered"))
        kept = {
            subject: each
            for subject, each in self._states.items()
            if each.kind == "weights" or _balancer(subject) not in read
        }
        self._states = kept | states
        return found


def _change(before: Happening | None, state: Happening) -> Happening:
    if before is None:
        return state
    name, _, new = state.text.rpartition(": ")
    old = before.text.rpartition(": ")[2]
    return replace(state, text=f"{name}: {old} -> {new}")


def _balancer(subject: str) -> str:
    return subject.partition(" ")[2]


def _states(
    document: Environment, seen: Observation, balancers: Iterable[Balancer], now: str
) -> Iterator[Happening]:
    releases = {
        member.id: document.release_at(group.name)
        for group in seen.groups.values()
        for member in group.members
    }
    for balancer in balancers:
        for target in seen.targets.get(balancer.identifier, {}).values():
            yield Happening(
                at=now,
                kind="target",
                release=releases.get(target.id, ""),
                subject=f"{target.id} {balancer.identifier}",
                text=f"{target.id} in {balancer.name}: {_state(target)}",
            )
    for rule, weights in seen.weights.items():
        text = f"{_rule(rule)}: {describe_weights(weights)}"
        yield Happening(at=now, kind="weights", release="", subject=rule, text=text)


def _state(target: Target) -> str:
    reason = f" ({target.reason})" if target.reason and target.reason != "N/A" else ""
    return f"{target.state}{reason}"


def _rule(arn: str) -> str:
    """Return the end of the ARN of a listener or rule, such as `listener/app/web/50dc6c/f2f7dc`."""
    return arn.rpartition(":")[2]


def moment(happening: Happening) -> float:
    """Return the time of a happening in seconds since the epoch; 0 if it has none."""
    return _seconds(happening.at)


def _seconds(time: str) -> float:
    try:
        return datetime.fromisoformat(time).timestamp()
    except ValueError:
        return 0.0
