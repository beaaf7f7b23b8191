"""The same deaths for those who deploy without this tool: the shell recipe, and Terraform alone.

`python -m tests.crash.rivals` kills each after each call of AWS that changes something, types the
same once more, and tells what came of it. Real Packer, real Terraform with its AWS provider.
"""

from __future__ import annotations

import collections
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.crash.boundaries import READS, die
from tests.e2e.conftest import REPOSITORY, new_project
from tests.e2e.deploying import Ground, a_ground
from tests.load import Load
from tests.local_cloud import eventually
from tests.pains.recipe import Recipe

MEMBERS = 2
OURS = "Boto3"
"""In the user agent of what is asked here, and so no boundary."""


@dataclass(frozen=True, kw_only=True)
class Death:
    """What became of a deploy that was killed after a call, and typed again."""

    after: str
    code: int
    seconds: float
    requests: int
    failed: int
    left: tuple[str, ...]
    reason: str


@dataclass(kw_only=True)
class Rival:
    """A way to deploy: what is typed, in which folder, to serve an image."""

    name: str
    recipe: Recipe
    typed: Callable[[str], subprocess.Popen[str]]
    bakery: Path | None = None

    def calls(self) -> list[str]:
        """Return the calls that a clean deploy makes, each with its number."""
        client = self.recipe.ground.cloud.client
        client.forget_moments()
        code, said = ended(self.typed(self.next))
        assert code == 0, said
        count: collections.Counter[str] = collections.Counter()
        found = []
        for each in client.moments()["moments"]:
            if each["kind"] != "call" or OURS in each["agent"] or each["action"].startswith(READS):
                continue
            name = f"{each['service']}.{each['action']}"
            count[name] += 1
            found.append(f"{name}#{count[name]}")
        return found

    @property
    def next(self) -> str:
        """The image of the two that does not serve."""
        ground = self.recipe.ground
        there = self.recipe.groups()
        return ground.new if self.recipe.group(ground.old) in there else ground.old

    def killed(self, after: str) -> Death:
        """Kill a deploy with all its children after a call, and type it once more."""
        action, _, number = after.partition("#")
        service, _, name = action.partition(".")
        count = self.recipe.ground.cloud.client.count
        image, before = self.next, count(service, name)
        with self.recipe.under_load() as running:
            process = self.typed(image)
            eventually(lambda: count(service, name) >= before + int(number), within=120)
            die(process.pid, alone=False)
            process.wait()
            began = time.monotonic()
            code, said = ended(self.typed(image))
            seconds = time.monotonic() - began
            time.sleep(2)
        return self.judged(after, code, said, seconds, running)

    def judged(self, after: str, code: int, said: str, seconds: float, running: Load) -> Death:
        wrong = [line for line in said.splitlines() if "Error" in line]
        return Death(
            after=after,
            code=code,
            seconds=seconds,
            requests=len(running.results),
            failed=len(running.failures),
            left=tuple(self.left()),
            reason=wrong[0].strip(" │") if wrong else "",
        )

    def left(self) -> Iterator[str]:
        """Give what is there beside one group with one launch template that serves."""
        ground, serving = self.recipe.ground, sorted(self.recipe.groups())
        known = {name for what, name in self.recipe.state() if what == "current"}
        yield from (f"group {name.rpartition('-')[2]}" for name in serving if name not in known)
        ec2 = ground.cloud.aws("ec2")
        templates = ec2.describe_launch_templates()["LaunchTemplates"]
        ours = [t for t in templates if t["LaunchTemplateName"].startswith(self.recipe.group(""))]
        yield from (f"template {t['LaunchTemplateId']}" for t in ours[len(known) :])
        yield from (f"key {key['KeyName']}" for key in ec2.describe_key_pairs()["KeyPairs"])
        groups = ec2.describe_security_groups()["SecurityGroups"]
        yield from (f"sg {g['GroupName']}" for g in groups if g["GroupName"].startswith("packer"))
        live = {"Name": "instance-state-name", "Values": ["pending", "running", "stopped"]}
        for one in ec2.describe_instances(Filters=[live])["Reservations"]:
            for each in one["Instances"]:
                tags = {tag["Key"] for tag in each.get("Tags", [])}
                if "aws:autoscaling:groupName" not in tags:
                    yield f"instance {each['InstanceId']}"

    def cleaned(self) -> None:
        """Begin anew: what was left is nobody's, and the next death is to stand for itself."""
        for name in self.recipe.groups():
            scaling = self.recipe.ground.cloud.aws("autoscaling")
            scaling.delete_auto_scaling_group(AutoScalingGroupName=name, ForceDelete=True)
        eventually(lambda: not self.recipe.groups())
        ec2 = self.recipe.ground.cloud.aws("ec2")
        for each in ec2.describe_launch_templates()["LaunchTemplates"]:
            ec2.delete_launch_template(LaunchTemplateId=each["LaunchTemplateId"])
        for key in ec2.describe_key_pairs()["KeyPairs"]:
            ec2.delete_key_pair(KeyName=key["KeyName"])
        builders = [each.split()[1] for each in self.left() if each.startswith("instance")]
        if builders:
            ec2.terminate_instances(InstanceIds=builders)
        for name in ("terraform.tfstate", ".terraform.tfstate.lock.info"):
            (self.recipe.folder / name).unlink(missing_ok=True)
        assert ended(self.typed(self.recipe.ground.old))[0] == 0


def ended(process: subprocess.Popen[str]) -> tuple[int, str]:
    out, err = process.communicate(timeout=280)
    return process.returncode, out + err


def alone(ground: Ground) -> Rival:
    """Terraform alone: a new image's id, and `terraform apply`."""
    recipe = Recipe.of(ground, "alone", "classic")
    return Rival(name="terraform apply", recipe=recipe, typed=recipe.begin)


def shell(ground: Ground) -> Rival:
    """The shell recipe: Packer, grep, cut, Terraform, as `benchmarks/recipe/deploy.sh` has it."""
    recipe = Recipe.of(ground, "shell", "classic")
    project = new_project(ground.folder / "shell-bakery", ground.cloud)
    shutil.copytree(project.folder / "packer", recipe.folder / "packer")
    script = REPOSITORY / "benchmarks/recipe/deploy.sh"
    owner = "-var=source_ami=" + ground.cloud.base_image()

    def typed(_image: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            ["sh", str(script), owner, "packer/app.pkr.hcl"],  # noqa: S607  as a user's shell finds it
            cwd=recipe.folder,
            env=recipe.env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    return Rival(name="deploy.sh", recipe=recipe, typed=typed)


def told(rival: Rival, chosen: Callable[[list[str]], list[str]]) -> None:
    """Kill a rival after each of the chosen calls, and print what came of it."""
    rival.typed(rival.next).communicate(timeout=280)
    for after in chosen(rival.calls()):
        death = rival.killed(after)
        left = ", ".join(death.left) or "nothing"
        cells: list[Any] = [rival.name, death.after, death.code, f"{death.seconds:.0f} s"]
        cells += [death.requests, death.failed, left, death.reason]
        sys.stdout.write(f"| {' | '.join(map(str, cells))} |\n")
        sys.stdout.flush()
        if death.code or death.left:
            rival.cleaned()


def main() -> int:
    """Kill both."""
    with tempfile.TemporaryDirectory() as folder, a_ground(Path(folder)) as ground:
        told(alone(ground), lambda calls: calls)
        told(shell(ground), lambda calls: [each for each in calls if "ec2." in each][::2])
    return 0


if __name__ == "__main__":
    sys.exit(main())
