"""Find the resources of releases that exist in AWS, by their names.

A killed Terraform leaves resources in AWS that are not in its state. A release's name gives the
names of its group and launch template (`Release.group`), and their tags name their owner.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from pipeline.adapters.aws.client import Clients, translate_errors
from pipeline.adapters.aws.ec2 import read_templates
from pipeline.adapters.aws.group_parsing import read_groups
from pipeline.adapters.aws.retry import items
from pipeline.adapters.terraform.root_module import shipped_module
from pipeline.core.errors import RefusedError
from pipeline.core.image import TAG_PREFIX
from pipeline.core.preflight.additions import POLICIES, SCHEDULES
from pipeline.core.state.ownership import DEPLOYMENT, another_name, owner_in
from pipeline.core.state.release import Release
from pipeline.core.terraform.plan_guard import GROUP, TEMPLATE
from pipeline.core.terraform.root_module import Root


@dataclass(frozen=True, kw_only=True, slots=True)
class Orphan:
    """A resource of a release in AWS; `id` is what Terraform imports it by.

    `key` is that of its address in the shipped module. The tags of a scaling policy or a scheduled
    action are its group's.
    """

    release: str
    kind: str
    name: str
    id: str
    tags: Mapping[str, str]
    key: str


def find(clients: Clients, root: Root, releases: Sequence[Release]) -> tuple[Orphan, ...]:
    """Return what exists under the names of these releases, launch templates first.

    A group that AWS is already deleting is left out. Raises RefusedError with AWS's message. The
    scaling policies and scheduled actions are those of the shipped module's inputs.
    """
    names = {each.group(root.app, root.environment): each.name for each in releases}
    if not names:
        return ()
    with translate_errors("finding existing groups and launch templates", root.region):
        groups = tuple(_groups(clients, root, names))
        parts = (part for group in groups for part in _parts(clients, root, group))
        return (*_templates(clients, root, names), *groups, *parts)


def require_ours(root: Root, orphan: Orphan, release: Release) -> None:
    """Raise RefusedError if the tags of an orphan name another owner.

    The tag of the deployment distinguishes releases of the same number in two stores. A user's own
    module need not set that tag.
    """
    ours = {"app": root.app, "environment": root.environment, "release": orphan.release}
    made_by = release.facts.get(DEPLOYMENT, "")
    if made_by and _tag(orphan, DEPLOYMENT):
        ours[DEPLOYMENT] = made_by
    wrong = {key: value for key, value in ours.items() if _tag(orphan, key) != value}
    if wrong:
        lines = [f"tag {TAG_PREFIX}{key} is {_tag(orphan, key) or 'not set'}" for key in wrong]
        expected = ", ".join(f"{TAG_PREFIX}{key}={value}" for key, value in ours.items())
        owner = owner_in(orphan.tags)
        another = owner and owner != f"{root.app}/{root.environment}"
        raise RefusedError(
            f"importing {orphan.kind} {orphan.name}",
            "\n".join(["exists but is not in Terraform's state", *lines]),
            another_name(root.app, root.environment, owner)
            if another
            else f"if this environment owns it, set its tags to {expected}",
        )


def _tag(orphan: Orphan, key: str) -> str:
    return orphan.tags.get(TAG_PREFIX + key, "")


def _templates(clients: Clients, root: Root, names: Mapping[str, str]) -> Iterator[Orphan]:
    for each in read_templates(clients.ec2(root.region), list(names)):
        yield Orphan(
            release=names[each.name],
            kind=TEMPLATE,
            name=each.name,
            id=each.id,
            tags=each.tags,
            key=names[each.name],
        )


def _groups(clients: Clients, root: Root, names: Mapping[str, str]) -> Iterator[Orphan]:
    found = read_groups(clients.autoscaling(root.region), list(names))
    for name, group in found.items():
        if not group.status:
            release = names[name]
            yield Orphan(
                release=release, kind=GROUP, name=name, id=name, tags=group.tags, key=release
            )


def _parts(clients: Clients, root: Root, group: Orphan) -> Iterator[Orphan]:
    """Yield a group's scaling policies and scheduled actions that the inputs name.

    Terraform imports both by `GROUP/NAME` (AWS provider, aws_autoscaling_policy and
    aws_autoscaling_schedule, "Import").
    """
    if root.module != shipped_module():
        return
    client = clients.autoscaling(root.region)
    for kind, given, operation, listed, name in _PARTS:
        wanted = root.inputs.get(given)
        if not isinstance(wanted, Mapping) or not wanted:
            continue
        found = items(getattr(client, operation), listed, AutoScalingGroupName=group.name)
        for each in (each[name] for each in found if each[name] in wanted):
            path = f"{group.name}/{each}"
            yield replace(group, kind=kind, name=path, id=path, key=f"{group.release}/{each}")


_PARTS = (
    (POLICIES, "scaling_policies", "describe_policies", "ScalingPolicies", "PolicyName"),
    (
        SCHEDULES,
        "schedules",
        "describe_scheduled_actions",
        "ScheduledUpdateGroupActions",
        "ScheduledActionName",
    ),
)
"""For each kind: the module's input, the operation, and where its answer has the names."""
