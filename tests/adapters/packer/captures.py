"""What each real run of Packer 1.6.6 under tests/captures says, as a person reads it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

FOLDER = Path(__file__).parents[2] / "captures" / "packer-1.6.6"


@dataclass(frozen=True, kw_only=True)
class Facts:
    """`errors` holds how each error begins, `made` the AMIs named while they were made."""

    images: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    errors: Mapping[str, str] = field(default_factory=dict)
    cancelled: bool = False
    builds: tuple[str, ...] = ()
    made: tuple[str, ...] = ()


def capture(name: str) -> bytes:
    """Return one run's standard output."""
    return (FOLDER / f"{name}.log").read_bytes()


FACTS = {
    "ami-wait-timeout": Facts(
        errors={"amazon-ebs": "Error waiting for AMI: Failed with ResourceNotReady error, w"},
        builds=("amazon-ebs",),
        made=("ami-539e97349997c4e6a",),
    ),
    "bad-flag": Facts(),
    "bad-hcl": Facts(),
    "bad-json": Facts(),
    "bad-var": Facts(),
    "double-dash": Facts(),
    "dup": Facts(),
    "endpoint-down": Facts(
        errors={"amazon-ebs": "Error querying AMI: RequestError: send request failed"},
        builds=("amazon-ebs",),
    ),
    "escapes": Facts(
        images={"amazon-ebs": {"us-east-1": "ami-0600f7fc172c05123"}},
        builds=("amazon-ebs",),
        made=("ami-0600f7fc172c05123",),
    ),
    "fail": Facts(
        errors={"amazon-ebs": "Script exited with non-zero exit status: 7.Allowed exit code"},
        builds=("amazon-ebs",),
    ),
    "force": Facts(
        images={"app": {"us-east-1": "ami-ff7d30c95ab14076d"}},
        builds=("app",),
        made=("ami-ff7d30c95ab14076d",),
    ),
    "human-success": Facts(),
    "init": Facts(),
    "inspect-json": Facts(),
    "killed-by-parent-timeout": Facts(builds=("amazon-ebs",)),
    "missing-file": Facts(),
    "multi-region": Facts(
        images={
            "amazon-ebs": {
                "eu-west-1": "ami-66ba52e3c4a0eee6f",
                "us-east-1": "ami-772cd8b14959b1c31",
                "us-west-2": "ami-20bef02b5fa8c9246",
            }
        },
        builds=("amazon-ebs",),
        made=("ami-772cd8b14959b1c31",),
    ),
    "name-exists": Facts(
        errors={"app": "Error: AMI Name: 'fixed-name' is used by an existing AMI: am"},
        builds=("app",),
    ),
    "no-args": Facts(),
    "no-template-hcl": Facts(),
    "no-template": Facts(),
    "on-error-abort": Facts(
        errors={"amazon-ebs": "Script exited with non-zero exit status: 7.Allowed exit code"},
        builds=("amazon-ebs",),
    ),
    "on-error-ask": Facts(
        errors={"amazon-ebs": "Script exited with non-zero exit status: 7.Allowed exit code"},
        builds=("amazon-ebs",),
    ),
    "on-error-cleanup": Facts(
        errors={"amazon-ebs": "Script exited with non-zero exit status: 7.Allowed exit code"},
        builds=("amazon-ebs",),
    ),
    "parallel1": Facts(
        images={
            "one": {"us-east-1": "ami-b06b99fc4d81d3f6c"},
            "three": {"us-west-2": "ami-77e7867882a87d91c"},
            "two": {"us-east-1": "ami-e328eac47b235db9e"},
        },
        builds=("one", "three", "two"),
        made=("ami-b06b99fc4d81d3f6c", "ami-77e7867882a87d91c", "ami-e328eac47b235db9e"),
    ),
    "pp-fail": Facts(
        errors={"app": "1 error(s) occurred:"}, builds=("app",), made=("ami-5f2b57171aca45584",)
    ),
    "pp-manifest": Facts(
        images={"app": {"us-east-1": "ami-f38c605445fddb4b0"}},
        builds=("app",),
        made=("ami-f38c605445fddb4b0",),
    ),
    "pp-nokeep": Facts(builds=("app",), made=("ami-063ab61ed5d0a21c6",)),
    "pp-two": Facts(
        images={"app": {"us-east-1": "ami-18f8f1d106e11750e"}},
        builds=("app",),
        made=("ami-18f8f1d106e11750e",),
    ),
    "prepare-error-hcl2": Facts(),
    "prepare-error-unknown-key": Facts(),
    "sensitive-json": Facts(
        images={"amazon-ebs": {"us-east-1": "ami-0cfd0a5c660a7a89f"}},
        builds=("amazon-ebs",),
        made=("ami-0cfd0a5c660a7a89f",),
    ),
    "sigint-group-shell-local": Facts(cancelled=True, builds=("amazon-ebs",)),
    "sigint-group-twice": Facts(cancelled=True, builds=("amazon-ebs",)),
    "sigint-group": Facts(cancelled=True, builds=("amazon-ebs",)),
    "sigint-proc": Facts(builds=("amazon-ebs",)),
    "sigkill-group": Facts(builds=("amazon-ebs",)),
    "sigkill-proc": Facts(builds=("amazon-ebs",)),
    "sigterm-fast-slow": Facts(
        cancelled=True, builds=("fast", "slow"), made=("ami-42c092443f37e2237",)
    ),
    "sigterm-group-shell-local": Facts(cancelled=True, builds=("amazon-ebs",)),
    "sigterm-group": Facts(cancelled=True, builds=("amazon-ebs",)),
    "sigterm-on-error-abort": Facts(cancelled=True, builds=("amazon-ebs",)),
    "sigterm-proc": Facts(cancelled=True, builds=("amazon-ebs",)),
    "sigterm-proc2": Facts(cancelled=True, builds=("amazon-ebs",)),
    "sigterm-shell-local": Facts(cancelled=True, builds=("amazon-ebs",)),
    "sigterm-twice": Facts(cancelled=True, builds=("amazon-ebs",)),
    "source-ami-not-found": Facts(
        errors={"amazon-ebs": "No AMI was found matching filters: {"}, builds=("amazon-ebs",)
    ),
    "ssh-scp-success": Facts(
        images={"amazon-ebs": {"us-east-1": "ami-ba43adb3e096a89d4"}},
        builds=("amazon-ebs",),
        made=("ami-ba43adb3e096a89d4",),
    ),
    "ssh-scp-success.stderr": Facts(builds=("amazon-ebs",), made=("ami-ba43adb3e096a89d4",)),
    "ssh-timeout": Facts(errors={"amazon-ebs": "Timeout waiting for SSH."}, builds=("amazon-ebs",)),
    "ssh-two-builders-parallel": Facts(
        images={
            "second": {"us-east-1": "ami-71384799f1f45b439"},
            "amazon-ebs": {"us-east-1": "ami-e4e6787847b997900"},
        },
        builds=("second", "amazon-ebs"),
        made=("ami-e4e6787847b997900", "ami-71384799f1f45b439"),
    ),
    "timestamp-ui": Facts(
        images={"amazon-ebs.app": {"us-east-1": "ami-f35babd5eb581467e"}},
        builds=("amazon-ebs.app",),
    ),
    "unknown-builder": Facts(),
    "unknown-cmd": Facts(),
    "unknown-provisioner": Facts(),
    "upload-fail": Facts(
        errors={"amazon-ebs": "scp: /nonexistent/dir: No such file or directory"},
        builds=("amazon-ebs",),
    ),
    "validate-bad": Facts(),
    "validate-syntax": Facts(),
}
