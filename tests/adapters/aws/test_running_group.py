"""A running group is read with its launch template or configuration and all that belongs to it."""

from __future__ import annotations

import subprocess

import pytest

from pipeline.adapters.aws.client import Clients
from pipeline.adapters.aws.running_group import as_launch_template, read_running_group
from pipeline.core.adoption.configuration import adoption
from pipeline.core.errors import RefusedError
from tests.aws.running_groups import IMAGE, NOTIFICATION, REGION, make_group
from tests.core.adoption.groups import a_group, encoded


@pytest.mark.parametrize(
    ("template", "source", "kind"),
    [
        (True, "launch template web version 1", "t3.small"),
        pytest.param(
            False,
            "launch configuration web-1",
            "t2.micro",
            marks=pytest.mark.long,
            id="configuration",
        ),
    ],
)
def test_a_group_is_read_with_what_belongs_to_it(
    aws: Clients, template: bool, source: str, kind: str
) -> None:
    make_group(aws, template=template)
    found = read_running_group(aws, REGION, "web")
    assert (found.source, found.launch["InstanceType"]) == (source, kind)
    assert (found.root_device, found.drain_seconds) == ("/dev/sda1", 300)
    assert [each["ScheduledActionName"] for each in found.schedules] == ["night"]
    assert [each["LifecycleHookName"] for each in found.hooks] == ["drain"]
    assert [*found.notifications] == [NOTIFICATION]
    assert adoption(found).inputs["deregistration_delay"] == 300


def test_a_group_that_does_not_exist_is_refused_with_a_list_to_read(aws: Clients) -> None:
    with pytest.raises(RefusedError) as error:
        read_running_group(aws, REGION, "web")
    assert str(error.value) == (
        "group web:\n  does not exist in us-east-1\nnext: list the groups: aws autoscaling "
        "describe-auto-scaling-groups --region us-east-1 --query "
        "'AutoScalingGroups[].AutoScalingGroupName'"
    )


@pytest.mark.long
def test_a_deleted_launch_template_and_image_are_empty(aws: Clients) -> None:
    make_group(aws)
    aws.ec2(REGION).deregister_image(ImageId=IMAGE)
    assert read_running_group(aws, REGION, "web").root_device == ""
    aws.ec2(REGION).delete_launch_template(LaunchTemplateName="web")
    found = read_running_group(aws, REGION, "web")
    assert found.launch == {}
    assert found.source.endswith(", which does not exist any more")


def test_a_launch_configuration_gets_the_keys_of_a_launch_template() -> None:
    described = {
        "ImageId": IMAGE,
        "IamInstanceProfile": "arn:aws:iam::123456789012:instance-profile/web",
        "SecurityGroups": ["sg-1"],
        "SpotPrice": "0.1",
        "PlacementTenancy": "dedicated",
        "AssociatePublicIpAddress": False,
        "KernelId": "",
    }
    assert as_launch_template(described) == {
        "ImageId": IMAGE,
        "Monitoring": {"Enabled": True},
        "SecurityGroupIds": ["sg-1"],
        "IamInstanceProfile": {"Arn": "arn:aws:iam::123456789012:instance-profile/web"},
        "PlacementTenancy": "dedicated",
        "InstanceMarketOptions": {"MarketType": "spot", "SpotOptions": {"MaxPrice": "0.1"}},
        "NetworkInterfaces": [{"DeviceIndex": 0, "AssociatePublicIpAddress": False}],
    }


@pytest.mark.long
def test_an_adopted_script_runs_as_before_also_inside_set_eu() -> None:
    script = '#!/bin/bash\nfalse\necho "$unset" ${BASH_VERSION:+bash} "$#"\n'
    made = adoption(a_group({}, {"UserData": encoded(script)})).inputs["user_data"]
    command = ["/bin/sh", "-c", f"set -eu\n{made}"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == " bash 0\n"
