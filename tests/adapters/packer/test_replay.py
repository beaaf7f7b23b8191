"""Every capture of Packer 1.6.6, replayed through the whole program against moto's AWS."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pipeline.adapters.aws.client import Clients
from pipeline.cli.main import run
from tests.adapters.packer.captures import FACTS, OLD, capture
from tests.adapters.packer.replay import (
    STOP,
    Case,
    check,
    failed,
    good,
    not_scripted,
    prepare,
    refused_at,
    told_before,
    told_to_stop,
)
from tests.adapters.scripted import ScriptedPacker
from tests.aws.moto_account import amis, register

SCRIPT = "Script exited with non-zero exit status: 7"

CASES = {
    "ami-wait-timeout": failed("Error waiting for AMI", "the AMI came too late"),
    "bad-flag": failed("packer exited with code 1", "usage is printed, no build runs"),
    "bad-hcl": refused_at("inspect", "Argument or block definition required"),
    "bad-json": refused_at("inspect", "Failed to parse template"),
    "bad-var": failed("No '=' value in arg", "usage is printed, no build runs"),
    "double-dash": failed("build app ended without an image", "0, but no stream", code=0),
    "dup": refused_at("inspect", "builder with name 'app' already exists"),
    "endpoint-down": failed("connection refused", "Packer does not reach AWS"),
    "escapes": good("odd text in provisioner output changes nothing"),
    "fail": failed(SCRIPT, "a provisioner fails"),
    "force": good("a build without a communicator"),
    "human-success": failed("ended without an image", "0, but not in our format", code=0),
    "init": Case(end=3, verb="version", code=127, words=("hcl2_upgrade",), why="no version"),
    "inspect-json": Case(
        end=2,
        verb="inspect",
        code=0,
        words=("declares no variable named password",),
        why="the secret would go nowhere",
    ),
    "killed-by-parent-timeout": Case(
        end=4, hangs=True, words=("packer was stopped at its timeout of 1s",), why="[bake] timeout"
    ),
    "missing-file": refused_at("validate", "no such file or directory"),
    "multi-region": good("an image in each of three regions"),
    "name-exists": failed("is used by an existing AMI", "the template's own name is taken"),
    "no-args": failed("packer exited with code 1", "usage is printed, no build runs"),
    "no-template": refused_at("inspect", "no such file or directory"),
    "no-template-hcl": refused_at("inspect", "Error"),
    "on-error-abort": failed(SCRIPT, "the user's own flag cannot get here; the words still count"),
    "on-error-ask": failed(SCRIPT, "a provisioner fails"),
    "on-error-cleanup": failed(SCRIPT, "a provisioner fails"),
    "parallel1": told_before("3 builds of app.json each make an AMI: one, three, two"),
    "pp-fail": failed("Post-processor failed", "Packer removed the AMI itself"),
    "pp-manifest": good("the manifest repeats the artifact"),
    "pp-nokeep": failed("build app ended without an image", "a post-processor ate it", code=0),
    "pp-two": good("four artifacts, one image"),
    "prepare-error-hcl2": refused_at("validate", "source_ami or source_ami_filter"),
    "prepare-error-unknown-key": refused_at("validate", "imds_support"),
    "sensitive-json": good("the secret in the output is masked"),
    "sigint-group": told_to_stop(),
    "sigint-group-shell-local": told_to_stop(),
    "sigint-group-twice": told_to_stop(),
    "sigint-proc": failed("packer was killed by signal 9", "the output just ends", code=-9),
    "sigkill-group": failed("packer was killed by signal 9", "the output just ends", code=-9),
    "sigkill-proc": failed("packer was killed by signal 9", "the output just ends", code=-9),
    "sigterm-fast-slow": told_to_stop("removed: ", "ami-42c092443f37e2237"),
    "sigterm-group": told_to_stop(),
    "sigterm-group-shell-local": told_to_stop(),
    "sigterm-on-error-abort": told_to_stop(),
    "sigterm-proc": told_to_stop(),
    "sigterm-proc2": told_to_stop(),
    "sigterm-shell-local": told_to_stop(),
    "sigterm-twice": told_to_stop(),
    "source-ami-not-found": failed("No AMI was found matching", "a filter that matches nothing"),
    "ssh-scp-success": good("shell and file provisioners"),
    "ssh-scp-success.stderr": failed("ended without an image", "a log is no stream", code=0),
    "ssh-timeout": failed("Timeout waiting for SSH", "the instance cannot be reached"),
    "ssh-two-builders-parallel": told_before("2 builds of app.json each make an AMI"),
    "timestamp-ui": good("times before each text"),
    "unknown-builder": refused_at("validate", "Unknown builder nope"),
    "unknown-cmd": Case(end=3, verb="version", code=127, words=("hcl2_upgrade",), why="no version"),
    "unknown-provisioner": refused_at("validate", "Error"),
    "upload-fail": failed("No such file or directory", "a file provisioner fails"),
    "validate-bad": refused_at("validate", "Bad source 'nope/'"),
    "validate-syntax": not_scripted("validate"),
}


def test_every_capture_is_replayed() -> None:
    assert set(CASES) == set(FACTS)


# Each starts a program: one in six for every commit, the others with the long tests.
SAMPLED = [
    name if place % 6 == 0 else pytest.param(name, marks=pytest.mark.long)
    for place, name in enumerate(CASES)
]


@pytest.mark.parametrize("name", SAMPLED)
def test_a_capture_ends_the_program_as_its_case_says(
    name: str, bake: Clients, scripted: ScriptedPacker, capsys: pytest.CaptureFixture[str]
) -> None:
    case = CASES[name]
    prepare(OLD, name, case, bake, scripted)
    code = run(["--output", "json", "bake", "--version", "1.2.3"])
    check(OLD, name, case, (code, *capsys.readouterr()))


def recorded() -> dict[str, str]:
    """Return the status of each recorded image, by the folder of the record."""
    paths = Path(".ami-pipeline").glob("*/*.json")
    contents = {path: json.loads(path.read_text()) for path in paths}
    images = {path: each["image"] for path, each in contents.items() if "image" in each}
    return {path.parent.name: image["status"] for path, image in images.items()}


@pytest.mark.long
@pytest.mark.parametrize(
    ("name", "records"),
    [
        ("force", {"images": "good"}),
        ("fail", {}),
        ("sigterm-group", {}),
        ("sigterm-fast-slow", {}),
    ],
)
def test_the_record_says_how_the_bake_ended(
    name: str, records: dict[str, str], bake: Clients, scripted: ScriptedPacker
) -> None:
    prepare(OLD, name, CASES[name], bake, scripted)
    run(["bake", "--version", "1.2.3"])
    assert recorded() == records


def test_an_image_that_was_available_before_the_signal_is_removed_and_named(
    bake: Clients, scripted: ScriptedPacker, capsys: pytest.CaptureFixture[str]
) -> None:
    name = "sigterm-on-error-abort"
    prepare(OLD, name, CASES[name], bake, scripted)
    made = register(bake, "ami-00000000000000001", "made")
    before, found, after = capture(name).partition(b"1795220152,,ui,error," + STOP.encode())
    lines = (
        b"1,,ui,say,==> amazon-ebs: Creating AMI made from instance i-1\n"
        b"1,,ui,message,    amazon-ebs: AMI: ami-00000000000000001\n"
    )
    if not found:
        before, found, after = capture(name).partition(STOP.encode())
        before, _, start = before.rpartition(b"\n")
        before, found = before + b"\n", start + found
    scripted.on("build", before + lines + found + after, code=1, interrupted_before=STOP.encode())
    assert run(["bake", "--version", "1.2.3"]) == 130
    assert amis() == {}
    assert f"removed: {made}" in capsys.readouterr().err
