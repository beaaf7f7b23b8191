"""Releases put into service and taken back, with real Packer and Terraform, under traffic.

One story behind the stack's classic load balancer: its parts follow each other. `make test` runs a
first release, a promotion beside a second one, a rollback to the warm group; `make e2e` also green
that never gets healthy, an interrupt and a kill -9 of Terraform while it makes the group.
"""

from __future__ import annotations

import resource
import signal
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from pipeline.adapters.store.envelope import seal, unseal
from pipeline.core.state.environment import Environment
from tests.e2e.deploying import LONGEST, Testbed, Site, state_with, wait_for_exit
from tests.e2e.matrix import RunningDeployment

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.e2e.conftest import CommandResult

pytestmark = pytest.mark.timeout(LONGEST + 20)
HOOK = """\
import os, time, urllib.request

def served(address):
    for _ in range(100):
        try:
            return urllib.request.urlopen(f"http://{address}:8080/", timeout=5).status
        except OSError:
            time.sleep(0.2)  # the instance runs; what it serves is still starting

for address in os.environ["AMI_PIPELINE_ADDRESSES"].split():
    print(address, served(address))
"""
SMOKE = {"command": ["python3", "smoke.py"], "timeout": "1m"}
REFUSED, HELD = 3, 6
MAKING = "terraform: creating aws_autoscaling_group"


@pytest.fixture(scope="module")
def site(testbed: Testbed) -> Site:
    made = testbed.site("staging", "stack", verify=[SMOKE])
    (made.project.folder / "smoke.py").write_text(HOOK)
    return made


def test_a_first_release_serves_where_nothing_did(site: Site) -> None:
    result = site.promote("--image", site.testbed.old)
    assert result.code == 0, result.err
    assert result.document["outcome"] == "promoted"
    assert site.state() == state_with("r000001", serving="r000001")


def test_a_promotion_moves_the_traffic_and_of_two_at_once_one_waits_for_nothing(
    site: Site,
) -> None:
    with site.under_load():
        running = site.begin("promote", "launch: at most", "--yes")
        others = [measured(lambda: site.promote("--image", site.testbed.old)) for _ in range(2)]
        result = wait_for_exit(running)
    assert result.code == 0, result.err
    assert site.state() == state_with("r000001", "r000002", serving="r000002")
    for other, _ in others:
        assert other.code == HELD, other.err
        assert f"(pid {running.pid})" in other.document["error"]["what"]
        assert "ami-pipeline promote -e staging" in other.document["error"]["what"]
    assert min(seconds for _, seconds in others) <= 2.0


def measured(action: Callable[[], CommandResult]) -> tuple[CommandResult, float]:
    """Return what an action took of the processor: a busy machine makes everything else longer."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    result = action()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return result, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def test_a_group_that_never_gets_healthy_is_taken_back(site: Site) -> None:
    site.testbed.cloud.client.order("never-healthy", group=site.group("r000003"))
    site.configure(verify=[SMOKE], deadlines={"attach": "3m"})  # three seconds here
    with site.under_load():
        result = site.promote("--image", site.testbed.old)
    site.configure(verify=[SMOKE])
    assert result.code == 4, result.err
    document = result.document
    assert (document["outcome"], document["phase"]) == ("rolled back", "attach")
    assert "gave up after 180 s" in document["reason"]
    assert site.state() == state_with("r000001", "r000002", serving="r000002")
    evidence = (site.project.folder / ".ami-pipeline" / document["evidence"]).read_text()
    assert site.group("r000003") in evidence


@pytest.mark.long
def test_an_interrupt_while_terraform_makes_the_group_puts_everything_back(site: Site) -> None:
    with site.under_load():
        running = site.begin("promote", MAKING, "--yes", "--image", site.testbed.old)
        running.send_signal(signal.SIGINT)
        result = wait_for_exit(running)
    assert result.code == 130, result.err
    assert (result.document["outcome"], result.document["phase"]) == ("rolled back", "launch")
    assert site.state() == state_with("r000001", "r000002", serving="r000002")


def test_a_terraform_that_is_killed_while_it_makes_the_group_is_put_back(site: Site) -> None:
    with site.under_load():
        running = site.begin("promote", MAKING, "--yes", "--image", site.testbed.old)
        RunningDeployment(process=running).kill_terraform()
        result = wait_for_exit(running)
    assert result.code == 4, result.err
    assert (result.document["outcome"], result.document["phase"]) == ("rolled back", "launch")
    assert site.state() == state_with("r000001", "r000002", serving="r000002")


def test_a_rollback_to_the_warm_group_takes_seconds_and_marks_the_image(site: Site) -> None:
    with site.under_load():
        result = site.run("rollback", "--yes")
    assert result.code == 0, result.err
    assert [each["name"] for each in result.document["phases"]] == ["reattach", "detach", "delete"]
    assert site.state() == state_with("r000001", serving="r000001")
    images = site.project.run("--output", "json", "images").document["images"]
    assert {each["ami_id"]: each["verdict"] for each in images} == {
        site.testbed.new: "quarantined",
        site.testbed.old: "good",
    }


def test_what_serves_already_is_left_alone(site: Site) -> None:
    before = site.path.read_bytes()
    result = site.promote()
    assert result.code == 0, result.err
    assert result.document["outcome"] == "unchanged"
    assert site.path.read_bytes() == before


def truncated(document: bytes) -> bytes:
    return document[: len(document) // 2]


def of_another_account(document: bytes) -> bytes:
    found = unseal(Environment, document)
    return seal(replace(found, account="210987654321"))


def newer(document: bytes) -> bytes:
    return document.replace(b'"schema": 1', b'"schema": 2')


@pytest.mark.long
@pytest.mark.parametrize(
    ("damage", "other", "what", "now"),
    [
        (truncated, ["recover"], "is damaged", "ami-pipeline state restore -e "),
        (
            of_another_account,
            ["rollback", "--yes", "--to", "ami-0123456789abcdef0"],
            "account 210987654321",
            "take the credentials of account",
        ),
        (newer, ["abort"], "its schema is version 2", "upgrade"),
    ],
)
def test_a_document_that_cannot_be_relied_on_is_refused_and_kept(
    site: Site, damage: Callable[[bytes], bytes], other: list[str], what: str, remedy: str
) -> None:
    whole = site.path.read_bytes()
    damaged = damage(whole)
    site.path.write_bytes(damaged)
    try:
        for verb, *words in (["promote", "--yes"], other):
            result = site.run(verb, *words)
            assert result.code == REFUSED, result.err
            assert what in result.document["error"]["what"]
            assert remedy in result.document["error"]["next"]
            assert site.path.read_bytes() == damaged
    finally:
        site.path.write_bytes(whole)
