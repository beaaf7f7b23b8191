from __future__ import annotations

from typing import Any

import pytest

from local_cloud.permissions.parameters import read
from tests.local_cloud.permissions.asking import FakeModels, needs, questions, short

AMI = "ami-0123456789abcdef0"
SUBNET = "subnet-0123456789abcdef0"
SG = "sg-0123456789abcdef0"
INSTANCE = "i-0123456789abcdef0"
TEMPLATE = "lt-0123456789abcdef0"
ROLE = "arn:aws:iam::123456789012:role/web-production-instances"
GROUP = "autoscaling:autoScalingGroup:*:autoScalingGroupName/web-production-r000001"
TAGS = [{"Key": "app", "Value": "web"}]


def test_a_launch_is_judged_on_each_resource_it_uses_or_makes() -> None:
    assert needs(
        "ec2",
        "run_instances",
        ImageId=AMI,
        MinCount=1,
        MaxCount=1,
        KeyName="packer",
        NetworkInterfaces=[{"DeviceIndex": 0, "SubnetId": SUBNET, "Groups": [SG]}],
    ) == [
        ("ec2:RunInstances", f"ec2:image/{AMI}"),
        ("ec2:RunInstances", "ec2:instance/*"),
        ("ec2:RunInstances", "ec2:network-interface/*"),
        ("ec2:RunInstances", f"ec2:security-group/{SG}"),
        ("ec2:RunInstances", f"ec2:subnet/{SUBNET}"),
        ("ec2:RunInstances", "ec2:key-pair/packer"),
        ("ec2:RunInstances", "ec2:volume/*"),
    ]


def test_a_launch_with_tags_and_a_profile_needs_to_tag_and_to_pass_the_role() -> None:
    models = FakeModels(profiles={"web": [ROLE]})
    asked = questions(
        "ec2",
        "run_instances",
        models,
        ImageId=AMI,
        MinCount=1,
        MaxCount=1,
        IamInstanceProfile={"Name": "web"},
        TagSpecifications=[{"ResourceType": "instance", "Tags": TAGS}],
    )
    instance = next(each for each in asked if each.resource.endswith("instance/*"))
    assert instance.context["aws:requesttag/app"] == ("web",)
    tag, role = asked[-2:]
    assert (tag.action, tag.resource) == (
        "ec2:CreateTags",
        "arn:aws:ec2:us-east-1:123456789012:instance/*",
    )
    assert tag.context["ec2:createaction"] == ("RunInstances",)
    assert tag.context["aws:tagkeys"] == ("app",)
    assert (role.action, role.resource) == ("iam:PassRole", ROLE)
    assert role.context["iam:passedtoservice"] == ("ec2.amazonaws.com",)


def test_a_launch_from_a_template_is_judged_on_what_the_template_names() -> None:
    data = {
        "ImageId": AMI,
        "InstanceType": "t3.micro",
        "SecurityGroupIds": [SG],
        "IamInstanceProfile": {"Arn": "profile"},
        "TagSpecifications": [{"ResourceType": "volume", "Tags": TAGS}],
    }
    models = FakeModels(templates={TEMPLATE: data}, profiles={"profile": [ROLE]})
    asked = questions(
        "ec2",
        "run_instances",
        models,
        MinCount=1,
        MaxCount=1,
        SubnetId=SUBNET,
        LaunchTemplate={"LaunchTemplateId": TEMPLATE},
    )
    by_resource = {each.resource.rpartition(":")[2]: each for each in asked}
    assert {f"image/{AMI}", f"security-group/{SG}", f"launch-template/{TEMPLATE}"} <= set(
        by_resource
    )
    assert by_resource[f"image/{AMI}"].context["ec2:islaunchtemplateresource"] == ("true",)
    assert by_resource[f"subnet/{SUBNET}"].context["ec2:islaunchtemplateresource"] == ("false",)
    assert by_resource["instance/*"].context["ec2:instancetype"] == ("t3.micro",)
    assert [each.action for each in asked[-2:]] == ["ec2:CreateTags", "iam:PassRole"]


@pytest.mark.parametrize(
    ("operation", "parameters", "expected"),
    [
        ("describe_instances", {"InstanceIds": [INSTANCE]}, [("ec2:DescribeInstances", "*")]),
        ("describe_images", {"ImageIds": [AMI]}, [("ec2:DescribeImages", "*")]),
        (
            "get_console_output",
            {"InstanceId": INSTANCE},
            [("ec2:GetConsoleOutput", f"ec2:instance/{INSTANCE}")],
        ),
        (
            "terminate_instances",
            {"InstanceIds": [INSTANCE, "i-00000000000000001"]},
            [
                ("ec2:TerminateInstances", f"ec2:instance/{INSTANCE}"),
                ("ec2:TerminateInstances", "ec2:instance/i-00000000000000001"),
            ],
        ),
        (
            "create_image",
            {"InstanceId": INSTANCE, "Name": "web"},
            [
                ("ec2:CreateImage", "ec2:image/*"),
                ("ec2:CreateImage", f"ec2:instance/{INSTANCE}"),
                ("ec2:CreateImage", "ec2:snapshot/*"),
            ],
        ),
        ("deregister_image", {"ImageId": AMI}, [("ec2:DeregisterImage", f"ec2:image/{AMI}")]),
        (
            "enable_image_deregistration_protection",
            {"ImageId": AMI},
            [("ec2:EnableImageDeregistrationProtection", f"ec2:image/{AMI}")],
        ),
        (
            "disable_image_deprecation",
            {"ImageId": AMI},
            [("ec2:DisableImageDeprecation", f"ec2:image/{AMI}")],
        ),
        (
            "create_tags",
            {"Resources": [AMI, "snap-0123456789abcdef0"], "Tags": TAGS},
            [
                ("ec2:CreateTags", f"ec2:image/{AMI}"),
                ("ec2:CreateTags", "ec2:snapshot/snap-0123456789abcdef0"),
            ],
        ),
        (
            "authorize_security_group_ingress",
            {
                "GroupId": SG,
                "IpPermissions": [{"UserIdGroupPairs": [{"GroupId": "sg-00000000000000009"}]}],
            },
            [("ec2:AuthorizeSecurityGroupIngress", f"ec2:security-group/{SG}")],
        ),
        (
            "create_launch_template",
            {
                "LaunchTemplateName": "web",
                "LaunchTemplateData": {
                    "ImageId": AMI,
                    "TagSpecifications": [{"ResourceType": "instance", "Tags": TAGS}],
                },
                "TagSpecifications": [{"ResourceType": "launch-template", "Tags": TAGS}],
            },
            [
                ("ec2:CreateLaunchTemplate", "ec2:launch-template/*"),
                ("ec2:CreateTags", "ec2:launch-template/*"),
            ],
        ),
        (
            "delete_launch_template",
            {"LaunchTemplateId": TEMPLATE},
            [("ec2:DeleteLaunchTemplate", f"ec2:launch-template/{TEMPLATE}")],
        ),
        ("delete_key_pair", {"KeyName": "packer"}, [("ec2:DeleteKeyPair", "ec2:key-pair/packer")]),
        (
            "terminate_instances",
            {"InstanceIds": []},
            [("ec2:TerminateInstances", "ec2:instance/*")],
        ),
    ],
)
def test_a_call_of_ec2_is_judged_on_its_resources(
    operation: str, parameters: dict[str, Any], expected: list[tuple[str, str]]
) -> None:
    assert needs("ec2", operation, **parameters) == expected


def test_a_template_named_by_its_name_is_judged_by_its_id_and_tags() -> None:
    arn = f"arn:aws:ec2:us-east-1:123456789012:launch-template/{TEMPLATE}"
    models = FakeModels(templates={TEMPLATE: {}}, tags_of={arn: {"App": "web"}})
    [asked] = questions("ec2", "delete_launch_template", models, LaunchTemplateId=TEMPLATE)
    assert asked.resource == arn
    assert asked.context["aws:resourcetag/app"] == asked.context["ec2:resourcetag/app"] == ("web",)


@pytest.mark.parametrize(
    ("operation", "parameters", "expected"),
    [
        ("describe_auto_scaling_groups", {}, [("autoscaling:DescribeAutoScalingGroups", "*")]),
        (
            "detach_traffic_sources",
            {"AutoScalingGroupName": "web-production-r000001", "TrafficSources": []},
            [("autoscaling:DetachTrafficSources", GROUP)],
        ),
        (
            "create_or_update_tags",
            {"Tags": [{"ResourceId": "web-production-r000001", "Key": "app", "Value": "web"}]},
            [("autoscaling:CreateOrUpdateTags", GROUP)],
        ),
        (
            "terminate_instance_in_auto_scaling_group",
            {"InstanceId": INSTANCE, "ShouldDecrementDesiredCapacity": False},
            [("autoscaling:TerminateInstanceInAutoScalingGroup", GROUP)],
        ),
        (
            "put_lifecycle_hook",
            {
                "AutoScalingGroupName": "web-production-r000001",
                "LifecycleHookName": "boot",
                "RoleARN": ROLE,
            },
            [
                ("autoscaling:PutLifecycleHook", GROUP),
                ("iam:PassRole", "iam:role/web-production-instances"),
            ],
        ),
    ],
)
def test_a_call_of_auto_scaling_is_judged_on_its_group(
    operation: str, parameters: dict[str, Any], expected: list[tuple[str, str]]
) -> None:
    models = FakeModels(members={INSTANCE: "web-production-r000001"})
    assert needs("autoscaling", operation, models, **parameters) == expected


def test_a_group_that_exists_is_judged_by_its_own_arn_and_tags() -> None:
    arn = "arn:aws:autoscaling:us-east-1:123456789012:autoScalingGroup:u:autoScalingGroupName/web"
    models = FakeModels(groups={"web": arn}, tags_of={arn: {"app": "web"}})
    [asked] = questions(
        "autoscaling", "set_desired_capacity", models, AutoScalingGroupName="web", DesiredCapacity=1
    )
    assert asked.resource == arn
    assert asked.context["autoscaling:resourcetag/app"] == ("web",)


def test_a_group_with_a_template_needs_to_launch_from_it() -> None:
    data = {"ImageId": AMI, "IamInstanceProfile": {"Name": "web"}}
    models = FakeModels(templates={TEMPLATE: data}, profiles={"web": [ROLE]})
    asked = questions(
        "autoscaling",
        "create_auto_scaling_group",
        models,
        AutoScalingGroupName="web-production-r000001",
        MinSize=0,
        MaxSize=0,
        LaunchTemplate={"LaunchTemplateId": TEMPLATE, "Version": "1"},
        VPCZoneIdentifier=SUBNET,
    )
    assert [each.action for each in asked] == [
        "autoscaling:CreateAutoScalingGroup",
        *["ec2:RunInstances"] * 7,
        "iam:PassRole",
    ]
    assert asked[0].because == ""
    assert [short(each.resource) for each in asked if "subnet/" in each.resource] == [
        f"ec2:subnet/{SUBNET}"
    ]
    message = f"You are not authorized to use launch template: {TEMPLATE}"
    assert {each.because for each in asked[1:]} == {message}


def test_a_group_with_a_new_template_needs_to_launch_in_the_subnets_that_it_has() -> None:
    models = FakeModels(templates={TEMPLATE: {}}, subnets={"web": [SUBNET]})
    asked = needs(
        "autoscaling",
        "update_auto_scaling_group",
        models,
        AutoScalingGroupName="web",
        LaunchTemplate={"LaunchTemplateId": TEMPLATE},
    )
    assert ("ec2:RunInstances", f"ec2:subnet/{SUBNET}") in asked
    resized = needs(
        "autoscaling",
        "update_auto_scaling_group",
        models,
        AutoScalingGroupName="web",
        MinSize=1,
    )
    assert [action for action, _ in resized] == ["autoscaling:UpdateAutoScalingGroup"]


def test_a_template_that_does_not_exist_needs_no_permission_of_its_own() -> None:
    assert needs(
        "autoscaling",
        "create_auto_scaling_group",
        AutoScalingGroupName="web-production-r000001",
        MinSize=0,
        MaxSize=0,
        LaunchTemplate={"LaunchTemplateName": "missing"},
    ) == [("autoscaling:CreateAutoScalingGroup", GROUP)]


LB = "arn:aws:elasticloadbalancing:us-east-1:123456789012:"


@pytest.mark.parametrize(
    ("service", "operation", "parameters", "expected"),
    [
        ("elbv2", "describe_target_health", {"TargetGroupArn": f"{LB}targetgroup/w/1"}, "*"),
        (
            "elbv2",
            "register_targets",
            {"TargetGroupArn": f"{LB}targetgroup/w/1", "Targets": []},
            "targetgroup/w/1",
        ),
        (
            "elbv2",
            "modify_rule",
            {
                "RuleArn": f"{LB}listener-rule/app/w/1/2/3",
                "Actions": [{"Type": "forward", "TargetGroupArn": f"{LB}targetgroup/w/1"}],
            },
            "listener-rule/app/w/1/2/3",
        ),
        (
            "elbv2",
            "modify_listener",
            {
                "ListenerArn": f"{LB}listener/net/w/1/2",
                "DefaultActions": [{"Type": "forward", "TargetGroupArn": f"{LB}targetgroup/w/1"}],
            },
            "listener/net/w/1/2",
        ),
        ("elbv2", "describe_rules", {"RuleArns": [f"{LB}listener-rule/app/w/1/2/3"]}, "*"),
        ("elbv2", "describe_listeners", {"ListenerArns": [f"{LB}listener/app/w/1/2"]}, "*"),
        ("elbv2", "create_load_balancer", {"Name": "w"}, "loadbalancer/app/w/*"),
        ("elb", "describe_load_balancers", {"LoadBalancerNames": ["w"]}, "*"),
        ("elb", "delete_load_balancer", {"LoadBalancerName": "w"}, "loadbalancer/w"),
    ],
)
def test_a_call_of_elastic_load_balancing_is_judged_on_what_it_changes(
    service: str, operation: str, parameters: dict[str, Any], expected: str
) -> None:
    [(action, resource)] = needs(service, operation, **parameters)
    assert action.startswith("elasticloadbalancing:")
    assert resource.removeprefix("elasticloadbalancing:") == expected


@pytest.mark.parametrize(
    ("operation", "parameters", "expected"),
    [
        ("list_buckets", {}, [("s3:ListAllMyBuckets", "*")]),
        ("head_bucket", {"Bucket": "b"}, [("s3:ListBucket", "s3:b")]),
        ("list_objects_v2", {"Bucket": "b", "Prefix": "web/"}, [("s3:ListBucket", "s3:b")]),
        ("list_object_versions", {"Bucket": "b"}, [("s3:ListBucketVersions", "s3:b")]),
        ("get_bucket_versioning", {"Bucket": "b"}, [("s3:GetBucketVersioning", "s3:b")]),
        ("get_bucket_encryption", {"Bucket": "b"}, [("s3:GetEncryptionConfiguration", "s3:b")]),
        ("get_public_access_block", {"Bucket": "b"}, [("s3:GetBucketPublicAccessBlock", "s3:b")]),
        ("get_object", {"Bucket": "b", "Key": "k/1"}, [("s3:GetObject", "s3:b/k/1")]),
        ("head_object", {"Bucket": "b", "Key": "k/1"}, [("s3:GetObject", "s3:b/k/1")]),
        (
            "get_object",
            {"Bucket": "b", "Key": "k/1", "VersionId": "v"},
            [("s3:GetObjectVersion", "s3:b/k/1")],
        ),
        (
            "get_object",
            {"Bucket": "b", "Key": "missing"},
            [("s3:GetObject", "s3:b/missing"), ("s3:ListBucket", "s3:b")],
        ),
        ("put_object", {"Bucket": "b", "Key": "k"}, [("s3:PutObject", "s3:b/k")]),
        ("delete_object", {"Bucket": "b", "Key": "k"}, [("s3:DeleteObject", "s3:b/k")]),
        (
            "delete_objects",
            {"Bucket": "b", "Delete": {"Objects": [{"Key": "k"}, {"Key": "l", "VersionId": "v"}]}},
            [("s3:DeleteObject", "s3:b/k"), ("s3:DeleteObjectVersion", "s3:b/l")],
        ),
        (
            "copy_object",
            {"Bucket": "b", "Key": "k", "CopySource": {"Bucket": "a", "Key": "j"}},
            [("s3:GetObject", "s3:a/j"), ("s3:PutObject", "s3:b/k")],
        ),
        ("create_bucket", {"Bucket": "b"}, [("s3:CreateBucket", "s3:b")]),
        ("get_object_tagging", {"Bucket": "b", "Key": "k"}, [("s3:GetObjectTagging", "s3:b/k")]),
    ],
)
def test_a_call_of_s3_is_judged_by_the_action_that_policies_name(
    operation: str, parameters: dict[str, Any], expected: list[tuple[str, str]]
) -> None:
    models = FakeModels(objects={"b/k/1"})
    assert needs("s3", operation, models, **parameters) == expected


def test_a_list_has_its_prefix_as_a_key() -> None:
    [asked] = questions("s3", "list_objects_v2", Bucket="b", Prefix="web/")
    assert asked.context["s3:prefix"] == ("web/",)


def test_an_encrypted_bucket_needs_its_key() -> None:
    key = "arn:aws:kms:us-east-1:123456789012:key/k"
    models = FakeModels(bucket_keys={"b": key}, objects={"b/k"})
    for operation, action in (("put_object", "kms:GenerateDataKey"), ("get_object", "kms:Decrypt")):
        asked = questions("s3", operation, models, Bucket="b", Key="k")[-1]
        assert (asked.action, asked.resource) == (action, key)
        assert asked.context["kms:viaservice"] == ("s3.us-east-1.amazonaws.com",)


@pytest.mark.parametrize(
    ("service", "operation", "parameters", "expected"),
    [
        (
            "cloudwatch",
            "describe_alarms",
            {},
            [("cloudwatch:DescribeAlarms", "cloudwatch:alarm:*")],
        ),
        (
            "cloudwatch",
            "get_metric_data",
            {"MetricDataQueries": [], "StartTime": 0, "EndTime": 0},
            [("cloudwatch:GetMetricData", "*")],
        ),
        ("iam", "get_role", {"RoleName": "web"}, [("iam:GetRole", "iam:role/web")]),
        (
            "iam",
            "add_role_to_instance_profile",
            {"InstanceProfileName": "web", "RoleName": "web"},
            [
                ("iam:AddRoleToInstanceProfile", "iam:instance-profile/web"),
                ("iam:PassRole", "iam:role/web"),
            ],
        ),
        ("kms", "describe_key", {"KeyId": "alias/web"}, [("kms:DescribeKey", "kms:key/k")]),
        (
            "sns",
            "publish",
            {"TopicArn": "arn:aws:sns:us-east-1:123456789012:told", "Message": "m"},
            [("sns:Publish", "sns:told")],
        ),
        ("ssm", "get_parameter", {"Name": "/a/b"}, [("ssm:GetParameter", "ssm:parameter/a/b")]),
        (
            "service-quotas",
            "get_service_quota",
            {"ServiceCode": "ec2", "QuotaCode": "L-1"},
            [("servicequotas:GetServiceQuota", "servicequotas:ec2/L-1")],
        ),
        (
            "sts",
            "assume_role",
            {"RoleArn": ROLE, "RoleSessionName": "ci"},
            [("sts:AssumeRole", "iam:role/web-production-instances")],
        ),
        ("sts", "get_caller_identity", {}, []),
    ],
)
def test_a_call_of_another_service_is_judged_on_what_it_names(
    service: str, operation: str, parameters: dict[str, Any], expected: list[tuple[str, str]]
) -> None:
    models = FakeModels(keys={"alias/web": "arn:aws:kms:us-east-1:123456789012:key/k"})
    assert needs(service, operation, models, **parameters) == expected


def test_a_public_parameter_belongs_to_no_account() -> None:
    name = "/aws/service/debian/release/12/latest/amd64"
    (asked,) = questions("ssm", "get_parameter", Name=name)
    assert asked.resource == f"arn:aws:ssm:us-east-1::parameter{name}"


def test_a_command_is_judged_on_its_document_and_on_each_node() -> None:
    nodes = [f"arn:aws:ec2:us-east-1:123456789012:instance/i-{n}" for n in (1, 2)]
    document = "arn:aws:ssm:us-east-1::document/AWS-RunShellScript"
    models = FakeModels(tags_of={nodes[0]: {"App": "web"}})
    given: dict[str, Any] = {"DocumentName": "AWS-RunShellScript"}
    by_id = questions("ssm", "send_command", models, InstanceIds=["i-1", "i-2"], **given)
    assert [(each.action, each.resource) for each in by_id] == [
        ("ssm:SendCommand", resource) for resource in (document, *nodes)
    ]
    assert by_id[1].context["ssm:resourcetag/app"] == ("web",)
    by_tag = questions("ssm", "send_command", Targets=[{"Key": "tag:A", "Values": ["b"]}], **given)
    every = "arn:aws:ec2:us-east-1:123456789012:instance/*"
    assert [each.resource for each in by_tag] == [document, every]


def test_the_version_of_the_api_is_no_parameter() -> None:
    sent = b"Action=DeleteLaunchTemplate&Version=2016-11-15&LaunchTemplateName=web&Tag.1.Key=a"
    assert read(sent, "", is_json=False) == {"LaunchTemplateName": "web", "Tag": [{"Key": "a"}]}
