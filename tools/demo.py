"""`make demo`: two bakes and a running image on the local cloud, each command shown as typed.

Works on a copy of the sample application in a temporary folder and a local cloud
of its own, so that it neither needs nor touches an AWS account, this checkout or
a local cloud that runs already.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3

REPOSITORY = Path(__file__).resolve().parent.parent
PROGRAM = str(Path(sys.executable).with_name("ami-pipeline"))
SPEED = "50"
ANSWER_WITHIN = 60.0


def say(text: str) -> None:
    """Print a line that explains what comes next."""
    print(f"\n# {text}", flush=True)


def run(folder: Path, env: dict[str, str], *arguments: str, quiet: bool = False) -> str:
    """Show a command and run it; its progress is shown, its result returned and shown."""
    print(f"$ ami-pipeline {shlex.join(arguments)}", flush=True)
    done = subprocess.run(
        [PROGRAM, *arguments], cwd=folder, env=env, stdout=subprocess.PIPE, text=True, check=False
    )
    if not quiet:
        print(done.stdout, end="", flush=True)
    if done.returncode:
        sys.exit(done.returncode)
    return done.stdout


@contextmanager
def local_cloud(folder: Path) -> Iterator[dict[str, str]]:
    """Start a local cloud of this demo's own and give the environment that leads to it."""
    env = {**os.environ, "AMI_PIPELINE_SANDBOX_HOME": str(folder / "cloud")}
    run(folder, env, "sandbox", "up", "--port", "0", "--speed", SPEED)
    try:
        exports = json.loads(run(folder, env, "--output", "json", "sandbox", "env", quiet=True))
        yield {**env, **exports}
    finally:
        say("the local cloud ends with everything in it")
        run(folder, env, "sandbox", "down")


def change_the_application(folder: Path) -> str:
    """Change a file of the application, as a developer does between two releases."""
    unit = folder / "packer/provision/app/app.service"
    greeting = "hello from the second image"
    text = unit.read_text()
    unit.write_text(text.replace("[Service]\n", f'[Service]\nEnvironment="GREETING={greeting}"\n'))
    return greeting


def launch(env: dict[str, str], image_id: str) -> str:
    """Start an instance of the image by hand, as the AWS CLI does; return its address."""
    ec2: Any = boto3.client(
        "ec2",
        region_name=env["AWS_REGION"],
        endpoint_url=env["AWS_ENDPOINT_URL"],
        aws_access_key_id=env["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=env["AWS_SECRET_ACCESS_KEY"],
    )
    print(f"$ aws ec2 run-instances --image-id {image_id} --instance-type t3.micro", flush=True)
    launched = ec2.run_instances(ImageId=image_id, InstanceType="t3.micro", MinCount=1, MaxCount=1)
    instance = launched["Instances"][0]
    print(f"{instance['InstanceId']} {instance['PrivateIpAddress']}", flush=True)
    return str(instance["PrivateIpAddress"])


def ask(url: str) -> dict[str, Any]:
    """Return what the service answers, once it does."""
    print(f"$ curl {url}", flush=True)
    deadline = time.monotonic() + ANSWER_WITHIN
    while True:
        try:
            with urllib.request.urlopen(url, timeout=2) as answer:
                body: dict[str, Any] = json.load(answer)
                return body
        except (urllib.error.URLError, OSError):
            if time.monotonic() > deadline:
                sys.exit(f"error: {url} did not answer within {ANSWER_WITHIN:g} s")
            time.sleep(0.2)


def main() -> None:
    """Tell the story."""
    with tempfile.TemporaryDirectory(prefix="ami-pipeline-demo-") as name:
        folder = Path(name)
        shutil.copytree(REPOSITORY / "packer", folder / "packer")
        shutil.copy(REPOSITORY / "pipeline.toml", folder)
        say("a local cloud: AWS on loopback, with instances that are real processes")
        with local_cloud(folder) as env:
            say("the first image: real Packer, over real SSH")
            run(folder, env, "bake", "--version", "1.0.0")
            say("the same again: nothing changed, so nothing is built")
            run(folder, env, "bake", "--version", "1.0.0")
            say("a file of the application changes, and the second image holds it")
            greeting = change_the_application(folder)
            baked = json.loads(
                run(folder, env, "--output", "json", "bake", "--version", "1.1.0", quiet=True)
            )
            print(baked["ami_id"])
            say("an instance of the second image, started by hand, serves the new version")
            address = launch(env, baked["ami_id"])
            answer = ask(f"http://{address}:8080/")
            print(json.dumps(answer))
            say("what was baked, and where it is used")
            run(folder, env, "images")
            if answer["version"] != "1.1.0" or greeting not in json.dumps(answer):
                sys.exit("error: the answer is not the second image's")
    say("done: both images were real, and nothing is left of them")


if __name__ == "__main__":
    main()
