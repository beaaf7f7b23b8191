"""Check the values of a deployment: load balancers, phases, alarms, hooks, rollback targets."""

from __future__ import annotations

import contextlib
import difflib
import json
import re
import shlex
from collections.abc import Sequence
from typing import Final

from pipeline.core.hooks.hook import Point
from pipeline.core.validation.phases import PAUSABLE, PHASES
from pipeline.core.validation.text import (
    require_ascii,
    require_harmless,
    require_match,
    shown,
)
from pipeline.core.validation.values import (
    LONGEST_NAME,
    check_image_id,
    check_version,
    read_duration,
)

# The pauses of [promote], each with the phase that waits for it.
PAUSES: Final = {"soak": "soak", "observe": "observe"}
DEFAULT_PAUSES: Final = {"soak": "30s", "observe": "1m"}
NEXT: Final = "next"
NONE: Final = "none"
LONGEST_KEEP: Final = 7 * 86_400.0
LONGEST_PAUSE: Final = 30 * 86_400.0
LONGEST_GROUP: Final = 255
LONGEST_ARGUMENT: Final = 4096
MOST_ARGUMENTS: Final = 64

PAUSABLE_NAMES: Final = tuple(
    {"step": "step-1", "batch": "batch-2"}.get(each, each) for each in PAUSABLE
)

# Elastic Load Balancing, CreateLoadBalancer (2012-06-01) and CreateTargetGroup, `Name`: at most 32.
_NUMBERED = re.compile(r"step-[1-9][0-9]?|batch-(?:[2-9]|10)")
_DEPLOYMENT = re.compile(r"[0-9]{8}T[0-9]{6}Z?-[0-9a-f]{4}")
_RELEASE = re.compile(r"r[0-9]{6}")
_INSTANCE = re.compile(r"i-[0-9a-f]{8,17}")
_BALANCER = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?")
_GROUP = re.compile(r"[^:\r\n]+")
_SHARE = re.compile(r"[1-9][0-9]?%")
_ELBV2 = r"arn:aws[a-z-]*:elasticloadbalancing:[a-z0-9-]+:[0-9]{12}:"
_LISTENER_ARN = re.compile(_ELBV2 + r"listener/(?:app|net)/[A-Za-z0-9-]{1,32}(?:/[0-9a-f]{16}){2}")
_RULE_ARN = re.compile(_ELBV2 + r"listener-rule/app/[A-Za-z0-9-]{1,32}(?:/[0-9a-f]{16}){3}")
_TARGET_GROUP_ARN = re.compile(
    r"arn:aws[a-z-]*:elasticloadbalancing:[a-z0-9-]+:[0-9]{12}:targetgroup/[A-Za-z0-9-]{1,32}"
    r"/[0-9a-f]{16}"
)


def check_load_balancer(value: str) -> str:
    """Check the name of a classic load balancer."""
    allowed = (
        f"a classic load balancer has a name of 1 to {LONGEST_NAME} characters from A-Z a-z 0-9 -, "
        "not beginning or ending with -; for an ALB or NLB, name its target group in target_groups"
    )
    require_ascii(value, LONGEST_NAME, allowed)
    return require_match(_BALANCER, value, allowed)


def check_target_group(value: str) -> str:
    """Check a target group's name or ARN."""
    allowed = (
        f"write a target group's name, 1 to {LONGEST_NAME} characters from A-Z a-z 0-9 -, "
        "not beginning or ending with -, or its ARN (arn:aws:elasticloadbalancing:...)"
    )
    if value.startswith("arn:"):
        require_ascii(value, 256, allowed)
        return require_match(_TARGET_GROUP_ARN, value, allowed)
    require_ascii(value, LONGEST_NAME, allowed)
    return require_match(_BALANCER, value, allowed)


def check_listener(value: str) -> str:
    """Check the ARN of a listener of an application or network load balancer."""
    allowed = (
        "write the ARN of a listener: arn:aws:elasticloadbalancing:REGION:ACCOUNT:listener/..."
    )
    require_ascii(value, 256, allowed)
    return require_match(_LISTENER_ARN, value, allowed)


def check_rule(value: str) -> str:
    """Check the ARN of a listener rule."""
    allowed = (
        "write the ARN of a listener rule: "
        "arn:aws:elasticloadbalancing:REGION:ACCOUNT:listener-rule/..."
    )
    require_ascii(value, 256, allowed)
    return require_match(_RULE_ARN, value, allowed)


def check_listener_or_rule(value: str) -> str:
    """Check the ARN of a listener or of a listener rule."""
    return check_rule(value) if ":listener-rule/" in value else check_listener(value)


def check_members(value: int | str) -> int | str:
    """Check how many members a step of a canary has: a number, or a share such as `50%`."""
    allowed = 'write a number of instances, or a share of the old release such as "50%"'
    if isinstance(value, int):
        if value < 1:
            raise ValueError(f"is {value}: {allowed}")
        return value
    require_ascii(value, 3, allowed)
    return require_match(_SHARE, value, allowed)


def check_group(value: str) -> str:
    """Check the name of an Auto Scaling group: any text but `:` (CreateAutoScalingGroup)."""
    allowed = f"the name of a group has 1 to {LONGEST_GROUP} characters without : or line ends"
    require_harmless(value, LONGEST_GROUP, allowed)
    return require_match(_GROUP, value, allowed)


def check_deployment(value: str) -> str:
    """Check the id of a deployment."""
    allowed = "write an id that history shows, such as 20261121T145233Z-4f2a"
    require_ascii(value, LONGEST_NAME, allowed)
    return require_match(_DEPLOYMENT, value, allowed)


def check_phase(value: str) -> str:
    """Check the name of a phase."""
    return _one_of(value, PHASES, "a phase")


def check_pausable(value: str) -> str:
    """Check the name of a phase that a promotion may pause before."""
    if _NUMBERED.fullmatch(value):
        return value
    if value in PHASES and value not in PAUSABLE_NAMES:
        what = "has no number" if value in PAUSABLE else "is on the way back, which never waits"
        raise ValueError(f"{shown(value)} {what}: write one of {', '.join(PAUSABLE_NAMES)}")
    return _one_of(value, PAUSABLE_NAMES, "a phase")


def _one_of(value: str, known: Sequence[str], kind: str) -> str:
    if value in known:
        return value
    near = difflib.get_close_matches(value[:64].replace("_", "-"), known, n=1)
    remedy = f"write {near[0]}" if near else f"the phases are {', '.join(known)}"
    raise ValueError(f"{shown(value)} is not {kind}: {remedy}")


def check_pause_time(value: str) -> float:
    """Return the seconds that a promotion may be paused for."""
    return _time(value, 'a pause of a promotion is at least 1m and at most 720h, such as "24h"', 60)


def check_reason(value: str) -> str:
    """Check the reason that a person gives: one line, or nothing."""
    if value:
        require_harmless(value, 1000, "a reason is one line of at most 1000 characters")
    return value


def check_wait(value: str) -> float:
    """Return the seconds to wait for a lease."""
    return _time(value, 'a wait is at least 1s and at most 720h, such as "30m"', 1)


def _time(value: str, allowed: str, least: float) -> float:
    seconds = read_duration(value, allowed)
    if not least <= seconds <= LONGEST_PAUSE:
        raise ValueError(f"{shown(value)} is out of range: {allowed}")
    return seconds


def check_point(value: str) -> str:
    """Check the point of a hook."""
    points = [str(each) for each in Point]
    if value in points:
        return value
    near = difflib.get_close_matches(value[:64].replace("_", "-"), points, n=1)
    remedy = f"write {near[0]}" if near else f"the points are {', '.join(points)}"
    raise ValueError(f"{shown(value)} is not a point: {remedy}")


def check_keep(value: str) -> str:
    """Check for how long the previous release stays warm."""
    read_keep(value)
    return value


def read_keep(value: str) -> float | None:
    """Return the seconds of `keep_previous`: 0 for none, None until the next promotion."""
    allowed = '"none", "next" (until the next promote) or a duration of at most 168h, such as "2h"'
    if value == NEXT:
        return None
    if value == NONE:
        return 0.0
    seconds = read_duration(value, allowed)
    if seconds > LONGEST_KEEP:
        raise ValueError(f"{shown(value)} is out of range: {allowed}")
    return seconds


def check_alarm(value: str) -> str:
    """Check the name of a CloudWatch alarm: 1 to 255 characters (PutMetricAlarm)."""
    require_harmless(value, 255, "the name of an alarm has 1 to 255 characters in one line")
    return value


def check_command(value: object) -> object:
    """Reject a command that is not a list, because no shell parses it."""
    if isinstance(value, str):
        # Not TypeError, which pydantic would not collect.
        raise ValueError(  # noqa: TRY004
            f"is one string, which no shell parses: {_as_words(value)}"
        )
    if isinstance(value, list) and not value:
        raise ValueError('is empty: write a list such as ["./smoke.sh", "--fast"]')
    if isinstance(value, list) and len(value) > MOST_ARGUMENTS:
        raise ValueError(f"has {len(value)} words, at most {MOST_ARGUMENTS}: put it in a script")
    return value


def check_argument(value: str) -> str:
    """Check one word of a command; it may be empty unless it is the program."""
    allowed = (
        f"a word of a command is one line of at most {LONGEST_ARGUMENT} characters; "
        "put other text in a script"
    )
    if value:
        require_harmless(value, LONGEST_ARGUMENT, allowed)
    return value


def _as_words(line: str) -> str:
    example = ["./smoke.sh", "--fast"]
    if len(line) <= LONGEST_NAME * 2 and line.isascii() and line.isprintable():
        with contextlib.suppress(ValueError):  # an unclosed quotation
            example = shlex.split(line) or example
    return f"write a list, {json.dumps(example)}"


def check_target(value: str) -> str:
    """Check the target of a rollback: a release such as r000123, an AMI id, or a version."""
    return value if _RELEASE.fullmatch(value) else check_image(value)


def check_release(value: str) -> str:
    """Check the name of a release."""
    return require_match(_RELEASE, value, "a release is, for example, r000123")


def check_member(value: str) -> str:
    """Check the id of an instance."""
    return require_match(_INSTANCE, value, "a member is an instance, such as i-0123456789abcdef0")


def check_image(value: str) -> str:
    """Check how an image is named: by its AMI id or by its version."""
    if value.startswith("ami-"):
        return check_image_id(value)
    return check_version(value)
