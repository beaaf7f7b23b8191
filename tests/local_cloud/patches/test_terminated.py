"""Terminated instances are shown for an hour of the cloud's time."""

from __future__ import annotations

import itertools
from types import SimpleNamespace

from local_cloud.clock import Clock
from local_cloud.patches.terminated import Terminated
from tests.running_cloud import Cloud, eventually


class Account:
    """What moto holds: reservations of so many instances each."""

    def __init__(self, *counts: int) -> None:
        number = itertools.count()
        self.reservations = {
            f"r-{name}": SimpleNamespace(
                instances=[SimpleNamespace(id=next(number), ec2_backend=self) for _ in range(count)]
            )
            for name, count in enumerate(counts)
        }

    def left(self) -> dict[str, list[int]]:
        return {
            name: [instance.id for instance in each.instances]
            for name, each in self.reservations.items()
        }


def test_old_instances_are_forgotten_with_their_empty_reservation() -> None:
    account = Account(1, 2, 1)
    first, second, third, fourth = (
        instance for each in account.reservations.values() for instance in each.instances
    )
    times = iter([0.0, 0.0, 60.0, 60.1])
    terminated = Terminated(clock=Clock(speed=60), now=lambda: next(times))
    for each in (first, second, third):
        terminated.add(each)
    assert account.left() == {"r-0": [0], "r-1": [1, 2], "r-2": [3]}
    terminated.add(fourth)
    assert account.left() == {"r-1": [2], "r-2": [3]}


def test_an_instance_stays_visible_for_half_a_minute_at_any_speed() -> None:
    account = Account(2)
    times = iter([0.0, 30.0, 30.1])
    terminated = Terminated(clock=Clock(speed=3600), now=lambda: next(times))
    one, other = account.reservations["r-0"].instances
    terminated.add(one)
    terminated.add(other)
    assert account.left() == {"r-0": [0, 1]}
    terminated.add(other)
    assert account.left() == {"r-0": [1]}


def test_a_terminated_instance_is_described(cloud: Cloud) -> None:
    ec2 = cloud.aws("ec2")
    made = ec2.run_instances(ImageId=cloud.base_image(), MinCount=1, MaxCount=1)
    name = made["Instances"][0]["InstanceId"]
    ec2.terminate_instances(InstanceIds=[name])

    def state() -> str:
        found = ec2.describe_instances(InstanceIds=[name])["Reservations"][0]["Instances"][0]
        return str(found["State"]["Name"])

    eventually(lambda: state() == "terminated")
