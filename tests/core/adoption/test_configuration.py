"""A running group becomes the configuration of an environment, or a list of what it cannot be."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from botocore.loaders import Loader

from pipeline import config
from pipeline.adapters.aws.running_group import as_launch_template
from pipeline.core.adoption import behavior, launching
from pipeline.core.adoption.configuration import adoption
from pipeline.core.adoption.model import Adoption, RunningGroup
from pipeline.core.adoption.toml_text import environment_toml
from tests.core.adoption.groups import ARN, GROUP, a_group, encoded
from tools.recorded_shapes import shapes

ROOT = Path(__file__).parents[3]
HEAD = 'app = "web"\nregion = "eu-central-1"\n[bake]\ntemplate = "app.pkr.hcl"\n'
HOOK = (
    'name = "drain", transition = "terminating", heartbeat_timeout = 120, '
    'default_result = "CONTINUE"'
)
Data = dict[str, Any]


def gaps(found: Adoption) -> dict[str, tuple[str, str]]:
    return {each.setting: (each.group, each.release) for each in found.gaps}


def read_back(found: Adoption) -> Data:
    """Return the environment of the text, which must hold what was found."""
    table: Data = tomllib.loads(environment_toml("production", found))["environments"]
    inputs: Data = table["production"]["terraform"].pop("inputs")
    del table["production"]["terraform"]
    assert inputs == found.inputs
    assert table["production"] == found.settings
    return inputs


def recorded(name: str, field: str) -> list[Data]:
    text = (ROOT / "tests/recorded" / name / "001.json").read_text(encoding="utf-8")
    listed: list[Data] = json.loads(text, object_hook=shapes.revive)["data"][field]
    return listed


def test_a_whole_group_becomes_the_text_of_an_environment() -> None:
    found = adoption(
        a_group(
            {
                "DefaultInstanceWarmup": 30,
                "EnabledMetrics": [{"Metric": "GroupTotalInstances", "Granularity": "1Minute"}],
                "Tags": [
                    {"Key": "Name", "Value": "web", "PropagateAtLaunch": True},
                    {"Key": "Team Color", "Value": 'the "blue"', "PropagateAtLaunch": True},
                    {"Key": "aws:cloudformation:stack-name", "Value": "web-stack"},
                ],
            },
            {
                "IamInstanceProfile": {"Name": "web"},
                "Monitoring": {"Enabled": True},
                "BlockDeviceMappings": [
                    {"DeviceName": "/dev/xvda", "Ebs": {"VolumeSize": 20, "Encrypted": True}}
                ],
                "MetadataOptions": {"HttpTokens": "required", "HttpPutResponseHopLimit": 2},
                "UserData": encoded("#!/bin/bash -x\nsystemctl restart 'web'\n"),
            },
            drain_seconds=60,
            policies=[
                {
                    "PolicyName": "requests",
                    "TargetTrackingConfiguration": {
                        "PredefinedMetricSpecification": {
                            "PredefinedMetricType": "ALBRequestCountPerTarget",
                            "ResourceLabel": f"app/web/1/{ARN.rpartition(':')[2]}",
                        },
                        "TargetValue": 500.0,
                    },
                }
            ],
            schedules=[{"ScheduledActionName": "night", "Recurrence": "0  20 * * *", "MinSize": 0}],
            hooks=[
                {
                    "LifecycleHookName": "drain",
                    "LifecycleTransition": "autoscaling:EC2_INSTANCE_TERMINATING",
                    "HeartbeatTimeout": 120,
                    "DefaultResult": "CONTINUE",
                }
            ],
        )
    )
    assert (
        environment_toml("production", found)
        == f'''\
# From the Auto Scaling group web-asg.
[environments.production]
account = "123456789012"
instance_type = "t3.small"
min_size = 2
max_size = 6
desired_capacity = 3
load_balancers = []
target_groups = ["{ARN}"]

[environments.production.terraform.inputs]
subnet_ids = ["subnet-0a1", "subnet-0b2"]
health_check_type = "ELB"
health_check_grace_period = 90
default_instance_warmup = 30
deregistration_delay = 60
enabled_metrics = ["GroupTotalInstances"]
security_group_ids = ["sg-0c3"]
instance_profile = "web"
detailed_monitoring = true
metadata_hop_limit = 2
root_volume = {{ size = 20, encrypted = true }}
user_data = """
adopted=$(mktemp)
cat >"$adopted" <<'END_OF_ADOPTED_USER_DATA'
#!/bin/bash -x
systemctl restart 'web'
END_OF_ADOPTED_USER_DATA
/bin/bash -x "$adopted"
rm -f "$adopted"
"""
lifecycle_hooks = [{{ {HOOK} }}]

[environments.production.terraform.inputs.tags]
"Team Color" = "the \\"blue\\""

[environments.production.terraform.inputs.scaling_policies]
requests = {{ metric = "requests", target = 500.0, target_group_arn = "{ARN}" }}

[environments.production.terraform.inputs.schedules]
night = {{ recurrence = "0 20 * * *", min_size = 0 }}
'''
    )
    assert gaps(found) == {"tag Name": ("web", "is named after its number")}
    assert (found.owner, found.missing) == ("web-stack", ())


def test_every_input_is_one_of_the_release_module() -> None:
    text = (ROOT / "terraform/release/variables.tf").read_text(encoding="utf-8")
    inputs = {*re.findall(r'^variable "(\w+)"', text, re.MULTILINE)}
    for file in sorted((ROOT / "pipeline/core/adoption").glob("*.py")):
        written = re.findall(
            r'^        "([a-z_]+)": ', file.read_text(encoding="utf-8"), re.MULTILINE
        )
        own = {"account", "load_balancers", "target_groups", "size", "type", "encrypted"}
        assert {*written} - own - {"kms_key_id"} <= inputs, file.name
    assert set(adoption(a_group()).inputs) <= inputs


def test_every_recorded_group_becomes_a_valid_configuration(tmp_path: Path) -> None:
    configurations = recorded("autoscaling.DescribeLaunchConfigurations", "LaunchConfigurations")
    versions = recorded("ec2.DescribeLaunchTemplateVersions", "LaunchTemplateVersions")
    launches = [*map(as_launch_template, configurations)]
    launches += [each["LaunchTemplateData"] for each in versions]
    file = tmp_path / "pipeline.toml"
    for group in recorded("autoscaling.DescribeAutoScalingGroups", "AutoScalingGroups"):
        for launch in ({}, *launches):
            found = adoption(RunningGroup(group=group, launch=launch, source="recorded"))
            read_back(found)
            file.write_text(HEAD + environment_toml("production", found), encoding="utf-8")
            config.load(file)


def test_a_recorded_policy_becomes_an_input() -> None:
    policies = recorded("autoscaling.DescribePolicies", "ScalingPolicies")
    found = read_back(adoption(a_group(policies=policies)))
    assert found["scaling_policies"] == {"web": {"metric": "cpu", "target": 50.0}}


@pytest.mark.parametrize(
    ("service", "shape", "known"),
    [
        ("autoscaling", "AutoScalingGroup", behavior._READ),
        ("ec2", "ResponseLaunchTemplateData", launching._READ),
    ],
)
def test_a_setting_that_is_not_read_is_listed(
    service: str, shape: str, known: frozenset[str]
) -> None:
    members = {*Loader().load_service_model(service, "service-2")["shapes"][shape]["members"]}
    assert known <= members
    odd = dict.fromkeys({*members, "AddedTomorrow"} - known, "odd")
    is_group = service == "autoscaling"
    found = gaps(adoption(a_group(odd if is_group else {}, {} if is_group else odd)))
    assert found == dict.fromkeys(odd, ("odd", "does not have it"))


@pytest.mark.parametrize(
    ("group", "launch", "setting", "expected"),
    [
        ({"SuspendedProcesses": [{"ProcessName": "Launch"}]}, {}, "suspended processes", "Launch"),
        ({"HealthCheckType": "ELB,EBS"}, {}, "health checks", "EBS"),
        ({"MaxSize": 2000}, {}, "sizes", "2 to 2000, 3 now"),
        ({"MinSize": 0, "DesiredCapacity": 0}, {}, "sizes", "0 to 6, 0 now"),
        (
            {"TrafficSources": [{"Identifier": "tg-1", "Type": "vpc-lattice"}]},
            {},
            "traffic source of type vpc-lattice",
            "tg-1",
        ),
        ({"Tags": [{"Key": "A"}]}, {}, "tags of the group only", "A"),
        (
            {"Tags": [{"Key": f"k{n:02}", "PropagateAtLaunch": True} for n in range(42)]},
            {},
            "tags",
            "k40, k41",
        ),
        ({}, {"SecurityGroups": ["web"]}, "security groups", "web"),
        ({}, {"MetadataOptions": {}}, "metadata service", "HttpTokens not set"),
        (
            {},
            {"MetadataOptions": {"HttpTokens": "required", "HttpPutResponseHopLimit": 5}},
            "metadata service",
            "5 hops",
        ),
        (
            {},
            {"NetworkInterfaces": [{"DeviceIndex": 0, "AssociatePublicIpAddress": True}]},
            "network interface",
            '{"AssociatePublicIpAddress": true}',
        ),
        (
            {},
            {"BlockDeviceMappings": [{"DeviceName": "/dev/sdf", "Ebs": {"VolumeSize": 9}}]},
            "device /dev/sdf",
            '{"Ebs": {"VolumeSize": 9}}',
        ),
        ({}, {"UserData": encoded("#cloud-config\n")}, "user data", "cloud-config"),
        ({}, {"UserData": "H4sIAAAA"}, "user data", "compressed with gzip"),
        (
            {},
            {"InstanceMarketOptions": {"MarketType": "spot"}},
            "InstanceMarketOptions",
            '{"MarketType": "spot"}',
        ),
    ],
)
def test_what_a_release_cannot_have_is_listed(
    group: Data, launch: Data, setting: str, expected: str
) -> None:
    found = adoption(a_group(group, launch))
    read_back(found)
    assert {name: text for name, (text, _) in gaps(found).items()} == {setting: expected}


@pytest.mark.parametrize(
    ("ebs", "volume", "listed"),
    [
        ({"VolumeSize": 8, "VolumeType": "gp2", "Iops": 100}, {"size": 8, "type": "gp2"}, {}),
        ({"VolumeType": "gp3", "Iops": 3000, "Throughput": 125}, {"type": "gp3"}, {}),
        ({"VolumeType": "gp3", "Iops": 6000}, {"type": "gp3"}, {"Iops": "6000"}),
        ({"VolumeType": "io2", "SnapshotId": "snap-1"}, {}, {"root volume": "type io2"}),
        ({"DeleteOnTermination": False}, {}, {"root volume": "stays when its instance ends"}),
        ({"KmsKeyId": "k"}, {"encrypted": True, "kms_key_id": "k"}, {}),
    ],
)
def test_the_root_volume_is_that_of_the_group(ebs: Data, volume: Data, listed: Data) -> None:
    launch = {
        "BlockDeviceMappings": [{"DeviceName": "/dev/sda1", "Ebs": {"Encrypted": True} | ebs}]
    }
    found = adoption(a_group({}, launch, root_device="/dev/sda1"))
    assert found.inputs["root_volume"] == {"encrypted": True} | volume
    assert {name: text for name, (text, _) in gaps(found).items()} == listed


def test_a_lifetime_of_0_seconds_is_none_as_aws_says() -> None:
    assert "max_instance_lifetime" not in adoption(a_group({"MaxInstanceLifetime": 0})).inputs
    found = adoption(a_group({"MaxInstanceLifetime": 86_400}))
    assert found.inputs["max_instance_lifetime"] == 86_400


def test_a_mixed_group_launches_the_type_of_most_of_its_members() -> None:
    mixed = {
        "LaunchTemplate": {"Overrides": [{"InstanceType": "m5.large", "WeightedCapacity": "2"}]}
    }
    members = [{"InstanceType": name} for name in ("m5.large", "m6i.large", "m6i.large")]
    found = adoption(a_group({"MixedInstancesPolicy": mixed, "Instances": members}))
    assert found.settings["instance_type"] == "m6i.large"
    listed = gaps(found)
    assert listed["mixed instances"][1] == "launches m6i.large on demand only"
    assert listed["weights"][0] == "counts weights as its size"


def test_a_group_attached_by_an_older_call_has_its_load_balancers_once() -> None:
    sources = [{"Identifier": "web", "Type": "elb"}, {"Identifier": ARN, "Type": "elbv2"}]
    found = adoption(a_group({"LoadBalancerNames": ["web", "old"], "TrafficSources": sources}))
    assert found.settings["load_balancers"] == ["web", "old"]
    assert found.settings["target_groups"] == [ARN]


@pytest.mark.parametrize("policy", ["step", "disabled", "foreign"])
def test_a_policy_without_an_input_is_listed(policy: str) -> None:
    tracking = {"PredefinedMetricSpecification": {"PredefinedMetricType": "ASGAverageNetworkIn"}}
    foreign = {"PredefinedMetricType": "ALBRequestCountPerTarget", "ResourceLabel": "app/x/1"}
    kinds: dict[str, Data] = {
        "step": {"PolicyType": "StepScaling"},
        "disabled": {"Enabled": False, "TargetTrackingConfiguration": tracking},
        "foreign": {"TargetTrackingConfiguration": {"PredefinedMetricSpecification": foreign}},
    }
    found = adoption(a_group(policies=[{"PolicyName": policy, **kinds[policy]}]))
    assert "scaling_policies" not in found.inputs
    assert [each.setting for each in found.gaps] == [f"policy {policy}"]


def test_schedules_that_end_and_notifications_are_listed() -> None:
    once = {"ScheduledActionName": "once", "StartTime": "2026-01-01", "MinSize": 4}
    topic = {"TopicARN": "arn:topic", "NotificationType": "autoscaling:TEST_NOTIFICATION"}
    found = gaps(adoption(a_group(schedules=[once], notifications=[topic])))
    assert found["schedule once"][0] == '{"MinSize": 4, "StartTime": "2026-01-01"}'
    assert found["notification"][0] == "autoscaling:TEST_NOTIFICATION to arn:topic"


def test_a_value_that_the_configuration_does_not_take_is_listed_alone() -> None:
    tagged = [
        {"Key": key, "Value": value, "PropagateAtLaunch": True}
        for key, value in (("good", "value"), ("bad", "zero\u200bwidth"))
    ]
    found = adoption(a_group({"Tags": tagged}))
    assert found.inputs["tags"] == {"good": "value"}
    assert gaps(found)["tags.bad"][1] == "does not have it: write it by hand"


def test_tags_that_the_metadata_service_refuses_turn_its_tags_off() -> None:
    options = {"HttpTokens": "required", "InstanceMetadataTags": "enabled"}
    assert adoption(a_group({}, {"MetadataOptions": options})).inputs["metadata_tags"] is True
    tagged = {"Tags": [{"Key": "a b", "Value": "c", "PropagateAtLaunch": True}]}
    found = adoption(a_group(tagged, {"MetadataOptions": options}))
    assert "metadata_tags" not in found.inputs
    assert "tags in the metadata service" in gaps(found)


def test_what_the_group_does_not_tell_is_missing() -> None:
    group = {key: value for key, value in GROUP.items() if key != "VPCZoneIdentifier"}
    found = adoption(RunningGroup(group=group, launch={}, source="launch template gone"))
    assert found.missing == ("subnet_ids", "security_group_ids", "instance_type")
    assert gaps(found)["launch"] == ("launch template gone", "needs its inputs by hand")
    text = environment_toml("production", found)
    assert [line for line in text.splitlines() if line.startswith("# missing")] == [
        "# missing: instance_type",
        "# missing: subnet_ids",
        "# missing: security_group_ids",
    ]


@pytest.mark.parametrize(
    "value", ['a"b', "a\\b", 'three """ four """" five', 'ends with a quote\n"', "tab\tand\n\\n\n"]
)
def test_any_text_is_read_back_as_it_was(value: str) -> None:
    hook = {"LifecycleHookName": "x", "LifecycleTransition": "y", "NotificationMetadata": value}
    [found] = read_back(adoption(a_group(hooks=[hook])))["lifecycle_hooks"]
    assert found["notification_metadata"] == value
