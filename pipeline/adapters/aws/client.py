"""Make the clients for AWS, with this program's timeouts, and translate their errors.

Importing botocore takes 0.15 s and making a client 0.03 s, so both wait until the first call needs
them. Retries are in `retry.py`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
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


_MAKING = threading.Lock()
"""botocore's session makes one client at a time; a client may then be used by several threads."""


class Clients:
    """The clients of one run: one for each service and region, shared by all adapters.

    `region` is that of S3, and where a role of the profile is assumed, unless the profile says
    more.
    """

    def __init__(self, region: str = "") -> None:
        self._region = region
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

    def ssm(self, region: str) -> Any:
        """Return the Systems Manager client of a region; its type stubs are not installed."""
        return self._client("ssm", region)

    def sns(self, region: str) -> Any:
        """Return the SNS client of a region; its type stubs are not installed."""
        return self._client("sns", region)

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

    def s3(self, region: str = "") -> S3Client:
        """Return the S3 client; a bucket of another region of the partition is found by itself.

        S3 answers with the region of the bucket, and botocore repeats the request there.
        """
        client: S3Client = self._client("s3", region or self._region)
        return client

    def _client(self, service: str, region: str) -> Any:
        with _MAKING:
            if (service, region) not in self._clients:
                self._clients[service, region] = _make(service, region)
        return self._clients[service, region]


def _make(service: str, region: str) -> Any:
    from botocore.config import Config

    # One attempt: `retry.call` repeats requests.
    config = Config(
        connect_timeout=5,
        read_timeout=30,
        retries={"total_max_attempts": 1, "mode": "standard"},
        user_agent_extra="ami-pipeline",
    )
    session = default_session(region)
    client = session.create_client(service, region_name=region or None, config=config)
    client.meta.events.register("before-parse", require_complete)
    return client


def default_session(region: str) -> Any:
    """Return botocore's session of this run, which has its credentials.

    Its region is that of the profile or of the environment variables, otherwise `region`. Without
    one, a role of the profile could not be assumed.
    """
    if not _SESSIONS:
        from pipeline.adapters.aws.sessions import new_session

        _SESSIONS.append(new_session(region))
    return _SESSIONS[0]


_SESSIONS: list[Any] = []
"""The session of this run, once it is needed; empty it to have another one made."""


@dataclass(frozen=True, slots=True)
class CallObserver:
    """Is told of each request to AWS: `began` gets service, action and region.

    `ended` gets what `began` returned, the HTTP status (0 without an answer), and the error's code.
    Neither changes the call: what they raise is dropped.
    """

    began: Callable[[str, str, str], Any]
    ended: Callable[[Any, int, str], None]


def watch_calls(region: str, observer: CallObserver) -> None:
    """Tell an observer of the requests of every client that is made from now on.

    Each repetition of a call is a request. botocore emits `before-call` and one of `after-call` and
    `after-call-error` in the thread of the call, with a context of its own (botocore, client.py).
    """

    def before(*, model: Any, context: Any, **_: Any) -> None:
        with suppress(Exception):
            service = str(model.service_model.service_id)
            where = str(context.get("client_region") or region)
            context[_OBSERVED] = observer.began(service, model.name, where)

    def after(*, context: Any, parsed: Any, http_response: Any, **_: Any) -> None:
        with suppress(Exception):
            code = str(parsed.get("Error", {}).get("Code", ""))
            observer.ended(context.pop(_OBSERVED, None), http_response.status_code, code)

    def failed(*, context: Any, exception: Exception, **_: Any) -> None:
        with suppress(Exception):
            observer.ended(context.pop(_OBSERVED, None), 0, type(exception).__name__)

    events = default_session(region).get_component("event_emitter")
    events.register("before-call", before)
    events.register("after-call", after)
    events.register("after-call-error", failed)


_OBSERVED = "ami-pipeline-observed"


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


_CHECK_PROFILE = f"fix the profile in ~/.aws/config, then check: {commands.WHO_AM_I}"
_FIX_REGION = f"fix region in pipeline.toml; list the regions: {commands.LIST_REGIONS}"
_LOGIN = f"log in: {commands.CONSOLE_LOGIN}, then run the command again"
_NETWORK = (
    f"check the network and AWS_ENDPOINT_URL; for the local cloud: {commands.local_cloud_up()}"
)
_SSO = f"log in: {commands.SSO_LOGIN}, then run the command again"
_REMEDIES: Mapping[str, str] = {
    **dict.fromkeys(
        ("NoCredentialsError", "PartialCredentialsError"),
        f"set up credentials ({commands.CONFIGURE}, {commands.SSO_LOGIN}), "
        f"then check: {commands.WHO_AM_I}",
    ),
    **dict.fromkeys(
        (
            "NoAuthTokenError",
            "SSOError",
            "SSOTokenLoadError",
            "TokenRetrievalError",
            "UnauthorizedSSOTokenError",
        ),
        _SSO,
    ),
    **dict.fromkeys(
        (
            "LoginAuthorizationCodeError",
            "LoginError",
            "LoginRefreshRequired",
            "LoginTokenLoadError",
        ),
        _LOGIN,
    ),
    "LoginInsufficientPermissions": (
        "allow signin:AuthorizeOAuth2Access and signin:CreateOAuth2Token to this user "
        f"(policy SignInLocalDevelopmentAccess), then: {commands.CONSOLE_LOGIN}"
    ),
    "MissingDependencyException": (
        f"install it where ami-pipeline is installed: {commands.INSTALL_CRT}"
    ),
    "RefreshWithMFAUnsupportedError": (
        "the session of a role with MFA has ended: run the command again and enter a new code; "
        "for longer sessions set duration_seconds in ~/.aws/config"
    ),
    "CredentialRetrievalError": (
        f"run the credential_process or renew the token that the message names, then check: "
        f"{commands.WHO_AM_I}"
    ),
    "MetadataRetrievalError": (
        f"check that this machine has an instance role or a task role: {commands.WHO_AM_I}"
    ),
    "ProfileNotFound": f"fix AWS_PROFILE; list the profiles: {commands.LIST_PROFILES}",
    **dict.fromkeys(
        (
            "ConfigNotFound",
            "ConfigParseError",
            "InfiniteLoopConfigError",
            "InvalidConfigError",
            "InvalidDefaultsMode",
            "InvalidIMDSEndpointError",
            "InvalidIMDSEndpointModeError",
            "InvalidMaxRetryAttemptsError",
            "InvalidRetryConfigurationError",
            "InvalidRetryModeError",
            "InvalidS3UsEast1RegionalEndpointConfigError",
            "InvalidSTSRegionalEndpointsConfigError",
            "UnknownCredentialError",
            "UnknownTokenProviderError",
        ),
        _CHECK_PROFILE,
    ),
    **dict.fromkeys(
        (
            "EndpointProviderError",
            "EndpointResolutionError",
            "EndpointVariantError",
            "InvalidRegionError",
            "NoRegionError",
            "ServiceNotInRegionError",
            "UnknownEndpointError",
            "UnknownFIPSEndpointError",
            "UnknownRegionError",
        ),
        _FIX_REGION,
    ),
    **dict.fromkeys(
        (
            "ConnectTimeoutError",
            "ConnectionClosedError",
            "ConnectionError",
            "EndpointConnectionError",
            "HTTPClientError",
            "ReadTimeoutError",
            "ResponseStreamingError",
        ),
        _NETWORK,
    ),
    "SSLError": (
        "set AWS_CA_BUNDLE to the certificates of your proxy, or fix the clock of this machine; "
        f"then check: {commands.WHO_AM_I}"
    ),
    **dict.fromkeys(
        ("InvalidProxiesConfigError", "ProxyConnectionError"),
        f"fix HTTPS_PROXY and NO_PROXY, then check: {commands.WHO_AM_I}",
    ),
    **dict.fromkeys(BAD_CREDENTIALS, f"renew the credentials, then check: {commands.WHO_AM_I}"),
    **dict.fromkeys(
        BUSY, "wait until the group's own scaling activity has ended, then run the command again"
    ),
    "InstanceRefreshInProgress": (
        "wait until the group's instance refresh has ended, then run the command again"
    ),
}
"""What to do about an error, by botocore's class or by AWS's code."""


def _remedy(error: Exception) -> str:
    if is_throttled(error):
        return "AWS throttles this account: wait a minute, then run the command again"
    if error_code(error) in DENIED:
        allow = "allow the action named above in the IAM policy of this role"
        return f"{allow}; the policy that it needs: {commands.permissions()}"
    found = _REMEDIES.get(type(error).__name__) or _REMEDIES.get(error_code(error))
    return found or "run the command again; the message above is AWS's own"
