"""A root module of a user's own module, and the command that checks it."""

from __future__ import annotations

from pathlib import Path

from pipeline.core.terraform.root_module import Root

ROOT = Root(
    app="web",
    environment="production",
    region="eu-central-1",
    account="",
    module=Path("/repository/modules/release"),
    folder=Path("/repository/.ami-pipeline/terraform/web/production"),
    bucket=None,
    inputs={"subnet_ids": []},
)
AGAIN = "ami-pipeline config terraform -e production --check"
