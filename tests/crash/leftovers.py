"""What a deploy by other means leaves in the account: found by asking AWS, judged as sets.

Nobody keeps a document of it there, so what is left is told from what there was before, less
what serves.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from tests.known_issues.recipe import Recipe

Thing = tuple[str, str]
"""What it is, and its id or name."""
LIVE = {"Name": "instance-state-name", "Values": ["pending", "running", "stopping", "stopped"]}
OF_A_GROUP = "aws:autoscaling:groupName"


def things(recipe: Recipe) -> frozenset[Thing]:
    """Return all that a deploy may make: of its service, and what Packer makes of its own."""
    return frozenset([*_scaling(recipe), *_temporary(recipe)])


def _scaling(recipe: Recipe) -> Iterator[Thing]:
    yield from (("group", name) for name in standing_groups(recipe))
    described = recipe.ground.cloud.aws("ec2").describe_launch_templates()["LaunchTemplates"]
    for each in described:
        if each["LaunchTemplateName"].startswith(recipe.group("")):
            yield "launch template", each["LaunchTemplateId"]


def _temporary(recipe: Recipe) -> Iterator[Thing]:
    ec2 = recipe.ground.cloud.aws("ec2")
    yield from (("key pair", each["KeyName"]) for each in ec2.describe_key_pairs()["KeyPairs"])
    for each in ec2.describe_security_groups()["SecurityGroups"]:
        yield "security group", each["GroupId"]
    for one in ec2.describe_instances(Filters=[LIVE])["Reservations"]:
        for each in one["Instances"]:
            if OF_A_GROUP not in {tag["Key"] for tag in each.get("Tags", [])}:
                yield "instance", each["InstanceId"]
    for each in ec2.describe_images(Owners=["self"])["Images"]:
        yield "image", each["ImageId"]


def standing_groups(recipe: Recipe) -> dict[str, dict[str, Any]]:
    """Return the groups of a service that AWS is not deleting, by name."""
    return {name: each for name, each in recipe.groups().items() if not each.get("Status")}


def used(recipe: Recipe, name: str) -> frozenset[Thing]:
    """Return what a group stands on, itself included; nothing where it is gone."""
    group = standing_groups(recipe).get(name)
    if group is None:
        return frozenset()
    template = group["LaunchTemplate"]["LaunchTemplateId"]
    image = name.removeprefix(recipe.group(""))
    return frozenset({("group", name), ("launch template", template), ("image", image)})


def served(recipe: Recipe) -> frozenset[Thing]:
    """Return the images that some group has: they had their use, whatever becomes of it."""
    names = standing_groups(recipe)
    return frozenset(("image", name.removeprefix(recipe.group(""))) for name in names)


def orphans(
    before: Collection[Thing], serving: Collection[Thing], now: Collection[Thing]
) -> list[Thing]:
    """Return what is there beside what serves, and was not there already before the deploy.

    `before` is without what served then: once another group serves, that is left over, too.
    """
    return sorted(set(now) - set(before) - set(serving))


def swept(recipe: Recipe, left: Collection[Thing]) -> None:
    """Take away what only costs this machine memory: machines that build nothing any more."""
    machines = [name for what, name in left if what == "instance"]
    if machines:
        recipe.ground.cloud.aws("ec2").terminate_instances(InstanceIds=machines)
