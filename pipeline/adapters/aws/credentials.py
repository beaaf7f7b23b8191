"""Read this process's AWS credentials, and give them to Packer and Terraform.

botocore knows more sources of credentials than old versions of these tools: SSO sessions, `aws
login`, programs. So they get the keys that botocore found, and all three act as the same role.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from pipeline.adapters.aws.client import IDENTITY, default_session, translate_errors
from pipeline.adapters.aws.retry import call

if TYPE_CHECKING:
    from pipeline.core.preflight.facts import CredentialFacts

STATIC_PROVIDERS = frozenset({"env", "explicit", "shared-credentials-file", "config-file"})
"""botocore's names of the credential providers that cannot renew credentials."""
MACHINE_PROVIDERS = frozenset({"iam-role", "container-role"})
"""Those of a machine or a container: every tool reads and renews them itself."""
EXPIRATIONS = ("AWS_CREDENTIAL_EXPIRATION", "AWS_SESSION_EXPIRATION")
"""The AWS CLI and aws-vault export the first, and botocore reads it; the second is older."""
REPLACED = frozenset(
    {
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "AWS_SECURITY_TOKEN",
        "AWS_PROFILE",
        "AWS_DEFAULT_PROFILE",
        "AWS_ROLE_ARN",
        "AWS_ROLE_SESSION_NAME",
        "AWS_WEB_IDENTITY_TOKEN_FILE",
        "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
        "AWS_CONTAINER_CREDENTIALS_FULL_URI",
        "AWS_CONTAINER_AUTHORIZATION_TOKEN",
        "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
        *EXPIRATIONS,
    }
)
"""The variables that name a source of credentials; a second one could contradict the keys."""
SECRET_LENGTH = 40
"""Characters of a secret access key (IAM User Guide, "Manage access keys")."""
REGIONS = {"AWS_REGION", "AWS_DEFAULT_REGION"}
OF_THE_PROFILE = {
    "ca_bundle": "AWS_CA_BUNDLE",
    "endpoint_url": "AWS_ENDPOINT_URL",
    "use_dualstack_endpoint": "AWS_USE_DUALSTACK_ENDPOINT",
    "use_fips_endpoint": "AWS_USE_FIPS_ENDPOINT",
}
"""Settings of a profile that are not credentials, and the variables that have the same meaning."""


ToolEnvironment = Callable[[Mapping[str, str], float], Mapping[str, str]]
"""Returns an environment with the AWS credentials of a command that may take so many seconds."""


def as_it_is(environ: Mapping[str, str], _seconds: float) -> Mapping[str, str]:
    """Return the environment without other credentials."""
    return environ


def read_credentials(environ: Mapping[str, str] = os.environ) -> CredentialFacts | None:
    """Return how long the credentials of this run last; None if it has none.

    botocore renews credentials of a role, of SSO and of a program, but asks for an MFA code once
    only. Those of environment variables and files are never renewed, and may or may not have an
    expiry time. Raises botocore's error if the credentials cannot be read.
    """
    from pipeline.core.preflight.facts import CredentialFacts

    session = default_session("")
    credentials = session.get_credentials()
    if credentials is None:
        return None
    if credentials.method not in STATIC_PROVIDERS and not _needs_mfa(session):
        return CredentialFacts(temporary=True, renew=True)
    call(credentials.get_frozen_credentials)  # the expiry is unknown before they are used
    expiry = _expiry(credentials) or _exported_expiry(environ)
    if expiry is None:
        return CredentialFacts(temporary=bool(credentials.token), renew=False)
    return CredentialFacts(temporary=True, renew=False, seconds=_seconds_left(expiry))


def lifetime(seconds: float, region: str) -> CredentialFacts | None:
    """Return the facts about the keys that a tool gets now for a step of up to `seconds`.

    A tool cannot renew what it gets, so `seconds` is set for credentials that botocore renews,
    too. Raises RefusedError if the credentials cannot be read.
    """
    from pipeline.core.preflight.facts import CredentialFacts

    with translate_errors(IDENTITY, region):
        default_session(region)
        facts = read_credentials()
        if facts is None or not facts.renew or _is_of_machine():
            return facts
        expiry = _expiry(_renewed(seconds))
    left = None if expiry is None else _seconds_left(expiry)
    return CredentialFacts(temporary=True, renew=True, seconds=left)


def tool_environment(environ: Mapping[str, str], seconds: float, *, region: str) -> dict[str, str]:
    """Return the environment of a tool that runs for up to `seconds`, with this process's keys.

    Variables that name another source of credentials are removed. Without credentials, and for
    those of a machine or container, the environment stays as it is: a tool renews those itself,
    and a copy may expire within minutes. Raises RefusedError if the credentials cannot be read.
    """
    with translate_errors(IDENTITY, region):
        credentials = default_session(region).get_credentials()
        if credentials is None or _is_of_machine():
            return dict(environ)
        keys: Any = call(_renewed(seconds).get_frozen_credentials)
    found = {name: value for name, value in environ.items() if name not in REPLACED}
    found["AWS_ACCESS_KEY_ID"] = keys.access_key
    found["AWS_SECRET_ACCESS_KEY"] = keys.secret_key
    if keys.token:
        found["AWS_SESSION_TOKEN"] = keys.token
    for name, value in _profile_settings().items():
        found.setdefault(name, value)
    if not found.keys() & REGIONS:
        found["AWS_REGION"] = region
    return found


def secrets_in(environ: Mapping[str, str]) -> tuple[str, ...]:
    """Return what must never be printed of a tool's keys.

    A request needs the secret key, so an access key id or a session token alone is useless. A key
    of AWS has 40 characters; a shorter one is made up, and may be an ordinary word.
    """
    secret = environ.get("AWS_SECRET_ACCESS_KEY", "")
    return (secret,) if len(secret) >= SECRET_LENGTH else ()


def _is_of_machine() -> bool:
    credentials = default_session("").get_credentials()
    return credentials is not None and credentials.method in MACHINE_PROVIDERS


def _renewed(seconds: float) -> Any:
    """Return credentials that last for `seconds` if possible.

    botocore renews in the last 15 minutes only, and keeps the keys of a role in its session until
    then. A new session asks for new ones. A role with MFA would ask a person for a code.
    """
    from pipeline.adapters.aws.sessions import new_session

    session = default_session("")
    credentials = session.get_credentials()
    call(credentials.get_frozen_credentials)
    expiry = _expiry(credentials)
    is_static = credentials.method in STATIC_PROVIDERS or _needs_mfa(session)
    if is_static or expiry is None or _seconds_left(expiry) >= seconds:
        return credentials
    with suppress(Exception):  # the keys at hand are valid, though not for as long
        newer: Any = new_session(session.get_config_variable("region") or "").get_credentials()
        newer.get_frozen_credentials()
        if (_expiry(newer) or expiry) > expiry:
            return newer
    return credentials


def _needs_mfa(session: Any) -> bool:
    return bool(session.get_scoped_config().get("mfa_serial"))


def _profile_settings() -> dict[str, str]:
    """Return what the removed profile said about endpoints."""
    profile = default_session("").get_scoped_config()
    return {OF_THE_PROFILE[key]: profile[key] for key in OF_THE_PROFILE if key in profile}


def _expiry(credentials: Any) -> datetime | None:
    """Return when botocore considers credentials expired; there is no public name for it."""
    expiry: datetime | None = getattr(credentials, "_expiry_time", None)
    return expiry


def _seconds_left(expiry: datetime) -> float:
    return (expiry - datetime.now(UTC)).total_seconds()


def _exported_expiry(environ: Mapping[str, str]) -> datetime | None:
    text = next((environ[name] for name in EXPIRATIONS if environ.get(name)), "")
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
