"""The probe with real Terraform: a release that fails where no health check reads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e.images import installed_images
from tests.e2e.site import LONGEST, Site

if TYPE_CHECKING:
    from tests.e2e.testbed import CloudTestbed

pytestmark = [pytest.mark.long, pytest.mark.timeout(3 * LONGEST)]
BREAK = r"""
sed -i -e 's|parts.path == "/slow"|False|' -e 's/self._answer(404/self._answer(500/' \
    "${ROOT:-}/opt/web/server.py"
"""
"""The application then answers 500 to /slow, and is healthy."""
ROLLED_BACK = 4


@pytest.fixture(scope="module")
def site(testbed: CloudTestbed) -> Site:
    made = testbed.site("probed", "application")
    url = f"{made.balancers[0].url}/slow?seconds=0"
    made.configure(soak="1m", observe="1m", probe={"url": url, "rate": 50})
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
    with site.under_load(100):
        good = site.promote("--image", site.testbed.new)
    assert good.code == 0, good.err
    totals = good.document["probe"]
    assert totals["requests"] >= 100
    assert (totals["failed"], totals["not_sent"], totals["file"]) == (0, 0, None)

    (broken,) = installed_images(site.testbed.cloud, ["3.0.0"], BREAK)
    with site.under_load(100):
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
