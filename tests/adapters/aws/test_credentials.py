"""The credentials of this process, from each source that botocore knows, and as tools get them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.credentials import AssumeRoleProvider
from botocore.tokens import SSOTokenProvider

from pipeline.adapters.aws import credentials as reading
from pipeline.adapters.aws.client import Clients, account_of
from pipeline.adapters.aws.credentials import lifetime, read_credentials, tool_environment
from pipeline.core.errors import RefusedError
from pipeline.core.preflight.facts import CredentialFacts
from tests.aws.wire import Wire, a_wire, answer

KEYS = {"AWS_ACCESS_KEY_ID": "AKIAEXAMPLE", "AWS_SECRET_ACCESS_KEY": "secret"}
TOKEN = {**KEYS, "AWS_SESSION_TOKEN": "token"}
REGION = "eu-central-1"


def ending(seconds: float) -> str:
    return (datetime.now(UTC) + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")


class Machine:
    """A machine with a configuration of AWS and environment variables."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self.folder, self.patch = folder, patch
        self.environ: dict[str, str] = {}
        self.set(AWS_EC2_METADATA_DISABLED="true", AWS_CONFIG_FILE=str(folder / "config"))
        self.set(AWS_SHARED_CREDENTIALS_FILE=str(folder / "none"), PATH="/usr/bin:/bin")

    def set(self, **environ: str) -> None:
        for name, value in environ.items():
            self.patch.setenv(name, value)
        self.environ |= environ

    def configure(self, text: str) -> None:
        (self.folder / "config").write_text(text)

    def program(self, *answers: dict[str, Any]) -> str:
        """Return a credential_process; the last answer repeats."""
        script = self.folder / "give"
        for number, each in enumerate(answers):
            (self.folder / f"answer-{number}").write_text(json.dumps({"Version": 1, **each}))
        script.write_text(
            f"#!/bin/sh\ncd {self.folder}\nn=$(cat count 2>/dev/null || echo 0)\n"
            f"echo $((n < {len(answers) - 1} ? n + 1 : n)) > count\ncat answer-$n\n"
        )
        script.chmod(0o755)
        return str(script)

    def tools(self, seconds: float = 600) -> dict[str, str]:
        return tool_environment(self.environ, seconds, region=REGION)

    def keys(self, seconds: float = 600) -> tuple[str, str, str]:
        found = self.tools(seconds)
        names = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
        key, secret, token = (found.get(name, "") for name in names)
        return key, secret, token


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(tmp_path, monkeypatch)


def given(name: str, seconds: float = 3600) -> dict[str, str]:
    """Return the answer of a program that gives credentials."""
    return {
        "AccessKeyId": name,
        "SecretAccessKey": "s" * 40,
        "SessionToken": f"token of {name}",
        "Expiration": ending(seconds),
    }


def assumed(action: str, name: str, seconds: float = 3600) -> bytes:
    """Return STS's answer to AssumeRole or AssumeRoleWithWebIdentity."""
    found = given(name, seconds)
    fields = "".join(f"<{key}>{found[key]}</{key}>" for key in found)
    text = f"<{action}Response><{action}Result><Credentials>{fields}</Credentials>"
    who = "<AssumedRoleUser><Arn>arn:aws:sts::1:assumed-role/a/b</Arn></AssumedRoleUser>"
    text += f"{who}</{action}Result><ResponseMetadata><RequestId>1</RequestId></ResponseMetadata>"
    return answer(200, f"{text}</{action}Response>")


@pytest.fixture
def wire(machine: Machine) -> Iterator[Wire]:
    """The endpoint of STS and of SSO."""
    with a_wire() as made:
        machine.set(AWS_ENDPOINT_URL_STS=made.url, AWS_ENDPOINT_URL_SSO=made.url)
        yield made


# --- how long they last ----------------------------------------------------------------------


def test_access_keys_of_a_user_do_not_expire(machine: Machine) -> None:
    machine.set(**KEYS)
    assert read_credentials() == CredentialFacts(temporary=False, renew=False)


@pytest.mark.parametrize("name", reading.EXPIRATIONS)
def test_a_session_in_the_environment_has_its_exported_expiry(machine: Machine, name: str) -> None:
    machine.set(**TOKEN, **{name: ending(3600)})
    found = read_credentials(machine.environ)
    assert found is not None
    assert (found.temporary, found.renew) == (True, False)
    assert found.seconds is not None
    assert 3500 < found.seconds <= 3600


def test_a_session_without_an_expiry_is_still_temporary(machine: Machine) -> None:
    machine.set(**TOKEN)
    temporary = CredentialFacts(temporary=True, renew=False)
    assert read_credentials(machine.environ) == temporary
    assert read_credentials({**TOKEN, "AWS_SESSION_EXPIRATION": "soon"}) == temporary


def test_credentials_of_a_program_are_renewed(machine: Machine) -> None:
    machine.configure(f"[default]\ncredential_process = {machine.program(given('A'))}\n")
    assert read_credentials() == CredentialFacts(temporary=True, renew=True)


def test_a_role_that_needs_an_mfa_code_is_not_renewed(
    machine: Machine, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    """botocore asks for the code once; an hour later it raises RefreshWithMFAUnsupportedError."""
    code = property(lambda _: lambda _: "123456", lambda _, __: None)
    monkeypatch.setattr(AssumeRoleProvider, "_prompter", code, raising=False)
    machine.set(AWS_PROFILE="deploy")
    machine.configure(
        "[profile base]\naws_access_key_id = A\naws_secret_access_key = B\n"
        "[profile deploy]\nrole_arn = arn:aws:iam::1:role/deploy\nsource_profile = base\n"
        "mfa_serial = arn:aws:iam::1:mfa/me\n"
    )
    machine.set(AWS_DEFAULT_REGION=REGION)
    wire.answers = [assumed("AssumeRole", "ASIA1", 1800)]
    found = read_credentials()
    assert found is not None
    assert (found.temporary, found.renew) == (True, False)
    assert found.seconds is not None
    assert 1700 < found.seconds <= 1800
    assert machine.keys(7200)[0] == "ASIA1"
    assert wire.requests == 1, "a longer step must not ask for a code"


def test_without_credentials_there_are_no_facts(machine: Machine) -> None:
    assert read_credentials() is None
    assert lifetime(60, REGION) is None
    assert machine.tools() == machine.environ


# --- as tools get them -----------------------------------------------------------------------


def from_environment(machine: Machine, _: Wire) -> None:
    machine.set(**TOKEN)


def from_a_file(machine: Machine, _: Wire) -> None:
    keys = "aws_access_key_id = AKIAEXAMPLE\naws_secret_access_key = secret\n"
    machine.configure(f"[profile deploy]\n{keys}aws_session_token = token\n")
    machine.set(AWS_PROFILE="deploy")


def from_a_program(machine: Machine, _: Wire) -> None:
    found = {"AccessKeyId": "AKIAEXAMPLE", "SecretAccessKey": "secret", "SessionToken": "token"}
    machine.configure(f"[profile deploy]\ncredential_process = {machine.program(found)}\n")
    machine.set(AWS_PROFILE="deploy")


def from_a_role(machine: Machine, wire: Wire) -> None:
    machine.configure(
        "[profile base]\naws_access_key_id = A\naws_secret_access_key = B\n"
        "[profile deploy]\nrole_arn = arn:aws:iam::1:role/deploy\nsource_profile = base\n"
    )
    machine.set(AWS_PROFILE="deploy")
    wire.answers = [EXAMPLE("AssumeRole")]


def from_web_identity(machine: Machine, wire: Wire) -> None:
    (machine.folder / "jwt").write_text("web identity")
    machine.set(
        AWS_ROLE_ARN="arn:aws:iam::1:role/deploy",
        AWS_ROLE_SESSION_NAME="ci",
        AWS_WEB_IDENTITY_TOKEN_FILE=str(machine.folder / "jwt"),
        AWS_DEFAULT_REGION="us-east-1",
    )
    wire.answers = [EXAMPLE("AssumeRoleWithWebIdentity")]


def from_sso(machine: Machine, wire: Wire) -> None:
    machine.configure(
        "[profile deploy]\nsso_session = corp\nsso_account_id = 123456789012\n"
        "sso_role_name = deploy\n[sso-session corp]\nsso_region = us-east-1\n"
        "sso_start_url = https://corp.awsapps.com/start\n"
    )
    machine.set(AWS_PROFILE="deploy")
    cache = machine.folder / "sso"
    cache.mkdir()
    machine.patch.setattr(SSOTokenProvider, "_SSO_TOKEN_CACHE_DIR", str(cache))
    token = {"accessToken": "a", "expiresAt": ending(3600), "region": "us-east-1"}
    name = hashlib.sha1(b"corp").hexdigest()  # noqa: S324  the name that the AWS CLI gives it
    (cache / f"{name}.json").write_text(json.dumps(token))
    expires = int((datetime.now(UTC).timestamp() + 3600) * 1000)
    found = {"accessKeyId": "AKIAEXAMPLE", "secretAccessKey": "secret", "sessionToken": "token"}
    body = json.dumps({"roleCredentials": {**found, "expiration": expires}})
    wire.answers = [answer(200, body, "x-amzn-RequestId: 1", content="application/json")]


def EXAMPLE(action: str) -> bytes:  # noqa: N802  the keys of every source
    said = assumed(action, "AKIAEXAMPLE").decode()
    said = said.replace("s" * 40, "secret").replace("token of AKIAEXAMPLE", "token")
    return answer(200, said.partition("\r\n\r\n")[2])


SOURCES = [
    from_environment,
    from_a_file,
    from_a_program,
    from_a_role,
    from_web_identity,
    from_sso,
]


@pytest.mark.parametrize("source", SOURCES)
def test_a_tool_gets_the_same_keys_from_every_source(
    machine: Machine, wire: Wire, source: Callable[[Machine, Wire], None]
) -> None:
    source(machine, wire)
    found = machine.tools()
    assert machine.keys() == ("AKIAEXAMPLE", "secret", "token")
    assert not found.keys() & (reading.REPLACED - {*TOKEN})
    assert found["PATH"] == "/usr/bin:/bin"
    assert found["AWS_CONFIG_FILE"], "a provider of the user's own may name a profile"
    assert found.get("AWS_REGION", found.get("AWS_DEFAULT_REGION")) == (
        "us-east-1" if source is from_web_identity else REGION
    )


def test_settings_of_the_removed_profile_still_count(machine: Machine) -> None:
    machine.configure(
        "[profile deploy]\naws_access_key_id = A\naws_secret_access_key = B\n"
        "ca_bundle = /etc/corp.pem\nendpoint_url = http://127.0.0.1:1\nuse_fips_endpoint = true\n"
    )
    machine.set(AWS_PROFILE="deploy", AWS_CA_BUNDLE="/own.pem")
    found = machine.tools()
    assert found["AWS_ENDPOINT_URL"] == "http://127.0.0.1:1"
    assert found["AWS_USE_FIPS_ENDPOINT"] == "true"
    assert found["AWS_CA_BUNDLE"] == "/own.pem"


def test_keys_that_end_before_a_step_are_renewed_for_it(machine: Machine) -> None:
    program = machine.program(given("SHORT", 1200), given("LONG", 3600))
    machine.configure(f"[default]\ncredential_process = {program}\n")
    assert machine.keys(600)[0] == "SHORT"
    assert machine.keys(3000)[0] == "LONG"
    held = lifetime(3000, REGION)
    assert held is not None
    assert held.seconds is not None
    assert (held.renew, held.seconds > 3500) == (True, True)


def test_a_role_is_assumed_anew_for_a_long_step(machine: Machine, wire: Wire) -> None:
    """botocore alone would keep the keys for as long as they last for 15 minutes."""
    from_a_role(machine, wire)
    wire.answers = [assumed("AssumeRole", "SHORT", 1200), assumed("AssumeRole", "LONG", 3600)]
    assert machine.keys(600)[0] == "SHORT"
    assert machine.keys(3000)[0] == "LONG"


def test_keys_that_cannot_be_renewed_early_are_still_used(machine: Machine, wire: Wire) -> None:
    from_a_role(machine, wire)
    wire.answers = [assumed("AssumeRole", "SHORT", 1200), answer(400, "<x/>")]
    assert machine.keys(600)[0] == "SHORT"
    assert machine.keys(3000)[0] == "SHORT"


def test_a_tool_reads_the_credentials_of_its_machine_itself(machine: Machine) -> None:
    """It renews them; a copy may expire within minutes."""
    body = json.dumps({**given("ASIA1"), "Token": "t"})
    with a_wire(answer(200, body, content="application/json")) as container:
        machine.set(AWS_CONTAINER_CREDENTIALS_FULL_URI=container.url)
        assert read_credentials() == CredentialFacts(temporary=True, renew=True)
        assert machine.tools(7200) == machine.environ
        assert lifetime(7200, REGION) == CredentialFacts(temporary=True, renew=True)


def test_credentials_that_cannot_be_read_are_an_error_with_a_remedy(machine: Machine) -> None:
    machine.set(AWS_PROFILE="deploy")
    machine.configure("[profile deploy]\ncredential_process = /bin/false\n")
    for read in (machine.tools, lambda: lifetime(60, REGION)):
        with pytest.raises(RefusedError) as told:
            read()
        assert told.value.where.startswith("AWS credentials in ")
        assert "custom-process" in told.value.what
        assert told.value.remedy


def test_only_a_secret_key_of_awss_length_is_masked() -> None:
    assert reading.secrets_in({"AWS_SECRET_ACCESS_KEY": "local-cloud"}) == ()
    assert reading.secrets_in({"AWS_SECRET_ACCESS_KEY": "s" * 40}) == ("s" * 40,)


def test_a_session_in_the_environment_that_has_expired_is_an_error_with_a_remedy(
    machine: Machine, pauses: list[float]
) -> None:
    """botocore itself raises a RuntimeError."""
    machine.set(**TOKEN, AWS_CREDENTIAL_EXPIRATION=ending(-60))
    clients = Clients(REGION)
    for use in (machine.tools, lambda: account_of(clients, REGION)):
        with pytest.raises(RefusedError) as told:
            use()
        assert "(ExpiredToken)" in told.value.what
        assert told.value.remedy.startswith("renew the credentials")
    assert pauses == []


def test_a_role_is_assumed_in_the_region_of_the_configuration(machine: Machine, wire: Wire) -> None:
    """Neither the profile nor the environment names one."""
    from_a_role(machine, wire)
    made = Clients("cn-north-1")
    assert machine.keys()[0] == "AKIAEXAMPLE"
    assert made.s3().meta.endpoint_url == "https://s3.cn-north-1.amazonaws.com.cn"
    assert made.s3("cn-northwest-1").meta.endpoint_url.endswith("cn-northwest-1.amazonaws.com.cn")
    machine.patch.delenv("AWS_ENDPOINT_URL_STS")
    assert Clients().sts("us-gov-west-1").meta.endpoint_url == (
        "https://sts.us-gov-west-1.amazonaws.com"
    )
