"""The actions that the page of permissions lists for a deployment, beside recorded ones."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

PAGE = Path(__file__).resolve().parents[2] / "docs/reference/permissions.md"
OWN = "ami-pipeline"
SERVICES = {"elb": "elasticloadbalancing", "elbv2": "elasticloadbalancing"}
ACTIONS = {"s3:ListObjects": "s3:ListBucket", "s3:HeadObject": "s3:GetObject"}
"""IAM's names where they differ from those of the local cloud."""
ALLOWED = {"sts:GetCallerIdentity"}
"""AWS never denies it, so no policy lists it."""
ELSEWHERE = {
    "autoscaling:DescribeLaunchConfigurations": "adopt",
    "cloudwatch:GetMetricData": "an analysis",
    "ec2:DescribeInstances": "images, a failed group",
    "ec2:DescribeLaunchTemplateVersions": "images",
    "ec2:GetConsoleOutput": "a failed group",
    "elasticloadbalancing:AddTags": "adopt --pair",
    "elasticloadbalancing:CreateListener": "adopt --pair",
    "elasticloadbalancing:CreateTargetGroup": "adopt --pair",
    "elasticloadbalancing:DescribeRules": "a target group behind a rule, a pair",
    "elasticloadbalancing:DescribeTags": "adopt --pair",
    "elasticloadbalancing:ModifyListener": "a pair",
    "elasticloadbalancing:ModifyRule": "a pair",
    "elasticloadbalancing:ModifyTargetGroupAttributes": "adopt --pair",
    "kms:Decrypt": "S3 itself",
    "kms:GenerateDataKey": "S3 itself",
    "s3:GetBucketPublicAccessBlock": "doctor",
    "s3:GetBucketVersioning": "doctor",
    "s3:GetEncryptionConfiguration": "doctor",
    "s3:GetObjectVersion": "state show",
    "s3:ListBucketVersions": "state show",
    "sns:Publish": "notifications",
    "ssm:CancelCommand": "a hook in instances",
    "ssm:GetCommandInvocation": "a hook in instances",
    "ssm:DescribeInstanceInformation": "a failed group",
    "ssm:SendCommand": "a hook in instances",
}
"""Actions of the table that neither `promote` nor `rollback` calls, and what does."""


def documented(by: str = "") -> set[str]:
    """Return the actions of a deployment, all of them or those of one program."""
    table = PAGE.read_text().partition("<!-- table: deploy -->")[2].partition("<!-- end -->")[0]
    rows = [line.split("|") for line in table.splitlines() if line.startswith("|")]
    return {
        action
        for row in rows
        if not by or row[2].strip() == by
        for action in re.findall(r"`(\w+:\w+)`", row[4])
    }


def names(calls: Iterable[tuple[str, str]]) -> set[str]:
    """Return calls by the names that IAM has for them."""
    found = {f"{SERVICES.get(service, service)}:{action}" for service, action in calls}
    return {ACTIONS.get(each, each) for each in found} - ALLOWED


def differences(calls: Iterable[tuple[str, str]]) -> Iterator[str]:
    """Yield what was called and is not listed, and what is listed and was not called."""
    called = names(calls)
    for each in sorted(called - documented()):
        yield f"{each} is called, but {PAGE.name} does not list it"
    for each in sorted(documented(OWN) - called - ELSEWHERE.keys()):
        yield f"{each} is listed in {PAGE.name}, but neither command calls it"
