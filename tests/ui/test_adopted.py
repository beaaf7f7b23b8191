"""What `status` and the summary of a promotion say about an adopted group."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pipeline.core.state.deployment import Deployment, Kind, Outcome, Result
from pipeline.core.state.next_step import next_step
from pipeline.core.state.release import AdoptedGroup
from pipeline.core.state.status import Status
from pipeline.ui.outcome import outcome_document, outcome_text, step_summary
from pipeline.ui.status import status_text
from pipeline.ui.status_document import status_document
from tests.ui.status_examples import (
    ADA,
    BOTH,
    NOW,
    a_status,
    environment,
    group,
    observation,
    record,
    retired,
)

BY_HAND = AdoptedGroup(name="web-asg", region="eu-central-1", launches="launch template web")
DELETE = (
    "aws autoscaling delete-auto-scaling-group --region eu-central-1 "
    "--auto-scaling-group-name web-asg --force-delete"
)


def after(attached: tuple[str, ...] = ()) -> Status:
    """Return the status after the first promotion; `attached`: the owner attached it again."""
    document = environment(record(123, adopted=BY_HAND), record(124), retired=(retired(123),))
    old = group(123, attached, name="web-asg", tags={})
    return a_status(document, observation(group(124, BOTH), old))


def test_a_replaced_group_stays_and_the_last_lines_tell_how_to_remove_it() -> None:
    lines = status_text(after(), NOW, width=200).splitlines()
    assert lines[-1] == f"removal    {DELETE}"
    assert (
        "adopted    web-asg: remove its load balancers and target groups from the Terraform or "
        "CloudFormation that owns it, which would attach it again" in lines
    )
    assert any("r000123" in line and "adopted web-asg, detached" in line for line in lines)
    assert any("r000123 (version 1.3.0) is warm and serves again" in line for line in lines)
    assert next_step(after()) == ""
    [_, old] = status_document(after(), NOW)["releases"]
    assert old["adopted"] == {
        "group": "web-asg",
        "launches": "launch template web",
        "stack": None,
        "delete": DELETE,
    }


def test_a_group_that_was_attached_again_is_a_warning_and_the_next_command_detaches_it() -> None:
    again = after(attached=BOTH)
    assert "web-asg receives traffic from" in status_text(again, NOW, width=200)
    assert next_step(again).startswith(
        "aws autoscaling detach-traffic-sources --region eu-central-1 "
        "--auto-scaling-group-name web-asg --traffic-sources Identifier=web-elb,Type=elb "
    )


def test_before_the_first_promotion_it_serves() -> None:
    document = environment(record(124, adopted=BY_HAND))
    seen = observation(group(124, BOTH, name="web-asg", tags={}))
    text = status_text(a_status(document, seen), NOW, width=200)
    assert "serving    ✔ r000124, 3 of 3 members healthy" in text
    assert "serving, adopted web-asg" in text
    assert DELETE not in text


@pytest.mark.parametrize(
    ("kind", "green"),
    [(Kind.RETIRE, "r000123"), (Kind.ABORT, "r000124"), (Kind.DESTROY, "r000123")],
)
def test_a_group_that_still_serves_is_not_said_to_be_detached(kind: Kind, green: str) -> None:
    result = Result.ROLLED_BACK if kind is Kind.ABORT else Result.PROMOTED
    deployment = Deployment(
        id="d",
        kind=kind,
        environment="production",
        green=green,
        blue="r000123",
        began="2026-01-04T03:00:00+00:00",
        by=ADA,
        adopted=BY_HAND,
        outcome=Outcome(result=result),
    )
    assert DELETE not in outcome_text(deployment, 200)
    assert outcome_text(deployment, 200).startswith("r000123 ")


@pytest.mark.parametrize("result", list(Result))
def test_the_summary_of_the_first_promotion_tells_the_same(result: Result) -> None:
    deployment = Deployment(
        id="d",
        kind=Kind.PROMOTE,
        environment="production",
        green="r000124",
        blue="r000123",
        began="2026-01-04T03:00:00+00:00",
        by=ADA,
        adopted=replace(BY_HAND, stack="shop"),
        outcome=Outcome(result=result),
    )
    text, document = outcome_text(deployment, 200), outcome_document(deployment)
    replaced = result is Result.PROMOTED
    assert "replacing r000123 (web-asg)" in text
    assert (f"removal    {DELETE}" in text.splitlines()) is replaced
    assert ("CloudFormation stack shop" in text) is replaced
    assert (document["adopted"] is not None) is replaced
    assert (DELETE in step_summary(deployment)) is replaced
