"""A machine with OpenTofu only: the stand-in speaks as its captures and runs real Terraform."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.site import LONGEST, Site, wait_for_exit
from tests.e2e.testbed import CloudTestbed, build_fast_testbed
from tests.standin.install import installed_tofu

pytestmark = [pytest.mark.long, pytest.mark.timeout(8 * LONGEST)]

TOFU, TERRAFORM = "registry.opentofu.org/hashicorp/aws", "registry.terraform.io/hashicorp/aws"


@pytest.fixture(scope="module")
def testbed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CloudTestbed]:
    folder = tmp_path_factory.mktemp("opentofu")
    with build_fast_testbed(folder) as built:
        built.path = installed_tofu(folder / "tofu", built.cloud.env["PATH"])
        yield built


@pytest.fixture
def site(testbed: CloudTestbed) -> Site:
    assert shutil.which("terraform", path=testbed.path) is None
    return testbed.site("only-tofu", "application", keep_previous="none")


def root_of(site: Site) -> Path:
    return site.project.folder / f".ami-pipeline/terraform/web/{site.environment}"


def commands_of(site: Site) -> list[str]:
    """Return the commands of the last run in the log of the environment, and empty the log."""
    log = site.project.folder / f".ami-pipeline/logs/terraform-web-{site.environment}.log"
    found = re.findall(r"^\$ (tofu \w+)", log.read_text(), re.MULTILINE)
    log.write_text("")
    return found


def test_a_whole_service_runs_with_opentofu_alone_and_changes_to_terraform_and_back(
    site: Site,
) -> None:
    running = site.begin("promote", "launch: started", "--yes", "--image", site.testbed.old)
    running.kill()
    wait_for_exit(running)
    state = root_of(site) / "terraform.tfstate"
    assert not state.exists()
    recovered = site.run("recover")
    assert recovered.code == 0, recovered.err
    assert recovered.document["outcome"] == "rolled back"
    commands_of(site)

    first = site.promote("--image", site.testbed.old)
    assert first.code == 0, first.err
    assert "tofu: creating aws_autoscaling_group" in first.err
    assert "tofu init" not in commands_of(site)  # the first run initialized the folder
    assert (site.content["program"], TOFU in state.read_text()) == ("tofu", True)
    assert list((root_of(site) / ".terraform/providers").glob("*/*/*/*/*.lock"))

    tofu = site.project.extra["PATH"]
    site.project.extra["PATH"] = site.testbed.cloud.env["PATH"]
    refused = site.promote("--image", site.testbed.new)
    assert refused.code == 3, refused.err
    assert "OpenTofu wrote the state of only-tofu" in refused.document["error"]["what"]
    shown = ("promote", "--image", site.testbed.new, "--change-program", "--plan")
    unread = site.run(*shown)
    assert unread.code == 3, unread.err
    words, _, command = unread.document["error"]["next"].partition(": ")
    assert words == "OpenTofu wrote the state"
    by_hand = {**site.project.env, "PATH": tofu}
    subprocess.run(command, shell=True, check=True, env=by_hand)  # noqa: S602  as a person does
    told = [each["what"] for each in site.run(*shown).document["findings"]]
    assert [each for each in told if each.startswith("changes from OpenTofu to Terraform 1.")]
    with site.under_load():
        second = site.promote("--image", site.testbed.new, "--change-program")
    assert second.code == 0, second.err
    assert (site.content["program"], TERRAFORM in state.read_text()) == ("terraform", True)
    commands_of(site)

    site.project.extra |= {"PATH": tofu, "TF_ENCRYPTION": "a key"}
    shutil.rmtree(root_of(site) / ".terraform")  # as on a fresh runner
    with site.under_load():
        third = site.promote("--image", site.testbed.old, "--change-program")
    assert third.code == 0, third.err
    assert commands_of(site).count("tofu init") == 1
    assert "encrypted_data" in json.loads(state.read_bytes())

    del site.project.extra["TF_ENCRYPTION"]
    locked = site.promote("--image", site.testbed.new)
    assert locked.code == 3, locked.err
    assert "is encrypted and can not be read" in locked.document["error"]["what"]
    assert locked.document["error"]["next"].startswith("set TF_ENCRYPTION to the configuration")
