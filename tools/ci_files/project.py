"""A repository of a team, with the files of docs/ci unchanged, and its environment.

The store and Terraform's state are in a bucket of the local cloud, as docs/guide/ci.md asks for.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import boto3
from botocore.exceptions import ClientError

from tools.demo.project import REPOSITORY, SERVER, SIZES, copy_project
from tools.demo.shell import Shell

CI = REPOSITORY / "docs/ci"
SPEED = 20
ENVIRONMENT = "production"
BUCKET = "web-state"
STATE = f"""
[state]
url = "s3://{BUCKET}/pipeline"

[terraform.backend]
bucket = "{BUCKET}"
"""
# Programs are not sped up with the cloud.
PROMOTE = f"""health_check_grace_period = 1200

[environments.{ENVIRONMENT}.promote]
hooks = [{{ at = "before-traffic", command = ["sleep", "5"] }}]
soak = "1m"
observe = "1m"
deadlines.launch = "15m"
deadlines.attach = "15m"
"""
WORKFLOWS = {
    "github-actions.yml": "deploy.yml",
    "plan.yml": "plan.yml",
    "nightly.yml": "nightly.yml",
    "rollback.yml": "rollback.yml",
}
PIP = """\
#!/bin/sh
# The package is this checkout.
[ "$*" = "install ami-pipeline" ] && exec ami-pipeline --version
"""
PACKER = """\
#!/bin/sh
# Packer before 1.7 has its plugins built in, and no command init.
[ "$1" = init ] && ! {packer} --help 2>&1 | grep -q "^ *init " && exit 0
exec {packer} "$@"
"""
IGNORED = ".ami-pipeline\n*.auto.tfvars.json\n*.env\n.gitlab-ci-local\n"


@dataclass(frozen=True, kw_only=True)
class Project:
    """A git repository in `folder`, the home of its runner, and a runner's environment."""

    folder: Path
    home: Path
    env: Mapping[str, str]

    def commit(self, version: str) -> None:
        """Change the application, commit it and tag the version."""
        server = self.folder / SERVER
        server.write_text(f"{server.read_text().rstrip()}\n# {version}\n")
        git(self.folder, "add", "--all")
        git(self.folder, "commit", "--quiet", "--message", version)
        git(self.folder, "tag", f"v{version}")

    def status(self) -> dict[str, Any]:
        """Return what `status` shows."""
        printed = self.run("--output", "json", "status", "-e", ENVIRONMENT)
        found: dict[str, Any] = json.loads(printed)
        return found

    def run(self, *words: str) -> str:
        """Run the program outside of a job; return its output."""
        done = subprocess.run(
            [sys.executable, "-m", "pipeline", *words],
            cwd=self.folder,
            env=dict(self.env),
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        return done.stdout

    def document(self) -> dict[str, Any]:
        """Return the content of the environment's document, empty before the first job."""
        key = f"pipeline/environments/{ENVIRONMENT}.json"
        try:
            read = self._s3.get_object(Bucket=BUCKET, Key=key)["Body"].read()
        except ClientError:
            return {}
        found: dict[str, Any] = json.loads(read)["content"]
        return found

    @property
    def phase(self) -> str:
        """The phase of the deployment in flight, empty without one."""
        return str((self.document().get("deployment") or {}).get("phase", ""))

    @cached_property
    def _s3(self) -> Any:
        return s3_of(self.env)


def git(folder: Path, *words: str) -> None:
    """Run git in a folder; raises CalledProcessError."""
    who = ("-c", "user.name=team", "-c", "user.email=team@example.com")
    subprocess.run(["git", *who, *words], cwd=folder, check=True)


def s3_of(env: Mapping[str, str]) -> Any:
    """Return a client of the local cloud's S3."""
    make: Any = boto3.client  # its stubs know services by literal name only
    return make(
        "s3",
        region_name="us-east-1",
        endpoint_url=env["AWS_ENDPOINT_URL"],
        aws_access_key_id=env["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=env["AWS_SECRET_ACCESS_KEY"],
    )


def new_project(scratch: Path, shell: Shell) -> Project:
    """Create the long-lived resources, the bucket and the repository; return the project.

    `shell` stands in a copy of the sample application and has the local cloud's environment.
    """
    stack = "terraform -chdir=terraform/stack"
    given = "-var=name=web -var=nat=none -var=load_balancer=classic"
    shell.read(f"{stack} init -input=false")
    shell.read(f"{stack} apply -auto-approve -input=false {given}")
    tables = shell.read(f"{stack} output -raw pipeline_toml").replace("NAME", ENVIRONMENT)
    s3_of(shell.env).create_bucket(Bucket=BUCKET)
    s3_of(shell.env).put_bucket_versioning(
        Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"}
    )
    folder, home = scratch / "web", scratch / "home"
    programs = home / "bin"
    programs.mkdir(parents=True)
    packer = shlex.quote(shutil.which("packer", path=shell.env["PATH"]) or "packer")
    for name, text in {"pip": PIP, "packer": PACKER.format(packer=packer)}.items():
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)
    copy_project(folder)
    shutil.rmtree(folder / "terraform")
    first, rest = tables.split("\n", 1)
    settings = f"{STATE}\n{first}\n{SIZES}{rest}{PROMOTE}"
    with (folder / "pipeline.toml").open("a") as file:
        file.write(settings)
    (folder / ".gitignore").write_text(IGNORED)
    workflows = folder / ".github/workflows"
    workflows.mkdir(parents=True)
    for name, copied in WORKFLOWS.items():
        shutil.copy(CI / name, workflows / copied)
    shutil.copy(CI / "gitlab-ci.yml", folder / ".gitlab-ci.yml")
    git(folder, "init", "--quiet", "--initial-branch", "main")
    path = f"{programs}{os.pathsep}{shell.env['PATH']}"
    env = {**shell.env, "HOME": str(home), "PATH": path}
    return Project(folder=folder, home=home, env=env)
