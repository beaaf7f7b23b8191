"""Define the keys of [promote.probe] and of [environments.NAME.promote.probe]."""

from collections.abc import Mapping
from math import floor
from typing import Annotated, Final

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema

from pipeline.config.basis import Duration, Table
from pipeline.core.probe.settings import Probe, Tolerance
from pipeline.core.validation import probe_values

MINUTE: Final = 60.0
"""Seconds in which a share of the requests may fail."""


def _in_time(seconds: float) -> float:
    if seconds > probe_values.LONGEST_TIMEOUT:
        raise ValueError(f"is longer than {probe_values.LONGEST_TIMEOUT:.0f}s: lower it")
    return seconds


_Url = Annotated[str, AfterValidator(probe_values.check_url)]
_MemberUrl = Annotated[str, AfterValidator(probe_values.check_member_url)]
_Rate = Annotated[float, Field(ge=0.1, le=100)]
_Expect = Annotated[
    str,
    BeforeValidator(probe_values.check_expect),
    WithJsonSchema({"type": ["integer", "string"]}),
]
_MaxFailures = Annotated[
    int | str,
    BeforeValidator(probe_values.check_max_failures),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "integer", "minimum": 0},
                {"type": "string", "pattern": r"^\d{1,2}(\.\d{1,2})?%$"},
            ]
        }
    ),
]
_Contains = Annotated[str, AfterValidator(probe_values.check_contains)]
_Timeout = Annotated[Duration, AfterValidator(_in_time)]
_Method = Annotated[str, AfterValidator(probe_values.check_method)]
_VersionIn = Annotated[str, AfterValidator(probe_values.check_version_in)]
_Headers = Annotated[
    Mapping[
        Annotated[str, AfterValidator(probe_values.check_header_name)],
        Annotated[str, AfterValidator(probe_values.check_header_value)],
    ],
    Field(max_length=probe_values.MOST_HEADERS),
]


class EnvironmentProbeSettings(Table):
    """The settings of one environment that override [promote.probe]."""

    url: _Url | None = Field(default=None, description="Override promote.probe.url.")
    rate: _Rate | None = Field(default=None, description="Override promote.probe.rate.")
    expect: _Expect | None = Field(default=None, description="Override promote.probe.expect.")
    contains: _Contains | None = Field(default=None, description="Override promote.probe.contains.")
    max_failures: _MaxFailures | None = Field(
        default=None, description="Override promote.probe.max_failures."
    )
    timeout: _Timeout | None = Field(default=None, description="Override promote.probe.timeout.")
    method: _Method | None = Field(default=None, description="Override promote.probe.method.")
    headers: _Headers | None = Field(default=None, description="Replace promote.probe.headers.")
    verify_tls: bool | None = Field(default=None, description="Override promote.probe.verify_tls.")
    test_url: _Url | None = Field(default=None, description="Override promote.probe.test_url.")
    member_url: _MemberUrl | None = Field(
        default=None, description="Override promote.probe.member_url."
    )
    version_in: _VersionIn | None = Field(
        default=None, description="Override promote.probe.version_in."
    )


class ProbeSettings(Table):
    """Requests that the pipeline sends through the load balancer during a deployment."""

    url: _Url = Field(
        default="",
        description="The URL that is requested; without one there is no probe.",
        examples=["https://www.example.com/orders"],
    )
    rate: _Rate = Field(default=10.0, description="Requests per second.")
    expect: _Expect = Field(
        default="200-299",
        description="The expected HTTP status codes; redirects are not followed.",
    )
    contains: _Contains = Field(default="", description="A text that the body must contain.")
    max_failures: _MaxFailures = Field(
        default=0,
        description="How many requests may fail: a number, or a share of each minute's requests.",
    )
    timeout: _Timeout = Field(
        default=5.0,
        json_schema_extra={"default": "5s"},
        description="How long a request may take.",
    )
    method: _Method = Field(default="GET", description="GET or HEAD.")
    headers: _Headers = Field(
        default={}, description="Headers of each request, by name; Host also names the TLS server."
    )
    verify_tls: bool = Field(default=True, description="Whether the TLS certificate must be valid.")
    test_url: _Url = Field(
        default="",
        description="The URL that a pair's test listener answers, requested before traffic moves.",
    )
    member_url: _MemberUrl = Field(
        default="",
        description="The URL of each new member, requested before traffic moves.",
        examples=["http://{address}:8080/orders"],
    )
    version_in: _VersionIn = Field(
        default="version",
        description="Where an answer names its version: a JSON field, or header:NAME.",
    )

    def with_overrides(self, over: EnvironmentProbeSettings) -> "ProbeSettings":
        """Return these settings with the overrides of an environment."""
        given = {name: getattr(over, name) for name in type(over).model_fields}
        return self.model_copy(update={k: v for k, v in given.items() if v is not None})

    @property
    def probe(self) -> Probe | None:
        """Return the probe, None without a URL."""
        if not self.url:
            return None
        return Probe(
            url=self.url,
            rate=self.rate,
            expect=probe_values.read_expect(self.expect),
            contains=self.contains,
            tolerance=self._tolerance,
            timeout=self.timeout,
            method=self.method,
            headers=tuple(self.headers.items()),
            verify_tls=self.verify_tls,
            test_url=self.test_url,
            member_url=self.member_url,
            version_in=self.version_in,
        )

    @property
    def _tolerance(self) -> Tolerance:
        if isinstance(self.max_failures, int):
            return Tolerance(failures=self.max_failures)
        share = probe_values.share_of(self.max_failures)
        return Tolerance(failures=floor(share * self.rate * MINUTE), window=MINUTE)
