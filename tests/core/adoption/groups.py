"""Running groups for tests of their adoption."""

from __future__ import annotations

import base64
from typing import Any

from pipeline.core.adoption.model import RunningGroup

ARN = "arn:aws:elasticloadbalancing:eu-central-1:123456789012:targetgroup/web/0123456789abcdef"
GROUP: dict[str, Any] = {
    "AutoScalingGroupName": "web-asg",
    "AutoScalingGroupARN": "arn:aws:autoscaling:eu-central-1:123456789012:autoScalingGroup:1:x",
    "MinSize": 2,
    "MaxSize": 6,
    "DesiredCapacity": 3,
    "TargetGroupARNs": [ARN],
    "TrafficSources": [{"Identifier": ARN, "Type": "elbv2"}],
    "HealthCheckType": "ELB",
    "HealthCheckGracePeriod": 90,
    "VPCZoneIdentifier": "subnet-0a1, subnet-0b2",
    "TerminationPolicies": ["Default"],
}
LAUNCH: dict[str, Any] = {
    "ImageId": "ami-0123456789abcdef0",
    "InstanceType": "t3.small",
    "SecurityGroupIds": ["sg-0c3"],
    "MetadataOptions": {"HttpTokens": "required"},
}


def encoded(text: str) -> str:
    """Return user data as AWS describes it."""
    return base64.b64encode(text.encode()).decode()


def a_group(
    group: dict[str, Any] | None = None, launch: dict[str, Any] | None = None, **more: Any
) -> RunningGroup:
    """Return a group that a release can be like, with some keys changed."""
    given: dict[str, Any] = {"source": "launch template web version 3", **more}
    return RunningGroup(group=GROUP | (group or {}), launch=LAUNCH | (launch or {}), **given)
