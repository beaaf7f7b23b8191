"""Measure what a load balancer of the local cloud carries while real Terraform applies.

The load is open-loop: a request is sent when it is due, whatever the responses. A load balancer
that stops for a second gets that second's requests all the same. The cloud's process contains both
API and load balancer and is limited to one core. Terraform, the instances and the load use the
others.
"""

from __future__ import annotations

import base64
import collections
import gzip
import os
import subprocess
import threading
import time
from collections.abc import Iterator
from statistics import quantiles
from typing import TYPE_CHECKING, Any

import boto3

from benchmarks.figures import Figure, at_least, at_most, shown
from benchmarks.local_cloud import REPOSITORY, bench
from tools.load import load

if TYPE_CHECKING:
    from benchmarks.local_cloud import Bench

RATE = 320
SECONDS = 40
SPEED = 60
NAME = "load balancer while Terraform applies"

CONFIGURATION = """
terraform {
  required_providers {
    aws = { source = "hashicorp/aws" }
  }
}
variable "image" { type = string }
variable "number" { type = number }
resource "aws_launch_template" "applied" {
  name          = "applied-${var.number}"
  image_id      = var.image
  instance_type = "t3.micro"
}
resource "aws_autoscaling_group" "applied" {
  name                      = "applied-${var.number}"
  availability_zones        = ["us-east-1a", "us-east-1b"]
  min_size                  = 2
  max_size                  = 2
  wait_for_capacity_timeout = "0"
  launch_template {
    id      = aws_launch_template.applied.id
    version = aws_launch_template.applied.latest_version
  }
}
"""

# The sample application as a service, in less than the 16 KB of user data.
USER_DATA = """#!/bin/sh
set -eu
mkdir -p "${{ROOT:-}}/srv/web" "${{ROOT:-}}/etc/systemd/system"
echo {program} | base64 -d | gunzip > "${{ROOT:-}}/srv/web/server.py"
cat > "${{ROOT:-}}/etc/systemd/system/web.service" <<END
[Service]
Environment=INSTANCE_ADDRESS=$INSTANCE_ADDRESS PORT=8080
ExecStart=/usr/bin/env python3 /srv/web/server.py
Restart=always
END
systemctl daemon-reload
systemctl enable --now web.service
"""


def traffic_figures() -> Iterator[Figure]:
    """Send requests at a steady rate while Terraform applies and destroys repeatedly."""
    with bench(SPEED) as cloud:
        os.sched_setaffinity(cloud.pid, {0})
        url, image = service(cloud)
        applies = TerraformLoop(cloud, image)
        applies.start()
        with load(url, RATE) as under:
            time.sleep(SECONDS)
        applies.end()
    took = [result.seconds * 1000 for result in under.results]
    cuts = quantiles(took, n=100)
    answers = collections.Counter(result.status for result in under.results)
    sent = len(under.results) / SECONDS
    yield at_least(f"{NAME}: requests", sent, "1/s", 300)
    yield at_most(f"{NAME}: not answered 200", answers.total() - answers[200], "", 0)
    yield shown(f"{NAME}: p50", cuts[49], "ms")
    yield shown(f"{NAME}: p99", cuts[98], "ms")
    yield shown(f"{NAME}: applies and destroys meanwhile", applies.done, "")


def service(cloud: Bench) -> tuple[str, str]:
    """Put two instances behind a classic load balancer; return its URL and their image."""
    ec2, elb = aws(cloud, "ec2"), aws(cloud, "elb")
    named = [{"Name": "name", "Values": ["al2023-ami-2023.*"]}]
    image = ec2.describe_images(Owners=["amazon"], Filters=named)["Images"][0]["ImageId"]
    source = (REPOSITORY / "packer/provision/unit/server.py").read_bytes()
    program = base64.b64encode(gzip.compress(source)).decode()
    ids = [
        instance["InstanceId"]
        for instance in ec2.run_instances(
            ImageId=image, MinCount=2, MaxCount=2, UserData=USER_DATA.format(program=program)
        )["Instances"]
    ]
    listener = {"Protocol": "HTTP", "LoadBalancerPort": 80, "InstancePort": 8080}
    zones = ["us-east-1a", "us-east-1b"]
    made = elb.create_load_balancer(
        LoadBalancerName="web", Listeners=[listener], AvailabilityZones=zones
    )
    check = {"Target": "HTTP:8080/health", "Interval": 10, "Timeout": 5}
    thresholds = {"HealthyThreshold": 2, "UnhealthyThreshold": 5}
    elb.configure_health_check(LoadBalancerName="web", HealthCheck={**check, **thresholds})
    ec2.get_waiter("instance_running").wait(InstanceIds=ids, WaiterConfig={"Delay": 1})
    elb.register_instances_with_load_balancer(
        LoadBalancerName="web", Instances=[{"InstanceId": id_} for id_ in ids]
    )
    elb.get_waiter("instance_in_service").wait(LoadBalancerName="web", WaiterConfig={"Delay": 1})
    time.sleep(1)  # by then every node of the load balancer is updated
    return f"http://{made['DNSName']}/", str(image)


class TerraformLoop(threading.Thread):
    """Runs real Terraform, apply and destroy in turn, until `end`."""

    def __init__(self, cloud: Bench, image: str) -> None:
        super().__init__()
        self.done = 0
        self._stopped = threading.Event()
        self._folder = cloud.folder / "applied"
        self._folder.mkdir()
        (self._folder / "main.tf").write_text(CONFIGURATION)
        self._env = {**cloud.env, "TF_VAR_image": image}
        self._terraform("init")

    def run(self) -> None:
        """Apply and destroy."""
        number = 0
        while not self._stopped.is_set():
            number += 1
            for verb in ("apply", "destroy"):
                self._terraform(verb, "-auto-approve", f"-var=number={number}")
                self.done += 1

    def end(self) -> None:
        """Wait for the last command."""
        self._stopped.set()
        self.join()

    def _terraform(self, *words: str) -> None:
        subprocess.run(
            ["terraform", *words, "-input=false"],
            cwd=self._folder,
            env=self._env,
            capture_output=True,
            check=True,
        )


def aws(cloud: Bench, service: str) -> Any:
    """Return a client of a service of the local cloud."""
    make: Any = boto3.client  # its stubs know services by literal name only
    return make(
        service,
        region_name=cloud.env["AWS_REGION"],
        endpoint_url=cloud.env["AWS_ENDPOINT_URL"],
        aws_access_key_id=cloud.env["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=cloud.env["AWS_SECRET_ACCESS_KEY"],
    )


if __name__ == "__main__":
    for figure in traffic_figures():
        print(figure)
