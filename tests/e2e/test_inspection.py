"""A release that is never healthy, seen from inside: evidence, trace, events, logs and a shell."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.collector import a_collector, attributes
from tests.e2e.matrix import Case
from tests.e2e.site import LONGEST, Site
from tests.running_cloud import MANAGED_NODES, eventually

pytestmark = [pytest.mark.long, pytest.mark.timeout(LONGEST + 20)]


def manage_members(site: Site) -> None:
    """Let the role of the releases' instances report to Systems Manager; make one if none is."""
    iam, name = site.testbed.cloud.aws("iam"), site.testbed.made["instance_profile"]
    profile = iam.get_instance_profile(InstanceProfileName=name)["InstanceProfile"]
    roles = [each["RoleName"] for each in profile["Roles"]]
    if not roles:
        roles = ["web"]
        iam.create_role(RoleName=roles[0], AssumeRolePolicyDocument="{}")
        iam.add_role_to_instance_profile(InstanceProfileName=name, RoleName=roles[0])
    iam.attach_role_policy(RoleName=roles[0], PolicyArn=MANAGED_NODES)


def in_shell(site: Site, member: str, script: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "pipeline", "shell", member],
        cwd=site.project.folder,
        env=site.project.env,
        input=script,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return done.stdout


@pytest.mark.parametrize("kinds", [("classic", "application")], scope="session")
def test_a_release_that_is_never_healthy_is_seen_from_inside(case: Case) -> None:
    site = case.site
    manage_members(site)
    serving, green = site.document()["content"]["serving"], site.next_release
    group = site.group(green)
    site.testbed.cloud.client.set_behavior("never-healthy", group=group)
    with a_collector() as collector:
        site.configure(deadlines={"attach": "3m"}, keep_previous="none")
        site.project.extra["OTEL_EXPORTER_OTLP_ENDPOINT"] = collector.url
        result = site.promote("--keep-failed", "--image", site.testbed.new)
        site.project.extra.clear()
    assert result.code == 4, result.err

    source, *lines = result.document["last_lines"]
    assert source.startswith("journal of i-")
    assert 0 < len(lines) <= 10
    evidence = (site.project.folder / ".ami-pipeline" / result.document["evidence"]).read_text()
    assert f"\n{source}, its last 100 lines\n" in evidence
    assert source.replace("journal", "\nconsole") in evidence

    spans = collector.spans
    root, attach = spans[f"promote {site.environment}"], spans["attach"]
    assert attributes(root)["deployment.status"] == "rolled back"
    assert attach.parent_span_id == spans["launch"].parent_span_id == root.span_id
    assert spans["terraform apply"].parent_span_id == spans["launch"].span_id
    assert spans["Auto Scaling.AttachTrafficSources"].trace_id == root.trace_id
    assert "not exported" not in result.err

    told = [json.loads(line) for line in site.run("events", "--limit", "500").out.splitlines()]
    assert [each["at"] for each in told] == sorted(each["at"] for each in told)
    texts = [each["text"] for each in told if each["release"] == green]
    assert any(text.startswith("attach failed: ") for text in texts)
    assert any("Launching a new EC2 instance" in text for text in texts)
    states = {each["release"] for each in told if each["kind"] == "target"}
    assert states == {serving}

    def logged() -> bool:
        lines = site.run("logs", "--lines", "5").out.splitlines()
        return {json.loads(line)["release"] for line in lines} == {serving, green}

    eventually(logged)
    (member, *_) = site.members(green)
    assert in_shell(site, member, "echo $INSTANCE_ID").strip() == member
