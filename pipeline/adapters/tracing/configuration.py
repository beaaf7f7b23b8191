"""Read OpenTelemetry's environment variables: where traces go, and what prevents it.

Imports nothing of OpenTelemetry, so that a run without an endpoint does not wait for it. Source:
OpenTelemetry Specification, "OpenTelemetry Protocol Exporter" and "Environment Variable
Specification".
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from urllib.parse import urlsplit, urlunsplit

from pipeline.core import commands

ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
PROTOCOL = "http/protobuf"
NEEDED = ("opentelemetry.sdk", "opentelemetry.exporter.otlp.proto.http")


def endpoint_of(environ: Mapping[str, str]) -> str:
    """Return the endpoint of traces; empty if none is configured or OpenTelemetry is off."""
    is_off = environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true"
    if is_off or environ.get("OTEL_TRACES_EXPORTER", "").strip().lower() == "none":
        return ""
    return _first(environ, ENDPOINTS)[1]


def shown(endpoint: str) -> str:
    """Return an endpoint as a message may show it: its user and its query may be secrets."""
    try:
        parts = urlsplit(endpoint)
        port = f":{parts.port}" if parts.port else ""
    except ValueError:  # an impossible host or port
        return "the endpoint"
    name = parts.hostname or ""
    host = f"[{name}]" if ":" in name else name
    return urlunsplit((parts.scheme, f"{host}{port}", parts.path, "", ""))


def problem_of(environ: Mapping[str, str]) -> str:
    """Return why traces cannot be exported to the endpoint, with what to do; empty if they can."""
    name, protocol = _first(environ, PROTOCOLS)
    if protocol not in {"", PROTOCOL}:
        return (
            f"{name} is {protocol}, and ami-pipeline speaks {PROTOCOL} only; "
            f"set it to {PROTOCOL}, and the endpoint to that port (4318) of the collector"
        )
    if not all(map(_is_installed, NEEDED)):
        return f"OpenTelemetry is not installed; install it: {commands.INSTALL_OTEL}"
    return ""


def _first(environ: Mapping[str, str], names: tuple[str, ...]) -> tuple[str, str]:
    found = ((name, environ.get(name, "").strip()) for name in names)
    return next(((name, value) for name, value in found if value), ("", ""))


def _is_installed(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except ModuleNotFoundError:  # of a package above it
        return False
