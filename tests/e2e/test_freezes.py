"""Freezes and policies with the real command line and real Terraform.

A freeze and a policy refuse before anything is changed; a rollback goes on through a freeze.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from tests.adapters.notify.receivers import SLACK_PATH, Receiver, receiving, slack
from tests.e2e.site import LONGEST, Site

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.e2e.testbed import CloudTestbed

pytestmark = [pytest.mark.long, pytest.mark.timeout(3 * LONGEST)]

REFUSED = 3
SLACK = '\n[[notify]]\nkind = "slack"\nurl_env = "SLACK"\n'
POLICY = """\
import json, pathlib, sys

plan = json.load(sys.stdin)
print("asked about", plan["release"], plan["ami_id"], [each["name"] for each in plan["phases"]])
if plan["ami_id"] not in pathlib.Path(sys.argv[1]).read_text():
    print(plan["ami_id"], "is not approved")
    sys.exit(1)
"""


@pytest.fixture
def channel(site: Site) -> Iterator[Receiver]:
    with receiving(slack) as server:
        site.project.extra["SLACK"] = server.url + SLACK_PATH
        yield server
    del site.project.extra["SLACK"]


@pytest.fixture
def site(testbed: CloudTestbed, request: pytest.FixtureRequest) -> Site:
    made = testbed.site(request.param, "application")
    made.configure(soak="5s", observe="5s")
    first = made.promote("--image", testbed.old)
    assert first.code == 0, first.err
    return made


def add(site: Site, text: str) -> None:
    site.project.write((site.project.folder / "pipeline.toml").read_text() + text)


def texts(channel: Receiver) -> list[str]:
    return [each.json()["text"] for each in channel.asked]


@pytest.mark.parametrize("site", ["frozen"], indirect=True)
def test_a_freeze_refuses_promotions_and_lets_rollbacks_pass_and_its_override_is_told(
    site: Site, channel: Receiver
) -> None:
    add(site, SLACK)
    before = site.state()
    frozen = site.run("freeze", "--until", "4h", "--why", "incident 4711")
    assert frozen.code == 0, frozen.err
    with site.under_load():
        for verb in ("promote --yes", "rebuild"):
            refused = site.run(verb)
            assert refused.code == REFUSED, refused.err
            assert ": incident 4711" in refused.document["error"]["what"]
            override = f"ami-pipeline {verb.split()[0]} -e frozen"
            assert f"{override} --override-freeze --why 'the reason'" in refused.err
        assert site.state() == before
        assert texts(channel) == []

        why = "the fix of incident 4711"
        done = site.promote("--image", site.testbed.new, "--override-freeze", "--why", why)
        assert done.code == 0, done.err
        assert (site.serving, done.document["why"]) == ("r000002", why)
        assert ": incident 4711" in done.document["override"]
        told = texts(channel)
        assert len(told) == 2, told
        assert all(why in each and "incident 4711" in each for each in told), told

        back = site.run("rollback", "--yes", "--why", "slower than before")
    assert back.code == 0, back.err
    assert site.serving == "r000001"
    newest, overridden, _ = site.run("history").document["deployments"]
    assert (newest["why"], newest["override"]) == ("slower than before", None)
    assert (overridden["why"], overridden["override"]) == (why, done.document["override"])
    assert site.run("unfreeze").code == 0
    assert not site.status()["freeze"]["frozen"]


@pytest.mark.parametrize("site", ["decided"], indirect=True)
def test_a_policy_that_refuses_changes_nothing_and_one_that_allows_is_not_in_the_way(
    site: Site, tmp_path: Path
) -> None:
    program, approved = tmp_path / "approved.py", tmp_path / "approved.txt"
    program.write_text(POLICY)
    approved.write_text(site.testbed.old)
    command = [sys.executable, str(program), str(approved)]
    add(site, f"\n[[policy]]\ncommand = {command}\nrollback = true\n")
    before, new = site.state(), site.testbed.new
    with site.under_load():
        for arguments in (["--plan"], ["--yes"]):
            refused = site.run("promote", "--image", new, *arguments)
            assert refused.code == REFUSED, refused.err
            what = refused.document["error"]["what"]
            assert what.startswith("does not allow it: exit code 1\n")
            assert f"{new} is not approved" in what
            assert f"promote -e decided --image {new}" in refused.document["error"]["next"]
        assert site.state() == before

        approved.write_text(f"{site.testbed.old} {new}")
        done = site.promote("--image", new)
        assert done.code == 0, done.err
        assert site.serving == "r000002"

        approved.write_text(new)
        back = site.run("rollback", "--yes")
    assert back.code == REFUSED, back.err
    assert "is not approved" in back.document["error"]["what"]
    assert site.serving == "r000002"
    (log,) = (site.project.folder / ".ami-pipeline").rglob("policies-*.log")
    assert log.read_text().count("asked about ") == 4
