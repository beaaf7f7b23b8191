"""Flip and canaries with the real tools, under 100 requests a second: no request fails.

Every release is a version, and each response names the version that sent it.
"""

from __future__ import annotations

import json
import re
import signal
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e.images import installed_images
from tests.e2e.pairs import Pair
from tests.e2e.project import REPOSITORY
from tests.e2e.site import LONGEST, Site, wait_for_exit
from tests.running_cloud import eventually
from tools.load import Load, Result, load

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.e2e.testbed import CloudTestbed

pytestmark = [pytest.mark.timeout(2 * LONGEST), pytest.mark.long]
RATE = 100.0
BY_WEIGHT = [{"weight": 5, "for": "1m"}, {"weight": 25, "for": "1m"}]
BY_MEMBERS = [{"members": 1, "for": "30s"}, {"members": "50%", "for": "30s"}]
IN_FLIGHT = 1.0
"""Seconds in which a request that was sent before a shift may still be answered by blue."""
KINDS = ["pair", "pair-rule", "pair-network"]


@pytest.fixture
def make(testbed: CloudTestbed) -> Callable[..., Site]:
    """Return a function that makes an environment in which the old image serves."""

    def made(name: str, kind: str, **promote: object) -> Site:
        site = testbed.site(name, kind, **{"keep_previous": "none", **promote})
        first = site.promote("--image", testbed.old)
        assert first.code == 0, first.err
        return site

    return made


def pair_of(site: Site) -> Pair:
    pair = site.balancers[0].pair
    assert pair
    return pair


def loaded(site: Site) -> Any:
    # A network load balancer moves connections, not requests.
    keep = site.balancers[0].kind != "pair-network"
    return load(f"{site.balancers[0].url}/", RATE, versions=True, keep_alive=keep)


def versions(results: list[Result]) -> Counter[str]:
    return Counter(each.version for each in results)


@pytest.mark.parametrize("kind", KINDS)
def test_after_a_flip_only_the_new_version_answers(kind: str, make: Callable[..., Site]) -> None:
    site = make(f"flip-{kind}", kind, strategy="flip")
    with loaded(site) as running:
        result = site.promote("--image", site.testbed.new)
        time.sleep(1)
    assert result.code == 0, result.err
    assert running.failures[:3] == []
    answers = sorted(running.results, key=lambda each: each.at)
    first_new = next(each for each in answers if each.version == "2.0.0")
    late = [each for each in answers if each.at > first_new.at + IN_FLIGHT]
    assert versions(late).keys() == {"2.0.0"}
    early = [each for each in answers if each.at < first_new.at]
    assert versions(early).keys() == {"1.0.0"}
    assert pair_of(site).weights(site.testbed.cloud) == [100, 0]


@pytest.mark.parametrize("kind", KINDS)
def test_a_canary_by_weight_gets_its_share_in_each_step(
    kind: str, make: Callable[..., Site]
) -> None:
    site = make(f"weight-{kind}", kind, strategy="canary", steps=BY_WEIGHT)
    seen = []
    with loaded(site) as running:
        result = site.promote("--image", site.testbed.new)
        seen = phases_of(result.err)
    assert result.code == 0, result.err
    assert running.failures[:3] == []
    assert [name for name in seen if name.startswith("step")] == ["step-1", "step-2"]
    assert pair_of(site).weights(site.testbed.cloud) == [100, 0]


def phases_of(progress: str) -> list[str]:
    """Return the phases in the order in which the progress names them."""
    return list(dict.fromkeys(re.findall(r"([a-z0-9-]+): started", progress)))


def test_a_canary_by_members_grows_and_leaves_the_old_release_untouched(
    make: Callable[..., Site],
) -> None:
    site = make("members", "application", strategy="canary", steps=BY_MEMBERS)
    blue = site.serving
    with loaded(site) as running:
        process = site.begin("promote", "step-1: started", "--yes", "--image", site.testbed.new)
        sizes = (len(site.members(blue)), len(site.members("r000002")))
        result = wait_for_exit(process)
    assert result.code == 0, result.err
    assert running.failures[:3] == []
    assert sizes == (2, 1)
    assert len(site.members("r000002")) == 2


@pytest.mark.parametrize("strategy", ["flip", "weight", "members"])
def test_ctrl_c_in_the_middle_puts_everything_back(
    strategy: str, make: Callable[..., Site]
) -> None:
    kind = "application" if strategy == "members" else "pair"
    settings: dict[str, dict[str, object]] = {
        "flip": {"strategy": "flip", "observe": "2m"},
        "weight": {"strategy": "canary", "steps": BY_WEIGHT},
        "members": {"strategy": "canary", "steps": BY_MEMBERS},
    }
    site = make(f"stop-{strategy}", kind, **settings[strategy])
    blue, until = site.serving, "observe: started" if strategy == "flip" else "step-1: started"
    with loaded(site) as running:
        process = site.begin("promote", until, "--yes", "--image", site.testbed.new)
        process.send_signal(signal.SIGINT)
        result = wait_for_exit(process)
    assert result.code == 130, result.err
    assert running.failures[:3] == []
    assert site.serving == blue
    state = site.state()
    assert state.groups == {blue}


def test_a_run_that_is_killed_after_a_flip_is_finished_by_recover(
    make: Callable[..., Site],
) -> None:
    site = make("killed", "pair", strategy="flip", observe="2m")
    with loaded(site) as running:
        process = site.begin("promote", "observe: started", "--yes", "--image", site.testbed.new)
        process.kill()
        wait_for_exit(process)
        result = site.run("recover")
    assert result.code == 0, result.err
    assert running.failures[:3] == []
    assert site.state().groups == {"r000002"}


def test_a_rollback_to_the_warm_release_flips_back(make: Callable[..., Site]) -> None:
    site = make("back", "pair", strategy="flip", keep_previous="next")
    with loaded(site) as running:
        result = site.promote("--image", site.testbed.new)
        assert result.code == 0, result.err
        back = site.run("rollback", "--yes", "--wait")
    assert back.code == 0, back.err
    assert running.failures[:3] == []
    assert site.serving == "r000001"
    assert versions(running.results[-20:]).keys() == {"1.0.0"}


def test_weights_that_a_person_changed_are_refused(make: Callable[..., Site]) -> None:
    site = make("changed", "pair", strategy="flip")
    pair = pair_of(site)
    targets = [{"TargetGroupArn": arn, "Weight": 50} for arn in pair.groups]
    action = {"Type": "forward", "ForwardConfig": {"TargetGroups": targets}}
    elbv2 = site.testbed.cloud.aws("elbv2")
    elbv2.modify_listener(ListenerArn=pair.rule, DefaultActions=[action])
    result = site.promote("--image", site.testbed.new)
    assert result.code == 3, result.err
    assert "its weights changed since the last release" in result.err
    assert "ignore_changes = [default_action]" in result.err


SETTINGS: dict[str, tuple[str, dict[str, object]]] = {
    "flip": ("pair", {"strategy": "flip"}),
    "weight": ("pair", {"strategy": "canary", "steps": BY_WEIGHT}),
    "members": ("application", {"strategy": "canary", "steps": BY_MEMBERS}),
    "batches": ("application", {"strategy": "batches", "min_healthy": 50}),
}
STRATEGIES = pytest.mark.parametrize("strategy", list(SETTINGS))
BREAK = r"""
sed -i -e 's|parts.path == "/slow"|False|' -e 's/self._answer(404/self._answer(500/' \
    "${ROOT:-}/opt/web/server.py"
"""
"""The application then answers 500 to /slow, and is healthy."""


@STRATEGIES
def test_a_green_that_is_never_healthy_takes_nothing_from_the_old_release(
    strategy: str, make: Callable[..., Site]
) -> None:
    kind, settings = SETTINGS[strategy]
    site = make(f"unhealthy-{strategy}", kind, **{**settings, "deadline": "3m"})
    cloud = site.testbed.cloud.client
    cloud.set_behavior("never-healthy", group=site.group("r000002"))
    with loaded(site) as running:
        result = site.promote("--image", site.testbed.new)
    cloud.clear_behaviors()
    assert result.code == 4, result.err
    assert running.failures[:3] == []
    assert versions(running.results).keys() == {"1.0.0"}
    assert site.state().groups == {"r000001"}


@STRATEGIES
def test_a_failing_probe_goes_back(strategy: str, make: Callable[..., Site]) -> None:
    kind, settings = SETTINGS[strategy]
    site = make(f"probed-{strategy}", kind, **settings)
    probe = {"url": f"{site.balancers[0].url}/slow?seconds=0", "rate": 50}
    site.configure(**{"keep_previous": "none", **settings, "observe": "1m", "probe": probe})
    (broken,) = installed_images(site.testbed.cloud, ["3.0.0"], BREAK)
    with loaded(site) as running:
        result = site.promote("--image", broken)
    assert result.code == 4, result.err
    assert "HTTP 500" in result.document["reason"]
    assert running.failures[:3] == []
    assert site.state().groups == {"r000001"}


def test_batches_never_have_less_than_the_healthy_share(make: Callable[..., Site]) -> None:
    site = make("batches", "application", strategy="batches", min_healthy=50)
    name = site.group("r000001")
    scaling = site.testbed.cloud.aws("autoscaling")
    scaling.update_auto_scaling_group(AutoScalingGroupName=name, DesiredCapacity=4, MaxSize=4)
    eventually(lambda: len(site.members("r000001")) == 4, within=30)
    with loaded(site) as running:
        result = site.promote("--image", site.testbed.new)
    assert result.code == 0, result.err
    assert running.failures[:3] == []
    assert "batch-2: started" in result.err
    assert len(site.members("r000002")) == 4
    assert site.state().groups == {"r000002"}


@pytest.mark.parametrize("kind", ["pair", "pair-network"])
def test_weights_are_within_two_points_over_5000_requests(
    kind: str, make: Callable[..., Site]
) -> None:
    steps = [{"weight": 25, "for": "3h"}]
    site = make(f"share-{kind}", kind, strategy="canary", steps=steps)
    process = site.begin("promote", "step-1: started", "--yes", "--image", site.testbed.new)
    time.sleep(2)
    keep = kind != "pair-network"
    with load(f"{site.balancers[0].url}/", RATE, versions=True, keep_alive=keep) as running:
        eventually(lambda: len(running.results) >= 5000, within=120)
    process.send_signal(signal.SIGINT)
    result = wait_for_exit(process)
    assert result.code == 130, result.err
    counted = versions(running.results[:5000])
    assert abs(counted["2.0.0"] / 5000 - 0.25) < 0.02, counted


@pytest.mark.parametrize("kind", ["rule", "application"])
def test_a_serving_target_group_gets_a_pair_and_is_then_flipped(
    kind: str, make: Callable[..., Site]
) -> None:
    site = make(f"given-{kind}", kind)
    with loaded(site) as running:
        made = site.run("adopt", "--pair", "--test-port", "9000", "--yes")
        assert made.code == 0, made.err
        assert made.document["outcome"] == "paired"
        result = site.promote("--image", site.testbed.new)
        time.sleep(1)
    assert result.code == 0, result.err
    assert running.failures[:3] == []
    assert "shift: started" in result.err
    first_new = min(each.at for each in running.results if each.version == "2.0.0")
    late = [each for each in running.results if each.at > first_new + IN_FLIGHT]
    assert versions(late).keys() == {"2.0.0"}


PICTURED: dict[str, tuple[str, str, dict[str, object]]] = {
    "overlap": ("overlap", "application", {"strategy": "overlap", "soak": "1m"}),
    "flip": ("flip", "pair", {"strategy": "flip"}),
    "weight": ("canary by weight: 5 %, then 25 %", "pair", SETTINGS["weight"][1]),
    "members": ("canary by members: 1 of 4, then half", "application", SETTINGS["members"][1]),
    "batches": ("batches, min_healthy = 75", "application", {"strategy": "batches"}),
}


@pytest.mark.parametrize("name", list(PICTURED))
def test_a_run_of_each_strategy_is_recorded_for_its_picture(
    name: str, make: Callable[..., Site]
) -> None:
    title, kind, settings = PICTURED[name]
    if name == "batches":
        settings = {**settings, "min_healthy": 75}
    site = make(f"picture-{name}", kind, **{"observe": "1m", **settings})
    if kind == "application":
        scaling = site.testbed.cloud.aws("autoscaling")
        group = site.group("r000001")
        scaling.update_auto_scaling_group(AutoScalingGroupName=group, DesiredCapacity=4, MaxSize=4)
        eventually(lambda: len(site.members("r000001")) == 4, within=30)
    with loaded(site) as running:
        process = site.start("promote", "--yes", "--image", site.testbed.new)
        assert process.stderr
        begins = [
            (found[1], time.monotonic())
            for line in process.stderr
            if (found := re.search(r"([a-z0-9-]+): started", line))
        ]
        assert wait_for_exit(process).code == 0
        time.sleep(2)
    assert running.failures[:3] == []
    write_recording(name, title, running, begins)


def write_recording(name: str, title: str, running: Load, begins: list[tuple[str, float]]) -> None:
    """Write what tools/traffic_pictures.py draws, for each half of a second."""
    step, first = 0.5, min(each.at for each in running.results)
    count = int((max(each.at for each in running.results) - first) / step)
    seconds = [[0, 0] for _ in range(count + 1)]
    for each in running.results:
        seconds[int((each.at - first) / step)][each.version == "2.0.0"] += 1
    recording = {
        "title": title,
        "step": step,
        "seconds": seconds[:-1],
        "phases": [[phase, round(at - first, 1)] for phase, at in begins],
        "requests": len(running.results),
        "failed": len(running.failures),
    }
    folder = REPOSITORY / ".build/traffic"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.json").write_text(json.dumps(recording))
