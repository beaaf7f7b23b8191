"""Call AWS: the only place where a failed call is repeated, and where pages are followed.

`call` makes one request and repeats it while AWS throttles, a gateway fails or the connection
breaks. `pages` and `items` read a list to its end, each page through `call`. `download` reads a
body in the same attempt as its response. `poll_until` repeats a question until its answer arrives.
boto3's own retries are off (`client.py`), so that no call is repeated in two places.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial, wraps
from inspect import unwrap
from typing import Any, TypeVar

from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception,
    retry_if_result,
    stop_after_attempt,
    wait_exponential,
    wait_random_exponential,
)

Response = TypeVar("Response")
Item = TypeVar("Item")

BUSY = frozenset({"ResourceContention", "ScalingActivityInProgress"})
"""Auto Scaling is changing the group itself (EC2 Auto Scaling API Reference, Errors)."""
TRANSIENT = BUSY | {
    "DependencyThrottle",
    "HealthUnavailable",
    "InternalError",
    "InternalFailure",
    "ServiceUnavailable",
    "Unavailable",
}
"""Codes that botocore's own lists lack; most of them come with a status that it repeats."""
HTTP_ERROR = 300
"""The lowest HTTP status that is not a success."""
REQUEST_IDS = ("x-amzn-RequestId", "x-amz-request-id")
_REQUEST_ID = re.compile(rb"<requestId>", re.IGNORECASE)
TOO_MANY_REQUESTS = 429
"""The HTTP status of a throttled request (RFC 6585); botocore knows throttling by code only."""
DENIED = frozenset(
    {"AccessDenied", "AccessDeniedException", "AuthorizationError", "UnauthorizedOperation"}
)
"""The code of most services, of those that speak JSON, of SNS, and of EC2."""
BAD_CREDENTIALS = frozenset(
    {
        "AuthFailure",
        "ExpiredToken",
        "ExpiredTokenException",
        "InvalidAccessKeyId",
        "InvalidClientTokenId",
        "RequestExpired",
        "SignatureDoesNotMatch",
        "UnrecognizedClientException",
    }
)
UNREADABLE_CREDENTIALS = frozenset({"CredentialRetrievalError", "MetadataRetrievalError"})
"""botocore's errors of a credential program or a metadata service; it may answer a moment later."""
LOGGED_OUT = frozenset(
    {
        "LoginRefreshRequired",
        "LoginTokenLoadError",
        "SSOTokenLoadError",
        "TokenRetrievalError",
        "UnauthorizedSSOTokenError",
    }
)
NO_BALANCER = frozenset({"LoadBalancerNotFound", "TargetGroupNotFound"})
PERMANENT = (
    DENIED
    | BAD_CREDENTIALS
    | NO_BALANCER
    | {"MissingAuthenticationToken", "OptInRequired", "ValidationError"}
)
"""Codes with which AWS answers the same request again, however often it is repeated."""

ATTEMPTS = 6
"""Requests for one call at most, the first one included."""
FIRST_PAUSE, LONGEST_PAUSE = 0.25, 4.0
"""Seconds: each pause is this much, doubled every time, and up to as much again at random.

The five pauses last 7.75 s to 15.5 s together, longer than a network that is down for five seconds.
"""

CURSORS = (
    ("NextToken", "NextToken"),
    ("NextMarker", "Marker"),
    ("NextContinuationToken", "ContinuationToken"),
)
"""Where a response names its next page, and the argument that takes the name: EC2, Auto Scaling
and CloudWatch; Elastic Load Balancing; S3's ListObjectsV2."""


_reached: set[str] = set()
"""The endpoints that have answered this process, which is one run."""
_check: ContextVar[Callable[[], None]] = ContextVar("check", default=lambda: None)


def call(operation: Callable[..., Response], **arguments: Any) -> Response:
    """Call AWS; repeat transient failures with jitter, up to `ATTEMPTS` requests.

    Every call of this program is a read or may be repeated, so a call that failed after it took
    effect is repeated too. Raises botocore's error if the last request fails as well.
    """
    return Retries().call(operation, **arguments)


def download(operation: Callable[..., Response], **arguments: Any) -> tuple[Response, bytes]:
    """Call AWS like `call`; return the response and its body, which may break off as well."""

    @wraps(operation)
    def read(**given: Any) -> tuple[Response, bytes]:
        response: Any = operation(**given)
        return response, response["Body"].read()

    return call(read, **arguments)


@contextmanager
def checking(check: Callable[[], None]) -> Iterator[None]:
    """Call `check` before a call of the block is repeated; its error ends the call.

    Repeating takes up to a minute, and longer if AWS accepts requests and does not answer. A run
    may lose its lease in that time.
    """
    token = _check.set(check)
    try:
        yield
    finally:
        _check.reset(token)


class Retries:
    """One call of AWS and its repetitions; error codes of `also` are repeated, too."""

    def __init__(self, also: frozenset[str] = frozenset()) -> None:
        self._also = also
        self._attempts = 0

    @property
    def repeated(self) -> bool:
        """True if an earlier request failed: it may have taken effect all the same."""
        return self._attempts > 1

    def call(self, operation: Callable[..., Response], **arguments: Any) -> Response:
        """Make the call; see the function `call`."""
        retrying = Retrying(
            retry=retry_if_exception(partial(self._is_repeated, _endpoint(operation))),
            stop=stop_after_attempt(ATTEMPTS),
            wait=wait_exponential(multiplier=FIRST_PAUSE, max=LONGEST_PAUSE)
            + wait_random_exponential(multiplier=FIRST_PAUSE, max=LONGEST_PAUSE),
            reraise=True,
        )
        answer: Response = retrying(self._attempt, operation, arguments)
        return answer

    def _attempt(self, operation: Callable[..., Response], arguments: dict[str, Any]) -> Response:
        """Make one request; an unreadable response counts as a broken connection.

        A proxy's page or a truncated response raises ResponseParserError, which is not a subclass
        of any other botocore error.
        """
        from botocore.exceptions import ClientError, HTTPClientError
        from botocore.parsers import ResponseParserError

        if self._attempts:
            _check.get()()
        self._attempts += 1
        try:
            response = operation(**arguments)
        except ClientError:
            _reached.add(_endpoint(operation))
            raise
        except ResponseParserError as error:
            raise HTTPClientError(error=error) from error
        except RuntimeError as error:
            raise _expired(operation, error) from error
        _reached.add(_endpoint(operation))
        return response

    def _is_repeated(self, endpoint: str, error: BaseException) -> bool:
        known = endpoint in _reached if endpoint else False
        return error_code(error) in self._also or is_transient(error, reached=known)


def require_complete(response_dict: Mapping[str, Any], **_: Any) -> None:
    """Raise HTTPClientError if a successful response is cut off or not of AWS.

    A handler of botocore's event `before-parse`. Without it, a proxy's page with status 200 reads
    as an empty list, and so does half of a JSON document (both tried with botocore 1.44). Every
    response of AWS has a request id, in a header or in its XML.
    """
    from botocore.exceptions import HTTPClientError

    body, headers = response_dict["body"], response_dict["headers"]
    if response_dict["status_code"] >= HTTP_ERROR or not isinstance(body, bytes):
        return
    announced = headers.get("Content-Length", "")
    if announced.isdecimal() and int(announced) > len(body) > 0:
        raise HTTPClientError(error=f"the response ended after {len(body)} of {announced} bytes")
    if not any(name in headers for name in REQUEST_IDS) and not _REQUEST_ID.search(body):
        raise HTTPClientError(error="the response is not from AWS: it has no request id")


def _endpoint(operation: Callable[..., Any]) -> str:
    """Return the endpoint of a client's method; empty for any other function."""
    client: Any = getattr(unwrap(operation), "__self__", None)
    return str(client.meta.endpoint_url) if hasattr(client, "meta") else ""


def pages(operation: Callable[..., Any], **arguments: Any) -> Iterator[Any]:
    """Yield each page of a list, to its end; every page is retried like any other call."""
    page = call(operation, **arguments)
    yield page
    while cursor := _next_page(page):
        page = call(operation, **arguments, **cursor)
        yield page


def items(operation: Callable[..., Any], field: str, **arguments: Any) -> Iterator[Any]:
    """Yield the items below `field` of every page; a page without the field has none."""
    for page in pages(operation, **arguments):
        yield from page.get(field, [])


def batches(things: Sequence[Item], size: int) -> Iterator[Sequence[Item]]:
    """Yield the things in parts of at most `size`, for calls that limit their arguments."""
    for start in range(0, len(things), size):
        yield things[start : start + size]


def _next_page(page: Any) -> dict[str, str]:
    found = ({argument: page[name]} for name, argument in CURSORS if page.get(name))
    return next(found, {})


def poll_until(
    ask: Callable[[], Response | None],
    *,
    seconds: float,
    first_pause: float = 0.2,
    longest_pause: float = 5.0,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Response | None:
    """Return the first answer that is not None, or None after `seconds`.

    The clock is a parameter: tenacity's `stop_after_delay` reads the real one, so a test with a
    clock of its own would never end.
    """
    deadline = clock() + seconds

    def is_late(_: RetryCallState) -> bool:
        return clock() >= deadline

    return Retrying(
        retry=retry_if_result(lambda answer: answer is None),
        stop=is_late,
        wait=wait_exponential(multiplier=first_pause, max=longest_pause),
        sleep=sleep,
        retry_error_callback=lambda _: None,
    )(ask)


def error_code(error: BaseException) -> str:
    """Return the code of a ClientError, for example `InvalidAMIID.NotFound`; otherwise empty."""
    response = getattr(error, "response", None)
    return str(response.get("Error", {}).get("Code", "")) if isinstance(response, dict) else ""


def _expired(operation: Callable[..., Any], error: RuntimeError) -> Exception:
    """Return AWS's error for expired credentials; any other RuntimeError is returned unchanged.

    botocore raises a RuntimeError once credentials of the environment, whose expiry was exported,
    have expired (`RefreshableCredentials`, tried with 1.44).
    """
    from botocore.exceptions import ClientError

    if "still expired" not in str(error):
        return error
    answer: Any = {"Error": {"Code": "ExpiredToken", "Message": "the credentials have expired"}}
    return ClientError(answer, getattr(operation, "__name__", ""))


def is_throttled(error: BaseException) -> bool:
    """Return True if AWS refused a request because there were too many of them."""
    from botocore.retries.standard import ThrottledRetryableChecker

    if not isinstance(response := getattr(error, "response", None), dict):
        return False
    codes = ThrottledRetryableChecker().is_retryable(_context(response))
    return (
        codes
        or error_code(error) == "DependencyThrottle"
        or _status(response) == (TOO_MANY_REQUESTS)
    )


def is_transient(error: BaseException, *, reached: bool) -> bool:
    """Return True if the same call may succeed a moment later.

    botocore's own lists decide, by HTTP status and code: a gateway's response has no code of AWS.
    A connection that cannot be made counts if the endpoint was `reached` before. Otherwise the
    endpoint is wrong, or this machine has no network.
    """
    from botocore.exceptions import ConnectionError as Unconnected
    from botocore.exceptions import HTTPClientError
    from botocore.retries.standard import TransientRetryableChecker

    if isinstance(response := getattr(error, "response", None), dict):
        transient = TransientRetryableChecker().is_retryable(_context(response))
        return transient or error_code(error) in TRANSIENT or is_throttled(error)
    if isinstance(error, Unconnected):
        return reached and not _is_untrusted(error)
    if type(error).__name__ in UNREADABLE_CREDENTIALS:
        return reached
    return isinstance(error, (HTTPClientError, *_broken_bodies()))


def is_permanent(error: Exception) -> bool:
    """Return True if a repeated request would fail the same way: no permission, bad credentials.

    An unknown code counts as temporary: a deployment waits for it until its deadline. So does a
    session that has ended: a person can log in meanwhile, and botocore then reads the new session.
    """
    from botocore.exceptions import ClientError

    if isinstance(error, ClientError):
        return error_code(error) in PERMANENT and not is_transient(error, reached=True)
    renewable = type(error).__name__ in LOGGED_OUT
    return not renewable and not is_transient(error, reached=True)


def _context(response: dict[str, Any]) -> Any:
    """Return an answer of AWS in the form in which botocore's checkers take it."""
    from botocore.awsrequest import AWSResponse
    from botocore.compat import HTTPHeaders
    from botocore.retries.standard import RetryContext

    http = AWSResponse("", _status(response), HTTPHeaders(), None)
    return RetryContext(attempt_number=1, parsed_response=response, http_response=http)


def _status(response: dict[str, Any]) -> int:
    return int(response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def _is_untrusted(error: BaseException) -> bool:
    """Return True if the certificate of the other side is not accepted, which lasts."""
    from botocore.exceptions import SSLError

    return isinstance(error, SSLError) and "CERTIFICATE_VERIFY_FAILED" in str(error)


def _broken_bodies() -> tuple[type[Exception], ...]:
    """Return the errors of a body that is not what its headers announced."""
    from botocore.exceptions import ChecksumError, FlexibleChecksumError, IncompleteReadError

    return (ChecksumError, FlexibleChecksumError, IncompleteReadError)
