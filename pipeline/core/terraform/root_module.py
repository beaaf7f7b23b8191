"""Define the root module of an environment: its content, its files and Terraform's errors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.core.state.release import Size

FILE_INPUTS = ("user_data_template",)
"""The inputs of the shipped module that are paths; Terraform runs in another folder."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Bucket:
    """The location of Terraform's state in S3; the state is always locked and encrypted.

    `kms_key` is the ARN, id or alias of a KMS key; without one, S3 encrypts with its own.
    """

    name: str
    key: str
    region: str
    kms_key: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Root:
    """The content of a root module; without a `bucket` its state is a file in `folder`.

    `account` is the only account that Terraform may change, empty for any. `inputs` are the user's
    own inputs of the module, in addition to those of the contract. `provider` is the constraint
    on the version of the AWS provider.
    """

    app: str
    environment: str
    region: str
    account: str
    module: Path
    folder: Path
    bucket: Bucket | None
    inputs: Mapping[str, Any]
    provider: str = ">= 5.0, < 7.0"


@dataclass(frozen=True, kw_only=True, slots=True)
class Diagnostic:
    """One error of Terraform; `file` is Terraform's name of the file, or empty."""

    summary: str
    detail: str
    file: str = ""
    line: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class RootResult:
    """The files of a root module; `checked_by` is the Terraform that validated it, if any."""

    root: Root
    size: Size
    files: tuple[Path, ...]
    checked_by: str = ""
