"""The steps of the demo in order, with their explanations and expected outcomes."""

from __future__ import annotations

import json
import shlex
import time
from contextlib import ExitStack
from dataclasses import dataclass

from tools.demo import project
from tools.demo.project import append_command
from tools.demo.shell import Shell, say
from tools.demo.steps import DemoError, Record
from tools.demo.timeline import clock
from tools.load import Result, load

SPEED = 20
INITIALIZED = ("Terraform has been", "OpenTofu has been")
SHOWN = (*INITIALIZED, "aws_lb.", "aws_elb.", "Apply complete", "url =")
"""What is shown of Terraform's output: the lines that begin with these words."""
VARS = "-var=name=web-staging -var=nat=none"
PROMOTE = "ami-pipeline promote -e staging --yes"
ROLLED_BACK = 4
"""The exit code of a failed promotion that was rolled back."""
UNHEALTHY = "3.0.0"
"""The version that is never healthy."""
REPORT = project.REPOSITORY / ".build/demo-report.html"
"""Where the demo leaves a report: its own folder is deleted."""
RATE = 30.0
"""Requests per second."""
CONSECUTIVE = 10
"""Consecutive requests that the expected version must answer."""
WITHIN = 60.0


@dataclass(frozen=True, kw_only=True)
class Demo:
    """The state of a running demo; `ended` collects what to do at its end.

    `terraform` is the command of Terraform or OpenTofu, as a person types it.
    """

    shell: Shell
    record: Record
    balancer: str
    ended: ExitStack
    terraform: str = "terraform"

    @property
    def stack(self) -> str:
        """Return the beginning of each command about the long-lived resources."""
        return f"{self.terraform} -chdir=terraform/stack"

    def command(self, name: str, command: str, code: int = 0) -> None:
        """Run a step that is one command; raise DemoError if its exit code differs."""
        with self.record.step(name) as step:
            self.require(command, self.shell.run(command), code)
            step.outcome = f"exit {code}"

    def release(self, name: str, command: str, serves: str, code: int = 0) -> None:
        """Run a step after which only `serves` answers; raise DemoError otherwise.

        If the command is to fail, no other version may answer during the step either.
        """
        with self.record.step(name) as step:
            self.require(command, self.shell.run(command), code)
            self.require_serving(serves)
            answers = [each for each in self.record.during(step) if each.version]
            others = [each.at for each in answers if each.version != serves]
            if others and code:
                raise DemoError(f"not only {serves} answered during the step")
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

    def require(self, command: str, code: int, expected: int) -> None:
        """Raise DemoError if a command's exit code is not the expected one."""
        if code != expected:
            first = command.partition("\n")[0]
            raise DemoError(f"{first}: exit code {code}, expected {expected}")

    def require_serving(self, version: str) -> None:
        """Raise DemoError unless only this version answers from now on."""
        running, now = self.record.load, time.monotonic()
        if running is None:
            raise DemoError("no requests are sent yet")
        while len(answers := running.since(now)) < CONSECUTIVE:
            if time.monotonic() > now + WITHIN:
                raise DemoError(f"no {CONSECUTIVE} responses within {WITHIN:g} s")
            time.sleep(1 / RATE)
        found = {answer.version or answer.error for answer in answers}
        if found != {version}:
            raise DemoError(f"{', '.join(sorted(found))} answers, expected {version}")

    def report_failure(self, result: Result) -> None:
        """Print a failed request at once."""
        at = clock(result.at - self.record.began)
        print(f"\rFAILED: the request at {at}: {result.error}", flush=True)


def run(demo: Demo) -> None:
    """Run the demo; raise DemoError at the first step that does not end as expected."""
    cloud(demo)
    stack(demo)
    first_release(demo)
    second_release(demo)
    unhealthy_release(demo)
    faulty_release(demo)
    roll_back(demo)
    show_result(demo)
    write_report(demo)


def cloud(demo: Demo) -> None:
    """Start a local cloud of the demo's own."""
    shell = demo.shell
    shell.env["AMI_PIPELINE_LOCAL_CLOUD_HOME"] = str(shell.folder.parent / "cloud")
    minute = f"It is {SPEED} times as fast as AWS: its minute takes {60 / SPEED:g} seconds."
    say(f"Start a local cloud: AWS on loopback, whose instances are processes. {minute}")
    demo.ended.callback(end, demo)
    demo.command("cloud up", f"ami-pipeline local-cloud up --port 0 --speed {SPEED}")
    print('$ eval "$(ami-pipeline local-cloud env)"')
    shell.load_environment("ami-pipeline --output json local-cloud env")


def end(demo: Demo) -> None:
    """Stop the local cloud."""
    say("Delete the local cloud with everything in it.")
    demo.shell.run("ami-pipeline local-cloud down")


def stack(demo: Demo) -> None:
    """Create the long-lived resources, and configure the pipeline with their output."""
    kind = {"classic": "classic", "alb": "application"}[demo.balancer]
    waits = " The provider waits a minute for it." if demo.balancer == "alb" else ""
    say(f"Create the long-lived resources: network, role and {kind} load balancer.{waits}")
    with demo.record.step(f"stack, {kind} load balancer") as step:
        apply = f"{demo.stack} apply -auto-approve {VARS} -var=load_balancer={kind}"
        for command in (f"{demo.stack} init", apply):
            demo.require(command, demo.shell.run(command, only=SHOWN), 0)
        step.outcome = "applied"
    say("Add the stack's output to pipeline.toml, with sizes, a hook, a probe and a deadline.")
    demo.edit(append_command("smoke.py", project.SMOKE))
    printed = demo.shell.read(f"{demo.stack} output -raw pipeline_toml")
    url = demo.shell.read(f"{demo.stack} output -raw url").strip()
    demo.edit(append_command("pipeline.toml", project.environment(printed, url)))


def first_release(demo: Demo) -> None:
    """Promote the first version, and start the traffic."""
    say("Bake the first version with real Packer over SSH, and promote it with real Terraform.")
    demo.bake("1.0.0")
    demo.command("promote 1.0.0", PROMOTE)
    url = demo.shell.read(f"{demo.stack} output -raw url").strip()
    say(f"From here on {RATE:g} requests per second go to {url}, and each failure is shown.")
    with demo.record.step(f"{RATE:g} requests per second") as step:
        demo.record.load = demo.ended.enter_context(
            load(url, RATE, versions=True, on_failure=demo.report_failure)
        )
        demo.require_serving("1.0.0")
        step.outcome = "1.0.0 serves"


def second_release(demo: Demo) -> None:
    """Promote a second version."""
    say("Replace it with the next version.")
    demo.bake("2.0.0", project.GREETING)
    demo.release("promote 2.0.0", PROMOTE, "2.0.0")


def unhealthy_release(demo: Demo) -> None:
    """Promote a version whose health check never passes: the load balancer detects it."""
    say("3.0.0 answers its health check with 503. It gets no traffic and is rolled back.")
    demo.bake(UNHEALTHY, project.UNHEALTHY)
    demo.release("promote 3.0.0, never healthy", PROMOTE, "2.0.0", ROLLED_BACK)


def faulty_release(demo: Demo) -> None:
    """Promote a version with a good health check and a bad page: a hook detects it."""
    say("4.0.0 is healthy, but its page answers 500. The hook fails while it is detached.")
    demo.bake("4.0.0", project.FAULTY)
    demo.release("promote 4.0.0, answers 500", PROMOTE, "2.0.0", ROLLED_BACK)


def roll_back(demo: Demo) -> None:
    """Roll back to the first version, whose group still exists."""
    say("Roll back to 1.0.0. Its group is still warm, so this takes seconds.")
    demo.release("rollback", "ami-pipeline rollback -e staging --yes", "1.0.0")


def show_result(demo: Demo) -> None:
    """Show the status and the history."""
    say("Show what serves, and the deployments.")
    demo.command("status", "ami-pipeline status -e staging")
    demo.command("history", "ami-pipeline history -e staging")


def write_report(demo: Demo) -> None:
    """Write the report of the release that was never healthy to a file that stays."""
    printed = demo.shell.read("ami-pipeline --output json history -e staging")
    failed = next(
        each["id"] for each in json.loads(printed)["deployments"] if each["version"] == UNHEALTHY
    )
    say(f"Write the report of {UNHEALTHY}: what failed, why, and what users noticed.")
    demo.command("report", f"ami-pipeline report {failed} --html {shlex.quote(str(REPORT))}")
