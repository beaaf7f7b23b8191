"""Plans, rollbacks, rebuilds and aborts in a serving environment, behind an ALB, under traffic.

All tests share one environment, and each brings the release that it needs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.e2e.site import LONGEST, Site, state_with

if TYPE_CHECKING:
    from tests.e2e.testbed import CloudTestbed

pytestmark = [pytest.mark.long, pytest.mark.timeout(2 * LONGEST)]


@pytest.fixture(scope="module")
def sites(testbed: CloudTestbed) -> tuple[Site, Site]:
    """Two environments, created before any test: creating one deletes other tests' images."""
    how = {"keep_previous": "none"}
    return testbed.site("planned", "application", **how), testbed.site(
        "nightly", "application", **how
    )


@pytest.fixture(scope="module")
def empty(sites: tuple[Site, Site]) -> Site:
    return sites[0]


@pytest.fixture(scope="module")
def site(sites: tuple[Site, Site]) -> Site:
    return sites[1]


@pytest.fixture
def serving(site: Site) -> Site:
    """The site with some release in service."""
    if not site.serving:
        site.ensure_serving(site.testbed.old)
    return site


@pytest.fixture
def old(site: Site) -> Site:
    """The site with the old image in service, and both images good."""
    site.ensure_serving(site.testbed.old)
    mark_good(site)
    return site


@pytest.fixture
def new(site: Site) -> Site:
    """The site with the new image in service after the old one, and both images good."""
    if not site.serving or site.image_of(site.serving) != site.testbed.new:
        site.ensure_serving(site.testbed.old)
        site.ensure_serving(site.testbed.new)
    mark_good(site)
    return site


@pytest.fixture
def rolled_back(site: Site, request: pytest.FixtureRequest) -> Site:
    """The site after a rollback from the new image to the old one."""
    past = site.content.get("past", [])
    serves_old = bool(site.serving) and site.image_of(site.serving) == site.testbed.old
    if not (serves_old and past and past[0]["quarantined"]):
        result = request.getfixturevalue("new").run("rollback", "--yes", "--wait")
        assert result.code == 0, result.err
    return site


@pytest.fixture
def rebuildable(site: Site) -> Site:
    """The site with a release in service that a rebuild of version 2.0.0 may replace."""
    if not site.serving or site.image_of(site.serving) == site.testbed.old:
        site.ensure_serving(site.testbed.new)
    return site


def mark_good(site: Site) -> None:
    for image in (site.testbed.old, site.testbed.new):
        site.testbed.mark_image(image, "good")


def test_a_plan_shows_phases_and_resources_and_creates_nothing(empty: Site) -> None:
    result = empty.run("promote", "--plan", "--image", empty.testbed.old)
    assert result.code == 0, result.err
    assert [each["name"] for each in result.document["phases"]] == [
        "launch",
        "verify",
        "attach",
        "soak",
        "retire",
    ]
    assert result.document["terraform"]["summary"] == "Plan: 2 to add, 0 to change, 0 to destroy."
    assert empty.state() == state_with(serving="")


def test_nothing_stays_of_the_previous_release_if_nothing_is_kept(old: Site) -> None:
    green = old.next_release
    with old.under_load():
        result = old.promote("--image", old.testbed.new, "--allow-quarantined")
    assert result.code == 0, result.err
    assert old.state() == state_with(green, serving=green)


def test_a_rollback_takes_back_the_group_that_a_promotion_left(old: Site) -> None:
    blue, green = old.serving, old.next_release
    with old.under_load():
        words = ("--image", old.testbed.new, "--allow-quarantined", "--no-wait-retire")
        result = old.promote(*words)
        assert (result.code, result.document["removal_pending"]) == (0, [blue]), result.err
        result = old.run("rollback", "--yes")
    assert result.code == 0, result.err
    assert [each["name"] for each in result.document["phases"]] == ["reattach", "detach"]
    assert (old.serving, result.document["removal_pending"]) == (blue, [green])
    assert old.run("recover").code == 0
    assert old.state() == state_with(blue, serving=blue)


def test_a_rollback_without_a_warm_group_is_a_new_release_of_the_previous_image(new: Site) -> None:
    green = new.next_release
    with new.under_load():
        result = new.run("rollback", "--yes", "--wait")
    assert result.code == 0, result.err
    document = result.document
    assert (document["kind"], document["outcome"]) == ("rollback", "promoted")
    assert (document["release"], document["ami_id"]) == (green, new.testbed.old)
    assert "launch" in [each["name"] for each in document["phases"]]
    assert new.state() == state_with(green, serving=green)


def test_a_nightly_rebuild_does_not_undo_a_rollback(rolled_back: Site) -> None:
    before = rolled_back.path.read_bytes()
    result = rolled_back.run("rebuild", "--version", "2.0.0")
    assert result.code == 3, result.err
    assert f"rolled back to {rolled_back.serving} on" in result.document["error"]["what"]
    assert rolled_back.path.read_bytes() == before


def test_a_quarantined_image_is_refused_without_the_option(rolled_back: Site) -> None:
    site, green = rolled_back, rolled_back.next_release
    result = site.promote("--image", site.testbed.new)
    assert result.code == 3, result.err
    assert "--allow-quarantined" in result.document["error"]["next"]
    with site.under_load():
        result = site.promote("--image", site.testbed.new, "--allow-quarantined")
    assert result.code == 0, result.err
    assert site.state() == state_with(green, serving=green)


def test_a_rebuild_bakes_and_promotes_after_an_input_changed(rebuildable: Site) -> None:
    site, green = rebuildable, rebuildable.next_release
    site.project.edit("packer/provision/clean.sh", "#!/bin/sh", "#!/bin/sh\n# one more line")
    with site.under_load():
        result = site.run("rebuild", "--version", "2.0.0")
    assert result.code == 0, result.err
    assert (result.document["kind"], result.document["outcome"]) == ("rebuild", "promoted")
    assert result.document["ami_id"] not in {site.testbed.old, site.testbed.new}
    assert site.state() == state_with(green, serving=green)


def test_a_rebuild_without_changes_costs_a_handful_of_calls(rebuildable: Site) -> None:
    site = rebuildable
    first = site.run("rebuild", "--version", "2.0.0")
    assert first.code == 0, first.err
    before = site.path.read_bytes()
    site.testbed.cloud.client.forget_calls()
    result = site.run("rebuild", "--version", "2.0.0")
    calls = [each for each in site.testbed.cloud.client.calls() if not each.get("instance")]
    assert result.code == 0, result.err
    assert result.document["outcome"] == "unchanged"
    # One of them reads the targets, which prove that the release serves.
    assert sum(each["calls"] for each in calls) <= 6, calls
    assert site.path.read_bytes() == before


def test_a_failed_group_is_kept_for_debugging_until_it_is_aborted(serving: Site) -> None:
    blue, green, before = serving.serving, serving.next_release, serving.declared_state()
    mark_good(serving)
    serving.testbed.cloud.client.set_behavior("never-healthy", group=serving.group(green))
    with serving.under_load():
        words = ("--image", serving.other_image, "--keep-failed", "--allow-quarantined")
        result = serving.promote(*words)
        assert result.code == 4, result.err
        assert serving.state() == state_with(blue, green, serving=blue)
        shown = {each["release"]: each["failed"] for each in serving.status()["releases"]}
        assert shown == {blue: False, green: True}

        result = serving.run("abort")
    assert result.code == 0, result.err
    assert serving.state() == before


def test_an_abort_of_nothing_is_refused(serving: Site) -> None:
    for verb in ("abort", "recover"):
        result = serving.run(verb)
        assert result.code == 3, result.err
        assert "no deployment is in flight" in result.document["error"]["what"]


def test_a_destroy_leaves_no_group_and_the_next_release_has_the_next_number(site: Site) -> None:
    site.configure(keep_previous="next")
    site.ensure_serving(site.testbed.old)
    site.ensure_serving(site.testbed.new)
    before, last = site.state(), site.serving
    assert len(before.groups) == 2
    confirmed = ("destroy", "--confirm", site.environment)

    result = site.run(*confirmed)
    assert result.code == 3, result.err
    assert f"{site.group(last)} receives traffic from" in result.document["error"]["what"]
    assert site.state() == before

    result = site.run(*confirmed, "--with-traffic")
    assert result.code == 0, result.err
    assert result.document["outcome"] == "promoted"
    assert site.state() == state_with(serving="")
    assert [balancer.registered(site.testbed.cloud) for balancer in site.balancers] == [set()]
    result = site.run(*confirmed)
    assert result.code == 3, result.err
    assert "nothing to delete" in result.document["error"]["what"]

    site.ensure_serving(site.testbed.old)
    assert site.serving == f"r{int(last[1:]) + 1:06}"
    site.configure(keep_previous="none")


UPGRADE = """\
status="$ROOT/var/lib/dpkg/status"
sed -i '/^Package: dash$/,/^$/ s/^Version: .*/Version: 99-1/' "$status"
printf '\\nPackage: web-runtime\\nStatus: install ok installed\\n' >>"$status"
printf 'Architecture: all\\nVersion: 6.1-0.1\\n' >>"$status"
"""
"""What an upgrade and an installation leave in the database of dpkg; apt needs a network."""


@pytest.mark.long
def test_a_rebuild_names_the_changed_packages_and_promotes_nothing_without_one(
    rebuildable: Site,
) -> None:
    """The image of the test bed has no list in this store, so that the first one is promoted."""
    site, rebuild = rebuildable, ("rebuild", "--version", "2.0.0", "--only-if", "packages")
    site.project.edit("packer/provision/clean.sh", "set -eu", "set -eu\n# another line")
    first = site.run(*rebuild)
    assert (first.code, first.document["outcome"]) == (0, "promoted"), first.err
    assert "unknown packages" in first.err

    site.project.edit("packer/provision/clean.sh", "set -eu", "set -eu\n# one line more")
    same = site.run(*rebuild)
    assert (same.code, same.document["outcome"]) == (0, "unchanged"), same.err
    assert same.document["why"].startswith("no package of ami-")
    assert same.document["release"] == first.document["release"] == site.serving

    site.project.edit("packer/provision/install.sh", 'echo "installed', f'{UPGRADE}echo "installed')
    changed = site.run(*rebuild)
    assert (changed.code, changed.document["outcome"]) == (0, "promoted"), changed.err
    assert "brings 2 packages" in changed.err
    packages = changed.document["changes"]["packages"]
    assert [(each["name"], each["after"]) for each in packages["upgraded"]] == [("dash", "99-1")]
    assert [each["name"] for each in packages["added"]] == ["web-runtime"]
    assert packages["unknown"] is None

    image = site.project.run("images", changed.document["ami_id"])
    assert f"group            {site.group(site.serving)}" in image.out, image.out + image.err
