from __future__ import annotations

import pytest

from pipeline.core.health.observation import Balancer
from pipeline.core.health.place import Place
from pipeline.core.permissions.probes import Answer, PermissionFacts, Probe, ProbeResult
from pipeline.core.preflight.checks import refusal
from pipeline.core.preflight.facts import Facts, IdentityFacts, Proposal
from pipeline.core.preflight.finding import Finding
from pipeline.core.preflight.permission_checks import permission_findings
from pipeline.core.state.environment import Environment

ARN = "arn:aws:sts::123456789012:assumed-role/web-deploy/ci"
GROUP = (
    "arn:aws:autoscaling:eu-central-1:123456789012:autoScalingGroup:*:"
    "autoScalingGroupName/web-production-r000000"
)
PLACE = Place(
    app="web",
    environment="production",
    region="eu-central-1",
    account="123456789012",
    balancers=(Balancer(kind="elb", identifier="web", name="web"),),
)
PROPOSAL = Proposal(
    place=PLACE,
    environment=Environment(
        app="web", environment="production", account="123456789012", region="eu-central-1"
    ),
    image_id="ami-1",
    instance_type="t3.micro",
    count=1,
    seconds=1,
    green="r000001",
)


def result(
    action: str, answer: Answer, *, needed: bool = True, resource: str = "", why: str = ""
) -> ProbeResult:
    probe = Probe(action=action, needed=needed)
    return ProbeResult(probe=probe, answer=answer, action=action, resource=resource, why=why)


def found(permissions: PermissionFacts | None) -> list[Finding]:
    facts = Facts(permissions=permissions, identity=IdentityFacts(account="123456789012", arn=ARN))
    return [*permission_findings(facts, PROPOSAL)]


@pytest.mark.parametrize(
    "permissions",
    [
        None,
        PermissionFacts(),
        PermissionFacts(results=(result("ec2:RunInstances", Answer.ALLOWED),)),
    ],
)
def test_what_is_allowed_or_was_proven_before_is_no_finding(
    permissions: PermissionFacts | None,
) -> None:
    assert found(permissions) == []


def test_denied_permissions_refuse_and_name_action_resource_caller_and_policy() -> None:
    denials = (
        result("autoscaling:DetachTrafficSources", Answer.DENIED, resource=GROUP),
        result("ec2:RunInstances", Answer.DENIED),
        result("ec2:CreateLaunchTemplate", Answer.ALLOWED),
    )
    (finding,) = found(PermissionFacts(results=denials))
    assert finding.blocking
    assert str(refusal([finding])) == (
        "permissions:\n"
        f"  autoscaling:DetachTrafficSources is denied to {ARN} on {GROUP}\n"
        f"  ec2:RunInstances is denied to {ARN}\n"
        "next: allow it; the policy of this role: ami-pipeline permissions deploy -e production"
    )


def test_a_permission_that_is_not_needed_is_a_notice() -> None:
    denials = (result("ec2:CreateTags", Answer.DENIED, needed=False),)
    (finding,) = found(PermissionFacts(results=denials))
    assert not finding.blocking
    assert finding.what == f"ec2:CreateTags is denied to {ARN}"


def test_what_could_not_be_proven_is_a_notice() -> None:
    results = (result("ec2:RunInstances", Answer.UNKNOWN, why="Throttled"),)
    unknown, late = found(PermissionFacts(results=results, unproven=("iam:PassRole (HookRoles)",)))
    assert (unknown.blocking, late.blocking) == (False, False)
    assert unknown.what == "ec2:RunInstances could not be proven: Throttled"
    assert late.what == "iam:PassRole (HookRoles) can be proven only by the change itself"
    assert late.remedy.endswith("ami-pipeline permissions deploy -e production")


@pytest.mark.parametrize(
    ("existing", "listing"),
    [
        (
            "group web-production-r000000",
            (
                "aws autoscaling describe-auto-scaling-groups --region eu-central-1 "
                "--auto-scaling-group-names web-production-r000000"
            ),
        ),
        (
            "launch template web-production-r000000",
            (
                "aws ec2 describe-launch-templates --region eu-central-1 "
                "--launch-template-names web-production-r000000"
            ),
        ),
    ],
)
def test_a_group_or_template_of_the_unused_name_refuses(existing: str, listing: str) -> None:
    (finding,) = found(PermissionFacts(existing=(existing,)))
    assert finding.blocking
    assert finding.where == existing
    assert finding.remedy == f"find out whose it is, and ask for its deletion: {listing}"
