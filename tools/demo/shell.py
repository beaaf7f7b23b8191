"""What the demo shows: a line of explanation, a command as typed, what it answered."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import boto3

PROGRAM = str(Path(sys.executable).with_name("ami-pipeline"))
SPEED = "50"
WITHIN = 60.0

T = TypeVar("T")


def say(text: str) -> None:
    """Print a line that explains what comes next."""
    print(f"\n# {text}", flush=True)


def show(command: str) -> None:
    """Print a command as it would be typed."""
    print(f"$ {command}", flush=True)


def pipeline(folder: Path, env: dict[str, str], *arguments: str, quiet: bool = False) -> str:
    """Show a command of the tool and run it; its progress is shown, its result returned."""
    show(f"ami-pipeline {shlex.join(arguments)}")
    return _run([PROGRAM, *arguments], folder, env, quiet=quiet)


def terraform(folder: Path, env: dict[str, str], *arguments: str, quiet: bool = True) -> str:
    """Show a command of Terraform and run it; only its last line is shown unless it fails."""
    show(f"terraform -chdir={folder.parent.name}/{folder.name} {shlex.join(arguments)}")
    verb, *rest = arguments
    output = _run(["terraform", verb, "-no-color", *rest], folder, env, quiet=quiet)
    said = [
        line for line in output.splitlines() if line.startswith(("Apply complete", "No changes"))
    ]
    print("\n".join(said), end="\n" if said else "", flush=True)
    return output


def _run(argv: list[str], folder: Path, env: dict[str, str], *, quiet: bool) -> str:
    done = subprocess.run(argv, cwd=folder, env=env, stdout=subprocess.PIPE, text=True, check=False)
    if not quiet or done.returncode:
        print(done.stdout, end="", flush=True)
    if done.returncode:
        sys.exit(done.returncode)
    return done.stdout


@contextmanager
def local_cloud(folder: Path, env: dict[str, str]) -> Iterator[dict[str, str]]:
    """Start a local cloud of this demo's own and give the environment that leads to it."""
    env = {**env, "AMI_PIPELINE_SANDBOX_HOME": str(folder / "cloud")}
    pipeline(folder, env, "sandbox", "up", "--port", "0", "--speed", SPEED)
    try:
        exports = json.loads(
            pipeline(folder, env, "--output", "json", "sandbox", "env", quiet=True)
        )
        yield {**env, **exports}
    finally:
        say("the local cloud ends with everything in it")
        pipeline(folder, env, "sandbox", "down")


def aws(env: dict[str, str], service: str) -> Any:
    """Return a client of a service of the local cloud."""
    make: Any = boto3.client  # its stubs know services by literal name only
    return make(
        service,
        region_name=env["AWS_REGION"],
        endpoint_url=env["AWS_ENDPOINT_URL"],
        aws_access_key_id=env["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=env["AWS_SECRET_ACCESS_KEY"],
    )


def eventually(what: str, ask: Callable[[], T | None]) -> T:
    """Poll until something is so; end the demo with an error if it never is."""
    deadline = time.monotonic() + WITHIN
    while not (answer := ask()):
        if time.monotonic() > deadline:
            sys.exit(f"error: not within {WITHIN:g} s: {what}")
        time.sleep(0.2)
    return answer


def get(url: str) -> dict[str, Any]:
    """Return what a service answers; nothing if it does not."""
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            body: dict[str, Any] = json.load(answer)
            return body
    except (urllib.error.URLError, OSError):
        return {}


def curl(url: str) -> dict[str, Any]:
    """Show the command and return what the service answers, once it does."""
    show(f"curl {url}")
    answer = eventually(f"an answer of {url}", lambda: get(url))
    print(json.dumps(answer), flush=True)
    return answer
