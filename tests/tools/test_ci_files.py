"""`make ci-files`: what stands in for setup actions, and which processes a cancelled job loses."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.running_cloud import eventually
from tools.ci_files import signals
from tools.ci_files.project import CI, WORKFLOWS, Project
from tools.ci_files.runners import Act, Job

DEAF = """
import pathlib, signal, sys, time
for each in (signal.SIGINT, signal.SIGTERM):
    signal.signal(each, signal.SIG_IGN)
pathlib.Path(sys.argv[0]).with_name("ready").touch()
time.sleep(60)
"""


@pytest.mark.parametrize("name", WORKFLOWS)
def test_every_setup_action_of_a_workflow_is_replaced(name: str, tmp_path: Path) -> None:
    workflows = tmp_path / ".github/workflows"
    workflows.mkdir(parents=True)
    (workflows / WORKFLOWS[name]).write_text((CI / name).read_text())
    project = Project(folder=tmp_path, home=tmp_path, env={})
    words = Act(project=project, log=tmp_path / "log")._replaced(WORKFLOWS[name])
    replaced = {each.partition("@")[0] for each in words if each != "--local-repository"}
    used = {line.split("uses: ")[1].partition("@")[0] for line in _uses(CI / name)}
    assert replaced == used - {"actions/checkout"}


def _uses(path: Path) -> list[str]:
    return [line for line in path.read_text().splitlines() if "uses: " in line]


@pytest.mark.long
def test_a_runner_does_not_outlive_an_error(tmp_path: Path) -> None:
    job = Job(words=["/bin/sleep", "60"], folder=tmp_path, env={}, log=tmp_path / "log")
    seen: list[int] = []

    def fail(pid: int) -> bool:
        seen.append(pid)
        raise LookupError

    with pytest.raises(LookupError):
        job.run(fail)
    assert not Path(f"/proc/{seen[0]}").exists()


@pytest.mark.long
@pytest.mark.parametrize(("way", "last"), [("github", "SIGKILL"), ("kill", "SIGKILL")])
def test_a_cancelled_job_loses_every_process_with_its_mark(
    way: str, last: str, tmp_path: Path
) -> None:
    program = tmp_path / "ami-pipeline"
    program.write_text(f"#!{sys.executable}\n{DEAF}\n")
    program.chmod(0o755)
    mark = f"job-of-{way}"  # the other way may run at the same time
    env = {**os.environ, signals.MARK: mark}
    step = subprocess.Popen([program], env=env)
    beside = subprocess.Popen(["/bin/sleep", "60"], env=env)
    other = subprocess.Popen(["/bin/sleep", "60"], env={**env, signals.MARK: f"not-{mark}"})
    try:
        eventually((tmp_path / "ready").exists)
        assert signals.WAYS[way](0, mark) == last
        assert (step.wait(5), beside.wait(5)) == (-signal.SIGKILL, -signal.SIGKILL)
        assert other.poll() is None
    finally:
        for each in (step, beside, other):
            each.kill()
            each.wait()
