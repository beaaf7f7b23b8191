"""Define how Terraform uses a provider that runs already, and when it may.

A provider is a go-plugin server (hashicorp/go-plugin, "Internals"). Its starter sets a
cookie, and it prints one line with its socket. Terraform takes the socket from
TF_REATTACH_PROVIDERS (its docs, "Debugging Providers"); OpenTofu does the same. Such a provider is
configured again by each command, and Terraform neither starts it nor takes its checksum (ADR 115).
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

ATTACHED = "TF_REATTACH_PROVIDERS"
SOURCE = "hashicorp/aws"
"""The provider in a registry; the only one that is shared."""

_STARTED_BY = {
    "TF_PLUGIN_MAGIC_COOKIE": "d602bf8f470bc67ca7faa0386276bbdd4330efaf76d1a219cb4d6991ca9872b2",
    "PLUGIN_PROTOCOL_VERSIONS": "5,6",
}
"""What Terraform sets for a provider (its plugin/serve.go); the versions are those of its RPCs."""
_SHARED_BY = ("TF_", "PLUGIN_")
_BUNDLE = "AWS_CA_BUNDLE"
_CORE = "1"
"""go-plugin's own version, the first field of the line."""
_CONFIGURES = re.compile(r"\bprovider\b")


@dataclass(frozen=True, kw_only=True, slots=True)
class Handshake:
    """What a provider prints once it is ready: the version of its RPCs and its Unix socket."""

    version: int
    socket: str


def parse_handshake(line: bytes) -> Handshake | None:
    """Return the handshake in a line of a provider's output; None for another line.

    Only gRPC over a Unix socket counts, which nothing outside this machine can reach.
    """
    fields = line.decode("utf-8", "replace").strip().split("|")
    match fields:
        case [core, version, "unix", socket, "grpc", *_] if core == _CORE and version.isdecimal():
            return Handshake(version=int(version), socket=socket)
    return None


def attachment(address: str, handshake: Handshake, pid: int) -> dict[str, str]:
    """Return the variables with which a command uses a running provider.

    `Test` says that the command must not end it.
    """
    place = {"Network": "unix", "String": handshake.socket}
    facts = {"Protocol": "grpc", "ProtocolVersion": handshake.version, "Pid": pid, "Test": True}
    return {ATTACHED: json.dumps({address: {**facts, "Addr": place}})}


def provider_environment(
    environ: Mapping[str, str], folder: str, *, linux: bool
) -> dict[str, str] | None:
    """Return the environment for a provider whose socket is in a folder; None if none works.

    `environ` is that of the command which uses it. A provider that is configured again refuses
    AWS_CA_BUNDLE (tested with 5.100.0). Go reads the same certificates from SSL_CERT_FILE, on Linux
    only (crypto/x509, root_unix.go).
    """
    if environ.get(_BUNDLE) and not linux:
        return None
    kept = {name: text for name, text in environ.items() if not name.startswith(_SHARED_BY)}
    if bundle := kept.pop(_BUNDLE, ""):
        kept |= {"SSL_CERT_FILE": bundle, "SSL_CERT_DIR": folder}
    return {**kept, **_STARTED_BY, "TMPDIR": folder}


def package_hash(digests: Mapping[str, str]) -> str:
    """Return the hash of a package in a lock file, from the SHA-256 of each file, in hexadecimal.

    It is Go's `dirhash.Hash1` (golang.org/x/mod/sumdb/dirhash), which Terraform names `h1`.
    """
    lines = "".join(f"{digests[name]}  {name}\n" for name in sorted(digests))
    return "h1:" + base64.b64encode(hashlib.sha256(lines.encode()).digest()).decode()


def may_configure(name: str, text: str) -> bool:
    """Return True if a file of a module may configure a provider itself.

    All configurations of a shared provider would be the last one: it runs once. The word alone
    counts, also in a comment; a JSON file may spell it with escapes.
    """
    if name.endswith(".json"):
        try:
            text = json.dumps(json.loads(text))
        except ValueError:
            return True
    return bool(_CONFIGURES.search(text))
