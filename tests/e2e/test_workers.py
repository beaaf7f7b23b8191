"""A service without load balancers: workers whose jobs end before their instances do.

A worker begins a job every second or so, until Auto Scaling wants it to terminate; it reads that in
its instance metadata. A termination hook holds it until it says that its last job has ended.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e.site import LONGEST, Site

if TYPE_CHECKING:
    from tests.e2e.testbed import CloudTestbed

pytestmark = [pytest.mark.long, pytest.mark.timeout(3 * LONGEST)]

HOOK = {
    "name": "finish-jobs",
    "transition": "terminating",
    "heartbeat_timeout": 1800,
    "default_result": "CONTINUE",
}
WORKER = """
python3 -u - <<'END' &
import os, time, urllib.request

address = os.environ.get("AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://169.254.169.254")

def ask(path, method="GET", **headers):
    names = {key.replace("_", "-"): value for key, value in headers.items()}
    request = urllib.request.Request(address + "/latest/" + path, method=method, headers=names)
    return urllib.request.urlopen(request, timeout=10).read().decode()

def is_wanted():
    token = ask("api/token", "PUT", X_aws_ec2_metadata_token_ttl_seconds="60")
    path = "meta-data/autoscaling/target-lifecycle-state"
    return ask(path, X_aws_ec2_metadata_token=token) != "Terminated"

jobs = 0
while is_wanted():
    jobs += 1
    print("job", jobs, "begins")
    time.sleep(1)
    print("job", jobs, "ends")
print("all jobs done:", jobs)
time.sleep(3600)
END
"""


@dataclass
class Watch:
    """What was seen of the workers: how few were in service, and the consoles of those that left.

    `least` is the fewest InService members of all groups at a moment.
    """

    least: int = 99
    most: int = 0
    left: dict[str, str] = field(default_factory=dict)


@contextmanager
def watching(site: Site) -> Iterator[Watch]:
    """Complete the hook of each worker whose jobs are done, as its own program would."""
    seen, stop = Watch(), threading.Event()
    thread = threading.Thread(target=_watch, args=(site, seen, stop))
    thread.start()
    try:
        yield seen
    finally:
        stop.set()
        thread.join()


def _watch(site: Site, seen: Watch, stop: threading.Event) -> None:
    while not stop.is_set():
        members = [each for group in site._groups().values() for each in group["Instances"]]
        working = sum(each["LifecycleState"] == "InService" for each in members)
        seen.least, seen.most = min(seen.least, working), max(seen.most, working)
        for each in members:
            if each["LifecycleState"] == "Terminating:Wait":
                _complete(site, each["InstanceId"], seen)
        time.sleep(0.2)


def _complete(site: Site, instance: str, seen: Watch) -> None:
    console = site.testbed.cloud.console(instance)
    if "all jobs done" not in console or instance in seen.left:
        return
    client: Any = site.testbed.cloud.aws("autoscaling")
    described = client.describe_auto_scaling_instances(InstanceIds=[instance])
    (member,) = described["AutoScalingInstances"]
    client.complete_lifecycle_action(
        AutoScalingGroupName=member["AutoScalingGroupName"],
        LifecycleHookName=HOOK["name"],
        LifecycleActionResult="CONTINUE",
        InstanceId=instance,
    )
    seen.left[instance] = console


def all_jobs_ended(console: str) -> bool:
    begun, ended = (re.findall(rf"job (\d+) {verb}", console) for verb in ("begins", "ends"))
    return begun == ended and bool(begun)


@pytest.fixture(scope="module")
def site(testbed: CloudTestbed) -> Site:
    made = testbed.site("jobs", keep_previous="next")
    made.inputs = {"user_data": WORKER, "lifecycle_hooks": [HOOK]}
    made.configure(keep_previous="next", hooks=[])
    return made


def size_of(site: Site, release: str) -> tuple[int, int, int]:
    group = site._groups()[release]
    return group["MinSize"], group["MaxSize"], group["DesiredCapacity"]


def test_running_jobs_end_before_workers_are_replaced_and_before_a_rollback_ends(
    site: Site,
) -> None:
    testbed = site.testbed
    result = site.promote("--image", testbed.old)
    assert result.code == 0, result.err
    old = site.serving
    assert len(site.members(old)) == 2

    with watching(site) as promoted:
        result = site.promote("--image", testbed.new)
    assert result.code == 0, result.err
    new = site.serving
    assert (promoted.least, promoted.most) == (2, 4)
    assert len(promoted.left) == 2
    assert all(map(all_jobs_ended, promoted.left.values())), promoted.left
    assert (size_of(site, old), site.members(old)) == ((0, 0, 0), [])
    assert size_of(site, new) == (2, 4, 2)

    status = site.status()
    assert status["serving"] == new
    text = site.run("promote", "--plan", "--redeploy", "--image", testbed.new)
    assert text.code == 0, text.err
    assert [each["name"] for each in text.document["phases"]] == [
        "launch",
        "verify",
        "soak",
        "drain",
        "observe",
        "retire",
    ]
    assert "hook up to 30m" in str(text.document["phases"])

    with watching(site) as back:
        result = site.run("rollback", "--yes", "--wait")
    assert result.code == 0, result.err
    assert site.serving == old
    assert back.least >= 2
    assert all(map(all_jobs_ended, back.left.values())), back.left
    assert size_of(site, old) == (2, 4, 2)
    assert set(site._groups()) == {old}


def test_without_overlap_the_old_jobs_end_first_and_a_destroy_waits_for_jobs(site: Site) -> None:
    testbed = site.testbed
    site.configure(keep_previous="none", overlap=False)
    if not site.serving:
        result = site.promote("--image", testbed.old, "--allow-quarantined")
        assert result.code == 0, result.err
    with watching(site) as alone:
        result = site.promote("--image", site.other_image, "--allow-quarantined")
    assert result.code == 0, result.err
    assert alone.most == 2  # the old workers had stopped before the new ones started
    assert alone.least == 0
    assert all(map(all_jobs_ended, alone.left.values())), alone.left
    assert set(site._groups()) == {site.serving}

    confirmed = ("destroy", "--confirm", site.environment)
    result = site.run(*confirmed)
    assert result.code == 3, result.err
    assert "runs 2 instances" in result.document["error"]["what"]
    with watching(site) as ended:
        result = site.run(*confirmed, "--with-traffic")
    assert result.code == 0, result.err
    assert all(map(all_jobs_ended, ended.left.values())), ended.left
    assert (len(ended.left), site._groups()) == (2, {})
