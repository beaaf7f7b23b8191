"""What each real run of Packer under tests/captures says, as a person reads it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

CAPTURES = Path(__file__).parents[2] / "captures"
OLD, NEW = "packer-1.6.6", "packer-1.16.0-amazon-1.8.3"


@dataclass(frozen=True, kw_only=True)
class Facts:
    """`errors` holds how each error begins, `made` the AMIs named while they were made."""

    images: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    errors: Mapping[str, str] = field(default_factory=dict)
    cancelled: bool = False
    builds: tuple[str, ...] = ()
    made: tuple[str, ...] = ()


def capture(name: str, packer: str = OLD) -> bytes:
    """Return one run's standard output."""
    return (CAPTURES / packer / f"{name}.log").read_bytes()


def as_masked(data: bytes, secret: str) -> bytes:
    """Return what Packer >= 1.15.1 prints with this secret: it masks arguments, not targets."""
    lines = []
    for line in data.splitlines(keepends=True):
        seconds, target, rest = line.split(b",", 2)
        masked = rest.replace(secret.encode(), b"<sensitive>")
        lines.append(b",".join([seconds, target, masked]))
    return b"".join(lines)


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
        made=("ami-772cd8b14959b1c31", "ami-66ba52e3c4a0eee6f", "ami-20bef02b5fa8c9246"),
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


def _made(image: str, build: str = "amazon-ebs.app") -> Facts:
    return Facts(images={build: {"us-east-1": image}}, builds=(build,), made=(image,))


def _failed(error: str, *made: str) -> Facts:
    return Facts(errors={"amazon-ebs.app": error}, builds=("amazon-ebs.app",), made=made)


def _cancelled(*made: str) -> Facts:
    return Facts(cancelled=True, builds=("amazon-ebs.app",), made=made)


_CUT = Facts(builds=("amazon-ebs.app",))
_SCRIPT = "Script exited with non-zero exit status: "

NEW_FACTS = {
    "bad-flag": Facts(),
    "bad-hcl": Facts(),
    "bad-json": Facts(),
    "bad-var": Facts(),
    "breakpoint": _failed("Error asking for input: machine-readable UI can't ask"),
    "data-source": _made("ami-cd15e6909a79014ec"),
    "double-dash": Facts(),
    "dup": Facts(),
    "ebsvolume": Facts(builds=("amazon-ebsvolume.app",)),
    "endpoint-down": _failed("validating provider credentials: retrieving caller identity"),
    "error-ask": _failed(_SCRIPT + "3."),
    "escapes": _made("ami-d0d782b7724604ebd"),
    "fail": _failed(_SCRIPT + "7."),
    "force": _made("ami-7c8ba5836e05ec378"),
    "hcp-registry": Facts(),
    "human-color": Facts(),
    "human-success": Facts(),
    "init": Facts(),
    "init-offline": Facts(),
    "inspect-hcl": Facts(),
    "inspect-json": Facts(),
    "killed-by-parent-timeout": _CUT,
    "missing-file": Facts(),
    "modern-options": _failed("Error enable AMI deprecation:", "ami-3e0d0afd12ad90c7a"),
    "multi-region": Facts(
        images={
            "amazon-ebs.app": {
                "eu-west-1": "ami-483fba5bbc478e1bf",
                "us-east-1": "ami-47d3093404cd65bc1",
                "us-west-2": "ami-625828367d0270be9",
            }
        },
        builds=("amazon-ebs.app",),
        made=("ami-47d3093404cd65bc1",),
    ),
    "name-exists": _made("ami-7a05c919b16105c7c"),
    "name-exists-again": _failed("Error: AMI Name: 'taken' is used by an existing AMI"),
    "no-args": Facts(),
    "no-credentials": _failed("No valid credential sources found"),
    "no-plugin-at-all": Facts(),
    "no-required-plugins": _made("ami-ade57750053383b57"),
    "null-builder": Facts(builds=("null.x",)),
    "on-error-abort": _failed(_SCRIPT + "3."),
    "only-nomatch": Facts(),
    "packer-log": _made("ami-4e92932e00e005ac8"),
    "partial-failure": Facts(
        images={"amazon-ebs.fast": {"us-east-1": "ami-c4e57d3948ea8e045"}},
        errors={"amazon-ebs.bad": _SCRIPT + "3."},
        builds=("amazon-ebs.bad", "amazon-ebs.fast"),
        made=("ami-c4e57d3948ea8e045",),
    ),
    "plugin-missing": Facts(),
    "plugin-missing-json": Facts(),
    "pp-fail": _failed("1 error(s) occurred:\n\n* Post-processor failed", "ami-ff7a04a6faaca8239"),
    "pp-manifest": _made("ami-ecdd0cf7e0b9139da"),
    "pp-nokeep": Facts(builds=("amazon-ebs.app",), made=("ami-30d852bcf4a883438",)),
    "pp-two": _made("ami-466b863521f56078f"),
    "prepare-error-unknown-key": Facts(),
    "public-ip-cidr": _failed("failed to get current host's public ip"),
    "sensitive-env": _made("ami-43dd7378cecf15087"),
    "sensitive-hcl": _made("ami-e81b7404dae0b372a"),
    "sensitive-json": _made("ami-bb65034631b1707c2"),
    "sigint-group": _cancelled(),
    "sigint-group-twice": _cancelled(),
    "sigint-proc": _made("ami-89e01a23868f1d5c3"),
    "sigkill-group": _CUT,
    "sigterm-during-ami": _cancelled("ami-fb2a21a376383fa48"),
    "sigterm-during-launch": _cancelled(),
    "sigterm-during-pp": _cancelled("ami-d2de2810a7871b279"),
    "sigterm-group": _cancelled(),
    "sigterm-group-shell-local": _cancelled(),
    "sigterm-proc": _cancelled(),
    "sigterm-shell-local": _cancelled(),
    "sigterm-twice": _cancelled(),
    "skip-create-ami": _CUT,
    "source-ami-filter-none": _failed("No AMI was found matching filters: &{<nil>"),
    "source-ami-not-found": _failed("Error querying AMI: operation error EC2: DescribeImages"),
    "ssh-scp-success": _made("ami-9f6e268aaabd46292"),
    "ssh-sftp": _made("ami-8d0d0601caeaee2b7"),
    "ssh-timeout": _failed("Timeout waiting for SSH."),
    "ssh-two-builders-parallel": Facts(
        images={
            "amazon-ebs.a": {"us-east-1": "ami-cca516f5a58bd9591"},
            "amazon-ebs.b": {"us-east-1": "ami-a93dbe7637f1499e0"},
        },
        builds=("amazon-ebs.b", "amazon-ebs.a"),
        made=("ami-a93dbe7637f1499e0", "ami-cca516f5a58bd9591"),
    ),
    "timeout-prov": _failed("context canceled"),
    "timestamp-ui": Facts(
        images={"amazon-ebs.app": {"us-east-1": "ami-110711b1c11a06bbf"}},
        builds=("amazon-ebs.app",),
    ),
    "unknown-builder": Facts(),
    "unknown-cmd": Facts(),
    "unknown-provisioner": Facts(),
    "unset-var": Facts(),
    "upload-fail": _failed("scp: /no/such/dir: No such file or directory"),
    "validate-bad": Facts(),
    "validate-ok": Facts(),
    "validate-syntax": Facts(),
    "version": Facts(),
    "version-flag": Facts(),
}

BOTH = {
    **{(OLD, name): facts for name, facts in FACTS.items()},
    **{(NEW, name): facts for name, facts in NEW_FACTS.items()},
}
"""The facts of every capture, by the Packer and the name of the run."""
