from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from botocore import exceptions
from botocore.exceptions import (
    EndpointConnectionError,
    ProfileNotFound,
)

from pipeline.adapters.aws import client
from pipeline.adapters.aws.client import Clients, account_of, translate_errors
from pipeline.adapters.aws.images import Ec2Images
from pipeline.core.bake.model import Source
from pipeline.core.errors import FailedError, RefusedError
from tests.aws.errors import client_error

REMEDIES: list[Any] = [
    (
        ProfileNotFound(profile="x"),
        "fix AWS_PROFILE; list the profiles: aws configure list-profiles",
    ),
    (EndpointConnectionError(endpoint_url="http://x"), "check the network and AWS_ENDPOINT_URL"),
    (client_error("UnauthorizedOperation"), "allow the action named above in the IAM policy"),
    (client_error("AuthorizationError"), "allow the action named above in the IAM policy"),
    (client_error("AccessDenied"), "allow the action named above in the IAM policy"),
    (client_error("AuthFailure"), "renew the credentials"),
    (client_error("ExpiredToken"), "renew the credentials"),
    (client_error("Throttling"), "AWS throttles this account"),
    (
        client_error("ScalingActivityInProgress"),
        "wait until the group's own scaling activity has ended",
    ),
    (client_error("Weird"), "run the command again; the message above is AWS's own"),
]


@pytest.mark.parametrize(("error", "remedy"), REMEDIES)
def test_an_error_of_aws_has_a_remedy(error: Exception, remedy: str) -> None:
    with pytest.raises(RefusedError) as told, translate_errors("listing images", "eu-west-1"):
        raise error
    assert told.value.where == "listing images in eu-west-1"
    assert told.value.what == str(error)
    assert told.value.remedy.startswith(remedy)


def test_other_errors_pass_unchanged() -> None:
    with pytest.raises(ValueError, match="ours"), translate_errors("x", "y"):
        raise ValueError("ours")


def test_a_client_is_made_once_for_each_region(aws: Clients) -> None:
    assert aws.ec2("us-east-1") is aws.ec2("us-east-1")
    assert aws.ec2("us-east-1") is not aws.ec2("eu-west-1")
    assert aws.ec2("eu-west-1").meta.region_name == "eu-west-1"
    for make in (aws.autoscaling, aws.elb, aws.elbv2, aws.cloudwatch, aws.sts):
        assert make("eu-west-1").meta.service_model.service_name == make.__name__
    config: Any = aws.ec2("us-east-1").meta.config
    assert "ami-pipeline" in config.user_agent


def test_threads_make_one_client_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """botocore's session is not safe for threads; notifications run beside a deployment."""
    making, most = list[str](), list[int]()

    def make(service: str, _region: str) -> str:
        making.append(service)
        most.append(len(making))
        time.sleep(0.01)  # until another thread would have begun
        making.remove(service)
        return service

    monkeypatch.setattr(client, "_make", make)
    with ThreadPoolExecutor(4) as threads:
        names = [
            *threads.map(lambda each: Clients()._client(each, ""), ["ec2", "sns", "s3", "sts"])
        ]
    assert (names, max(most)) == (["ec2", "sns", "s3", "sts"], 1)


USES: list[Callable[[Ec2Images], object]] = [
    lambda images: images.owned("us-east-1", {}),
    lambda images: images.named("us-east-1", "x"),
    lambda images: images.resolve(Source(id="ami-1"), "us-east-1"),
]


@pytest.mark.parametrize("use", USES)
def test_a_missing_profile_is_an_error(
    use: Callable[[Ec2Images], object], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("AWS_PROFILE", "nope")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    with pytest.raises(RefusedError) as told:
        use(Ec2Images(Clients()))
    assert "AWS_PROFILE" in told.value.remedy


def test_an_unreachable_endpoint_is_not_retried(
    monkeypatch: pytest.MonkeyPatch, pauses: list[float]
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    with pytest.raises(RefusedError) as told:
        Ec2Images(Clients()).owned("us-east-1", {})
    assert "local-cloud up" in told.value.remedy
    assert pauses == []


def test_an_error_during_a_change_is_raised_as_failed() -> None:
    with pytest.raises(FailedError) as told, translate_errors("attaching", "r", FailedError):
        raise client_error("InstanceRefreshInProgress")
    assert told.value.remedy.startswith("wait until the group's instance refresh has ended")


def test_missing_credentials_are_reported_with_the_commands_that_set_them_up(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    with pytest.raises(RefusedError) as raised:
        account_of(Clients(), "us-east-1")
    assert raised.value.where == "AWS credentials in us-east-1"
    assert raised.value.what == "no AWS credentials found (sts:GetCallerIdentity failed)"
    assert raised.value.remedy == (
        "set up credentials (aws configure, aws sso login), then check: aws sts get-caller-identity"
    )
    with pytest.raises(RefusedError) as raised:
        Ec2Images(Clients()).owned("us-east-1", {})
    assert raised.value.what == "no AWS credentials found"


OF_THE_PROGRAM = frozenset(
    {
        "AliasConflictParameterError",
        "ApiVersionNotFoundError",
        "AwsChunkedWrapperError",
        "BaseEndpointResolverError",
        "BotoCoreError",
        "CapacityNotAvailableError",
        "ChecksumError",
        "DataNotFoundError",
        "FlexibleChecksumError",
        "IncompleteReadError",
        "InvalidChecksumConfigError",
        "InvalidDNSNameError",
        "InvalidEndpointConfigurationError",
        "InvalidEndpointDiscoveryConfigurationError",
        "InvalidExpressionError",
        "InvalidHostLabelError",
        "InvalidS3AddressingStyleError",
        "MD5UnavailableError",
        "MissingParametersError",
        "OperationNotPageableError",
        "PaginationError",
        "ParamValidationError",
        "RangeError",
        "StubAssertionError",
        "StubResponseError",
        "UnStubbedResponseError",
        "UnknownClientMethodError",
        "UnknownEndpointResolutionBuiltInName",
        "UnknownKeyError",
        "UnknownParameterError",
        "UnknownServiceError",
        "UnknownServiceStyle",
        "UnknownSignatureVersionError",
        "UnseekableStreamError",
        "UnsupportedOutpostResourceError",
        "UnsupportedS3AccesspointConfigurationError",
        "UnsupportedS3ArnError",
        "UnsupportedS3ConfigurationError",
        "UnsupportedS3ControlArnError",
        "UnsupportedS3ControlConfigurationError",
        "UnsupportedServiceProtocolsError",
        "UnsupportedSignatureVersionError",
        "ValidationError",
        "WaiterConfigError",
        "WaiterError",
    }
)
"""Errors of botocore about how this program calls it, or that every repetition may fix."""


def test_every_error_about_credentials_region_or_connection_has_a_remedy_of_its_own() -> None:
    """A new class of botocore fails this: give it a remedy, or list it above."""
    classes = {
        name
        for name, each in vars(exceptions).items()
        if isinstance(each, type) and issubclass(each, exceptions.BotoCoreError)
    }
    assert classes - OF_THE_PROGRAM - client._REMEDIES.keys() == set()
    assert not OF_THE_PROGRAM - classes
    named = {name for name in client._REMEDIES if name.endswith(("Error", "NotFound", "Mode"))}
    codes = {"AuthorizationError", "TargetGroupNotFound", "LoadBalancerNotFound"}
    assert named - codes <= classes


SESSIONS: list[Any] = [
    (exceptions.SSOTokenLoadError(error_msg="x"), "log in: aws sso login, then"),
    (exceptions.UnauthorizedSSOTokenError(), "log in: aws sso login, then"),
    (exceptions.LoginRefreshRequired(), "log in: aws login, then"),
    (exceptions.MissingDependencyException(msg="crt"), "install it where ami-pipeline is"),
    (exceptions.NoRegionError(), "fix region in pipeline.toml"),
    (exceptions.SSLError(endpoint_url="x", error=OSError("x")), "set AWS_CA_BUNDLE to"),
    (
        exceptions.CredentialRetrievalError(provider="x", error_msg="y"),
        "run the credential_process",
    ),
    (exceptions.RefreshWithMFAUnsupportedError(), "the session of a role with MFA has ended"),
]


@pytest.mark.parametrize(("error", "remedy"), SESSIONS)
def test_an_error_of_credentials_has_a_remedy(error: Exception, remedy: str) -> None:
    with pytest.raises(RefusedError) as told, translate_errors("reading", "eu-west-1"):
        raise error
    assert told.value.remedy.startswith(remedy)
