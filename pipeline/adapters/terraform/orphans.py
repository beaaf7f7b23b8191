"""Find the groups and launch templates of releases that exist in AWS, by their names.

A killed Terraform leaves resources in AWS that are not in its state. A release's name gives the
names of its group and launch template (`Release.group`), and their tags name their owner.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from pipeline.adapters.aws.client import Clients, translate_errors
from pipeline.adapters.aws.ec2 import read_templates
from pipeline.adapters.aws.group_parsing import read_groups
from pipeline.core.errors import RefusedError
from pipeline.core.image import TAG_PREFIX
from pipeline.core.state.ownership import DEPLOYMENT, another_name, owner_in
from pipeline.core.state.release import Release
from pipeline.core.terraform.plan_guard import GROUP, TEMPLATE
from pipeline.core.terraform.root_module import Root


@dataclass(frozen=True, kw_only=True, slots=True)
class Orphan:
    """A group or launch template in AWS; `id` is what Terraform imports it by."""

    release: str
    kind: str
    name: str
    id: str
    tags: Mapping[str, str]


def find(clients: Clients, root: Root, releases: Sequence[Release]) -> tuple[Orphan, ...]:
    """Return what exists under the names of these releases, launch templates first.

    A group that AWS is already deleting is left out. Raises RefusedError with AWS's message.
    """
    names = {each.group(root.app, root.environment): each.name for each in releases}
    if not names:
        return ()
    with translate_errors("finding existing groups and launch templates", root.region):
        return (*_templates(clients, root, names), *_groups(clients, root, names))


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
            release=names[each.name], kind=TEMPLATE, name=each.name, id=each.id, tags=each.tags
        )


def _groups(clients: Clients, root: Root, names: Mapping[str, str]) -> Iterator[Orphan]:
    found = read_groups(clients.autoscaling(root.region), list(names))
    for name, group in found.items():
        if not group.status:
            yield Orphan(release=names[name], kind=GROUP, name=name, id=name, tags=group.tags)
