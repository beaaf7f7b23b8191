from __future__ import annotations

import urllib.error
from typing import TYPE_CHECKING, Any

import boto3
import botocore.config
import pytest
from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from tests.running_cloud import Cloud

SESSION = "arn:aws:sts::123456789012:assumed-role/{role}/local-cloud"
WHO = f"User: {SESSION} is not authorized to perform:"
ARN = "arn:aws:autoscaling:us-east-1:123456789012:autoScalingGroup:*:autoScalingGroupName"


def policy(*statements: dict[str, Any]) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": list(statements)}


def allow(*actions: str, resource: str = "*", **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": list(actions), "Resource": resource, **more}


def client(
    cloud: Cloud, service: str, credentials: dict[str, str], *, token: str | None = None
) -> Any:
    make: Any = boto3.client
    return make(
        service,
        region_name="us-east-1",
        endpoint_url=cloud.endpoint,
        aws_access_key_id=credentials["AccessKeyId"],
        aws_secret_access_key=credentials["SecretAccessKey"],
        aws_session_token=credentials["SessionToken"] if token is None else token or None,
        config=botocore.config.Config(retries={"total_max_attempts": 1}),
    )


def acting(cloud: Cloud, role: str, service: str, *statements: dict[str, Any]) -> Any:
    cloud.client.set_role(role, policy(*statements))
    return client(cloud, service, cloud.client.assume(role))


def refusal(call: Any, **parameters: Any) -> tuple[int, str, str]:
    with pytest.raises(ClientError) as caught:
        call(**parameters)
    answer = caught.value.response
    error = answer["Error"]
    return answer["ResponseMetadata"]["HTTPStatusCode"], error["Code"], error["Message"]


def test_ec2_says_what_is_not_authorized(cloud: Cloud) -> None:
    ec2 = acting(cloud, "ec2-none", "ec2", allow("s3:*"))
    who = f"You are not authorized to perform this operation. {WHO.format(role='ec2-none')}"
    denied = (
        f"{who} ec2:DescribeVpcs because no identity-based policy allows the ec2:DescribeVpcs "
        "action"
    )
    assert refusal(ec2.describe_vpcs) == (403, "UnauthorizedOperation", denied)
    status, code, text = refusal(ec2.create_vpc, CidrBlock="10.9.0.0/16")
    assert (status, code) == (403, "UnauthorizedOperation")
    text, _, encoded = text.partition(" Encoded authorization failure message: ")
    assert text == (
        f"{who} ec2:CreateVpc on resource: arn:aws:ec2:us-east-1:123456789012:vpc/* because no "
        "identity-based policy allows the ec2:CreateVpc action."
    )
    assert len(encoded) > 200


def test_auto_scaling_denies_before_it_says_that_a_group_does_not_exist(cloud: Cloud) -> None:
    ours = f"{ARN}/web-production-r*"
    groups = acting(cloud, "asg", "autoscaling", allow("autoscaling:*", resource=ours))
    update = groups.update_auto_scaling_group
    assert refusal(update, AutoScalingGroupName="web-production-r000000", MinSize=0) == (
        400,
        "ValidationError",
        "AutoScalingGroup name not found - null",
    )
    denied = (
        f"{WHO.format(role='asg')} autoscaling:UpdateAutoScalingGroup on resource: "
        f"{ARN}/web-staging-r000000 because no identity-based policy allows the "
        "autoscaling:UpdateAutoScalingGroup action"
    )
    refused = refusal(update, AutoScalingGroupName="web-staging-r000000", MinSize=0)
    assert refused == (403, "AccessDenied", denied)


def test_an_explicit_denial_is_named(cloud: Cloud) -> None:
    deny = {"Effect": "Deny", "Action": "autoscaling:Describe*", "Resource": "*"}
    groups = acting(cloud, "asg-deny", "autoscaling", allow("*"), deny)
    denied = (
        f"{WHO.format(role='asg-deny')} autoscaling:DescribeAutoScalingGroups with an explicit "
        "deny in an identity-based policy"
    )
    assert refusal(groups.describe_auto_scaling_groups) == (403, "AccessDenied", denied)


def test_other_services_answer_in_their_own_form(cloud: Cloud) -> None:
    cloud.client.set_role("none", policy(allow("ec2:*")))
    made = cloud.client.assume("none")
    who = WHO.format(role="none")
    because = "because no identity-based policy allows the"
    assert refusal(client(cloud, "s3", made).put_object, Bucket="b", Key="k") == (
        403,
        "AccessDenied",
        f'{who} s3:PutObject on resource: "arn:aws:s3:::b/k" {because} s3:PutObject action',
    )
    assert refusal(client(cloud, "s3", made).head_bucket, Bucket="b") == (403, "403", "Forbidden")
    assert refusal(client(cloud, "iam", made).get_role, RoleName="web") == (
        403,
        "AccessDenied",
        f"{who} iam:GetRole on resource: role web {because} iam:GetRole action",
    )
    assert refusal(client(cloud, "kms", made).list_keys) == (
        400,
        "AccessDeniedException",
        f"{who} kms:ListKeys {because} kms:ListKeys action",
    )
    status, code, _ = refusal(client(cloud, "cloudwatch", made).list_metrics)
    assert (status, code) == (403, "AccessDenied")
    topic = "arn:aws:sns:us-east-1:123456789012:told"
    assert refusal(client(cloud, "sns", made).publish, TopicArn=topic, Message="m") == (
        403,
        "AuthorizationError",
        f"{who} SNS:Publish on resource: {topic} {because} SNS:Publish action",
    )
    balancers = client(cloud, "elbv2", made)
    assert refusal(balancers.describe_load_balancers)[1] == "AccessDenied"


def test_a_group_needs_the_permission_to_launch_from_its_template(cloud: Cloud) -> None:
    template = cloud.aws("ec2").create_launch_template(
        LaunchTemplateName="judged", LaunchTemplateData={"ImageId": cloud.base_image()}
    )["LaunchTemplate"]["LaunchTemplateId"]
    groups = acting(cloud, "no-launch", "autoscaling", allow("autoscaling:*"))
    group = {
        "AutoScalingGroupName": "judged",
        "MinSize": 0,
        "MaxSize": 0,
        "AvailabilityZones": ["us-east-1a"],
    }
    create = groups.create_auto_scaling_group
    assert refusal(create, **group, LaunchTemplate={"LaunchTemplateId": template}) == (
        403,
        "AccessDenied",
        f"You are not authorized to use launch template: {template}",
    )
    unknown = refusal(create, **group, LaunchTemplate={"LaunchTemplateName": "missing"})
    assert unknown[:2] == (400, "ValidationError")


def test_the_caller_of_a_role_is_its_session_whatever_the_policy_says(cloud: Cloud) -> None:
    sts = acting(cloud, "caller", "sts", {"Effect": "Deny", "Action": "*", "Resource": "*"})
    assert sts.get_caller_identity()["Arn"].endswith(":assumed-role/caller/local-cloud")


def test_an_object_that_may_not_be_listed_is_forbidden_instead_of_missing(cloud: Cloud) -> None:
    cloud.aws("s3").create_bucket(Bucket="judged")
    only_objects = allow("s3:GetObject", resource="arn:aws:s3:::judged/*")
    s3 = acting(cloud, "objects", "s3", only_objects)
    assert refusal(s3.get_object, Bucket="judged", Key="k")[:2] == (403, "AccessDenied")
    s3 = acting(cloud, "objects", "s3", only_objects, allow("s3:ListBucket"))
    assert refusal(s3.get_object, Bucket="judged", Key="k")[:2] == (404, "NoSuchKey")


def test_a_condition_on_tags_reads_the_resource(cloud: Cloud) -> None:
    ec2 = cloud.aws("ec2")
    tag = [{"Key": "app", "Value": "web"}]
    ids = [
        ec2.create_launch_template(
            LaunchTemplateName=f"tagged-{len(tags)}",
            LaunchTemplateData={"InstanceType": "t3.micro"},
            TagSpecifications=[{"ResourceType": "launch-template", "Tags": tags}] if tags else [],
        )["LaunchTemplate"]["LaunchTemplateId"]
        for tags in (tag, [])
    ]
    ours = {"StringEquals": {"aws:ResourceTag/app": "web"}}
    delete = acting(
        cloud, "tags", "ec2", allow("ec2:DeleteLaunchTemplate", Condition=ours)
    ).delete_launch_template
    assert refusal(delete, LaunchTemplateId=ids[1])[1] == "UnauthorizedOperation"
    assert refusal(delete, LaunchTemplateId=ids[0], DryRun=True)[:2] == (412, "DryRunOperation")
    delete(LaunchTemplateId=ids[0])


def test_a_condition_on_the_tags_of_a_role_reads_the_role(cloud: Cloud) -> None:
    cloud.aws("iam").create_role(
        RoleName="tagged",
        AssumeRolePolicyDocument="{}",
        Tags=[{"Key": "App", "Value": "web"}],
    )
    for value, expected in (("web", True), ("api", False)):
        ours = {"StringEquals": {"iam:ResourceTag/App": value}}
        iam = acting(cloud, "role-tags", "iam", allow("iam:GetRole", Condition=ours))
        if expected:
            assert iam.get_role(RoleName="tagged")["Role"]["RoleName"] == "tagged"
        else:
            assert refusal(iam.get_role, RoleName="tagged")[1] == "AccessDenied"


def test_a_denied_dry_run_says_so_and_an_allowed_one_changes_nothing(cloud: Cloud) -> None:
    launch = {"ImageId": cloud.base_image(), "MinCount": 1, "MaxCount": 1, "DryRun": True}
    before = len(cloud.aws("ec2").describe_instances()["Reservations"])
    ec2 = acting(cloud, "dry", "ec2", allow("ec2:Describe*"))
    assert refusal(ec2.run_instances, **launch)[1] == "UnauthorizedOperation"
    ec2 = acting(cloud, "dry", "ec2", allow("ec2:RunInstances"))
    assert refusal(ec2.run_instances, **launch) == (
        412,
        "DryRunOperation",
        "Request would have succeeded, but DryRun flag is set.",
    )
    assert len(cloud.aws("ec2").describe_instances()["Reservations"]) == before


@pytest.mark.parametrize(
    ("service", "operation", "expected"),
    [
        ("ec2", "describe_vpcs", (400, "RequestExpired", "Request has expired.")),
        (
            "autoscaling",
            "describe_auto_scaling_groups",
            (403, "ExpiredToken", "The security token included in the request is expired"),
        ),
        ("s3", "list_buckets", (400, "ExpiredToken", "The provided token has expired.")),
        (
            "kms",
            "list_keys",
            (400, "ExpiredTokenException", "The security token included in the request is expired"),
        ),
    ],
)
def test_a_session_that_has_ended_is_expired(
    cloud: Cloud, service: str, operation: str, expected: tuple[int, str, str]
) -> None:
    cloud.client.set_role("short", policy(allow("*")))
    call = getattr(client(cloud, service, cloud.client.assume("short")), operation)
    call()
    assert cloud.client.expire_sessions("short") == 1
    assert refusal(call) == expected


@pytest.mark.parametrize(
    ("service", "operation", "code"),
    [
        ("ec2", "describe_vpcs", "AuthFailure"),
        ("autoscaling", "describe_auto_scaling_groups", "InvalidClientTokenId"),
        ("s3", "list_buckets", "InvalidAccessKeyId"),
        ("kms", "list_keys", "UnrecognizedClientException"),
    ],
)
def test_a_session_needs_its_token(cloud: Cloud, service: str, operation: str, code: str) -> None:
    cloud.client.set_role("token", policy(allow("*")))
    made = cloud.client.assume("token")
    for token in ("", "another"):
        assert refusal(getattr(client(cloud, service, made, token=token), operation))[1] == code


def test_a_role_is_assumed_and_assumed_again_with_the_default_key(cloud: Cloud) -> None:
    cloud.client.set_role("assumed", policy(allow("ec2:DescribeVpcs")), seconds=2000)
    sts = cloud.aws("sts")
    arn = "arn:aws:iam::123456789012:role/assumed"
    made = sts.assume_role(RoleArn=arn, RoleSessionName="ci")
    ec2 = client(cloud, "ec2", made["Credentials"])
    assert ec2.describe_vpcs()["Vpcs"]
    assert refusal(ec2.describe_subnets)[1] == "UnauthorizedOperation"
    assert made["AssumedRoleUser"]["Arn"].endswith(":assumed-role/assumed/ci")
    cloud.client.expire_sessions("assumed")
    again = sts.assume_role(RoleArn=arn, RoleSessionName="ci", DurationSeconds=900)
    assert client(cloud, "ec2", again["Credentials"]).describe_vpcs()["Vpcs"]
    longer = made["Credentials"]["Expiration"] - again["Credentials"]["Expiration"]
    assert 1000 < longer.total_seconds() < 1200
    assert refusal(sts.assume_role, RoleArn=arn, RoleSessionName="ci", DurationSeconds=7200) == (
        400,
        "ValidationError",
        "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.",
    )


def test_the_client_lists_what_was_asked_and_denied(cloud: Cloud) -> None:
    cloud.client.forget_permissions()
    ec2 = acting(cloud, "listed", "ec2", allow("ec2:DescribeVpcs"))
    ec2.describe_vpcs()
    ec2.describe_vpcs()
    refusal(ec2.describe_subnets)
    assert cloud.client.asked_permissions() == [
        {"role": "listed", "action": "ec2:DescribeSubnets", "resource": "*", "times": 1},
        {"role": "listed", "action": "ec2:DescribeVpcs", "resource": "*", "times": 2},
    ]
    assert cloud.client.denials() == [
        {
            "role": "listed",
            "call": "ec2:DescribeSubnets",
            "action": "ec2:DescribeSubnets",
            "resource": "*",
            "decision": "not allowed",
        }
    ]
    cloud.client.forget_permissions()
    assert cloud.client.denials() == cloud.client.asked_permissions() == []


def test_an_invalid_policy_and_an_unknown_role_are_refused(cloud: Cloud) -> None:
    with pytest.raises(urllib.error.HTTPError) as caught:
        cloud.client.set_role("bad", {"Statement": [allow("nonsense")]})
    assert b"Action is SERVICE:NAME or *" in caught.value.read()
    with pytest.raises(urllib.error.HTTPError) as caught:
        cloud.client.assume("missing")
    assert b"there is no role 'missing'" in caught.value.read()
