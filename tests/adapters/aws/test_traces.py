"""What is left of an environment's releases in AWS, by moto."""

from __future__ import annotations

from typing import Any

from pipeline.adapters.aws.client import Clients
from pipeline.adapters.aws.groups import Groups
from pipeline.core.state.environment import Environment
from pipeline.core.state.rebuilding import LaunchSource
from tests.aws.moto_account import register

WANTED = Environment(app="web", environment="staging", account="", region="us-east-1")
IMAGE = "ami-0123456789abcdef0"


def tags(release: str, environment: str = "staging") -> dict[str, str]:
    facts = {"app": "web", "environment": environment, "release": release}
    return {f"ami-pipeline:{key}": value for key, value in facts.items()}


def template(aws: Clients, name: str, instance_type: str) -> None:
    data: Any = {"ImageId": IMAGE, "InstanceType": instance_type}
    aws.ec2("us-east-1").create_launch_template(LaunchTemplateName=name, LaunchTemplateData=data)


def group(aws: Clients, name: str, version: str, given: dict[str, str]) -> None:
    listed: Any = [{"Key": each, "Value": given[each]} for each in given]
    aws.autoscaling("us-east-1").create_auto_scaling_group(
        AutoScalingGroupName=name,
        LaunchTemplate={"LaunchTemplateName": "web-staging-r000003", "Version": version},
        MinSize=0,
        MaxSize=1,
        AvailabilityZones=["us-east-1a"],
        Tags=listed,
    )


def test_groups_templates_and_instances_are_traces_of_releases(aws: Clients) -> None:
    register(aws, IMAGE, "web")
    template(aws, "web-staging-r000003", "t3.small")
    template(aws, "web-staging-r000008", "t3.small")
    template(aws, "web-other-r000099", "t3.small")
    ec2 = aws.ec2("us-east-1")
    newer: Any = {"ImageId": "ami-2", "InstanceType": "t3.large"}
    ec2.create_launch_template_version(
        LaunchTemplateName="web-staging-r000003", LaunchTemplateData=newer
    )
    group(aws, "web-staging-r000003", "1", tags("r000003"))
    group(aws, "other", "$Latest", tags("r000001", "other"))
    for number, environment in ((9, "staging"), (98, "other")):
        listed = tags(f"r{number:06}", environment)
        specification: Any = {
            "ResourceType": "instance",
            "Tags": [{"Key": key, "Value": listed[key]} for key in listed],
        }
        made = ec2.run_instances(
            ImageId=IMAGE, MinCount=1, MaxCount=1, TagSpecifications=[specification]
        )
        ec2.terminate_instances(InstanceIds=[made["Instances"][0]["InstanceId"]])
    found = Groups(aws, "us-east-1").traces(WANTED)
    assert {each.name for each in found.groups} == {"web-staging-r000003", "other"}
    assert found.sources == {
        "web-staging-r000003": LaunchSource(image=IMAGE, instance_type="t3.small")
    }
    assert found.releases - {""} == {"r000003", "r000008", "r000009"}


def test_a_launch_template_that_is_gone_has_no_source(aws: Clients) -> None:
    register(aws, IMAGE, "web")
    template(aws, "web-staging-r000003", "t3.small")
    group(aws, "web-staging-r000003", "1", tags("r000003"))
    aws.ec2("us-east-1").delete_launch_template(LaunchTemplateName="web-staging-r000003")
    assert Groups(aws, "us-east-1").traces(WANTED).sources == {}
