"""The same deaths for those who deploy without this tool: the shell recipe, and Terraform alone.

`make rivals` kills each after the effect of every call of AWS that changes something, types the
same once more, and tells what came of it. Real Packer, real Terraform with its AWS provider as
its child, so that a kill takes both. Nobody has a command that mends, so it is the same again.
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

from tests.crash import leftovers, rival_report
from tests.crash.boundaries import READS, die
from tests.crash.leftovers import Thing
from tests.crash.rival_report import Campaign, Death
from tests.e2e.conftest import REPOSITORY
from tests.e2e.deploying import LONGEST, Ground, a_ground, terraform
from tests.known_issues.recipe import USUAL, Recipe
from tests.load import Load
from tests.running_cloud import eventually

WAYS, KINDS, STATES = ("terraform", "shell"), ("classic", "application"), ("local", "s3")
OURS = "Boto3"
"""In the user agent of what is asked here, and so no boundary."""
PATIENCE = 120.0
"""Seconds within which a deploy comes to its boundary, or ends."""
SETTLING = 2.0
"""Seconds of load after the mending command: two minutes of the cloud's."""
LOOK = 0.003
BUCKET = "rivals"
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
class Rival:
    """A way to deploy: what is typed, in which folder, to serve an image."""

    way: str
    state: str
    recipe: Recipe
    words: tuple[str, ...]

    @property
    def ground(self) -> Ground:
        return self.recipe.ground

    @property
    def name(self) -> str:
        return f"{self.way}|{self.recipe.balancer.kind}|{self.state}"

    @property
    def asked(self) -> str:
        """The image that the last command was to put into service."""
        return (self.recipe.folder / "ami.auto.tfvars").read_text().split('"')[1]

    @property
    def serving(self) -> str:
        """The one group there is, between two deaths."""
        (name,) = leftovers.standing_groups(self.recipe)
        return name

    def readied(self) -> None:
        """Change what is to be deployed; the shell recipe bakes it."""
        if self.way == "terraform":
            old, new = self.ground.old, self.ground.new
            self.recipe.image(new if self.serving == self.recipe.group(old) else old)

    def typed(self) -> subprocess.Popen[str]:
        """Type it."""
        return subprocess.Popen(
            self.words,
            cwd=self.recipe.folder,
            env=self.ground.cloud.env,  # its provider is its own child, unlike the recipe's
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def boundaries(self) -> tuple[str, ...]:
        """Return the calls by which a clean deploy changes something, each with its number."""
        client = self.ground.cloud.client
        self.readied()
        client.clear_timeline()
        code, said = ended(self.typed())
        if code:
            raise RuntimeError(f"{self.name}: a clean deploy failed: {said[-3000:]}")
        count: collections.Counter[str] = collections.Counter()
        found = []
        for each in client.timeline()["events"]:
            if each["kind"] != "call" or OURS in each["agent"] or each["action"].startswith(READS):
                continue
            name = f"{each['service']}.{each['action']}"
            count[name] += 1
            found.append(f"{name}#{count[name]}")
        return tuple(found)

    def renewed(self) -> None:
        """Begin anew: what was left is nobody's, and the next death is to stand for itself."""
        recipe, cloud = self.recipe, self.ground.cloud
        for name in leftovers.standing_groups(recipe):
            scaling = cloud.aws("autoscaling")
            scaling.delete_auto_scaling_group(AutoScalingGroupName=name, ForceDelete=True)
        eventually(lambda: not recipe.groups())
        for what, name in leftovers.things(recipe):
            if what == "launch template":
                cloud.aws("ec2").delete_launch_template(LaunchTemplateId=name)
        self.forget_state()
        ran = recipe.deploy(self.ground.old)
        if ran.code:
            raise RuntimeError(f"{self.name}: a first release failed: {ran.err[-3000:]}")

    def forget_state(self) -> None:
        """Take away Terraform's state and its lock."""
        for name in (
            "terraform.tfstate",
            "terraform.tfstate.backup",
            ".terraform.tfstate.lock.info",
        ):
            (self.recipe.folder / name).unlink(missing_ok=True)
        if self.state == "s3":
            s3 = self.ground.cloud.aws("s3")
            prefix = f"{self.recipe.name}.tfstate"
            for each in s3.list_objects_v2(Bucket=BUCKET, Prefix=prefix).get("Contents", []):
                s3.delete_object(Bucket=BUCKET, Key=each["Key"])


@dataclass(kw_only=True)
class Trial:
    """One death of one rival: what there was before it, and what it came to.

    `blue` is the group that served before; `used` are the images that a group was seen with.
    """

    rival: Rival
    after: str
    before: frozenset[Thing]
    blue: str
    used: set[Thing] = field(default_factory=set)

    @classmethod
    def of(cls, rival: Rival, after: str) -> Trial:
        """Note what is there, but for what serves next: that is to go."""
        blue = rival.serving
        stands = leftovers.used(rival.recipe, blue)
        stays = {thing for thing in stands if thing[0] == "image"}
        before = leftovers.things(rival.recipe) - stands | stays
        return cls(rival=rival, after=after, before=before, blue=blue)

    def played(self) -> Death:
        """Kill a deploy with all its children, type it once more, and judge."""
        self.rival.readied()
        with self.rival.recipe.under_load() as running:
            died, said = self.killed()
            at_death = self.left(self.blue)
            began = time.monotonic()
            code, said = ended(self.rival.typed()) if died else (0, said)
            seconds = time.monotonic() - began
            self.settled()
        green = self.rival.recipe.group(self.rival.asked)
        left = self.left(self.blue if code else green)
        return Death(
            after=self.after,
            died=died,
            code=code,
            mended=code == 0 and self.as_asked(),
            seconds=seconds,
            requests=len(running.results),
            failed=len(running.failures),
            failures=kinds(running),
            at_death=tuple(" ".join(each) for each in at_death),
            left=tuple(" ".join(each) for each in left),
            error=rival_report.last_error(said) if code else "",
        )

    def killed(self) -> tuple[bool, str]:
        """Start, and kill once the call had its effect; tell whether it came to that."""
        action, _, number = self.after.partition("#")
        service, _, name = action.partition(".")
        count = self.rival.ground.cloud.client.count
        due = count(service, name) + int(number)
        process, late = self.rival.typed(), time.monotonic() + PATIENCE
        while count(service, name) < due:
            if process.poll() is not None or time.monotonic() > late:
                end(process)
                return False, process.communicate()[0]
            time.sleep(LOOK)
        end(process)
        return True, process.communicate()[0]

    def left(self, serving: str) -> list[Thing]:
        """Return what is there beside what serves: this group, or where it is gone, another.

        An image that ever had a group is none of it: the images of former releases stay.
        """
        recipe = self.rival.recipe
        names = leftovers.standing_groups(recipe)
        self.used |= leftovers.served(recipe)
        kept = leftovers.used(recipe, serving if serving in names else next(iter(names), ""))
        return leftovers.orphans(self.before, kept | self.used, leftovers.things(recipe))

    def settled(self) -> None:
        """Give what is under way the time to end."""
        with contextlib.suppress(AssertionError):
            eventually(
                lambda: not any(g.get("Status") for g in self.rival.recipe.groups().values())
            )
        time.sleep(SETTLING)

    def as_asked(self) -> bool:
        """Whether the members of the group that was asked for serve, and nobody else does."""
        recipe, image = self.rival.recipe, self.rival.asked
        members = set(recipe.standing(image))
        alone = set(recipe.groups()) == {recipe.group(image)}
        return alone and len(members) >= recipe.members and self.registered() == members

    def registered(self) -> set[str]:
        """Return the instances behind the load balancer."""
        return self.rival.recipe.balancer.registered(self.rival.ground.cloud)


def kinds(running: Load) -> dict[str, int]:
    """Count the failed requests by what the answer was."""
    counted = collections.Counter(
        str(each.status or each.error.partition(":")[0]) for each in running.failures
    )
    return dict(counted)


def end(process: subprocess.Popen[str]) -> None:
    """Kill what was typed with all that it started."""
    if process.poll() is None:
        die(process.pid, alone=False)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def ended(process: subprocess.Popen[str]) -> tuple[int, str]:
    """Wait for the end; what takes too long is killed, and failed."""
    try:
        said, _ = process.communicate(timeout=LONGEST)
    except subprocess.TimeoutExpired:
        end(process)
        return -1, f"{process.communicate()[0]}\nError: no end within {LONGEST:.0f} s\n"
    return process.returncode, said


def rival(ground: Ground, way: str, kind: str, state: str) -> Rival:
    """Set one up, with a first release that serves."""
    name = f"{way[:5]}-{kind[:3]}-{state}"
    root = ground.folder / f"{name}.tf"
    backend = BACKEND.format(bucket=BUCKET, name=name) if state == "s3" else ""
    root.write_text(USUAL.read_text() + backend)
    recipe = Recipe.of(ground, name, kind, root)
    terraform(recipe.folder, ground.cloud.env, "init", "-input=false")
    words = {"terraform": apply, "shell": deploy}[way](recipe)
    made = Rival(way=way, state=state, recipe=recipe, words=words)
    made.renewed()
    return made


def apply(_recipe: Recipe) -> tuple[str, ...]:
    """Return what is typed where Terraform alone deploys."""
    return ("terraform", "apply", "-auto-approve", "-input=false", "-no-color")


def deploy(recipe: Recipe) -> tuple[str, ...]:
    """Return what is typed where the shell recipe does: every bake has a name of its own."""
    shutil.copytree(REPOSITORY / "packer", recipe.folder / "packer")
    variables = {
        "app": "web",
        "version": "1.0.0",
        "ami_name": f"{recipe.name}-{{{{timestamp}}}}",
        "region": "us-east-1",
        "source_ami": recipe.ground.cloud.base_image(),
    }
    given = [f"-var={name}={value}" for name, value in variables.items()]
    script = REPOSITORY / "benchmarks/recipe/deploy.sh"
    return ("sh", str(script), *given, "packer/app.pkr.hcl")


def campaign(rival: Rival, only: str, late: float) -> Campaign:
    """Kill one rival after each call, until it is late."""
    found = rival.boundaries()
    sys.stderr.write(f"{rival.name}: {len(found)} boundaries: {', '.join(found)}\n")
    deaths = []
    for after in (each for each in found if only in each):
        if time.monotonic() > late:
            break
        death = Trial.of(rival, after).played()
        deaths.append(death)
        sys.stderr.write(f"{rival.name}{rival_report.story(death)}\n")
        leftovers.swept(rival.recipe, leftovers.things(rival.recipe))
        if not (death.mended and clean(death)):
            rival.renewed()
    kind = rival.recipe.balancer.kind
    return Campaign(
        way=rival.way, kind=kind, state=rival.state, boundaries=found, deaths=tuple(deaths)
    )


def clean(death: Death) -> bool:
    """Whether the next death of the service finds what a clean deploy would leave."""
    return not any(each.startswith(("group", "launch template")) for each in death.left)


def campaigns(given: argparse.Namespace) -> Iterator[Campaign]:
    """Play all that was asked for, in one cloud."""
    late = time.monotonic() + 60 * given.minutes
    with tempfile.TemporaryDirectory() as folder, a_ground(Path(folder)) as ground:
        ground.cloud.aws("s3").create_bucket(Bucket=BUCKET)
        for way, kind, state in itertools.product(given.way, given.kind, given.state):
            yield campaign(rival(ground, way, kind, state), given.only, late)


def arguments(words: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.crash.rivals", description=__doc__)
    parser.add_argument("--minutes", type=float, default=math.inf, help="no longer than this")
    parser.add_argument("--only", metavar="TEXT", default="", help="boundaries that hold this")
    parser.add_argument("--write", metavar="FILE", help="everything as JSON, after each campaign")
    for name, values in (("way", WAYS), ("kind", KINDS), ("state", STATES)):
        parser.add_argument(f"--{name}", action="append", choices=values)
    given = parser.parse_args(words)
    for name, values in (("way", WAYS), ("kind", KINDS), ("state", STATES)):
        setattr(given, name, getattr(given, name) or list(values))
    return given


def main() -> int:
    """Kill them, and tell."""
    given, played = arguments(), list[Campaign]()
    for each in campaigns(given):
        played.append(each)
        if given.write:
            found = rival_report.document(played)
            Path(given.write).write_text(json.dumps(found, indent=1) + "\n")
    sys.stdout.write(rival_report.text(played))
    return 0


if __name__ == "__main__":
    sys.exit(main())
