"""Real Terraform with the AWS provider, pointed at the cloud by the environment alone."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.running_cloud import Cloud

MAIN = """
terraform {
  required_providers {
    aws = { source = "hashicorp/aws" }
  }
}
resource "aws_s3_bucket" "made" { bucket = "made-by-terraform" }
resource "aws_s3_object" "made" {
  bucket  = aws_s3_bucket.made.id
  key     = "key"
  content = "content"
}
data "aws_caller_identity" "me" {}
output "account" { value = data.aws_caller_identity.me.account_id }
"""


def terraform(cloud: Cloud, folder: Path, *words: str) -> str:
    """Run Terraform in a folder; it succeeds, and without changes if it only plans."""
    said = subprocess.run(
        ["terraform", *words, "-input=false", "-no-color"],  # noqa: S607  as a user's shell finds it
        cwd=folder,
        env=cloud.env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert said.returncode == 0, said.stdout + said.stderr
    return said.stdout


@pytest.mark.long
def test_terraform_works_with_the_environment_alone(cloud: Cloud, tmp_path: Path) -> None:
    (tmp_path / "main.tf").write_text(MAIN)
    terraform(cloud, tmp_path, "init")
    said = terraform(cloud, tmp_path, "apply", "-auto-approve")
    assert 'account = "123456789012"' in said
    stored = cloud.aws("s3").get_object(Bucket="made-by-terraform", Key="key")
    with stored["Body"] as body:
        assert body.read() == b"content"


@pytest.mark.long
def test_terraform_retries_what_a_gateway_and_the_network_do(cloud: Cloud, tmp_path: Path) -> None:
    (tmp_path / "main.tf").write_text(MAIN.replace("made-by-terraform", "made-in-spite"))
    terraform(cloud, tmp_path, "init")
    for action, kind in (
        ("GetCallerIdentity", "html-before"),
        ("CreateBucket", "empty-before"),
        ("PutObject", "reset-after"),
        ("GetObject", "reset-before"),
        ("HeadObject", "truncated"),
    ):
        cloud.fault(action=action, kind=kind)
    terraform(cloud, tmp_path, "apply", "-auto-approve")
    kept = [each["action"] for each in cloud.client.faults()]
    cloud.client.clear_faults()
    assert set(kept) <= {"GetObject", "HeadObject"}  # which not every provider version calls
    terraform(cloud, tmp_path, "plan", "-detailed-exitcode")
