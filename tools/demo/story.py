"""The story: what is done in which order, what is said of it, and how each step is to end."""

from __future__ import annotations

import time
from contextlib import ExitStack
from dataclasses import dataclass

from tools.demo import project
from tools.demo.load import RATE, Answer, load
from tools.demo.project import appended
from tools.demo.shell import Shell, say
from tools.demo.steps import OtherwiseError, Record
from tools.demo.timeline import clock

SPEED = 20
STACK = "terraform -chdir=terraform/stack"
VARS = "-var=name=web-staging -var=nat=none"
PROMOTE = "ami-pipeline promote -e staging --yes"
PUT_BACK = 4
"""The exit code of what failed and was put back."""
IN_A_ROW = 10
"""Requests that must all be answered by the version that is to serve."""
WITHIN = 60.0


@dataclass(frozen=True, kw_only=True)
class Stage:
    """Where the story is told; `ended` takes what is to be done at its end."""

    shell: Shell
    record: Record
    balancer: str
    ended: ExitStack

    def command(self, name: str, command: str, code: int = 0) -> None:
        """Perform a step that is one command; raises OtherwiseError if its exit code differs."""
        with self.record.step(name) as step:
            self.require(command, self.shell.run(command), code)
            step.outcome = f"exit {code}"

    def release(self, name: str, command: str, serves: str, code: int = 0) -> None:
        """Perform a step that changes who serves, or must not: then only `serves` answers.

        Where it must not, nobody else may have answered in between.
        """
        with self.record.step(name) as step:
            self.require(command, self.shell.run(command), code)
            self.require_serving(serves)
            answers = [each for each in self.record.during(step) if each.version]
            others = [each.at for each in answers if each.version != serves]
            if others and code:
                raise OtherwiseError(f"not only {serves} answered meanwhile")
            after = f" after {max(others) - step.began:.0f} s" if others else ""
            step.outcome = f"exit {code}, {serves} serves{after}"

    def bake(self, version: str, change: str = "") -> None:
        """Change the application and bake a version of it."""
        if change:
            self.edit(change)
        self.command(f"bake {version}", f"ami-pipeline bake --version {version}")

    def edit(self, command: str) -> None:
        """Change a file of the project."""
        self.require(command, self.shell.run(command), 0)

    def require(self, command: str, found: int, told: int) -> None:
        """Raise OtherwiseError if a command ended otherwise than told."""
        if found != told:
            first = command.partition("\n")[0]
            raise OtherwiseError(f"{first}: exit code {found}, and {told} was told")

    def require_serving(self, version: str) -> None:
        """Raise OtherwiseError unless from now on only one version answers."""
        running, now = self.record.load, time.monotonic()
        if running is None:
            raise OtherwiseError("nobody asks yet who serves")
        while len(answers := running.since(now)) < IN_A_ROW:
            if time.monotonic() > now + WITHIN:
                raise OtherwiseError(f"no {IN_A_ROW} answers within {WITHIN:g} s")
            time.sleep(1 / RATE)
        found = {answer.version or answer.error for answer in answers}
        if found != {version}:
            raise OtherwiseError(f"{', '.join(sorted(found))} answers, and {version} was told")

    def lost(self, answer: Answer) -> None:
        """Tell of a request that failed, at once."""
        at = clock(answer.at - self.record.began)
        print(f"\rLOST: the request of {at} came to {answer.error}", flush=True)


def tell(stage: Stage) -> None:
    """Tell it; raises OtherwiseError at the first step that does not end as told."""
    cloud(stage)
    stack(stage)
    first_release(stage)
    second_release(stage)
    never_healthy(stage)
    faulty(stage)
    back(stage)
    look(stage)


def cloud(stage: Stage) -> None:
    """Start a local cloud of this demo's own, which ends with it."""
    shell = stage.shell
    shell.env["AMI_PIPELINE_LOCAL_CLOUD_HOME"] = str(shell.folder.parent / "cloud")
    minute = f"It runs {SPEED} times as fast: what it calls a minute takes {60 / SPEED:g} seconds."
    say(f"A local cloud: AWS on loopback, whose instances are processes. {minute}")
    stage.ended.callback(end, stage)
    stage.command("cloud up", f"ami-pipeline local-cloud up --port 0 --speed {SPEED}")
    print('$ eval "$(ami-pipeline local-cloud env)"')
    shell.point_at("ami-pipeline --output json local-cloud env")


def end(stage: Stage) -> None:
    """Take the local cloud down."""
    say("The local cloud ends, with all that is in it.")
    stage.shell.run("ami-pipeline local-cloud down")


def stack(stage: Stage) -> None:
    """Make what lives long, and tell the pipeline of it."""
    kind = {"classic": "classic", "alb": "application"}[stage.balancer]
    waits = " The provider waits a minute for one." if stage.balancer == "alb" else ""
    say(f"What lives long, by Terraform: a network, a role, the {kind} load balancer.{waits}")
    with stage.record.step(f"stack, {kind} load balancer") as step:
        apply = f"{STACK} apply -auto-approve {VARS} -var=load_balancer={kind}"
        for command in (f"{STACK} init", apply):
            only = ("Terraform has been", "aws_lb.", "aws_elb.", "Apply complete", "url =")
            stage.require(command, stage.shell.run(command, only=only), 0)
        step.outcome = "applied"
    say("What the stack prints goes into pipeline.toml, with the sizes and how careful to be.")
    stage.edit(appended("smoke.py", project.SMOKE))
    printed = stage.shell.read(f"{STACK} output -raw pipeline_toml")
    stage.edit(appended("pipeline.toml", project.environment(printed)))


def first_release(stage: Stage) -> None:
    """Put the first version into service, and traffic on it."""
    say("The first version: baked by real Packer over real SSH, put into service by Terraform.")
    stage.bake("1.0.0")
    stage.command("promote 1.0.0", PROMOTE)
    url = stage.shell.read(f"{STACK} output -raw url").strip()
    say(f"From here on {RATE:g} requests a second go to {url}, and each that fails is shown.")
    with stage.record.step(f"{RATE:g} requests a second") as step:
        stage.record.load = stage.ended.enter_context(load(url, stage.lost))
        stage.require_serving("1.0.0")
        step.outcome = "1.0.0 serves"


def second_release(stage: Stage) -> None:
    """Put the second version in the place of the first."""
    say("The next version, in the place of the one that serves.")
    stage.bake("2.0.0", project.GREETING)
    stage.release("promote 2.0.0", PROMOTE, "2.0.0")


def never_healthy(stage: Stage) -> None:
    """A version whose health check never passes: the load balancer finds it out."""
    say("3.0.0 answers its health check with 503: it gets no traffic, and is put back.")
    stage.bake("3.0.0", project.SICK)
    stage.release("promote 3.0.0, never healthy", PROMOTE, "2.0.0", PUT_BACK)


def faulty(stage: Stage) -> None:
    """A version whose health check is fine and whose page is not: the verify hook finds it out."""
    say("4.0.0 is healthy, but its page answers 500: the verify hook sees it in the dark.")
    stage.bake("4.0.0", project.FAULTY)
    stage.release("promote 4.0.0, answers 500", PROMOTE, "2.0.0", PUT_BACK)


def back(stage: Stage) -> None:
    """Go back to the first version, whose group is still there."""
    say("Somebody wants 1.0.0 back. Its group is still warm, so its traffic is back in seconds.")
    stage.release("rollback", "ami-pipeline rollback -e staging --yes", "1.0.0")


def look(stage: Stage) -> None:
    """Look at what came of it."""
    say("What serves, and what was done.")
    stage.command("status", "ami-pipeline status -e staging")
    stage.command("history", "ami-pipeline history -e staging")
