"""Identify an API call: its service, its action and the protocol that it uses."""

from __future__ import annotations

import io
import urllib.parse
from dataclasses import dataclass
from typing import Any

Environ = dict[str, Any]

NAMES = {
    "elasticloadbalancing": "elb",
    "monitoring": "cloudwatch",
    "execute-api": "apigateway",
}
VERSIONS = {"2015-12-01": "elbv2"}
S3_ACTIONS = {
    ("GET", False): "ListObjects",
    ("PUT", False): "CreateBucket",
    ("DELETE", False): "DeleteBucket",
    ("HEAD", False): "HeadBucket",
    ("POST", False): "DeleteObjects",
    ("GET", True): "GetObject",
    ("PUT", True): "PutObject",
    ("DELETE", True): "DeleteObject",
    ("HEAD", True): "HeadObject",
    ("POST", True): "PostObject",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Call:
    """A request's service, action and protocol."""

    service: str
    action: str
    protocol: str


def buffered(environ: Environ) -> bytes:
    """Return the request's body, read before the lock is taken: a slow client delays no other."""
    length = environ.get("CONTENT_LENGTH") or ""
    if not str(length).isdigit():
        return b""
    body: bytes = environ["wsgi.input"].read(int(length))
    environ["wsgi.input"] = io.BytesIO(body)
    return body


def identify(environ: Environ, body: bytes) -> Call:
    """Return the call, from its signature's scope and from where its protocol names an action."""
    scope = environ.get("HTTP_AUTHORIZATION", "").partition("Credential=")[2].split(",")[0]
    signed_for = [*scope.split("/"), "", "", "", ""][3] or "unsigned"
    if target := environ.get("HTTP_X_AMZ_TARGET"):
        named = NAMES.get(signed_for, signed_for)
        return Call(service=named, action=target.rpartition(".")[2], protocol="json")
    query = environ.get("QUERY_STRING", "")
    if signed_for in {"s3", "unsigned"} and b"Action=" not in body[:4096]:
        return Call(service="s3", action=s3_action(environ, query), protocol="rest-xml")
    form = urllib.parse.parse_qs(body.decode(errors="replace") or query)
    action = form.get("Action", [f"{environ['REQUEST_METHOD']} {environ.get('PATH_INFO', '')}"])[0]
    version = form.get("Version", [""])[0]
    service = VERSIONS.get(version) or NAMES.get(signed_for, signed_for)
    return Call(service=service, action=action, protocol="ec2" if service == "ec2" else "query")


def key_of(environ: Environ) -> str:
    """Return the access key that signed a request."""
    scope: str = environ.get("HTTP_AUTHORIZATION", "").partition("Credential=")[2]
    return scope.partition("/")[0]


def region_of(environ: Environ) -> str:
    """Return the region for which a request is signed; us-east-1 if it is not signed."""
    scope: str = environ.get("HTTP_AUTHORIZATION", "").partition("Credential=")[2]
    parts = scope.split("/", 3)
    return parts[2] if len(parts) > 2 else "us-east-1"  # noqa: PLR2004  KEY/DATE/REGION/...


def headers_of(environ: Environ) -> dict[str, str]:
    """Return the headers of a request, in lower case."""
    prefix = "HTTP_"
    return {
        name.removeprefix(prefix).replace("_", "-").lower(): str(value)
        for name, value in environ.items()
        if name.startswith(prefix)
    }


def s3_action(environ: Environ, query: str) -> str:
    """Return an S3 action by method and path, or by its subresource such as `versioning`."""
    _, _, key = environ.get("PATH_INFO", "").lstrip("/").partition("/")
    method = environ["REQUEST_METHOD"]
    first = query.partition("&")[0].partition("=")[0]
    if not environ.get("PATH_INFO", "").strip("/"):
        return "ListBuckets"
    if first and not key and first not in {"list-type", "prefix", "delete", "x-id"}:
        return f"{method.title()}Bucket{first.title()}"
    return S3_ACTIONS.get((method, bool(key))) or str(method)
