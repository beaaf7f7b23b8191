"""Clients for AWS: made when first needed, with our timeouts, their errors in our words.

boto3 takes a fifth of a second to import and each client as long again, so
nothing here is imported or made before a call needs it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_random_exponential

from pipeline.core.errors import PipelineError, RefusedError

if TYPE_CHECKING:
    from mypy_boto3_autoscaling import AutoScalingClient
    from mypy_boto3_ec2 import EC2Client
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sts import STSClient
    from mypy_boto3_sts.type_defs import GetCallerIdentityResponseTypeDef

Answer = TypeVar("Answer")

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
"""Auto Scaling is at work on the group itself (EC2 Auto Scaling API Reference, Errors)."""

PASSING = (
    THROTTLES
    | BUSY
    | {"HealthUnavailable", "InternalError", "InternalFailure", "ServiceUnavailable", "Unavailable"}
)
DENIED = frozenset({"AccessDenied", "AccessDeniedException", "UnauthorizedOperation"})
STALE = frozenset(
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
NOWHERE = frozenset({"LoadBalancerNotFound", "TargetGroupNotFound"})
LASTING = (
    DENIED | STALE | NOWHERE | {"MissingAuthenticationToken", "OptInRequired", "ValidationError"}
)
"""The answer to the same question will be the same in an hour."""

ATTEMPTS = 6


class Clients:
    """One client for each service and region, shared by all adapters of a run."""

    def __init__(self) -> None:
        self._made: dict[tuple[str, str], Any] = {}
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
        """Return the client of classic load balancers; its stubs are not among ours."""
        return self._client("elb", region)

    def elbv2(self, region: str) -> Any:
        """Return the client of target groups and what stands before them."""
        return self._client("elbv2", region)

    def cloudwatch(self, region: str) -> Any:
        """Return the CloudWatch client of a region."""
        return self._client("cloudwatch", region)

    def service_quotas(self, region: str) -> Any:
        """Return the Service Quotas client of a region; its stubs are not among ours."""
        return self._client("service-quotas", region)

    def sts(self, region: str) -> STSClient:
        """Return the STS client of a region, which says who we are."""
        client: STSClient = self._client("sts", region)
        return client

    def caller(self, region: str) -> GetCallerIdentityResponseTypeDef:
        """Return who the credentials belong to; asked once.

        Needs no permission (STS API Reference, GetCallerIdentity).
        """
        if self._caller is None:
            self._caller = call(self.sts(region).get_caller_identity)
        return self._caller

    @property
    def account(self) -> str:
        """The account the credentials belong to, where `caller` was asked; else empty."""
        return self._caller["Account"] if self._caller else ""

    def s3(self) -> S3Client:
        """Return the S3 client, in the region the environment names."""
        client: S3Client = self._client("s3", "")
        return client

    def _client(self, service: str, region: str) -> Any:
        if (service, region) not in self._made:
            self._made[service, region] = _make(service, region)
        return self._made[service, region]


def _make(service: str, region: str) -> Any:
    import boto3
    from botocore.config import Config

    make: Any = boto3.client
    config = Config(
        connect_timeout=5,
        read_timeout=30,
        retries={"total_max_attempts": 1, "mode": "standard"},
        user_agent_extra="ami-pipeline",
    )
    return make(service, region_name=region or None, config=config)


def error_code(error: BaseException) -> str:
    """Return AWS's code of a ClientError, for example `InvalidAMIID.NotFound`, else nothing."""
    response = getattr(error, "response", None)
    return str(response.get("Error", {}).get("Code", "")) if isinstance(response, dict) else ""


def _passes(error: BaseException) -> bool:
    """Whether the same call may go through a moment later."""
    from botocore.exceptions import ConnectionError as NoConnection
    from botocore.exceptions import EndpointConnectionError, HTTPClientError

    if isinstance(error, EndpointConnectionError):
        return False
    return error_code(error) in PASSING or isinstance(error, (NoConnection, HTTPClientError))


def call(operation: Callable[..., Answer], **arguments: Any) -> Answer:
    """Call AWS; throttling and passing failures are asked again with jitter, six times at most.

    Our own calls are reads or may be repeated, so a call that failed after it had
    its effect is repeated too. Any botocore error that stays is raised as it is.
    """
    return patience()(readable(operation), **arguments)


def readable(operation: Callable[..., Answer]) -> Callable[..., Answer]:
    """Have an answer that is none of AWS's end a call as a connection that broke does.

    A proxy's page, or an answer that was cut off, is a ResponseParserError, which botocore
    derives from nothing of its own.
    """
    from botocore.exceptions import HTTPClientError
    from botocore.parsers import ResponseParserError

    def asked(**arguments: Any) -> Answer:
        try:
            return operation(**arguments)
        except ResponseParserError as error:
            raise HTTPClientError(error=error) from error

    return asked


def patience(also: frozenset[str] = frozenset()) -> Retrying:
    """Return what calls again what may go through a moment later, these codes of AWS's as well."""
    return Retrying(
        retry=retry_if_exception(lambda error: error_code(error) in also or _passes(error)),
        stop=stop_after_attempt(ATTEMPTS),
        wait=wait_random_exponential(multiplier=0.2, max=10),
        reraise=True,
    )


def lasts(error: Exception) -> bool:
    """Whether asking again later is of no use: no permission, no credentials, nothing there.

    What is not known to last may pass: a deployment waits for it until its deadline.
    """
    from botocore.exceptions import ClientError, HTTPClientError
    from botocore.exceptions import ConnectionError as NoConnection

    if isinstance(error, ClientError):
        return error_code(error) in LASTING
    return not isinstance(error, (NoConnection, HTTPClientError))


@contextmanager
def speaking_plainly(
    where: str, region: str, raising: type[PipelineError] = RefusedError
) -> Iterator[None]:
    """Turn botocore's errors inside the block into a RefusedError that says what to do.

    `raising` is another class of ours where the work has begun already.
    """
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except (BotoCoreError, ClientError) as error:
        raise raising(f"{where} in {region}", str(error), _remedy(error)) from error


def account_of(clients: Clients, region: str) -> str:
    """Return the account the credentials belong to; raises RefusedError where they do not count."""
    with speaking_plainly("asking who we are", region):
        return clients.caller(region)["Account"]


_REMEDIES = (
    (
        {"NoCredentialsError", "PartialCredentialsError", "TokenRetrievalError"},
        "give credentials (aws configure, aws sso login), then check: aws sts get-caller-identity",
    ),
    ({"ProfileNotFound"}, "correct AWS_PROFILE, see: aws configure list-profiles"),
    (
        {"EndpointConnectionError", "ConnectTimeoutError", "ConnectionClosedError"},
        "check the network and AWS_ENDPOINT_URL; for the local cloud: ami-pipeline local-cloud up",
    ),
    (DENIED, "allow the action named above in the IAM policy of this role"),
    (STALE, "renew the credentials, then check: aws sts get-caller-identity"),
    (BUSY, "wait until the group's own activity is over and run the command again"),
    (
        {"InstanceRefreshInProgress"},
        "wait for the group's instance refresh, or: aws autoscaling cancel-instance-refresh",
    ),
    (THROTTLES, "AWS is throttling this account: wait a minute and run the command again"),
)


def _remedy(error: Exception) -> str:
    names = {type(error).__name__, error_code(error)}
    found = (remedy for known, remedy in _REMEDIES if names & known)
    return next(found, "run the command again; if it stays, the words above are AWS's own")
