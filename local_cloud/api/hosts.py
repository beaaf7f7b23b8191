"""The host names of AWS, and the request to the endpoint that each stands for.

The endpoint knows a service by the signature of a request, and a bucket by its path. So a bucket in
the host name goes into the path: S3 User Guide, "Virtual hosting of buckets", "Amazon S3 dual-stack
endpoints", "Website endpoints"; AWS General Reference, "Amazon S3 endpoints and quotas".
"""

from __future__ import annotations

import re
import urllib.parse
from dataclasses import dataclass

import botocore.loaders

PAGES = {"checkip.amazonaws.com": "127.0.0.1\n"}
"""Web pages on host names of AWS that templates read: the address of the caller."""


def domains() -> tuple[str, ...]:
    """Return the domains of every partition of AWS, as botocore lists them."""
    listed = botocore.loaders.Loader().load_data("partitions")["partitions"]
    kinds = ("dnsSuffix", "dualStackDnsSuffix")
    return tuple(sorted({each["outputs"][kind] for each in listed for kind in kinds}))


DOMAINS = domains()
_SUFFIX = "|".join(re.escape(each) for each in DOMAINS)
_AWS = re.compile(rf"(?:.+\.)?(?:{_SUFFIX})")
_REGION = r"[a-z]{2,4}(?:-[a-z]+)+-\d"
_S3 = re.compile(
    r"(?:(?P<bucket>.+)\.)?s3"
    r"(?:-fips|-accelerate|-external-1|-website)?"
    rf"(?:\.dualstack)?(?:[.-]{_REGION})?\.(?:{_SUFFIX})"
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Target:
    """A request to the endpoint: its path with the query, and its header Host."""

    path: str
    host: str


def is_of_aws(host: str) -> bool:
    """Return True if a host name is in a domain of AWS."""
    return bool(_AWS.fullmatch(host.lower().rstrip(".")))


def target(host: str, path: str, endpoint: str) -> Target:
    """Return the request that a path on a host name of AWS stands for.

    `endpoint` is the host of the endpoint, which S3 answers for buckets in the path.
    """
    found = _S3.fullmatch(host.lower().rstrip("."))
    if found is None:
        return Target(path=path, host=host)
    bucket = found["bucket"]
    return Target(path=f"/{bucket}{path}" if bucket else path, host=endpoint)


def is_of_s3(host: str) -> bool:
    """Return True if a host name is that of S3 or of a bucket."""
    return bool(_S3.fullmatch(host.lower().rstrip(".")))


def presigned(path: str) -> str:
    """Return the scope of a request that is signed in its query, or an empty text."""
    query = urllib.parse.parse_qs(urllib.parse.urlsplit(path).query)
    return query.get("X-Amz-Credential", [""])[0]
