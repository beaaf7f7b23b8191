"""Patch the calls of instance refreshes; moto has none of them.

`scaling.refresh` replaces the members.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

from moto.autoscaling.responses import AutoScalingResponse
from moto.core.responses import ActionResult

from local_cloud.patches.autoscaling import checks, fields
from local_cloud.patches.autoscaling.pages import page
from local_cloud.patches.autoscaling.refusals import answers
from local_cloud.patches.context import Context
from local_cloud.scaling import refresh
from local_cloud.scaling.errors import invalid
from local_cloud.scaling.model import Group
from local_cloud.scaling.refresh import Preferences, Refresh

if TYPE_CHECKING:
    from collections.abc import Callable

NAME = "AutoScalingGroupName"
LARGEST_PAGE = 100
MOVING = frozenset({"$Latest", "$Default"})


# StartInstanceRefresh: one at a time, InstanceRefreshInProgress (API Reference).
@answers(AutoScalingResponse, "start_instance_refresh")
def start(context: Context, _original: None, response: Any) -> ActionResult:
    """Start a refresh."""
    params, backend = response.params, response.autoscaling_backend
    group = context.regions.group(backend, params[NAME])
    refresh.require_none(group)
    if (params.get("Strategy") or "Rolling") != "Rolling":
        raise invalid("The local cloud only supports the strategy Rolling.")
    desired = params.get("DesiredConfiguration") or None
    undo = take(backend, group, desired) if desired else None
    started = Refresh(
        preferences=preferences(group, params.get("Preferences") or {}),
        started=dt.datetime.now(tz=dt.UTC),
        desired=desired,
        undo=undo,
    )
    refresh.start(group, started)
    return ActionResult({"InstanceRefreshId": started.id})


# AWS sets the desired configuration on the group when the refresh succeeds; here it counts from the
# start, because launches read the group.
def take(backend: Any, group: Group, desired: dict[str, Any]) -> Callable[[], None] | None:
    """Launch by a desired configuration from now on; return how to go back, if AWS allows that."""
    settings = group.settings
    before = dict(settings.__dict__)
    template, mixed = desired.get("LaunchTemplate"), desired.get("MixedInstancesPolicy")
    with checks.restored_if_refused(settings):
        settings._set_launch_configuration(None, template, mixed)  # noqa: SLF001  moto's setter
        checks.check_recipe(backend, settings)

    def undo() -> None:
        settings.__dict__.update({name: before.get(name) for name in fields.LAUNCH})

    old, new = before.get("launch_template_version"), (template or {}).get("Version", "$Default")
    return None if MOVING & {old, new} else undo


def preferences(group: Group, given: dict[str, Any]) -> Preferences:
    """Return the preferences of a call, with AWS's defaults."""
    settings = group.settings
    policy = getattr(settings, "instance_maintenance_policy", None) or {}
    healthy = given.get("MinHealthyPercentage", policy.get("MinHealthyPercentage", 90))
    warmup = given.get("InstanceWarmup")
    if warmup is None:
        warmup = getattr(settings, "default_instance_warmup", None)
    if warmup is None:
        warmup = settings.health_check_grace_period
    return Preferences(
        healthy=int(healthy),
        warmup=float(warmup),
        skip_matching=bool(given.get("SkipMatching")),
        protected=given.get("ScaleInProtectedInstances") or "Wait",
        given=given,
    )


@answers(AutoScalingResponse, "cancel_instance_refresh")
def cancel(context: Context, _original: None, response: Any) -> ActionResult:
    """Cancel the active refresh."""
    group = context.regions.group(response.autoscaling_backend, response.params[NAME])
    return ActionResult({"InstanceRefreshId": refresh.cancel(group).id})


@answers(AutoScalingResponse, "rollback_instance_refresh")
def roll_back(context: Context, _original: None, response: Any) -> ActionResult:
    """Roll the active refresh back."""
    region = context.regions.of(response.autoscaling_backend)
    group = context.regions.group(response.autoscaling_backend, response.params[NAME])
    rolled = refresh.roll_back(group, region.ports, context.regions.now())
    return ActionResult({"InstanceRefreshId": rolled.id})


@answers(AutoScalingResponse, "describe_instance_refreshes")
def describe(context: Context, _original: None, response: Any) -> ActionResult:
    """Describe the refreshes of a group, newest first."""
    params = response.params
    group = context.regions.group(response.autoscaling_backend, params[NAME])
    ids = params.get("InstanceRefreshIds") or []
    found = [each for each in group.refreshes if not ids or each.id in ids]
    shown, token = page(found, params, LARGEST_PAGE)
    described = [described_refresh(group, each) for each in shown]
    return ActionResult({"InstanceRefreshes": described, "NextToken": token})


def described_refresh(group: Group, each: Refresh) -> dict[str, Any]:
    """Return a refresh as DescribeInstanceRefreshes shows it."""
    left = len([instance for instance in each.waiting if group.find(instance)])
    done = each.count - left if each.count else 0
    share = 100 if each.status == "Successful" else 100 * done // max(each.count, 1)
    optional = {
        "StatusReason": each.reason,
        "EndTime": each.ended,
        "DesiredConfiguration": each.desired,
    }
    return {
        "InstanceRefreshId": each.id,
        NAME: group.name,
        "Status": each.status,
        "StartTime": each.started,
        "PercentageComplete": share,
        "InstancesToUpdate": left,
        "Preferences": {
            "MinHealthyPercentage": each.preferences.healthy,
            "InstanceWarmup": int(each.preferences.warmup),
            "SkipMatching": each.preferences.skip_matching,
            **each.preferences.given,
        },
        "Strategy": "Rolling",
        **{key: value for key, value in optional.items() if value},
    }
