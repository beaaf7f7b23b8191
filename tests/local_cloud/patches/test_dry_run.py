from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from tests.running_cloud import Cloud


def dry(cloud: Cloud, operation: str, **parameters: Any) -> tuple[int, str]:
    with pytest.raises(ClientError) as caught:
        getattr(cloud.aws("ec2"), operation)(DryRun=True, **parameters)
    answer = caught.value.response
    return answer["ResponseMetadata"]["HTTPStatusCode"], answer["Error"]["Code"]


@pytest.mark.parametrize(
    ("operation", "parameters"),
    [
        ("create_vpc", {"CidrBlock": "10.7.0.0/16"}),
        ("create_image", {"InstanceId": "", "Name": "web"}),
        ("authorize_security_group_ingress", {}),
        ("create_launch_template", {"LaunchTemplateName": "x", "LaunchTemplateData": {}}),
        ("describe_instances", {"InstanceIds": ["i-0123456789abcdef0"]}),
        ("describe_launch_template_versions", {"LaunchTemplateName": "missing"}),
    ],
)
def test_a_dry_run_checks_no_parameters_and_changes_nothing(
    cloud: Cloud, operation: str, parameters: dict[str, Any]
) -> None:
    before = len(cloud.aws("ec2").describe_vpcs()["Vpcs"])
    assert dry(cloud, operation, **parameters) == (412, "DryRunOperation")
    assert len(cloud.aws("ec2").describe_vpcs()["Vpcs"]) == before


@pytest.mark.parametrize(
    ("operation", "parameters", "code"),
    [
        (
            "run_instances",
            {"ImageId": "ami-0123456789abcdef0", "MinCount": 1, "MaxCount": 1},
            "InvalidAMIID.NotFound",
        ),
        (
            "terminate_instances",
            {"InstanceIds": ["i-0123456789abcdef0"]},
            "InvalidInstanceID.NotFound",
        ),
        (
            "delete_launch_template",
            {"LaunchTemplateId": "lt-0123456789abcdef0"},
            "InvalidLaunchTemplateId.NotFound",
        ),
        (
            "authorize_security_group_ingress",
            {"GroupId": "sg-0123456789abcdef0"},
            "InvalidGroup.NotFound",
        ),
    ],
)
def test_a_dry_run_needs_the_resources_that_it_names(
    cloud: Cloud, operation: str, parameters: dict[str, Any], code: str
) -> None:
    assert dry(cloud, operation, **parameters) == (400, code)
