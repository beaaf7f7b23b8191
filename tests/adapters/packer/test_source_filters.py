from __future__ import annotations

import pytest

from pipeline.adapters.packer.source_filters import readable_filters
from pipeline.core.bake.model import Builder

# As the Amazon plugin 1.8.3 printed it.
POINTERS = (
    "&{<nil> [] [{0x20efb03bc320 [nosuch-*] {}} {0x20efb03bc340 [hvm pv] {}}] [] "
    "0x20efaffe10c9 <nil> <nil> <nil> [self] {}}"
)
SAID = f"No AMI was found matching filters: {POINTERS}"
WRITTEN = 'filters = { name = var.pattern }, owners = ["self"]'
SEARCHED = "values nosuch-*, hvm pv; owners self"


@pytest.mark.parametrize("build", ["amazon-ebs.app", "web.amazon-ebs.app"])
def test_pointers_are_replaced_by_the_filter_of_the_builds_source(build: str) -> None:
    builders = {"amazon-ebs.app": Builder(filter=WRITTEN), "amazon-ebs.other": Builder()}
    shown = readable_filters(SAID, build, builders)
    assert shown == f"No AMI was found matching filters: {WRITTEN} ({SEARCHED})"


def test_an_old_template_has_builders_by_name() -> None:
    shown = readable_filters(SAID, "amazon-ebs.app", {"app": Builder(filter="x")})
    assert shown.endswith(f"filters: x ({SEARCHED})")


def test_the_values_are_shown_if_the_template_has_no_filter() -> None:
    assert readable_filters(SAID, "", {}) == f"No AMI was found matching filters: {SEARCHED}"


def test_other_text_stays_as_it_is() -> None:
    text = "No AMI was found matching filters: {\n  Filters: [{\n      Name: "
    assert readable_filters(text, "amazon-ebs", {"amazon-ebs": Builder(filter="x")}) == text


def test_the_filter_of_a_subnet_is_not_replaced_by_that_of_an_image() -> None:
    text = "No Subnets was found matching filters: &{<nil> [{0xc0 [web-*] {}}] <nil> <nil> [] {}}"
    shown = readable_filters(text, "amazon-ebs.app", {"amazon-ebs.app": Builder(filter="x")})
    assert shown == "No Subnets was found matching filters: values web-*"
