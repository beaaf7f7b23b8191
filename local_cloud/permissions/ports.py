"""What the judge asks about the resources that a call names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True, kw_only=True, slots=True)
class Template:
    """A version of a launch template that exists: its ARN, its id and its data."""

    arn: str
    id: str
    data: Mapping[str, Any]


class Models(Protocol):
    """The resources of the cloud; call it under the API's lock."""

    def tags(self, arn: str) -> Mapping[str, str]:
        """Return the tags of a resource; none if it does not exist or has none."""

    def template(self, region: str, named: Mapping[str, Any]) -> Template | None:
        """Return the version that a LaunchTemplateSpecification names, if it exists."""

    def group_arn(self, region: str, name: str) -> str | None:
        """Return the ARN of an Auto Scaling group, if it exists."""

    def subnets_of(self, region: str, group: str) -> Sequence[str]:
        """Return the subnets of an Auto Scaling group; none if it does not exist."""

    def group_of(self, region: str, instance: str) -> str | None:
        """Return the name of the Auto Scaling group of an instance, if it has one."""

    def roles_of_profile(self, name: str) -> Sequence[str]:
        """Return the ARNs of the roles in an instance profile, by its name or ARN."""

    def key_arn(self, region: str, key: str) -> str | None:
        """Return the ARN of a KMS key by its id, alias or ARN, if it exists."""

    def has_object(self, bucket: str, key: str) -> bool:
        """Return True if an S3 object exists, or its bucket does not."""

    def key_of_object(self, bucket: str, key: str, asked: str) -> str | None:
        """Return the ARN of the KMS key of an S3 object.

        It is the key that the request asks for, that of the object, or its bucket's default; None
        if S3 encrypts with a key of its own.
        """
