"""Releases put into service and rolled back, with real Packer and Terraform, under traffic.

All tests share one environment behind the stack's classic load balancer, and each brings the
release it needs. `make test` runs a first release, a promotion and a rollback to the kept group.
`make e2e` also runs an interrupt and damaged documents.
"""

from __future__ import annotations

import resource
import signal
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pytest

from pipeline.adapters.store.envelope import seal, unseal
from pipeline.core.state.environment import Environment
from tests.e2e.matrix import RunningDeployment
from tests.e2e.site import LONGEST, EnvironmentState, Site, state_with, wait_for_exit

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.e2e.project import CommandResult
    from tests.e2e.testbed import CloudTestbed

pytestmark = pytest.mark.timeout(LONGEST + 20)
HOOK = """\
import os, time, urllib.request

def served(address):
    for _ in range(100):
        try:
            return urllib.request.urlopen(f"http://{address}:8080/", timeout=5).status
        except OSError:
            time.sleep(0.2)  # the instance runs, but its service is still starting

for address in os.environ["AMI_PIPELINE_ADDRESSES"].split():
    print(address, served(address))
"""
SMOKE = {"at": "before-traffic", "command": ["python3", "smoke.py"], "timeout": "1m"}
REFUSED, LEASE_HELD = 3, 6
CREATING_GROUP = "terraform: creating aws_autoscaling_group"


@dataclass(frozen=True, kw_only=True)
class Deployed:
    """A deployment of a fixture: its result and the state right after it."""

    result: CommandResult
    state: EnvironmentState


@dataclass(frozen=True, kw_only=True)
class Concurrent(Deployed):
    """A deployment, and others that ran beside it with the processor seconds they took."""

    pid: int
    others: tuple[tuple[CommandResult, float], ...]


@pytest.fixture(scope="module")
def site(testbed: CloudTestbed) -> Site:
    made = testbed.site("staging", "stack", hooks=[SMOKE])
    (made.project.folder / "smoke.py").write_text(HOOK)
    return made


@pytest.fixture(scope="module")
def first(site: Site) -> Deployed:
    """The first release, of the old image."""
    result = site.promote("--image", site.testbed.old)
    return Deployed(result=result, state=site.state())


@pytest.fixture(scope="module")
def second(site: Site, first: Deployed) -> Concurrent:
    """A promotion of the new image under load, and two more that find its lease."""
    assert first.result.code == 0, first.result.err
    with site.under_load():
        running = site.begin("promote", "launch: started", "--yes")
        others = [measure(lambda: site.promote("--image", site.testbed.old)) for _ in range(2)]
        result = wait_for_exit(running)
    return Concurrent(result=result, state=site.state(), pid=running.pid, others=tuple(others))


def measure(action: Callable[[], CommandResult]) -> tuple[CommandResult, float]:
    """Run an action; return its processor seconds, which a busy machine does not change."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    result = action()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return result, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


@pytest.fixture
def serving(site: Site, first: Deployed) -> Site:
    """The site with a release in service."""
    assert first.result.code == 0, first.result.err
    return site


@pytest.fixture
def warm(site: Site, second: Concurrent) -> Site:
    """The site with a release in service and the one before it kept warm."""
    assert second.result.code == 0, second.result.err
    if len(site.content["releases"]) < 2:
        result = site.promote(*other(site))
        assert result.code == 0, result.err
    return site


def other(site: Site) -> tuple[str, ...]:
    """Return the options that promote an image which does not serve, even after a rollback."""
    return ("--image", site.other_image, "--allow-quarantined")


@pytest.fixture
def rolled_back(serving: Site) -> Site:
    """The site with the old image in service and the new one quarantined."""
    if serving.other_image == serving.testbed.old:
        result = serving.run("rollback", "--yes", "--wait")
        assert result.code == 0, result.err
    serving.testbed.mark_image(serving.testbed.new, "quarantined")
    return serving


def test_a_first_release_serves_in_an_empty_environment(first: Deployed) -> None:
    assert first.result.code == 0, first.result.err
    assert first.result.document["outcome"] == "promoted"
    assert first.state == state_with("r000001", serving="r000001")


def test_a_promotion_moves_the_traffic_and_others_do_not_wait_for_its_lease(
    second: Concurrent,
) -> None:
    assert second.result.code == 0, second.result.err
    assert second.state == state_with("r000001", "r000002", serving="r000002")
    for other, _ in second.others:
        assert other.code == LEASE_HELD, other.err
        assert f"(pid {second.pid})" in other.document["error"]["what"]
        assert "ami-pipeline promote -e staging" in other.document["error"]["what"]
    assert min(seconds for _, seconds in second.others) <= 2.0


def test_a_group_that_never_becomes_healthy_is_rolled_back(serving: Site) -> None:
    before, group = serving.declared_state(), serving.group(serving.next_release)
    serving.testbed.cloud.client.set_behavior("never-healthy", group=group)
    serving.configure(hooks=[SMOKE], deadlines={"attach": "3m"})  # three seconds here
    with serving.under_load():
        result = serving.promote(*other(serving))
    serving.configure(hooks=[SMOKE])
    assert result.code == 4, result.err
    document = result.document
    assert (document["outcome"], document["phase"]) == ("rolled back", "attach")
    assert "gave up after 3m" in document["reason"]
    assert serving.state() == before
    evidence = (serving.project.folder / ".ami-pipeline" / document["evidence"]).read_text()
    assert group in evidence


@pytest.mark.long
def test_an_interrupt_while_terraform_creates_the_group_rolls_everything_back(
    serving: Site,
) -> None:
    before = serving.declared_state()
    with serving.under_load():
        running = serving.begin("promote", CREATING_GROUP, "--yes", *other(serving))
        running.send_signal(signal.SIGINT)
        result = wait_for_exit(running)
    assert result.code == 130, result.err
    assert (result.document["outcome"], result.document["phase"]) == ("rolled back", "launch")
    assert serving.state() == before


@pytest.mark.long
def test_a_killed_terraform_that_was_creating_the_group_is_rolled_back(serving: Site) -> None:
    before = serving.declared_state()
    with serving.under_load():
        running = serving.begin("promote", CREATING_GROUP, "--yes", *other(serving))
        RunningDeployment(process=running).kill_terraform()
        result = wait_for_exit(running)
    assert result.code == 4, result.err
    assert (result.document["outcome"], result.document["phase"]) == ("rolled back", "launch")
    assert serving.state() == before


def test_a_rollback_to_the_warm_group_takes_seconds_and_a_later_command_removes_the_other(
    warm: Site,
) -> None:
    left, images = warm.serving, (warm.image_of(warm.serving), warm.other_image)
    (blue,) = warm.content["releases"].keys() - {left}
    with warm.under_load():
        result = warm.run("rollback", "--yes")
        assert result.code == 0, result.err
        assert [each["name"] for each in result.document["phases"]] == ["reattach", "detach"]
        assert result.document["removal_pending"] == [left]
        status = warm.status()
        assert (status["serving"], status["removal_pending"]) == (blue, [left])
        assert {each["release"]: each["role"] for each in status["releases"]} == {
            blue: "serving",
            left: "removal pending",
        }
        removed = warm.run("recover")
    assert (removed.code, removed.document["kind"]) == (0, "retire"), removed.err
    assert warm.state() == state_with(blue, serving=blue)
    listed = warm.project.run("--output", "json", "images").document["images"]
    assert {each["ami_id"]: each["status"] for each in listed} == {
        images[0]: "quarantined",
        images[1]: "good",
    }


def test_a_promotion_of_the_serving_image_changes_nothing(rolled_back: Site) -> None:
    before = rolled_back.path.read_bytes()
    result = rolled_back.promote()
    assert result.code == 0, result.err
    assert result.document["outcome"] == "unchanged"
    assert rolled_back.path.read_bytes() == before


def truncate(document: bytes) -> bytes:
    return document[: len(document) // 2]


def change_account(document: bytes) -> bytes:
    found = unseal(Environment, document)
    return seal(replace(found, account="210987654321"))


def raise_schema_version(document: bytes) -> bytes:
    return document.replace(b'"schema": 1', b'"schema": 2')


@pytest.mark.long
@pytest.mark.parametrize(
    ("damage", "other", "what", "remedy"),
    [
        (truncate, ["recover"], "is damaged", "ami-pipeline state restore -e "),
        (
            change_account,
            ["rollback", "--yes", "--to", "ami-0123456789abcdef0"],
            "account 210987654321",
            "use credentials of account",
        ),
        (raise_schema_version, ["abort"], "its schema is version 2", "upgrade"),
    ],
)
def test_a_document_that_is_not_reliable_is_refused_and_kept(
    serving: Site, damage: Callable[[bytes], bytes], other: list[str], what: str, remedy: str
) -> None:
    whole = serving.path.read_bytes()
    damaged = damage(whole)
    serving.path.write_bytes(damaged)
    try:
        for verb, *words in (["promote", "--yes"], other):
            result = serving.run(verb, *words)
            assert result.code == REFUSED, result.err
            assert what in result.document["error"]["what"]
            assert remedy in result.document["error"]["next"]
            assert serving.path.read_bytes() == damaged
    finally:
        serving.path.write_bytes(whole)
