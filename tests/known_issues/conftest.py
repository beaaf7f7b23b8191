"""One cloud, one provider and two baked images for all pains; the stories' ground is another's."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.e2e.testbed import CloudTestbed


@pytest.fixture(scope="session")
def testbed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CloudTestbed]:
    from tests.e2e.testbed import build_testbed  # noqa: PLC0415  it imports the cloud

    with build_testbed(tmp_path_factory.mktemp("pains")) as built:
        yield built


@pytest.fixture(autouse=True)
def _no_orders(testbed: CloudTestbed) -> Iterator[None]:
    """What was ordered of a group for one pain is not there for the next."""
    yield
    testbed.cloud.client.clear_orders()


@pytest.fixture(scope="module", autouse=True)
def _empty(testbed: CloudTestbed) -> Iterator[None]:
    """No instance runs on for the next file's tests: they all share two cores."""
    yield
    scaling = testbed.cloud.aws("autoscaling")
    for group in scaling.describe_auto_scaling_groups()["AutoScalingGroups"]:
        scaling.delete_auto_scaling_group(
            AutoScalingGroupName=group["AutoScalingGroupName"], ForceDelete=True
        )
