"""Every capture of Packer 1.16, replayed through the whole program against moto's AWS."""

from __future__ import annotations

import pytest

from pipeline.adapters.aws.client import Clients
from pipeline.cli.main import run
from tests.adapters.packer.captures import NEW, NEW_FACTS, as_masked, capture
from tests.adapters.packer.replay import (
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
from tests.aws.moto_account import amis

SCRIPT = "Script exited with non-zero exit status: "

CASES = {
    "bad-flag": failed("packer exited with code 1", "usage is printed, no build runs"),
    "bad-hcl": refused_at("inspect", "Unclosed configuration block"),
    "bad-json": refused_at("inspect", "Failed to parse file as legacy JSON template"),
    "bad-var": failed("Undefined -var variable", "no build runs"),
    "breakpoint": failed("machine-readable UI can't ask", "a breakpoint asks"),
    "data-source": good("a data source finds the source image"),
    "double-dash": failed("ended without an image", "0, but no stream", code=0),
    "dup": refused_at("inspect", "Duplicate source block"),
    "ebsvolume": told_before("no build of app.pkr.hcl makes an AMI"),
    "endpoint-down": failed("validating provider credentials", "Packer does not reach AWS"),
    "error-ask": failed(SCRIPT + "3", "the user's own flag cannot get here; the words count"),
    "escapes": good("odd text in provisioner output changes nothing"),
    "fail": failed(SCRIPT + "7", "a provisioner fails"),
    "force": good("a build that replaces an image of its name"),
    "hcp-registry": failed("HCP", "no credentials of HCP"),
    "human-color": failed("ended without an image", "0, but not in our format", code=0),
    "human-success": failed("ended without an image", "0, but not in our format", code=0),
    "init": not_scripted("init"),
    "init-offline": Case(end=3, verb="init", words=("Failed getting",), why="no network"),
    "inspect-hcl": Case(
        end=2,
        verb="inspect",
        code=0,
        words=("declares no variable named password",),
        why="the secret would go nowhere",
    ),
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
    "modern-options": failed("Error enable AMI deprecation", "Packer removed its own AMI"),
    "multi-region": good("an image in each of three regions"),
    "name-exists": good("the first build of a fixed name"),
    "name-exists-again": failed("is used by an existing AMI", "the template's own name is taken"),
    "no-args": failed("packer exited with code 1", "usage is printed, no build runs"),
    "no-credentials": failed("No valid credential sources found", "Packer has no credentials"),
    "no-plugin-at-all": refused_at("validate", "Missing plugins", end=3),
    "no-required-plugins": good("the newest installed plugin is used"),
    "null-builder": told_before("no build of app.pkr.hcl makes an AMI"),
    "on-error-abort": failed(SCRIPT + "3", "Packer left everything; it is cleaned up"),
    "only-nomatch": failed("No builds to run", "exit 1 since 1.8.4"),
    "packer-log": good("PACKER_LOG does not touch standard output"),
    "partial-failure": failed(SCRIPT + "3", "one of two builds failed: neither image is kept"),
    "plugin-missing": refused_at("validate", "github.com/hashicorp/ansible", end=3),
    "plugin-missing-json": refused_at("validate", "googlecompute is unknown by Packer", end=3),
    "pp-fail": failed("Post-processor failed", "the AMI is removed"),
    "pp-manifest": good("the manifest repeats the artifact"),
    "pp-nokeep": failed("ended without an image", "a post-processor ate it", code=0),
    "pp-two": good("four artifacts, one image"),
    "prepare-error-unknown-key": refused_at("validate", 'argument named "nosuch"'),
    "public-ip-cidr": failed("failed to get current host's public ip", "no way to the Internet"),
    "sensitive-env": good("Packer does not mask environment_vars"),
    "sensitive-hcl": good("Packer masks the secret itself"),
    "sensitive-json": good("Packer masks the secret itself"),
    "sigint-group": told_to_stop(),
    "sigint-group-twice": told_to_stop(),
    "sigint-proc": good("a SIGINT to Packer's outer process alone is ignored"),
    "sigkill-group": failed("packer was killed by signal 9", "the output just ends", code=-9),
    "sigterm-during-ami": told_to_stop("removed: ami-fb2a21a376383fa48"),
    "sigterm-during-launch": told_to_stop(),
    "sigterm-during-pp": told_to_stop("removed: ami-d2de2810a7871b279"),
    "sigterm-group": told_to_stop(),
    "sigterm-group-shell-local": told_to_stop(),
    "sigterm-proc": told_to_stop(),
    "sigterm-shell-local": told_to_stop(),
    "sigterm-twice": told_to_stop(),
    "skip-create-ami": failed("ended without an image", "the template makes none", code=0),
    "source-ami-filter-none": failed("No AMI was found matching", "a filter that matches nothing"),
    "source-ami-not-found": failed("InvalidAMIID.NotFound", "no such source image"),
    "ssh-scp-success": good("shell and file provisioners"),
    "ssh-sftp": good("files over SFTP"),
    "ssh-timeout": failed("Timeout waiting for SSH", "the instance cannot be reached"),
    "ssh-two-builders-parallel": told_before("2 builds of app.pkr.hcl each make an AMI"),
    "timeout-prov": failed("context canceled", "a provisioner's own timeout"),
    "timestamp-ui": good("times before each text"),
    "unknown-builder": refused_at("validate", "Unknown source type nosuch"),
    "unknown-cmd": Case(end=3, verb="version", code=127, words=("inspect",), why="no version"),
    "unknown-provisioner": refused_at("validate", 'Unknown provisioner type "nosuch"'),
    "unset-var": refused_at("validate", 'Unset variable "need"'),
    "upload-fail": failed("No such file or directory", "a file provisioner fails"),
    "validate-bad": refused_at("validate", 'argument named "nosuch"'),
    "validate-ok": not_scripted("validate"),
    "validate-syntax": not_scripted("validate"),
    "version": not_scripted("version"),
    "version-flag": Case(end=3, verb="version", code=0, words=("Packer v1.16.0",), why="no record"),
}


def test_every_capture_is_replayed() -> None:
    assert set(CASES) == set(NEW_FACTS)


# Each starts programs: these for every commit, the others with the long tests.
SAMPLED = [
    name
    if name in {"multi-region", "sigterm-during-ami"}
    else pytest.param(name, marks=pytest.mark.long)
    for name in CASES
]


@pytest.mark.parametrize("name", SAMPLED)
def test_a_capture_ends_the_program_as_its_case_says(
    name: str, bake: Clients, scripted: ScriptedPacker, capsys: pytest.CaptureFixture[str]
) -> None:
    case = CASES[name]
    prepare(NEW, name, case, bake, scripted)
    code = run(["--output", "json", "bake", "--version", "1.2.3"])
    check(NEW, name, case, (code, *capsys.readouterr()))


@pytest.mark.long
@pytest.mark.parametrize(
    "secret",
    [
        "us-east-1",
        pytest.param("app", marks=pytest.mark.long),
        pytest.param("ami-", marks=pytest.mark.long),
    ],
)
def test_a_good_image_is_kept_although_a_secret_occurs_in_packers_result(
    secret: str, bake: Clients, scripted: ScriptedPacker, capsys: pytest.CaptureFixture[str]
) -> None:
    name, case = "multi-region", CASES["multi-region"]
    prepare(NEW, name, case, bake, scripted)
    images = NEW_FACTS[name].images["amazon-ebs.app"]
    source = amis()[images["us-east-1"]]
    source.instance_id = "i-6742f78ab23d6bf9f"
    for region in ("eu-west-1", "us-west-2"):
        amis(region)[images[region]].source_image_id = source.id
    scripted.on("build", as_masked(capture(name, NEW), secret))
    code = run(["--output", "json", "bake", "--version", "1.2.3"])
    check(NEW, name, case, (code, *capsys.readouterr()))
