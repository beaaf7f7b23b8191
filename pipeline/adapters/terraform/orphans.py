"""Groups and launch templates of releases as AWS knows them, found by their names.

What a killed Terraform made is in AWS and not in its state. A release's name gives those of its
group and launch template (`Release.group`), and their tags say whether they are ours.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.adapters.aws.client import Clients, call, speaking_plainly
from pipeline.core.deploy.ownership import DEPLOYMENT
from pipeline.core.errors import RefusedError
from pipeline.core.image import TAG_PREFIX
from pipeline.core.state.release import Release
from pipeline.core.terraform.plan_guard import GROUP, TEMPLATE
from pipeline.core.terraform.root_module import Root


@dataclass(frozen=True, kw_only=True, slots=True)
class Found:
    """A group or launch template that exists; `id` is what Terraform imports it by."""

    release: str
    kind: str
    name: str
    id: str
    tags: Mapping[str, str]


def find(clients: Clients, root: Root, releases: Sequence[Release]) -> tuple[Found, ...]:
    """Return what exists under the names of these releases, launch templates first.

    Groups that AWS is deleting are left out: they need nobody. At most 50 releases, AWS's
    limit of names (Auto Scaling API, DescribeAutoScalingGroups, page of 50). Raises
    RefusedError in AWS's words.
    """
    names = {each.group(root.app, root.environment): each.name for each in releases}
    if not names:
        return ()
    with speaking_plainly("looking for what exists already", root.region):
        return (*_templates(clients, root, names), *_groups(clients, root, names))


def require_ours(root: Root, found: Found, release: Release) -> None:
    """Raise RefusedError where the tags of what was found say that it is another's.

    The deployment that made it tells releases of the same number in two stores apart; a module of
    one's own need not tag it.
    """
    ours = {"app": root.app, "environment": root.environment, "release": found.release}
    made_by = release.facts.get(DEPLOYMENT, "")
    if made_by and _tag(found, DEPLOYMENT):
        ours[DEPLOYMENT] = made_by
    wrong = {key: value for key, value in ours.items() if _tag(found, key) != value}
    if wrong:
        lines = [f"tag {TAG_PREFIX}{key} is {_tag(found, key) or 'not set'}" for key in wrong]
        expected = ", ".join(f"{TAG_PREFIX}{key}={value}" for key, value in ours.items())
        raise RefusedError(
            f"adopting {found.kind} {found.name}",
            "\n".join(["exists and is not in Terraform's state", *lines]),
            f"delete or rename it; if it is yours, tag it {expected}",
        )


def _tag(found: Found, key: str) -> str:
    return found.tags.get(TAG_PREFIX + key, "")


def _templates(clients: Clients, root: Root, names: Mapping[str, str]) -> Iterator[Found]:
    # A filter, as an unknown name among `LaunchTemplateNames` is an error (EC2 API).
    named = [{"Name": "launch-template-name", "Values": list(names)}]
    ec2: Any = clients.ec2(root.region)
    for template in call(ec2.describe_launch_templates, Filters=named)["LaunchTemplates"]:
        name = template["LaunchTemplateName"]
        yield Found(
            release=names[name],
            kind=TEMPLATE,
            name=name,
            id=template["LaunchTemplateId"],
            tags=_tags(template),
        )


def _groups(clients: Clients, root: Root, names: Mapping[str, str]) -> Iterator[Found]:
    describe: Any = clients.autoscaling(root.region).describe_auto_scaling_groups
    for group in call(describe, AutoScalingGroupNames=list(names))["AutoScalingGroups"]:
        name = group["AutoScalingGroupName"]
        if not group.get("Status"):
            yield Found(release=names[name], kind=GROUP, name=name, id=name, tags=_tags(group))


def _tags(described: Mapping[str, Any]) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in described.get("Tags", [])}
