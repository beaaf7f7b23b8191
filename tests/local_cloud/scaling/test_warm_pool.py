"""How a group keeps and uses the instances of its warm pool."""

from __future__ import annotations

import pytest

from local_cloud.scaling import group as groups
from local_cloud.scaling import warm_pool
from local_cloud.scaling.errors import RefusedRequestError
from local_cloud.scaling.ports import LifecycleHook
from local_cloud.scaling.warm_pool import WarmPool
from tests.local_cloud.scaling.fakes import Settings, Trial


def with_pool(desired: int = 1, maximum: int = 3, **pool: object) -> Trial:
    trial = Trial(settings=Settings(max_size=maximum))
    trial.with_members(desired)
    trial.group.warm_pool = WarmPool(**pool)  # type: ignore[arg-type]  # the test's own words
    return trial


def pooled(trial: Trial) -> list[str]:
    pool: WarmPool | None = trial.group.warm_pool
    return [member.lifecycle_state for member in pool.members] if pool else []


def settle(trial: Trial) -> None:
    for _ in range(4):
        trial.run()


def test_a_pool_fills_up_to_the_maximum_with_stopped_instances_that_are_no_members() -> None:
    trial = with_pool(desired=1, maximum=3)
    trial.step()
    assert pooled(trial) == ["Warmed:Pending", "Warmed:Pending"]
    description = trial.newest().description
    assert description == "Launching a new EC2 instance into warm pool: i-3"
    settle(trial)
    assert pooled(trial) == ["Warmed:Stopped", "Warmed:Stopped"]
    assert trial.states() == ["InService"]
    assert [trial.ports.states[f"i-{number}"] for number in (2, 3)] == ["stopped", "stopped"]


@pytest.mark.parametrize(
    ("minimum", "prepared", "count"), [(0, None, 2), (0, 2, 1), (3, None, 3), (0, 1, 0)]
)
def test_the_size_of_a_pool_follows_from_its_settings(
    minimum: int, prepared: int | None, count: int
) -> None:
    trial = with_pool(minimum=minimum, prepared=prepared, state="Running")
    settle(trial)
    assert pooled(trial) == ["Warmed:Running"] * count


def test_a_scale_out_takes_from_the_pool_first_and_the_pool_shrinks() -> None:
    trial = with_pool(desired=1, maximum=3)
    settle(trial)
    trial.want(2)
    trial.step()
    taken = trial.members[1]
    assert (taken.instance_id, taken.lifecycle_state) == ("i-2", "Pending")
    assert taken.activity
    assert taken.activity.description == "Launching a new EC2 instance from warm pool: i-2"
    settle(trial)
    assert trial.states() == ["InService", "InService"]
    assert pooled(trial) == ["Warmed:Stopped"]


def test_a_smaller_pool_terminates_its_instances() -> None:
    trial = with_pool(desired=1, maximum=3)
    settle(trial)
    trial.group.warm_pool.prepared = 1
    trial.step()
    assert pooled(trial) == ["Warmed:Terminating", "Warmed:Terminating"]
    settle(trial)
    assert pooled(trial) == []


def test_hooks_hold_a_member_of_the_pool_before_it_is_stopped() -> None:
    trial = with_pool(desired=1, maximum=2)
    hook = LifecycleHook(name="warm", timeout=60, default="CONTINUE")
    trial.ports.lifecycle_hooks["autoscaling:EC2_INSTANCE_LAUNCHING"] = [hook]
    trial.run()
    assert pooled(trial) == ["Warmed:Pending:Wait"]
    trial.step(61)
    settle(trial)
    assert pooled(trial) == ["Warmed:Stopped"]


def test_a_pool_with_instances_is_deleted_by_force_only() -> None:
    trial = with_pool(desired=1, maximum=2)
    settle(trial)
    with pytest.raises(RefusedRequestError) as refused:
        warm_pool.delete(trial.group, force=False)
    assert refused.value.code == "ResourceInUse"
    warm_pool.delete(trial.group, force=True)
    assert trial.group.warm_pool.status == "PendingDelete"
    settle(trial)
    assert trial.group.warm_pool is None


def test_a_deleted_group_takes_its_pool_along() -> None:
    trial = with_pool(desired=1, maximum=2)
    settle(trial)
    groups.delete(trial.group, trial.ports, trial.ports.now, force=True)
    trial.step()
    assert not groups.is_gone(trial.group, trial.ports, trial.ports.now + 60)
    settle(trial)
    assert groups.is_gone(trial.group, trial.ports, trial.ports.now + 60)
