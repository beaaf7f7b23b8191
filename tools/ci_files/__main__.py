"""`make ci-files`: bake, promote, a cancelled promotion, and the rollback job that repairs it.

The files of docs/ci run unchanged, in act and in gitlab-ci-local, on a local cloud. `make test`
leaves it out: the runners come from their registries, and a run takes minutes.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pipeline.core.deploy.phases import promotion
from tests.adapters.notify.receivers import receiving
from tools.ci_files.programs import FOLDER
from tools.ci_files.project import SPEED, Project, new_project
from tools.ci_files.runners import Act, GitlabCiLocal
from tools.ci_files.signals import WAYS
from tools.demo.project import copy_project
from tools.demo.shell import Shell

PHASES = tuple(phase.name for phase in promotion("blue", "green"))
EVERY = "every"
RUNNERS = {"github": Act, "gitlab": GitlabCiLocal}


class CiFilesError(Exception):
    """A job did not end as expected."""


@dataclass(kw_only=True)
class Trial:
    """One CI system: its files, run from the first push to the last rollback."""

    runner: Act | GitlabCiLocal
    project: Project
    way: str
    major: int = 0

    def run(self, phases: tuple[str, ...]) -> None:
        """Run everything; raise CiFilesError at the first job that does not end as expected."""
        self.runner.lint()
        self.say("the files are valid")
        self.push()
        self.require(self.runner.deploy() == 0, "the first push deploys")
        self.plan()
        for phase in phases:
            self.cancel(phase)

    def push(self) -> None:
        """Commit and tag the next version."""
        self.major += 1
        self.project.commit(f"{self.major}.0.0")

    def plan(self) -> None:
        """Run the plan of a pull request before and after a change: it has one comment."""
        forge, settings = self.runner.forge(), self.project.folder / "pipeline.toml"
        first, text = dict(forge.comments[0]), settings.read_text()
        plans: list[str] = []
        with receiving(forge) as forge.server:
            for each in (text, text.replace("max_size = 4", "max_size = 5")):
                settings.write_text(each)
                self.require(self.runner.plan(forge.server.url) == 0, "a pull request is planned")
                self.require(len(forge.comments) == 2, "it has one comment of the plan")  # noqa: PLR2004
                plans.append(forge.comments[1]["body"])
        settings.write_text(text)
        was, now = plans
        self.require(was != now and "max_size" in now, "the second plan updates it")
        self.require("The plan failed" not in f"{was}{now}", "it has the text of the plan")
        self.require(forge.comments[0] == first, "the comment of another one stays")

    def cancel(self, phase: str) -> None:
        """Cancel a promotion in a phase, and repair it with the rollback job."""
        self.push()
        before = self.project.document()["serving"]
        ended: list[str] = []

        def until(pid: int) -> bool:
            if self.project.phase != phase:
                time.sleep(0.05)
                return False
            ended.append(WAYS[self.way](pid, self.runner.mark))
            return True

        code = self.runner.deploy(until=until)
        failed = code != 0 or not self.runner.sees_signals
        self.require(bool(ended) and failed, f"a promotion is cancelled in {phase}")
        found = self.project.status()
        flight = found["in_flight"]
        left = f"in flight, phase {flight['phase']}" if flight else "nothing in flight"
        self.say(f"ended by {ended[0]}; {found['serving']} is recorded as serving; {left}")
        self.await_lease()
        self.require(self.runner.rollback() == 0, "the rollback job repairs it")
        after = self.project.status()
        self.require(not after["in_flight"], "nothing is in flight")
        self.require(after["serving"] is not None, f"{after['serving']} serves, before {before}")

    def await_lease(self) -> None:
        """Wait until the lease of the cancelled job has expired, as rollback.yml says."""
        lease = self.project.document().get("lease")
        if lease:
            over = datetime.fromisoformat(lease["expires"]) - datetime.now(UTC)
            left = max(over.total_seconds(), 0.0)
            self.say(f"the lease of the cancelled job expires in {left:.0f} s")
            time.sleep(left + 1)

    def require(self, is_so: object, what: str) -> None:
        """Print a step; raise CiFilesError with the end of the log if it is not so."""
        if not is_so:
            tail = self.runner.log.read_text().splitlines()[-60:]
            raise CiFilesError("\n".join([f"{self.runner.name}: not so: {what}", *tail]))
        self.say(what)

    def say(self, what: str) -> None:
        """Print a line of progress."""
        print(f"{time.strftime('%H:%M:%S')} {self.runner.name:7} {what}", flush=True)


def main() -> int:
    """Run the trials; return 1 if a job does not end as expected."""
    parser = argparse.ArgumentParser(prog="make ci-files")
    parser.add_argument("--runner", choices=RUNNERS, help="run the files of one CI system only")
    phases = [*PHASES, EVERY]
    parser.add_argument("--cancel", choices=phases, default="soak", help="cancel in this phase")
    parser.add_argument("--way", choices=WAYS, help="cancel as this CI system does, or kill")
    given = parser.parse_args()
    chosen = PHASES if given.cancel == EVERY else (given.cancel,)
    for name, make in RUNNERS.items():
        if given.runner not in {None, name}:
            continue
        log = FOLDER / f"{name}.log"
        log.unlink(missing_ok=True)
        try:
            with_cloud(
                lambda project, make=make, log=log: Trial(  # type: ignore[misc]
                    runner=(runner := make(project=project, log=log)),
                    project=project,
                    way=given.way or runner.way,
                ).run(chosen)
            )
        except CiFilesError as error:
            print(f"error: {error}\nnext: read {log}", flush=True)
            return 1
    return 0


def with_cloud(work: Callable[[Project], None]) -> None:
    """Do some work on a project on a local cloud of its own."""
    with tempfile.TemporaryDirectory(prefix="ami-pipeline-ci-") as name:
        scratch = Path(name)
        shell = Shell(folder=copy_project(scratch / "stack"), env=dict(os.environ))
        shell.env["AMI_PIPELINE_LOCAL_CLOUD_HOME"] = str(scratch / "cloud")
        shell.read(f"ami-pipeline local-cloud up --port 0 --speed {SPEED}")
        try:
            shell.load_environment("ami-pipeline --output json local-cloud env")
            work(new_project(scratch, shell))
        finally:
            shell.read("ami-pipeline local-cloud down")


if __name__ == "__main__":
    sys.exit(main())
