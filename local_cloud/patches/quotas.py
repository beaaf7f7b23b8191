"""Refuse what exceeds a quota, in the words of each service, and tell the quotas.

moto has no quotas but the numbers that some calls return.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from moto.autoscaling.exceptions import AutoscalingClientError
from moto.autoscaling.models import AutoScalingBackend
from moto.ec2.exceptions import EC2ClientError
from moto.ec2.models.instance_types import INSTANCE_TYPES
from moto.ec2.models.instances import InstanceBackend
from moto.ec2.models.launch_templates import LaunchTemplateBackend
from moto.elbv2.exceptions import ELBClientError
from moto.elbv2.responses import ELBV2Response
from moto.servicequotas.models import ServiceQuotasBackend

from local_cloud.patches.context import Context
from local_cloud.patches.ec2 import template_launches
from local_cloud.patches.patching import patch

if TYPE_CHECKING:
    from collections.abc import Callable

VCPUS = "L-1216C47A"  # "Running On-Demand Standard (A, C, D, H, I, M, R, T, Z) instances"
STANDARD = re.compile(r"(?:a|c|d|h|i|m|r|t|z)\d", re.IGNORECASE)
RUNNING = frozenset({"pending", "running"})


# RunInstances: VcpuLimitExceeded if the vCPUs of the running instances would exceed the quota (EC2
# API error codes; the words are those of scrapoxy/scrapoxy#202 and kubernetes/kops#15778).
@patch(InstanceBackend, "run_instances")
def run_instances(
    context: Context,
    original: Callable[..., Any],
    backend: Any,
    image_id: str,
    count: int,
    *arguments: Any,
    **named: Any,
) -> Any:
    """Launch, unless that needs more vCPUs than the quota leaves."""
    data = template_launches.template_of(backend, named)
    wanted = count * vcpus(template_launches.type_of(data, named))
    limit = context.cloud.quotas.limit("vcpus")
    if wanted and used_vcpus(backend) + wanted > limit:
        raise EC2ClientError(
            "VcpuLimitExceeded",
            f"You have requested more vCPU capacity than your current vCPU limit of {limit} allows "
            "for the instance bucket that the specified instance type belongs to. Please visit "
            "http://aws.amazon.com/contact-us/ec2-request to request an adjustment to this limit.",
        )
    return original(backend, image_id, count, *arguments, **named)


def used_vcpus(backend: Any) -> int:
    """Return the vCPUs of the running instances of a region."""
    running = (each for each in backend.all_instances() if each.state in RUNNING)
    return sum(vcpus(each.instance_type) for each in running)


def vcpus(instance_type: str) -> int:
    """Return the vCPUs of a type that count toward the quota of standard instances."""
    if not STANDARD.match(instance_type):
        return 0
    return int(INSTANCE_TYPES.get(instance_type, {}).get("VCpuInfo", {}).get("DefaultVCpus", 1))


# CreateLaunchTemplate: MaxTemplateLimitExceeded (aws/karpenter-provider-aws#8686).
@patch(LaunchTemplateBackend, "create_launch_template")
def create_template(
    context: Context, original: Callable[..., Any], backend: Any, *arguments: Any, **named: Any
) -> Any:
    """Create a launch template, unless there are too many."""
    if len(backend.launch_templates) >= context.cloud.quotas.limit("launch-templates"):
        raise EC2ClientError(
            "MaxTemplateLimitExceeded", "Account has already reached max permitted templates"
        )
    return original(backend, *arguments, **named)


# CreateAutoScalingGroup: LimitExceeded (API Reference, whose sentence this is).
@patch(AutoScalingBackend, "create_auto_scaling_group")
def create_group(
    context: Context, original: Callable[..., Any], backend: Any, *arguments: Any, **named: Any
) -> Any:
    """Create a group, unless there are too many."""
    if len(backend.autoscaling_groups) >= context.cloud.quotas.limit("groups"):
        raise AutoscalingClientError(
            "LimitExceeded",
            "You have already reached a limit for your Amazon EC2 Auto Scaling resources (for "
            "example, Auto Scaling groups, launch configurations, or lifecycle hooks).",
        )
    return original(backend, *arguments, **named)


# RegisterTargets: TooManyTargets, all or none (API Reference; the words are those of
# kubernetes/kubernetes#86441).
@patch(ELBV2Response, "register_targets")
def register_targets(context: Context, original: Callable[..., Any], response: Any) -> Any:
    """Register targets, unless the target group or its load balancer has too many."""
    arn = response._get_param("TargetGroupArn")  # noqa: SLF001  moto's accessor
    group = response.elbv2_backend.target_groups.get(arn)
    count = len(response._get_param("Targets", []))  # noqa: SLF001  the same
    if group and (message := too_many(context, response.elbv2_backend, group, count)):
        raise ELBClientError("TooManyTargets", message)
    return original(response)


def too_many(context: Context, backend: Any, group: Any, count: int) -> str:
    """Return why a target group takes no `count` more targets, empty if it does."""
    quotas = context.cloud.quotas
    most = quotas.limit("targets-per-target-group")
    if len(group.targets) + count > most:
        return (
            f"The maximum number of targets per target group '{most}' has been reached on target "
            f"group '{group.arn}'"
        )
    most = quotas.limit("targets-per-load-balancer")
    for balancer in group.load_balancer_arns:
        if registered(backend, balancer) + count > most:
            return (
                f"The maximum number of targets per load balancer '{most}' has been reached on "
                f"load balancer '{balancer}'"
            )
    return ""


def registered(backend: Any, balancer: str) -> int:
    """Return how many targets the target groups of a load balancer have."""
    groups = backend.target_groups.values()
    return sum(len(each.targets) for each in groups if balancer in each.load_balancer_arns)


# DescribeAccountLimits (API Reference of ELBv2, data type Limit): moto has numbers of long ago.
@patch(ELBV2Response, "describe_account_limits")
def describe_balancer_limits(context: Context, original: Callable[..., Any], response: Any) -> Any:
    """Return the quotas of load balancers."""
    answer = original(response)
    quotas = context.cloud.quotas
    own = {
        "targets-per-target-group": quotas.limit("targets-per-target-group"),
        "targets-per-application-load-balancer": quotas.limit("targets-per-load-balancer"),
        "targets-per-network-load-balancer": quotas.limit("targets-per-load-balancer"),
    }
    others = [each for each in answer.result["Limits"] if each["Name"] not in own]
    answer.result["Limits"] = [
        *({"Name": each["Name"], "Max": str(each["Max"])} for each in others),
        *({"Name": name, "Max": str(most)} for name, most in own.items()),
    ]
    return answer


# GetServiceQuota of EC2's vCPUs (Service Quotas API Reference); moto only knows those of VPC.
@patch(ServiceQuotasBackend, "get_service_quota")
def get_service_quota(
    context: Context,
    original: Callable[..., Any],
    backend: Any,
    service_code: str,
    quota_code: str,
) -> Any:
    """Return a quota."""
    if (service_code, quota_code) != ("ec2", VCPUS):
        return original(backend, service_code, quota_code)
    return {
        "ServiceCode": "ec2",
        "ServiceName": "Amazon Elastic Compute Cloud (Amazon EC2)",
        "QuotaArn": f"arn:aws:servicequotas:{backend.region_name}:{backend.account_id}:ec2/{VCPUS}",
        "QuotaCode": VCPUS,
        "QuotaName": "Running On-Demand Standard (A, C, D, H, I, M, R, T, Z) instances",
        "Value": float(context.cloud.quotas.limit("vcpus")),
        "Unit": "None",
        "Adjustable": True,
        "GlobalQuota": False,
    }
