"""Put every patch into moto, and the control loops behind them into the cloud."""

from __future__ import annotations

import functools
from contextlib import AbstractContextManager
from typing import Any

from local_cloud.balancers.sync import BalancerSync
from local_cloud.cloud import Cloud
from local_cloud.patches import after, iam, quotas, s3, sts, unanswered
from local_cloud.patches.autoscaling import (
    activities,
    described,
    group_calls,
    hooks,
    members,
    metrics,
    policies,
    refreshes,
    schedules,
    settings,
    sources,
    warm_pools,
)
from local_cloud.patches.cloudwatch import (
    alarms,
    evaluation,
    log_alarms,
    metric_data,
    statistics,
)
from local_cloud.patches.context import Context
from local_cloud.patches.ec2 import described as ec2_described
from local_cloud.patches.ec2 import (
    dry_run,
    image_settings,
    images,
    instances,
    launch_templates,
    published,
    recycle_bin,
    registered,
    security_groups,
    template_launches,
    volumes,
    windows,
)
from local_cloud.patches.elb import classic, classic_members, elbv2, elbv2_targets
from local_cloud.patches.elb import described as elb_described
from local_cloud.patches.patching import Patch, Undo, apply, cache_method_names, patches_of
from local_cloud.patches.ssm import commands, managed_nodes, parameters

# Of two patches of one method the later wraps the earlier.
MODULES = (
    instances,
    images,
    image_settings,
    recycle_bin,
    published,
    registered,
    launch_templates,
    template_launches,
    group_calls,
    members,
    sources,
    activities,
    described,
    settings,
    hooks,
    policies,
    refreshes,
    warm_pools,
    schedules,
    alarms,
    statistics,
    metric_data,
    log_alarms,
    classic,
    classic_members,
    elbv2,
    elbv2_targets,
    unanswered,
    security_groups,
    volumes,
    windows,
    ec2_described,
    elb_described,
    iam,
    s3,
    parameters,
    managed_nodes,
    commands,
    sts,
    dry_run,
    quotas,
    after,
)


def install(cloud: Cloud, lock: AbstractContextManager[Any]) -> Undo:
    """Put every patch in; return the function that takes them out again."""
    context = Context.of(cloud, lock)
    regions = context.regions
    cloud.on_change.append(regions.step_safely)
    cloud.periodic += [regions.step, schedules.step, functools.partial(evaluation.step, context)]
    cloud.metrics.samplers.append(functools.partial(metrics.sample, regions))
    sync = BalancerSync(cloud=cloud)  # after the groups: the balancers carry what they decided
    cloud.on_change += [sync, functools.partial(regions.settle, sync)]
    undo_patches, undo_cache = apply(every(), context), cache_method_names()

    def undo() -> None:
        undo_cache()
        undo_patches()

    return undo


def every() -> list[Patch]:
    """Return all patches."""
    return patches_of(*MODULES)
