"""The second half: both images behind a load balancer, by real Terraform, under traffic."""

from __future__ import annotations

import collections
import json
import sys
from typing import TYPE_CHECKING, Any

from tools.demo.shell import aws, curl, eventually, get, pipeline, say, show, terraform

if TYPE_CHECKING:
    from pathlib import Path

REQUESTS = 20
RELEASES = "releases.auto.tfvars.json"


def story(folder: Path, env: dict[str, str], first: str, second: str) -> None:
    """Put the first image into service, the second beside it, and take the first out."""
    say("what lives long: a VPC, a classic load balancer, a role (terraform/stack)")
    stack = folder / "terraform/stack"
    terraform(stack, env, "init")
    how = ["-var=name=web-staging", "-var=load_balancer=classic", "-var=nat=none"]
    terraform(stack, env, "apply", "-auto-approve", *how)
    made = {k: v["value"] for k, v in json.loads(terraform(stack, env, "output", "-json")).items()}

    say("the first release: a launch template and a group (terraform/release)")
    release = folder / "terraform/release"
    terraform(release, env, "init")
    put(release, made, {"r000001": first})
    terraform(release, env, "apply", "-auto-approve")
    groups = aws(env, "autoscaling")
    attach(groups, "web-staging-r000001", made["load_balancer_name"])
    if curl(made["url"])["version"] != "1.0.0":
        sys.exit("error: the answer is not the first image's")

    say("a second release beside it, attached by an API call, shares the traffic")
    put(release, made, {"r000001": first, "r000002": second})
    terraform(release, env, "apply", "-auto-approve")
    attach(groups, "web-staging-r000002", made["load_balancer_name"])
    versions(made["url"], {"1.0.0", "1.1.0"})

    say("the first one is detached: its members drain, then get nothing")
    detach(groups, "web-staging-r000001", made["load_balancer_name"])
    versions(made["url"], {"1.1.0"})
    if "hello from the second image" not in json.dumps(curl(made["url"])):
        sys.exit("error: the answer is not the second image's")

    say("an instance is killed by hand, and Auto Scaling replaces it")
    replaced(env, groups, "web-staging-r000002")
    say("Terraform sees none of this as a change of its own")
    terraform(release, env, "plan")
    pipeline(folder, env, "sandbox", "status")


def put(release: Path, made: dict[str, Any], images: dict[str, str]) -> None:
    """Write which releases there are to be."""
    sizes = {"min_size": 1, "max_size": 4, "desired_capacity": 2}
    of_stack = ("subnet_ids", "security_group_ids", "instance_profile")
    document = {
        "app": "web",
        "environment": "staging",
        **{name: made[name] for name in of_stack},
        "releases": {
            name: {"ami_id": image, "instance_type": "t3.micro", **sizes}
            for name, image in images.items()
        },
    }
    show(f"edit {release.name}/{RELEASES}: {', '.join(images)}")
    (release / RELEASES).write_text(json.dumps(document, indent=2))


def attach(groups: Any, group: str, balancer: str) -> None:
    """Attach a group to the load balancer and wait until every member is healthy there."""
    source = f"--traffic-sources Identifier={balancer},Type=elb"
    show(f"aws autoscaling attach-traffic-sources --auto-scaling-group-name {group} {source}")
    sources = [{"Identifier": balancer, "Type": "elb"}]
    groups.attach_traffic_sources(AutoScalingGroupName=group, TrafficSources=sources)
    eventually(f"{group} in service", lambda: states(groups, group) == ["InService"])


def detach(groups: Any, group: str, balancer: str) -> None:
    """Detach a group and wait until its members have drained."""
    show(f"aws autoscaling detach-traffic-sources --auto-scaling-group-name {group} ...")
    sources = [{"Identifier": balancer, "Type": "elb"}]
    groups.detach_traffic_sources(AutoScalingGroupName=group, TrafficSources=sources)
    eventually(f"{group} detached", lambda: states(groups, group) == [])


def states(groups: Any, group: str) -> list[str]:
    """Return the states of a group's attachments."""
    answer = groups.describe_traffic_sources(AutoScalingGroupName=group)
    return [source["State"] for source in answer["TrafficSources"]]


def versions(url: str, expected: set[str]) -> None:
    """Ask until exactly these versions answer, and show the count."""

    def asked() -> collections.Counter[str]:
        return collections.Counter(str(get(url).get("version")) for _ in range(REQUESTS))

    def shared() -> collections.Counter[str] | None:
        found = asked()
        return found if set(found) == expected else None

    show(f"for i in $(seq {REQUESTS}); do curl -s {url}; done | count versions")
    found = eventually(f"answers of {', '.join(sorted(expected))}", shared)
    print(", ".join(f"{version}: {count}" for version, count in sorted(found.items())), flush=True)


def replaced(env: dict[str, str], groups: Any, group: str) -> None:
    """Terminate a member; show what Auto Scaling did about it."""
    victim = members(groups, group)[0]
    show(f"aws ec2 terminate-instances --instance-ids {victim}")
    aws(env, "ec2").terminate_instances(InstanceIds=[victim])

    def whole() -> bool:
        now = members(groups, group)
        return victim not in now and len(now) == len(set(now)) == 2  # noqa: PLR2004  its size

    eventually(f"{victim} replaced", whole)
    activities = groups.describe_scaling_activities(AutoScalingGroupName=group)["Activities"]
    for activity in activities[:2]:
        print(f"{activity['StatusCode']}: {activity['Description']}", flush=True)


def members(groups: Any, group: str) -> list[str]:
    """Return the members that serve."""
    described = groups.describe_auto_scaling_groups(AutoScalingGroupNames=[group])
    found = described["AutoScalingGroups"][0]["Instances"]
    return [each["InstanceId"] for each in found if each["LifecycleState"] == "InService"]
