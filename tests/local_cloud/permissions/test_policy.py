from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from local_cloud.permissions.conditions import PolicyError
from local_cloud.permissions.policy import (
    Decision,
    Policy,
    Question,
    read_file,
    read_policy,
)
from tests.local_cloud.permissions.asking import FakeModels, questions

AMI, SNAPSHOT = "ami-0123456789abcdef0", "snap-0123456789abcdef0"
GROUP = (
    "arn:aws:autoscaling:us-east-1:123456789012:autoScalingGroup:"
    "11111111-2222:autoScalingGroupName/web-production-r000001"
)


def policy(*statements: dict[str, Any]) -> Policy:
    return read_policy({"Version": "2012-10-17", "Statement": list(statements)})


def allow(
    action: str | list[str] = "*", resource: str | list[str] = "*", **more: Any
) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


def asked(action: str, resource: str = "*", **context: str) -> Question:
    return Question(
        action=action,
        resource=resource,
        context={key.replace("__", ":"): (value,) for key, value in context.items()},
    )


def test_what_no_statement_allows_is_denied() -> None:
    assert policy(allow("ec2:Describe*")).decide(asked("ec2:RunInstances")) is Decision.NOT_ALLOWED


@pytest.mark.parametrize(
    ("action", "question"),
    [
        ("*", "ec2:RunInstances"),
        ("ec2:*", "ec2:RunInstances"),
        ("EC2:runinstances", "ec2:RunInstances"),
        ("ec2:Run?nstances", "ec2:RunInstances"),
        (["s3:*", "ec2:Run*"], "ec2:RunInstances"),
    ],
)
def test_actions_match_by_wildcards_and_regardless_of_case(
    action: str | list[str], question: str
) -> None:
    assert policy(allow(action)).decide(asked(question)) is Decision.ALLOWED


@pytest.mark.parametrize(
    ("resource", "matches"),
    [
        ("*", True),
        (GROUP, True),
        (GROUP.replace("11111111-2222", "*").replace("r000001", "r*"), True),
        ("arn:aws:autoscaling:*:123456789012:*", True),
        (GROUP.replace("production", "staging"), False),
        ("arn:aws:autoscaling:*", False),
    ],
)
def test_resources_match_part_by_part(resource: str, matches: bool) -> None:
    if resource == "arn:aws:autoscaling:*":
        with pytest.raises(PolicyError):
            policy(allow(resource=resource))
        return
    decision = policy(allow(resource=resource)).decide(asked("autoscaling:X", GROUP))
    assert (decision is Decision.ALLOWED) == matches


def test_an_action_without_resources_needs_a_statement_for_all_resources() -> None:
    limited = policy(allow("autoscaling:*", "arn:aws:autoscaling:*:*:*"))
    assert limited.decide(asked("autoscaling:DescribeTags")) is Decision.NOT_ALLOWED


def test_an_explicit_denial_wins() -> None:
    denied = policy(allow(), {"Effect": "Deny", "Action": "ec2:Run*", "Resource": "*"})
    assert denied.decide(asked("ec2:RunInstances")) is Decision.DENIED
    assert denied.decide(asked("ec2:StopInstances")) is Decision.ALLOWED


def test_all_but_the_named_actions_and_resources_can_be_meant() -> None:
    read_only = policy({"Effect": "Allow", "NotAction": "iam:*", "NotResource": GROUP})
    assert read_only.decide(asked("ec2:RunInstances")) is Decision.ALLOWED
    assert read_only.decide(asked("iam:PassRole")) is Decision.NOT_ALLOWED
    assert read_only.decide(asked("autoscaling:DeletePolicy", GROUP)) is Decision.NOT_ALLOWED


def test_a_statement_applies_only_if_all_its_conditions_hold() -> None:
    both = {
        "StringEquals": {"aws:ResourceTag/app": "web"},
        "StringLike": {"ec2:CreateAction": ["Run*", "Create*"]},
    }
    tagging = policy(allow("ec2:CreateTags", Condition=both))
    question = asked("ec2:CreateTags", "*", **{"aws:resourcetag/app": "web"})
    assert tagging.decide(question) is Decision.NOT_ALLOWED
    question = asked(
        "ec2:CreateTags",
        "*",
        **{"aws:resourcetag/app": "web", "ec2:createaction": "RunInstances"},
    )
    assert tagging.decide(question) is Decision.ALLOWED


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        ([], "not a policy: it has no Statement"),
        ({"Version": "2020-01-01", "Statement": []}, "Version is one of 2012-10-17, 2008-10-17"),
        ({"Statement": [], "Principal": "*"}, "unknown element Principal"),
        ({"Statement": [{"Effect": "Maybe"}]}, "statement 1: Effect is Allow or Deny"),
        ({"Statement": {"Effect": "Allow"}}, "exactly one of Action and NotAction is needed"),
        ({"Statement": [allow(Principal="*")]}, "statement 1: unknown element Principal"),
        ({"Statement": [allow("RunInstances")]}, "Action is SERVICE:NAME or *, not 'RunInstances'"),
        ({"Statement": [allow(resource="web")]}, "Resource is an ARN or *, not 'web'"),
        ({"Statement": [allow(resource="arn:aws:s3:::${aws:username}")]}, "policy variables"),
        (
            {
                "Statement": [
                    allow(Sid="Mfa", Condition={"Bool": {"aws:MultiFactorAuthPresent": "true"}})
                ]
            },
            "does not support the condition key aws:MultiFactorAuthPresent; it supports aws:",
        ),
        (
            {"Statement": [allow(Condition={"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}})]},
            "does not support the condition operator IpAddress; it supports StringEquals, ",
        ),
        (
            {"Statement": [allow(Condition={"StringEquals": "web"})]},
            "statement 1: Condition is not an object of operators",
        ),
    ],
)
def test_an_unsupported_policy_is_refused_when_it_is_read(document: Any, reason: str) -> None:
    with pytest.raises(PolicyError) as caught:
        read_policy(document)
    assert reason in str(caught.value)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    broken = tmp_path / "policy.json"
    broken.write_text("{")
    for path in (tmp_path / "missing.json", broken):
        with pytest.raises(PolicyError, match=str(path)):
            read_file(path)


def test_the_policies_in_the_documentation_are_supported() -> None:
    for name in ("bake", "deploy", "prune", "read"):
        read_file(Path(__file__).parents[3] / f"docs/ci/iam/{name}.json")


@pytest.mark.parametrize(
    ("app", "operation", "named", "decision"),
    [
        ("web", "deregister_image", {"ImageId": AMI}, Decision.ALLOWED),
        ("web", "delete_snapshot", {"SnapshotId": SNAPSHOT}, Decision.ALLOWED),
        ("shop", "deregister_image", {"ImageId": AMI}, Decision.NOT_ALLOWED),
        ("shop", "delete_snapshot", {"SnapshotId": SNAPSHOT}, Decision.NOT_ALLOWED),
        ("", "delete_snapshot", {"SnapshotId": SNAPSHOT}, Decision.NOT_ALLOWED),
        ("shop", "list_images_in_recycle_bin", {}, Decision.ALLOWED),
        ("shop", "describe_snapshot_attribute", {"SnapshotId": SNAPSHOT}, Decision.ALLOWED),
    ],
)
def test_a_prune_removes_only_what_has_the_tag_of_its_app(
    app: str, operation: str, named: dict[str, str], decision: Decision
) -> None:
    text = (Path(__file__).parents[3] / "docs/ci/iam/prune.json").read_text()
    printed = read_policy(json.loads(text.replace("eu-central-1", "us-east-1")))
    tags = {"ami-pipeline:app": app} if app else {}
    kinds = {"image": AMI, "snapshot": SNAPSHOT}
    arns = (f"arn:aws:ec2:us-east-1::{kind}/{name}" for kind, name in kinds.items())
    models = FakeModels(tags_of=dict.fromkeys(arns, tags))
    more = {"Attribute": "createVolumePermission"} if "attribute" in operation else {}
    asked = questions("ec2", operation, models, **{**named, **more})
    assert [printed.decide(each) for each in asked] == [decision]
