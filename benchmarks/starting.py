"""Measure what a command costs before and beside its work: start-up, memory, commands that read.

One local cloud without latencies, and the tests' stand-in for Terraform, which has no part in these
figures. Each figure is a ratio within this run: the two commands take turns.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from statistics import median
from typing import Any

from benchmarks.contenders import AmiPipeline, CommandResult
from benchmarks.deployments import create_network, progress
from benchmarks.figures import Figure, at_most, in_turn, shown, timed
from benchmarks.local_cloud import PROGRAM, REPOSITORY, command
from benchmarks.observed import TERRAFORM
from benchmarks.service import NONE, Service
from tests.standin.install import installed

PAIRS, ROLLBACKS = 11, 7
MANY = 1000
"""Members of the release whose promotion shows the peak memory."""
READS = ("Describe", "Get", "Head", "List")
AWS_CLI = "awscli==1.46.3"
"""Version 1, which PyPI has; it pins its own botocore, so it gets a virtual environment."""
CLIENTS = ("sts", "ec2", "autoscaling", "elbv2", "service-quotas")
"""The clients that a promotion to a target group makes."""
SCRIPT = (
    "import boto3, resource; "
    f"clients = [boto3.client(name, region_name='us-east-1') for name in {CLIENTS!r}]; "
    "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)"
)


def starting_figures() -> Iterator[Figure]:
    """Compare rollback, status, rebuild and a promotion to many members with other programs."""
    with create_network(NONE) as network:
        path = installed(network.cloud.folder / "stand-in", os.environ["PATH"])

        def contender(name: str, members: int, **promote: object) -> AmiPipeline:
            made = AmiPipeline(service=Service.make(network, name, members, path=path))
            made.configure(**promote)
            return made

        yield from rollback_figures(contender("rolls-back", 3, keep_previous="next"))
        yield from status_figures(contender("shows", 1, keep_previous="20h"))
        yield from rebuild_figures(contender("rebuilds", 1))
        yield from memory_figures(contender("many", MANY))


def rollback_figures(contender: AmiPipeline) -> Iterator[Figure]:
    """Time the first change of warm rollbacks, each beside an import of boto3."""
    env, seconds, imports = contender.service.env, list[float](), list[float]()
    one, other = contender.service.network.images
    require(contender.release(one))
    for number in range(ROLLBACKS + 1):  # the first one warms up
        require(contender.release(other))
        imports.append(timed(python("import boto3", env)))
        result = require(contender.command("rollback"))
        seconds.append(first_change(own_calls(contender, result)) - result.began)
        progress(f"rollback: {seconds[-1]:.2f} s, import boto3: {imports[-1]:.2f} s")
        if number == 0:
            seconds.clear()
            imports.clear()
    ratio = median(seconds) / median(imports)
    yield at_most("warm rollback: start to first change, over import boto3", ratio, "x", 2.0)
    yield shown("warm rollback: start to first change", median(seconds), "s")


def status_figures(contender: AmiPipeline) -> Iterator[Figure]:
    """Compare `status` of an environment with three groups with one call of the AWS CLI."""
    service, aws = contender.service, aws_cli()
    for number in range(3):
        require(contender.release(service.network.images[number % 2]))
    how: dict[str, Any] = {"cwd": service.folder, "env": compiling(service.env)}
    own, cli = in_turn(
        PAIRS,
        command([PROGRAM, "status", "-e", service.name], **how),
        command([aws, "autoscaling", "describe-auto-scaling-groups"], **how),
    )
    name = f"status, 3 groups, over describe-auto-scaling-groups of {AWS_CLI.replace('==', ' ')}"
    yield at_most(name, own / cli, "x", 1.0)


def rebuild_figures(contender: AmiPipeline) -> Iterator[Figure]:
    """Time a rebuild with nothing new, and count its calls."""
    service = contender.service
    words = [PROGRAM, "rebuild", "-e", service.name, "--version", "3.0.0"]
    rebuild = command(words, cwd=service.folder, env=compiling(service.env))
    rebuild()  # bakes and promotes
    service.network.cloud.client.clear_timeline()
    own, boto3 = in_turn(PAIRS, rebuild, python("import boto3", service.env))
    events = service.network.cloud.client.timeline()["events"]
    calls = sum(each["kind"] == "call" and each["key"] == service.name for each in events)
    yield at_most("rebuild with nothing new: AWS calls", calls / (PAIRS + 1), "calls", 2)
    yield at_most("rebuild with nothing new, over import boto3", own / boto3, "x", 3.0)


def memory_figures(contender: AmiPipeline) -> Iterator[Figure]:
    """Compare the peak memory of a promotion with that of a script that makes the same clients."""
    service, cloud = contender.service, contender.service.network.cloud
    image = service.network.images[0]
    cloud.client.set_quotas(vcpus=4 * MANY)
    cloud.client.set_behavior("hollow", group=contender.next_group(image))
    result = require(contender.release(image))
    script = subprocess.run(
        [sys.executable, "-c", SCRIPT], env=service.env, capture_output=True, text=True, check=True
    )
    ratio = result.memory / float(script.stdout)
    yield at_most(f"peak memory, {MANY} members, over the same clients", ratio, "x", 1.25)
    yield shown(f"peak memory, {MANY} members", result.memory, "MiB")


def require(result: CommandResult) -> CommandResult:
    """Return the result of a command; raise RuntimeError if it failed."""
    if result.code:
        raise RuntimeError(f"exit {result.code}: {result.output[-2000:]}")
    return result


def own_calls(contender: AmiPipeline, result: CommandResult) -> Iterator[Mapping[str, Any]]:
    """Yield the calls that a command made itself, in order."""
    for each in contender.service.network.cloud.client.timeline()["events"]:
        is_own = each["kind"] == "call" and each["key"] == contender.service.name
        if is_own and result.began <= each["at"] <= result.ended and TERRAFORM not in each["agent"]:
            yield each


def first_change(calls: Iterable[Mapping[str, Any]]) -> float:
    """Return when the first of these calls changed something, by the monotonic clock."""
    return float(next(each["at"] for each in calls if not each["action"].startswith(READS)))


def python(code: str, env: Mapping[str, str]) -> Callable[[], None]:
    """Return an action that runs some Python."""
    return command([sys.executable, "-c", code], env=compiling(env))


def compiling(env: Mapping[str, str]) -> dict[str, str]:
    """Return an environment in which Python keeps compiled modules, as it does by default."""
    return {key: value for key, value in env.items() if key != "PYTHONDONTWRITEBYTECODE"}


def aws_cli() -> str:
    """Return the AWS CLI of a virtual environment of its own, and install it first if needed."""
    folder = REPOSITORY / ".build" / AWS_CLI
    program = folder / "bin/aws"
    if not program.exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
        install = ["-m", "pip", "install", "-q", AWS_CLI]
        subprocess.run([folder / "bin/python", *install], check=True)
    return str(program)


if __name__ == "__main__":
    began = time.monotonic()
    for figure in starting_figures():
        print(figure)
    progress(f"took {time.monotonic() - began:.0f} s")
