"""Check groups as Auto Scaling does before it accepts them, in AWS's words."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from local_cloud.groups import launch
from local_cloud.scaling.errors import RefusedRequestError, invalid
from local_cloud.scaling.ports import LaunchRefusedError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from local_cloud.scaling.model import Group

FULLY_FORMED = "You must use a valid fully-formed launch template. "
AT_ONCE = 10  # sources in one call


# "You must use a valid fully-formed launch template": Auto Scaling tries what it would launch,
# dry, when a group takes a template (User Guide, "Create a launch template").
def check_recipe(backend: Any, settings: Any, undo: str | None = None) -> None:
    """Refuse a group whose launches cannot succeed, and remove the group `undo`."""
    try:
        made = launch.recipe(backend, settings)
        if made.launch_template:
            launch.check(backend, made)
    except LaunchRefusedError as refusal:
        if undo:
            backend.autoscaling_groups.pop(undo, None)
        raise invalid(f"{FULLY_FORMED}{refusal}") from refusal


@contextlib.contextmanager
def restored_if_refused(settings: Any) -> Iterator[None]:
    """Restore the settings of a group if an update is refused half-way."""
    before = dict(settings.__dict__)
    try:
        yield
    except Exception:
        settings.__dict__.clear()
        settings.__dict__.update(before)
        raise


def check_deletion(group: Group, *, force: bool) -> None:
    """Refuse to delete a protected group, or one with instances unless forced."""
    protection = getattr(group.settings, "deletion_protection", None) or "none"
    if protection == "prevent-all-deletion" or (force and protection == "prevent-force-deletion"):
        raise RefusedRequestError(
            "ResourceInUse", f"The AutoScalingGroup has deletion protection: {protection}."
        )
    pool = group.warm_pool
    if (group.members or (pool and pool.members)) and not force:
        raise RefusedRequestError(
            "ResourceInUse",
            "You cannot delete an AutoScalingGroup while there are instances or pending Spot "
            "instance request(s) still in the group.",
        )
    if not force and any(is_of(group, a) and not a.is_over for a in group.activities):
        raise RefusedRequestError(
            "ScalingActivityInProgress",
            "You cannot delete an AutoScalingGroup while there are scaling activities in "
            "progress for that group.",
        )


def is_of(group: Group, activity: Any) -> bool:
    """Return True if an activity is of this group, not of an earlier one of its name."""
    return bool(activity.auto_scaling_group_arn == group.settings.arn)


def check_sources(backend: Any, params: dict[str, Any]) -> None:
    """Refuse load balancers and target groups that do not exist."""
    named = params.get("TrafficSources") or []
    classic = [s["Identifier"] for s in named if kind(s) == "elb"]
    groups = [s["Identifier"] for s in named if kind(s) != "elb"]
    check_balancers(backend, [*(params.get("LoadBalancerNames") or []), *classic])
    check_target_groups(backend, [*(params.get("TargetGroupARNs") or []), *groups])


def kind(source: dict[str, Any]) -> str:
    """Return the type of a traffic source, given or derived from its identifier."""
    derived = "elbv2" if str(source["Identifier"]).startswith("arn:") else "elb"
    return str(source.get("Type") or derived)


def check_balancers(backend: Any, names: Iterable[str]) -> None:
    """Refuse classic load balancers that do not exist."""
    if any(name not in backend.elb_backend.load_balancers for name in names):
        raise invalid(
            "Provided Load Balancers may not be valid. Please ensure they exist and try again."
        )


def check_target_groups(backend: Any, arns: Iterable[str]) -> None:
    """Refuse target groups that do not exist."""
    missing = [arn for arn in arns if arn not in backend.elbv2_backend.target_groups]
    if missing:
        raise invalid(f"Target groups '{', '.join(missing)}' not found")


def check_count(things: list[Any]) -> None:
    """Refuse more sources than a call may name."""
    if len(things) > AT_ONCE:
        raise invalid(
            "Trying to update too many Load Balancers/Target Groups at once. "
            f"The limit is {AT_ONCE}"
        )
