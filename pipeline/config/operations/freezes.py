"""Define the keys of [[freeze]]."""

import difflib
from datetime import UTC, date, datetime, time, tzinfo
from typing import Annotated, Final

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Field,
    WithJsonSchema,
    model_validator,
)

from pipeline.config.basis import LIST, Table
from pipeline.core.freezing.windows import Window
from pipeline.core.validation import freeze_values, values
from pipeline.core.validation.text import shown

MOST_WINDOWS: Final = 100


def _text(value: object) -> object:
    """Return a date or a time of TOML as the text that it stands for."""
    match value:
        case datetime():
            return value.isoformat(sep=" ", timespec="minutes")
        case date():
            return value.isoformat()
        case time():
            return value.isoformat(timespec="minutes")
    return value


def _check_wall_time(value: str) -> str:
    return str(freeze_values.check_wall_time(value))


def _check_zone(value: str) -> str:
    freeze_values.check_zone_name(value)
    try:
        _zone(value)
    except (ValueError, OSError, LookupError):  # a folder of zones raises an OSError
        from zoneinfo import available_timezones  # noqa: PLC0415 - as in `_zone`

        known = sorted(available_timezones())
        if not known:
            what = "this machine has no table of time zones: install tzdata, or write UTC"
            raise ValueError(what) from None
        near = difflib.get_close_matches(value, known, n=1)
        what = f"write {near[0]}" if near else freeze_values.ZONE_FORM
        raise ValueError(f"{shown(value)} is not a time zone: {what}") from None
    return value


def _zone(name: str) -> tzinfo:
    """Return a time zone; UTC needs no table of the system."""
    if name == "UTC":
        return UTC
    # Every command loads the configuration, and few have windows.
    from zoneinfo import ZoneInfo  # noqa: PLC0415

    return ZoneInfo(name)


_WallTime = Annotated[
    str,
    BeforeValidator(_text),
    AfterValidator(_check_wall_time),
    WithJsonSchema({"type": "string"}),
]
Environments = Annotated[tuple[Annotated[str, AfterValidator(values.check_environment)], ...], LIST]


class FreezeSettings(Table):
    """A window in which no release is put into service: once, each week or each day."""

    model_config = ConfigDict(populate_by_name=False)

    begin: _WallTime = Field(
        alias="from",
        description='When it begins: "Fri 16:00", "2026-12-24 18:00" or "18:00".',
        examples=["Fri 16:00"],
    )
    end: _WallTime = Field(
        alias="until",
        description="When it ends, in the same form; a date alone is its first minute.",
        examples=["Mon 08:00"],
    )
    time_zone: Annotated[str, AfterValidator(_check_zone)] = Field(
        default="UTC", description="The time zone of both, such as Europe/Berlin."
    )
    why: Annotated[str, AfterValidator(freeze_values.check_why)] = Field(
        description="The reason that a refused command shows.", examples=["weekend"]
    )
    environments: Environments = Field(
        default=(), description="The environments that it freezes; default: all."
    )

    @model_validator(mode="after")
    def _check(self) -> "FreezeSettings":
        freeze_values.check_window(*self._ends)
        return self

    @property
    def _ends(self) -> tuple[freeze_values.WallTime, freeze_values.WallTime]:
        check = freeze_values.check_wall_time
        return check(self.begin), check(self.end)

    @property
    def window(self) -> Window:
        """Return the window."""
        start, end = self._ends
        return Window(
            start=start,
            end=end,
            zone=_zone(self.time_zone),
            why=self.why,
            environments=self.environments,
        )


Freezes = Annotated[tuple[FreezeSettings, ...], LIST, Field(max_length=MOST_WINDOWS)]
