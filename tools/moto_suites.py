"""Run moto's own tests of the patched services, plain and patched, and compare.

`python tools/moto_suites.py` downloads the source distribution of the installed moto, which has
the tests, and runs them twice. It fails if a test passes on plain moto and fails with the patches,
unless `EXPECTED` has the reason. The second run loads this file as a pytest plugin, which runs the
machines of a local cloud in the test process, so fast that nothing takes time.

One patch is relaxed for that run: moto's tests turn off moto's list of AMIs and launch from made-up
ids, which EC2 and the local cloud refuse with InvalidAMIID.NotFound. Here unknown ids are accepted;
`tests/local_cloud/instances/test_instances.py` tests the refusal.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import importlib.metadata
import os
import socket
import subprocess
import sys
import tarfile
import tempfile
import threading
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parent.parent
SUITES = (
    "test_ec2/test_instances.py",
    "test_ec2/test_amis.py",
    "test_ec2/test_key_pairs.py",
    "test_ec2/test_launch_templates.py",
    "test_elb",
    "test_elbv2",
    "test_autoscaling",
)
HOME = "AMI_PIPELINE_MOTO_SUITES_HOME"
ENDLESS = 1e9
NOWHERE = ("127.0.0.1", 0)

# Tests of moto that the patches break on purpose: name -> reason.
ADDRESS = (
    "an instance's address is its own on loopback, where something answers, whatever the subnet"
)
OTHER_VPC = "an instance of one VPC cannot be registered with a load balancer of another"
TWO_ZONES = "an application load balancer has one subnet in each of two zones or more"
DNS = "a load balancer's DNS name is an address of loopback, where it answers"
DRAINING = "draining has a timeout of 300 seconds from the start, and keeps it when changed"
WINDOWS = "an image of Windows cannot be launched"
FOREIGN = "an image of another account cannot be deregistered"
SHAPE = "an action is described with its order, its weights and a single target group in both forms"
FAR_GROUP = "a target group is in the VPC of its load balancer"
ADDRESSES = "a zone of a load balancer lists its static addresses: none"
AMIS = "test_ec2.test_amis::"
RULES = "test_elbv2.test_elbv2_listener_rules::"
GROUPS = "test_autoscaling.test_autoscaling_groups.TestAutoScalingGroup::"
PLAIN = "test_autoscaling.test_autoscaling::"
SCHEDULED = "test_autoscaling.test_autoscaling_scheduledactions.TestAutoScalingScheduledActions::"
TARGETS = "test_autoscaling.test_elbv2.TestAutoscalignELBv2::"
NO_GROUP = "scheduled actions are of a group, and it must exist"
BOUNDS = "the desired capacity stays within the bounds: refused, or moved in if a policy asks"
GRACE = "HealthCheckGracePeriod is 0 if the API is not told one"
POLICIES = "a policy has the fields of its type and no others, and an ARN of its own"
EXPECTED: dict[str, str] = {
    f"{AMIS}test_ami_create_and_delete": WINDOWS,
    f"{AMIS}test_ami_copy": WINDOWS,
    f"{AMIS}test_ami_filters": WINDOWS,
    f"{AMIS}test_ami_enable_unavailable_error": FOREIGN,
    f"{AMIS}test_ami_disable_unavailable_error": FOREIGN,
    f"{AMIS}test_ami_describe_image_attribute": "an image has the boot mode of its publisher",
    **dict.fromkeys(
        (
            "test_ec2.test_instances::test_get_instances_filtering_by_ni_private_dns",
            "test_ec2.test_instances::test_get_instances_filtering_by_private_dns",
            "test_ec2.test_instances::test_run_instance_in_subnet_with_nic_private_ip",
            "test_ec2.test_instances::test_run_instance_in_subnet_with_nic_private_ip_and_public_association",
            "test_ec2.test_instances::test_run_instance_with_nic_autocreated",
            "test_ec2.test_instances::test_run_instance_with_nic_preexisting",
            "test_ec2.test_instances::test_run_instance_with_specified_private_ipv4",
            "test_ec2.test_instances::test_run_instance_with_subnet",
        ),
        ADDRESS,
    ),
    **dict.fromkeys(
        (
            "test_ec2.test_launch_templates::test_describe_launch_template_versions_with_max",
            "test_ec2.test_launch_templates::test_describe_launch_template_versions_with_min",
            "test_ec2.test_launch_templates::test_describe_launch_template_versions_with_min_and_max",
        ),
        "EC2 describes the newest version of a launch template first",
    ),
    **dict.fromkeys(
        (
            "test_elb.test_elb::test_create_load_balancer[zones0-ap-south-1]",
            "test_elb.test_elb::test_create_load_balancer[zones0-us-east-1]",
            "test_elb.test_elb::test_create_load_balancer[zones1-ap-south-1]",
            "test_elb.test_elb::test_create_load_balancer[zones1-us-east-1]",
            "test_elbv2.test_elbv2::test_create_load_balancer",
        ),
        DNS,
    ),
    **dict.fromkeys(
        (
            "test_elb.test_elb::test_connection_draining_attribute",
            "test_elb.test_elb::test_cross_zone_load_balancing_attribute",
            "test_elb.test_elb::test_default_attributes",
        ),
        DRAINING,
    ),
    "test_autoscaling.test_autoscaling_cloudformation::test_autoscaling_group_with_elb": (
        "a health check by HTTP has a path"
    ),
    "test_elb.test_elb::test_create_health_check": (
        "a health check's timeout is less than its interval"
    ),
    "test_elb.test_elb::test_describe_instance_health__with_instance_ids": (
        "an instance that was never registered is InvalidInstance, not Unknown"
    ),
    "test_elbv2.test_elbv2::test_describe_load_balancer_attributes_default": (
        "cross-zone load balancing is on for an application load balancer"
    ),
    **dict.fromkeys(
        (
            "test_autoscaling.test_elb.TestAutoScalingELB::test_create_autoscaling_group_within_elb",
            "test_elbv2.test_elbv2::test_register_targets",
            "test_elbv2.test_elbv2::test_stopped_instance_target",
            "test_elbv2.test_elbv2::test_terminated_instance_target",
        ),
        OTHER_VPC,
    ),
    **dict.fromkeys(
        (
            "test_elbv2.test_elbv2::test_add_listener_certificate",
            "test_elbv2.test_elbv2::test_modify_listener_of_https_target_group",
            "test_elbv2.test_elbv2_cloudformation::test_cognito_action_listener_rule_cloudformation",
            "test_elbv2.test_elbv2_cloudformation::test_fixed_response_action_listener_rule_cloudformation",
            "test_elbv2.test_elbv2_cloudformation::test_https_listener_rule_with_certificate_cloudformation",
            "test_elbv2.test_elbv2_cloudformation::test_redirect_action_listener_rule_cloudformation",
            "test_elbv2.test_elbv2_integration::test_modify_listener_using_iam_certificate",
            "test_elbv2.test_elbv2_listener_attributes::test_modify_listener_attributes[tcp.idle_timeout.seconds-350-360]",
        ),
        TWO_ZONES,
    ),
    **dict.fromkeys(
        (
            "test_elbv2.test_elbv2::test_cognito_action_listener_rule",
            "test_elbv2.test_elbv2::test_create_rule_forward_config_as_second_arg",
            "test_elbv2.test_elbv2::test_fixed_response_action_listener_rule",
            "test_elbv2.test_elbv2::test_forward_config_action",
            "test_elbv2.test_elbv2::test_handle_listener_rules",
            "test_elbv2.test_elbv2::test_oidc_action_listener[False]",
            "test_elbv2.test_elbv2::test_oidc_action_listener[True]",
            "test_elbv2.test_elbv2::test_oidc_action_listener__simple",
            f"{RULES}test_create_rule_action[action0]",
            f"{RULES}test_create_rule_action[action1]",
            f"{RULES}test_create_rule_action[action2]",
            f"{RULES}test_create_rule_action[action3]",
            "test_elbv2.test_elbv2_target_groups::test_create_target_group_and_listeners",
            "test_elbv2.test_elbv2_target_groups::test_delete_target_group_after_modifying_listener",
        ),
        SHAPE,
    ),
    **dict.fromkeys(
        (
            f"{RULES}test_create_rule_action_forward_config",
            f"{RULES}test_create_rule_action_forward_target_group",
        ),
        FAR_GROUP,
    ),
    **dict.fromkeys(
        (
            "test_elbv2.test_elbv2::test_create_elb_using_subnetmapping",
            "test_elbv2.test_elbv2_set_subnets::test_set_subnets__mapping",
        ),
        ADDRESSES,
    ),
    "test_elbv2.test_elbv2::test_create_listener_with_alpn_policy": (
        "only a TLS listener has an ALPN policy"
    ),
    "test_elbv2.test_elbv2::test_forward_config_action__with_stickiness": (
        "stickiness of target groups needs its duration"
    ),
    "test_elbv2.test_elbv2_target_groups::test_describe_target_groups": (
        "a port of a load balancer has one listener"
    ),
    "test_elbv2.test_elbv2_target_health::test_register_targets": (
        "nothing serves in moto's instances, so no target gets healthy; the test waits for that"
    ),
    **dict.fromkeys(
        (
            f"{SCHEDULED}test_batch_delete_nonexistent_action",
            f"{SCHEDULED}test_batch_delete_scheduled_action",
            f"{SCHEDULED}test_batch_put_scheduled_group_action",
            f"{SCHEDULED}test_delete_nonexistent_action",
            f"{SCHEDULED}test_describe_scheduled_actions_returns_all_actions_when_no_argument_is_passed",
            f"{SCHEDULED}test_list_many_scheduled_scaling_actions",
            f"{SCHEDULED}test_non_existing_group_name",
            f"{SCHEDULED}test_put_actions_content",
            f"{SCHEDULED}test_put_replaces_action_with_same_name",
            f"{SCHEDULED}test_scheduled_action_delete",
        ),
        NO_GROUP,
    ),
    **dict.fromkeys(
        (
            f"{PLAIN}test_set_desired_capacity_without_protection[1-5]",
            f"{PLAIN}test_set_desired_capacity_without_protection[2-1]",
            f"{PLAIN}test_set_desired_capacity_without_protection[2-3]",
            "test_autoscaling.test_elb.TestAutoScalingInstances::test_standby_exit_standby",
            "test_autoscaling.test_policies::test_execute_policy_exact_capacity",
            "test_autoscaling.test_policies::test_execute_policy_percent_change_in_capacity[1-3]",
            "test_autoscaling.test_policies::test_execute_policy_percent_change_in_capacity[100-4]",
            "test_autoscaling.test_policies::test_execute_policy_percent_change_in_capacity[250-7]",
            "test_autoscaling.test_policies::test_execute_policy_percent_change_in_capacity[50-3]",
            "test_autoscaling.test_policies::test_execute_policy_positive_change_in_capacity",
        ),
        BOUNDS,
    ),
    **dict.fromkeys(
        (
            f"{PLAIN}test_update_autoscaling_group_health_check",
            f"{GROUPS}test_create_autoscaling_groups_defaults",
        ),
        GRACE,
    ),
    **dict.fromkeys(
        (
            f"{PLAIN}test_autoscaling_describe_policies",
            f"{PLAIN}test_create_autoscaling_policy_with_policytype__stepscaling",
            f"{PLAIN}test_create_autoscaling_policy_with_policytype__targettrackingscaling",
            "test_autoscaling.test_policies::test_create_policy_default_values",
        ),
        POLICIES,
    ),
    f"{PLAIN}test_attach_instances": ("an instance that was attached has no launch configuration"),
    f"{GROUPS}test_autoscaling_group_delete": ("a group with instances is deleted only by force"),
    f"{GROUPS}test_mixed_instance_calculations": (
        "weights of instance types are left out: each instance counts 1"
    ),
    f"{GROUPS}test_resume_processes": ("a suspended process says since when"),
    f"{GROUPS}test_set_instance_health": ("an unhealthy instance is replaced"),
    "test_autoscaling.test_launch_configurations::test_launch_configuration_describe_paginated": (
        "a token is opaque, not the name of the last one shown"
    ),
    f"{TARGETS}test_failed_delete_preserves_target_group_attachments": (
        "termination protection does not hold Auto Scaling up"
    ),
}


def main() -> int:
    """Run both, print the differences, return 1 for an unexpected one."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "suites", nargs="*", default=SUITES, help="files or folders of moto's tests"
    )
    suites = parser.parse_args().suites
    with tempfile.TemporaryDirectory(prefix="moto-suites-") as scratch:
        folder = Path(scratch)
        fetch(folder)
        plain = run(folder, suites, patched=False)
        patched = run(folder, suites, patched=True)
    return report(plain, patched)


def fetch(folder: Path) -> None:
    """Unpack moto's tests only, because they test the installed moto.

    They need freezegun, which is installed beside them, not into the environment.
    """
    wanted = f"moto=={importlib.metadata.version('moto')}"
    how = ["--quiet", "--no-deps", "--no-binary", ":all:", "--dest", str(folder)]
    subprocess.run([sys.executable, "-m", "pip", "download", *how, wanted], check=True)
    beside = ["--quiet", "--no-deps", "--target", str(folder / "beside")]
    subprocess.run([sys.executable, "-m", "pip", "install", *beside, "freezegun"], check=True)
    (archive,) = folder.glob("moto-*.tar.gz")
    with tarfile.open(archive) as tar:
        tar.extractall(folder, [m for m in tar if "/tests/" in m.name], filter="data")


def run(folder: Path, suites: list[str], *, patched: bool) -> dict[str, str]:
    """Run the suites; return the outcome of each test."""
    (unpacked,) = (path for path in folder.glob("moto-*") if path.is_dir())
    results = folder / f"results-{patched}.xml"
    argv = [
        *[sys.executable, "-m", "pytest", "-q", "--no-header", "--tb=line", "-W", "ignore"],
        *["-p", "no:cacheprovider", "--timeout=60"],  # a waiter of boto3 takes 600 seconds
        *["-c", os.devnull, "--rootdir", str(unpacked), f"--junitxml={results}"],
        *(["-p", "moto_suites"] if patched else []),
        *[str(unpacked / "tests" / suite) for suite in suites],
    ]
    paths = [str(unpacked), str(folder / "beside"), str(ROOT), str(ROOT / "tools")]
    keys = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing"}
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("AWS_")},
        **keys,
        "AWS_DEFAULT_REGION": "us-east-1",
        "PYTHONPATH": os.pathsep.join(paths),
        HOME: str(folder / "home"),
    }
    print(f"moto's tests, {'with the patches' if patched else 'plain'}", flush=True)
    subprocess.run(argv, env=environment, cwd=unpacked, check=False)
    return outcomes(results)


def outcomes(results: Path) -> dict[str, str]:
    """Parse a JUnit file: test -> passed, failed or skipped."""
    found = {}
    for case in ET.parse(results).iter("testcase"):  # noqa: S314  pytest wrote it
        kinds = {child.tag for child in case}
        bad = "failed" if kinds & {"failure", "error"} else "passed"
        suite = ".".join(case.get("classname", "").split(".")[1:])
        name = f"{suite}::{case.get('name')}"
        found[name] = "skipped" if "skipped" in kinds else bad
    return found


def report(plain: dict[str, str], patched: dict[str, str]) -> int:
    """Print the differences; return 1 for an unexpected or a missing expected one."""
    passed = [name for name, outcome in plain.items() if outcome == "passed"]
    lost = {name for name in passed if patched.get(name) != "passed"}
    for name in sorted(lost):
        print(f"differs: {name}: {EXPECTED.get(name, 'NOT EXPECTED')}")
    fixed = {name for name in EXPECTED if name in plain} - lost
    for name in sorted(fixed):
        print(f"no longer differs: {name}")
    print(f"{len(passed)} pass on plain moto, {len(passed) - len(lost)} of them with the patches")
    return int(bool(lost - set(EXPECTED)) or bool(fixed) or not passed)


class Machines:
    """The machines of a cloud, on an event loop in its own thread."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._ready = threading.Event()
        self._end: asyncio.Event | None = None
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        """Install the patches; return when they are in."""
        self._thread.start()
        self._ready.wait()

    def stop(self) -> None:
        """Remove the patches and end the machines."""
        if self._end:
            self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join()

    def _run(self) -> None:
        self._loop.run_until_complete(self._run_machines())

    async def _run_machines(self) -> None:
        from local_cloud import state_dir  # noqa: PLC0415  moto's tests set its environment first
        from local_cloud.api import server  # noqa: PLC0415  moto's tests set its environment first
        from local_cloud.groups import launch  # noqa: PLC0415  the same
        from local_cloud.instances import network  # noqa: PLC0415  moto's tests set its environment first

        strict = launch.check_image

        def known_images_only(ec2: Any, image: str | None) -> None:
            if image in ec2.amis or image in ec2.deleted_amis:
                strict(ec2, image)

        launch.check_image = known_images_only
        self._end = asyncio.Event()
        home = state_dir.StateDir(path=self._home)
        home.path.mkdir()
        options = server.Options(home=home, port=0, speed=ENDLESS, isolation="plain")
        with contextlib.closing(network.claim()) as net, socket.create_server(NOWHERE) as unused:
            async with server.machines(options, net, server.Way.at(home, unused)):
                self._ready.set()
                await self._end.wait()


def running() -> Iterator[None]:
    """Run machines while the tests run."""
    machines = Machines(Path(os.environ[HOME]))
    machines.start()
    yield
    machines.stop()


_session: list[Iterator[None]] = []


def pytest_sessionstart() -> None:
    """Install the patches before the first test."""
    _session.append(running())
    next(_session[0])


def pytest_sessionfinish() -> None:
    """Remove the patches after the last test."""
    next(_session[0], None)


if __name__ == "__main__":
    sys.exit(main())
