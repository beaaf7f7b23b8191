"""Check the errors that Terraform 1.11.4's messages become."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.core.errors import ConfigurationError, RefusedError
from pipeline.core.terraform.module_contract import refusal
from pipeline.core.terraform.root_module import Diagnostic
from tests.core.terraform.samples import AGAIN, ROOT, TERRAFORM_1_11, TOFU_1_12


def in_root(summary: str, detail: str) -> Diagnostic:
    return Diagnostic(summary=summary, detail=detail, file="main.tf.json", line=38)


def undeclared(name: str) -> Diagnostic:
    return in_root(
        "Extraneous JSON object property", f'No argument or block type is named "{name}".'
    )


def test_an_undeclared_input_of_the_contract_comes_with_its_declaration() -> None:
    error = refusal(ROOT, "validate", [undeclared("releases")], TERRAFORM_1_11)
    assert isinstance(error, ConfigurationError)
    assert str(error) == (
        "[terraform] module /repository/modules/release:\n"
        "  input releases: the module does not declare it\n"
        "  | Extraneous JSON object property\n"
        '  | No argument or block type is named "releases".\n'
        f"next: add this declaration to the module, then: {AGAIN}\n"
        "\n"
        'variable "releases" {\n'
        "  type = map(object({\n"
        "    ami_id           = string\n"
        "    instance_type    = string\n"
        "    min_size         = number\n"
        "    max_size         = number\n"
        "    desired_capacity = number\n"
        "    facts            = map(string)\n"
        "  }))\n"
        "}"
    )


@pytest.mark.parametrize("name", ["app", "environment"])
def test_a_plain_input_is_declared_as_a_string(name: str) -> None:
    remedy = refusal(ROOT, "validate", [undeclared(name)], TERRAFORM_1_11).remedy
    assert remedy.endswith(f'\n\nvariable "{name}" {{\n  type = string\n}}')


def test_an_undeclared_input_of_the_user_is_to_be_removed() -> None:
    error = refusal(ROOT, "validate", [undeclared("subnet_ids")], TERRAFORM_1_11)
    assert error.what.startswith("input subnet_ids: the module does not declare it\n")
    assert error.remedy == "remove subnet_ids from [terraform.inputs], or declare it in the module"


def test_a_missing_required_input_is_to_be_added() -> None:
    words = 'The argument "vpc_id" is required, but no definition was found.'
    error = refusal(ROOT, "validate", [in_root("Missing required argument", words)], TERRAFORM_1_11)
    assert error.what == (
        "input vpc_id: the module requires it, but it is not set\n"
        f"| Missing required argument\n| {words}"
    )
    assert error.remedy == "add vpc_id to [terraform.inputs], or give it a default in the module"


def test_a_missing_output_comes_with_its_declaration() -> None:
    words = 'This object does not have an attribute named "releases".'
    error = refusal(ROOT, "validate", [in_root("Unsupported attribute", words)], TERRAFORM_1_11)
    assert error.what.startswith("output releases: the module does not declare it\n")
    assert error.remedy == (
        f"add this output to the module, then: {AGAIN}\n"
        "\n"
        'output "releases" {\n'
        "  value = {\n"
        "    for name, group in aws_autoscaling_group.this : name => {\n"
        "      group_name              = group.name\n"
        "      launch_template_id      = aws_launch_template.this[name].id\n"
        "      launch_template_version = aws_launch_template.this[name].latest_version\n"
        "      ami_id                  = aws_launch_template.this[name].image_id\n"
        "    }\n"
        "  }\n"
        "}"
    )


def test_an_input_of_a_different_type_is_reported() -> None:
    words = (
        "The given value is not suitable for module.release.var.releases declared at "
        '../mod/main.tf:3,1-20: incorrect map element type: attribute "extra" is required.'
    )
    error = refusal(
        ROOT, "validate", [in_root("Invalid value for input variable", words)], TERRAFORM_1_11
    )
    assert error.what.startswith("input releases: the module declares a different type\n")
    assert 'variable "releases" {' in error.remedy


def test_all_breaches_are_reported_and_each_remedy_once() -> None:
    error = refusal(
        ROOT, "validate", [undeclared("app"), undeclared("environment")], TERRAFORM_1_11
    )
    assert error.what.count("\n| Extraneous") == 2
    assert error.remedy.count(AGAIN) == 1
    assert [line for line in error.remedy.split("\n") if line.startswith("variable")] == [
        'variable "app" {',
        'variable "environment" {',
    ]


def test_a_mistake_inside_the_module_is_reported_with_its_place() -> None:
    found = Diagnostic(
        summary="Unsupported argument",
        detail='An argument named "nam" is not expected here. Did you mean "name"?',
        file="../../../../modules/release/main.tf",
        line=5,
    )
    error = refusal(ROOT, "validate", [found], TERRAFORM_1_11)
    assert isinstance(error, ConfigurationError)
    assert str(error) == (
        "[terraform] module /repository/modules/release:\n"
        "  ../../../../modules/release/main.tf line 5\n"
        "  | Unsupported argument\n"
        '  | An argument named "nam" is not expected here. Did you mean "name"?\n'
        f"next: fix the module, then: {AGAIN}"
    )


def test_an_unknown_error_is_reported_in_terraforms_words() -> None:
    error = refusal(
        ROOT, "validate", [in_root("Something new", "Never seen before.")], TERRAFORM_1_11
    )
    assert error.what == "| Something new\n| Never seen before."
    assert error.remedy == f"fix [terraform] in pipeline.toml, then: {AGAIN}"


def test_an_error_without_a_file_is_a_refusal() -> None:
    found = Diagnostic(
        summary="Failed to query available provider packages",
        detail="Could not connect to registry.terraform.io: no such host",
    )
    root = replace(ROOT, folder=Path("/my state/web"))
    error = refusal(root, "init", [found], TERRAFORM_1_11)
    assert isinstance(error, RefusedError)
    assert str(error) == (
        "terraform init in /my state/web:\n"
        "  Failed to query available provider packages\n"
        "  Could not connect to registry.terraform.io: no such host\n"
        "next: run it manually: cd '/my state/web' && terraform init -backend=false"
    )
    assert refusal(root, "init", [found], TOFU_1_12).remedy == (
        "run it manually: cd '/my state/web' && tofu init -backend=false"
    )
