from __future__ import annotations

from dataclasses import replace

import pytest

from pipeline.core.health.observation import Observation, ObservedGroup
from pipeline.core.state.next_step import next_step
from pipeline.core.state.rollback import ImageStates, rollback_option
from pipeline.core.state.status import Status
from tests.ui.status_examples import (
    ARN,
    BALANCERS,
    BOTH,
    NOW,
    TARGET_GROUP,
    a_status,
    environment,
    failing,
    group,
    image,
    interrupted,
    observation,
    record,
    retired,
    serving,
)

AUTOSCALING = "aws autoscaling {} --region eu-central-1 --auto-scaling-group-name web-production-"
ATTACH = AUTOSCALING.format("attach-traffic-sources") + "r000124 --traffic-sources"
SCALE = AUTOSCALING.format("update-auto-scaling-group") + "r000124"
PROMOTE = "ami-pipeline promote -e production"


def of(*groups: ObservedGroup, **changes: object) -> Status:
    return a_status(environment(record(124, minimum=2), **changes), observation(*groups))


@pytest.mark.parametrize(
    ("status", "command"),
    [
        (serving(), ""),
        (of(group(124, BOTH[:1])), f"{ATTACH} Identifier={ARN},Type=elbv2"),
        (
            of(group(124)),
            f"{ATTACH} Identifier=web-elb,Type=elb Identifier={ARN},Type=elbv2",
        ),
        (
            of(group(124, BOTH, desired=0, minimum=0, members=())),
            f"{SCALE} --min-size 2 --desired-capacity 3",
        ),
        (
            replace(serving(), balancers=BALANCERS[:1], absent=(TARGET_GROUP,)),
            "aws elbv2 describe-target-groups --region eu-central-1",
        ),
        (
            replace(interrupted(), balancers=BALANCERS[1:], absent=BALANCERS[:1]),
            "aws elb describe-load-balancers --region eu-central-1",
        ),
    ],
)
def test_the_next_command_repairs_what_keeps_the_service_from_serving(
    status: Status, command: str
) -> None:
    assert next_step(status) == command


def test_a_load_balancer_that_was_not_read_is_no_reason_to_roll_back() -> None:
    seen = Observation(at=0.0, groups=observation(group(124, BOTH)).groups, unreadable=("x",))
    status = a_status(environment(record(124), retired=(retired(123),)), seen)
    assert next_step(status) == "ami-pipeline doctor -e production"


@pytest.mark.parametrize(
    ("images", "command"),
    [
        (ImageStates(), "ami-pipeline rollback -e production"),
        (
            ImageStates(quarantined=frozenset({image(123)})),
            "ami-pipeline rollback -e production --to r000123 --allow-quarantined",
        ),
        (
            ImageStates(gone=frozenset({image(123)})),
            f"ami-pipeline bake && {PROMOTE} --allow-unhealthy",
        ),
    ],
)
def test_an_unhealthy_release_is_rolled_back_from_if_that_is_possible(
    images: ImageStates, command: str
) -> None:
    status = failing()
    option = rollback_option(status.environment, (), NOW, images=images)
    assert next_step(replace(status, rollback=option, images=images)) == command


@pytest.mark.parametrize(
    ("images", "command"),
    [
        (ImageStates(), f"{PROMOTE} --image {image(124)}"),
        (ImageStates(gone=frozenset({image(124)})), f"{PROMOTE} --image {image(123)}"),
        (ImageStates(quarantined=frozenset({image(124)})), f"{PROMOTE} --image {image(123)}"),
        (
            ImageStates(gone=frozenset({image(123)}), quarantined=frozenset({image(124)})),
            f"{PROMOTE} --image {image(124)} --allow-quarantined",
        ),
        (ImageStates(gone=frozenset({image(124), image(123)})), f"ami-pipeline bake && {PROMOTE}"),
    ],
)
def test_a_deleted_group_is_replaced_by_an_image_that_exists(
    images: ImageStates, command: str
) -> None:
    status = of(retired=(retired(123),))
    assert next_step(replace(status, images=images)) == command


def test_a_serving_release_whose_image_was_deleted_needs_a_new_one() -> None:
    status = replace(serving(), images=ImageStates(gone=frozenset({image(124)})))
    assert next_step(status) == f"ami-pipeline bake && {PROMOTE}"


def test_an_unmanaged_group_that_receives_traffic_is_shown() -> None:
    other = replace(group(121, BOTH[:1], tags={}), name="legacy")
    command = "aws autoscaling describe-auto-scaling-groups --region eu-central-1"
    status = of(group(124, BOTH), other)
    assert next_step(status) == f"{command} --auto-scaling-group-names legacy"
    idle = of(group(124, BOTH), replace(other, attached=frozenset()))
    assert next_step(idle) == ""


@pytest.mark.parametrize(
    ("tags", "command"),
    [
        ({}, PROMOTE),
        ({"ami-pipeline:app": "web", "ami-pipeline:environment": "staging"}, PROMOTE),
        (
            {"ami-pipeline:app": "web", "ami-pipeline:environment": "production"},
            "ami-pipeline state show -e production",
        ),
    ],
)
def test_a_group_of_an_unknown_document_leads_to_the_earlier_documents(
    tags: dict[str, str], command: str
) -> None:
    other = group(121, BOTH, tags=tags)
    assert next_step(a_status(environment(serving=""), observation(other))) == command


def test_a_lost_document_is_rebuilt() -> None:
    tags = {"ami-pipeline:app": "web", "ami-pipeline:environment": "production"}
    lost = replace(environment(serving=""), next=1)
    status = a_status(lost, observation(group(121, BOTH, tags=tags)))
    assert next_step(status) == "ami-pipeline state rebuild -e production"
