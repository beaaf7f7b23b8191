"""A root module of a user's own module, and the command that checks it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pipeline.core.terraform.module_rules import Wanted
from pipeline.core.terraform.program import OPENTOFU, TERRAFORM, Program
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

Document = dict[str, Any]
CAPTURES = Path(__file__).parents[2] / "captures/terraform-1.11.4"


def wanted(number: int) -> Wanted:
    """Return a release of the captured plans."""
    release = f"r{number:06}"
    return Wanted(
        release=release,
        group=f"web-staging-{release}",
        image="ami-0123456789abcdef0",
        app="web",
        environment="staging",
    )


def plan(module: str, number: int) -> Document:
    """Return the first or second plan of a rehearsal of a module of `tests/terraform_modules`."""
    document: Document = json.loads((CAPTURES / f"module-{module}-{number}.json").read_bytes())
    return document


TERRAFORM_1_11 = Program(
    product=TERRAFORM,
    version="1.11.4",
    platform="linux_amd64",
    path="/usr/bin/terraform",
    command="terraform",
)
TOFU_1_12 = Program(
    product=OPENTOFU,
    version="1.12.6",
    platform="linux_amd64",
    path="/opt/tofu",
    command="tofu",
)
