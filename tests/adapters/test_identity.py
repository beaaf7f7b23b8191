from __future__ import annotations

import getpass
import os
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.adapters.identity import (
    actor_of,
    has_exited,
    has_exited_with_children,
    printable,
    process_mark,
    runner,
)
from pipeline.core.pausing.pause import Actor
from pipeline.core.state.deployment import Runner
from pipeline.core.state.environment import Lease

GITHUB = {
    "GITHUB_ACTOR": "ann",
    "GITHUB_SERVER_URL": "https://github.com",
    "GITHUB_REPOSITORY": "shop/web",
    "GITHUB_RUN_ID": "17",
}


@pytest.mark.parametrize(
    ("environ", "user", "run"),
    [
        (GITHUB, "ann", "https://github.com/shop/web/actions/runs/17"),
        ({**GITHUB, "GITHUB_RUN_ID": ""}, "ann", ""),
        (
            {"GITLAB_USER_LOGIN": "bob", "CI_JOB_URL": "https://gitlab.com/a/-/jobs/1"},
            "bob",
            "https://gitlab.com/a/-/jobs/1",
        ),
        ({"BUILD_URL": "https://jenkins/job/1/"}, "me", "https://jenkins/job/1/"),
        ({"GITLAB_USER_LOGIN": "b\x1b[31m\nob\u202e", "BUILD_URL": "x\r\ny"}, "b[31mob", "xy"),
        ({}, "me", ""),
    ],
)
def test_the_runner_is_the_actor_and_the_url_of_the_ci_run(
    monkeypatch: pytest.MonkeyPatch, environ: dict[str, str], user: str, run: str
) -> None:
    monkeypatch.setattr(getpass, "getuser", lambda: "me")
    found = runner(environ)
    assert (found.user, found.run) == (user, run)
    assert (found.host, found.pid) == (socket.gethostname(), os.getpid())


def test_without_a_user_of_a_ci_system_the_actor_is_the_arn() -> None:
    arn = "arn:aws:iam::123456789012:user/ann"
    assert actor_of(GITHUB, lambda: arn) == Actor(system="AWS", name=arn)
    job = {**GITHUB, "GITHUB_ACTIONS": "true"}
    assert actor_of(job, lambda: pytest.fail("AWS was asked")) == Actor(
        system="GitHub Actions", name="ann"
    )


def test_a_user_without_a_name_is_a_number(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_user() -> str:
        raise KeyError("getpwuid")

    monkeypatch.setattr(getpass, "getuser", no_user)
    assert runner({}).user == str(os.getuid())


def test_names_are_limited_to_300_characters() -> None:
    assert len(printable("x" * 10_000)) == 300


def test_a_live_process_has_not_exited() -> None:
    assert not has_exited(os.getpid(), process_mark())


def test_an_exited_process_is_recognized_only_by_its_mark() -> None:
    code = "from pipeline.adapters.identity import process_mark; print(process_mark())"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    mark = ran.stdout.strip()
    assert mark
    assert mark != process_mark()
    # Ours is the pid that was given again: the mark tells that it is another.
    assert has_exited(os.getpid(), mark)
    assert not has_exited(os.getpid(), "")
    assert not has_exited(os.getpid(), "another-boot " + mark.partition(" ")[2])


def test_a_dead_run_has_exited_once_no_process_is_in_its_folder(
    tmp_path: Path,
) -> None:
    """As Terraform is, and the provider that it started, when it outlives us."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as dead:
        mark = process_mark().rpartition(" ")[0] + " 1"  # the pid is another's by now
        owner = Runner(user="ann", host=printable(socket.gethostname()), pid=dead.pid)
        lease = Lease(owner=owner, epoch=3, since="", expires="", process=mark)
        dead.communicate(b"\n")
    folder = tmp_path / "root"
    folder.mkdir()
    link = tmp_path / "link"
    link.symlink_to(folder)
    assert has_exited_with_children(lease, folder)
    wait = "print(flush=True); input()"
    pipe = subprocess.PIPE
    with subprocess.Popen(
        [sys.executable, "-c", wait], cwd=folder, stdin=pipe, stdout=pipe
    ) as left:
        assert left.stdout
        left.stdout.readline()
        assert not has_exited_with_children(lease, folder)
        assert not has_exited_with_children(lease, link)
        left.communicate(b"\n")
    assert has_exited_with_children(lease, folder)
    alive = replace(lease, process=process_mark(), owner=replace(owner, pid=os.getpid()))
    elsewhere = replace(lease, owner=replace(owner, host="elsewhere"))
    job = replace(lease, owner=replace(owner, run="https://ci.example/runs/17"))
    assert not any(has_exited_with_children(each, folder) for each in (alive, elsewhere, job))
