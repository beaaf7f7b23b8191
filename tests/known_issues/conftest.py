"""Fixtures of the known issues: one cloud, one AWS provider and two baked images for all."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.e2e.testbed import build_testbed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.testbed import CloudTestbed


@pytest.fixture(scope="session")
def testbed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CloudTestbed]:
    """A test bed of their own: that of tests/e2e belongs to another worker."""
    with build_testbed(tmp_path_factory.mktemp("known-issues")) as built:
        yield built


@pytest.fixture(autouse=True)
def _no_orders(testbed: CloudTestbed) -> Iterator[None]:
    """Clear the orders of a test before the next one."""
    yield
    testbed.cloud.client.clear_behaviors()


@pytest.fixture(scope="module", autouse=True)
def _empty(testbed: CloudTestbed) -> Iterator[None]:
    """Delete all groups after each file: the tests of the next one share two cores."""
    yield
    scaling = testbed.cloud.aws("autoscaling")
    for group in scaling.describe_auto_scaling_groups()["AutoScalingGroups"]:
        scaling.delete_auto_scaling_group(
            AutoScalingGroupName=group["AutoScalingGroupName"], ForceDelete=True
        )
