from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from pipeline.core.health.observation import Balancer, Observation, Target
from pipeline.core.preflight.checks import findings, refusal, wanted_count
from pipeline.core.preflight.facts import (
    CredentialFacts,
    Facts,
    Failure,
    IdentityFacts,
    Quota,
    SubnetFacts,
    TemplateFacts,
)
from pipeline.core.preflight.finding import Finding
from pipeline.core.preflight.fleet_checks import is_lost, missing
from pipeline.core.state.deployment import Delays, Policy
from tests.core.preflight.samples import (
    ARN,
    BALANCER,
    BLUE,
    DOCUMENT,
    DRAINING,
    ELSEWHERE,
    FACTS,
    FIRST,
    GREEN,
    GROUP,
    IMAGE,
    PROPOSAL,
    REGISTERING,
    SECOND,
    TARGETS,
    member,
    observation,
    record,
    target,
)


def test_a_deployment_within_all_limits_has_no_findings() -> None:
    assert findings(FACTS, PROPOSAL) == ()


def test_a_first_release_in_an_empty_account_has_no_findings() -> None:
    empty = replace(FACTS, groups=(), refreshes=None, observation=Observation(at=0.0))
    assert findings(empty, FIRST) == ()


def test_unread_facts_cause_no_findings() -> None:
    assert findings(Facts(), PROPOSAL) == ()


CASES: list[tuple[str, dict[str, Any], str, str]] = [
    (
        "another account",
        {"identity": IdentityFacts(account="999999999999", arn="arn:aws:iam::9:user/x")},
        "[environments.production] account",
        "is 111122223333, but the credentials are of account 999999999999 (arn:aws:iam::9:user/x)",
    ),
    (
        "short credentials",
        {"credentials": CredentialFacts(temporary=True, renew=False, seconds=719)},
        "credentials",
        "expire in 11m 59s; a deployment may take 30m",
    ),
    (
        "no image",
        {"image": None, "missing": frozenset({IMAGE})},
        f"image {IMAGE}",
        "does not exist in eu-central-1, or this account has no permission to use it",
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
        "is built for arm64, but t3.micro runs x86_64",
    ),
    (
        "no such type",
        {"type": None, "missing": frozenset({"t3.micro"})},
        "[environments.production] instance_type",
        "t3.micro does not exist in eu-central-1",
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
        "no listener forwards to it, so its targets never become healthy",
    ),
    (
        "targets by address",
        {"balancers": (replace(BALANCER, balancer=TARGETS, target_type="ip"),)},
        "target group api",
        "has targets of type ip, but a group registers instances",
    ),
    (
        "a zone that is not enabled",
        {"balancers": (replace(BALANCER, zones=frozenset({"eu-central-1a"})),)},
        "load balancer web",
        "is not enabled in eu-central-1b, where instances will be launched",
    ),
    (
        "another VPC",
        {"balancers": (replace(BALANCER, vpc="vpc-2"),)},
        "load balancer web",
        "is in vpc-2, but subnet-a, subnet-b are in another VPC",
    ),
    (
        "a missing serving group",
        {"groups": (), "observation": None},
        f"server group {BLUE}",
        "is the serving group in the environment's document, but does not exist",
    ),
    (
        "a detached serving group",
        {"groups": (replace(GROUP, attached=frozenset()),), "observation": None},
        f"server group {BLUE}",
        "is the serving group in the environment's document, but is attached to no load balancer",
    ),
    (
        "two serving groups",
        {"groups": (GROUP, SECOND)},
        "server group web-production-r000002",
        "is attached to the load balancers together with r000003; only one may serve",
    ),
    (
        "an unmanaged group",
        {"groups": (GROUP, ELSEWHERE)},
        "group legacy",
        (
            "is not managed by ami-pipeline (1 instance) and will keep receiving traffic "
            "from load balancer web"
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
        "still exists: Delete in progress",
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
        "already exists, but the number of a release is never reused",
    ),
    (
        "a launch template of green's name",
        {"templates": (TemplateFacts(name=GREEN, release="r000004"),)},
        f"launch template {GREEN}",
        "already exists, but the number of a release is never reused",
    ),
    (
        "an instance refresh",
        {"refreshes": ("instance refresh 08b91cf7 is InProgress",)},
        f"server group {BLUE}",
        "has an active instance refresh: instance refresh 08b91cf7 is InProgress",
    ),
    (
        "a serving group that is being deleted",
        {"groups": (replace(GROUP, status="Delete in progress"),)},
        f"server group {BLUE}",
        "serves, but is being deleted: Delete in progress",
    ),
    (
        "suspended processes",
        {"groups": (replace(GROUP, suspended=frozenset({"Terminate", "Launch", "AZRebalance"})),)},
        f"server group {BLUE}",
        "has suspended processes (Launch, Terminate): it cannot be restored or retired",
    ),
    (
        "a member in standby",
        {"groups": (replace(GROUP, standby=("i-3",)),)},
        f"server group {BLUE}",
        "has i-3 in standby: it cannot be retired",
    ),
    (
        "a protected member",
        {"groups": (replace(GROUP, protected=("i-1", "i-2")),)},
        f"server group {BLUE}",
        "protects i-1, i-2 from scale-in: it cannot be retired",
    ),
    (
        "a retained member",
        {"groups": (replace(GROUP, retained=("i-4",)),)},
        f"server group {BLUE}",
        "retains i-4 after an abandoned termination hook: it cannot be retired",
    ),
    (
        "deletion protection",
        {"groups": (replace(GROUP, protection="prevent-all-deletion"),)},
        f"server group {BLUE}",
        "has deletion protection (prevent-all-deletion): it cannot be retired",
    ),
    (
        "no addresses",
        {"subnets": (SubnetFacts(id="subnet-a", zone="eu-central-1a", vpc="vpc-1", free=1),)},
        "subnets subnet-a",
        "have 1 free addresses, but 2 more instances will be launched",
    ),
    (
        "no such subnet",
        {"missing": frozenset({"subnet-c"})},
        "subnet subnet-c",
        "does not exist in eu-central-1",
    ),
    (
        "no quota for a group",
        {"group_quota": Quota(limit=500, used=500)},
        "Auto Scaling in eu-central-1",
        "has 500 groups, and the quota is 500",
    ),
    (
        "no vCPUs",
        {"vcpus": Quota(limit=32, used=29)},
        "EC2 in eu-central-1",
        "2 more t3.micro need 4 vCPUs; 29 of the quota of 32 are in use",
    ),
    (
        "no quota in a target group",
        {"targets": 3},
        "target group api",
        "has 2 targets and would get 2 more; the quota is 3",
    ),
    (
        "an unhealthy member",
        {"observation": observation(member("i-1", health="Unhealthy"), member("i-2"))},
        f"server group {BLUE}",
        "was unhealthy before this deployment\ni-1 is Unhealthy in Auto Scaling",
    ),
    (
        "no member",
        {"observation": observation(member("i-1", "Terminating"))},
        f"server group {BLUE}",
        "was unhealthy before this deployment\nit has no instance in service",
    ),
    (
        "an unhealthy target",
        {
            "observation": observation(
                api=target("i-2", "unhealthy", "Target.FailedHealthChecks", "503")
            )
        },
        f"server group {BLUE}",
        (
            "was unhealthy before this deployment\n"
            "i-2 is unhealthy (Target.FailedHealthChecks: 503) in api"
        ),
    ),
    (
        "a member that is no target",
        {"observation": observation(web={"i-1": Target(id="i-1", state="InService")})},
        f"server group {BLUE}",
        "was unhealthy before this deployment\ni-2 is not registered in web",
    ),
]


@pytest.mark.parametrize(
    ("changed", "where", "what"), [each[1:] for each in CASES], ids=[each[0] for each in CASES]
)
def test_each_blocking_problem_is_found(changed: dict[str, Any], where: str, what: str) -> None:
    found = findings(replace(FACTS, **changed), PROPOSAL)
    assert [(each.where, each.what, each.blocking) for each in found] == [(where, what, True)]
    assert found[0].remedy


NOTICES: list[tuple[str, dict[str, Any], dict[str, Any], str]] = [
    (
        "an account that is not pinned",
        {},
        {"account": ""},
        "is not set, so any account is accepted; the credentials are of 111122223333",
    ),
    (
        "credentials without an expiry",
        {"credentials": CredentialFacts(temporary=True, renew=False)},
        {},
        "are temporary with an unknown expiry; a deployment may take 30m",
    ),
    (
        "a deprecated image",
        {"image": replace(FACTS.image, deprecated=True)},  # type: ignore[type-var]
        {},
        "is deprecated: it can be launched, but is out of date",
    ),
    (
        "a detached group outside the document",
        {"groups": (GROUP, replace(SECOND, attached=frozenset()))},
        {},
        "belongs to r000002, which is not in the environment's document",
    ),
    (
        "a warm group that is gone",
        {},
        {"environment": DOCUMENT.with_release(record(2))},
        "is warm in the environment's document, but does not exist",
    ),
    (
        "an instance that a person registered",
        {"observation": observation(api=target("i-9", "healthy"))},
        {},
        "sends requests to i-9, which ami-pipeline does not manage",
    ),
    (
        "an unhealthy fleet that the deployment accepts",
        {"observation": observation(member("i-1", "Terminating"))},
        {"allow_unhealthy": True},
        "was unhealthy before this deployment\nit has no instance in service",
    ),
]


@pytest.mark.parametrize(
    ("facts", "proposal", "what"), [each[1:] for each in NOTICES], ids=[each[0] for each in NOTICES]
)
def test_harmless_problems_do_not_block(
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
        ({"observation": observation(member("i-1"), member("i-3", "Pending"))}, {}),
        (
            {
                "observation": observation(
                    api=target("i-2", "initial", "Elb.RegistrationInProgress")
                )
            },
            {},
        ),
        ({"observation": observation(web=target("i-2", "OutOfService", "ELB", REGISTERING))}, {}),
        ({"observation": observation(api=target("i-9", "draining"))}, {}),
        ({"observation": observation(web=target("i-9", "InService", "", DRAINING))}, {}),
        ({"groups": (replace(GROUP, standby=("i-3",)),)}, {"retires": False}),
        ({"groups": (replace(GROUP, retained=("i-4",)),)}, {"retires": False}),
        ({"groups": (replace(GROUP, protection="prevent-force-deletion"),)}, {}),
        ({"vcpus": None, "group_quota": None, "targets": None, "subnets": None}, {}),
        (
            {
                "image": None,
                "type": None,
                "missing": frozenset({IMAGE}),
                "vcpus": Quota(limit=0, used=0),
            },
            {"green": ""},
        ),
        ({"groups": (replace(GROUP, attached=frozenset({ARN})),)}, {}),
        ({"image": replace(FACTS.image, owner="444455556666")}, {}),  # type: ignore[type-var]
    ],
    ids=[
        "renewed",
        "without expiry",
        "scaling out",
        "registering",
        "registering in a classic load balancer",
        "draining",
        "draining from a classic load balancer",
        "not retired",
        "retained but not retired",
        "protected from a forced deletion",
        "unread",
        "nothing to launch",
        "a new load balancer",
        "a recorded image",
    ],
)
def test_normal_conditions_cause_no_findings(
    facts: dict[str, Any], proposal: dict[str, Any]
) -> None:
    assert (
        findings(replace(FACTS, **{"targets": None, **facts}), replace(PROPOSAL, **proposal)) == ()
    )


def test_missing_load_balancers_are_reported_with_the_other_findings() -> None:
    absent = (Balancer(kind="elb", identifier="gone", name="gone"), replace(TARGETS, name="lost"))
    unhealthy = replace(FACTS, observation=observation(member("i-1", "Terminating")))
    found = findings(unhealthy, replace(PROPOSAL, absent=absent))
    assert [(each.where, each.blocking) for each in found] == [
        ("load balancer gone", True),
        ("target group lost", True),
        (f"server group {BLUE}", True),
    ]
    assert found[0].what == "does not exist in eu-central-1"


def test_hooks_on_instances_that_get_no_commands_are_told_before_anything_is_changed() -> None:
    proposal = replace(PROPOSAL, instance_hook="before-traffic hook ./warm")
    unmanaged = {"i-2": "its SSM Agent does not answer", "i-1": ""}
    (found,) = findings(replace(FACTS, unmanaged=unmanaged), proposal)
    assert found == Finding(
        where="before-traffic hook ./warm",
        what="runs on instances, but 1 of 2 members of web-production-r000003 get no commands: "
        "i-2: its SSM Agent does not answer",
        remedy="give the role of the instance profile AmazonSSMManagedInstanceCore and the image "
        "the SSM Agent; check: aws ssm describe-instance-information "
        "--filters Key=InstanceIds,Values=i-2",
        blocking=False,
    )
    assert findings(replace(FACTS, unmanaged={"i-1": "", "i-2": ""}), proposal) == ()


def test_a_firing_alarm_blocks_and_has_a_remedy() -> None:
    (found,) = findings(replace(FACTS, alarms=("web 5xx: Threshold: 3",)), PROPOSAL)
    assert found == Finding(
        where="alarm web 5xx",
        what="is already firing: Threshold: 3",
        remedy="wait until it is OK: aws cloudwatch describe-alarms --region eu-central-1 "
        "--alarm-names 'web 5xx'; or, if this image is the fix: ami-pipeline promote "
        f"-e production --image {IMAGE} --allow-unhealthy",
    )


def test_a_firing_alarm_is_ignored_if_the_deployment_may_begin_unhealthy() -> None:
    (found,) = findings(replace(FACTS, alarms=("5xx: x",)), replace(PROPOSAL, allow_unhealthy=True))
    assert (found.what, found.blocking) == (
        "is already firing: x; this deployment ignores it",
        False,
    )
    assert "--allow-unhealthy" not in found.remedy
    policy = Policy(alarms=("5xx", "5xx-late", "latency"))
    assert policy.without_alarms(("5xx: x",)).alarms == ("5xx-late", "latency")
    assert policy.without_alarms(("latency",)).alarms == ("5xx", "5xx-late")
    assert policy.without_alarms(()) == policy


def test_a_probe_that_fails_before_traffic_moves_blocks_unless_the_image_may_be_the_fix() -> None:
    url = "https://www.example.com/orders?limit=1"
    facts = replace(FACTS, probe_failure="HTTP 500, expected 200-299")
    proposal = replace(PROPOSAL, probe_url=url)
    (found,) = findings(facts, proposal)
    assert found == Finding(
        where="[promote.probe] url",
        what=f"{url} fails before any change: HTTP 500, expected 200-299",
        remedy=f"see the answer: curl -i '{url}'; or, if this image is the fix: "
        f"ami-pipeline promote -e production --image {IMAGE} --allow-unhealthy",
    )
    (found,) = findings(facts, replace(proposal, allow_unhealthy=True))
    assert not found.blocking
    assert found.what.endswith("expected 200-299; this deployment only counts the probe's failures")


def test_an_unhealthy_fleet_has_a_remedy_to_promote_the_fix() -> None:
    (found,) = findings(
        replace(FACTS, observation=observation(member("i-1", "Terminating"))), PROPOSAL
    )
    assert found.remedy == (
        "fix it first; or roll back to the release before: ami-pipeline rollback -e production; "
        "or, if this image is the fix: ami-pipeline promote -e production "
        f"--image {IMAGE} --allow-unhealthy"
    )


def test_an_unrecorded_image_of_another_account_is_refused() -> None:
    assert FACTS.image
    foreign = replace(FACTS, image=replace(FACTS.image, owner="444455556666"))
    (found,) = findings(foreign, replace(PROPOSAL, recorded=False))
    assert found == Finding(
        where=f"image {IMAGE}",
        what="belongs to account 444455556666 and was not baked by ami-pipeline: "
        "its content is not trusted",
        remedy="promote an image that ami-pipeline baked; list them: ami-pipeline images",
    )


def test_an_unmanaged_group_may_serve_until_the_first_release_does() -> None:
    (found,) = findings(replace(FACTS, groups=(ELSEWHERE,), observation=None), FIRST)
    assert not found.blocking
    assert found.remedy == (
        "when this release serves, ask its owner to detach it; see: aws autoscaling "
        "describe-auto-scaling-groups --region eu-central-1 --auto-scaling-group-names legacy"
    )


def test_a_managed_group_that_serves_without_a_serving_release_blocks() -> None:
    (found,) = findings(replace(FACTS, observation=None), FIRST)
    assert found.blocking
    assert found.what == ("receives traffic, but the environment's document has no serving release")
    assert found.remedy.startswith("fix [state] url")


def test_a_document_of_another_account_is_refused() -> None:
    other = replace(PROPOSAL, account="", environment=replace(DOCUMENT, account="999999999999"))
    (found,) = findings(FACTS, other)
    assert found.where == "environment production"
    assert found.what.startswith("is in account 999999999999, but the credentials are of")


def test_green_begins_with_the_size_of_blue_and_the_first_with_the_configured_size() -> None:
    assert wanted_count(FACTS, PROPOSAL) == 2
    assert wanted_count(replace(FACTS, groups=()), FIRST) == 1


def test_a_service_that_was_scaled_to_zero_is_not_unhealthy() -> None:
    seen = observation()
    empty = replace(seen.groups[BLUE], minimum=0, desired=0, members=())
    facts = replace(
        FACTS,
        groups=(replace(GROUP, desired=0, members=frozenset()),),
        observation=replace(seen, groups={BLUE: empty}, targets={}),
    )
    assert findings(facts, PROPOSAL) == ()
    assert wanted_count(facts, PROPOSAL) == 1


def test_failures_with_the_same_remedy_are_one_finding() -> None:
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


def test_all_blocking_findings_become_one_refusal_with_every_remedy() -> None:
    found = (
        Finding(where="image ami-1", what="is pending", remedy="wait"),
        Finding(where="a notice", what="does not block", remedy="nothing", blocking=False),
        Finding(
            where="server group x", what="was unhealthy\ni-1 is gone", remedy="fix it\nor roll back"
        ),
    )
    error = refusal(found)
    assert error.exit_code == 3
    assert str(error) == (
        "preflight:\n"
        "  image ami-1: is pending\n"
        "    next: wait\n"
        "  server group x: was unhealthy\n"
        "    i-1 is gone\n"
        "    next: fix it\n"
        "    or roll back\n"
        "next: fix these 2 problems, then run the command again"
    )


def test_a_single_blocking_finding_is_the_whole_error() -> None:
    found = (
        Finding(where="image ami-1", what="is pending", remedy="wait"),
        Finding(where="a notice", what="does not block", remedy="nothing", blocking=False),
    )
    assert str(refusal(found)) == "image ami-1:\n  is pending\nnext: wait"


def test_the_delays_are_the_longest_of_the_load_balancers() -> None:
    assert Facts().delays == Delays()
    slow = replace(BALANCER, drain_seconds=40.0, slow_start=90.0)
    facts = Facts(balancers=(replace(BALANCER, drain_seconds=300.0), slow))
    assert facts.delays == Delays(drain=300.0, slow_start=90.0)


# --- the serving group was deleted outside ami-pipeline ---------------------------------------

EMPTY = Observation(at=0.0)
LOST = replace(
    PROPOSAL, environment=DOCUMENT.without_serving("2026-01-01T00:00:00+00:00"), lost=BLUE
)


@pytest.mark.parametrize(
    ("groups", "observed", "lost"),
    [
        ((), EMPTY, True),
        ((replace(GROUP, status="Delete in progress"),), EMPTY, True),
        ((GROUP,), EMPTY, False),
        ((), observation(), False),
        ((), None, False),
        (None, EMPTY, False),
        ((), replace(EMPTY, unreadable=("Throttling",)), False),
    ],
)
def test_a_group_is_lost_if_two_responses_agree(groups: Any, observed: Any, lost: bool) -> None:
    assert is_lost(Facts(groups=groups, observation=observed), PROPOSAL) is lost


@pytest.mark.parametrize(
    ("groups", "word"),
    [((), "was"), ((replace(GROUP, status="Delete in progress"),), "is being")],
)
def test_a_lost_group_is_reported_and_does_not_block(groups: Any, word: str) -> None:
    found = findings(Facts(groups=groups, observation=EMPTY), LOST)
    assert [(each.where, each.what, each.blocking) for each in found] == [
        (
            f"server group {BLUE}",
            (
                f"was serving and {word} deleted outside ami-pipeline. "
                "A rollback is not possible; the new group starts like a first release"
            ),
            False,
        )
    ]
    assert "DeleteAutoScalingGroup" in found[0].remedy


def test_a_group_that_exists_again_blocks() -> None:
    detached = replace(GROUP, attached=frozenset())
    [found] = findings(Facts(groups=(detached,), observation=EMPTY), LOST)
    assert (found.what, found.blocking) == (
        "did not exist when this command began, but exists now",
        True,
    )


def test_a_group_attached_in_place_of_the_lost_one_blocks() -> None:
    [_, found] = findings(Facts(groups=(SECOND,), observation=EMPTY), LOST)
    assert found.blocking
    assert found.what == f"receives traffic in place of {BLUE}, but no deployment attached it"
    begin = "make it the serving release: ami-pipeline rollback -e production --to r000002; see: "
    assert found.remedy.startswith(begin)


def test_the_missing_releases_are_those_that_aws_does_not_list() -> None:
    document = DOCUMENT.with_release(record(2))
    proposal = replace(PROPOSAL, environment=document)
    assert missing(Facts(groups=(GROUP,)), proposal) == {"r000002"}


def test_batches_refuse_a_group_that_the_pipeline_does_not_resize() -> None:
    proposal = replace(PROPOSAL, batches=True)
    assert findings(FACTS, proposal) == ()
    seen = FACTS.observation
    assert seen
    weighted = {name: replace(each, weighted=True) for name, each in seen.groups.items()}
    (found,) = findings(replace(FACTS, observation=replace(seen, groups=weighted)), proposal)
    assert found.blocking
    assert found.what == "cannot shrink in batches: its size is counted in weights"
    assert found.remedy == 'set strategy = "overlap" in [environments.production.promote]'
