"""What the person on call is told in each bad state, and that the command shown ends it.

The Terraform stand-in creates the groups; the load balancers are real.
"""

from __future__ import annotations

import shlex
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e.site import LONGEST
from tests.running_cloud import eventually

if TYPE_CHECKING:
    from tests.e2e.matrix import Case

pytestmark = [pytest.mark.long, pytest.mark.timeout(LONGEST + 60)]
REFUSED = 3
OPERATIONS: dict[str, Any] = {
    "attach-traffic-sources": lambda client, given: client.attach_traffic_sources(
        AutoScalingGroupName=given["auto-scaling-group-name"][0],
        TrafficSources=[
            dict(part.split("=", 1) for part in each.split(","))
            for each in given["traffic-sources"]
        ],
    ),
    "update-auto-scaling-group": lambda client, given: client.update_auto_scaling_group(
        AutoScalingGroupName=given["auto-scaling-group-name"][0],
        MinSize=int(given["min-size"][0]),
        DesiredCapacity=int(given["desired-capacity"][0]),
    ),
}
"""The commands of the AWS CLI that remedies show, as calls: the CLI may not be installed."""


def paste(case: Case, command: str) -> None:
    """Do what a pasted command of the AWS CLI does."""
    program, service, operation, *words = shlex.split(command)
    assert (program, service) == ("aws", "autoscaling")
    given: dict[str, list[str]] = {}
    for word in words:
        if word.startswith("--"):
            given[word.removeprefix("--")] = values = []
        else:
            values.append(word)
    assert given.pop("region") == [case.site.document()["content"]["region"]]
    OPERATIONS[operation](case.site.testbed.cloud.aws(service), given)


def promoted_again(case: Case) -> Any:
    serving = case.site.document()["content"]["releases"][case.blue]["release"]["ami_id"]
    return case.site.promote("--allow-quarantined", "--image", serving)


def ends(case: Case, what: str) -> None:
    """Check that a promotion and `status` name the trouble, and that their command ends it."""
    refused = promoted_again(case)
    assert refused.code == REFUSED, refused.err
    assert what in refused.document["error"]["what"]
    command = refused.document["error"]["next"]
    status = case.site.status()
    assert status["next"] == command
    assert what in status["health"]
    paste(case, command)
    eventually(lambda: case.site.status()["next"] is None, 120)
    done = promoted_again(case)
    assert (done.code, done.document["outcome"]) == (0, "unchanged"), done.err


def test_each_bad_state_has_one_command_that_ends_it(case: Case) -> None:
    site, group = case.site, case.site.group(case.blue)
    scaling = site.testbed.cloud.aws("autoscaling")
    sources = [
        {"Identifier": each.arn or each.name, "Type": "elbv2" if each.arn else "elb"}
        for each in site.balancers
    ]
    scaling.detach_traffic_sources(AutoScalingGroupName=group, TrafficSources=sources)
    ends(case, "not attached to")
    scaling.update_auto_scaling_group(AutoScalingGroupName=group, MinSize=0, DesiredCapacity=0)
    ends(case, "scaled to zero")

    balancers = site.balancers
    site.balancers = [*balancers, replace(balancers[0], kind="classic", name="no-such-balancer")]
    case.configure()
    refused = promoted_again(case)
    assert (refused.code, refused.document["error"]["next"]) == (
        REFUSED,
        "aws elb describe-load-balancers --region us-east-1",
    )
    assert "no-such-balancer does not exist" in site.status()["health"]
    site.balancers = balancers
    case.configure()
    assert site.status()["next"] is None
