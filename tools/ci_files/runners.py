"""The two runners: how a job starts, which file it runs, and what stands in for setup actions."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from tests.docs.forge import Forge
from tools.ci_files import programs
from tools.ci_files.project import CI, Project
from tools.ci_files.signals import MARK

EMPTY = """\
name: empty
description: Stands in for an action that installs what this machine has
runs:
  using: composite
  steps:
    - run: "true"
      shell: sh
"""
MARKED = "<!-- ami-pipeline plan production -->"
NOTHING: Mapping[str, str] = MappingProxyType({})
REPOSITORY, NUMBER, TOKEN = "example/web", 12, "c4n4ry-token"
"""The repository, and the pull request or merge request of its plan."""
HOST = ("-P", "ubuntu-latest=-self-hosted")
LONGEST = 1800.0
PASSED = (
    "AWS_",
    "AMI_PIPELINE_",
    "TF_",
    "HTTPS_PROXY",
    "HTTP_PROXY",
    "NO_PROXY",
    "SSL_CERT",
    "CURL_CA",
    "REQUESTS_CA",
    "GIT_SSL",
    "NODE_EXTRA",
    "HOME",
)
"""Beginnings of the variables that a job of the host gets: act passes nothing of its own on."""


@dataclass(kw_only=True)
class Job:
    """A running job; its output goes to `log`."""

    words: list[str]
    folder: Path
    env: dict[str, str]
    log: Path

    def run(self, watch: Callable[[int], bool] | None = None) -> int:
        """Run the job to its end; `watch` is called until it returns True."""
        with self.log.open("a") as output:
            output.write(f"$ {' '.join(self.words)}\n")
            output.flush()
            running = subprocess.Popen(
                self.words,
                cwd=self.folder,
                env=self.env,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            try:
                while watch and running.poll() is None and not watch(running.pid):
                    pass
                return running.wait(timeout=LONGEST)
            finally:
                if running.poll() is None:
                    os.killpg(running.pid, signal.SIGKILL)
                    running.wait()


@dataclass(kw_only=True)
class Act:
    """GitHub's files in act, on this machine; setup actions are replaced by empty ones."""

    project: Project
    log: Path
    name: str = "github"
    way: str = "github"
    sees_signals: bool = True
    count: int = field(default=0, init=False)

    def lint(self) -> None:
        """Check the files; raises CalledProcessError."""
        files = [str(each) for each in sorted(CI.glob("*.yml")) if "gitlab" not in each.name]
        lint = programs.module("actionlint")
        subprocess.run([lint, "-shellcheck=", "-pyflakes=", *files], check=True)

    def deploy(self, *, until: Callable[[int], bool] | None = None) -> int:
        """Run the jobs of a push; `until` is called with the pid until it returns True."""
        return self._run("push", "deploy.yml", until)

    def rollback(self) -> int:
        """Run the rollback job; return its exit code."""
        return self._run("workflow_dispatch", "rollback.yml", None)

    def forge(self) -> Forge:
        """Return the comments of the pull request: a person's, with the mark of the plan's."""
        person = {"id": 1, "url": "http://127.0.0.1:1/", "body": MARKED, "user": {"type": "User"}}
        return Forge({"authorization": f"Bearer {TOKEN}"}, [person], "PATCH")

    def plan(self, url: str) -> int:
        """Run the plan of the pull request; the API is at `url`."""
        change = {"head": {"ref": "change", "repo": {"full_name": REPOSITORY}}, "number": NUMBER}
        event = {"number": NUMBER, "pull_request": {**change, "base": {"ref": "main"}}}
        path = self.project.home / "event.json"
        path.write_text(json.dumps(event))
        given = ("-e", str(path), "-s", f"GITHUB_TOKEN={TOKEN}")
        api = {"GITHUB_API_URL": url, "GITHUB_REPOSITORY": REPOSITORY}
        return self._run("pull_request", "plan.yml", None, given, api)

    def _run(
        self,
        event: str,
        workflow: str,
        until: Callable[[int], bool] | None,
        given: tuple[str, ...] = (),
        more: Mapping[str, str] = NOTHING,
    ) -> int:
        self.count += 1
        home = self.project.home
        (home / ".actrc").write_text("")
        (home / "env").write_text(
            "".join(f"{key}={value}\n" for key, value in (*self._job_env().items(), *more.items()))
        )
        words = [str(programs.module("act")), event, "-W", f".github/workflows/{workflow}", *HOST]
        words += ["--env-file", str(home / "env"), "-s", "WEB_TOKEN=token", "--pull=false"]
        words += ["--no-cache-server", *given, *self._replaced(workflow)]
        env = dict(self.project.env)
        return Job(words=words, folder=self.project.folder, env=env, log=self.log).run(until)

    @property
    def mark(self) -> str:
        """The mark of the job's processes."""
        return f"{self.name}-{self.count}"

    def _job_env(self) -> dict[str, str]:
        """Return the environment of a job of the host."""
        kept = {key: value for key, value in self.project.env.items() if key.startswith(PASSED)}
        return {**kept, MARK: self.mark}

    def _replaced(self, workflow: str) -> list[str]:
        empty = self.project.home / "empty"
        empty.mkdir(exist_ok=True)
        (empty / "action.yml").write_text(EMPTY)
        text = (self.project.folder / ".github/workflows" / workflow).read_text()
        used = dict.fromkeys(re.findall(r"uses: (\S+)", text))
        words = [("--local-repository", f"{each}={empty}") for each in used]
        return [word for pair in words for word in pair if "actions/checkout" not in pair[1]]


@dataclass(kw_only=True)
class GitlabCiLocal:
    """GitLab's file in gitlab-ci-local with its shell executor."""

    project: Project
    log: Path
    name: str = "gitlab"
    way: str = "gitlab"
    sees_signals: bool = False  # 4.60 counts a job whose shell was killed as passed
    count: int = field(default=0, init=False)

    def lint(self) -> None:
        """Check the files; raises CalledProcessError."""
        self._run("--list")

    def deploy(self, *, until: Callable[[int], bool] | None = None) -> int:
        """Run the jobs of a push; `until` is called with the pid until it returns True."""
        return self._run("bake") or self._run("promote", until=until)

    def rollback(self) -> int:
        """Run the rollback job; return its exit code."""
        return self._run("rollback")

    def forge(self) -> Forge:
        """Return the notes of the merge request: GitLab's own, with the mark of the plan's."""
        system = {"id": 1, "body": f"{MARKED} changed the title", "system": True}
        return Forge({"private-token": TOKEN}, [system], "PUT")

    def plan(self, url: str) -> int:
        """Run the plan of the merge request; the API is at `url`."""
        given = {
            "CI_PIPELINE_SOURCE": "merge_request_event",
            "CI_API_V4_URL": f"{url}/api/v4",
            "CI_PROJECT_ID": "3",
            "CI_MERGE_REQUEST_IID": str(NUMBER),
            "PLAN_TOKEN": TOKEN,
        }
        variables = [word for pair in given.items() for word in ("--variable", "=".join(pair))]
        return self._run(*variables, "plan")

    @property
    def mark(self) -> str:
        """The mark of the job's processes."""
        return f"{self.name}-{self.count}"

    def _run(self, *words: str, until: Callable[[int], bool] | None = None) -> int:
        self.count += 1
        given = (f"CI_PROJECT_DIR={self.project.folder}", "AWS_TOKEN=token")
        variables = [word for each in given for word in ("--variable", each)]
        command = [str(programs.gitlab_ci_local()), "--force-shell-executor", *variables, *words]
        env = {**self.project.env, MARK: self.mark}
        return Job(words=command, folder=self.project.folder, env=env, log=self.log).run(until)
