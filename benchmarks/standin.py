"""A stand-in for `terraform`, quick enough to decide forty times: same words, boto3 behind them.

It knows what a promotion asks of a root module of ours and nothing else: plan the map of releases
into a file, apply that file, list the state. What it makes is a template and a group for each
release, as the module does. For the samples of the decision only, which Terraform has no part in;
whole deployments are measured with the real one.
"""

from __future__ import annotations

import base64
import json
import sys
import time
from pathlib import Path
from typing import Any

STATE = Path("standin.json")
KINDS = ("aws_launch_template", "aws_autoscaling_group")


def main(words: list[str]) -> int:
    """Do a verb; return the exit code."""
    match words[0]:
        case "version":
            say({"terraform_version": "1.11.4"})
        case "plan":
            (out,) = (each.partition("=")[2] for each in words if each.startswith("-out="))
            plan(Path(out))
        case "apply":
            (file,) = (each for each in words[1:] if not each.startswith("-"))
            apply(Path(file))
        case "state":
            print("\n".join(address(kind, name) for name in state() for kind in KINDS))
    return 0


def plan(out: Path) -> None:
    """Write what is wanted; say what would change."""
    wanted = read(Path("releases.auto.tfvars.json"))["releases"]
    inputs = read(Path("inputs.auto.tfvars.json"))["inputs"]
    made = state()
    for name in made:
        for kind in KINDS:
            say({"type": "refresh_start", "hook": {"resource": resource(kind, name)}})
    added, removed = sorted(wanted.keys() - made), sorted(made.keys() - wanted.keys())
    for action, names in (("create", added), ("delete", removed)):
        for name in names:
            for kind in KINDS:
                change = {"resource": resource(kind, name), "action": action}
                say({"type": "planned_change", "change": change})
    counts = {"add": 2 * len(added), "change": 0, "remove": 2 * len(removed)}
    say({"type": "change_summary", "changes": {**counts, "operation": "plan"}})
    given = {"add": {name: wanted[name] for name in added}, "remove": removed, "inputs": inputs}
    out.write_text(json.dumps(given))


def apply(file: Path) -> None:
    """Make and delete groups and templates, and wait until the deleted are gone."""
    import boto3  # noqa: PLC0415  a plan needs none of it

    make: Any = boto3.client  # its stubs know services by literal name only
    asg, ec2 = make("autoscaling"), make("ec2")
    given, made = read(file), state()
    main_file = read(Path("main.tf.json"))["module"]["release"]
    prefix = f"{main_file['app']}-{main_file['environment']}"
    for name, release in given["add"].items():
        create(ec2, asg, f"{prefix}-{name}", release, given["inputs"])
        made[name] = f"{prefix}-{name}"
    for name in given["remove"]:
        group = made.pop(name)
        asg.delete_auto_scaling_group(AutoScalingGroupName=group, ForceDelete=True)
        while asg.describe_auto_scaling_groups(AutoScalingGroupNames=[group])["AutoScalingGroups"]:
            time.sleep(0.5)
        ec2.delete_launch_template(LaunchTemplateName=group)
    STATE.write_text(json.dumps(made))


def create(ec2: Any, asg: Any, name: str, release: dict[str, Any], inputs: dict[str, Any]) -> None:
    """Make a launch template and a group."""
    ec2.create_launch_template(
        LaunchTemplateName=name,
        LaunchTemplateData={
            "ImageId": release["ami_id"],
            "InstanceType": release["instance_type"],
            "SecurityGroupIds": inputs["security_group_ids"],
            "UserData": base64.b64encode(b"#!/bin/sh\n").decode(),
        },
    )
    asg.create_auto_scaling_group(
        AutoScalingGroupName=name,
        LaunchTemplate={"LaunchTemplateName": name, "Version": "1"},
        MinSize=release["min_size"],
        MaxSize=release["max_size"],
        DesiredCapacity=release["desired_capacity"],
        VPCZoneIdentifier=",".join(inputs["subnet_ids"]),
        HealthCheckType="ELB",
        HealthCheckGracePeriod=inputs["health_check_grace_period"],
    )


def resource(kind: str, name: str) -> dict[str, str]:
    """Return a resource as the machine-readable output names it."""
    return {"addr": address(kind, name), "resource_type": kind, "resource_key": name}


def address(kind: str, name: str) -> str:
    """Return the address of a resource of the module that ships."""
    return f'module.release.{kind}.this["{name}"]'


def state() -> dict[str, str]:
    """Return the group of each release that was made."""
    return read(STATE) if STATE.exists() else {}


def read(path: Path) -> dict[str, Any]:
    """Return a document."""
    document: dict[str, Any] = json.loads(path.read_text())
    return document


def say(event: dict[str, Any]) -> None:
    """Print an event."""
    print(json.dumps(event), flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
