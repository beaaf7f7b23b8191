from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.core.bake.remedies.of_template import template_remedy

TEMPLATE = Path("/repository/packer/app.pkr.hcl")
INSTALL = "https://developer.hashicorp.com/packer/install"

# Literal text of Packer 1.6.6.
OLD = [
    (
        'Blocks of type "required_plugins" are not expected here.',
        (
            "move that block to /repository/packer/init/plugins.pkr.hcl, which Packer 1.6 "
            f"ignores, or install Packer 1.7 or later: {INSTALL}"
        ),
    ),
    (
        'Blocks of type "data" are not expected here.',
        (
            "use source_ami_filter, or [bake.source] in pipeline.toml, in place of data, "
            f"or install Packer 1.7 or later: {INSTALL}"
        ),
    ),
    (
        'Blocks of type "local" are not expected here. Did you mean "locals"?',
        f"write locals {{ }} in app.pkr.hcl, or install Packer 1.7 or later: {INSTALL}",
    ),
    (
        'Blocks of type "metadata_options" are not expected here.',
        f"remove metadata_options from app.pkr.hcl, or install Packer 1.7 or later: {INSTALL}",
    ),
    (
        (
            'Blocks of type "required_plugins" are not\nBlocks of type "data" are not expected\n'
            'An argument named "imds_support" is not expected here.'
        ),
        (
            f"install Packer 1.8 or later, which knows required_plugins and data and imds_support: "
            f"{INSTALL}"
        ),
    ),
    (
        "2 errors occurred:\n\t* unknown configuration key: '\"imds_support\"'\n",
        f"remove imds_support from app.pkr.hcl, or install Packer 1.8 or later: {INSTALL}",
    ),
    (
        'An argument named "imds_support" is not expected here.',
        f"remove imds_support from app.pkr.hcl, or install Packer 1.8 or later: {INSTALL}",
    ),
    (
        "This configuration does not support Packer version 1.6.6. To proceed, either\nchoose",
        f"install a Packer that app.pkr.hcl accepts: {INSTALL}",
    ),
    (
        'Error: Unset variable "need"\n\nError: Unset variable "more"',
        "set need and more under [bake.vars] in pipeline.toml, or give a default",
    ),
    (
        "Error: \n\n1 error occurred:\n\t* required variable not set: need\n",
        "set need under [bake.vars] in pipeline.toml, or give a default",
    ),
    (
        "The value for x is not compatible with the variable's type constraint: list of\nstring",
        "fix its value under [bake.vars] in pipeline.toml, or its type in app.pkr.hcl",
    ),
    (
        'There is no function named "templatefile".',
        f"fix app.pkr.hcl, or install a newer Packer than 1.6.6: {INSTALL}",
    ),
    (
        'Error: Unsupported argument\n\nAn argument named "nosuch" is not expected here.',
        "fix app.pkr.hcl, then: packer validate /repository/packer/app.pkr.hcl",
    ),
]


@pytest.mark.parametrize(("text", "remedy"), OLD)
def test_a_template_that_an_old_packer_refuses_has_a_remedy(text: str, remedy: str) -> None:
    assert template_remedy(text, TEMPLATE, "1.6.6") == remedy


# Literal text of Packer 1.16.0.
NEW = [
    (
        (
            "Error: Missing plugins\n\nThe following plugins are required, but not installed:\n\n"
            "* github.com/hashicorp/amazon >= 1.2.0\n\nDid you run packer init for this project ?"
        ),
        "install them: packer init /repository/packer/app.pkr.hcl",
    ),
    (
        "The builder amazon-ebs is unknown by Packer, and is likely part of a plugin\nthat is not",
        "install it: packer plugins install github.com/hashicorp/amazon",
    ),
    (
        "The source googlecompute is unknown by Packer, and is likely part of a plugin that",
        ("install it: packer plugins install github.com/hashicorp/googlecompute"),
    ),
    (
        "Error: Unknown source type nosuch\n\nThe source nosuch is unknown by Packer, and is",
        (
            "fix that name in app.pkr.hcl, or install its plugin: "
            "https://developer.hashicorp.com/packer/integrations?filter=nosuch"
        ),
    ),
    (
        "The post-processor amazon-ami-management is unknown by Packer, and is likely part of a",
        (
            "fix that name in app.pkr.hcl, or install its plugin: "
            "https://developer.hashicorp.com/packer/integrations?filter=amazon-ami-management"
        ),
    ),
    (
        'Error: Undefined -var variable\n\nA "nosuch" variable was passed in the command line',
        "declare nosuch in app.pkr.hcl, or remove it from pipeline.toml",
    ),
    (
        "* Environment variable not in format 'key=value': <unknown>",
        f"install Packer 1.8.5 or later: {INSTALL}",
    ),
    (
        "Error: Datasource.Execute failed: No AMI was found matching filters: &{<nil> []}",
        "fix the filters of the data source in app.pkr.hcl",
    ),
    (
        "something new",
        "run it by hand: packer validate /repository/packer/app.pkr.hcl",
    ),
    (
        "The provisioner ansible-local is unknown by Packer, and is likely part of a plugin",
        "install it: packer plugins install github.com/hashicorp/ansible",
    ),
    (
        'Error: Unsupported block type\n\n  on app.pkr.hcl line 25:\n\nBlocks of type "data" are',
        "fix app.pkr.hcl, then: packer validate /repository/packer/app.pkr.hcl",
    ),
]


@pytest.mark.parametrize(("text", "remedy"), NEW)
def test_a_template_that_a_new_packer_refuses_has_a_remedy(text: str, remedy: str) -> None:
    assert template_remedy(text, TEMPLATE, "1.16.0") == remedy
