"""Define the answers that `init` needs, and the defaults that a folder suggests."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import PurePosixPath

from pipeline.core.validation.values import check_app, check_path

REGION = "us-east-1"
UNIT = "unit"
"""The folder of the systemd unit, uploaded beside the service's files."""
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

    `template` is an existing Packer template; empty to write one. `files` are the files and folders
    to install, none for the sample application, and `run` the command that starts it. `declared`
    are the variables of the existing template; `variables` and `var_files` are what a script
    passes to it.
    """

    template: str = ""
    files: tuple[str, ...] = ()
    run: str = ""
    declared: frozenset[str] = frozenset()
    variables: Mapping[str, str] | None = None
    var_files: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Answers:
    """Everything that `init` asks; `account` may be empty, `program` is empty for Terraform.

    `pair` gives the stack two target groups and a test listener.
    """

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
    pair: bool = False


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


def run_of(app: str, files: Sequence[str], *, is_file: bool) -> str:
    """Return the likely command: the sample's, or the only file; empty if it is unknown."""
    if not files:
        return SAMPLE_RUN.format(app=app)
    return f"/opt/{app}/{PurePosixPath(files[0]).name}" if len(files) == 1 and is_file else ""


def check_installed(path: str) -> str:
    """Return the path of a file or folder to install, without a slash at its end.

    Raises ValueError with what is allowed: this folder itself would bring its `.git` and its state.
    """
    name = PurePosixPath(path).name
    if name in ("", "..", UNIT) or any(each.isspace() for each in path):
        allowed = f"a file or a folder below this one, not named {UNIT}, without spaces in its path"
        raise ValueError(allowed)
    return check_path(path).rstrip("/")
