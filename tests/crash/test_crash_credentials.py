"""Credentials of a role during a deployment: they expire, they are renewed, tools get them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from tests.crash.record import RunRecord
from tests.crash.run import CaseRunner

if TYPE_CHECKING:
    from tests.crash.environment import CrashEnvironment
    from tests.crash.worker import Worker

pytestmark = [pytest.mark.long, pytest.mark.timeout(480)]

ALL = {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}
ROLE = "deployer"
RENEWED = 903
"""Seconds of a session that botocore renews three seconds later: it does so for 15 minutes."""
GIVE = """\
#!/bin/sh
curl -s -d '{{"role": "{role}"}}' {endpoint}/_local-cloud/sessions | sed 's/^{{/{{"Version": 1, /'
"""
DONE, ROLLED_BACK, NEEDS_ATTENTION = 0, 4, 5


@pytest.fixture
def environment(worker: Worker) -> Iterator[CrashEnvironment]:
    """An environment with a release in service, whose own credentials are restored afterwards."""
    with worker.case_runner("classic", "directory") as found:
        found.settle()
        extra = found.environment.site.project.extra
        before = dict(extra)
        yield found.environment
        extra.clear()
        extra.update(before)


def log_in(environment: CrashEnvironment) -> str:
    """Export the keys of a new session of the role, as CI does; return the secret key."""
    client = environment.site.testbed.cloud.client
    client.set_role(ROLE, ALL)
    keys = client.assume(ROLE)
    environment.site.project.extra |= {
        "AWS_ACCESS_KEY_ID": keys["AccessKeyId"],
        "AWS_SECRET_ACCESS_KEY": keys["SecretAccessKey"],
        "AWS_SESSION_TOKEN": keys["SessionToken"],
    }
    return keys["SecretAccessKey"]


def test_credentials_that_expire_in_the_middle_of_a_soak_leave_both_groups_in_service(
    environment: CrashEnvironment,
) -> None:
    """Nothing can be changed without credentials, so nothing is. `recover` says to renew them."""
    environment.configure(keep_previous="none", soak="1h")
    record = RunRecord.start(environment)
    secret = log_in(environment)
    running = environment.begin(*CaseRunner(environment=environment).promotion())
    assert environment.reaches("soak")
    environment.site.testbed.cloud.client.expire_sessions(ROLE)
    done = running.finish()
    assert done.code == NEEDS_ATTENTION, done.err
    assert "expired" in done.document["reason"]
    assert done.document["next"] == f"ami-pipeline recover -e {environment.site.environment}"
    both = environment.observe()
    assert {name for name, where in both.attached.items() if where} == set(both.groups)
    assert len(both.groups) == 2
    refused = environment.run("recover")
    assert refused.document["error"]["next"].startswith("renew the credentials")
    log_in(environment)
    finished = environment.run("recover")
    assert finished.document["outcome"] == "rolled back", finished.err
    after = environment.settled()
    assert (after.serving, set(after.groups)) == (record.before.serving, set(record.before.groups))
    assert record.finish("expired").violations == ()
    assert files_with(environment, secret) == []


def test_credentials_that_botocore_renews_outlast_a_deployment(
    environment: CrashEnvironment,
) -> None:
    """The keys that Terraform gets are valid, too, though they are renewed every three seconds."""
    environment.configure(keep_previous="none", soak="30m")
    client, project = environment.site.testbed.cloud.client, environment.site.project
    client.set_role(ROLE, ALL, seconds=RENEWED)
    script, config = project.folder.parent / "give", project.folder.parent / "aws-config"
    endpoint = project.cloud.env["AWS_ENDPOINT_URL"]
    script.write_text(GIVE.format(role=ROLE, endpoint=endpoint))
    script.chmod(0o755)
    config.write_text(f"[profile deploy]\ncredential_process = {script}\n")
    project.extra |= {"AWS_PROFILE": "deploy", "AWS_CONFIG_FILE": str(config)}
    project.extra |= {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}
    record = RunRecord.start(environment)
    done = environment.run(*CaseRunner(environment=environment).promotion())
    assert (done.code, done.document["outcome"]) == (DONE, "promoted"), done.err
    calls = [each for each in client.timeline()["events"] if each["kind"] == "call"]
    sessions = {each["key"] for each in calls if each["key"].startswith("ASIA")}
    assert len(sessions) > 1
    assert record.finish("renewed").violations == ()


def files_with(environment: CrashEnvironment, secret: str) -> list[str]:
    """Return the files of the project that hold a secret key."""
    files = (each for each in environment.site.project.folder.rglob("*") if each.is_file())
    return [str(each) for each in files if secret.encode() in each.read_bytes()]
