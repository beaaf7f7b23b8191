"""Check the values of [[notify]]: names, URLs, topics, repositories."""

from __future__ import annotations

import re
from typing import Final

from pipeline.core.validation.probe_values import check_url
from pipeline.core.validation.text import require_ascii, require_match, shown

LONGEST_NAME: Final = 64

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 _.-]*")
_TOPIC = re.compile(r"arn:aws[a-z-]*:sns:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_-]{1,251}(\.fifo)?")
# GitHub: an owner has letters, digits and hyphens; a repository also dots and underscores.
_REPOSITORY = re.compile(r"[A-Za-z0-9-]{1,39}/[A-Za-z0-9._-]{1,100}")


def check_target_name(value: str) -> str:
    """Check the name of a target of notifications."""
    allowed = (
        f"a name has 1 to {LONGEST_NAME} characters from A-Z a-z 0-9 space . _ -, "
        "beginning with a letter or digit"
    )
    require_ascii(value, LONGEST_NAME, allowed)
    return require_match(_NAME, value, allowed)


def check_notify_url(value: str) -> str:
    """Check a URL of a target: it is shown, so it must hold no secret."""
    if not value:
        raise ValueError("is empty: write a URL such as https://example.com/hooks/deployments")
    return check_url(value)


def check_topic(value: str) -> str:
    """Check the ARN of an SNS topic."""
    allowed = "a topic is an ARN such as arn:aws:sns:eu-central-1:123456789012:deployments"
    require_ascii(value, 400, allowed)
    return require_match(_TOPIC, value, allowed)


def check_repository(value: str) -> str:
    """Check a repository on GitHub."""
    allowed = 'a repository is OWNER/NAME, such as "example/web"'
    require_ascii(value, 140, allowed)
    if value.endswith(("/.", "/..")):
        raise ValueError(f"{shown(value)} is not allowed: {allowed}")
    return require_match(_REPOSITORY, value, allowed)
