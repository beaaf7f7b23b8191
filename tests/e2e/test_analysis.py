"""The analysis with real traffic: canaries of versions that differ."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e.images import installed_images
from tests.e2e.site import LONGEST, Site
from tests.e2e.testbed import CloudTestbed, build_fast_testbed
from tools.load import load

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.long, pytest.mark.timeout(4 * LONGEST)]
RATE = 100.0
"""In a step of 25 minutes, 75 s here, each version gets 3,750 requests."""
SPEED = 20
STEPS = [{"weight": 50, "for": "25m"}]
ANALYSIS = {"enabled": True, "compare": ["5xx", "p50"], "min_minutes": 10}
ROLLED_BACK = 4


def answers(*, seconds: float = 0.03, failing: float = 0.0) -> str:
    """Return commands that let the application take this long, and fail a share of requests."""
    code = f'500 if __import__("random").random() < {failing} else 200'
    slow = f"(time.sleep({seconds}), describe())[1]"
    return (
        f"sed -i '0,/self._answer(200, describe())/s//self._answer({code}, {slow})/' "
        '"${ROOT:-}/opt/web/server.py"\n'
    )


def be_patient(testbed: CloudTestbed, site: Site) -> None:
    """Let health checks tolerate a busy machine: a member that they replace is no subject here."""
    pair = site.balancers[0].pair
    assert pair
    for group in pair.groups:
        testbed.cloud.aws("elbv2").modify_target_group(
            TargetGroupArn=group,
            HealthCheckIntervalSeconds=120,
            HealthCheckTimeoutSeconds=110,
            UnhealthyThresholdCount=10,
        )


def judged(document: Any) -> dict[str, str]:
    """Return the result of each analyzed phase."""
    return {each["phase"]: each["result"] for each in document["analysis"]}


def test_a_canary_that_fails_1_percent_is_rolled_back_and_a_good_one_is_promoted(
    tmp_path: Path,
) -> None:
    with build_fast_testbed(tmp_path, speed=SPEED) as testbed:
        try_canaries(testbed)


def try_canaries(testbed: CloudTestbed) -> None:
    site: Site = testbed.site("analyzed", "pair")
    site.configure(strategy="canary", steps=STEPS, observe="0s", deadline="1h", analysis=ANALYSIS)
    be_patient(testbed, site)
    [base], [good], [slow], [bad] = (
        installed_images(testbed.cloud, [version], then)
        for version, then in {
            "4.0.0": answers(),
            "4.1.0": answers(),
            "4.2.0": answers(seconds=0.0309),
            "4.3.0": answers(failing=0.01),
        }.items()
    )
    first = site.promote("--image", base)
    assert first.code == 0, first.err
    assert judged(first.document) == {}

    with load(f"{site.balancers[0].url}/", RATE) as running:
        done = site.promote("--image", good)
        assert done.code == 0, done.err
        assert set(judged(done.document)) == {"step-1"}
        assert "fail" not in judged(done.document).values()

        slower = site.promote("--image", slow)
        assert slower.code == 0, slower.err
        assert "fail" not in judged(slower.document).values()
        assert running.failures[:3] == []

        failed = site.promote("--image", bad)
    assert failed.code == ROLLED_BACK, failed.err
    assert failed.document["phase"].startswith("step-")
    assert failed.document["reason"].startswith("analysis: 5xx: ")
    assert "worse (Fisher's exact test, p < 0.001)" in failed.document["reason"]
    assert site.image_of(site.serving) == slow
