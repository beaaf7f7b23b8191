"""Ask which permissions a call of boto3 needs, with resources in memory."""

from __future__ import annotations

import functools
import urllib.parse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import boto3
import botocore.config

from local_cloud.api.call import identify
from local_cloud.api.judging import request_of
from local_cloud.permissions.judge import Judge, Request
from local_cloud.permissions.policy import Question
from local_cloud.permissions.ports import Template
from local_cloud.permissions.roles import Roles


@dataclass(kw_only=True)
class FakeModels:
    """Resources that a test describes; a template's name is its id."""

    tags_of: dict[str, dict[str, str]] = field(default_factory=dict)
    templates: dict[str, dict[str, Any]] = field(default_factory=dict)
    groups: dict[str, str] = field(default_factory=dict)
    subnets: dict[str, list[str]] = field(default_factory=dict)
    members: dict[str, str] = field(default_factory=dict)
    profiles: dict[str, list[str]] = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict)
    objects: set[str] = field(default_factory=set)
    bucket_keys: dict[str, str] = field(default_factory=dict)

    def tags(self, arn: str) -> Mapping[str, str]:
        return self.tags_of.get(arn, {})

    def template(self, region: str, named: Mapping[str, Any]) -> Template | None:
        name = str(named.get("LaunchTemplateId") or named.get("LaunchTemplateName"))
        if name not in self.templates:
            return None
        arn = f"arn:aws:ec2:{region}:123456789012:launch-template/{name}"
        return Template(arn=arn, id=name, data=self.templates[name])

    def group_arn(self, region: str, name: str) -> str | None:
        return self.groups.get(name) if region else None

    def subnets_of(self, region: str, group: str) -> Sequence[str]:
        return self.subnets.get(group, []) if region else []

    def group_of(self, region: str, instance: str) -> str | None:
        return self.members.get(instance) if region else None

    def roles_of_profile(self, name: str) -> Sequence[str]:
        return self.profiles.get(name, [])

    def key_arn(self, region: str, key: str) -> str | None:
        return self.keys.get(key) if region else None

    def has_object(self, bucket: str, key: str) -> bool:
        return f"{bucket}/{key}" in self.objects

    def key_of_object(self, bucket: str, key: str, asked: str) -> str | None:
        return asked or (self.bucket_keys.get(bucket) if key else None)


class _CapturedError(Exception):
    def __init__(self, request: Any) -> None:
        super().__init__()
        self.request = request


@functools.cache
def _client(service: str) -> Any:
    make: Any = boto3.client
    client = make(
        service,
        region_name="us-east-1",
        endpoint_url="http://127.0.0.1:1",
        aws_access_key_id="ASIA",
        aws_secret_access_key="secret",
        config=botocore.config.Config(retries={"total_max_attempts": 1}),
    )

    def capture(request: Any, **_: Any) -> None:
        raise _CapturedError(request)

    client.meta.events.register("before-send", capture)
    return client


def request(service: str, operation: str, **parameters: Any) -> Request:
    """Return a call as boto3 would send it."""
    try:
        getattr(_client(service), operation)(**parameters)
    except _CapturedError as captured:
        return of_prepared(captured.request)
    raise AssertionError("nothing was sent")


def of_prepared(prepared: Any) -> Request:
    """Return a request of botocore as the local cloud receives it."""
    url = urllib.parse.urlsplit(prepared.url)
    body = prepared.body or b""
    if hasattr(body, "read"):
        body = body.read()
    body = body.encode() if isinstance(body, str) else body
    decoded = {k: v.decode() if isinstance(v, bytes) else v for k, v in prepared.headers.items()}
    environ = {
        "REQUEST_METHOD": prepared.method,
        "PATH_INFO": urllib.parse.unquote(url.path),
        "QUERY_STRING": url.query,
        **{f"HTTP_{k.upper().replace('-', '_')}": v for k, v in decoded.items()},
    }
    return request_of(identify(environ, body), environ, body)


def questions(
    service: str, operation: str, models: FakeModels | None = None, **parameters: Any
) -> list[Question]:
    """Return the permissions that a call needs."""
    judge = Judge(roles=Roles(), models=models or FakeModels())
    return list(judge.questions(request(service, operation, **parameters)))


def needs(
    service: str, operation: str, models: FakeModels | None = None, **parameters: Any
) -> list[tuple[str, str]]:
    """Return the actions and resources that a call needs, ARNs without their usual beginning."""
    return [
        (each.action, short(each.resource))
        for each in questions(service, operation, models, **parameters)
    ]


def short(arn: str) -> str:
    """Return an ARN without partition, region and account."""
    parts = arn.split(":", 5)
    return f"{parts[2]}:{parts[5]}" if len(parts) > 5 else arn
