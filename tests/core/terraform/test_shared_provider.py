from __future__ import annotations

import json

import pytest

from pipeline.core.terraform.provider_lock import locked_package
from pipeline.core.terraform.shared_provider import (
    Handshake,
    attachment,
    may_configure,
    package_hash,
    parse_handshake,
    provider_environment,
)

AWS = "registry.terraform.io/hashicorp/aws"
# What init writes for AWS provider 5.100.0 (one of its signed hashes).
LOCK = f"""
provider "{AWS}" {{
  version     = "5.100.0"
  constraints = ">= 5.0.0, < 7.0.0"
  hashes = [
    "h1:edXOJWE4ORX8Fm+dpVpICzMZJat4AX0VRCAy/xkcOc0=",
    "zh:054b8dd49f0549c9a7cc27d159e45327b7b65cf404da5e5a20da154b90b8a644",
  ]
}}
"""


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b"1|5|unix|/tmp/plugin1|grpc|\n", Handshake(version=5, socket="/tmp/plugin1")),
        (b"1|6|unix|/tmp/plugin1|grpc||true", Handshake(version=6, socket="/tmp/plugin1")),
        (b"Starting github.com/hashicorp/terraform-provider-aws@5.100.0 (go1.23.10)...", None),
        (b"1|5|tcp|127.0.0.1:10000|grpc|", None),
        (b"1|4|unix|/tmp/plugin1|netrpc|", None),
        (b"2|5|unix|/tmp/plugin1|grpc|", None),
        (b"1|five|unix|/tmp/plugin1|grpc|", None),
        (b"\xff|5|unix", None),
    ],
)
def test_only_a_unix_socket_with_grpc_is_a_handshake(
    line: bytes, expected: Handshake | None
) -> None:
    assert parse_handshake(line) == expected


def test_a_command_attaches_to_the_process_without_owning_it() -> None:
    found = attachment(AWS, Handshake(version=5, socket="/tmp/a/plugin1"), 42)
    assert {name: json.loads(text) for name, text in found.items()} == {
        "TF_REATTACH_PROVIDERS": {
            AWS: {
                "Protocol": "grpc",
                "ProtocolVersion": 5,
                "Pid": 42,
                "Test": True,
                "Addr": {"Network": "unix", "String": "/tmp/a/plugin1"},
            }
        }
    }


def test_a_provider_gets_the_commands_credentials_and_nothing_of_terraform() -> None:
    environ = {
        "AWS_ACCESS_KEY_ID": "AKIA",
        "PATH": "/bin",
        "TF_ENCRYPTION": "passphrase",
        "TF_TOKEN_registry": "token",
        "PLUGIN_CLIENT_CERT": "other",
        "TMPDIR": "/var/tmp",
    }
    own = provider_environment(environ, "/tmp/a", linux=True)
    assert own is not None
    assert own.pop("TF_PLUGIN_MAGIC_COOKIE").startswith("d602bf8f")
    assert own == {
        "AWS_ACCESS_KEY_ID": "AKIA",
        "PATH": "/bin",
        "PLUGIN_PROTOCOL_VERSIONS": "5,6",
        "TMPDIR": "/tmp/a",
    }


def test_a_bundle_of_certificates_replaces_those_of_the_system() -> None:
    environ = {"AWS_CA_BUNDLE": "/etc/proxy.pem"}
    own = provider_environment(environ, "/tmp/a", linux=True)
    assert own is not None
    assert (own["SSL_CERT_FILE"], own["SSL_CERT_DIR"]) == ("/etc/proxy.pem", "/tmp/a")
    assert "AWS_CA_BUNDLE" not in own
    assert provider_environment(environ, "/tmp/a", linux=False) is None
    assert provider_environment({}, "/tmp/a", linux=False) is not None


def test_the_hash_of_a_package_is_terraforms() -> None:
    digests = {
        "terraform-provider-aws_v5.100.0_x5": (
            "8cb98768bcea942df561a918d65a8751f787ab348f7498bdfe6667dffcebd528"
        ),
        "LICENSE.txt": "4e2bb185ebd706f76329206869ccb348b92b6236100cfb07775fe31530dab0d5",
    }
    version, hashes = locked_package(LOCK, AWS)
    assert (version, hashes) == ("5.100.0", frozenset({package_hash(digests)}))


def test_an_unknown_provider_has_no_locked_package() -> None:
    assert locked_package(LOCK, "registry.opentofu.org/hashicorp/aws") == ("", frozenset())


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("main.tf", 'provider "aws" {}', True),
        ("main.tf", "provider aws { alias = 1 }", True),
        ("main.tf", "resource a b {\n provider = aws.west\n}", True),
        ("main.tf", "terraform { required_providers { aws = {} } }", False),
        ("main.tf", "locals { providers = 1 }", False),
        ("main.tf.json", '{"\\u0070rovider": {"aws": {}}}', True),
        ("main.tf.json", '{"terraform": {"required_providers": {}}}', False),
        ("main.tf.json", "{", True),
    ],
)
def test_a_module_with_the_word_may_configure_a_provider(
    name: str, text: str, expected: bool
) -> None:
    assert may_configure(name, text) == expected
