"""Format times and durations for people; the only formatter, so that every text is alike."""

from __future__ import annotations

from datetime import datetime

_MINUTE = 60
_HOUR = 3600


def format_duration(seconds: float) -> str:
    """Return the duration in its two largest units: `4.2s`, `41s`, `3m 12s`, `15m`, `1h 05m`."""
    if round(seconds, 1) < _MINUTE:
        return f"{seconds:.1f}".removesuffix(".0") + "s"
    whole = round(seconds)
    if whole < _HOUR:
        minutes, rest = divmod(whole, _MINUTE)
        return f"{minutes}m" + (f" {rest:02}s" if rest else "")
    hours, rest = divmod(whole // _MINUTE, _MINUTE)
    return f"{hours}h" + (f" {rest:02}m" if rest else "")


def format_time(time: str, now: datetime) -> str:
    """Return an ISO 8601 time in the zone of `now`, without the date if it is today.

    A time that cannot be parsed is returned as it is.
    """
    try:
        local = datetime.fromisoformat(time).astimezone(now.tzinfo)
    except (ValueError, OverflowError):  # OverflowError for the first and the last day of all
        return time
    if local.date() == now.date():
        return local.timetz().isoformat(timespec="seconds")
    return local.isoformat(sep=" ", timespec="seconds")
