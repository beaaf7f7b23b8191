"""Send one HTTP request of a notification, and read the answer.

Unlike the probe, it uses the proxy of the environment (HTTPS_PROXY, NO_PROXY). As there, it trusts
the certificates of the system, which SSL_CERT_FILE and SSL_CERT_DIR replace. A redirect is not
followed: the request carries a secret that is for one host only.
"""

from __future__ import annotations

import json
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from http.client import HTTPException
from typing import Any, Final
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import (
    HTTPRedirectHandler,
    HTTPSHandler,
    OpenerDirector,
    ProxyHandler,
    Request,
    build_opener,
)

from pipeline.adapters.notify.target import SendError

TIMEOUT: Final = 5.0
"""Seconds for the connection and for each read; the sender's thread delays nothing else."""
LONGEST_ANSWER: Final = 256 * 1024
"""Bytes of an answer that are read."""
EXCERPT: Final = 160
_REDIRECT: Final = range(300, 400)
_LOOPBACK: Final = ("127.0.0.1", "::1", "localhost")


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """The status and the body of an answer."""

    status: int
    body: bytes

    def json(self) -> Any:
        """Return the body as JSON data; raises SendError."""
        try:
            return json.loads(self.body)
        except ValueError:
            raise SendError(f"answered {self.status} with a body that is not JSON") from None


class _NoRedirects(HTTPRedirectHandler):
    """Returns no request for a redirect, so that it is an error."""

    def redirect_request(self, *_: Any) -> None:
        """Follow nothing."""


def request(
    url: str,
    *,
    method: str = "POST",
    headers: Mapping[str, str] | None = None,
    body: bytes | None = None,
) -> Answer:
    """Send a request and return its answer with a status of 2xx.

    Raises SendError for another one, and if there is no answer.
    """
    try:
        wanted = Request(  # noqa: S310 - the caller allows http and https only
            url, data=body, method=method, headers={"User-Agent": "ami-pipeline", **(headers or {})}
        )
        with _opener(url).open(wanted, timeout=TIMEOUT) as response:
            return Answer(status=response.status, body=response.read(LONGEST_ANSWER))
    except HTTPError as error:
        with error:
            raise SendError(_refusal(error)) from None
    except URLError as error:
        raise SendError(_no_answer(error.reason)) from None
    except (OSError, HTTPException, ValueError) as error:
        raise SendError(_no_answer(error)) from None


def require_private(url: str) -> str:
    """Return a URL that keeps a secret on the network: https, or loopback; raises SendError."""
    parts = _split(url)
    if parts.scheme != "https" and parts.hostname not in _LOOPBACK:
        raise SendError("the URL does not begin with https://")
    return url


def require_web(url: str) -> str:
    """Return a URL of http or https; raises SendError."""
    if _split(url).scheme not in {"http", "https"}:
        raise SendError("the URL does not begin with https:// or http://")
    return url


def _split(url: str) -> Any:
    try:
        return urlsplit(url)
    except ValueError as error:
        raise SendError(f"the URL is impossible: {error}") from None


def _opener(url: str) -> OpenerDirector:
    # Reading the certificates of the system takes a tenth of a second.
    tls = [HTTPSHandler(context=_context())] if url.lower().startswith("https:") else []
    return build_opener(ProxyHandler(), *tls, _NoRedirects())


def _context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_default_certs()
    return context


def _refusal(error: HTTPError) -> str:
    """Return what a server answered: its status, and the beginning of its body."""
    if error.code in _REDIRECT:
        to = error.headers.get("Location", "")
        return f"answered {error.code}, a redirect to {to or 'nowhere'}, which is not followed"
    try:
        body = error.read(LONGEST_ANSWER).decode("utf-8", "replace")
    except (OSError, HTTPException):
        body = ""
    wait = error.headers.get("Retry-After", "")
    again = f" (retry after {wait})" if wait else ""
    text = " ".join(body.split())[:EXCERPT]
    return f"answered {error.code} {error.reason}{again}" + (f": {text}" if text else "")


def _no_answer(reason: object) -> str:
    match reason:
        case ssl.SSLCertVerificationError():
            fix = "SSL_CERT_FILE names the certificates that are trusted"
            return f"TLS certificate: {reason.verify_message}; {fix}"
        case TimeoutError():
            return f"no answer within {TIMEOUT:g}s"
        case OSError(strerror=str(text)):
            return f"no answer: {text}"
        case _:
            return f"no answer: {reason}" if str(reason) else f"no answer: {type(reason).__name__}"
