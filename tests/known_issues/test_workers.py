"""Releases that work before they serve, or are incomplete when they serve: issues 14, 10."""

from __future__ import annotations

import base64
import collections
import json
import threading
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e.site import LONGEST, Site, state_with
from tests.e2e.testbed import CloudTestbed
from tests.known_issues.recipe import RECIPE, SHORT_WAIT, Recipe, assert_no_failures
from tests.running_cloud import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.known_issues.recipe import Recorder

pytestmark = [pytest.mark.long, pytest.mark.timeout(2 * LONGEST)]

ROLLED_BACK = 4

# --- 14: workers of a queue -----------------------------------------------------------------------


class Queue(ThreadingHTTPServer):
    """A queue with a job for every request; it counts the jobs of each instance."""

    def __init__(self) -> None:
        self.taken: collections.Counter[str] = collections.Counter()
        super().__init__(("127.0.0.1", 0), JobHandler)

    def worker(self, *, asks_first: bool = False) -> str:
        """Return user data: a service that takes jobs as soon as the instance boots.

        If `asks_first`, it first asks the application whether a load balancer counts on the
        instance.
        """
        first = "urllib.request.urlopen(here)" if asks_first else "pass"
        return f"""\
mkdir -p "${{ROOT:-}}/etc/systemd/system" "${{ROOT:-}}/opt/worker"
cat > "${{ROOT:-}}/opt/worker/worker.py" <<'END'
import os, time, urllib.request
me, here = os.environ["INSTANCE_ID"], "http://" + os.environ["INSTANCE_ADDRESS"] + ":8080/serving"
while True:
    try:
        {first}
        urllib.request.urlopen("http://127.0.0.1:{self.server_port}/" + me).read()
    except OSError:
        pass
    time.sleep(0.2)
END
cat > "${{ROOT:-}}/etc/systemd/system/worker.service" <<'END'
[Service]
WorkingDirectory=/opt/worker
ExecStart=/usr/bin/python3 worker.py
Restart=always
END
systemctl daemon-reload
systemctl enable --now worker.service
"""

    def taken_by(self, members: list[str]) -> int:
        return sum(self.taken[each] for each in members)


class JobHandler(BaseHTTPRequestHandler):
    server: Queue

    def do_GET(self) -> None:
        self.server.taken[self.path.strip("/")] += 1
        self.send_response(204)
        self.end_headers()

    def log_message(self, *args: Any) -> None:
        pass


@pytest.fixture
def queue() -> Iterator[Queue]:
    with Queue() as made:
        thread = threading.Thread(target=made.serve_forever)
        thread.start()
        yield made
        made.shutdown()
        thread.join()


def with_user_data(text: str, folder: Path) -> Path:
    """Write the recipe with user data in its launch template."""
    encoded = base64.b64encode(f"#!/bin/sh\n{text}".encode()).decode()
    line = "  image_id               = var.ami_id\n"
    written = RECIPE.read_text().replace(line, f'{line}  user_data              = "{encoded}"\n')
    assert encoded in written
    root = folder / "main.tf"
    root.write_text(written)
    return root


def test_workers_of_a_release_that_never_serves_take_jobs_with_the_recipe(
    testbed: CloudTestbed, queue: Queue, tmp_path: Path, record_property: Recorder
) -> None:
    """compiler-explorer/infra#1783: workers of both colors took jobs from one queue."""
    root = with_user_data(queue.worker(), tmp_path)
    recipe = Recipe.of(testbed, "queued", "classic", root)
    assert recipe.deploy(testbed.old).code == 0
    testbed.cloud.client.set_behavior("never-healthy", group=recipe.group(testbed.new))
    assert recipe.deploy(testbed.new, SHORT_WAIT).code == 1
    taken = queue.taken_by(recipe.in_service(testbed.new))
    record_property("taken", taken)
    assert taken > 0


def refuse_before_attaching(site: Site, image: str, worker: str) -> None:
    """Promote an image with a worker; a hook refuses it before it is attached."""
    site.configure(
        deadlines={"attach": "3m"}, hooks=[{"at": "before-traffic", "command": ["false"]}]
    )
    with_worker(site, worker)
    result = site.promote("--image", image)
    assert result.code == ROLLED_BACK, result.err
    assert result.document["phase"] == "verify"


def with_worker(site: Site, worker: str) -> None:
    text = (site.project.folder / "pipeline.toml").read_text()
    site.project.write(f"{text}user_data = '''{worker}'''\n")


def test_workers_that_do_not_ask_take_jobs_while_detached_with_ami_pipeline_too(
    testbed: CloudTestbed, queue: Queue, record_property: Recorder
) -> None:
    """compiler-explorer/infra#1783. Instances of a detached group run, so workers have to ask."""
    site = testbed.site("queued-too", "classic", deadlines={"attach": "3m"})
    assert site.promote("--image", testbed.old).code == 0
    queue.taken.clear()
    refuse_before_attaching(site, testbed.new, queue.worker())
    record_property("taken", queue.taken.total())
    assert queue.taken.total() > 0


def test_workers_that_ask_take_jobs_only_once_a_load_balancer_counts_on_them(
    testbed: CloudTestbed, queue: Queue, record_property: Recorder
) -> None:
    """compiler-explorer/infra#1783: an instance whose health is not checked is detached, and knows
    it.
    """
    site = testbed.site("queued-ask", "classic", deadlines={"attach": "3m"})
    assert site.promote("--image", testbed.old).code == 0
    queue.taken.clear()
    refuse_before_attaching(site, testbed.new, queue.worker(asks_first=True))
    assert queue.taken.total() == 0
    site.configure(deadlines={"attach": "3m"})
    with_worker(site, queue.worker(asks_first=True))
    with assert_no_failures(site, record_property):
        result = site.promote("--image", testbed.new, "--allow-quarantined")
        assert result.code == 0, result.err
    members = site.members(result.document["release"])
    record_property("taken", eventually(lambda: queue.taken_by(members)))
    assert set(queue.taken) <= set(members)


# --- 10: the limits of an instance refresh --------------------------------------------------------

REFRESH = """
  instance_refresh {
    strategy = "Rolling"
  }

  launch_template {
"""


def with_refresh(folder: Path) -> Path:
    """Write the other usual recipe: a single group whose members a refresh replaces."""
    text = RECIPE.read_text().replace('"${var.name}-${var.ami_id}"', '"${var.name}-one"')
    text = text.replace("\n  launch_template {\n", REFRESH)
    assert "instance_refresh" in text
    root = folder / "main.tf"
    root.write_text(text)
    return root


def test_the_recipe_with_a_refresh_changes_the_group_to_the_new_template_before_the_refresh_starts(
    testbed: CloudTestbed, tmp_path: Path
) -> None:
    """hashicorp/terraform-provider-aws#34189: a refresh would roll back to the new version.

    #42355: the apply succeeds while the refresh goes on.
    """
    recipe = Recipe.of(testbed, "refreshed", "classic", with_refresh(tmp_path))
    assert recipe.deploy(testbed.old).code == 0
    before = recipe.groups()[recipe.group("one")]["LaunchTemplate"]["Version"]
    result = recipe.deploy(testbed.new)
    assert result.code == 0, result.err
    asg = testbed.cloud.aws("autoscaling")
    refreshes = asg.describe_instance_refreshes(AutoScalingGroupName=recipe.group("one"))
    (refresh,) = refreshes["InstanceRefreshes"]
    assert refresh["Status"] in {"Pending", "InProgress"}
    after = recipe.groups()[recipe.group("one")]["LaunchTemplate"]["Version"]
    assert (before, after) == ("1", "2")


def test_a_promotion_returns_once_only_the_new_version_responds_and_rolls_back_to_the_previous_one(
    testbed: CloudTestbed, record_property: Recorder
) -> None:
    """hashicorp/terraform-provider-aws#42355, #34189."""
    site = testbed.site("refreshed-too", "classic")
    assert site.promote("--image", testbed.old).code == 0
    with assert_no_failures(site, record_property):
        result = site.promote("--image", testbed.new)
        assert result.code == 0, result.err
        assert versions(site.balancers[0].url) == {"2.0.0"}
        result = site.run("rollback", "--yes", "--wait")
        assert result.code == 0, result.err
        assert versions(site.balancers[0].url) == {"1.0.0"}
    assert site.state() == state_with("r000001", serving="r000001")


def versions(url: str) -> set[str]:
    """Request the version twenty times, one after another; return all versions."""
    found = set()
    for _ in range(20):
        with urllib.request.urlopen(f"{url}/") as answer:  # noqa: S310  an http URL of loopback
            found.add(json.load(answer)["version"])
    return found
