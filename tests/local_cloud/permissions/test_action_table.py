from __future__ import annotations

import functools
from collections.abc import Iterator

import botocore.session
import pytest
from moto.autoscaling.responses import AutoScalingResponse
from moto.cloudwatch.responses import CloudWatchResponse
from moto.core.responses import BaseResponse
from moto.core.utils import camelcase_to_underscores
from moto.ec2.responses import EC2Response
from moto.elb.responses import ELBResponse
from moto.elbv2.responses import ELBV2Response
from moto.iam.responses import IamResponse
from moto.kms.responses import KmsResponse
from moto.servicequotas.responses import ServiceQuotasResponse
from moto.ssm.responses import SimpleSystemManagerResponse
from moto.sts.responses import TokenResponse

from local_cloud.patches import install
from local_cloud.permissions import s3
from local_cloud.permissions.facts import action_table
from pipeline.core.permissions.table import TABLE

# botocore's name of a service -> the prefix of its actions, and where moto answers its calls.
SERVICES = {
    "autoscaling": ("autoscaling", AutoScalingResponse),
    "cloudwatch": ("cloudwatch", CloudWatchResponse),
    "ec2": ("ec2", EC2Response),
    "elb": ("elasticloadbalancing", ELBResponse),
    "elbv2": ("elasticloadbalancing", ELBV2Response),
    "iam": ("iam", IamResponse),
    "kms": ("kms", KmsResponse),
    "service-quotas": ("servicequotas", ServiceQuotasResponse),
    "ssm": ("ssm", SimpleSystemManagerResponse),
    "sts": ("sts", TokenResponse),
}
# Calls that are two actions, judged by code of their own.
OTHERS = {"kms:ReEncrypt"}
# Actions that are no calls of their own.
IMPLIED = {"iam:PassRole", "kms:ReEncryptFrom", "kms:ReEncryptTo"}


@functools.cache
def patched() -> frozenset[str]:
    return frozenset(each.name for each in install.every() if issubclass(each.owner, BaseResponse))


def answered(service: str) -> Iterator[str]:
    """Yield the actions of a service that the local cloud answers."""
    prefix, responses = SERVICES[service]
    for name in botocore.session.get_session().get_service_model(service).operation_names:
        method = camelcase_to_underscores(name)
        if hasattr(responses, method) or method in patched():
            yield f"{prefix}:{name}"


def mapped() -> set[str]:
    table = action_table()
    return {f"{service}:{action}" for service, actions in table.items() for action in actions}


@pytest.mark.parametrize("service", SERVICES)
def test_every_call_that_the_local_cloud_answers_is_mapped(service: str) -> None:
    calls = set(answered(service))
    assert calls
    assert calls - mapped() - OTHERS == set()


def test_every_action_that_the_product_terraform_and_packer_need_is_mapped() -> None:
    needed = {action for row in TABLE for action in row.actions}
    assert len(needed) > 50
    of_s3 = {f"s3:{verb}{kind}" for kind in s3.OF_BUCKETS.values() for verb in ("Get", "Put")}
    of_s3 |= {f"s3:{name}" for name in s3.LISTS.values()}
    objects = {"s3:GetObject", "s3:GetObjectVersion", "s3:PutObject", "s3:DeleteObject"}
    unknown = needed - mapped() - of_s3 - objects - {"s3:ListBucket"} - IMPLIED
    assert unknown == set()


def test_auto_scaling_judges_reads_without_resources_and_writes_on_their_group() -> None:
    table = action_table()["autoscaling"]
    reads = {name for name in table if name.startswith("Describe")}
    assert all(table[name] == () for name in reads)
    assert [kind.name for kind in table["UpdateAutoScalingGroup"]] == ["autoScalingGroup"]
