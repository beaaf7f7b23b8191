"""Patch the calls of warm pools; `scaling.warm_pool` fills and empties them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from moto.autoscaling.models import AutoScalingBackend, FakeAutoScalingGroup
from moto.autoscaling.responses import AutoScalingResponse
from moto.core.responses import ActionResult, EmptyResult

from local_cloud.patches.autoscaling.pages import page
from local_cloud.patches.autoscaling.refusals import answers
from local_cloud.patches.context import Context
from local_cloud.patches.patching import patch
from local_cloud.scaling import refresh, warm_pool
from local_cloud.scaling.errors import invalid
from local_cloud.scaling.warm_pool import WarmPool

if TYPE_CHECKING:
    from collections.abc import Callable

    from local_cloud.scaling.model import Group, Member

NAME = "AutoScalingGroupName"
LARGEST_PAGE = 50
NONE = -1  # MaxGroupPreparedCapacity: the group's maximum counts again


# PutWarmPool creates or updates; what is left out of an update is not changed (API Reference).
@answers(AutoScalingResponse, "put_warm_pool")
def put(context: Context, _original: Any, response: Any) -> EmptyResult:
    """Create or update the warm pool of a group."""
    params = response.params
    group = context.regions.group(response.autoscaling_backend, params[NAME])
    refresh.require_none(group)
    state = params.get("PoolState")
    if state and state not in warm_pool.SETTLED:
        raise invalid(f"The local cloud does not support the pool state {state}.")
    pool: WarmPool = group.warm_pool or WarmPool()
    pool.state = state or pool.state
    if "MinSize" in params:
        pool.minimum = int(params["MinSize"])
    if "MaxGroupPreparedCapacity" in params:
        prepared = int(params["MaxGroupPreparedCapacity"])
        pool.prepared = None if prepared == NONE else prepared
    group.warm_pool = pool
    return EmptyResult()


@answers(AutoScalingResponse, "describe_warm_pool")
def describe(context: Context, _original: Any, response: Any) -> ActionResult:
    """Describe the warm pool of a group and its instances."""
    params = response.params
    group = context.regions.group(response.autoscaling_backend, params[NAME])
    pool: WarmPool | None = group.warm_pool
    shown, token = page(pool.members if pool else [], params, LARGEST_PAGE)
    answer = {"Instances": shown, "NextToken": token}
    return ActionResult({**answer, "WarmPoolConfiguration": configuration(pool)})


def configuration(pool: WarmPool | None) -> dict[str, Any] | None:
    """Return a warm pool as the Describe calls show it, None without one."""
    if pool is None:
        return None
    optional = {"MaxGroupPreparedCapacity": pool.prepared, "Status": pool.status}
    given = {key: value for key, value in optional.items() if value is not None}
    return {"MinSize": pool.minimum, "PoolState": pool.state, **given}


# DeleteWarmPool: ResourceInUse with instances unless forced; asynchronous (API Reference).
@answers(AutoScalingResponse, "delete_warm_pool")
def delete(context: Context, _original: Any, response: Any) -> EmptyResult:
    """Start deleting the warm pool of a group."""
    params = response.params
    group = context.regions.group(response.autoscaling_backend, params[NAME])
    warm_pool.delete(group, force=bool(params.get("ForceDelete")))
    return EmptyResult()


# DescribeAutoScalingGroups shows the configuration and size of the pool, never its instances; moto
# has a pool of its own.
@patch(AutoScalingBackend, "describe_auto_scaling_groups")
def show_pools(
    context: Context, original: Callable[..., Any], backend: Any, *arguments: Any, **named: Any
) -> Any:
    """Return groups that show their warm pools."""
    found = original(backend, *arguments, **named)
    known = context.regions.of(backend).groups
    for settings in found:
        group: Group | None = known.get(settings.name)
        pool: WarmPool | None = group.warm_pool if group else None
        settings.warm_pool_size = len(pool.members) if pool else None
    return found


@patch(FakeAutoScalingGroup, "warm_pool_configuration")
def show_configuration(_original: Callable[..., Any], settings: Any) -> dict[str, Any] | None:
    """Show the configuration of the warm pool that the state machine fills."""
    group: Group | None = settings.__dict__.get("local_cloud_group")
    return configuration(group.warm_pool) if group else None


def pool_members(group: Group) -> list[Member]:
    """Return the members of a group's warm pool, which DescribeAutoScalingInstances lists too."""
    return list(group.warm_pool.members) if group.warm_pool else []
