"""One cloud, one provider and two baked images for all pains; the stories' ground is another's."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.e2e.deploying import Ground


@pytest.fixture(scope="session")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    from tests.e2e.deploying import a_ground  # noqa: PLC0415  it imports the cloud

    with a_ground(tmp_path_factory.mktemp("pains")) as built:
        yield built


@pytest.fixture(autouse=True)
def _no_orders(ground: Ground) -> Iterator[None]:
    """What was ordered of a group for one pain is not there for the next."""
    yield
    ground.cloud.client.clear_behaviors()


@pytest.fixture(scope="module", autouse=True)
def _empty(ground: Ground) -> Iterator[None]:
    """No instance runs on for the next file's tests: they all share two cores."""
    yield
    scaling = ground.cloud.aws("autoscaling")
    for group in scaling.describe_auto_scaling_groups()["AutoScalingGroups"]:
        scaling.delete_auto_scaling_group(
            AutoScalingGroupName=group["AutoScalingGroupName"], ForceDelete=True
        )
