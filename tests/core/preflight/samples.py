"""A service whose preflight finds nothing, for the tests to change one fact of."""

from __future__ import annotations

from dataclasses import replace

from pipeline.core.health.observation import Balancer, Member, Observation, ObservedGroup, Target
from pipeline.core.health.place import Place
from pipeline.core.preflight.facts import (
    BalancerFacts,
    CredentialFacts,
    Facts,
    GroupFacts,
    IdentityFacts,
    ImageFacts,
    Proposal,
    Quota,
    SubnetFacts,
    TypeFacts,
)
from pipeline.core.state.environment import Environment, ReleaseRecord
from pipeline.core.state.release import Release, Size

ARN = "arn:aws:elasticloadbalancing:eu-central-1:111122223333:targetgroup/api/0123456789abcdef"
CLASSIC = Balancer(kind="elb", identifier="web", name="web")
TARGETS = Balancer(kind="elbv2", identifier=ARN, name="api")
BLUE, GREEN = "web-production-r000003", "web-production-r000004"
IMAGE = "ami-0123456789abcdef0"
BOTH = frozenset({"web", ARN})
MEMBERS = ("i-1", "i-2")
REGISTERING = "Instance registration is still in progress."
DRAINING = "Instance deregistration currently in progress."


def record(number: int) -> ReleaseRecord:
    size = Size(instance_type="t3.micro", minimum=1, maximum=4, desired=2)
    return ReleaseRecord(release=Release(number=number, ami_id=IMAGE, size=size, facts={}))


DOCUMENT = Environment(
    app="web",
    environment="production",
    account="111122223333",
    region="eu-central-1",
    next=4,
    serving="r000003",
    releases={"r000003": record(3)},
)
PROPOSAL = Proposal(
    place=Place(
        app="web",
        environment="production",
        region="eu-central-1",
        account="111122223333",
        balancers=(CLASSIC, TARGETS),
    ),
    environment=DOCUMENT,
    image_id=IMAGE,
    instance_type="t3.micro",
    count=1,
    seconds=1800,
    account="111122223333",
    green="r000004",
)
FIRST = replace(PROPOSAL, environment=replace(DOCUMENT, serving="", releases={}))
GROUP = GroupFacts(
    name=BLUE,
    release="r000003",
    desired=2,
    attached=BOTH,
    members=frozenset(MEMBERS),
    subnets=("subnet-a", "subnet-b"),
)
BALANCER = BalancerFacts(
    balancer=CLASSIC,
    exists=True,
    listeners=1,
    zones=frozenset({"eu-central-1a", "eu-central-1b"}),
    vpc="vpc-1",
    drain_seconds=300,
    check_seconds=30,
    slow_start=0,
    target_type="instance",
)


def observation(*members: Member, **targets: dict[str, Target]) -> Observation:
    listed = members or tuple(member(each) for each in MEMBERS)
    group = ObservedGroup(
        name=BLUE,
        minimum=1,
        maximum=4,
        desired=2,
        template="lt-1",
        version="1",
        members=listed,
        attached=BOTH,
    )
    healthy = {each: Target(id=each, state="healthy") for each in MEMBERS}
    service = {each: Target(id=each, state="InService", description="N/A") for each in MEMBERS}
    return Observation(
        at=0.0,
        groups={BLUE: group},
        targets={"web": targets.get("web", service), ARN: targets.get("api", healthy)},
    )


def member(name: str, lifecycle: str = "InService", health: str = "Healthy") -> Member:
    return Member(id=name, lifecycle=lifecycle, health=health, template="lt-1", version="1")


def target(name: str, state: str, reason: str = "", description: str = "") -> dict[str, Target]:
    changed = Target(id=name, state=state, reason=reason, description=description)
    return {**{each: Target(id=each, state="healthy") for each in MEMBERS}, name: changed}


FACTS = Facts(
    identity=IdentityFacts(account="111122223333", arn="arn:aws:iam::111122223333:user/ci"),
    credentials=CredentialFacts(temporary=True, renew=False, seconds=3600),
    image=ImageFacts(
        id=IMAGE,
        state="available",
        owner="111122223333",
        architecture="x86_64",
        root_device="/dev/xvda",
    ),
    type=TypeFacts(name="t3.micro", architectures=frozenset({"x86_64"}), vcpus=2),
    groups=(GROUP,),
    templates=(),
    refreshes=(),
    subnets=(
        SubnetFacts(id="subnet-a", zone="eu-central-1a", vpc="vpc-1", free=1),
        SubnetFacts(id="subnet-b", zone="eu-central-1b", vpc="vpc-1", free=1),
    ),
    balancers=(BALANCER, replace(BALANCER, balancer=TARGETS)),
    observation=observation(),
    group_quota=Quota(limit=500, used=499),
    vcpus=Quota(limit=32, used=28),
    targets=4,
)
ELSEWHERE = GroupFacts(name="legacy", release="", desired=1, attached=frozenset({"web"}))
SECOND = replace(GROUP, name="web-production-r000002", release="r000002")
