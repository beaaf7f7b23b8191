"""Format a length of time for people; the only formatter, so that every text shows it alike."""

from __future__ import annotations

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
