"""Build environments in typical conditions, for the tests of the status and its texts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from pipeline.core.health.observation import Balancer, Member, Observation, ObservedGroup, Target
from pipeline.core.pausing.pause import Actor, Pause
from pipeline.core.state.deployment import (
    Deployment,
    Kind,
    Outcome,
    PhaseRun,
    Result,
    Runner,
)
from pipeline.core.state.environment import Environment, Lease, ReleaseRecord, RetiredRelease
from pipeline.core.state.release import Release, Size
from pipeline.core.state.rollback import rollback_option
from pipeline.core.state.status import Status, is_running, missing_releases

NOW = datetime(2026, 1, 4, 3, 12, tzinfo=UTC)
ADA = Runner(user="ada", host="ci-7", pid=4711, run="https://github.example/web/runs/9")
ELB = Balancer(kind="elb", identifier="web-elb", name="web-elb")
ARN = "arn:aws:elasticloadbalancing:eu-central-1:123456789012:targetgroup/web-tg/0123456789abcdef"
TARGET_GROUP = Balancer(kind="elbv2", identifier=ARN, name="web-tg")
BALANCERS = (ELB, TARGET_GROUP)
SIZE = Size(instance_type="t3.micro", minimum=2, maximum=6, desired=3)
HEALTHY = {"web-elb": "InService", ARN: "healthy"}
RUNS = (
    PhaseRun(name="launch", seconds=72.0),
    PhaseRun(name="verify", seconds=4.2),
    PhaseRun(name="attach", seconds=48.0),
    PhaseRun(name="soak", seconds=30.0),
    PhaseRun(name="drain", seconds=45.1),
    PhaseRun(name="observe", seconds=0.0),
    PhaseRun(name="retire", seconds=12.2),
)


def image(number: int) -> str:
    return f"ami-{number:017}"


def instance(number: int, index: int) -> str:
    return f"i-{number:05}{index:012}"


def a_deployment(**changes: Any) -> Deployment:
    promoted = Deployment(
        id="20260104T030700-7f3a",
        kind=Kind.PROMOTE,
        environment="production",
        green="r000124",
        blue="r000123",
        began="2026-01-04T03:07:00+00:00",
        ended="2026-01-04T03:10:31.5+00:00",
        by=ADA,
        image=image(124),
        version="1.4.0",
        phases=RUNS,
        outcome=Outcome(result=Result.PROMOTED),
    )
    return replace(promoted, **changes)


def rolled_back(**changes: Any) -> Deployment:
    reason = "i-00125000000000001: unhealthy in web-tg: Target.FailedHealthChecks"
    return a_deployment(
        green="r000125",
        blue="r000124",
        image=image(125),
        version="1.5.0",
        phases=(
            *RUNS[:2],
            PhaseRun(name="attach", seconds=91.0, fault=reason),
            PhaseRun(name="reattach", seconds=1.1),
            PhaseRun(name="detach", seconds=20.0),
            PhaseRun(name="delete", seconds=11.0),
        ),
        outcome=Outcome(
            result=Result.ROLLED_BACK,
            phase="attach",
            reason=reason,
            evidence=".ami-pipeline/deployments/20260104T030700-7f3a/evidence.txt",
        ),
        **changes,
    )


def record(number: int, **changes: Any) -> ReleaseRecord:
    release = Release(number=number, ami_id=image(number), size=SIZE, facts={})
    known = ReleaseRecord(
        release=release, version=f"1.{number - 120}.0", since="2026-01-01T00:00:00+00:00"
    )
    return replace(known, **changes)


def retired(number: int, **changes: Any) -> RetiredRelease:
    served = RetiredRelease(
        release=f"r{number:06}", ami_id=image(number), version=f"1.{number - 120}.0"
    )
    return replace(served, **changes)


def group(number: int, attached: tuple[str, ...] = (), **changes: Any) -> ObservedGroup:
    members = tuple(
        Member(
            id=instance(number, index),
            lifecycle="InService",
            health="Healthy",
            template=f"lt-{number}",
            version="1",
        )
        for index in range(3)
    )
    observed = ObservedGroup(
        name=f"web-production-r{number:06}",
        minimum=2,
        maximum=6,
        desired=3,
        template=f"lt-{number}",
        version="1",
        members=members,
        attached=frozenset(attached),
        tags={
            "ami-pipeline:release": f"r{number:06}",
            "ami-pipeline:image": image(number),
            "ami-pipeline:version": f"1.{number - 120}.0",
        },
    )
    return replace(observed, **changes)


def targets(*groups: ObservedGroup, states: Mapping[str, Target] | None = None) -> dict[str, Any]:
    """Return each member of an attached group as a healthy target, except for `states`."""
    given = states or {}
    return {
        each.identifier: {
            member.id: given.get(member.id, Target(id=member.id, state=HEALTHY[each.identifier]))
            for group in groups
            if each.identifier in group.attached
            for member in group.members
        }
        for each in BALANCERS
    }


def observation(*groups: ObservedGroup, **changes: Any) -> Observation:
    observed = Observation(
        at=0.0, groups={each.name: each for each in groups}, targets=targets(*groups)
    )
    return replace(observed, **changes)


def environment(*releases: ReleaseRecord, **changes: Any) -> Environment:
    document = Environment(
        app="web",
        environment="production",
        account="123456789012",
        region="eu-central-1",
        next=126,
        serving="r000124",
        releases={each.release.name: each for each in releases},
    )
    return replace(document, **changes)


def a_lease(expires: str = "2026-01-04T03:13:00+00:00") -> Lease:
    return Lease(owner=ADA, epoch=7, since="2026-01-04T03:07:00+00:00", expires=expires)


def a_status(
    document: Environment, observed: Observation, *history: Deployment, **changes: Any
) -> Status:
    found = Status(
        environment=document,
        observation=observed,
        balancers=BALANCERS,
        running=is_running(document, NOW),
        rollback=rollback_option(document, history, NOW, missing_releases(document, observed)),
    )
    return replace(found, **changes)


BOTH = tuple(HEALTHY)
UNHEALTHY = Target(
    id=instance(124, 1),
    state="unhealthy",
    reason="Target.FailedHealthChecks",
    description="Health checks failed with these codes: [502]",
)


def nothing() -> Status:
    return a_status(environment(serving=""), observation())


def serving() -> Status:
    return a_status(environment(record(124)), observation(group(124, BOTH)))


def in_flight(**changes: Any) -> Status:
    running = a_deployment(
        green="r000125",
        blue="r000124",
        version="1.5.0",
        image=image(125),
        ended="",
        outcome=None,
        phase="attach",
        phases=RUNS[:2],
    )
    document = environment(
        record(124),
        record(125),
        deployment=running,
        lease=a_lease(),
        retired=(retired(123),),
        **changes,
    )
    green = group(125, ("web-elb",))
    first, second, third = green.members
    green = replace(green, members=(first, second, replace(third, lifecycle="Pending")))
    waiting = Target(
        id=second.id,
        state="OutOfService",
        reason="ELB",
        description="Instance registration is still in progress.",
    )
    blue = group(124, BOTH)
    states = {second.id: waiting}
    good = targets(blue, green, states=states)
    good["web-elb"].pop(third.id)
    return a_status(document, observation(blue, green, targets=good))


def warm(until: str = "2026-01-04T03:40:00+00:00") -> Status:
    back = a_deployment(
        kind=Kind.ROLLBACK,
        began="2026-01-02T00:00:00+00:00",
        ended="2026-01-02T00:00:21.4+00:00",
        phases=(PhaseRun(name="reattach", seconds=11.0), PhaseRun(name="drain", seconds=10.4)),
    )
    document = environment(
        record(124), record(123, warm_until=until), retired=(retired(123), retired(122))
    )
    return a_status(document, observation(group(124, BOTH), group(123)), back, a_deployment())


def unhealthy() -> Status:
    group124 = group(124, BOTH)
    observed = observation(group124, targets=targets(group124, states={UNHEALTHY.id: UNHEALTHY}))
    observed = replace(
        observed,
        targets={
            **observed.targets,
            "web-elb": {
                each.id: Target(id=each.id, state="InService") for each in group124.members
            },
        },
    )
    return a_status(environment(record(124), retired=(retired(123),)), observed, a_deployment())


def interrupted() -> Status:
    status = in_flight()
    document = replace(status.environment, lease=a_lease("2026-01-04T03:11:00+00:00"))
    return replace(status, environment=document, running=is_running(document, NOW))


def a_pause(**changes: Any) -> Pause:
    pause = Pause(
        before="drain", since="2026-01-04T03:09:34+00:00", until="2026-01-05T03:09:34+00:00"
    )
    return replace(pause, **changes)


def a_paused_deployment(**changes: Any) -> Deployment:
    paused = a_deployment(
        ended="",
        phase="soak",
        phases=RUNS[:4],
        outcome=Outcome(result=Result.PAUSED, phase="drain"),
        actor=Actor(system="GitHub Actions", name="ann"),
        pauses=(a_pause(),),
    )
    return replace(paused, **changes)


def paused() -> Status:
    document = environment(
        record(123),
        record(124),
        serving="r000123",
        deployment=a_paused_deployment(),
        retired=(retired(122),),
    )
    return a_status(document, observation(group(123, BOTH), group(124, BOTH)))


def failing() -> Status:
    status = unhealthy()
    members = status.observation.groups["web-production-r000124"].members
    states = {each.id: replace(UNHEALTHY, id=each.id) for each in members}
    return replace(
        status,
        observation=replace(
            status.observation, targets={**status.observation.targets, ARN: states}
        ),
    )


def needs_attention() -> Status:
    reason = "r000123 still has 1 member: Terminating:Wait"
    ended = a_deployment(
        phase="retire",
        phases=(*RUNS[:6], PhaseRun(name="retire", seconds=900.0, fault=reason)),
        outcome=Outcome(result=Result.NEEDS_ATTENTION, phase="retire", reason=reason),
    )
    blue = group(123, desired=0, status="Delete in progress")
    last = replace(blue.members[0], lifecycle="Terminating:Wait")
    blue = replace(blue, members=(last,))
    document = environment(record(124), record(123), deployment=ended, retired=(retired(123),))
    return a_status(document, observation(group(124, BOTH), blue))


def unreadable() -> Status:
    error = "DescribeAutoScalingGroups: Throttling: Rate exceeded"
    document = environment(record(124), retired=(retired(123),), lease=a_lease())
    return a_status(document, observation(unreadable=(error,), targets={}))


def unknown_group() -> Status:
    document = environment(record(124), record(123, failed=True))
    return a_status(document, observation(group(124, BOTH), group(123), group(121, ("web-elb",))))


EXAMPLES = {
    example.__name__: example
    for example in (
        nothing,
        serving,
        in_flight,
        warm,
        unhealthy,
        failing,
        interrupted,
        paused,
        needs_attention,
        unknown_group,
        unreadable,
    )
}
