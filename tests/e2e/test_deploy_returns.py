"""What a person and a nightly job do to an environment that serves, behind an ALB, under traffic.

One story: its parts follow each other.
"""

from __future__ import annotations

import pytest

from tests.e2e.deploying import LONGEST, Ground, Site, alone

pytestmark = [pytest.mark.long, pytest.mark.timeout(2 * LONGEST)]


@pytest.fixture(scope="module")
def site(ground: Ground) -> Site:
    return ground.site("nightly", "application", keep_previous="none")


def test_a_plan_shows_phases_and_resources_and_makes_nothing(site: Site) -> None:
    ran = site.run("promote", "--plan", "--image", site.ground.old)
    assert ran.code == 0, ran.err
    assert [each["name"] for each in ran.document["phases"]] == [
        "launch",
        "verify",
        "attach",
        "soak",
        "retire",
    ]
    assert ran.document["terraform"]["summary"] == "Plan: 2 to add, 0 to change, 0 to destroy."
    assert site.world() == alone(serving="")


def test_nothing_stays_of_what_served_where_nothing_is_to_be_kept(site: Site) -> None:
    first = site.promote("--image", site.ground.old)
    assert first.code == 0, first.err
    with site.under_load():
        ran = site.promote("--image", site.ground.new)
    assert ran.code == 0, ran.err
    assert site.world() == alone("r000002", serving="r000002")


def test_a_rollback_without_a_warm_group_is_a_new_release_of_the_image_before(site: Site) -> None:
    with site.under_load():
        ran = site.run("rollback", "--yes")
    assert ran.code == 0, ran.err
    told = ran.document
    assert (told["kind"], told["outcome"]) == ("rollback", "promoted")
    assert (told["release"], told["ami_id"]) == ("r000003", site.ground.old)
    assert "launch" in [each["name"] for each in told["phases"]]
    assert site.world() == alone("r000003", serving="r000003")


def test_a_nightly_rebuild_does_not_undo_a_rollback(site: Site) -> None:
    before = site.path.read_bytes()
    ran = site.run("rebuild", "--version", "2.0.0")
    assert ran.code == 3, ran.err
    assert "rolled back to r000003 on" in ran.document["error"]["what"]
    assert site.path.read_bytes() == before


def test_a_quarantined_image_is_refused_unless_one_insists(site: Site) -> None:
    ran = site.promote("--image", site.ground.new)
    assert ran.code == 3, ran.err
    assert "--allow-quarantined" in ran.document["error"]["next"]
    with site.under_load():
        ran = site.promote("--image", site.ground.new, "--allow-quarantined")
    assert ran.code == 0, ran.err
    assert site.world() == alone("r000004", serving="r000004")


def test_a_rebuild_bakes_and_promotes_where_an_input_changed(site: Site) -> None:
    site.project.edit("packer/provision/clean.sh", "#!/bin/sh", "#!/bin/sh\n# one more line")
    with site.under_load():
        ran = site.run("rebuild", "--version", "2.0.0")
    assert ran.code == 0, ran.err
    assert (ran.document["kind"], ran.document["outcome"]) == ("rebuild", "promoted")
    assert ran.document["ami_id"] not in {site.ground.old, site.ground.new}
    assert site.world() == alone("r000005", serving="r000005")


def test_a_rebuild_of_nothing_new_costs_a_handful_of_calls(site: Site) -> None:
    before = site.path.read_bytes()
    site.ground.cloud.client.forget_calls()
    ran = site.run("rebuild", "--version", "2.0.0")
    calls = [each for each in site.ground.cloud.client.calls() if not each.get("instance")]
    assert ran.code == 0, ran.err
    assert ran.document["outcome"] == "unchanged"
    assert sum(each["calls"] for each in calls) <= 5, calls
    assert site.path.read_bytes() == before


def test_a_failed_group_is_kept_for_a_look_until_it_is_aborted(site: Site) -> None:
    site.ground.cloud.client.set_behavior("never-healthy", group=site.group("r000006"))
    with site.under_load():
        ran = site.promote("--image", site.ground.old, "--keep-failed")
        assert ran.code == 4, ran.err
        assert site.world() == alone("r000005", "r000006", serving="r000005")
        shown = {each["release"]: each["failed"] for each in site.status()["releases"]}
        assert shown == {"r000005": False, "r000006": True}

        ran = site.run("abort")
    assert ran.code == 0, ran.err
    assert site.world() == alone("r000005", serving="r000005")


def test_an_abort_of_nothing_is_refused(site: Site) -> None:
    for verb in ("abort", "recover"):
        ran = site.run(verb)
        assert ran.code == 3, ran.err
        assert "nothing is in flight" in ran.document["error"]["what"]
