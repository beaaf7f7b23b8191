"""Retries, pages and polling: the only places where a call of AWS is repeated."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import (
    ClientError,
    EndpointConnectionError,
    NoCredentialsError,
    ReadTimeoutError,
)
from botocore.parsers import ResponseParserError

from pipeline.adapters.aws.client import translate_errors
from pipeline.adapters.aws.retry import (
    ATTEMPTS,
    call,
    error_code,
    is_permanent,
    items,
    pages,
    poll_until,
)
from pipeline.core.errors import RefusedError
from tests.aws.errors import client_error


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
        client_error("RequestLimitExceeded"),
        client_error("Throttling"),
        client_error("SlowDown"),
        client_error("InternalError"),
        client_error("Unavailable"),
        ReadTimeoutError(endpoint_url="https://ec2"),
    ],
)
def test_a_transient_error_is_retried(error: Exception, pauses: list[float]) -> None:
    operation, left = failing(error, error)
    assert call(operation) == "answer"
    assert left == []
    assert len(pauses) == 2
    assert all(0 <= pause <= 10 for pause in pauses)


@pytest.mark.parametrize(
    "error",
    [
        EndpointConnectionError(endpoint_url="http://127.0.0.1:1"),
        client_error("UnauthorizedOperation"),
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
