"""AWS calls of the stand-in: the query protocol, with the AWS provider's retries and cancellation.

It only uses the standard library, with late imports, because most Terraform commands need no AWS.
"""

from __future__ import annotations

import itertools
import os
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

ATTEMPTS = 25  # the provider's default, `max_retries`
_TWICE = """
Two interrupts received. Exiting immediately. Note that data loss may have occurred.
"""
LONGEST = 20.0  # seconds between two attempts (aws-sdk-go-v2, `MaxBackoff`)
PASSING = ("Throttling", "RequestLimitExceeded", "ScalingActivityInProgress", "ResourceContention")
VERSIONS = {"ec2": "2016-11-15", "autoscaling": "2011-01-01", "sts": "2011-06-15"}
NAMES = {"ec2": "EC2", "autoscaling": "Auto Scaling", "sts": "STS"}


def session_token() -> dict[str, str]:
    """Return the header of temporary credentials, none for others."""
    token = os.environ.get("AWS_SESSION_TOKEN", "")
    return {"X-Amz-Security-Token": token} if token else {}


class CanceledError(Exception):
    """A signal arrived: the provider's context is canceled."""

    def __str__(self) -> str:
        return "context canceled"


class AwsError(Exception):
    """An error response of AWS, in the words of its Go client; `code` is AWS's own."""

    def __init__(self, service: str, action: str, status: int, code: str, message: str) -> None:
        super().__init__(
            f"operation error {NAMES[service]}: {action}, https response error StatusCode: "
            f"{status}, RequestID: stand-in, api error {code}: {message}"
        )
        self.code = code
        self.message = message
        self.status = status


@dataclass
class Interrupts:
    """The signals so far: the first cancels waiting, the second exits at once."""

    report: Callable[[str], None]
    count: int = 0

    def install(self) -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._arrived)
        # Like a Go program: exit if standard output is closed.
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)

    def _arrived(self, _number: int, _frame: object) -> None:
        self.count += 1
        if self.count == 1:
            self.report(
                "\nInterrupt received.\nPlease wait for Terraform to exit or data loss may occur."
            )
            return
        self.report(_TWICE)
        os._exit(1)

    def require_none(self) -> None:
        """Raise CanceledError if a signal has arrived."""
        if self.count:
            raise CanceledError

    def sleep(self, seconds: float) -> None:
        """Wait; raise CanceledError if a signal arrives meanwhile."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            self.require_none()
            time.sleep(min(left, 0.02))
        self.require_none()


@dataclass
class Aws:
    """One region of AWS; `speed` divides all waiting, as in the local cloud."""

    endpoint: str
    region: str
    interrupts: Interrupts
    speed: float = 1.0

    def call(self, service: str, action: str, **parameters: Any) -> Element:
        """Return AWS's response; raise AwsError once retries are exhausted."""
        form = {"Action": action, "Version": VERSIONS[service]}
        form.update(flatten(parameters, members=service == "autoscaling"))
        body = urlencode(form)
        for attempt in itertools.count(1):
            self.interrupts.require_none()
            try:
                return self._once(service, action, body)
            except AwsError as error:
                if attempt == ATTEMPTS or not is_retryable(error):
                    raise
            self.sleep(random_share() * min(2.0**attempt, LONGEST))
        raise AssertionError

    def sleep(self, seconds: float) -> None:
        """Wait for seconds of the cloud's time."""
        self.interrupts.sleep(seconds / self.speed)

    def _once(self, service: str, action: str, body: str) -> Element:
        from http.client import HTTPConnection, HTTPException  # noqa: PLC0415  see above
        from xml.etree import ElementTree as ET  # noqa: PLC0415  see above

        key = os.environ.get("AWS_ACCESS_KEY_ID", "local-cloud")
        scope = f"{key}/20260101/{self.region}/{service}/aws4_request"
        headers = {
            **session_token(),
            "Content-Type": "application/x-www-form-urlencoded; charset=utf-8",
            # The local cloud reads the service from it and checks no signature.
            "Authorization": f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=, Signature=0",
        }
        connection = HTTPConnection(self.endpoint.removeprefix("http://"), timeout=600)
        try:
            connection.request("POST", "/", body, headers)
            answer = connection.getresponse()
            text = answer.read()
        except (OSError, HTTPException) as error:
            raise AwsError(service, action, 0, "RequestError", str(error)) from error
        finally:
            connection.close()
        try:
            document = without_namespaces(ET.fromstring(text))  # noqa: S314  the local cloud's own XML
        except ET.ParseError as error:
            detail = text[:200].decode("utf-8", "replace")
            raise AwsError(service, action, answer.status, "Unknown", detail) from error
        if answer.status < 300:
            return document
        code = document.findtext(".//Code") or "Unknown"
        message = document.findtext(".//Message") or ""
        raise AwsError(service, action, answer.status, code, message)


def random_share() -> float:
    """Return a random number from 0 to 1; an import of `random` would be slow."""
    return int.from_bytes(os.urandom(4)) / 2**32


def is_retryable(error: AwsError) -> bool:
    """Return True if the SDK would retry the call."""
    return error.status in {0, 500, 502, 503, 504} or error.code.startswith(PASSING)


def flatten(value: Any, prefix: str = "", *, members: bool) -> dict[str, str]:
    """Return parameters in the query protocol's form: `A.member.1.B`, or `A.1.B` for EC2."""
    return dict(_pairs(value, prefix, members=members))


def _pairs(value: Any, prefix: str, *, members: bool) -> Iterator[tuple[str, str]]:
    match value:
        case None:
            return
        case dict():
            for key, inner in value.items():
                yield from _pairs(inner, f"{prefix}.{key}" if prefix else key, members=members)
        case list() | tuple():
            for number, inner in enumerate(value, 1):
                place = f"{prefix}.member.{number}" if members else f"{prefix}.{number}"
                yield from _pairs(inner, place, members=members)
        case bool():
            yield prefix, "true" if value else "false"
        case _:
            yield prefix, str(value)


def without_namespaces(document: Element) -> Element:
    """Return a response with plain element names."""
    for element in document.iter():
        element.tag = element.tag.rpartition("}")[2]
    return document
