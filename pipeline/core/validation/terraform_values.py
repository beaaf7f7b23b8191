"""Check the values for Terraform: inputs of a module, buckets, accounts, instance types."""

from __future__ import annotations

import re
from typing import Final

from pipeline.core.validation.text import (
    require_ascii,
    require_harmless,
    require_match,
    shown,
)
from pipeline.core.validation.values import (
    ACCOUNT,
    BUCKET,
    LONGEST_NAME,
    LONGEST_VALUE,
    VARIABLE,
    check_nested,
    check_repository_path,
)

# Reserved names of variables (Terraform docs, "Input variables"), and the root module's own.
META_ARGUMENTS: Final = frozenset(
    {"count", "depends_on", "for_each", "lifecycle", "locals", "providers", "source", "version"}
)
TOOL_INPUTS: Final = frozenset({"app", "environment", "releases"})

_CONDITION = r"(?:=|!=|>|>=|<|<=|~>)? ?\d+(?:\.\d+){0,2}(?:-[0-9A-Za-z.-]+)?"
_CONSTRAINT = re.compile(rf"{_CONDITION}(?:, ?{_CONDITION})*")
# What S3 and Terraform's backend "s3" both take (PutObject, SSEKMSKeyId; tested with 1.11.4).
_KMS_ID = r"mrk-[0-9a-f]{32}|[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
_KMS_ALIAS = r"alias/[A-Za-z0-9/_-]+"
_KMS_ARN = rf"arn:aws[a-z-]*:kms:[a-z0-9-]+:\d{{12}}:(?:key/(?:{_KMS_ID})|{_KMS_ALIAS})"
_KMS_KEY = re.compile(rf"{_KMS_ARN}|{_KMS_ID}|{_KMS_ALIAS}")
_INSTANCE_TYPE = re.compile(r"[a-z][a-z0-9-]*\.[a-z0-9][a-z0-9-]*")


def check_account_id(value: str) -> str:
    """Check the id of an account; an alias could not reveal a wrong account."""
    allowed = "an account id is 12 digits in quotes"
    require_ascii(value, LONGEST_NAME, allowed)
    return require_match(ACCOUNT, value, allowed)


def check_version_constraint(value: str) -> str:
    """Check a version constraint of a provider; it is written into the root module."""
    allowed = "a version constraint is, for example, 5.100.0, ~> 5.90, or >= 5.0, < 7.0"
    require_ascii(value, LONGEST_NAME, allowed)
    return require_match(_CONSTRAINT, value, allowed)


def check_program(value: str) -> str:
    """Check the program that runs Terraform: a command on PATH, or a path with a slash."""
    allowed = "a program is terraform, tofu, another command on PATH, or a path such as bin/tofu"
    try:
        check_repository_path(value.removeprefix("/"))
    except ValueError as error:
        raise ValueError(f"{shown(value)} is no program: {allowed}") from error
    return value


def check_kms_key(value: str) -> str:
    """Check the ARN, the id or the alias of a KMS key."""
    allowed = (
        "a KMS key is an ARN, an id such as 1234abcd-12ab-34cd-a6ef-1234567890ab, or alias/NAME"
    )
    require_ascii(value, LONGEST_VALUE, allowed)
    return require_match(_KMS_KEY, value, allowed)


def check_instance_type(value: str) -> str:
    """Check the form of an EC2 instance type."""
    allowed = "an instance type is, for example, t3.micro or u-6tb1.112xlarge"
    require_ascii(value, LONGEST_NAME, allowed)
    return require_match(_INSTANCE_TYPE, value, allowed)


def check_input_name(value: str) -> str:
    """Check the name of a user's input of the Terraform module."""
    allowed = (
        "an input's name has 1 to 64 characters from A-Z a-z 0-9 _ -, beginning with a letter or _"
    )
    require_ascii(value, 64, allowed)
    if value in TOOL_INPUTS:
        raise ValueError(f"{shown(value)} is set by the pipeline: use another name")
    if value in META_ARGUMENTS:
        raise ValueError(f"{shown(value)} is reserved by Terraform: use another name")
    return require_match(VARIABLE, value, allowed)


def check_input(value: object) -> object:
    """Check an input of any type that both TOML and JSON have."""
    check_nested(value, check_input_text)
    return value


def check_input_text(value: str) -> str:
    """Check the text of an input, which may be a script of many lines with `${` in it.

    It is written to a tfvars file, where Terraform evaluates no templates.
    """
    allowed = (
        f"an input's text is at most {LONGEST_VALUE} characters, with tabs and line ends allowed, "
        "without CI commands"
    )
    if len(value) > LONGEST_VALUE:
        raise ValueError(f"has {len(value)} characters: {allowed}")
    for line in value.replace("\t", " ").split("\n"):
        if line:
            require_harmless(line, LONGEST_VALUE, allowed, secret=True)
    return value


def check_bucket(value: str) -> str:
    """Check the name of an S3 bucket."""
    allowed = (
        "the name of a bucket has 3 to 63 characters from a-z 0-9 . -, "
        "and begins and ends with a letter or digit"
    )
    require_ascii(value, 63, allowed)
    return require_match(BUCKET, value, allowed)
