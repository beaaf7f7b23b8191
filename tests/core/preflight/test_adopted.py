"""What preflight says about a group that the pipeline did not create."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from pipeline.core.permissions.probes import Launch, probes_of
from pipeline.core.preflight.checks import findings
from pipeline.core.preflight.facts import GroupFacts, Proposal
from pipeline.core.preflight.finding import Finding
from pipeline.core.state.release import AdoptedGroup
from tests.core.preflight.samples import (
    ARN,
    BLUE,
    BOTH,
    DOCUMENT,
    FACTS,
    GREEN,
    GROUP,
    PROPOSAL,
    observation,
    record,
)

NAME = "web-asg"
ADOPTED = replace(record(3), adopted=AdoptedGroup(name=NAME, region="eu-central-1"))
SERVING = replace(
    PROPOSAL, retires=True, environment=replace(DOCUMENT, releases={"r000003": ADOPTED})
)
OWN = replace(GROUP, name=NAME)
AFTER = replace(
    PROPOSAL,
    green="r000005",
    environment=replace(
        DOCUMENT, serving="r000004", releases={"r000003": ADOPTED, "r000004": record(4)}
    ),
)


def found(proposal: Proposal, *groups: GroupFacts) -> tuple[Finding, ...]:
    seen = observation()
    group = replace(seen.groups[BLUE], name=proposal.blue)
    facts: dict[str, Any] = {"observation": replace(seen, groups={group.name: group})}
    return findings(replace(FACTS, targets=None, groups=groups, **facts), proposal)


def test_a_group_that_is_never_retired_may_have_what_prevents_a_deletion() -> None:
    group = replace(
        OWN,
        protected=("i-1",),
        standby=("i-2",),
        protection="prevent-all-deletion",
        suspended=frozenset({"Terminate", "AZRebalance"}),
    )
    assert found(SERVING, group) == ()


def test_a_group_that_could_not_be_attached_again_is_refused() -> None:
    group = replace(OWN, suspended=frozenset({"AddToLoadBalancer"}))
    [one] = found(SERVING, group)
    assert one.where == f"server group {NAME}"
    assert one.what == "has suspended processes (AddToLoadBalancer): it cannot be restored"


def test_a_group_that_its_owner_attached_again_is_refused_with_the_way_to_detach_it() -> None:
    serving = replace(GROUP, name=GREEN, release="r000004")
    [one] = found(AFTER, serving, replace(OWN, attached=BOTH))
    assert one == Finding(
        where=f"server group {NAME}",
        what="is adopted (r000003) and was attached to the load balancers again, beside r000004; "
        "only one may serve",
        remedy="remove its load balancers and target groups from the Terraform or CloudFormation "
        "that owns it, then: aws autoscaling detach-traffic-sources --region eu-central-1 "
        f"--auto-scaling-group-name {NAME} --traffic-sources Identifier=web,Type=elb "
        f"Identifier={ARN},Type=elbv2",
    )


def test_a_group_without_a_load_balancer_in_the_configuration_is_refused() -> None:
    proposal = replace(SERVING, place=replace(SERVING.place, balancers=()))
    what = "is adopted, and [environments.production] names no load balancer: "
    assert [each.what for each in found(proposal, replace(OWN, attached=frozenset()))] == [
        f"{what}only its owner may stop it"
    ]


def test_a_detached_group_may_serve_elsewhere() -> None:
    serving = replace(GROUP, name=GREEN, release="r000004")
    assert found(AFTER, serving, replace(OWN, attached=frozenset({"other"}))) == ()


@pytest.mark.parametrize("adopted", [NAME, ""])
def test_a_role_must_be_able_to_move_the_traffic_of_the_group(adopted: str) -> None:
    launch = Launch(
        app="web",
        environment="production",
        region="eu-central-1",
        image_id="ami-1",
        instance_type="t3.micro",
        adopted=adopted,
    )
    named = {each.action for each in probes_of(launch) if each.group}
    both = {"autoscaling:AttachTrafficSources", "autoscaling:DetachTrafficSources"}
    assert named == (both if adopted else set())
    assert both <= {each.action for each in probes_of(launch) if not each.group}
