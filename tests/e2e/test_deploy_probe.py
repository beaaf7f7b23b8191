"""The probe with real Terraform: a release that fails where no health check reads."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e.images import installed_images
from tests.e2e.matrix import RunningDeployment, kill
from tests.e2e.site import LONGEST, Site, wait_for_exit
from tests.ui.reports.markup import Page, dangers

if TYPE_CHECKING:
    from tests.e2e.testbed import CloudTestbed

pytestmark = [pytest.mark.long, pytest.mark.timeout(3 * LONGEST)]
BREAK = r"""
sed -i -e 's|parts.path == "/slow"|False|' -e 's/self._answer(404/self._answer(500/' \
    "${ROOT:-}/opt/web/server.py"
"""
"""The application then answers 500 to /slow, and is healthy."""
ROLLED_BACK = 4
PROBE = {"rate": 50, "timeout": "30s"}
PROBE_URL = "{}/slow?seconds=0"
MEMBERS = "http://{address}:8080/slow?seconds=0"


@pytest.fixture(scope="module")
def site(testbed: CloudTestbed) -> Site:
    made = testbed.site("probed", "application")
    url = PROBE_URL.format(made.balancers[0].url)
    made.configure(soak="1m", observe="1m", probe={**PROBE, "url": url})
    return made


def history(site: Site) -> list[dict[str, Any]]:
    result = site.run("history")
    assert result.code == 0, result.err
    deployments: list[dict[str, Any]] = result.document["deployments"]
    return deployments


def test_a_good_release_shows_its_totals_and_a_bad_one_is_rolled_back_by_the_probe(
    site: Site,
) -> None:
    first = site.promote("--image", site.testbed.old)
    assert first.code == 0, first.err

    plan = site.run("promote", "--plan", "--image", site.testbed.new)
    assert plan.document["probe"].endswith("/slow?seconds=0")
    with site.under_load(50):
        good = site.promote("--image", site.testbed.new)
    assert good.code == 0, good.err
    totals = good.document["probe"]
    assert totals["requests"] >= 100
    assert (totals["failed"], totals["not_sent"], totals["file"]) == (0, 0, None)

    (broken,) = installed_images(site.testbed.cloud, ["3.0.0"], BREAK)
    with site.under_load(50):
        bad = site.promote("--image", broken)
    assert bad.code == ROLLED_BACK, bad.err
    assert bad.document["phase"] in {"attach", "soak"}
    assert "HTTP 500, expected 200-299" in bad.document["reason"]
    totals = bad.document["probe"]
    kept = (site.project.folder / totals["file"]).read_text()
    assert totals["failed"] > 0
    assert f"{totals['requests']:,} requests, {totals['failed']:,} failed" in kept
    assert '  | {"error": "not found"}' in kept
    assert "the probe's first failed request" in bad.err
    assert site.image_of(site.serving) == site.testbed.new
    assert [each["probe"] for each in history(site)[:2]] == [totals, good.document["probe"]]
    require_report(site, good, versions={"1.0.0", "2.0.0"})
    require_report(site, bad, versions={"2.0.0"})  # a 500 of 3.0.0 does not name its version


def require_report(site: Site, done: Any, versions: set[str]) -> None:
    """Check the timeline that a deployment recorded, and the file that it wrote at its end."""
    document = site.run("report", done.document["id"]).document
    timeline, totals = document["timeline"], done.document["probe"]
    assert [each["name"] for each in timeline["phases"]] == [
        each["name"] for each in done.document["phases"]
    ]
    answers = timeline["points"][-1]["answers"]
    assert {each["version"] for each in answers if each["status"] == "200"} == versions
    bad = sum(each["count"] for each in answers if each["status"] == "500")
    assert 0 <= totals["failed"] - bad <= totals["failed"] / 2
    seen = {state for each in timeline["points"] for group in each["members"].values()
            for state in group}  # fmt: skip
    assert seen >= {"desired", "healthy", "draining"}
    (line,) = [each for each in done.err.splitlines() if each.startswith("report: ")]
    page = Page(Path(line.removeprefix("report: ")).read_text())
    assert dangers(page) == []
    assert done.document["id"] in page.text


def test_no_member_gets_traffic_if_one_of_them_fails_before(site: Site) -> None:
    site.ensure_serving(site.testbed.new)
    members = {**PROBE, "url": PROBE_URL.format(site.balancers[0].url), "member_url": MEMBERS}
    site.configure(
        soak="1m", observe="1m", deadlines={"verify": "30m"}, probe=members
    )  # half a minute here
    with site.under_load(50):
        good = site.promote("--image", site.testbed.old)
    assert good.code == 0, good.err

    (broken,) = installed_images(site.testbed.cloud, ["3.1.0"], BREAK)
    with site.under_load(50):
        bad = site.promote("--image", broken)
    assert (bad.code, bad.document["phase"]) == (ROLLED_BACK, "verify"), bad.err
    assert "HTTP 500, expected 200-299" in bad.document["reason"]
    assert "s  attach: started" not in bad.err


def test_a_run_that_is_stopped_or_killed_ends_at_once_and_the_totals_add_up(site: Site) -> None:
    site.ensure_serving(site.testbed.new)
    running = site.begin("promote", "soak: started", "--yes", "--image", site.testbed.old)
    running.send_signal(signal.SIGINT)
    stopped = wait_for_exit(running)
    assert (stopped.code, stopped.document["outcome"]) == (130, "rolled back"), stopped.err
    assert stopped.document["probe"]["failed"] == 0
    assert stopped.document["probe"]["requests"] > 0

    running = site.begin("promote", "observe: started", "--yes", "--image", site.testbed.old)
    kill(RunningDeployment(process=running))
    wait_for_exit(running)
    before = site.content["deployment"]["probe"]
    assert before["requests"] > 0
    recovered = site.run("recover")
    assert recovered.code == 0, recovered.err
    totals = recovered.document["probe"]
    assert totals["requests"] > before["requests"]
    assert (totals["failed"], recovered.document["outcome"]) == (0, "promoted")
