"""Check the values that users give: names, tags, paths, variables.

One place, so that pipeline.toml and the command line reject the same values,
before any program starts or any call is made. Each rule returns its value or
raises `ValueError` with the problem and then the allowed form. Rules list the
allowed characters, because a list of dangerous characters is never complete.
"""

from __future__ import annotations

import math
import re
import unicodedata
from typing import TYPE_CHECKING, Final

from pipeline.core.validation.text import (
    require_ascii,
    require_match,
    require_text,
    require_trimmed,
    shown,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

# `<app>-<environment>-r000124` names groups and launch templates (at most 128), and
# `<app>-<environment>-<version>-<time>` names images (at most 128).
LONGEST_NAME: Final = 32
LONGEST_VERSION: Final = 64
LONGEST_VALUE: Final = 16_384
LONGEST_PATH: Final = 1024
DAY: Final = 86_400.0
# AWS allows fifty tags on a resource; Packer and this program add up to ten.
MOST_TAGS: Final = 40
DEEPEST_VALUE: Final = 8

OWNER_ALIASES: Final = ("amazon", "aws-backup-vault", "aws-marketplace", "self")
TOOL_VARIABLES: Final = frozenset(
    {
        "ami_name",
        "ami_regions",
        "app",
        "environment",
        "manifest",
        "packages_file",
        "region",
        "run_tags",
        "source_ami",
        "tags",
        "version",
    }
)

_NAME = re.compile(r"[a-z](?:[a-z0-9]|-(?=[a-z0-9]))*")
_RELEASE = re.compile(r"(?:^|-)r\d{6,}$")
_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*")
_DIRECTION = "(?:north|south|east|west|central|northeast|northwest|southeast|southwest)"
_REGION = re.compile(
    rf"(?:(?:af|ap|ca|cn|eu|il|me|mx|sa|us)|us-gov|us-iso[a-z]?|eu-iso[a-z]?|eusc-de)"
    rf"-{_DIRECTION}-[1-9]"
)
_TAG_KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9 +=._:/@-]*")
VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
_ENV_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_PATH = re.compile(r"[A-Za-z0-9 ._/+=,@-]+")
ACCOUNT = re.compile(r"[0-9]{12}")
_IMAGE_ID = re.compile(r"ami-(?:[0-9a-f]{8}|[0-9a-f]{17})")
_IMAGE_FILTER = re.compile(r"[A-Za-z0-9()\[\] ./'@_*?-]+")
BUCKET = re.compile(r"(?=.{3,63}$)[a-z0-9](?:[a-z0-9-]|\.(?=[a-z0-9]))*[a-z0-9]")
_DURATION = re.compile(r"(?:(\d{1,4})h)?(?:(\d{1,6})m)?(?:(\d{1,7})s)?")


def check_app(value: str) -> str:
    """Check the name of an application."""
    return _check_name(value, "an application")


def check_environment(value: str) -> str:
    """Check the name of an environment."""
    return _check_name(value, "an environment")


def check_version(value: str) -> str:
    """Check a version; it names images, so it must not change its meaning."""
    allowed = (
        f"a version has 1 to {LONGEST_VERSION} characters from A-Z a-z 0-9 . _ + -, "
        "beginning with a letter or digit"
    )
    require_ascii(value, LONGEST_VERSION, allowed)
    if value.lower() == "latest":
        raise ValueError("'latest' is not a version: write the version itself, such as 1.4.2")
    if ".." in value:
        raise ValueError(f"{shown(value)} has two dots in a row: {allowed}")
    return require_match(_VERSION, value, allowed)


def check_region(value: str) -> str:
    """Check the form of an AWS region, of any partition."""
    allowed = "a region is, for example, eu-central-1 or us-gov-west-1"
    require_ascii(value, LONGEST_NAME, allowed)
    if _REGION.fullmatch(value[:-1]) and value[-1].isalpha():
        raise ValueError(f"{shown(value)} is an Availability Zone: write its region, {value[:-1]}")
    return require_match(_REGION, value, allowed)


def check_tag_key(value: str) -> str:
    """Check the key of an image tag."""
    allowed = (
        "a tag key has 1 to 128 characters from A-Z a-z 0-9 space + - = . _ : / @, "
        "beginning with a letter or digit"
    )
    require_ascii(value, 128, allowed)
    require_trimmed(value, allowed)
    if value == "Name" or value.lower().startswith(("aws:", "ami-pipeline:")):
        raise ValueError(
            f"{shown(value)} is reserved: choose another key, because the pipeline sets "
            "Name and ami-pipeline:..., and AWS sets aws:..."
        )
    return require_match(_TAG_KEY, value, allowed)


def check_tag_value(value: str) -> str:
    """Check the value of a tag: letters and digits of any script, or empty."""
    allowed = "a tag value is at most 256 letters, digits, spaces and + - = . _ : / @"
    if not value:
        return value
    require_text(value, 256, allowed)
    require_trimmed(value, allowed)
    for character in value:
        if unicodedata.category(character)[0] not in "LMN" and character not in " +-=._:/@":
            raise ValueError(f"{shown(value)} contains {character!a}: {allowed}")
    return value


def check_tags(tags: Mapping[str, str]) -> Mapping[str, str]:
    """Check the number of tags; other rules check each key and value."""
    if len(tags) > MOST_TAGS:
        raise ValueError(
            f"has {len(tags)} tags, at most {MOST_TAGS}: AWS allows 50 on an image, "
            "and the pipeline adds its own"
        )
    return tags


def check_path(value: str) -> str:
    """Check a path in the repository: relative, without `..`."""
    allowed = (
        "a path is relative, without '..', of A-Z a-z 0-9 space . _ / + = , @ -, "
        "and does not begin with - or @"
    )
    require_ascii(value, LONGEST_PATH, allowed)
    require_trimmed(value, allowed)
    if value.startswith("/"):
        raise ValueError(f"{shown(value)} is absolute: {allowed}")
    if ".." in value.split("/"):
        raise ValueError(f"{shown(value)} contains '..': {allowed}")
    # Programs read a path that begins with - as an option, and one with @ as a file to read.
    if any(part.startswith("-") for part in value.split("/")) or value.startswith("@"):
        raise ValueError(f"{shown(value)} reads as an option or a file reference: {allowed}")
    return require_match(_PATH, value, allowed)


def check_repository_path(value: str) -> str:
    """Check a path that may begin with `../`, such as one of a common file of several services."""
    check_path(_UP.sub("", value))
    return value


def check_shared_file(value: object) -> str:
    """Check the name of the file that pipeline.toml extends."""
    if not isinstance(value, str):
        raise ValueError("is not a string: put it in double quotes")  # noqa: TRY004 - as pydantic
    check_repository_path(value)
    if not value.endswith(".toml"):
        raise ValueError(f"{shown(value)} must end in .toml")
    return value


_UP: Final = re.compile(r"\A(?:\.\./)+")


def check_state_url(value: str) -> str:
    """Check the location of the state: a directory or s3://bucket/prefix."""
    allowed = 'state is a directory such as ".ami-pipeline" or s3://bucket/prefix'
    require_ascii(value, LONGEST_PATH, allowed)
    scheme, found, rest = value.partition("://")
    try:
        if found and scheme == "s3":
            _check_bucket_and_prefix(rest)
        elif value.startswith("/"):
            check_path(value.strip("/"))
        else:
            check_path(value)
    except ValueError as error:
        raise ValueError(f"{error}; {allowed}") from error
    return value


def check_variable_name(value: str) -> str:
    """Check the name of a Packer variable that the user sets."""
    allowed = (
        "a variable name has 1 to 64 characters from A-Z a-z 0-9 _ -, beginning with a letter or _"
    )
    require_ascii(value, 64, allowed)
    return require_match(VARIABLE, value, allowed)


def check_tool_variable(value: str) -> str:
    """Check the name of a Packer variable that the pipeline sets."""
    if value not in TOOL_VARIABLES:
        listed = ", ".join(sorted(TOOL_VARIABLES))
        raise ValueError(f"{shown(value)} is not set by the pipeline: use {listed}")
    return value


def check_variable_value(value: str) -> str:
    """Check the text of a variable; messages do not show it, because it may be a secret."""
    allowed = (
        f"a variable's text is one line of at most {LONGEST_VALUE} characters without "
        "{{ }} ${ %{ or CI commands; put other text in a file that the template reads"
    )
    if value:
        require_text(value, LONGEST_VALUE, allowed, secret=True)
    return value


def check_variable(value: object) -> object:
    """Check a Packer variable of any type that both TOML and JSON have."""
    check_nested(value, check_variable_value)
    return value


def check_env_variable(value: str) -> str:
    """Check the name of an environment variable by the rules of POSIX."""
    allowed = (
        "an environment variable has 1 to 128 characters from A-Z a-z 0-9 _, "
        "not beginning with a digit"
    )
    require_ascii(value, 128, allowed)
    return require_match(_ENV_VARIABLE, value, allowed)


def check_account(value: str) -> str:
    """Check the owner of an image: an account or one of AWS's aliases."""
    allowed = f"an owner is a 12-digit account id in quotes or one of {', '.join(OWNER_ALIASES)}"
    require_ascii(value, LONGEST_NAME, allowed)
    if value in OWNER_ALIASES:
        return value
    return require_match(ACCOUNT, value, allowed)


def check_image_id(value: str) -> str:
    """Check the id of an AMI."""
    allowed = "an image id is ami- and 8 or 17 characters from 0-9 a-f"
    require_ascii(value, LONGEST_NAME, allowed)
    return require_match(_IMAGE_ID, value, allowed)


def check_image_filter(value: str) -> str:
    """Check a filter on image names; it must not match every name."""
    allowed = (
        "a name filter has 3 to 128 characters from A-Z a-z 0-9 space ( ) [ ] . / - ' @ _ "
        "with * and ?, and at least three letters or digits"
    )
    require_ascii(value, 128, allowed)
    require_trimmed(value, allowed)
    if sum(character.isalnum() for character in value) < len("abc"):
        raise ValueError(f"{shown(value)} matches too many names: {allowed}")
    return require_match(_IMAGE_FILTER, value, allowed)


def check_build_name(value: str) -> str:
    """Check the name of a Packer build for the option -only; Packer allows any characters."""
    allowed = "a build name is one line of 1 to 128 characters, such as amazon-ebs.app"
    require_text(value, 128, allowed)
    require_trimmed(value, allowed)
    if value.startswith("-"):
        raise ValueError(f"{shown(value)} reads as an option: {allowed}")
    return value


def check_duration(value: str) -> float:
    """Return the seconds of a duration such as 90s, 45m or 1h30m."""
    allowed = 'a duration is written "90s", "45m", "2h" or "1h30m", more than 0 and at most 24h'
    total = read_duration(value, allowed)
    if not 0 < total <= DAY:
        raise ValueError(f"{shown(value)} is out of range: {allowed}")
    return total


def check_pause(value: str) -> float:
    """Return the seconds of a duration that may be zero, such as 0s or 30s."""
    allowed = 'a pause is written "0s", "90s", "45m" or "1h30m", at most 24h'
    total = read_duration(value, allowed)
    if total > DAY:
        raise ValueError(f"{shown(value)} is out of range: {allowed}")
    return total


def read_duration(value: str, allowed: str) -> float:
    """Return the seconds of a duration of any length."""
    require_ascii(value, LONGEST_NAME, allowed)
    found = _DURATION.fullmatch(value)
    if found is None:
        raise ValueError(f"{shown(value)} is not a duration: {allowed}")
    hours, minutes, seconds = (int(part or 0) for part in found.groups())
    return hours * 3600.0 + minutes * 60.0 + seconds


def check_nested(value: object, check_text: Callable[[str], str], level: int = 0) -> None:
    """Check a value of any type that both TOML and JSON have; `check_text` checks its texts."""
    if level > DEEPEST_VALUE:
        raise ValueError(f"nests deeper than {DEEPEST_VALUE} levels: write a flatter value")
    match value:
        case dict():
            for key, element in value.items():
                check_text(key)
                check_nested(element, check_text, level + 1)
        case list():
            for element in value:
                check_nested(element, check_text, level + 1)
        case str():
            check_text(value)
        case _:
            _check_number(value)


def _check_number(value: object) -> None:
    match value:
        case int() | float() if math.isfinite(value):
            pass
        case float():
            raise ValueError("is not a finite number: JSON has no nan or inf")
        case _:
            raise ValueError("is a date or time, for which JSON has no type: put it in quotes")


def _check_name(value: str, what: str) -> str:
    allowed = (
        f"the name of {what} has 1 to {LONGEST_NAME} characters from a-z 0-9 -, "
        "begins with a letter, and has no -- and no - at the end"
    )
    require_ascii(value, LONGEST_NAME, allowed)
    if _RELEASE.search(value):
        raise ValueError(f"{shown(value)} ends like a release number (r000124): {allowed}")
    return require_match(_NAME, value, allowed)


def _check_bucket_and_prefix(rest: str) -> None:
    bucket, _, prefix = rest.partition("/")
    if not BUCKET.fullmatch(bucket):
        raise ValueError(f"{shown(bucket)} is not a bucket name")
    if prefix:
        check_path(prefix.rstrip("/"))
