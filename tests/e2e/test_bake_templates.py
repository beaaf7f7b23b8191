"""Bake with templates that were not written for this program."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import pytest

from tests import packer_plugins
from tests.e2e.project import NOTHING, Project, finish, interrupt, kill_tree, wait_for
from tests.running_cloud import BASE_IMAGE_NAME, Cloud, eventually
from tests.standin.packer import install_plugin, installed

ODD = "Amazon Linux, hardened (web: 2)"


def builder(cloud: Cloud, **settings: Any) -> dict[str, Any]:
    """Return a builder of a JSON template that reaches the local cloud."""
    return {
        "type": "amazon-ebs",
        "region": "us-east-1",
        "ami_name": "golden {{timestamp}}",
        "source_ami": cloud.base_image(),
        "instance_type": "t3.micro",
        "communicator": "none",
        "custom_endpoint_ec2": cloud.endpoint,
        **settings,
    }


def template(project: Project, *builders: dict[str, Any], more: str = "", **parts: Any) -> None:
    """Write a template and its configuration."""
    text = json.dumps({"builders": builders, **parts})
    (project.folder / "image.json").write_text(text)
    project.write(f'app = "web"\nregion = "us-east-1"\n[bake]\ntemplate = "image.json"\n{more}\n')


def image(cloud: Cloud, ami: str, region: str = "us-east-1") -> Any:
    return cloud.aws("ec2", region).describe_images(ImageIds=[ami])["Images"][0]


@pytest.mark.long
def test_a_name_of_any_characters_and_an_image_name_with_a_prefix_are_baked(
    project: Project, cloud: Cloud
) -> None:
    template(
        project,
        builder(
            cloud, name="Amazon Linux, hardened (web: 2)", ami_name="golden-{{user `ami_name`}}"
        ),
        builder(cloud, name="other"),
        more=f'only = ["{ODD}"]',
        variables={"ami_name": ""},
    )
    result = project.bake("1.0.0")
    assert result.code == 0, result.err
    assert image(cloud, result.document["ami_id"])["Name"].startswith("golden-web-1.0.0-")
    assert project.left_in_cloud() == {**NOTHING, "images": [result.document["ami_id"]]}


@pytest.mark.long
def test_an_encrypted_copy_that_was_being_made_is_not_reused(
    project: Project, cloud: Cloud
) -> None:
    template(project, builder(cloud, encrypt_boot=True))
    cloud.fault(service="ec2", action="CopyImage", kind="delay", seconds=3, times=1)
    process = project.start("bake", "--version", "1.0.0")
    wait_for(process, "Copying/Encrypting")
    eventually(lambda: not cloud.client.faults())  # the call has come
    kill_tree(process.pid)
    finish(process)
    eventually(lambda: len(project.left_in_cloud()["images"]) == 2)
    result = project.bake("1.0.0")
    assert result.code == 0, result.err
    assert result.document["origin"] == "baked"
    made = image(cloud, result.document["ami_id"])
    assert made["BlockDeviceMappings"][0]["Ebs"]["Encrypted"] is True
    assert project.left_in_cloud() == {**NOTHING, "images": [result.document["ami_id"]]}


@pytest.mark.long
def test_copies_that_were_being_made_at_ctrl_c_are_removed_in_every_region_of_the_template(
    project: Project, cloud: Cloud
) -> None:
    """Packer prints no id of a copy, and deregisters what it copied."""
    template(project, builder(cloud, encrypt_boot=True, ami_regions=["eu-west-1"]))
    cloud.fault(service="ec2", action="CopyImage", kind="delay", seconds=2, times=2)
    process = project.start("--output", "json", "bake", "--version", "1.0.0")
    wait_for(process, "Copying/Encrypting")
    result = interrupt(process, signal.SIGTERM)
    assert result.code == 130, result.err
    assert "removed: ami-" in result.document["error"]["what"]
    assert project.left_in_cloud() == NOTHING
    assert cloud.aws("ec2", "eu-west-1").describe_images(Owners=["self"])["Images"] == []


@pytest.mark.long
def test_a_manifest_beside_the_template_does_not_make_every_bake_new(
    project: Project, cloud: Cloud
) -> None:
    manifest = {"type": "manifest", "output": "{{template_dir}}/manifest.json"}
    template(
        project,
        builder(cloud, source_ami="{{user `source_ami`}}", ami_name="{{user `ami_name`}}"),
        more=f'[bake.source]\nid = "{cloud.base_image()}"',
        variables={"source_ami": "", "ami_name": ""},
        **{"post-processors": [manifest]},
    )
    first = project.bake("1.0.0")
    assert first.code == 0, first.err
    assert "manifest.json, which does not count as an input" in first.err
    assert (project.folder / "manifest.json").exists()
    assert project.bake("1.0.0").document["origin"] == "unchanged"


@pytest.mark.long
def test_several_builds_and_another_region_are_refused_before_anything_is_made(
    project: Project, cloud: Cloud
) -> None:
    template(project, builder(cloud, name="debian"), builder(cloud, name="amazon"))
    refused = project.bake("1.0.0")
    assert refused.code == 2
    assert "amazon, debian" in refused.document["error"]["what"]
    variables = {"build_region": "eu-west-1"}
    template(project, builder(cloud, region="{{user `build_region`}}"), variables=variables)
    refused = project.bake("1.0.0")
    assert refused.code == 2
    assert 'set build_region = "us-east-1"' in refused.document["error"]["next"]
    assert project.left_in_cloud() == NOTHING


TODAY = """
packer {
  required_plugins {
    amazon = { source = "github.com/hashicorp/amazon", version = ">= 1.2.0" }
  }
}
variable "region" { type = string }
variable "ami_name" { type = string }
variable "team" {
  type    = string
  default = "\\n\\n> builds:\\n\\n  > bad:\\n\\n    sources:\\n\\n      amazon-ebs.bad"
}
data "amazon-ami" "base" {
  region      = var.region
  filters     = { name = "PATTERN" }
  owners      = ["amazon"]
  most_recent = true
}
source "amazon-ebs" "app" {
  region        = var.region
  ami_name      = var.ami_name
  source_ami    = data.amazon-ami.base.id
  instance_type = "t3.micro"
  ssh_username  = "ec2-user"
  imds_support  = "v2.0"
  metadata_options {
    http_tokens = "required"
  }
}
build {
  name        = "golden"
  description = "An image with a description"
  sources     = ["source.amazon-ebs.app"]
  provisioner "shell" {
    environment_vars = ["BASE=${data.amazon-ami.base.id}"]
    inline           = ["echo baked on $BASE > $ROOT/opt/base", "FAILS"]
  }
}
"""


def today(project: Project, folder: Path, **changes: str) -> None:
    """Write a template of today and put the stand-in for Packer 1.16 before Packer."""
    text = TODAY.replace("PATTERN", changes.get("pattern", BASE_IMAGE_NAME))
    text = text.replace("FAILS", changes.get("fails", "true"))
    (project.folder / "image.pkr.hcl").write_text(text)
    project.write('app = "web"\nregion = "us-east-1"\n[bake]\ntemplate = "image.pkr.hcl"\n')
    plugins = (
        install_plugin(folder / "plugins") if changes.get("plugin", "yes") else folder / "none"
    )
    project.extra = {
        "PATH": installed(folder / "bin", project.env["PATH"]),
        packer_plugins.VARIABLE: str(plugins),
    }


@pytest.mark.long
def test_a_template_of_today_is_baked_with_its_plugin_and_its_data_source(
    project: Project, cloud: Cloud, tmp_path: Path
) -> None:
    today(project, tmp_path)
    result = project.bake("1.0.0")
    assert result.code == 0, result.err
    ami = result.document["ami_id"]
    assert (cloud.home.images / ami / "opt/base").read_text().startswith("baked on ami-")
    assert project.left_in_cloud() == {**NOTHING, "images": [ami]}


@pytest.mark.long
@pytest.mark.parametrize(
    ("changes", "code", "words"),
    [
        ({"plugin": ""}, 3, ("Failed getting", "check the network to GitHub", "packer init ")),
        (
            {"pattern": "nosuch-*"},
            2,
            ("values nosuch-*; owners amazon", "fix the filters of the data source"),
        ),
        (
            {"fails": "echo the cause; exit 3"},
            4,
            ("| the cause", "exit status: 3", "fix that script or provisioner"),
        ),
    ],
)
def test_a_template_of_today_that_fails_names_the_cause_and_its_own_next_step(
    project: Project,
    tmp_path: Path,
    changes: dict[str, str],
    code: int,
    words: tuple[str, ...],
) -> None:
    today(project, tmp_path, **changes)
    result = project.bake("1.0.0")
    assert result.code == code, result.err
    error = result.document["error"]
    told = f"{error['what']}\n{error['next']}"
    assert [each for each in words if each not in told] == [], told
    assert project.left_in_cloud() == NOTHING
