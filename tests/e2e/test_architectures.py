"""One template that bakes an image for each architecture, with real Packer and Terraform."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.e2e.site import LONGEST, wait_for_exit

if TYPE_CHECKING:
    from tests.e2e.site import Site
    from tests.e2e.testbed import CloudTestbed

pytestmark = [pytest.mark.long, pytest.mark.timeout(5 * LONGEST)]
VERSION = "3.0.0"
ARM = """\
source "amazon-ebs" "arm" {
  region        = var.region
  instance_type = "t4g.micro"
  ami_name      = "${var.ami_name}-arm64"
  ami_regions   = var.ami_regions
  source_ami_filter {
    owners      = ["137112412989"]
    most_recent = true
    filters     = { name = "al2023-ami-2023.*-kernel-6.1-arm64" }
  }
  tags                                  = var.tags
  snapshot_tags                         = var.tags
  run_tags                              = var.run_tags
  communicator                          = "ssh"
  ssh_username                          = var.ssh_username
  temporary_security_group_source_cidrs = var.ssh_source_cidrs
}

"""
SOURCES = 'sources = ["source.amazon-ebs.app"]'


def two_builds(site: Site) -> None:
    template = "packer/app.pkr.hcl"
    site.project.edit(template, "build {\n", f"{ARM}build {{\n")
    both = SOURCES.replace("]", ', "source.amazon-ebs.arm"]')
    site.project.edit(template, SOURCES, both)


def run_on(site: Site, instance_type: str) -> None:
    table = f"[environments.{site.environment}]\n"
    site.project.edit("pipeline.toml", table, f'{table}instance_type = "{instance_type}"\n')


def test_an_environment_gets_the_image_that_its_instance_type_needs(testbed: CloudTestbed) -> None:
    site = testbed.site("both", "classic", keep_previous="next")
    two_builds(site)
    site.project.edit("pipeline.toml", "[bake]\n", '[bake]\nregions = ["us-west-2"]\n')
    baked = wait_for_exit(site.project.start("--output", "json", "bake", "--version", VERSION))
    assert baked.code == 0, baked.err
    images = [baked.document, *baked.document["others"]]
    assert [each["architecture"] for each in images] == ["x86_64", "arm64"]
    for region in ("us-east-1", "us-west-2"):
        ids = [each["ami_ids"][region] for each in images]
        seen = testbed.cloud.aws("ec2", region=region).describe_images(ImageIds=ids)["Images"]
        found = {each["ImageId"]: each["Architecture"] for each in seen}
        assert [found[each] for each in ids] == ["x86_64", "arm64"]
    intel, arm = (each["ami_id"] for each in images)

    assert site.promote("--image", VERSION).code == 0
    assert site.image_of(site.serving) == intel
    run_on(site, "t4g.micro")
    refused = site.promote("--image", intel)
    assert refused.code == 3, refused.err
    error = refused.document["error"]
    assert error["where"] == f"image {intel}"
    assert error["what"] == "is built for x86_64, but t4g.micro runs arm64"
    with site.under_load():
        done = site.promote("--image", VERSION)
    assert done.code == 0, done.err
    assert site.image_of(site.serving) == arm

    rebuilt = site.run("rebuild", "--version", VERSION)
    assert (rebuilt.code, rebuilt.document["outcome"]) == (0, "unchanged"), rebuilt.err
    listed = site.project.run("images").out.splitlines()
    assert "ARCH" in listed[0]
    assert {line.split()[2] for line in listed[1:] if VERSION in line} == {"x86_64", "arm64"}
    with site.under_load():
        back = site.run("rollback", "--yes", "--wait")
    assert back.code == 0, back.err
    assert site.image_of(site.serving) == intel
