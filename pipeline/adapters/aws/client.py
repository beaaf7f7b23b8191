"""Make the clients for AWS, with this program's timeouts, and translate their errors.

Importing boto3 takes 0.2 s and making a client as long again, so both wait until the first call
needs them. Retries are in `retry.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from pipeline.adapters.aws.retry import (
    BAD_CREDENTIALS,
    BUSY,
    DENIED,
    call,
    error_code,
    is_throttled,
    require_complete,
)
from pipeline.core import commands
from pipeline.core.errors import PipelineError, RefusedError

if TYPE_CHECKING:
    from mypy_boto3_autoscaling import AutoScalingClient
    from mypy_boto3_ec2 import EC2Client
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sts import STSClient
    from mypy_boto3_sts.type_defs import GetCallerIdentityResponseTypeDef

IDENTITY = "AWS credentials"
"""Where an error of GetCallerIdentity happened, in a message."""


class Clients:
    """The clients of one run: one for each service and region, shared by all adapters."""

    def __init__(self) -> None:
        self._clients: dict[tuple[str, str], Any] = {}
        self._caller: GetCallerIdentityResponseTypeDef | None = None

    def ec2(self, region: str) -> EC2Client:
        """Return the EC2 client of a region."""
        client: EC2Client = self._client("ec2", region)
        return client

    def autoscaling(self, region: str) -> AutoScalingClient:
        """Return the Auto Scaling client of a region."""
        client: AutoScalingClient = self._client("autoscaling", region)
        return client

    def elb(self, region: str) -> Any:
        """Return the client of classic load balancers; its type stubs are not installed."""
        return self._client("elb", region)

    def elbv2(self, region: str) -> Any:
        """Return the client of target groups and their load balancers."""
        return self._client("elbv2", region)

    def cloudwatch(self, region: str) -> Any:
        """Return the CloudWatch client of a region."""
        return self._client("cloudwatch", region)

    def service_quotas(self, region: str) -> Any:
        """Return the Service Quotas client of a region; its type stubs are not installed."""
        return self._client("service-quotas", region)

    def iam(self, region: str) -> Any:
        """Return the IAM client; the region chooses the partition. Its stubs are not installed."""
        return self._client("iam", region)

    def sts(self, region: str) -> STSClient:
        """Return the STS client of a region."""
        client: STSClient = self._client("sts", region)
        return client

    def caller(self, region: str) -> GetCallerIdentityResponseTypeDef:
        """Return the account and ARN of the credentials; AWS is called once.

        The call needs no permission (STS API Reference, GetCallerIdentity).
        """
        if self._caller is None:
            self._caller = call(self.sts(region).get_caller_identity)
        return self._caller

    @property
    def account(self) -> str:
        """The account of the credentials; empty until `caller` was called."""
        return self._caller["Account"] if self._caller else ""

    def s3(self) -> S3Client:
        """Return the S3 client, in the region of the environment variables."""
        client: S3Client = self._client("s3", "")
        return client

    def _client(self, service: str, region: str) -> Any:
        if (service, region) not in self._clients:
            self._clients[service, region] = _make(service, region)
        return self._clients[service, region]


def _make(service: str, region: str) -> Any:
    import boto3
    from botocore.config import Config

    make: Any = boto3.client
    # One attempt: `retry.call` repeats requests.
    config = Config(
        connect_timeout=5,
        read_timeout=30,
        retries={"total_max_attempts": 1, "mode": "standard"},
        user_agent_extra="ami-pipeline",
    )
    client = make(service, region_name=region or None, config=config)
    client.meta.events.register("before-parse", require_complete)
    return client


@contextmanager
def translate_errors(
    where: str, region: str, raising: type[PipelineError] = RefusedError
) -> Iterator[None]:
    """Raise botocore's errors inside the block as `raising`, with AWS's message and a remedy.

    `where` says what the block does. `raising` is FailedError once the work has begun.
    """
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except (BotoCoreError, ClientError) as error:
        raise raising(f"{where} in {region}", _describe(where, error), _remedy(error)) from error


def account_of(clients: Clients, region: str) -> str:
    """Return the account of the credentials; raises RefusedError if AWS does not accept them."""
    with translate_errors(IDENTITY, region):
        return clients.caller(region)["Account"]


def _describe(where: str, error: Exception) -> str:
    if type(error).__name__ != "NoCredentialsError":
        return str(error)
    call_made = " (sts:GetCallerIdentity failed)" if where == IDENTITY else ""
    return f"no AWS credentials found{call_made}"


_REMEDIES = (
    (
        {"NoCredentialsError", "PartialCredentialsError", "TokenRetrievalError"},
        (
            f"set up credentials ({commands.CONFIGURE}, {commands.SSO_LOGIN}), "
            f"then check: {commands.WHO_AM_I}"
        ),
    ),
    ({"ProfileNotFound"}, f"fix AWS_PROFILE; list the profiles: {commands.LIST_PROFILES}"),
    (
        {"EndpointConnectionError", "ConnectTimeoutError", "ConnectionClosedError"},
        f"check the network and AWS_ENDPOINT_URL; for the local cloud: {commands.local_cloud_up()}",
    ),
    (
        DENIED,
        (
            "allow the action named above in the IAM policy of this role; "
            f"the policy that it needs: {commands.permissions()}"
        ),
    ),
    (BAD_CREDENTIALS, f"renew the credentials, then check: {commands.WHO_AM_I}"),
    (BUSY, "wait until the group's own scaling activity has ended, then run the command again"),
    (
        {"InstanceRefreshInProgress"},
        "wait until the group's instance refresh has ended, then run the command again",
    ),
)


def _remedy(error: Exception) -> str:
    if is_throttled(error):
        return "AWS throttles this account: wait a minute, then run the command again"
    names = {type(error).__name__, error_code(error)}
    found = (remedy for codes, remedy in _REMEDIES if names & codes)
    return next(found, "run the command again; the message above is AWS's own")
