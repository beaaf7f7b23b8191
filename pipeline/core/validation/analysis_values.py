"""Check the values of [promote.analysis]."""

from __future__ import annotations

import re
from typing import Final

from pipeline.core.validation.text import require_harmless, require_match, shown

_SHARE: Final = re.compile(r"[0-9]{1,3}(\.[0-9]{1,3})?%")
_STATISTIC: Final = re.compile(
    r"Sum|Average|Minimum|Maximum|SampleCount|IQM|p\d{1,2}(\.\d{1,10})?|(tm|wm|tc|ts|pr)\d{1,2}"
)
_NAME: Final = re.compile(r"[^:]\S{0,254}")
LONGEST: Final = 255
MOST_PERCENT: Final = 100.0


def check_share(value: str) -> float:
    """Return a share that is written in percent, such as `10%`."""
    allowed = 'write a share of more than 0 and at most 100 percent, such as "10%"'
    if not _SHARE.fullmatch(value) or not 0 < (percent := float(value[:-1])) <= MOST_PERCENT:
        raise ValueError(f"{shown(value)} is not allowed: {allowed}")
    return percent / 100


def check_namespace(value: str) -> str:
    """Check the namespace of a metric (CloudWatch API Reference, Metric)."""
    allowed = 'a namespace has 1 to 255 characters without spaces, such as "AWS/EC2"'
    require_harmless(value, LONGEST, allowed)
    return require_match(_NAME, value, allowed)


def check_name(value: str) -> str:
    """Check the name of a metric, or the name or value of a dimension."""
    require_harmless(value, LONGEST, "write 1 to 255 characters")
    return value


def check_statistic(value: str) -> str:
    """Check a statistic of CloudWatch (User Guide, "CloudWatch statistics definitions")."""
    allowed = "write Sum, Average, Minimum, Maximum, SampleCount, or a percentile such as p99"
    require_harmless(value, LONGEST, allowed)
    return require_match(_STATISTIC, value, allowed)
