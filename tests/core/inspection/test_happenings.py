"""Deployments, steps, activities and targets as one stream in order of time."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from pipeline.core.health.observation import Observation, Target
from pipeline.core.inspection.happenings import (
    Happening,
    Stream,
    of_activities,
    of_deployment,
    of_journal,
    of_run,
)
from pipeline.core.pausing.pause import Decision, Pause
from pipeline.core.state.deployment import (
    Deployment,
    Kind,
    Outcome,
    PhaseRun,
    Result,
    Runner,
)
from pipeline.core.state.journal import Entry
from tests.core.health.observations import WEB, a_group, a_launch, members
from tests.core.inspection.environments import STAGING

RUNNING = Deployment(
    id="20261121T120000Z-4f2a",
    kind=Kind.PROMOTE,
    environment="staging",
    green="r000002",
    blue="r000001",
    began="2026-11-21T12:00:00+00:00",
    by=Runner(user="ada", host="ci-7", pid=1),
    phase="attach",
    phases=(PhaseRun(name="launch", seconds=30.0, began="2026-11-21T12:00:01+00:00"),),
)
NOW = "2026-11-21T12:05:00+00:00"


def told(happenings: list[Happening]) -> list[tuple[str, str]]:
    return [(each.at[11:19], each.text) for each in happenings]


def test_a_deployment_tells_its_phases_its_pauses_and_its_end() -> None:
    pause = Pause(
        before="drain",
        since="2026-11-21T12:02:00+00:00",
        until="2026-11-21T13:02:00+00:00",
        ended="2026-11-21T12:03:00+00:00",
        decision=Decision.RESUMED,
    )
    failed = PhaseRun(name="attach", seconds=60.0, fault="i-3: unhealthy")
    over = replace(
        RUNNING,
        phases=(*RUNNING.phases, failed),
        pauses=(pause,),
        ended="2026-11-21T12:04:00+00:00",
        outcome=Outcome(result=Result.ROLLED_BACK, reason="i-3: unhealthy"),
    )
    assert told([*of_deployment(over)]) == [
        ("12:00:00", "promote r000002 began, by ada on ci-7"),
        ("12:00:01", "launch began"),
        ("12:00:31", "launch done (30s)"),
        # The record of an earlier version has no time: it began when the one before it ended.
        ("12:00:31", "attach began"),
        ("12:01:31", "attach failed: i-3: unhealthy (1m)"),
        ("12:02:00", "paused before drain"),
        ("12:03:00", "resumed before drain"),
        ("12:04:00", "rolled back: i-3: unhealthy"),
    ]
    assert told([*of_deployment(RUNNING)])[-1] == ("12:00:31", "attach began")


def test_a_deployment_ends_after_its_steps_and_each_phase_after_its_own() -> None:
    """All recorded times are whole seconds."""
    retire = PhaseRun(name="retire", seconds=2.4, began="2026-11-21T12:00:31+00:00")
    over = replace(
        RUNNING,
        phases=(*RUNNING.phases, retire),
        ended="2026-11-21T12:00:34+00:00",
        outcome=Outcome(result=Result.ROLLED_BACK),
    )

    def step(n: int, at: str, kind: Literal["intent", "result"], name: str) -> Entry:
        return Entry(n=n, at=f"2026-11-21T12:00:{at}+00:00", kind=kind, step=name)

    entries = [
        step(1, "01", "intent", "launch"),
        step(2, "31", "result", "launch"),
        step(3, "32", "intent", "delete"),
        step(4, "34", "result", "delete"),
        step(5, "35", "result", "unlock"),
    ]
    found = [*of_run(over, entries)]
    assert told(found) == told(Stream().new(found, NOW))
    assert told(found) == [
        ("12:00:00", "promote r000002 began, by ada on ci-7"),
        ("12:00:01", "launch began"),
        ("12:00:01", "launch"),
        ("12:00:31", "launch done"),
        ("12:00:31", "launch done (30s)"),
        ("12:00:31", "retire began"),
        ("12:00:32", "delete"),
        ("12:00:34", "delete done"),
        ("12:00:34", "retire done (2.4s)"),
        ("12:00:35", "unlock done"),
        ("12:00:35", "rolled back"),
    ]
    assert told([*of_run(RUNNING, ())]) == told([*of_deployment(RUNNING)])


def test_steps_have_their_plain_facts() -> None:
    entry = Entry(
        n=3, at=NOW, kind="result", step="attach", facts={"releases": ["r000002"], "x": {}}
    )
    (step,) = of_journal(RUNNING, [entry])
    assert (step.kind, step.text) == ("step", "attach done (releases r000002)")


def test_each_happening_is_given_once_and_a_changed_activity_at_the_time_of_its_change() -> None:
    stream = Stream()
    launch = a_launch(1, status="InProgress", began="2026-11-21T12:00:05+00:00")
    group = {"web-staging-r000002": (launch,)}
    found = [*of_activities(STAGING, group), *of_deployment(RUNNING)]
    first = stream.new(found, NOW)
    assert [at for at, _ in told(first)] == ["12:00:00", "12:00:01", "12:00:05"] + ["12:00:31"] * 2
    assert first[2].release == "r000002"
    ended = {"web-staging-r000002": (replace(launch, status="Failed", message="no capacity"),)}
    again = stream.new([*of_activities(STAGING, ended), *of_deployment(RUNNING)], NOW)
    assert told(again) == [("12:05:00", f"Failed {launch.description}: no capacity")]
    assert stream.new([*of_activities(STAGING, ended)], NOW) == []


def test_targets_are_shown_as_they_are_and_then_as_they_change() -> None:
    stream = Stream()
    group = replace(a_group(*members("i-3", "i-4")), name="web-staging-r000002")

    def seen(**states: str) -> list[str]:
        targets = {
            f"i-{name[1:]}": Target(id=f"i-{name[1:]}", state=state.split()[0], reason=reason)
            for name, state in states.items()
            for reason in [" ".join(state.split()[1:])]
        }
        observation = Observation(
            at=0.0, groups={group.name: group}, targets={WEB.identifier: targets}
        )
        return [each.text for each in stream.changes(STAGING, observation, [WEB], NOW)]

    assert seen(i3="initial Elb.RegistrationInProgress") == [
        "i-3 in web-production: initial (Elb.RegistrationInProgress)"
    ]
    assert seen(i3="healthy", i4="initial") == [
        "i-3 in web-production: initial (Elb.RegistrationInProgress) -> healthy",
        "i-4 in web-production: initial",
    ]
    assert seen(i3="healthy", i4="initial") == []
    assert stream.changes(STAGING, Observation(at=1.0), [WEB], NOW) == []  # not read
    assert seen(i4="initial") == ["i-3 in web-production: healthy -> deregistered"]


def test_weights_are_shown_as_they_change() -> None:
    stream = Stream()
    rule = "arn:aws:elasticloadbalancing:us-east-1:1:listener/app/web/50dc/f2f7"

    def seen(first: int) -> list[str]:
        weights = {rule: {"arn:x:targetgroup/a/1": first, "arn:x:targetgroup/b/2": 100 - first}}
        observation = Observation(at=0.0, weights=weights)
        return [each.text for each in stream.changes(STAGING, observation, [], NOW)]

    assert seen(100) == ["listener/app/web/50dc/f2f7: a 100 %, b 0 %"]
    assert seen(90) == ["listener/app/web/50dc/f2f7: a 100 %, b 0 % -> a 90 %, b 10 %"]
