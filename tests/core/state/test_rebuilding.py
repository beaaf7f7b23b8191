"""A lost document, rebuilt from the tags of the groups; or why it is not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from pipeline.core.errors import RefusedError
from pipeline.core.health.observation import Balancer, ObservedGroup
from pipeline.core.image import Image, ImageStatus
from pipeline.core.state.environment import NEXT, ReleaseRecord
from pipeline.core.state.rebuilding import (
    Traces,
    lost_error,
    rebuilt,
    require_lost,
)
from pipeline.core.state.release import Release, Size
from pipeline.core.state.rollback import RollbackMode, rollback_option
from tests.core.state.lost_examples import (
    ALB,
    ATTACHED,
    BOTH,
    ELB,
    OTHERS,
    WANTED,
    group,
    traces,
)
from tests.ui.status_examples import NOW


def refused(*groups: ObservedGroup, balancers: tuple[Balancer, ...] = BOTH) -> RefusedError:
    with pytest.raises(RefusedError) as told:
        rebuilt(WANTED, traces(*groups), balancers)
    return told.value


def test_the_tags_of_the_attached_group_make_the_serving_release() -> None:
    image = Image(app="web", version="1.7.0", name="web-7", region="x", ids={"x": "ami-7"})
    found = rebuilt(WANTED, traces(group(7, ATTACHED)), BOTH, {"ami-7": image})
    size = Size(instance_type="t3.small", minimum=1, maximum=4, desired=2)
    facts = {"deployment": "20260107T030700-7f3a", "version": "1.7.0"}
    release = Release(number=7, ami_id="ami-7", size=size, facts=facts)
    assert found == replace(
        WANTED,
        next=8,
        serving="r000007",
        releases={
            "r000007": ReleaseRecord(
                release=release, image_name="web-7", version="1.7.0", made=True, minimum=1
            )
        },
    )


def test_an_earlier_release_is_warm_and_a_later_one_is_kept_as_failed() -> None:
    found = rebuilt(WANTED, traces(group(3), group(4, ATTACHED), group(5)), BOTH)
    assert found.serving == "r000004"
    warm, failed = found.releases["r000003"], found.releases["r000005"]
    assert (warm.warm_until, warm.failed) == (NEXT, False)
    assert (failed.warm_until, failed.failed) == ("", True)
    option = rollback_option(found, (), NOW)
    assert (option.mode, option.release) == (RollbackMode.WARM, "r000003")


def test_a_quarantined_image_stays_quarantined() -> None:
    image = Image(app="web", version="", name="", region="x", ids={"x": "ami-3"})
    images = {"ami-3": image.with_status(ImageStatus.QUARANTINED)}
    found = rebuilt(WANTED, traces(group(3), group(4, ATTACHED)), BOTH, images)
    assert [each.quarantined for each in found.retired] == [True]


def test_a_group_that_is_attached_to_one_of_two_load_balancers_serves() -> None:
    assert rebuilt(WANTED, traces(group(2, frozenset({"web"}))), BOTH).serving == "r000002"


@pytest.mark.parametrize(
    ("groups", "releases", "following"),
    [
        ((group(5, status="Delete in progress"),), (), 6),
        ((), ("r000009", ""), 10),
        ((), ("r1000000",), 1000001),
        ((), ("other", "r12"), 5),
    ],
    ids=["being deleted", "a launch template", "above a million", "no release"],
)
def test_no_number_that_left_a_trace_is_used_again(
    groups: tuple[ObservedGroup, ...], releases: tuple[str, ...], following: int
) -> None:
    found = rebuilt(WANTED, traces(group(4, ATTACHED), *groups, releases=releases), BOTH)
    assert found.next == following
    assert list(found.releases) == ["r000004"]


def test_groups_of_other_services_do_not_matter() -> None:
    other = group(9, name="shop-staging-r000009", tags={**OTHERS, "ami-pipeline:app": "shop"})
    unmanaged = group(8, ATTACHED, name="by-hand", tags={})
    seen = traces(group(1, ATTACHED))
    found = rebuilt(WANTED, replace(seen, groups=(other, unmanaged, *seen.groups)), BOTH)
    assert (list(found.releases), found.next) == (["r000001"], 2)


def test_two_groups_that_receive_traffic_contradict_each_other() -> None:
    error = refused(group(2, ATTACHED), group(1, frozenset({"web"})))
    assert error.what == "r000001 and r000002 receive traffic: a deployment was interrupted"
    assert error.remedy == (
        "detach the one that is not to serve, such as r000002: aws autoscaling "
        "detach-traffic-sources --region eu-central-1 --auto-scaling-group-name "
        "web-staging-r000002 --traffic-sources Identifier=web,Type=elb "
        f"Identifier={ALB.identifier},Type=elbv2; then: ami-pipeline state rebuild -e staging"
    )


def test_without_a_group_that_receives_traffic_a_person_chooses() -> None:
    error = refused(group(2), group(10), balancers=(ELB,))
    assert error.what == "no group receives traffic: r000002, r000010 detached"
    assert error.remedy == (
        "attach the one that is to serve, such as r000010: aws autoscaling "
        "attach-traffic-sources --region eu-central-1 --auto-scaling-group-name "
        "web-staging-r000010 --traffic-sources Identifier=web,Type=elb; "
        "then: ami-pipeline state rebuild -e staging"
    )


@pytest.mark.parametrize(
    ("bad", "what"),
    [
        (
            group(2, tags=OTHERS),
            "belongs to web-staging/x by its tags, not to web/staging",
        ),
        (
            group(2, tags={}),
            "has a name of web/staging, but not its tags, and a name proves nothing",
        ),
        (
            group(2, name="web-staging-r000003"),
            "its tag ami-pipeline:release is r000002, which is not the release in its name",
        ),
        (
            group(2, name="blue"),
            "its tag ami-pipeline:release is r000002, which is not the release in its name",
        ),
        (
            group(2, ATTACHED, name="x", tags={**OTHERS, "ami-pipeline:app": "shop"}),
            "belongs to shop/x and receives traffic from target group api, load balancer web, too",
        ),
        (
            group(1, tags={**group(1).tags, "ami-pipeline:image": "ami-9"}),
            "its tag ami-pipeline:image is ami-9, but its launch template launches ami-1",
        ),
    ],
    ids=["another service", "no tags", "another release", "another name", "traffic", "image"],
)
def test_tags_that_contradict_a_name_an_attachment_or_an_image_are_refused(
    bad: ObservedGroup, what: str
) -> None:
    assert refused(group(4, ATTACHED), bad).what == what


def test_a_group_without_tags_is_claimed_by_a_command() -> None:
    assert refused(group(2, tags={})).remedy == (
        "if it belongs to web/staging, tag it: aws autoscaling create-or-update-tags "
        "--region eu-central-1 --tags "
        "ResourceId=web-staging-r000002,ResourceType=auto-scaling-group,Key=ami-pipeline:app,"
        "Value=web,PropagateAtLaunch=false "
        "ResourceId=web-staging-r000002,ResourceType=auto-scaling-group,"
        "Key=ami-pipeline:environment,Value=staging,PropagateAtLaunch=false"
    )


def test_a_group_whose_launch_template_is_gone_is_refused() -> None:
    with pytest.raises(RefusedError, match="its launch template names no image"):
        rebuilt(WANTED, Traces(groups=(group(1, ATTACHED),)), BOTH)


@pytest.mark.parametrize("groups", [(), (group(1, ATTACHED, status="Delete in progress"),)])
def test_without_a_group_there_is_nothing_to_rebuild(groups: tuple[ObservedGroup, ...]) -> None:
    assert refused(*groups).what == (
        "no server group in eu-central-1 has the tags of web/staging: there is nothing to rebuild"
    )


@pytest.mark.parametrize(
    "recorded", [{"next": 2}, {"serving": "r000001"}, {"releases": {"r000001": None}}]
)
def test_a_document_that_records_anything_is_not_rebuilt(recorded: dict[str, Any]) -> None:
    require_lost(replace(WANTED, epoch=7))
    with pytest.raises(RefusedError, match="only a lost one is rebuilt"):
        require_lost(replace(WANTED, **recorded))


def test_the_error_of_a_lost_document_names_the_group_and_the_command() -> None:
    error = lost_error(WANTED, "s3://b/staging.json", [group(1, ATTACHED)], BOTH)
    assert str(error) == (
        "[state] s3://b/staging.json:\n"
        "  has no release: the document is lost, or in another store\n"
        "  server group web-staging-r000001 has the tags of web/staging and receives traffic from "
        "target group api, load balancer web\n"
        "next: ami-pipeline state rebuild -e staging; "
        "or fix [state] url, if another store has the document"
    )


@pytest.mark.parametrize(
    "other",
    [group(1), group(1, ATTACHED, tags={}), group(1, ATTACHED, tags=OTHERS)],
    ids=["detached", "unmanaged", "another service"],
)
def test_a_first_release_beside_other_groups_is_no_loss(other: ObservedGroup) -> None:
    assert lost_error(WANTED, "x", [other], BOTH) is None


def test_an_earlier_version_that_records_more_is_restored_instead() -> None:
    with pytest.raises(RefusedError) as told:
        require_lost(WANTED, 3)
    assert told.value.remedy == "ami-pipeline state restore -e staging --version 3"
    error = lost_error(WANTED, "x", [group(1, ATTACHED)], BOTH, 3)
    assert error is not None
    assert error.remedy.startswith("ami-pipeline state restore -e staging --version 3; or fix")
