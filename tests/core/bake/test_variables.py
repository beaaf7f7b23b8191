from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from pipeline.core.bake.model import Commit, Declared
from pipeline.core.bake.variables import MANIFEST, PACKAGES, accepted, image_tags, offered, run_tags
from pipeline.core.errors import ConfigurationError
from pipeline.core.validation.values import TOOL_VARIABLES
from tests.fakes import AWAY, NAME, SOURCE, TEMPLATE, a_request

EVERY = replace(TEMPLATE, variables=TOOL_VARIABLES | {"size", "token", "flag"})
OLD = replace(EVERY, old_style=True)


def given(request: Any, template: Any) -> dict[str, Any]:
    tags = image_tags(request, SOURCE, "ffff")
    return accepted(request, template, offered(request, NAME, SOURCE, tags))


def test_a_template_gets_only_the_variables_that_it_declares() -> None:
    template = replace(TEMPLATE, variables=frozenset({"app", "ami_name"}))
    assert given(a_request(), template) == {"app": "web", "ami_name": NAME}


def test_a_template_that_declares_every_variable_gets_each_with_its_type() -> None:
    request = a_request(
        environment="staging",
        regions=(AWAY,),
        variables={"size": 3},
        secrets={"token": "hush"},
        tags={"Team": "shop"},
    )
    assert given(request, EVERY) == {
        "app": "web",
        "version": "1.2.3",
        "environment": "staging",
        "ami_name": NAME,
        "region": "eu-central-1",
        "ami_regions": ["us-east-1"],
        "source_ami": SOURCE,
        "tags": {
            "Name": NAME,
            "Team": "shop",
            "ami-pipeline:app": "web",
            "ami-pipeline:version": "1.2.3",
            "ami-pipeline:environment": "staging",
            "ami-pipeline:source-ami": SOURCE,
            "ami-pipeline:fingerprint": "ffff",
        },
        "run_tags": {
            "Name": f"baking {NAME}",
            "ami-pipeline:app": "web",
            "ami-pipeline:bake": NAME,
        },
        "manifest": MANIFEST,
        "packages_file": PACKAGES,
        "size": 3,
        "token": "hush",
    }


def test_an_empty_variable_keeps_the_templates_default() -> None:
    variables = given(a_request(), EVERY)
    assert {"environment", "ami_regions"} & set(variables) == set()


def test_an_old_template_gets_text_and_no_maps() -> None:
    request = a_request(
        regions=(AWAY, "eu-west-1"), variables={"size": 3, "flag": True, "token": ["a", "b"]}
    )
    assert given(request, OLD) == {
        "app": "web",
        "version": "1.2.3",
        "ami_name": NAME,
        "region": "eu-central-1",
        "ami_regions": "us-east-1,eu-west-1",
        "source_ami": SOURCE,
        "manifest": MANIFEST,
        "packages_file": PACKAGES,
        "size": "3",
        "flag": "true",
        "token": "a,b",
    }


@pytest.mark.parametrize(
    ("where", "name", "hint"),
    [
        ("variables", "verison", "did you mean version, or remove verison from pipeline.toml"),
        ("secrets", "tokn", 'add: variable "tokn" {}, or remove tokn from pipeline.toml'),
    ],
)
def test_an_undeclared_variable_is_refused(where: str, name: str, hint: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        given(a_request(**{where: {name: "hush-hush"}}), TEMPLATE)
    assert str(raised.value) == (
        f"[bake] variable {name}:\n  app.pkr.hcl declares no variable named {name}\nnext: {hint}"
    )


def test_the_tags_describe_the_image_and_override_the_users() -> None:
    request = a_request(
        commit=Commit(id="abc", changes="d" * 64),
        baked_by="me@here",
        tags={"Team": "shop", "ami-pipeline:app": "forged"},
    )
    assert image_tags(request, SOURCE, "ffff") == {
        "Team": "shop",
        "ami-pipeline:app": "web",
        "ami-pipeline:version": "1.2.3",
        "ami-pipeline:commit": "abc",
        "ami-pipeline:dirty": "true",
        "ami-pipeline:source-ami": SOURCE,
        "ami-pipeline:fingerprint": "ffff",
        "ami-pipeline:baked-by": "me@here",
    }


def test_a_clean_tree_is_tagged_and_a_missing_repository_is_not() -> None:
    clean = image_tags(a_request(commit=Commit(id="abc")), "", "ffff")
    assert clean["ami-pipeline:dirty"] == "false"
    assert "ami-pipeline:dirty" not in image_tags(a_request(), "", "ffff")


def test_the_temporary_instance_is_tagged_with_its_bake() -> None:
    assert run_tags(a_request(), NAME)["ami-pipeline:bake"] == NAME


def declaring(**kinds: str) -> Any:
    """Return a template that requires these variables."""
    declared = {name: Declared(kind=kind, required=True) for name, kind in kinds.items()}
    return replace(TEMPLATE, variables=frozenset(kinds), declared=declared)


@pytest.mark.parametrize(
    ("kinds", "passed"),
    [
        ({"ami_regions": "list"}, {"ami_regions": []}),
        ({"ami_regions": "any"}, {"ami_regions": []}),
        ({"ami_regions": "string"}, {}),
        ({"environment": "string"}, {"environment": ""}),
        ({"version": "number", "app": "bool"}, {}),
        ({"ssh_port": "number", "ec2_endpoint": "string"}, {}),
        ({"ami_name": "string"}, {"ami_name": NAME}),
        ({"run_tags": "list", "tags": "object({a=string})"}, {}),
        ({"manifest": "string"}, {"manifest": MANIFEST}),
    ],
)
def test_a_variable_is_ours_only_if_its_type_matches_and_gets_an_empty_value_if_required(
    kinds: dict[str, str], passed: dict[str, Any]
) -> None:
    assert given(a_request(), declaring(**kinds)) == passed


def test_a_required_variable_of_an_old_template_gets_empty_text() -> None:
    declared = {name: Declared(kind="text", required=True) for name in ("ami_regions", "tags")}
    old = replace(OLD, variables=frozenset(declared), declared=declared)
    assert given(a_request(), old) == {"ami_regions": ""}


def test_pass_variables_limits_what_is_passed() -> None:
    request = a_request(passed=frozenset({"region"}), variables={"size": 3})
    assert given(request, EVERY) == {"region": "eu-central-1", "size": 3}


def test_a_variable_that_the_user_sets_is_the_users() -> None:
    request = a_request(
        variables={"ami_name": "mine"}, elsewhere={"version": "2", "tags": None}, source=None
    )
    variables = given(request, EVERY)
    assert variables["ami_name"] == "mine"
    assert not {"version", "tags"} & set(variables)


@pytest.mark.parametrize("where", ["variables", "elsewhere"])
def test_a_source_ami_of_the_user_beside_a_configured_source_is_refused(where: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        given(a_request(**{where: {"source_ami": "ami-1"}}), EVERY)
    assert raised.value.where == "[bake.source]"
