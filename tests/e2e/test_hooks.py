"""Hooks with the real command line: on instances through Run Command, and once though it is killed.

Terraform is the stand-in; the local cloud runs the commands in the instances. The load has no
failed request.
"""

from __future__ import annotations

import json
import signal
from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e.project import interrupt
from tests.e2e.site import LONGEST, Site
from tests.e2e.testbed import CloudTestbed, build_fast_testbed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.project import CommandResult

pytestmark = [pytest.mark.long, pytest.mark.timeout(2 * LONGEST)]

AGENT = ["ssm:UpdateInstanceInformation", "ssmmessages:*", "ec2messages:*"]
ASSUMED = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Action": "sts:AssumeRole",
            "Principal": {"Service": "ec2.amazonaws.com"},
        }
    ],
}
REFUSED, ROLLED_BACK = 3, 4


@pytest.fixture(scope="module")
def fast(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CloudTestbed]:
    """A test bed whose instances Systems Manager manages."""
    with build_fast_testbed(tmp_path_factory.mktemp("hooks")) as built:
        iam = built.cloud.aws("iam")
        iam.create_role(RoleName="web", AssumeRolePolicyDocument=json.dumps(ASSUMED))
        statement = {"Effect": "Allow", "Action": AGENT, "Resource": "*"}
        document = {"Version": "2012-10-17", "Statement": [statement]}
        iam.put_role_policy(RoleName="web", PolicyName="agent", PolicyDocument=json.dumps(document))
        iam.add_role_to_instance_profile(InstanceProfileName="web", RoleName="web")
        yield built


def on_instance(at: str, script: str, **how: object) -> dict[str, Any]:
    command = ["/bin/sh", "-c", script]
    return {"at": at, "run": "instance", "command": command, "timeout": "1m", **how}


def once_of(site: Site, *flags: str) -> CommandResult:
    words = ("state", "hooks", "-e", site.environment, *flags)
    return site.project.run("--output", "json", *words)


def kept(site: Site, deployment: str, name: str) -> str:
    store = site.project.folder / ".ami-pipeline/deployments" / deployment
    return (store / name).read_text()


def test_hooks_run_on_the_instances_of_green_and_of_blue(fast: CloudTestbed) -> None:
    site = fast.site("instances", "application")
    assert site.promote("--image", fast.old).code == 0
    blue = site.members(site.serving)
    warm = 'echo "warm $AMI_PIPELINE_VERSION of $AMI_PIPELINE_RELEASE"'
    site.configure(
        hooks=[
            on_instance("before-traffic", warm),
            on_instance("after-drain", "echo sessions ended"),
        ]
    )
    with site.under_load():
        done = site.promote("--image", fast.new)
    assert done.code == 0, done.err
    green = site.members(site.serving)
    assert kept(site, done.document["id"], "before-traffic.txt") == "\n".join(
        f"{each}: Success\nwarm 2.0.0 of r000002" for each in sorted(green)
    )
    assert kept(site, done.document["id"], "after-drain.txt") == "\n".join(
        f"{each}: Success\nsessions ended" for each in sorted(blue)
    )

    site.configure(hooks=[on_instance("before-traffic", "echo no page; exit 3")])
    with site.under_load():
        failed = site.promote("--image", fast.old)
    assert failed.code == ROLLED_BACK, failed.err
    assert (failed.document["phase"], site.serving) == ("verify", "r000002")
    assert failed.document["reason"].startswith("before-traffic hook /bin/sh -c ")
    assert ": exit code 3\n| no page" in failed.document["reason"]
    assert sorted(site.content["releases"]) == ["r000001", "r000002"]


def test_a_hook_with_once_whose_run_is_killed_does_not_run_again_by_itself(
    fast: CloudTestbed,
) -> None:
    site = fast.site("once", "application")
    assert site.promote("--image", fast.old).code == 0
    log = site.project.folder / "migrations.txt"
    script = f"echo began >>{log}; echo migrating; sleep 60; echo ended >>{log}"
    hook = {"at": "after-launch", "command": ["/bin/sh", "-c", script], "once": True}
    site.configure(hooks=[hook])
    with site.under_load():
        running = site.begin("promote", "after-launch hook", "--yes", "--image", fast.new)
        while not log.exists():
            assert running.poll() is None
        interrupt(running, signal.SIGKILL)

        recovered = site.run("recover")
        assert recovered.code == 0, recovered.err
        assert recovered.document["outcome"] == "rolled back"
        unknown = f"began for {fast.new} at "
        assert unknown in recovered.err
        again = site.promote("--image", fast.new)
        assert again.code == REFUSED
        assert unknown in again.err
        assert "ami-pipeline state hooks -e once" in again.err
        (known,) = once_of(site).document["hooks"]
        assert (known["ami_id"], known["ended"], known["code"]) == (fast.new, None, None)

        assert once_of(site, "--ended").code == 0
        done = site.promote("--image", fast.new)
    assert done.code == 0, done.err
    assert f"skipped, because it ran for {fast.new} at " in done.err
    assert log.read_text() == "began\n"
