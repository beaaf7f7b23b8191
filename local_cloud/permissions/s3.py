"""Say which permissions a call of S3 needs; its actions have other names than its API calls.

Source: Amazon S3 User Guide, "Required permissions for Amazon S3 API operations"; API Reference,
GetObject and HeadObject: without s3:ListBucket an object that does not exist is 403, not 404;
User Guide, "Using server-side encryption with AWS KMS keys": kms:GenerateDataKey to write,
kms:Decrypt to read.
"""

from __future__ import annotations

import re
import urllib.parse
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from local_cloud.permissions.facts import CallFacts
from local_cloud.permissions.policy import Question

# A subresource of a bucket -> what follows Get or Put in the action.
OF_BUCKETS = {
    "accelerate": "AccelerateConfiguration",
    "acl": "BucketAcl",
    "analytics": "AnalyticsConfiguration",
    "cors": "BucketCORS",
    "encryption": "EncryptionConfiguration",
    "intelligent-tiering": "IntelligentTieringConfiguration",
    "inventory": "InventoryConfiguration",
    "lifecycle": "LifecycleConfiguration",
    "location": "BucketLocation",
    "logging": "BucketLogging",
    "metrics": "MetricsConfiguration",
    "notification": "BucketNotification",
    "object-lock": "BucketObjectLockConfiguration",
    "ownershipControls": "BucketOwnershipControls",
    "policy": "BucketPolicy",
    "policyStatus": "BucketPolicyStatus",
    "publicAccessBlock": "BucketPublicAccessBlock",
    "replication": "ReplicationConfiguration",
    "requestPayment": "BucketRequestPayment",
    "tagging": "BucketTagging",
    "versioning": "BucketVersioning",
    "website": "BucketWebsite",
}
LISTS = {"uploads": "ListBucketMultipartUploads", "versions": "ListBucketVersions"}
DELETES = {"policy": "DeleteBucketPolicy", "website": "DeleteBucketWebsite"}
OF_OBJECTS = {
    "acl": "Acl",
    "attributes": "Attributes",
    "legal-hold": "LegalHold",
    "retention": "Retention",
    "tagging": "Tagging",
    "torrent": "Torrent",
}
VERBS = {"GET": "Get", "HEAD": "Get", "PUT": "Put", "DELETE": "Delete"}
READS = {"s3:GetObject", "s3:GetObjectVersion"}
KEY_OF_DELETION = re.compile(r"<Key>([^<]*)</Key>(?:\s*<VersionId>([^<]*)</VersionId>)?")


@dataclass(frozen=True, kw_only=True, slots=True)
class S3Request:
    """A request to S3, addressed by its path."""

    method: str
    bucket: str
    key: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes = b""

    @property
    def version(self) -> str:
        """`Version` if the request names a version of an object."""
        return "Version" if self.query.get("versionId") else ""


def parse(method: str, path: str, query: str, headers: Mapping[str, str], body: bytes) -> S3Request:
    """Return a request by its path, such as /BUCKET/KEY."""
    bucket, _, key = path.lstrip("/").partition("/")
    given = dict(urllib.parse.parse_qsl(query, keep_blank_values=True))
    return S3Request(method=method, bucket=bucket, key=key, query=given, headers=headers, body=body)


def questions(facts: CallFacts, request: S3Request) -> Iterator[Question]:
    """Yield the permissions that a request needs."""
    if not request.bucket:
        yield facts.question(action="s3:ListAllMyBuckets")
    elif request.key:
        yield from of_object(facts, request)
    else:
        yield from of_bucket(facts, request)


def of_bucket(facts: CallFacts, request: S3Request) -> Iterator[Question]:
    """Yield the permissions of a request for a bucket."""
    bucket = f"arn:aws:s3:::{request.bucket}"
    if request.method == "POST":
        for key, version in KEY_OF_DELETION.findall(request.body.decode(errors="replace")):
            action = "s3:DeleteObjectVersion" if version else "s3:DeleteObject"
            yield facts.question(f"{bucket}/{key}", action=action)
        return
    prefix = request.query.get("prefix")
    context = {"s3:prefix": (prefix,)} if prefix is not None else {}
    yield facts.question(bucket, action=f"s3:{bucket_action(request)}", context=context)


def bucket_action(request: S3Request) -> str:
    """Return the action of a request for a bucket."""
    chosen = next((name for name in request.query if name in {*OF_BUCKETS, *LISTS}), None)
    if chosen is None:
        return {"PUT": "CreateBucket", "DELETE": "DeleteBucket"}.get(request.method, "ListBucket")
    if chosen in LISTS:
        return LISTS[chosen]
    if request.method == "DELETE":
        return DELETES.get(chosen, f"Put{OF_BUCKETS[chosen]}")
    return f"{VERBS.get(request.method, 'Get')}{OF_BUCKETS[chosen]}"


def of_object(facts: CallFacts, request: S3Request) -> Iterator[Question]:
    """Yield the permissions of a request for an object."""
    resource = f"arn:aws:s3:::{request.bucket}/{request.key}"
    if source := request.headers.get("x-amz-copy-source"):
        path, _, version = urllib.parse.unquote(source).lstrip("/").partition("?versionId=")
        copied = "s3:GetObjectVersion" if version else "s3:GetObject"
        yield facts.question(f"arn:aws:s3:::{path}", action=copied)
    action = f"s3:{object_action(request)}"
    yield facts.question(resource, action=action)
    if action == "s3:PutObject" and "x-amz-tagging" in request.headers:
        yield facts.question(resource, action="s3:PutObjectTagging")
    if action in READS and not facts.models.has_object(request.bucket, request.key):
        yield facts.question(f"arn:aws:s3:::{request.bucket}", action="s3:ListBucket")
    yield from of_key(facts, request, action)


def object_action(request: S3Request) -> str:
    """Return the action of a request for an object."""
    if "uploadId" in request.query and request.method in {"GET", "DELETE"}:
        return "ListMultipartUploadParts" if request.method == "GET" else "AbortMultipartUpload"
    if request.method == "POST":
        return "RestoreObject" if "restore" in request.query else "PutObject"
    verb = VERBS.get(request.method, "Get")
    chosen = next((name for name in request.query if name in OF_OBJECTS), None)
    version = request.version if verb != "Put" or chosen else ""
    return f"{verb}Object{version}{OF_OBJECTS[chosen] if chosen else ''}"


def of_key(facts: CallFacts, request: S3Request, action: str) -> Iterator[Question]:
    """Yield the permission to use the KMS key that encrypts an object."""
    used = {"s3:PutObject": "kms:GenerateDataKey", **dict.fromkeys(READS, "kms:Decrypt")}
    if action not in used:
        return
    asked = request.headers.get("x-amz-server-side-encryption-aws-kms-key-id", "")
    if key := facts.models.key_of_object(request.bucket, request.key, asked):
        via = {"kms:viaservice": (f"s3.{facts.region}.amazonaws.com",)}
        yield facts.question(key, action=used[action], context=via)
