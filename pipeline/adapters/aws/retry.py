"""Call AWS: the only place where a throttled call is retried, and where pages are followed.

`call` makes one request and repeats it while AWS throttles or answers with a transient error.
`pages` and `items` read a list to its end, each page through `call`. `poll_until` repeats a
question until its answer arrives. boto3's own retries are off (`client.py`), so that no call is
repeated in two places.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
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

THROTTLES = frozenset(
    {
        "DependencyThrottle",
        "RequestLimitExceeded",
        "SlowDown",
        "ThrottledException",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
    }
)
BUSY = frozenset({"ResourceContention", "ScalingActivityInProgress"})
"""Auto Scaling is changing the group itself (EC2 Auto Scaling API Reference, Errors)."""

TRANSIENT = (
    THROTTLES
    | BUSY
    | {"HealthUnavailable", "InternalError", "InternalFailure", "ServiceUnavailable", "Unavailable"}
)
DENIED = frozenset({"AccessDenied", "AccessDeniedException", "UnauthorizedOperation"})
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

CURSORS = (
    ("NextToken", "NextToken"),
    ("NextMarker", "Marker"),
    ("NextContinuationToken", "ContinuationToken"),
)
"""Where a response names its next page, and the argument that takes the name: EC2, Auto Scaling
and CloudWatch; Elastic Load Balancing; S3's ListObjectsV2."""


def call(operation: Callable[..., Response], **arguments: Any) -> Response:
    """Call AWS; repeat throttled and transient failures with jitter, up to `ATTEMPTS` requests.

    Every call of this program is a read or may be repeated, so a call that failed after it took
    effect is repeated too. Raises botocore's error if the last request fails as well.
    """
    return retrying()(parsed(operation), **arguments)


def retrying(also: frozenset[str] = frozenset()) -> Retrying:
    """Return tenacity's loop that repeats transient failures, and these error codes of AWS, too."""
    return Retrying(
        retry=retry_if_exception(lambda error: error_code(error) in also or _is_transient(error)),
        stop=stop_after_attempt(ATTEMPTS),
        wait=wait_random_exponential(multiplier=0.2, max=10),
        reraise=True,
    )


def parsed(operation: Callable[..., Response]) -> Callable[..., Response]:
    """Return the operation with an unreadable response turned into a connection error.

    A proxy's error page or a truncated response raises ResponseParserError, which is not a
    subclass of any other botocore error.
    """
    from botocore.exceptions import HTTPClientError
    from botocore.parsers import ResponseParserError

    def call_and_parse(**arguments: Any) -> Response:
        try:
            return operation(**arguments)
        except ResponseParserError as error:
            raise HTTPClientError(error=error) from error

    return call_and_parse


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


def is_permanent(error: Exception) -> bool:
    """Return True if a repeated request would fail the same way: no permission, bad credentials.

    An unknown code counts as temporary: a deployment waits for it until its deadline.
    """
    from botocore.exceptions import ClientError, HTTPClientError
    from botocore.exceptions import ConnectionError as Disconnected

    if isinstance(error, ClientError):
        return error_code(error) in PERMANENT
    return not isinstance(error, (Disconnected, HTTPClientError))


def _is_transient(error: BaseException) -> bool:
    """Return True if the same call may succeed a moment later.

    EndpointConnectionError is not: the endpoint itself is wrong or down.
    """
    from botocore.exceptions import ConnectionError as Disconnected
    from botocore.exceptions import EndpointConnectionError, HTTPClientError

    if isinstance(error, EndpointConnectionError):
        return False
    return error_code(error) in TRANSIENT or isinstance(error, (Disconnected, HTTPClientError))
