"""What preflight says about groups that are not this environment's, or not only here."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest

from pipeline.core.preflight.checks import findings
from pipeline.core.preflight.facts import Facts, GroupFacts, Proposal, TemplateFacts
from pipeline.core.preflight.finding import Finding
from pipeline.core.preflight.fleet_checks import leaving
from pipeline.core.state.deployment import Kind
from tests.core.preflight.samples import (
    ARN,
    BLUE,
    BOTH,
    CLASSIC,
    DOCUMENT,
    ELSEWHERE,
    FACTS,
    FIRST,
    GREEN,
    GROUP,
    IMAGE,
    PROPOSAL,
    SECOND,
    TARGETS,
    record,
)

SHOP = "arn:aws:elasticloadbalancing:eu-central-1:111122223333:targetgroup/shop/0123456789abcdef"
LATTICE = "arn:aws:vpc-lattice:eu-central-1:111122223333:targetgroup/tg-0e2f2665eexample0"
OTHERS = GroupFacts(
    name="web-staging-r000001", release="", owner="web/staging", desired=3, attached=BOTH
)
DESCRIBE = (
    "aws autoscaling describe-auto-scaling-groups --region eu-central-1 --auto-scaling-group-names"
)
SOURCES = "aws autoscaling describe-traffic-sources --region eu-central-1 --auto-scaling-group-name"
RENAME = "give the app or the environment another name in pipeline.toml: resources of "
DESTRUCTIVE = re.compile(r"aws autoscaling (?:detach|delete|update)|aws ec2 delete|--force")


def found(facts: dict[str, Any], proposal: Proposal = PROPOSAL) -> tuple[Finding, ...]:
    return findings(replace(FACTS, targets=None, **facts), proposal)


# --- another app or environment ---------------------------------------------------------------


@pytest.mark.parametrize("first", [True, False], ids=["first release", "beside blue"])
def test_a_group_of_another_environment_on_the_load_balancer_always_blocks(first: bool) -> None:
    groups = (OTHERS,) if first else (GROUP, OTHERS)
    facts: dict[str, Any] = {"groups": groups}
    [one] = found({**facts, "observation": None}, FIRST if first else PROPOSAL)
    assert one == Finding(
        where="server group web-staging-r000001",
        what="belongs to web/staging (3 instances) and receives traffic from target group api, "
        "load balancer web, which [environments.production] names, too",
        remedy="name the load balancers of this environment in [environments.production]; "
        f"see: {DESCRIBE} web-staging-r000001",
    )


def test_an_unmanaged_group_is_reported_with_its_size() -> None:
    [one] = found({"groups": (replace(ELSEWHERE, desired=4),), "observation": None}, FIRST)
    assert not one.blocking
    assert "(4 instances)" in one.what
    assert not DESTRUCTIVE.search(one.remedy)


@pytest.mark.parametrize(
    ("owner", "whose", "with_whom"),
    [
        ("web-production/x", "it belongs to web-production/x", "web-production/x"),
        ("", "it has no tags of ami-pipeline", "another service"),
    ],
    ids=["another service", "unmanaged"],
)
def test_a_name_that_another_service_has_is_refused_with_its_owner(
    owner: str, whose: str, with_whom: str
) -> None:
    taken = GroupFacts(name=GREEN, release="", owner=owner, desired=1, attached=frozenset())
    template = TemplateFacts(name=GREEN, release="", owner=owner)
    what = f"has the name of the next release, r000004, but {whose}"
    remedy = f"{RENAME}web/production and of {with_whom} have the same names"
    [group] = found({"groups": (GROUP, taken)})
    assert group == Finding(where=f"server group {GREEN}", what=what, remedy=remedy)
    [alone] = found({"templates": (template,)})
    assert alone == Finding(where=f"launch template {GREEN}", what=what, remedy=remedy)


@pytest.mark.parametrize("name", [BLUE, "web-production-r000002"])
def test_another_services_group_with_the_name_of_a_release_is_named_and_not_judged(
    name: str,
) -> None:
    proposal = replace(PROPOSAL, environment=DOCUMENT.with_release(record(2)))
    theirs = GroupFacts(
        name=name,
        release="",
        owner="web-production/x",
        desired=0,
        attached=frozenset({SHOP}),
        suspended=frozenset({"Launch"}),
    )
    groups = tuple(theirs if each.name == name else each for each in (GROUP, SECOND))
    [one] = [
        each
        for each in found({"groups": groups, "observation": None}, proposal)
        if each.where == f"server group {name}"
    ]
    assert one.what == (
        f"has the name of r00000{name[-1]}, but belongs to web-production/x by its tags"
    )
    assert one.blocking


def test_our_own_group_of_greens_name_is_deleted_only_without_traffic() -> None:
    ours = replace(GROUP, name=GREEN, release="r000004", attached=frozenset())
    [idle] = found({"groups": (GROUP, ours)})
    assert (
        "if it is not needed, delete it: aws autoscaling delete-auto-scaling-group" in idle.remedy
    )
    [busy] = found({"groups": (GROUP, replace(ours, attached=frozenset({SHOP})))})
    assert not DESTRUCTIVE.search(busy.remedy)


def test_our_own_unknown_group_is_deleted_only_without_traffic() -> None:
    [idle] = found({"groups": (GROUP, replace(SECOND, attached=frozenset()))})
    assert "if it is not needed, delete it" in idle.remedy
    [busy] = found({"groups": (GROUP, replace(SECOND, attached=frozenset({SHOP})))})
    assert (busy.what, busy.blocking) == (
        (
            "belongs to r000002, which is not in the environment's document and receives traffic "
            "from target group shop"
        ),
        False,
    )
    assert busy.remedy == f"see: {DESCRIBE} web-production-r000002"


def test_only_a_group_of_the_document_is_detached_by_a_remedy() -> None:
    [unknown] = found({"groups": (GROUP, SECOND)})
    assert not DESTRUCTIVE.search(unknown.remedy)
    known = replace(PROPOSAL, environment=DOCUMENT.with_release(record(2)))
    [warm] = found({"groups": (GROUP, SECOND)}, known)
    assert warm.remedy.startswith("aws autoscaling detach-traffic-sources")
    [first] = found({"groups": (GROUP,), "observation": None}, FIRST)
    assert not DESTRUCTIVE.search(first.remedy)


# --- traffic that the configuration does not name ---------------------------------------------


def attached(*more: str) -> dict[str, Any]:
    return {"groups": (replace(GROUP, attached=BOTH | frozenset(more)),)}


def test_traffic_that_the_configuration_does_not_name_blocks() -> None:
    [one] = found(attached(SHOP))
    assert one == Finding(
        where=f"server group {BLUE}",
        what="receives traffic from target group shop, which [environments.production] does not "
        "name: it was removed there, or attached by hand",
        remedy="to keep it, add it to target_groups (shop) in [environments.production]; "
        f"to end that traffic: ami-pipeline promote -e production --image {IMAGE} --detach shop",
    )


def test_a_rollback_names_its_own_command() -> None:
    [one] = found(attached(SHOP, "old"), replace(PROPOSAL, kind=Kind.ROLLBACK))
    assert one.remedy == (
        "to keep it, add it to load_balancers (old) and target_groups (shop) in "
        "[environments.production]; to end that traffic: "
        f"ami-pipeline rollback -e production --to {IMAGE} --detach shop --detach old"
    )


@pytest.mark.parametrize("name", ["shop", SHOP], ids=["name", "ARN"])
def test_the_option_confirms_it_and_the_plan_shows_it(name: str) -> None:
    proposal = replace(PROPOSAL, detach=(name,))
    [one] = found(attached(SHOP), proposal)
    assert (one.blocking, one.what) == (
        False,
        "leaves target group shop: no release takes its place there",
    )
    facts = replace(FACTS, **attached(SHOP))
    assert [each.identifier for each in leaving(facts, proposal)] == [SHOP]
    assert leaving(facts, PROPOSAL) == ()


def test_each_load_balancer_is_confirmed_alone() -> None:
    notice, refused = found(attached(SHOP, "old"), replace(PROPOSAL, detach=("shop",)))
    assert (notice.blocking, refused.blocking) == (False, True)
    assert refused.what.startswith("receives traffic from load balancer old, which")
    assert refused.remedy.endswith("--detach shop --detach old")


@pytest.mark.parametrize("detach", [(), (LATTICE,)])
def test_traffic_of_vpc_lattice_is_never_ended(detach: tuple[str, ...]) -> None:
    [one] = [
        each
        for each in found(attached(LATTICE), replace(PROPOSAL, detach=detach))
        if each.where != "--detach"
    ]
    assert one == Finding(
        where=f"server group {BLUE}",
        what="receives traffic from VPC Lattice target group tg-0e2f2665eexample0, "
        "which ami-pipeline can neither attach nor observe",
        remedy=f"move that traffic to another group first; see: {SOURCES} {BLUE}",
    )


@pytest.mark.parametrize(
    ("name", "proposal", "what"),
    [
        ("api", PROPOSAL, "api is still in [environments.production]"),
        ("typo", PROPOSAL, "the serving group is not attached to typo"),
        ("typo", FIRST, "the serving group is not attached to typo"),
    ],
)
def test_a_name_that_is_not_to_be_left_is_refused(name: str, proposal: Proposal, what: str) -> None:
    facts = {"groups": ()} if proposal is FIRST else {}
    [one] = found({**facts, "observation": None}, replace(proposal, detach=(name,)))
    assert (one.where, one.what, one.blocking) == ("--detach", what, True)


def test_a_warm_group_that_receives_traffic_from_elsewhere_blocks() -> None:
    proposal = replace(PROPOSAL, environment=DOCUMENT.with_release(record(2)))
    warm = replace(SECOND, attached=frozenset({SHOP}))
    [one] = found({"groups": (GROUP, warm)}, proposal)
    assert one == Finding(
        where="server group web-production-r000002",
        what="is to be deleted or to serve again, but receives traffic from target group shop, "
        "which [environments.production] does not name",
        remedy=f"move that traffic to another group first; see: {SOURCES} web-production-r000002",
    )


def test_a_serving_group_that_is_attached_only_elsewhere_does_not_serve_here() -> None:
    detached, elsewhere = found({"groups": (replace(GROUP, attached=frozenset({SHOP})),)})[:2]
    assert detached.what.endswith("but is attached to no load balancer")
    assert "receives traffic from target group shop" in elsewhere.what


def test_unread_groups_say_nothing_about_the_option() -> None:
    assert findings(Facts(), replace(PROPOSAL, detach=("shop",))) == ()


def test_the_examples_are_of_one_environment() -> None:
    assert PROPOSAL.place.balancers == (CLASSIC, TARGETS)
    assert {"web", ARN} == BOTH


def test_a_serving_group_beside_an_empty_document_names_the_command_that_rebuilds_it() -> None:
    lost = replace(FIRST, environment=replace(FIRST.environment, next=1), green="r000001")
    [one] = found({"groups": (GROUP,), "observation": None}, lost)
    assert one.blocking
    assert one.remedy.startswith(
        "if the document is lost: ami-pipeline state rebuild -e production; fix [state] url"
    )
