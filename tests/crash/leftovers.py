"""Find what a deploy by other tools leaves in the account, by AWS calls and set operations.

No document lists these resources, so leftovers are what exists now, without what existed before and
what serves.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from tests.known_issues.recipe import Recipe

Thing = tuple[str, str]
"""A kind of resource, and its ID or name."""
LIVE = {"Name": "instance-state-name", "Values": ["pending", "running", "stopping", "stopped"]}
OF_A_GROUP = "aws:autoscaling:groupName"


def things(recipe: Recipe) -> frozenset[Thing]:
    """Return all resources that a deploy may create: those of its service, and Packer's."""
    return frozenset([*_scaling(recipe), *_temporary(recipe)])


def _scaling(recipe: Recipe) -> Iterator[Thing]:
    yield from (("group", name) for name in live_groups(recipe))
    described = recipe.testbed.cloud.aws("ec2").describe_launch_templates()["LaunchTemplates"]
    for each in described:
        if each["LaunchTemplateName"].startswith(recipe.group("")):
            yield "launch template", each["LaunchTemplateId"]


def _temporary(recipe: Recipe) -> Iterator[Thing]:
    ec2 = recipe.testbed.cloud.aws("ec2")
    yield from (("key pair", each["KeyName"]) for each in ec2.describe_key_pairs()["KeyPairs"])
    for each in ec2.describe_security_groups()["SecurityGroups"]:
        yield "security group", each["GroupId"]
    for one in ec2.describe_instances(Filters=[LIVE])["Reservations"]:
        for each in one["Instances"]:
            if OF_A_GROUP not in {tag["Key"] for tag in each.get("Tags", [])}:
                yield "instance", each["InstanceId"]
    for each in ec2.describe_images(Owners=["self"])["Images"]:
        yield "image", each["ImageId"]


def live_groups(recipe: Recipe) -> dict[str, dict[str, Any]]:
    """Return the groups of a service that AWS is not deleting, by name."""
    return {name: each for name, each in recipe.groups().items() if not each.get("Status")}


def used(recipe: Recipe, name: str) -> frozenset[Thing]:
    """Return the resources of a group, itself included; an empty set if it does not exist."""
    group = live_groups(recipe).get(name)
    if group is None:
        return frozenset()
    template = group["LaunchTemplate"]["LaunchTemplateId"]
    image = name.removeprefix(recipe.group(""))
    return frozenset({("group", name), ("launch template", template), ("image", image)})


def served(recipe: Recipe) -> frozenset[Thing]:
    """Return the images that have a group."""
    names = live_groups(recipe)
    return frozenset(("image", name.removeprefix(recipe.group(""))) for name in names)


def orphans(
    before: Collection[Thing], serving: Collection[Thing], after: Collection[Thing]
) -> list[Thing]:
    """Return what exists now, without what existed before the deploy and what serves.

    `before` excludes what served then: once another group serves, that is a leftover, too.
    """
    return sorted(set(after) - set(before) - set(serving))


def terminate_instances(recipe: Recipe, left: Collection[Thing]) -> None:
    """Terminate leftover builder instances: they cost this machine memory."""
    machines = [name for what, name in left if what == "instance"]
    if machines:
        recipe.testbed.cloud.aws("ec2").terminate_instances(InstanceIds=machines)
