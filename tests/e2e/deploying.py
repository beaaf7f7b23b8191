"""What the stories of deployments stand on: a cloud, a network, two baked images, a Terraform.

With the real Terraform it takes half a minute to build; with its stand-in the network is made by
API, which is quick. Either is built once for a worker. Each story has a site of its own
on it: a project with one environment, behind a classic load balancer, an application load
balancer, or both. What a site has in AWS, in Terraform's state and in its document can be laid
beside what `status` tells.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests import provider, running_cloud
from tests.e2e.conftest import REPOSITORY, Project, CommandResult, new_project, wait_for
from tests.load import Load, load
from tests.running_cloud import eventually
from tests.standin.install import installed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.running_cloud import Cloud

SPEED = 60
LONGEST = 280.0
"""Seconds for one command, and less than the tests have."""
RATE = 20.0
"""Requests a second to each load balancer of a site."""
TAG = "ami-pipeline:verdict"
IGNORED = shutil.ignore_patterns(".terraform", "*.tfstate*", "*.auto.tfvars.json")
CHECK = {"HealthCheckPath": "/health", "HealthCheckIntervalSeconds": 10}


@dataclass(frozen=True, kw_only=True)
class EnvironmentState:
    """What an environment has, by release, as each of those who should know it tells."""

    groups: frozenset[str]
    templates: frozenset[str]
    state: frozenset[str]
    document: frozenset[str]
    shown: frozenset[str]
    serving: str
    attached: frozenset[str]


@dataclass(kw_only=True)
class Testbed:
    """One cloud for all stories; `old` and `new` are the images of two versions."""

    cloud: Cloud
    folder: Path
    path: str
    made: dict[str, Any]
    old: str
    new: str
    more: tuple[str, ...] = ()

    def site(self, environment: str, *kinds: str, **promote: object) -> Site:
        """Return an environment of its own behind these kinds of load balancer.

        `promote` are keys of its `[environments.NAME.promote]`.
        """
        project = new_project(self.folder / environment, self.cloud)
        project.extra["PATH"] = self.path
        balancers = [Balancer.make(self, environment, kind) for kind in kinds]
        site = Site(testbed=self, environment=environment, project=project, balancers=balancers)
        site.configure(**promote)
        self.restore_images()
        return site

    def restore_images(self) -> None:
        """Have the two images again and both good: another story may have baked, or gone back."""
        ec2, ours = self.cloud.aws("ec2"), [self.old, self.new]
        for image in ec2.describe_images(Owners=["self"])["Images"]:
            if image["ImageId"] not in [*ours, *self.more]:
                ec2.deregister_image(ImageId=image["ImageId"])
        ec2.create_tags(Resources=ours, Tags=[{"Key": TAG, "Value": "good"}])


@dataclass(frozen=True, kw_only=True)
class Balancer:
    """A load balancer: what the configuration calls it, and where it takes requests."""

    kind: str
    name: str
    url: str
    arn: str = ""

    def registered(self, cloud: Cloud) -> set[str]:
        """Return the instances that it sends requests to, or drains."""
        if self.kind == "classic":
            answer = cloud.aws("elb").describe_instance_health(LoadBalancerName=self.name)
            return {each["InstanceId"] for each in answer["InstanceStates"]}
        answer = cloud.aws("elbv2").describe_target_health(TargetGroupArn=self.arn)
        return {each["Target"]["Id"] for each in answer["TargetHealthDescriptions"]}

    @staticmethod
    def make(testbed: Testbed, environment: str, kind: str) -> Balancer:
        """Make one by API, or take the stack's; the provider needs a minute for an ALB."""
        name = f"web-{environment}"
        if kind == "stack":
            return Balancer(
                kind="classic",
                name=testbed.made["load_balancer_name"],
                url=testbed.made["url"],
            )
        return {"classic": _classic, "application": _application}[kind](testbed, name)


def _classic(testbed: Testbed, name: str) -> Balancer:
    elb = testbed.cloud.aws("elb")
    listener = {"Protocol": "HTTP", "LoadBalancerPort": 80, "InstancePort": 8080}
    made = elb.create_load_balancer(
        LoadBalancerName=name, Listeners=[listener], Subnets=testbed.made["public_subnet_ids"]
    )
    check = {"Target": "HTTP:8080/health", "Interval": 10, "Timeout": 5}
    elb.configure_health_check(
        LoadBalancerName=name,
        HealthCheck={**check, "UnhealthyThreshold": 2, "HealthyThreshold": 2},
    )
    draining = {"ConnectionDraining": {"Enabled": True, "Timeout": 60}}
    elb.modify_load_balancer_attributes(LoadBalancerName=name, LoadBalancerAttributes=draining)
    return Balancer(kind="classic", name=name, url=f"http://{made['DNSName']}")


def _application(testbed: Testbed, name: str) -> Balancer:
    elbv2 = testbed.cloud.aws("elbv2")
    subnets = testbed.made["public_subnet_ids"]
    made = elbv2.create_load_balancer(Name=name, Subnets=subnets)["LoadBalancers"][0]
    arn = made["LoadBalancerArn"]
    vpc = testbed.made["vpc_id"]
    target_group = elbv2.create_target_group(
        Name=name, Protocol="HTTP", Port=8080, VpcId=vpc, UnhealthyThresholdCount=2, **CHECK
    )["TargetGroups"][0]["TargetGroupArn"]
    delay = {"Key": "deregistration_delay.timeout_seconds", "Value": "60"}
    elbv2.modify_target_group_attributes(TargetGroupArn=target_group, Attributes=[delay])
    forward = {"Type": "forward", "TargetGroupArn": target_group}
    elbv2.create_listener(LoadBalancerArn=arn, Protocol="HTTP", Port=80, DefaultActions=[forward])

    def active() -> bool:
        described = elbv2.describe_load_balancers(LoadBalancerArns=[arn])["LoadBalancers"]
        return bool(described[0]["State"]["Code"] == "active")

    eventually(active)
    url = f"http://{made['DNSName']}"
    return Balancer(kind="application", name=name, url=url, arn=target_group)


@dataclass(kw_only=True)
class Site:
    """One environment: its project, its load balancers, and how to ask about it."""

    testbed: Testbed
    environment: str
    project: Project
    balancers: list[Balancer]

    def configure(self, **promote: object) -> None:
        """Write the environment's tables; what is not said of `promote` is quick."""
        keys = {"soak": "10s", "observe": "10s", "keep_previous": "next", **promote}
        classic = [each.name for each in self.balancers if each.kind == "classic"]
        modern = [each.name for each in self.balancers if each.kind == "application"]
        inputs = ("subnet_ids", "security_group_ids", "instance_profile")
        passed = {name: self.testbed.made[name] for name in inputs}
        text = (REPOSITORY / "pipeline.toml").read_text().split("[environments.staging]")[0]
        tables = {
            "": {
                "min_size": 2,
                "max_size": 4,
                **({"load_balancers": classic} if classic else {}),
                **({"target_groups": modern} if modern else {}),
            },
            ".promote": keys,
            # Ten seconds here: programs are not sped up with the cloud.
            ".terraform.inputs": {**passed, "health_check_grace_period": 600},
        }
        for name, table in tables.items():
            text += f"[environments.{self.environment}{name}]\n"
            text += "".join(f"{key} = {_toml(value)}\n" for key, value in table.items())
        self.project.write(text)

    # --- running the tool -----------------------------------------------------------------------

    def run(self, verb: str, *arguments: str) -> CommandResult:
        return wait_for_exit(self.start(verb, *arguments))

    def start(self, verb: str, *arguments: str) -> subprocess.Popen[str]:
        words = (verb, "-e", self.environment, *arguments)
        return self.project.start("--output", "json", *words)

    def promote(self, *arguments: str) -> CommandResult:
        return self.run("promote", "--yes", *arguments)

    def begin(self, verb: str, until: str, *arguments: str) -> subprocess.Popen[str]:
        """Start the tool; return once it said something."""
        process = self.start(verb, *arguments)
        wait_for(process, until)
        return process

    def status(self) -> dict[str, Any]:
        result = self.run("status")
        assert result.code == 0, result.err
        return result.document

    # --- asking the world -----------------------------------------------------------------------

    @contextlib.contextmanager
    def under_load(self, rate: float = RATE) -> Iterator[Site]:
        """Send requests to every load balancer meanwhile, none of which may fail."""
        with self.loaded(rate) as running:
            yield self
        for each in running:
            assert each.failures[:3] == [], len(each.failures)

    @contextlib.contextmanager
    def loaded(self, rate: float = RATE) -> Iterator[list[Load]]:
        """Send requests to every load balancer meanwhile, and keep what came of each."""
        with contextlib.ExitStack() as stack:
            urls = [f"{each.url}/" for each in self.balancers]
            running = [stack.enter_context(load(url, rate)) for url in urls]
            yield running
        for each in running:
            assert len(each.results) > rate / 2

    def group(self, release: str) -> str:
        return f"web-{self.environment}-{release}"

    def members(self, release: str) -> list[str]:
        found = self._groups()[release]["Instances"]
        return [each["InstanceId"] for each in found if each["LifecycleState"] == "InService"]

    def state(self) -> EnvironmentState:
        """Lay AWS, Terraform's state, the document and `status` beside each other."""
        groups, shown = self._groups(), self.status()
        document = self.document()["content"]
        assert document["deployment"] is None, document["deployment"]
        assert document["lease"] is None, document["lease"]
        assert (shown["in_flight"], shown["lease"]) == (None, None)
        assert shown["unknown_groups"] == []
        attached = {name for name in groups if self._attached(name)}
        eventually(lambda: not any(self.left(groups, attached).values()), within=10)
        assert self._made_true() == frozenset(document["releases"])
        return EnvironmentState(
            groups=frozenset(groups),
            templates=self._templates(),
            state=self._state(),
            document=frozenset(document["releases"]),
            shown=frozenset(each["release"] for each in shown["releases"] if each["group"]),
            serving=shown["serving"] or "",
            attached=frozenset(attached),
        )

    def left(self, groups: dict[str, dict[str, Any]], attached: set[str]) -> dict[str, list[str]]:
        """Return what is there beside these groups: of machines, of targets, of files."""
        cloud, folder = self.testbed.cloud, self._terraform
        members = {
            name: {each["InstanceId"] for each in group["Instances"]}
            for name, group in groups.items()
        }
        alive = {"Name": "instance-state-name", "Values": ["pending", "running", "stopped"]}
        ours = {"Name": "tag:ami-pipeline:environment", "Values": [self.environment]}
        found = cloud.aws("ec2").describe_instances(Filters=[alive, ours])["Reservations"]
        machines = {each["InstanceId"] for one in found for each in one["Instances"]}
        targets = {each for one in self.balancers for each in one.registered(cloud)}
        known = {each for name in attached for each in members[name]}
        files = [*folder.glob("*.tfplan"), *folder.glob("imports*"), *folder.glob("errored*")]
        return {
            "machines": sorted(machines - {each for one in members.values() for each in one}),
            "targets": sorted(targets - known),
            "files": [each.name for each in files],
        }

    def _made_true(self) -> frozenset[str]:
        """Return the releases that `terraform plan` by hand would be asked for; none before any."""
        path = self._terraform / "releases.auto.tfvars.json"
        return frozenset(json.loads(path.read_text())["releases"] if path.exists() else ())

    @property
    def _terraform(self) -> Path:
        return self.project.folder / f".ami-pipeline/terraform/web/{self.environment}"

    @property
    def path(self) -> Path:
        """The environment's document in the store."""
        return self.project.folder / f".ami-pipeline/environments/{self.environment}.json"

    def document(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.path.read_bytes())
        return found

    def _groups(self) -> dict[str, dict[str, Any]]:
        answer = self.testbed.cloud.aws("autoscaling").describe_auto_scaling_groups()
        found = {each["AutoScalingGroupName"]: each for each in answer["AutoScalingGroups"]}
        return {name[len(self.group("")) :]: found[name] for name in self._ours(found)}

    def _templates(self) -> frozenset[str]:
        answer = self.testbed.cloud.aws("ec2").describe_launch_templates()["LaunchTemplates"]
        found = self._ours([each["LaunchTemplateName"] for each in answer])
        return frozenset(name[len(self.group("")) :] for name in found)

    def _ours(self, names: Any) -> list[str]:
        return [name for name in names if name.startswith(self.group(""))]

    def _attached(self, release: str) -> list[str]:
        answer = self.testbed.cloud.aws("autoscaling").describe_traffic_sources(
            AutoScalingGroupName=self.group(release)
        )
        return [each["Identifier"] for each in answer["TrafficSources"]]

    def _state(self) -> frozenset[str]:
        """The releases of which Terraform's state knows both the template and the group."""
        done = subprocess.run(
            ["terraform", f"-chdir={self._terraform}", "state", "list"],  # noqa: S607  as a user's shell finds it
            env=self.project.env,
            capture_output=True,
            text=True,
            check=False,
        )
        kinds = ("aws_launch_template", "aws_autoscaling_group")
        lines = done.stdout.splitlines()
        known = [{line.split('"')[1] for line in lines if kind in line} for kind in kinds]
        assert known[0] == known[1], done.stdout
        return frozenset(known[0])


def state_with(*releases: str, serving: str) -> EnvironmentState:
    """Return the world in which these releases exist and one of them serves."""
    names = frozenset(releases)
    return EnvironmentState(
        groups=names,
        templates=names,
        state=names,
        document=names,
        shown=names,
        serving=serving,
        attached=frozenset({serving} - {""}),
    )


def wait_for_exit(process: subprocess.Popen[str]) -> CommandResult:
    """Wait for the tool: Terraform thinks for long where it has not a machine to itself."""
    out, err = process.communicate(timeout=LONGEST)
    return CommandResult(code=process.returncode, out=out, err=err)


def _toml(value: object) -> str:
    match value:
        case dict():
            return f"{{ {', '.join(f'{key} = {_toml(value[key])}' for key in value)} }}"
        case list() | tuple():
            return f"[{', '.join(_toml(each) for each in value)}]"
        case _:
            return json.dumps(value)


# --- building it --------------------------------------------------------------------------------


@contextlib.contextmanager
def build_testbed(folder: Path) -> Iterator[Testbed]:
    """Build it: the images are baked while Terraform makes the network."""
    with running_cloud.a_cloud(folder / "cloud", speed=SPEED) as cloud:
        project = new_project(folder / "bakery", cloud)
        shutil.copytree(REPOSITORY / "terraform", project.folder / "terraform", ignore=IGNORED)
        with concurrent.futures.ThreadPoolExecutor(1) as beside:
            images = beside.submit(_baked, project)
            stack = project.folder / "terraform/stack"
            terraform(stack, project.env, "init", "-input=false")
            with provider.started(stack, project.env) as attached:
                path = _on_path(folder / "bin", attached)
                made = _stack(stack, attached)
                old, new = images.result()
                yield Testbed(cloud=cloud, folder=folder, path=path, made=made, old=old, new=new)


@contextlib.contextmanager
def build_fast_testbed(
    folder: Path, speed: float = SPEED, isolation: str = "auto", images: int = 2
) -> Iterator[Testbed]:
    """Build it without Terraform: its stand-in makes the groups, and the network is by API."""
    with running_cloud.a_cloud(folder / "cloud", speed=speed, isolation=isolation) as cloud:
        path = installed(folder / "bin", cloud.env["PATH"])
        numbers = range(1, images + 1)
        bakeries = [new_project(folder / f"bakery{number}", cloud) for number in numbers]
        with concurrent.futures.ThreadPoolExecutor(images) as beside:
            # Which one is the newer matters to nobody here.
            baking = [
                beside.submit(baked, bakery, f"{number}.0.0")
                for number, bakery in enumerate(bakeries, 1)
            ]
            made = _network(cloud)
            old, new, *more = (each.result() for each in baking)
        spare = tuple(more)
        yield Testbed(
            cloud=cloud, folder=folder, path=path, made=made, old=old, new=new, more=spare
        )


def _network(cloud: Cloud) -> dict[str, Any]:
    ec2, iam = cloud.aws("ec2"), cloud.aws("iam")
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    subnets = []
    for number, zone in enumerate("ab"):
        where = {"CidrBlock": f"10.0.{number}.0/24", "AvailabilityZone": f"us-east-1{zone}"}
        subnets.append(ec2.create_subnet(VpcId=vpc, **where)["Subnet"]["SubnetId"])
    guard = ec2.create_security_group(GroupName="web", Description="web", VpcId=vpc)
    iam.create_instance_profile(InstanceProfileName="web")
    return {
        "vpc_id": vpc,
        "subnet_ids": subnets,
        "public_subnet_ids": subnets,
        "security_group_ids": [guard["GroupId"]],
        "instance_profile": "web",
    }


def _stack(folder: Path, env: dict[str, str]) -> dict[str, Any]:
    how = ["-var=name=web-stack", "-var=load_balancer=classic", "-var=nat=none"]
    terraform(folder, env, "apply", "-auto-approve", "-input=false", *how)
    output = json.loads(terraform(folder, env, "output", "-json"))
    return {name: each["value"] for name, each in output.items()}


def terraform(folder: Path, env: dict[str, str], *arguments: str) -> str:
    """Run Terraform in a folder; return what it said."""
    done = subprocess.run(
        ["terraform", *arguments],  # noqa: S607  as a user's shell finds it
        cwd=folder,
        env=env,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def _on_path(folder: Path, env: dict[str, str]) -> str:
    """Return a PATH whose Terraform uses the provider that runs: the tool passes no `TF_` on."""
    real = shutil.which("terraform")
    program = folder / "terraform"
    folder.mkdir()
    value = env[provider.ATTACHED]
    program.write_text(f"#!/bin/sh\nexport {provider.ATTACHED}='{value}'\nexec {real} \"$@\"\n")
    program.chmod(0o755)
    return f"{folder}{os.pathsep}{env['PATH']}"


def _baked(project: Project) -> tuple[str, ...]:
    """Bake two images, one after the other, so that one is the newer; return their ids."""
    return tuple(baked(project, version) for version in ("1.0.0", "2.0.0"))


def baked(project: Project, version: str) -> str:
    result = wait_for_exit(project.start("--output", "json", "bake", "--version", version))
    assert result.code == 0, result.err
    return str(result.document["ami_id"])
