"""What a person and a nightly job do to an environment that serves, behind an ALB, under traffic.

One story: its parts follow each other.
"""

from __future__ import annotations

import pytest

from tests.e2e.deploying import LONGEST, Testbed, Site, state_with

pytestmark = [pytest.mark.long, pytest.mark.timeout(2 * LONGEST)]


@pytest.fixture(scope="module")
def site(testbed: Testbed) -> Site:
    return testbed.site("nightly", "application", keep_previous="none")


def test_a_plan_shows_phases_and_resources_and_makes_nothing(site: Site) -> None:
    result = site.run("promote", "--plan", "--image", site.testbed.old)
    assert result.code == 0, result.err
    assert [each["name"] for each in result.document["phases"]] == [
        "launch",
        "verify",
        "attach",
        "soak",
        "retire",
    ]
    assert result.document["terraform"]["summary"] == "Plan: 2 to add, 0 to change, 0 to destroy."
    assert site.state() == state_with(serving="")


def test_nothing_stays_of_what_served_where_nothing_is_to_be_kept(site: Site) -> None:
    first = site.promote("--image", site.testbed.old)
    assert first.code == 0, first.err
    with site.under_load():
        result = site.promote("--image", site.testbed.new)
    assert result.code == 0, result.err
    assert site.state() == state_with("r000002", serving="r000002")


def test_a_rollback_without_a_warm_group_is_a_new_release_of_the_image_before(site: Site) -> None:
    with site.under_load():
        result = site.run("rollback", "--yes")
    assert result.code == 0, result.err
    document = result.document
    assert (document["kind"], document["outcome"]) == ("rollback", "promoted")
    assert (document["release"], document["ami_id"]) == ("r000003", site.testbed.old)
    assert "launch" in [each["name"] for each in document["phases"]]
    assert site.state() == state_with("r000003", serving="r000003")


def test_a_nightly_rebuild_does_not_undo_a_rollback(site: Site) -> None:
    before = site.path.read_bytes()
    result = site.run("rebuild", "--version", "2.0.0")
    assert result.code == 3, result.err
    assert "r000003 was rolled back to by" in result.document["error"]["what"]
    assert site.path.read_bytes() == before


def test_a_quarantined_image_is_refused_unless_one_insists(site: Site) -> None:
    result = site.promote("--image", site.testbed.new)
    assert result.code == 3, result.err
    assert "--allow-quarantined" in result.document["error"]["next"]
    with site.under_load():
        result = site.promote("--image", site.testbed.new, "--allow-quarantined")
    assert result.code == 0, result.err
    assert site.state() == state_with("r000004", serving="r000004")


def test_a_rebuild_bakes_and_promotes_where_an_input_changed(site: Site) -> None:
    site.project.edit("packer/provision/clean.sh", "#!/bin/sh", "#!/bin/sh\n# one more line")
    with site.under_load():
        result = site.run("rebuild", "--version", "2.0.0")
    assert result.code == 0, result.err
    assert (result.document["kind"], result.document["outcome"]) == ("rebuild", "promoted")
    assert result.document["ami_id"] not in {site.testbed.old, site.testbed.new}
    assert site.state() == state_with("r000005", serving="r000005")


def test_a_rebuild_of_nothing_new_costs_a_handful_of_calls(site: Site) -> None:
    before = site.path.read_bytes()
    site.testbed.cloud.client.forget_calls()
    result = site.run("rebuild", "--version", "2.0.0")
    calls = [each for each in site.testbed.cloud.client.calls() if not each.get("instance")]
    assert result.code == 0, result.err
    assert result.document["outcome"] == "unchanged"
    assert sum(each["calls"] for each in calls) <= 5, calls
    assert site.path.read_bytes() == before


def test_a_failed_group_is_kept_for_a_look_until_it_is_aborted(site: Site) -> None:
    site.testbed.cloud.client.order("never-healthy", group=site.group("r000006"))
    with site.under_load():
        result = site.promote("--image", site.testbed.old, "--keep-failed")
        assert result.code == 4, result.err
        assert site.state() == state_with("r000005", "r000006", serving="r000005")
        shown = {each["release"]: each["failed"] for each in site.status()["releases"]}
        assert shown == {"r000005": False, "r000006": True}

        result = site.run("abort")
    assert result.code == 0, result.err
    assert site.state() == state_with("r000005", serving="r000005")


def test_an_abort_of_nothing_is_refused(site: Site) -> None:
    for verb in ("abort", "recover"):
        result = site.run(verb)
        assert result.code == 3, result.err
        assert "nothing is in flight" in result.document["error"]["what"]
