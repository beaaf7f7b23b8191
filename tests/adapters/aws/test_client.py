from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import (
    ClientError,
    EndpointConnectionError,
    NoCredentialsError,
    ProfileNotFound,
    ReadTimeoutError,
)
from botocore.parsers import ResponseParserError

from pipeline.adapters.aws.client import (
    ATTEMPTS,
    Clients,
    call,
    error_code,
    lasts,
    speaking_plainly,
)
from pipeline.adapters.aws.images import Ec2Images
from pipeline.core.bake.model import Source
from pipeline.core.errors import FailedError, RefusedError


def client_error(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "said AWS"}}, "DescribeImages")


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    waited: list[float] = []
    monkeypatch.setattr(time, "sleep", waited.append)
    return waited


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
def test_what_passes_is_asked_again(error: Exception, pauses: list[float]) -> None:
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
def test_what_stays_is_raised_at_once(error: Exception, pauses: list[float]) -> None:
    operation, _ = failing(error)
    with pytest.raises(type(error)):
        call(operation)
    assert pauses == []


def test_an_answer_that_is_none_of_aws_is_asked_for_again(pauses: list[float]) -> None:
    """A proxy's page, for example; botocore says in so many words that it may be repeated."""
    page = ResponseParserError("Unable to parse response, invalid XML received")
    operation, left = failing(page, page)
    assert call(operation) == "answer"
    assert (left, len(pauses)) == ([], 2)


@pytest.mark.usefixtures("pauses")
def test_answers_that_stay_none_of_aws_are_told_plainly_and_may_pass() -> None:
    operation, _ = failing(*[ResponseParserError("Unable to parse response")] * 10)
    raised = pytest.raises(RefusedError, match="Unable to parse response")
    with raised as told, speaking_plainly("listing images", "eu-west-1"):
        call(operation)
    assert told.value.__cause__ is not None
    assert not lasts(told.value.__cause__)  # type: ignore[arg-type]


def test_throttling_without_an_end_is_given_up(pauses: list[float]) -> None:
    operation, left = failing(*[client_error("Throttling")] * 10)
    with pytest.raises(ClientError):
        call(operation)
    assert len(left) == 10 - ATTEMPTS
    assert len(pauses) == ATTEMPTS - 1


REMEDIES: list[Any] = [
    (NoCredentialsError(), "give credentials (aws configure, aws sso login)"),
    (ProfileNotFound(profile="x"), "correct AWS_PROFILE, see: aws configure list-profiles"),
    (EndpointConnectionError(endpoint_url="http://x"), "check the network and AWS_ENDPOINT_URL"),
    (client_error("UnauthorizedOperation"), "allow the action named above in the IAM policy"),
    (client_error("AccessDenied"), "allow the action named above in the IAM policy"),
    (client_error("AuthFailure"), "renew the credentials"),
    (client_error("ExpiredToken"), "renew the credentials"),
    (client_error("Throttling"), "AWS is throttling this account"),
    (client_error("ScalingActivityInProgress"), "wait until the group's own activity is over"),
    (client_error("Weird"), "run the command again; if it stays, the words above are AWS's own"),
]


@pytest.mark.parametrize(("error", "remedy"), REMEDIES)
def test_an_error_of_aws_is_told_with_a_remedy(error: Exception, remedy: str) -> None:
    with pytest.raises(RefusedError) as told, speaking_plainly("listing images", "eu-west-1"):
        raise error
    assert told.value.where == "listing images in eu-west-1"
    assert told.value.what == str(error)
    assert told.value.remedy.startswith(remedy)


def test_an_error_of_ours_passes_unchanged() -> None:
    with pytest.raises(ValueError, match="ours"), speaking_plainly("x", "y"):
        raise ValueError("ours")


def test_the_code_of_what_is_no_client_error_is_empty() -> None:
    assert error_code(client_error("Throttling")) == "Throttling"
    assert error_code(ValueError()) == ""


def test_a_client_is_made_once_for_each_region(aws: Clients) -> None:
    assert aws.ec2("us-east-1") is aws.ec2("us-east-1")
    assert aws.ec2("us-east-1") is not aws.ec2("eu-west-1")
    assert aws.ec2("eu-west-1").meta.region_name == "eu-west-1"
    for make in (aws.autoscaling, aws.elb, aws.elbv2, aws.cloudwatch, aws.sts):
        assert make("eu-west-1").meta.service_model.service_name == make.__name__
    config: Any = aws.ec2("us-east-1").meta.config
    assert "ami-pipeline" in config.user_agent


USES: list[Callable[[Ec2Images], object]] = [
    lambda images: images.owned("us-east-1", {}),
    lambda images: images.named("us-east-1", "x"),
    lambda images: images.resolve(Source(id="ami-1"), "us-east-1"),
]


@pytest.mark.parametrize("use", USES)
def test_a_profile_that_is_not_there_is_a_refusal_too(
    use: Callable[[Ec2Images], object], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    monkeypatch.setenv("AWS_PROFILE", "nope")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    with pytest.raises(RefusedError) as told:
        use(Ec2Images(Clients()))
    assert "AWS_PROFILE" in told.value.remedy


def test_without_an_endpoint_there_is_no_second_try(
    monkeypatch: pytest.MonkeyPatch, pauses: list[float]
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    with pytest.raises(RefusedError) as told:
        Ec2Images(Clients()).owned("us-east-1", {})
    assert "local-cloud up" in told.value.remedy
    assert pauses == []


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
def test_what_lasts_is_told_from_what_may_pass(error: Exception, stays: bool) -> None:
    assert lasts(error) is stays


def test_work_that_had_begun_fails_and_is_not_refused() -> None:
    with pytest.raises(FailedError) as told, speaking_plainly("attaching", "r", FailedError):
        raise client_error("InstanceRefreshInProgress")
    assert told.value.remedy.startswith("wait for the group's instance refresh")
