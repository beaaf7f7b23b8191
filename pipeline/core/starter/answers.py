"""Define the answers that `init` needs, and the defaults that a folder suggests."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import PurePosixPath

from pipeline.core.validation.values import check_app

REGION = "us-east-1"
SAMPLE_RUN = "/usr/bin/env python3 /opt/{app}/server.py"


class Ci(StrEnum):
    """The CI system whose files `init` writes."""

    NONE = "none"
    GITHUB = "github"
    GITLAB = "gitlab"


@dataclass(frozen=True, kw_only=True, slots=True)
class Network:
    """The existing network that an environment uses; all empty if there is none yet."""

    load_balancers: tuple[str, ...] = ()
    target_groups: tuple[str, ...] = ()
    subnets: tuple[str, ...] = ()
    security_groups: tuple[str, ...] = ()
    instance_profile: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Build:
    """How the image is built.

    `template` is an existing Packer template; empty to write one. `files` is the file or folder to
    install, empty for the sample application, and `run` the command that starts it. `declared` are
    the variables of the existing template; `variables` and `var_files` are what a script passes to
    it.
    """

    template: str = ""
    files: str = ""
    run: str = ""
    declared: frozenset[str] = frozenset()
    variables: Mapping[str, str] | None = None
    var_files: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Answers:
    """Everything that `init` asks; `account` may be empty, `program` is empty for Terraform."""

    app: str
    region: str
    environment: str
    build: Build
    account: str = ""
    port: int = 8080
    health: str = "/health"
    stack: bool = True
    ci: Ci = Ci.NONE
    network: Network = Network()
    program: str = ""


def app_of_folder(name: str) -> str:
    """Return an app name that the name of a folder suggests; "web" if it suggests none."""
    words = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-0123456789")
    try:
        return check_app(words)
    except ValueError:
        return "web"


def region_of(environ: Mapping[str, str]) -> str:
    """Return the region that the environment names, as AWS's tools read it, or `REGION`."""
    return environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION") or REGION


def run_of(app: str, files: str, *, is_folder: bool) -> str:
    """Return the likely command of the files: the file itself; empty for a folder."""
    if not files:
        return SAMPLE_RUN.format(app=app)
    return "" if is_folder else f"/opt/{app}/{PurePosixPath(files).name}"
