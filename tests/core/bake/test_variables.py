from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from pipeline.core.bake.model import Commit
from pipeline.core.bake.variables import accepted, image_tags, offered, run_tags
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
