"""The local cloud answers with the keys, forms and enumerations of AWS's recorded answers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests import running_cloud
from tools.recorded_shapes import account, differences, shapes

ROOT = Path(__file__).parents[2]

if TYPE_CHECKING:
    from collections.abc import Sequence


@pytest.mark.long
def test_answers_have_the_keys_and_forms_of_recorded_ones(tmp_path: Path) -> None:
    with running_cloud.a_cloud(tmp_path / "cloud") as cloud:
        local = account.answers(cloud.endpoint)
    recorded = shapes.read(ROOT / "tests" / "recorded")
    assert set(recorded) <= set(local)
    found = differences.unexplained(differences.differences(recorded, local))
    assert found == [], "\n".join(map(str, found))


def test_a_missing_key_another_form_and_an_unknown_enumeration_are_reported() -> None:
    aws = {"Images": [{"ImageId": "ami-0123456789abcdef0", "State": "available", "Name": "web"}]}
    here = {"Images": [{"ImageId": "web", "State": "almost", "ProductCodes": []}]}
    found = differences.differences({"ec2.DescribeImages": [aws]}, {"ec2.DescribeImages": [here]})
    assert [str(each).split(maxsplit=1) for each in found] == [
        ["missing", "ec2.DescribeImages: Images[].Name"],
        ["extra", "ec2.DescribeImages: Images[].ProductCodes"],
        ["form", "ec2.DescribeImages: Images[].ImageId text; AWS: ami-…"],
        ["enumeration", "ec2.DescribeImages: Images[].State 'almost'"],
    ]


def test_every_reason_is_in_the_documentation() -> None:
    page = " ".join((ROOT / "docs/development/local-cloud.md").read_text(encoding="utf-8").split())
    missing = [reason for reason in differences.on_purpose() if reason not in page]
    assert missing == []


def test_an_answer_of_the_sibling_service_is_recognized() -> None:
    modern = {"Attributes": [{"Key": "deletion_protection.enabled", "Value": "false"}]}
    classic: dict[str, Sequence[str]] = {"LoadBalancerAttributes": []}
    named = "elb.DescribeLoadBalancerAttributes"
    assert shapes.kind(named, modern) == "elbv2.DescribeLoadBalancerAttributes"
    assert shapes.kind(named, classic) == named
