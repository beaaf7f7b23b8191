"""An environment of the end-to-end tests, its load balancers, and what can be read of it.

`Site` runs the real tool on a test bed (`tests.e2e.testbed`). Use it for tests of whole
deployments.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.e2e.pairs import Pair, make_pair
from tests.e2e.project import REPOSITORY, CommandResult, Project, wait_for
from tests.running_cloud import eventually
from tools.load import Load, load

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.e2e.testbed import CloudTestbed
    from tests.running_cloud import Cloud

LONGEST = 280.0
"""Seconds for one command; a test has more."""
RATE = 20.0
"""Requests per second to each load balancer of a site."""
PATH = {"Field": "path-pattern", "PathPatternConfig": {"Values": ["/", "/serving"]}}
REFUSE = {"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "404"}}
HOST = {"Field": "host-header", "HostHeaderConfig": {"Values": ["127.*"]}}
CHECK = {"HealthCheckPath": "/health", "HealthCheckIntervalSeconds": 10}


@dataclass(frozen=True, kw_only=True)
class EnvironmentState:
    """What exists of an environment, by release: in AWS, in Terraform's state, in the document, in
    `status`.
    """

    groups: frozenset[str]
    templates: frozenset[str]
    state: frozenset[str]
    document: frozenset[str]
    shown: frozenset[str]
    serving: str
    attached: frozenset[str]


@dataclass(frozen=True, kw_only=True)
class Balancer:
    """A load balancer: its name in the configuration, and its URL."""

    kind: str
    name: str
    url: str
    arn: str = ""
    pair: Pair | None = None

    def registered(self, cloud: Cloud) -> set[str]:
        """Return the instances that are registered, including those that drain."""
        if self.kind == "classic":
            answer = cloud.aws("elb").describe_instance_health(LoadBalancerName=self.name)
            return {each["InstanceId"] for each in answer["InstanceStates"]}
        groups = self.pair.groups if self.pair else (self.arn,)
        return {each for arn in groups for each in targets_of(cloud, arn)}

    def healthy(self, cloud: Cloud) -> set[str]:
        """Return the instances that pass its health checks."""
        if self.kind == "classic":
            answer = cloud.aws("elb").describe_instance_health(LoadBalancerName=self.name)
            states = answer["InstanceStates"]
            return {each["InstanceId"] for each in states if each["State"] == "InService"}
        answer = cloud.aws("elbv2").describe_target_health(TargetGroupArn=self.arn)
        states = answer["TargetHealthDescriptions"]
        return {e["Target"]["Id"] for e in states if e["TargetHealth"]["State"] == "healthy"}

    @staticmethod
    def make(testbed: CloudTestbed, environment: str, kind: str) -> Balancer:
        """Create a load balancer through the API, or return the stack's: the provider needs a
        minute for an ALB.
        """
        name = f"web-{environment}"
        if kind == "stack":
            return Balancer(
                kind="classic",
                name=testbed.made["load_balancer_name"],
                url=testbed.made["url"],
            )
        if kind == "classic":
            return _classic(testbed, name)
        if kind.startswith("pair"):
            name += kind.removeprefix("pair")[:2]
            url, pair = make_pair(testbed, name, kind)
            return Balancer(kind=kind, name=name, url=url, pair=pair)
        return _modern(testbed, name, kind)


def targets_of(cloud: Cloud, group: str) -> set[str]:
    """Return the instances that are registered in a target group, draining ones too."""
    answer = cloud.aws("elbv2").describe_target_health(TargetGroupArn=group)
    return {each["Target"]["Id"] for each in answer["TargetHealthDescriptions"]}


def _classic(testbed: CloudTestbed, name: str) -> Balancer:
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


def _modern(testbed: CloudTestbed, name: str, kind: str) -> Balancer:
    """Create a target group behind an application load balancer, a rule of one, or an NLB."""
    elbv2, is_network = testbed.cloud.aws("elbv2"), kind == "network"
    name += "" if kind == "application" else f"-{kind}"
    vpc, subnets = testbed.made["vpc_id"], testbed.made["public_subnet_ids"]
    made = elbv2.create_load_balancer(
        Name=name, Subnets=subnets, Type="network" if is_network else "application"
    )["LoadBalancers"][0]
    arn = made["LoadBalancerArn"]
    protocol = "TCP" if is_network else "HTTP"
    check = {**CHECK, "HealthCheckProtocol": "HTTP"}
    target_group = elbv2.create_target_group(
        Name=name, Protocol=protocol, Port=8080, VpcId=vpc, UnhealthyThresholdCount=2, **check
    )["TargetGroups"][0]["TargetGroupArn"]
    delay = {"Key": "deregistration_delay.timeout_seconds", "Value": "60"}
    elbv2.modify_target_group_attributes(TargetGroupArn=target_group, Attributes=[delay])
    forward = {"Type": "forward", "TargetGroupArn": target_group}
    default = REFUSE if kind == "rule" else forward
    listener = elbv2.create_listener(
        LoadBalancerArn=arn, Protocol=protocol, Port=80, DefaultActions=[default]
    )["Listeners"][0]["ListenerArn"]
    if kind == "rule":
        wanted = [PATH, HOST]
        elbv2.create_rule(ListenerArn=listener, Priority=1, Conditions=wanted, Actions=[forward])

    def active() -> bool:
        described = elbv2.describe_load_balancers(LoadBalancerArns=[arn])["LoadBalancers"]
        return bool(described[0]["State"]["Code"] == "active")

    eventually(active)
    url = f"http://{made['DNSName']}"
    return Balancer(kind="application", name=name, url=url, arn=target_group)


@dataclass(kw_only=True)
class Site:
    """One environment: its project, its load balancers, and how to read its state.

    `shares` lets the tool start the provider once; the test beds have one running already.
    """

    testbed: CloudTestbed
    environment: str
    project: Project
    balancers: list[Balancer]
    inputs: dict[str, object] = field(default_factory=dict)
    shares: bool = False

    def configure(self, **promote: object) -> None:
        """Write the environment's tables; defaults of `promote` are short."""
        keys = {"soak": "10s", "observe": "10s", "keep_previous": "next", **promote}
        classic = [each.name for each in self.balancers if each.kind == "classic"]
        modern = [each.name for each in self.balancers if each.kind == "application"]
        pairs = [each.pair.table for each in self.balancers if each.pair]
        inputs = ("subnet_ids", "security_group_ids", "instance_profile")
        passed = {name: self.testbed.made[name] for name in inputs}
        text = (REPOSITORY / "pipeline.toml").read_text().split("[environments.staging]")[0]
        text += f"[terraform]\nshare_provider = {_toml(self.shares)}\n"
        tables = {
            "": {
                "min_size": 2,
                "max_size": 4,
                **({"load_balancers": classic} if classic else {}),
                **({"target_groups": modern} if modern else {}),
                **({"pairs": pairs} if pairs else {}),
            },
            ".promote": keys,
            # Ten seconds of real time: programs are not sped up with the cloud.
            ".terraform.inputs": {**passed, "health_check_grace_period": 600, **self.inputs},
        }
        for name, table in tables.items():
            text += f"[environments.{self.environment}{name}]\n"
            text += "".join(f"{key} = {_toml(value)}\n" for key, value in table.items())
        self.project.write(text)

    # --- running the tool -------------------------------------------------------------------------

    def run(self, verb: str, *arguments: str) -> CommandResult:
        return wait_for_exit(self.start(verb, *arguments))

    def start(self, verb: str, *arguments: str) -> subprocess.Popen[str]:
        words = (*verb.split(), "-e", self.environment, *arguments)
        return self.project.start("--output", "json", *words)

    def promote(self, *arguments: str) -> CommandResult:
        return self.run("promote", "--yes", *arguments)

    def begin(self, verb: str, until: str, *arguments: str) -> subprocess.Popen[str]:
        """Start the tool; return once its progress contains `until`."""
        process = self.start(verb, *arguments)
        wait_for(process, until)
        return process

    def status(self) -> dict[str, Any]:
        result = self.run("status")
        assert result.code == 0, result.err
        return result.document

    # --- reading the state ------------------------------------------------------------------------

    @contextlib.contextmanager
    def under_load(self, rate: float = RATE) -> Iterator[Site]:
        """Send requests to every load balancer for a block; no request may fail."""
        with self.loaded(rate) as running:
            yield self
        for each in running:
            assert each.failures[:3] == [], len(each.failures)

    @contextlib.contextmanager
    def loaded(self, rate: float = RATE) -> Iterator[list[Load]]:
        """Send requests to every load balancer for a block; yield the results."""
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
        """Return the state as AWS, Terraform's state, the document and `status` report it."""
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
        """Return leftovers beside these groups: machines, targets and files."""
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
        """Return the releases in the variables file of a `terraform plan` by hand."""
        path = self._terraform / "releases.auto.tfvars.json"
        return frozenset(json.loads(path.read_text())["releases"] if path.exists() else ())

    @property
    def _terraform(self) -> Path:
        return self.project.folder / f".ami-pipeline/terraform/web/{self.environment}"

    @property
    def path(self) -> Path:
        """Return the path of the environment's document in the store."""
        return self.project.folder / f".ami-pipeline/environments/{self.environment}.json"

    def document(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.path.read_bytes())
        return found

    @property
    def content(self) -> dict[str, Any]:
        """Return the content of the document, or an empty one before the first deployment."""
        if not self.path.exists():
            return {"serving": "", "releases": {}, "next": 1}
        found: dict[str, Any] = self.document()["content"]
        return found

    @property
    def serving(self) -> str:
        return str(self.content["serving"])

    @property
    def next_release(self) -> str:
        """Return the name that the next release gets."""
        return f"r{self.content['next']:06}"

    def image_of(self, release: str) -> str:
        return str(self.content["releases"][release]["release"]["ami_id"])

    @property
    def other_image(self) -> str:
        """Return an image of the test bed that does not serve."""
        old, new = self.testbed.old, self.testbed.new
        return new if not self.serving or self.image_of(self.serving) == old else old

    def declared_state(self) -> EnvironmentState:
        """Return the state that the document declares."""
        content = self.content
        return state_with(*content["releases"], serving=content["serving"])

    def ensure_serving(self, image: str) -> None:
        """Promote an image unless it serves already."""
        if not self.serving or self.image_of(self.serving) != image:
            result = self.promote("--image", image, "--allow-quarantined")
            assert result.code == 0, result.err

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

    def _attached(self, release: str, *, leaving: bool = True) -> list[str]:
        """Return a group's traffic sources; without `leaving` not those that drain its members."""
        answer = self.testbed.cloud.aws("autoscaling").describe_traffic_sources(
            AutoScalingGroupName=self.group(release)
        )
        found = [
            each for each in answer["TrafficSources"] if leaving or each["State"] != "Removing"
        ]
        return [each["Identifier"] for each in found]

    def _state(self) -> frozenset[str]:
        """Return the releases whose template and group are both in Terraform's state."""
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
    """Return the state in which these releases exist and one of them serves."""
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
    """Wait for the tool to exit; Terraform is slow on a loaded machine."""
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
