from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from pipeline.core.health.observation import Balancer, Member, Observation, ObservedGroup, Target
from pipeline.core.preflight.checks import findings, least_lifetime, refusal, wanted_count
from pipeline.core.preflight.facts import (
    BalancerFacts,
    CredentialFacts,
    Facts,
    Failure,
    GroupFacts,
    IdentityFacts,
    ImageFacts,
    Proposal,
    Room,
    SubnetFacts,
    TypeFacts,
)
from pipeline.core.preflight.finding import Finding
from pipeline.core.preflight.fleet_checks import is_lost, missing
from pipeline.core.state.deployment import Place, Policy
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


def kept(number: int) -> ReleaseRecord:
    size = Size(instance_type="t3.micro", minimum=1, maximum=4, desired=2)
    return ReleaseRecord(release=Release(number=number, ami_id=IMAGE, size=size, facts={}))


DOCUMENT = Environment(
    app="web",
    environment="production",
    account="111122223333",
    region="eu-central-1",
    next=4,
    serving="r000003",
    releases={"r000003": kept(3)},
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
    there = members or tuple(member(each) for each in MEMBERS)
    seen = ObservedGroup(
        name=BLUE,
        minimum=1,
        maximum=4,
        desired=2,
        template="lt-1",
        version="1",
        members=there,
        attached=BOTH,
    )
    healthy = {each: Target(id=each, state="healthy") for each in MEMBERS}
    service = {each: Target(id=each, state="InService", description="N/A") for each in MEMBERS}
    return Observation(
        at=0.0,
        groups={BLUE: seen},
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
    templates=frozenset(),
    refreshes=(),
    subnets=(
        SubnetFacts(id="subnet-a", zone="eu-central-1a", vpc="vpc-1", free=1),
        SubnetFacts(id="subnet-b", zone="eu-central-1b", vpc="vpc-1", free=1),
    ),
    balancers=(BALANCER, replace(BALANCER, balancer=TARGETS)),
    observation=observation(),
    group_room=Room(most=500, used=499),
    vcpus=Room(most=32, used=28),
    targets=4,
)
ELSEWHERE = GroupFacts(name="legacy", release="", desired=1, attached=frozenset({"web"}))
SECOND = replace(GROUP, name="web-production-r000002", release="r000002")


def test_nothing_speaks_against_what_just_fits() -> None:
    assert findings(FACTS, PROPOSAL) == ()


def test_nothing_speaks_against_a_first_release_on_an_empty_account() -> None:
    empty = replace(FACTS, groups=(), refreshes=None, observation=Observation(at=0.0))
    assert findings(empty, FIRST) == ()


def test_nothing_is_concluded_from_what_was_not_read() -> None:
    assert findings(Facts(), PROPOSAL) == ()


CASES: list[tuple[str, dict[str, Any], str, str]] = [
    (
        "another account",
        {"identity": IdentityFacts(account="999999999999", arn="arn:aws:iam::9:user/x")},
        "[environments.production] account",
        "is 111122223333, and the credentials are of 999999999999 (arn:aws:iam::9:user/x)",
    ),
    (
        "short credentials",
        {"credentials": CredentialFacts(temporary=True, renew=False, seconds=719)},
        "credentials",
        "end in 12 minutes; a deployment may take 30 minutes",
    ),
    (
        "no image",
        {"image": None, "missing": frozenset({IMAGE})},
        f"image {IMAGE}",
        "is not in eu-central-1, or this account may not use it",
    ),
    (
        "a pending image",
        {"image": replace(FACTS.image, state="pending")},  # type: ignore[type-var]
        f"image {IMAGE}",
        "is pending",
    ),
    (
        "a failed image",
        {"image": replace(FACTS.image, state="failed", reason="no snapshot")},  # type: ignore[type-var]
        f"image {IMAGE}",
        "is failed: no snapshot",
    ),
    (
        "another architecture",
        {"image": replace(FACTS.image, architecture="arm64")},  # type: ignore[type-var]
        f"image {IMAGE}",
        "is built for arm64, and t3.micro runs x86_64",
    ),
    (
        "no such type",
        {"type": None, "missing": frozenset({"t3.micro"})},
        "[environments.production] instance_type",
        "AWS knows no t3.micro in eu-central-1",
    ),
    (
        "no such load balancer",
        {"balancers": (replace(BALANCER, exists=False, listeners=0),)},
        "load balancer web",
        "does not exist in eu-central-1",
    ),
    (
        "no listener",
        {"balancers": (replace(BALANCER, balancer=TARGETS, listeners=0),)},
        "target group api",
        "no listener sends requests to it, so its targets are never found healthy",
    ),
    (
        "targets by address",
        {"balancers": (replace(BALANCER, balancer=TARGETS, target_type="ip"),)},
        "target group api",
        "takes targets of type ip; groups register instances",
    ),
    (
        "a zone that is not enabled",
        {"balancers": (replace(BALANCER, zones=frozenset({"eu-central-1a"})),)},
        "load balancer web",
        "is not enabled in eu-central-1b, where instances would be launched",
    ),
    (
        "another VPC",
        {"balancers": (replace(BALANCER, vpc="vpc-2"),)},
        "load balancer web",
        "is in vpc-2, and not in the VPC of subnet-a, subnet-b",
    ),
    (
        "a serving group that is gone",
        {"groups": (), "observe": None},
        f"server group {BLUE}",
        "serves according to the environment's document, but it does not exist",
    ),
    (
        "a serving group that is attached to nothing",
        {"groups": (replace(GROUP, attached=frozenset()),), "observe": None},
        f"server group {BLUE}",
        "serves according to the environment's document, but it is attached to no load balancer",
    ),
    (
        "two that serve",
        {"groups": (GROUP, SECOND)},
        "server group web-production-r000002",
        "is attached to the load balancers beside r000003: exactly one may serve",
    ),
    (
        "a stranger",
        {"groups": (GROUP, ELSEWHERE)},
        "group legacy",
        (
            "is no group of ours, and attached to the same load balancers: "
            "it keeps its part of the traffic"
        ),
    ),
    (
        "a group that is being deleted under green's name",
        {
            "groups": (
                GROUP,
                replace(
                    GROUP,
                    name=GREEN,
                    release="r000004",
                    attached=frozenset(),
                    status="Delete in progress",
                ),
            )
        },
        f"server group {GREEN}",
        "is still there: Delete in progress",
    ),
    (
        "a group of green's name",
        {
            "groups": (
                GROUP,
                replace(GROUP, name=GREEN, release="r000004", attached=frozenset()),
            )
        },
        f"server group {GREEN}",
        "exists already, and a release's number is never used again",
    ),
    (
        "a launch template of green's name",
        {"templates": frozenset({GREEN})},
        f"launch template {GREEN}",
        "exists already, and a release's number is never used again",
    ),
    (
        "an instance refresh",
        {"refreshes": ("instance refresh 08b91cf7 is InProgress",)},
        f"server group {BLUE}",
        "its instances are being replaced: instance refresh 08b91cf7 is InProgress",
    ),
    (
        "a serving group that is being deleted",
        {"groups": (replace(GROUP, status="Delete in progress"),)},
        f"server group {BLUE}",
        "serves, but it is being deleted: Delete in progress",
    ),
    (
        "suspended processes",
        {"groups": (replace(GROUP, suspended=frozenset({"Terminate", "Launch", "AZRebalance"})),)},
        f"server group {BLUE}",
        "Launch, Terminate suspended: it could be neither restored nor retired",
    ),
    (
        "a member in standby",
        {"groups": (replace(GROUP, standby=("i-3",)),)},
        f"server group {BLUE}",
        "holds i-3 in standby: the group could not be retired",
    ),
    (
        "a protected member",
        {"groups": (replace(GROUP, protected=("i-1", "i-2")),)},
        f"server group {BLUE}",
        "protects i-1, i-2 from scale-in: the group could not be retired",
    ),
    (
        "no addresses",
        {"subnets": (SubnetFacts(id="subnet-a", zone="eu-central-1a", vpc="vpc-1", free=1),)},
        "subnets subnet-a",
        "have 1 free addresses, and 2 more instances are to be launched",
    ),
    (
        "no such subnet",
        {"missing": frozenset({"subnet-c"})},
        "subnet subnet-c",
        "does not exist in eu-central-1",
    ),
    (
        "no room for a group",
        {"group_room": Room(most=500, used=500)},
        "Auto Scaling in eu-central-1",
        "there are 500 groups, and the quota is 500",
    ),
    (
        "no vCPUs",
        {"vcpus": Room(most=32, used=29)},
        "EC2 in eu-central-1",
        "2 more of t3.micro are 4 vCPUs; 29 of the quota's 32 are in use",
    ),
    (
        "no room in a target group",
        {"targets": 3},
        "target group api",
        "has 2 targets, and the quota is 3: no room for 2 more",
    ),
    (
        "an unhealthy member",
        {"observe": observation(member("i-1", health="Unhealthy"), member("i-2"))},
        f"server group {BLUE}",
        "was sick before this deployment began\ni-1 is Unhealthy to Auto Scaling",
    ),
    (
        "no member",
        {"observe": observation(member("i-1", "Terminating"))},
        f"server group {BLUE}",
        "was sick before this deployment began\nit has no instance in service",
    ),
    (
        "an unhealthy target",
        {
            "observe": observation(
                api=target("i-2", "unhealthy", "Target.FailedHealthChecks", "503")
            )
        },
        f"server group {BLUE}",
        (
            "was sick before this deployment began\n"
            "i-2 is unhealthy (Target.FailedHealthChecks: 503) in api"
        ),
    ),
    (
        "a member that is no target",
        {"observe": observation(web={"i-1": Target(id="i-1", state="InService")})},
        f"server group {BLUE}",
        "was sick before this deployment began\ni-2 is not registered in web",
    ),
]


@pytest.mark.parametrize(
    ("changed", "where", "what"), [each[1:] for each in CASES], ids=[each[0] for each in CASES]
)
def test_each_thing_that_would_go_wrong_is_found_and_refuses(
    changed: dict[str, Any], where: str, what: str
) -> None:
    found = findings(replace(FACTS, **changed), PROPOSAL)
    assert [(each.where, each.what, each.blocking) for each in found] == [(where, what, True)]
    assert found[0].remedy


WORDS: list[tuple[str, dict[str, Any], dict[str, Any], str]] = [
    (
        "an account that is not pinned",
        {},
        {"account": ""},
        "is not set: any account would do; these credentials are of 111122223333",
    ),
    (
        "credentials that do not say",
        {"credentials": CredentialFacts(temporary=True, renew=False)},
        {},
        "are temporary and do not say when they end; a deployment may take 30 minutes",
    ),
    (
        "a deprecated image",
        {"image": replace(FACTS.image, deprecated=True)},  # type: ignore[type-var]
        {},
        "is deprecated: it can be launched, but counts as out of date",
    ),
    (
        "a dark group that nobody knows",
        {"groups": (GROUP, replace(SECOND, attached=frozenset()))},
        {},
        "has our name, but the environment's document does not know r000002",
    ),
    (
        "a warm group that is gone",
        {},
        {"environment": DOCUMENT.with_release(kept(2))},
        "is kept for a rollback according to the environment's document, but it does not exist",
    ),
    (
        "an instance that a person registered",
        {"observe": observation(api=target("i-9", "healthy"))},
        {},
        "sends requests to i-9, of no group of ours: it keeps its part of the traffic",
    ),
    (
        "a sick fleet that is to be mended",
        {"observe": observation(member("i-1", "Terminating"))},
        {"mends": True},
        "was sick before this deployment began\nit has no instance in service",
    ),
]


@pytest.mark.parametrize(
    ("facts", "proposal", "what"), [each[1:] for each in WORDS], ids=[each[0] for each in WORDS]
)
def test_what_hurts_nobody_is_only_said(
    facts: dict[str, Any], proposal: dict[str, Any], what: str
) -> None:
    found = findings(replace(FACTS, targets=None, **facts), replace(PROPOSAL, **proposal))
    assert [(each.what, each.blocking) for each in found] == [(what, False)]
    assert found[0].remedy


@pytest.mark.parametrize(
    ("facts", "proposal"),
    [
        ({"credentials": CredentialFacts(temporary=True, renew=True)}, {}),
        ({"credentials": CredentialFacts(temporary=False, renew=False)}, {}),
        ({"observe": observation(member("i-1"), member("i-3", "Pending"))}, {}),
        ({"observe": observation(api=target("i-2", "initial", "Elb.RegistrationInProgress"))}, {}),
        ({"observe": observation(web=target("i-2", "OutOfService", "ELB", REGISTERING))}, {}),
        ({"observe": observation(api=target("i-9", "draining"))}, {}),
        ({"observe": observation(web=target("i-9", "InService", "", DRAINING))}, {}),
        ({"groups": (replace(GROUP, standby=("i-3",)),)}, {"retires": False}),
        ({"vcpus": None, "group_room": None, "targets": None, "subnets": None}, {}),
        (
            {
                "image": None,
                "type": None,
                "missing": frozenset({IMAGE}),
                "vcpus": Room(most=0, used=0),
            },
            {"green": ""},
        ),
        ({"groups": (replace(GROUP, attached=frozenset({ARN})),)}, {}),
        ({"image": replace(FACTS.image, owner="444455556666")}, {}),  # type: ignore[type-var]
    ],
    ids=[
        "renewed",
        "for ever",
        "scaling out",
        "registering",
        "registering in a classic load balancer",
        "draining",
        "draining from a classic load balancer",
        "not retired",
        "unread",
        "nothing to launch",
        "a new load balancer",
        "recorded by us",
    ],
)
def test_what_is_no_fault_is_not_told(facts: dict[str, Any], proposal: dict[str, Any]) -> None:
    assert (
        findings(replace(FACTS, **{"targets": None, **facts}), replace(PROPOSAL, **proposal)) == ()
    )


def test_load_balancers_that_do_not_exist_are_told_with_all_the_rest() -> None:
    absent = (Balancer(kind="elb", identifier="gone", name="gone"), replace(TARGETS, name="lost"))
    sick = replace(FACTS, observation=observation(member("i-1", "Terminating")))
    found = findings(sick, replace(PROPOSAL, absent=absent))
    assert [(each.where, each.blocking) for each in found] == [
        ("load balancer gone", True),
        ("target group lost", True),
        (f"server group {BLUE}", True),
    ]
    assert found[0].what == "does not exist in eu-central-1"


def test_an_alarm_that_rings_already_refuses_and_says_how_to_go_on() -> None:
    (found,) = findings(replace(FACTS, alarms=("web 5xx: Threshold: 3",)), PROPOSAL)
    assert found == Finding(
        where="alarm web 5xx",
        what="rings already: Threshold: 3",
        remedy="wait until it is quiet: aws cloudwatch describe-alarms --region eu-central-1 "
        "--alarm-names 'web 5xx'; or, if this image is the mend: ami-pipeline promote "
        f"-e production --image {IMAGE} --allow-unhealthy",
    )


def test_an_alarm_that_is_to_be_mended_is_said_and_not_watched() -> None:
    (found,) = findings(replace(FACTS, alarms=("5xx: x",)), replace(PROPOSAL, mends=True))
    assert (found.what, found.blocking) == ("rings already: x; so it is not watched", False)
    assert "--allow-unhealthy" not in found.remedy
    policy = Policy(alarms=("5xx", "5xx-late", "latency"))
    assert policy.without_alarms(("5xx: x",)).alarms == ("5xx-late", "latency")
    assert policy.without_alarms(("latency",)).alarms == ("5xx", "5xx-late")
    assert policy.without_alarms(()) == policy


def test_a_sick_fleet_says_how_to_promote_its_mend() -> None:
    (found,) = findings(
        replace(FACTS, observation=observation(member("i-1", "Terminating"))), PROPOSAL
    )
    assert found.remedy == (
        "mend it first; or go back to the release before: ami-pipeline rollback -e production; "
        "or, if this image is the mend: ami-pipeline promote -e production "
        f"--image {IMAGE} --allow-unhealthy"
    )


def test_an_image_of_another_account_that_no_bake_recorded_is_refused() -> None:
    assert FACTS.image
    stranger = replace(FACTS, image=replace(FACTS.image, owner="444455556666"))
    (found,) = findings(stranger, replace(PROPOSAL, recorded=False))
    assert found == Finding(
        where=f"image {IMAGE}",
        what="belongs to account 444455556666, and no bake of ours recorded it: "
        "it could be anybody's",
        remedy="promote an image that was baked here: ami-pipeline images",
    )


def test_what_served_before_the_first_release_goes_on_until_we_serve() -> None:
    (found,) = findings(replace(FACTS, groups=(ELSEWHERE,), observation=None), FIRST)
    assert not found.blocking
    assert found.remedy == (
        "once this release serves, take it out of service: aws autoscaling "
        "detach-traffic-sources --region eu-central-1 --auto-scaling-group-name legacy "
        "--traffic-sources Identifier=web,Type=elb"
    )


def test_a_group_of_ours_that_serves_before_the_first_release_means_a_lost_document() -> None:
    (found,) = findings(replace(FACTS, observation=None), FIRST)
    assert found.blocking
    assert found.what == (
        "serves, but the environment's document says that nothing was ever promoted"
    )
    assert found.remedy.startswith("correct [state] url")


def test_a_document_of_another_account_is_refused() -> None:
    other = replace(PROPOSAL, account="", environment=replace(DOCUMENT, account="999999999999"))
    (found,) = findings(FACTS, other)
    assert found.where == "environment production"
    assert found.what.startswith("was deployed in account 999999999999 until now")


def test_green_begins_with_as_many_as_serve_and_the_first_with_what_was_asked_for() -> None:
    assert wanted_count(FACTS, PROPOSAL) == 2
    assert wanted_count(replace(FACTS, groups=()), FIRST) == 1


def test_what_could_not_be_read_with_one_remedy_is_told_once() -> None:
    def failure(where: str, what: str, *, needed: bool) -> Failure:
        return Failure(where=where, what=what, remedy="give credentials", needed=needed)

    failures = (
        failure("reading the groups", "no credentials", needed=True),
        failure("reading the image", "no credentials", needed=True),
        failure("reading the quota", "no credentials", needed=False),
        Failure(where="reading vCPUs", what="denied", remedy="allow it", needed=False),
    )
    assert findings(Facts(failures=failures), PROPOSAL) == (
        Finding(
            where="reading the groups, reading the image, reading the quota",
            what="no credentials",
            remedy="give credentials",
        ),
        Finding(where="reading vCPUs", what="denied", remedy="allow it", blocking=False),
    )


def test_all_findings_become_one_refusal_with_every_remedy() -> None:
    found = (
        Finding(where="image ami-1", what="is pending", remedy="wait"),
        Finding(where="a word", what="is only said", remedy="nothing", blocking=False),
        Finding(
            where="server group x", what="was sick\ni-1 is gone", remedy="mend it\nor roll back"
        ),
    )
    error = refusal(found)
    assert error.exit_code == 3
    assert str(error) == (
        "preflight:\n"
        "  image ami-1: is pending\n"
        "    next: wait\n"
        "  server group x: was sick\n"
        "    i-1 is gone\n"
        "    next: mend it\n"
        "    or roll back\n"
        "next: put these 2 right, then run the command again"
    )


def test_a_single_finding_is_an_error_of_its_own() -> None:
    found = (
        Finding(where="image ami-1", what="is pending", remedy="wait"),
        Finding(where="a word", what="is only said", remedy="nothing", blocking=False),
    )
    assert str(refusal(found)) == "image ami-1:\n  is pending\nnext: wait"


def test_credentials_must_outlive_the_pauses_and_a_phase_that_fails_late() -> None:
    policy = Policy(soak=30, observe=60, deadline=900, deadlines={"launch": 1800, "soak": 930})
    assert least_lifetime(policy) == 30 + 60 + 2 * 1800
    assert least_lifetime(Policy()) == 1800


# --- what served was deleted by somebody ----------------------------------------------------------

NOBODY = Observation(at=0.0)
LOST = replace(PROPOSAL, environment=DOCUMENT.bereft("2026-01-01T00:00:00+00:00"), lost=BLUE)


@pytest.mark.parametrize(
    ("groups", "seen", "lost"),
    [
        ((), NOBODY, True),
        ((replace(GROUP, status="Delete in progress"),), NOBODY, True),
        ((GROUP,), NOBODY, False),
        ((), observation(), False),
        ((), None, False),
        (None, NOBODY, False),
        ((), replace(NOBODY, unreadable=("Throttling",)), False),
    ],
)
def test_a_group_is_gone_where_two_answers_say_so(groups: Any, seen: Any, lost: bool) -> None:
    assert is_lost(Facts(groups=groups, observation=seen), PROPOSAL) is lost


@pytest.mark.parametrize(
    ("groups", "word"),
    [((), "is gone"), ((replace(GROUP, status="Delete in progress"),), "is being deleted")],
)
def test_a_group_that_is_gone_hinders_no_release_and_is_told(groups: Any, word: str) -> None:
    found = findings(Facts(groups=groups, observation=NOBODY), LOST)
    assert [(each.where, each.what, each.blocking) for each in found] == [
        (
            f"server group {BLUE}",
            (
                f"served, and {word}: no deployment did that. There is no group to go back to; "
                "the new one begins as a first release does"
            ),
            False,
        )
    ]
    assert "DeleteAutoScalingGroup" in found[0].remedy


def test_a_group_that_came_back_is_a_reason_to_look_again() -> None:
    detached = replace(GROUP, attached=frozenset())
    [found] = findings(Facts(groups=(detached,), observation=NOBODY), LOST)
    assert (found.what, found.blocking) == ("was gone a moment ago, and is there now", True)


def test_what_a_person_put_in_its_place_is_named_with_the_way_to_keep_it() -> None:
    [_, found] = findings(Facts(groups=(SECOND,), observation=NOBODY), LOST)
    assert found.blocking
    assert found.what == f"takes traffic in the place of {BLUE}, and no deployment put it there"
    begin = "make it what serves: ami-pipeline rollback -e production --to r000002; or take it "
    assert found.remedy.startswith(begin)


def test_what_is_missing_is_what_the_document_has_and_aws_does_not_list() -> None:
    document = DOCUMENT.with_release(kept(2))
    proposal = replace(PROPOSAL, environment=document)
    assert missing(Facts(groups=(GROUP,)), proposal) == {"r000002"}
