from __future__ import annotations

from typing import Any

import pytest
from botocore.loaders import create_loader

from pipeline.core.permissions.scope import arn, domain_of, ec2_services, key_arns, partition_of

PARTITIONS: list[dict[str, Any]] = create_loader().load_data("partitions")["partitions"]


@pytest.mark.parametrize("partition", PARTITIONS, ids=lambda each: each["id"])
def test_the_partition_and_domain_of_every_region_are_those_of_botocore(
    partition: dict[str, Any],
) -> None:
    for region in partition["regions"]:
        if not region.endswith("-global"):
            assert partition_of(region) == partition["id"]
            assert domain_of(region) == partition["outputs"]["dnsSuffix"]


def test_an_arn_is_of_the_partition_of_its_region() -> None:
    assert arn("ec2", "cn-north-1", "1", "vpc/*") == "arn:aws-cn:ec2:cn-north-1:1:vpc/*"


def test_ec2_receives_roles_by_two_names_in_china() -> None:
    assert ec2_services("eu-central-1") == ("ec2.amazonaws.com",)
    assert ec2_services("cn-north-1") == ("ec2.amazonaws.com", "ec2.amazonaws.com.cn")


def test_a_key_is_named_by_arn_or_id_and_an_alias_stands_for_any_key() -> None:
    given = ("arn:aws:kms:eu-central-1:2:key/a", "b", "alias/c", "arn:aws:kms:x:2:alias/d")
    assert [*key_arns("eu-central-1", "1", given)] == [
        "arn:aws:kms:eu-central-1:2:key/a",
        "arn:aws:kms:eu-central-1:1:key/b",
        "arn:aws:kms:eu-central-1:1:key/*",
        "arn:aws:kms:eu-central-1:1:key/*",
    ]
