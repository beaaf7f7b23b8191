"""One environment on a local cloud, and commands that run with the policies of roles.

The configuration has every part that adds permissions and that the local cloud judges: both kinds
of load balancer, the store and Terraform's state in S3, an instance profile, lifecycle hooks with
a role, scaling policies, schedules, alarms, and a hook.
"""

from __future__ import annotations

import contextlib
import itertools
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests import running_cloud
from tests.crash import stores
from tests.crash.command_runner import CommandRunner, CompletedCommand, RunningCommand
from tests.e2e.images import mark_baked
from tests.e2e.project import new_project
from tests.e2e.site import Balancer, Site
from tests.e2e.testbed import CloudTestbed, baked, build_network
from tests.standin.install import installed

if TYPE_CHECKING:
    from tests.running_cloud import Cloud

ACCOUNT = "123456789012"
ENVIRONMENT = "staging"
SPEED = 240
ADOPTED = "by-hand"
"""A group of nobody's release, without instances, with a launch configuration."""
TOPIC = f"arn:aws:sns:us-east-1:{ACCOUNT}:hooks"
AGENT = ["ssm:UpdateInstanceInformation", "ssmmessages:*", "ec2messages:*"]
"""What the SSM agent of an instance calls (AmazonSSMManagedInstanceCore)."""
HOOKS = f"arn:aws:iam::{ACCOUNT}:role/hooks"
POLICIES = f"""
[environments.{ENVIRONMENT}.terraform.inputs.scaling_policies.cpu]
metric = "cpu"
target = 50
"""
INPUTS = f"""{POLICIES}
[environments.{ENVIRONMENT}.terraform.inputs.schedules.night]
recurrence = "0 3 * * *"
min_size = 1
[[environments.{ENVIRONMENT}.terraform.inputs.lifecycle_hooks]]
name = "warm"
transition = "terminating"
heartbeat_timeout = 30
default_result = "CONTINUE"
notification_target_arn = "{TOPIC}"
role_arn = "{HOOKS}"
"""
Policy = dict[str, Any]


@dataclass(kw_only=True)
class World:
    """An environment, and its commands with the keys of roles."""

    site: Site
    runner: CommandRunner
    inputs: str
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    @property
    def cloud(self) -> Cloud:
        """The local cloud."""
        return self.site.testbed.cloud

    def policy(self, *roles: str) -> Policy:
        """Return the policy that the command prints for a role; for none, that of a rebuild."""
        words = ("permissions", *roles, *(() if roles == ("bake",) else ("-e", ENVIRONMENT)))
        done = self.run(words)
        assert done.code == 0, done.err
        printed: Policy = json.loads(done.out)
        return printed

    def keys(self, name: str, policy: Policy) -> dict[str, str]:
        """Return the environment variables of a new role with this policy."""
        role = f"{name}-{next(self._numbers)}"
        self.cloud.client.set_role(role, policy)
        made = self.cloud.client.assume(role)
        return {
            "AWS_ACCESS_KEY_ID": made["AccessKeyId"],
            "AWS_SECRET_ACCESS_KEY": made["SecretAccessKey"],
            "AWS_SESSION_TOKEN": made["SessionToken"],
        }

    def run(self, words: Sequence[str], keys: dict[str, str] | None = None) -> CompletedCommand:
        """Run a command; without keys as the administrator."""
        return self.start(words, keys).finish()

    def start(self, words: Sequence[str], keys: dict[str, str] | None = None) -> RunningCommand:
        """Start a command."""
        project = self.site.project
        return self.runner.begin(*words, cwd=project.folder, env={**project.env, **(keys or {})})

    def everything(self) -> dict[str, Any]:
        """Return what a deployment can change: groups, templates, instances, tags, the document."""
        ec2, asg = self.cloud.aws("ec2"), self.cloud.aws("autoscaling")
        groups = asg.describe_auto_scaling_groups()["AutoScalingGroups"]
        document = self.document()
        return {
            "groups": [_settings(each) for each in groups],
            "policies": asg.describe_policies()["ScalingPolicies"],
            "templates": ec2.describe_launch_templates()["LaunchTemplates"],
            "tags": ec2.describe_tags()["Tags"],
            "document": {
                key: document.get(key) or None for key in ("serving", "releases", "deployment")
            },
        }

    def configure(self, **promote: object) -> None:
        """Write the configuration again, with other keys of [promote]."""
        configure(self.site, self.inputs, **promote)

    def with_image(self, words: tuple[str, ...]) -> tuple[str, ...]:
        """Return a promotion of an image that does not serve; other commands as they are.

        A rollback has quarantined that image.
        """
        if words[0] != "promote":
            return words
        allowed = ("--allow-quarantined",)
        words = words if allowed[0] in words else words + allowed
        serving = self.document().get("serving")
        old, new = self.site.testbed.old, self.site.testbed.new
        is_old = serving and self.image_of(serving) == old
        return (*words, "--image", new if is_old else old)

    def image_of(self, release: str) -> str:
        """Return the image of a release."""
        return str(self.document()["releases"][release]["release"]["ami_id"])

    def left(self) -> dict[str, list[str]]:
        """Return what bakes left: key pairs, security groups, instances outside groups, images."""
        found = self.site.project.left_in_cloud()
        members = {
            each["InstanceId"]
            for group in self.cloud.aws("autoscaling").describe_auto_scaling_groups()[
                "AutoScalingGroups"
            ]
            for each in group["Instances"]
        }
        return {**found, "instances": [each for each in found["instances"] if each not in members]}

    def document(self) -> dict[str, Any]:
        """Return the content of the environment's document."""
        reader = stores.BucketReader(cloud=self.cloud, environment=ENVIRONMENT)
        data = reader.document()
        found: dict[str, Any] = json.loads(data)["content"] if data else {}
        return found


def _settings(group: dict[str, Any]) -> dict[str, Any]:
    """Return a group without what health checks change."""
    kept = {key: group[key] for key in group if key != "Instances"}
    return {**kept, "members": sorted(each["InstanceId"] for each in group["Instances"])}


@contextlib.contextmanager
def build_world(folder: Path, *, path: str = "", bakes: bool = False) -> Iterator[World]:
    """Build the environment, without a release.

    `path` is a PATH with the real Terraform; without it the stand-in is used, which knows neither
    hooks nor schedules. With `bakes` the images are baked and can serve.
    """
    with contextlib.ExitStack() as stack:
        speed = 60 if bakes else SPEED
        cloud = stack.enter_context(running_cloud.a_cloud(folder / "cloud", speed=speed))
        runner = CommandRunner.ready(folder / "commands")
        stack.callback(runner.close)
        made = build_network(cloud)
        prepare(cloud)
        project = new_project(folder / ENVIRONMENT, cloud)
        project.extra["PATH"] = path or installed(folder / "bin", cloud.env["PATH"])
        old, new = (
            baked(project, version) if bakes else own_image(cloud, version)
            for version in ("1.0.0", "2.0.0")
        )
        make_group(cloud, old, made["subnet_ids"])
        testbed = CloudTestbed(
            cloud=cloud, folder=folder, path=project.extra["PATH"], made=made, old=old, new=new
        )
        kinds = ("classic", "application")
        balancers = [Balancer.make(testbed, ENVIRONMENT, kind) for kind in kinds]
        site = Site(testbed=testbed, environment=ENVIRONMENT, project=project, balancers=balancers)
        world = World(site=site, runner=runner, inputs=INPUTS if path else POLICIES)
        world.configure()
        yield world


def prepare(cloud: Cloud) -> None:
    """Create what the configuration names: roles, an alarm, a bucket."""
    iam = cloud.aws("iam")
    trust = json.dumps({"Version": "2012-10-17", "Statement": []})
    for name in ("web", "hooks"):
        iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust)
    statement = {"Effect": "Allow", "Action": AGENT, "Resource": "*"}
    agent = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    iam.put_role_policy(RoleName="web", PolicyName="agent", PolicyDocument=agent)
    iam.add_role_to_instance_profile(InstanceProfileName="web", RoleName="web")
    metric = {"Namespace": "web", "MetricName": "errors", "Statistic": "Sum", "Period": 60}
    cloud.aws("cloudwatch").put_metric_alarm(
        AlarmName="web-errors",
        EvaluationPeriods=1,
        Threshold=1,
        ComparisonOperator="GreaterThanThreshold",
        **metric,
    )
    stores.create_bucket(cloud)


def make_group(cloud: Cloud, image: str, subnets: Sequence[str]) -> None:
    """Make the group that `adopt` reads."""
    scaling = cloud.aws("autoscaling")
    scaling.create_launch_configuration(
        LaunchConfigurationName=ADOPTED, ImageId=image, InstanceType="t3.micro"
    )
    scaling.create_auto_scaling_group(
        AutoScalingGroupName=ADOPTED,
        LaunchConfigurationName=ADOPTED,
        MinSize=0,
        MaxSize=0,
        VPCZoneIdentifier=",".join(subnets),
    )


def own_image(cloud: Cloud, version: str) -> str:
    """Return an image of this account that looks baked; it serves nothing."""
    ec2 = cloud.aws("ec2")
    image = ec2.copy_image(
        Name=f"web-{version}", SourceImageId=cloud.base_image(), SourceRegion="us-east-1"
    )["ImageId"]
    mark_baked(cloud, image, version)

    def available() -> bool:
        return bool(ec2.describe_images(ImageIds=[image])["Images"][0]["State"] == "available")

    running_cloud.eventually(available)
    return str(image)


def configure(site: Site, inputs: str, **promote: object) -> None:
    """Write the configuration with every part that adds permissions."""
    hooks = [
        {"at": "before-traffic", "command": ["true"], "timeout": "10s"},
        {"at": "before-traffic", "command": ["true"], "timeout": "1m", "run": "instance"},
    ]
    site.configure(alarms=["web-errors"], hooks=hooks, **promote)
    path = site.project.folder / "pipeline.toml"
    text = path.read_text()
    start = f"[environments.{ENVIRONMENT}]\n"
    text = text.replace(start, f'{start}account = "{ACCOUNT}"\n')
    reader = stores.BucketReader(cloud=site.testbed.cloud, environment=ENVIRONMENT)
    path.write_text(text + inputs + reader.configured)
