from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from pipeline.core.bake.expressions import evaluate, evaluate_list
from pipeline.core.bake.model import Builder, Declared
from pipeline.core.bake.regions import check_groups, check_regions, is_encrypted, template_regions
from pipeline.core.errors import ConfigurationError
from tests.fakes import AWAY, HOME, TEMPLATE, a_request

OLD = replace(TEMPLATE, old_style=True)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('"eu-west-1"', "eu-west-1"),
        ("var.region", "us-east-1"),
        ('"${var.region}"', "us-east-1"),
        ('"${var.part}-west-${var.number}"', "eu-west-1"),
        ("local.region", "us-east-1"),
        ("local.local", "us-east-1"),
        ("true", "true"),
        ("var.flag", "true"),
        ("var.unknown", None),
        ("var.missing", None),
        ("local.missing", None),
        ("local.circle", None),
        ('lookup({a = "b"}, var.region)', None),
        ('var.a ? "eu-west-1" : "x"', None),
        ('"%{ if true }x%{ endif }"', None),
        ('"${lower("X")}"', None),
        ("", None),
    ],
)
def test_simple_expressions_are_evaluated(text: str, value: str | None) -> None:
    variables = {"region": "us-east-1", "part": "eu", "number": 1, "flag": True, "unknown": None}
    local = {"region": "var.region", "local": '"${local.region}"', "circle": "local.circle"}
    assert evaluate(text, variables, local, old_style=False) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("eu-west-1", "eu-west-1"),
        ("{{user `region`}}", "us-east-1"),
        ("{{ user `nested` }}", "us-east-1-x"),
        ("{{user `unknown`}}", None),
        ("{{user `circle`}}", None),
        ("{{env `AWS_REGION`}}", None),
    ],
)
def test_calls_of_an_old_template_are_evaluated(text: str, value: str | None) -> None:
    variables = {
        "region": "us-east-1",
        "nested": "{{user `region`}}-x",
        "circle": "{{user `circle`}}",
        "unknown": None,
    }
    assert evaluate(text, variables, {}, old_style=True) == value


@pytest.mark.parametrize(
    ("text", "items"),
    [
        ('["eu-west-1", "us-west-2"]', ("eu-west-1", "us-west-2")),
        ('[\n  "eu-west-1",\n  var.region,\n]', ("eu-west-1", "us-east-1")),
        ('["${var.part}-west-1", lower("X")]', ()),
        ('["${var.part}-west-1", var.unknown]', ("eu-west-1",)),
        ("var.regions", ("eu-west-1", "us-west-2")),
        ('"${var.regions}"', ("eu-west-1", "us-west-2")),
        ("local.regions", ("eu-west-1", "us-west-2")),
        ("local.circle", ()),
        ("var.unknown", ()),
        ("concat(var.regions, [])", ()),
        ("[]", ()),
        ("", ()),
    ],
)
def test_a_list_has_the_items_that_are_simple(text: str, items: tuple[str, ...]) -> None:
    variables = {"region": "us-east-1", "part": "eu", "unknown": None}
    listed = {"regions": ["eu-west-1", "us-west-2"]}
    local = {"regions": "var.regions", "circle": "local.circle"}
    assert evaluate_list(text, {**variables, **listed}, local, old_style=False) == items


@pytest.mark.parametrize(
    ("text", "items"),
    [
        ("eu-west-1,us-west-2", ("eu-west-1", "us-west-2")),
        ("{{user `regions`}}", ("eu-west-1", "us-west-2")),
        ("eu-west-1,{{user `unknown`}}", ("eu-west-1",)),
        ("", ()),
    ],
)
def test_a_list_of_an_old_template_is_split(text: str, items: tuple[str, ...]) -> None:
    variables = {"regions": "eu-west-1, us-west-2", "unknown": None}
    assert evaluate_list(text, variables, {}, old_style=True) == items


def test_the_regions_of_a_template_are_those_it_builds_in_and_copies_to() -> None:
    builders = {
        "amazon-ebs.app": Builder(region="var.region", copies='["eu-west-1", "a word", var.x]'),
        "amazon-ebs.other": Builder(region='"ap-south-1"'),
    }
    template = replace(TEMPLATE, builders=builders)
    assert template_regions(a_request(), template, {"region": AWAY}) == (AWAY, "eu-west-1")
    assert template_regions(a_request(), replace(template, builders={}), {}) == ()


def refusal(template: Any, variables: Any = None, **request: Any) -> str:
    try:
        check_regions(a_request(**request), template, variables or {})
    except ConfigurationError as error:
        return str(error)
    return ""


def test_a_template_that_builds_in_another_region_is_refused_with_the_variable_to_set() -> None:
    template = replace(
        TEMPLATE,
        builds={"foo.amazon-ebs.app": "amazon-ebs"},
        builders={"amazon-ebs.app": Builder(region="var.build_region")},
        declared={"build_region": Declared(kind="string", default=AWAY)},
    )
    assert refusal(template) == (
        "[bake] template:\n"
        "  app.pkr.hcl builds foo.amazon-ebs.app in us-east-1, and pipeline.toml has region = "
        '"eu-central-1"\n'
        'next: set build_region = "eu-central-1" under [bake.vars], '
        'or set region = "us-east-1" in pipeline.toml'
    )
    assert not refusal(template, {"build_region": HOME})
    assert not refusal(template, elsewhere={"build_region": HOME})
    assert not refusal(template, elsewhere={"build_region": None})
    assert refusal(template, regions=(AWAY,))


def test_a_literal_region_of_an_old_template_is_refused() -> None:
    template = replace(OLD, builds={"a, b": "amazon-ebs"}, builders={"a, b": Builder(region=AWAY)})
    assert "change the region in app.pkr.hcl, or set region" in refusal(template)


@pytest.mark.parametrize("region", ["", HOME])
def test_a_builder_of_the_configured_region_or_without_one_is_accepted(region: str) -> None:
    builder = Builder(region=region)
    assert not refusal(replace(OLD, builds={"app": "amazon-ebs"}, builders={"app": builder}))


def test_several_builds_may_be_in_the_configured_regions() -> None:
    builders = {"a": Builder(region=HOME), "b": Builder(region=AWAY), "n": Builder(region="x")}
    builds = {"a": "amazon-ebs", "b": "amazon-ebs", "n": "null"}
    template = replace(OLD, builds=builds, builders=builders)
    assert not refusal(template, regions=(AWAY,))
    assert refusal(template)
    assert not refusal(template, only=("a",))


@pytest.mark.parametrize("groups", ['["all"]', '[\n    "all"\n  ]'])
def test_a_template_that_makes_its_image_public_is_refused(groups: str) -> None:
    builders = {"amazon-ebs.app": Builder(groups=groups), "amazon-ebs.other": Builder(groups="[]")}
    builds = {"amazon-ebs.app": "amazon-ebs", "amazon-ebs.other": "amazon-ebs"}
    template = replace(TEMPLATE, builds=builds, builders=builders)
    with pytest.raises(ConfigurationError) as error:
        check_groups(a_request(), template)
    assert str(error.value) == (
        "[bake] template:\n"
        "  app.pkr.hcl makes the image of amazon-ebs.app public: ami_groups or snapshot_groups is "
        '["all"], so any AWS account could use it\n'
        "next: remove them from app.pkr.hcl; ami_users shares an image with accounts"
    )
    check_groups(a_request(only=("amazon-ebs.other",)), template)


@pytest.mark.parametrize(
    ("encrypt", "expected"), [("true", True), ("var.encrypt", True), ("false", False), ("", False)]
)
def test_the_template_says_whether_the_image_is_encrypted(encrypt: str, expected: bool) -> None:
    builders = {"amazon-ebs.app": Builder(encrypt=encrypt)}
    template = replace(TEMPLATE, builders=builders)
    assert is_encrypted(a_request(), template, {"encrypt": True}) is expected
