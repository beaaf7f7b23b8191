"""The root module of an environment, as values: what is to be written, what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.core.state.release import Size


@dataclass(frozen=True, kw_only=True, slots=True)
class Bucket:
    """Where Terraform's state is in S3; always locked and encrypted."""

    name: str
    key: str
    region: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Root:
    """What the root module says; without a `bucket` its state is a file in `folder`.

    `account` is the only one Terraform may touch, empty where any will do; `inputs`
    are a person's own, passed to the module besides what the contract names.
    """

    app: str
    environment: str
    region: str
    account: str
    module: Path
    folder: Path
    bucket: Bucket | None
    inputs: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class Diagnostic:
    """One error in Terraform's words; `file` is named as Terraform does, or empty."""

    summary: str
    detail: str
    file: str = ""
    line: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class RootResult:
    """The files of a root module; `checked_by` is the Terraform that accepted it, if one did."""

    root: Root
    size: Size
    files: tuple[Path, ...]
    checked_by: str = ""
