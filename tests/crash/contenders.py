"""Kill other deployment tools at their boundaries: the shell recipe, and Terraform alone.

`make crash-contenders` kills a deploy after each mutating AWS call, repeats the same command, and
reports the result. Packer and Terraform are real. Terraform's AWS provider is its child, so that a
kill ends both. These tools have no recover command, so the fix is the same command again.
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import itertools
import json
import math
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.crash import contender_report, leftovers
from tests.crash.boundaries import READS, kill_tool
from tests.crash.contender_report import ContenderResult, KilledDeploy
from tests.crash.leftovers import Thing
from tests.e2e.project import REPOSITORY
from tests.e2e.site import LONGEST
from tests.e2e.testbed import CloudTestbed, build_testbed, terraform
from tests.known_issues.recipe import RECIPE, Recipe
from tests.running_cloud import eventually
from tools.load import Load

TOOLS, KINDS, STATES = ("terraform", "shell"), ("classic", "application"), ("local", "s3")
OWN_CALLS = "Boto3"
"""The user agent of the harness's own calls, which are no boundaries."""
PATIENCE = 120.0
"""Seconds within which a deploy reaches its boundary, or ends."""
SETTLING = 2.0
"""Seconds of load after the second command: two minutes of the cloud's time."""
POLL = 0.003
BUCKET = "contenders"
BACKEND = """
terraform {{
  backend "s3" {{
    bucket       = "{bucket}"
    key          = "{name}.tfstate"
    region       = "us-east-1"
    use_lockfile = true
  }}
}}
"""


@dataclass(kw_only=True)
class Contender:
    """A tool that deploys an image: its command and its folder."""

    tool: str
    state: str
    recipe: Recipe
    words: tuple[str, ...]

    @property
    def testbed(self) -> CloudTestbed:
        return self.recipe.testbed

    @property
    def name(self) -> str:
        return f"{self.tool}|{self.recipe.balancer.kind}|{self.state}"

    @property
    def requested_image(self) -> str:
        """Return the image that the last command was to put into service."""
        return (self.recipe.folder / "ami.auto.tfvars").read_text().split('"')[1]

    @property
    def serving(self) -> str:
        """Return the only group that exists between two runs."""
        (name,) = leftovers.live_groups(self.recipe)
        return name

    def prepare(self) -> None:
        """Change what is to be deployed; the shell recipe bakes a new image itself."""
        if self.tool == "terraform":
            old, new = self.testbed.old, self.testbed.new
            self.recipe.image(new if self.serving == self.recipe.group(old) else old)

    def start(self) -> subprocess.Popen[str]:
        """Start the command."""
        return subprocess.Popen(
            self.words,
            cwd=self.recipe.folder,
            env=self.testbed.cloud.env,  # its provider is its child, unlike the test bed's
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def boundaries(self) -> tuple[str, ...]:
        """Return the mutating calls of a clean deploy, each with its number."""
        client = self.testbed.cloud.client
        self.prepare()
        client.clear_timeline()
        code, output = finish(self.start())
        if code:
            raise RuntimeError(f"{self.name}: a clean deploy failed: {output[-3000:]}")
        count: collections.Counter[str] = collections.Counter()
        found = []
        for each in client.timeline()["events"]:
            if (
                each["kind"] != "call"
                or OWN_CALLS in each["agent"]
                or each["action"].startswith(READS)
            ):
                continue
            name = f"{each['service']}.{each['action']}"
            count[name] += 1
            found.append(f"{name}#{count[name]}")
        return tuple(found)

    def reset(self) -> None:
        """Delete all leftovers and deploy a first release, so that runs are independent of each
        other.
        """
        recipe, cloud = self.recipe, self.testbed.cloud
        for name in leftovers.live_groups(recipe):
            scaling = cloud.aws("autoscaling")
            scaling.delete_auto_scaling_group(AutoScalingGroupName=name, ForceDelete=True)
        eventually(lambda: not recipe.groups())
        for what, name in leftovers.things(recipe):
            if what == "launch template":
                cloud.aws("ec2").delete_launch_template(LaunchTemplateId=name)
        self.forget_state()
        result = recipe.deploy(self.testbed.old)
        if result.code:
            raise RuntimeError(f"{self.name}: a first release failed: {result.err[-3000:]}")

    def forget_state(self) -> None:
        """Delete Terraform's state and its lock."""
        for name in (
            "terraform.tfstate",
            "terraform.tfstate.backup",
            ".terraform.tfstate.lock.info",
        ):
            (self.recipe.folder / name).unlink(missing_ok=True)
        if self.state == "s3":
            s3 = self.testbed.cloud.aws("s3")
            prefix = f"{self.recipe.name}.tfstate"
            for each in s3.list_objects_v2(Bucket=BUCKET, Prefix=prefix).get("Contents", []):
                s3.delete_object(Bucket=BUCKET, Key=each["Key"])


@dataclass(kw_only=True)
class Trial:
    """One killed deploy of one contender, with what existed before it.

    `blue` is the group that served before; `used` collects the images that had a group.
    """

    contender: Contender
    after: str
    before: frozenset[Thing]
    blue: str
    used: set[Thing] = field(default_factory=set)

    @classmethod
    def start(cls, contender: Contender, after: str) -> Trial:
        """Note what exists, except what serves now: the deploy is to replace that."""
        blue = contender.serving
        serving = leftovers.used(contender.recipe, blue)
        images = {thing for thing in serving if thing[0] == "image"}
        before = leftovers.things(contender.recipe) - serving | images
        return cls(contender=contender, after=after, before=before, blue=blue)

    def run(self) -> KilledDeploy:
        """Kill a deploy with all its children, repeat it, and check the result."""
        self.contender.prepare()
        with self.contender.recipe.under_load() as running:
            killed, output = self.kill()
            at_kill = self.left(self.blue)
            began = time.monotonic()
            code, output = finish(self.contender.start()) if killed else (0, output)
            seconds = time.monotonic() - began
            self.settle()
        green = self.contender.recipe.group(self.contender.requested_image)
        left = self.left(self.blue if code else green)
        return KilledDeploy(
            after=self.after,
            killed=killed,
            code=code,
            fixed=code == 0 and self.matches_request(),
            seconds=seconds,
            requests=len(running.results),
            failed=len(running.failures),
            failures=kinds(running),
            at_kill=tuple(" ".join(each) for each in at_kill),
            left=tuple(" ".join(each) for each in left),
            error=contender_report.last_error(output) if code else "",
        )

    def kill(self) -> tuple[bool, str]:
        """Start a deploy and kill it once the call took effect; return whether it got there, and
        its output.
        """
        action, _, number = self.after.partition("#")
        service, _, name = action.partition(".")
        count = self.contender.testbed.cloud.client.count
        due = count(service, name) + int(number)
        process, late = self.contender.start(), time.monotonic() + PATIENCE
        while count(service, name) < due:
            if process.poll() is not None or time.monotonic() > late:
                end(process)
                return False, process.communicate()[0]
            time.sleep(POLL)
        end(process)
        return True, process.communicate()[0]

    def left(self, serving: str) -> list[Thing]:
        """Return the leftovers beside the serving group, or beside another one if that was deleted.

        Images that ever had a group do not count: earlier images stay.
        """
        recipe = self.contender.recipe
        names = leftovers.live_groups(recipe)
        self.used |= leftovers.served(recipe)
        kept = leftovers.used(recipe, serving if serving in names else next(iter(names), ""))
        return leftovers.orphans(self.before, kept | self.used, leftovers.things(recipe))

    def settle(self) -> None:
        """Wait for running operations to end."""
        with contextlib.suppress(AssertionError):
            eventually(
                lambda: not any(g.get("Status") for g in self.contender.recipe.groups().values())
            )
        time.sleep(SETTLING)

    def matches_request(self) -> bool:
        """Return True if the requested group alone serves with all its members."""
        recipe, image = self.contender.recipe, self.contender.requested_image
        members = set(recipe.in_service(image))
        alone = set(recipe.groups()) == {recipe.group(image)}
        return alone and len(members) >= recipe.members and self.registered() == members

    def registered(self) -> set[str]:
        """Return the instances that the load balancer lists."""
        return self.contender.recipe.balancer.registered(self.contender.testbed.cloud)


def kinds(running: Load) -> dict[str, int]:
    """Count the failed requests by status or error."""
    counted = collections.Counter(
        str(each.status or each.error.partition(":")[0]) for each in running.failures
    )
    return dict(counted)


def end(process: subprocess.Popen[str]) -> None:
    """Kill a command with all its children."""
    if process.poll() is None:
        kill_tool(process.pid, alone=False)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def finish(process: subprocess.Popen[str]) -> tuple[int, str]:
    """Wait for a command to end; kill it after a time limit and report a failure."""
    try:
        output, _ = process.communicate(timeout=LONGEST)
    except subprocess.TimeoutExpired:
        end(process)
        return -1, f"{process.communicate()[0]}\nError: no end within {LONGEST:.0f} s\n"
    return process.returncode, output


def create(testbed: CloudTestbed, tool: str, kind: str, state: str) -> Contender:
    """Create a contender with a first release that serves."""
    name = f"{tool[:5]}-{kind[:3]}-{state}"
    root = testbed.folder / f"{name}.tf"
    backend = BACKEND.format(bucket=BUCKET, name=name) if state == "s3" else ""
    root.write_text(RECIPE.read_text() + backend)
    recipe = Recipe.of(testbed, name, kind, root)
    terraform(recipe.folder, testbed.cloud.env, "init", "-input=false")
    words = {"terraform": apply, "shell": deploy}[tool](recipe)
    created = Contender(tool=tool, state=state, recipe=recipe, words=words)
    created.reset()
    return created


def apply(_recipe: Recipe) -> tuple[str, ...]:
    """Return the command of a deploy by Terraform alone."""
    return ("terraform", "apply", "-auto-approve", "-input=false", "-no-color")


def deploy(recipe: Recipe) -> tuple[str, ...]:
    """Return the command of the shell recipe; every bake gets a name of its own."""
    shutil.copytree(REPOSITORY / "packer", recipe.folder / "packer")
    variables = {
        "app": "web",
        "version": "1.0.0",
        "ami_name": f"{recipe.name}-{{{{timestamp}}}}",
        "region": "us-east-1",
        "source_ami": recipe.testbed.cloud.base_image(),
    }
    given = [f"-var={name}={value}" for name, value in variables.items()]
    script = REPOSITORY / "benchmarks/recipe/deploy.sh"
    return ("sh", str(script), *given, "packer/app.pkr.hcl")


def kill_everywhere(contender: Contender, only: str, late: float) -> ContenderResult:
    """Kill a contender after each of its calls, until the time is over."""
    found = contender.boundaries()
    sys.stderr.write(f"{contender.name}: {len(found)} boundaries: {', '.join(found)}\n")
    kills = []
    for after in (each for each in found if only in each):
        if time.monotonic() > late:
            break
        killed = Trial.start(contender, after).run()
        kills.append(killed)
        sys.stderr.write(f"{contender.name}{contender_report.describe(killed)}\n")
        leftovers.terminate_instances(contender.recipe, leftovers.things(contender.recipe))
        if not (killed.fixed and clean(killed)):
            contender.reset()
    kind = contender.recipe.balancer.kind
    return ContenderResult(
        tool=contender.tool, kind=kind, state=contender.state, boundaries=found, kills=tuple(kills)
    )


def clean(deploy: KilledDeploy) -> bool:
    """Return True if only what a clean deploy leaves exists."""
    return not any(each.startswith(("group", "launch template")) for each in deploy.left)


def run_all(given: argparse.Namespace) -> Iterator[ContenderResult]:
    """Run all requested contenders in one cloud."""
    late = time.monotonic() + 60 * given.minutes
    with tempfile.TemporaryDirectory() as folder, build_testbed(Path(folder)) as testbed:
        testbed.cloud.aws("s3").create_bucket(Bucket=BUCKET)
        for tool, kind, state in itertools.product(given.tool, given.kind, given.state):
            yield kill_everywhere(create(testbed, tool, kind, state), given.only, late)


def arguments(words: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.crash.contenders", description=__doc__)
    parser.add_argument(
        "--minutes", type=float, default=math.inf, help="stop after this many minutes"
    )
    parser.add_argument(
        "--only",
        metavar="TEXT",
        default="",
        help="kill only at boundaries whose names contain this",
    )
    parser.add_argument(
        "--write", metavar="FILE", help="write everything as JSON, after each contender"
    )
    for name, values in (("tool", TOOLS), ("kind", KINDS), ("state", STATES)):
        parser.add_argument(f"--{name}", action="append", choices=values)
    given = parser.parse_args(words)
    for name, values in (("tool", TOOLS), ("kind", KINDS), ("state", STATES)):
        setattr(given, name, getattr(given, name) or list(values))
    return given


def main() -> int:
    """Kill the contenders and print the results."""
    given, results = arguments(), list[ContenderResult]()
    for each in run_all(given):
        results.append(each)
        if given.write:
            found = contender_report.document(results)
            Path(given.write).write_text(json.dumps(found, indent=1) + "\n")
    sys.stdout.write(contender_report.text(results))
    return 0


if __name__ == "__main__":
    sys.exit(main())
