"""The variables that lead a program's calls of AWS to a cloud, and the user's own values of them.

AWS_CA_BUNDLE is read by the AWS SDKs, Packer and Terraform among them; the others by OpenSSL, Go,
curl, Python's requests and Node.js. Programs differ in the case of the names of a proxy.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

REPLACED = "AMI_PIPELINE_LOCAL_CLOUD_REPLACED"
"""The variable that holds the user's own values, as JSON; `local-cloud env` sets it."""

DIRECT = "localhost,127.0.0.1,127.0.0.0/8,::1"
"""What needs no proxy: the cloud, its instances and its load balancers."""

PROXIES = ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy")
EXCEPTIONS = ("NO_PROXY", "no_proxy")
TRUSTED_ONLY = ("SSL_CERT_FILE", "CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE")
TRUSTED_TOO = ("AWS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS")
NAMES = (*PROXIES, *EXCEPTIONS, *TRUSTED_ONLY, *TRUSTED_TOO)


def variables(proxy: str, authority: str, trusted: str) -> dict[str, str]:
    """Return the variables for a proxy, by its URL.

    `authority` is a file with the certificate of the cloud's authority. `trusted` is a file with
    that and with the authorities that this machine trusts.
    """
    return {
        **dict.fromkeys(PROXIES, proxy),
        **dict.fromkeys(EXCEPTIONS, DIRECT),
        **dict.fromkeys(TRUSTED_ONLY, trusted),
        **dict.fromkeys(TRUSTED_TOO, authority),
    }


def own_values(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the user's own values of these variables, in an environment of a cloud or outside."""
    if kept := environ.get(REPLACED):
        found: dict[str, str] = json.loads(kept)
        return found
    return {name: environ[name] for name in NAMES if environ.get(name)}
