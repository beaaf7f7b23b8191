"""What a call says about itself, and the questions that follow from it for any service."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import resources

from local_cloud.options import ACCOUNT
from local_cloud.permissions.conditions import Context
from local_cloud.permissions.parameters import Parameters
from local_cloud.permissions.policy import Question
from local_cloud.permissions.ports import Models

TAGS_BY_SERVICE = {
    "autoscaling": "autoscaling:resourcetag",
    "ec2": "ec2:resourcetag",
    "elasticloadbalancing": "elasticloadbalancing:resourcetag",
    "iam": "iam:resourcetag",
    "ssm": "ssm:resourcetag",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class ResourceType:
    """A type of resource that an action is judged on (Service Authorization Reference)."""

    name: str
    is_new: bool
    is_required: bool


@functools.cache
def action_table() -> Mapping[str, Mapping[str, tuple[ResourceType, ...]]]:
    """Return the types of resources of each action, by the IAM prefix of its service.

    The file says for each action its types, separated by blanks. A type with `+` is created by the
    action, one with `?` is judged only where the call names it. No type means `*`.
    """
    text = resources.files(__package__).joinpath("actions.json").read_text()
    return {
        service: {
            action: tuple(map(_resource_type, types.split())) for action, types in all_.items()
        }
        for service, all_ in json.loads(text).items()
    }


def _resource_type(text: str) -> ResourceType:
    return ResourceType(name=text.rstrip("+?"), is_new="+" in text, is_required="?" not in text)


@dataclass(frozen=True, kw_only=True, slots=True)
class CallFacts:
    """A call that is judged; `service` is the prefix of its actions in policies."""

    service: str
    action: str
    region: str
    models: Models
    parameters: Parameters = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The action as policies name it."""
        return f"{self.service}:{self.action}"

    @property
    def types(self) -> tuple[ResourceType, ...]:
        """The types of resources that the action is judged on; none if it is not in the table."""
        return action_table().get(self.service, {}).get(self.action, ())

    def arn(self, resource: str, *, service: str = "", account: str = ACCOUNT) -> str:
        """Return the ARN of a resource in the region of the call."""
        return f"arn:aws:{service or self.service}:{self.region}:{account}:{resource}"

    def question(
        self,
        resource: str = "*",
        *,
        action: str = "",
        request_tags: Mapping[str, str] | None = None,
        context: Context | None = None,
    ) -> Question:
        """Return a question with the keys that every call, resource and tag in a request has."""
        given = {
            **global_context(self.region, resource),
            **of_resource_tags(self.models.tags(resource) if resource != "*" else {}, resource),
            **of_request_tags(request_tags or {}),
            **(context or {}),
        }
        return Question(action=action or self.name, resource=resource, context=given)

    def pass_role(self, role: str, service: str) -> Question:
        """Return the question that follows from handing a role to a service."""
        passed = {"iam:passedtoservice": (f"{service}.amazonaws.com",)}
        return self.question(role, action="iam:PassRole", context=passed)


def global_context(region: str, resource: str) -> dict[str, tuple[str, ...]]:
    """Return the keys that every call has."""
    keys: dict[str, tuple[str, ...]] = {
        "aws:requestedregion": (region,),
        "aws:principalaccount": (ACCOUNT,),
    }
    return {**keys, "ec2:region": (region,)} if ":ec2:" in resource else keys


def of_resource_tags(tags: Mapping[str, str], resource: str) -> dict[str, tuple[str, ...]]:
    """Return the keys of the tags of a resource."""
    own = TAGS_BY_SERVICE.get([*resource.split(":"), "", ""][2])
    prefixes = ("aws:resourcetag", own) if own else ("aws:resourcetag",)
    return {f"{p}/{key.lower()}": (value,) for p in prefixes for key, value in tags.items()}


def of_request_tags(tags: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    """Return the keys of the tags in a request."""
    keys = {f"aws:requesttag/{key.lower()}": (value,) for key, value in tags.items()}
    return {**keys, "aws:tagkeys": tuple(tags)} if tags else {}
