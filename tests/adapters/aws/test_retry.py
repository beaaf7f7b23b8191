"""Retries, pages and polling: the only places where a call of AWS is repeated."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest
from botocore.exceptions import (
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    FlexibleChecksumError,
    IncompleteReadError,
    NoCredentialsError,
    ProxyConnectionError,
    ReadTimeoutError,
    ResponseStreamingError,
    SSLError,
)
from botocore.parsers import ResponseParserError

from pipeline.adapters.aws.client import translate_errors
from pipeline.adapters.aws.retry import (
    ATTEMPTS,
    call,
    checking,
    download,
    error_code,
    is_permanent,
    items,
    pages,
    poll_until,
)
from pipeline.core.errors import RefusedError
from tests.aws.errors import client_error

CODES = [
    "BandwidthLimitExceeded",
    "DependencyThrottle",
    "EC2ThrottledException",
    "HealthUnavailable",
    "InternalError",
    "PriorRequestNotComplete",
    "RequestLimitExceeded",
    "RequestThrottled",
    "RequestThrottledException",
    "RequestTimeout",
    "RequestTimeoutException",
    "ResourceContention",
    "ScalingActivityInProgress",
    "SlowDown",
    "Throttling",
    "ThrottlingException",
    "TooManyRequestsException",
    "Unavailable",
]
"""Codes that are repeated whatever the HTTP status."""
REFUSED = EndpointConnectionError(endpoint_url="http://127.0.0.1:1")
UNTRUSTED = SSLError(endpoint_url="https://x", error=OSError("CERTIFICATE_VERIFY_FAILED"))
UNCONNECTED = [
    REFUSED,
    ConnectTimeoutError(endpoint_url="https://ec2"),
    ProxyConnectionError(proxy_url="http://proxy"),
    SSLError(endpoint_url="https://ec2", error=OSError("UNEXPECTED_EOF_WHILE_READING")),
]


def failing(*errors: Exception) -> tuple[Callable[[], str], list[Exception]]:
    left = list(errors)

    def operation() -> str:
        if left:
            raise left.pop(0)
        return "answer"

    return operation, left


@pytest.mark.parametrize(
    "error",
    [
        *map(client_error, CODES),
        *(client_error(str(status), status) for status in (429, 500, 502, 503, 504)),
        client_error("SomethingNew", 503),
        ReadTimeoutError(endpoint_url="https://ec2"),
        ResponseStreamingError(error="connection broken"),
        IncompleteReadError(actual_bytes=1, expected_bytes=2),
        FlexibleChecksumError(error_msg="expected checksum"),
    ],
)
def test_a_transient_error_is_retried(error: Exception, pauses: list[float]) -> None:
    operation, left = failing(error, error)
    assert call(operation) == "answer"
    assert left == []
    assert len(pauses) == 2
    assert not is_permanent(error)


@pytest.mark.parametrize(
    "error",
    [
        *UNCONNECTED,
        UNTRUSTED,
        client_error("UnauthorizedOperation", 403),
        client_error("501", 501),
        client_error("InvalidAMIID.NotFound"),
        NoCredentialsError(),
    ],
)
def test_a_permanent_error_is_raised_at_once(error: Exception, pauses: list[float]) -> None:
    operation, _ = failing(error)
    with pytest.raises(type(error)):
        call(operation)
    assert pauses == []


def test_an_unreadable_response_is_retried(pauses: list[float]) -> None:
    """A proxy's page, for example; botocore says in so many words that it may be repeated."""
    page = ResponseParserError("Unable to parse response, invalid XML received")
    operation, left = failing(page, page)
    assert call(operation) == "answer"
    assert (left, len(pauses)) == ([], 2)


def test_endless_throttling_ends_after_six_requests(pauses: list[float]) -> None:
    operation, left = failing(*[client_error("Throttling")] * 10)
    with pytest.raises(ClientError):
        call(operation)
    assert len(left) == 10 - ATTEMPTS
    assert len(pauses) == ATTEMPTS - 1


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_the_pauses_outlast_a_network_that_is_down_for_five_seconds(
    pauses: list[float], monkeypatch: pytest.MonkeyPatch, share: float
) -> None:
    monkeypatch.setattr("random.uniform", lambda low, high: low + share * (high - low))
    operation, _ = failing(*[client_error("503", 503)] * 10)
    with pytest.raises(ClientError):
        call(operation)
    assert pauses == [each * (1 + share) for each in (0.25, 0.5, 1.0, 2.0, 4.0)]
    assert 5 < sum(pauses) < 16


class Endpoint:
    """A client whose endpoint is down after each answer that it gives."""

    def __init__(self, url: str, *answers: Exception | str) -> None:
        self.meta = SimpleNamespace(endpoint_url=url)
        self.left = list(answers)

    def ask(self) -> str:
        answer = self.left.pop(0)
        if isinstance(answer, str):
            return answer
        raise answer


@pytest.mark.parametrize("error", UNCONNECTED)
def test_an_endpoint_that_this_run_has_reached_is_called_again(
    pauses: list[float], error: Exception
) -> None:
    client = Endpoint(f"https://{uuid4()}", "one", error, error, "two")
    assert (call(client.ask), call(client.ask)) == ("one", "two")
    assert len(pauses) == 2
    assert not is_permanent(error)


def test_an_endpoint_that_refused_a_call_was_reached(pauses: list[float]) -> None:
    client = Endpoint(f"https://{uuid4()}", client_error("AccessDenied"), REFUSED, "two")
    with pytest.raises(ClientError):
        call(client.ask)
    assert call(client.ask) == "two"
    assert len(pauses) == 1


def test_an_endpoint_that_was_never_reached_ends_the_call_at_once(pauses: list[float]) -> None:
    other = Endpoint(f"https://{uuid4()}", "one")
    call(other.ask)
    client = Endpoint(f"https://{uuid4()}", REFUSED, "one")
    with pytest.raises(EndpointConnectionError):
        call(client.ask)
    assert pauses == []


def test_a_certificate_that_is_not_accepted_ends_the_call_at_once(pauses: list[float]) -> None:
    client = Endpoint(f"https://{uuid4()}", "one", UNTRUSTED, "two")
    call(client.ask)
    with pytest.raises(SSLError):
        call(client.ask)
    assert pauses == []
    assert is_permanent(UNTRUSTED)


def test_a_check_ends_a_call_before_it_is_repeated(pauses: list[float]) -> None:
    """The lease was lost meanwhile, for example."""
    asked: list[int] = []

    def check() -> None:
        asked.append(1)
        if len(asked) == 2:
            raise RefusedError("the lease", "is lost", "wait")

    operation, left = failing(*[client_error("Throttling")] * 4)
    with pytest.raises(RefusedError, match="is lost"), checking(check):
        call(operation)
    assert (len(left), len(pauses)) == (2, 2)
    assert call(operation) == "answer"  # outside of the block nothing is asked
    assert len(asked) == 2


class Body:
    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)

    def read(self) -> bytes:
        if self.errors:
            raise self.errors.pop(0)
        return b"content"


def test_a_body_that_breaks_off_repeats_the_call(pauses: list[float]) -> None:
    body = Body(IncompleteReadError(actual_bytes=1, expected_bytes=2))
    response, data = download(lambda: {"Body": body, "ETag": "a"})
    assert (response["ETag"], data, len(pauses)) == ("a", b"content", 1)


def test_other_errors_have_an_empty_error_code() -> None:
    assert error_code(client_error("Throttling")) == "Throttling"
    assert error_code(ValueError()) == ""


LASTS: list[Any] = [
    (client_error("AccessDenied"), True),
    (client_error("ExpiredTokenException"), True),
    (client_error("TargetGroupNotFound"), True),
    (client_error("ValidationError"), True),
    (NoCredentialsError(), True),
    (client_error("Throttling"), False),
    (client_error("HealthUnavailable"), False),
    (client_error("SomethingNew"), False),
    (client_error("ValidationError", 503), False),
    (EndpointConnectionError(endpoint_url="http://x"), False),
    (ReadTimeoutError(endpoint_url="http://x"), False),
]


@pytest.mark.parametrize(("error", "stays"), LASTS)
def test_permanent_errors_are_distinguished_from_temporary_ones(
    error: Exception, stays: bool
) -> None:
    assert is_permanent(error) is stays


@pytest.mark.usefixtures("pauses")
def test_repeated_unreadable_responses_are_translated_and_not_permanent() -> None:
    operation, _ = failing(*[ResponseParserError("Unable to parse response")] * 10)
    raised = pytest.raises(RefusedError, match="Unable to parse response")
    with raised as told, translate_errors("listing images", "eu-west-1"):
        call(operation)
    assert told.value.__cause__ is not None
    assert not is_permanent(told.value.__cause__)  # type: ignore[arg-type]


class Lister:
    """A call that returns a list in pages; it may be throttled before some of them."""

    def __init__(self, name: str, argument: str, *throttled: int) -> None:
        self.name, self.argument = name, argument
        self.throttled = list(throttled)
        self.calls: list[dict[str, str]] = []

    def __call__(self, **arguments: str) -> dict[str, object]:
        number = int(arguments.get(self.argument, "0"))
        self.calls.append(arguments)
        if number in self.throttled:
            self.throttled.remove(number)
            raise client_error("Throttling")
        last = {} if number == 2 else {self.name: str(number + 1)}
        return {"Things": [f"thing {number}"], **last}


CURSORS = [
    ("NextToken", "NextToken"),
    ("NextMarker", "Marker"),
    ("NextContinuationToken", "ContinuationToken"),
]


@pytest.mark.parametrize(("name", "argument"), CURSORS)
def test_a_list_is_read_to_its_last_page(name: str, argument: str) -> None:
    lister = Lister(name, argument)
    assert list(items(lister, "Things", Owner="self")) == ["thing 0", "thing 1", "thing 2"]
    assert lister.calls == [
        {"Owner": "self"},
        {"Owner": "self", argument: "1"},
        {"Owner": "self", argument: "2"},
    ]


def test_each_page_is_retried_by_itself(pauses: list[float]) -> None:
    lister = Lister("NextToken", "NextToken", 1, 1, 2)
    assert len(list(pages(lister))) == 3
    assert (len(lister.calls), len(pauses)) == (6, 3)


def test_a_page_without_the_field_has_no_items() -> None:
    assert list(items(dict, "Things")) == []


class Clock:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.now = 100.0
        self.pauses: list[float] = []

    def time(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_an_immediate_answer_is_returned_at_once(clock: Clock) -> None:
    assert poll_until(lambda: "yes", seconds=5, clock=clock.time, sleep=clock.sleep) == "yes"
    assert clock.pauses == []


def test_false_is_an_answer(clock: Clock) -> None:
    assert poll_until(lambda: False, seconds=5, clock=clock.time, sleep=clock.sleep) is False


def test_polling_waits_with_growing_pauses(clock: Clock) -> None:
    answers = iter([None] * 8)
    found = poll_until(
        lambda: next(answers, "late"), seconds=99, clock=clock.time, sleep=clock.sleep
    )
    assert found == "late"
    assert clock.pauses == sorted(clock.pauses)
    assert clock.pauses[0] <= 0.4
    assert clock.pauses[-1] == 5.0


def test_polling_returns_none_after_its_time(clock: Clock) -> None:
    assert poll_until(lambda: None, seconds=30, clock=clock.time, sleep=clock.sleep) is None
    assert 130.0 <= clock.now <= 135.0


def test_polling_raises_an_error_at_once(clock: Clock) -> None:
    def fail() -> None:
        raise ValueError("at once")

    with pytest.raises(ValueError, match="at once"):
        poll_until(fail, seconds=30, clock=clock.time, sleep=clock.sleep)
    assert clock.pauses == []
