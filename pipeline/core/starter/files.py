"""Compare the files that `init` writes with those that exist: it never overwrites one."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

GITIGNORE = ".gitignore"
IGNORED = (
    ".ami-pipeline/",
    ".terraform/",
    "*.tfstate",
    "*.tfstate.*",
    "ami.auto.tfvars.json",
    "packer-manifest.json",
    "packer-packages.txt",
    "packer_cache/",
    "pipeline.rehearsal.toml",
)
"""What the tools write into a repository, and what does not belong into a commit."""


@dataclass(frozen=True, kw_only=True, slots=True)
class StarterFile:
    """A file to write: its path in the repository, its text, and what it is for."""

    path: str
    text: str
    purpose: str = ""
    executable: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Comparison:
    """Which files are new, which exist with the same text, and how the others differ.

    `extended` are files that got lines in addition to what they had.
    """

    new: tuple[StarterFile, ...]
    same: tuple[StarterFile, ...]
    differences: tuple[str, ...]
    extended: tuple[str, ...] = ()


def compare(files: Iterable[StarterFile], existing: Mapping[str, str]) -> Comparison:
    """Compare files with the texts of those that exist, by path."""
    new, same, differences = [], [], []
    for file in files:
        found = existing.get(file.path)
        if found is None:
            new.append(file)
        elif found == file.text:
            same.append(file)
        else:
            differences.append(difference(file.path, found, file.text))
    return Comparison(new=tuple(new), same=tuple(same), differences=tuple(differences))


def difference(path: str, found: str, text: str) -> str:
    """Return the unified difference between a file and the text that would be written."""
    old, new = found.splitlines(), text.splitlines()
    lines = difflib.unified_diff(old, new, path, f"{path} of init", lineterm="")
    return "\n".join(lines)


def with_ignored(found: str, lines: Iterable[str] = IGNORED) -> str:
    """Return a .gitignore with these lines; only those that are missing are added."""
    present = {line.strip().strip("/") for line in found.splitlines()}
    missing = [line for line in lines if line.strip("/") not in present]
    if not missing:
        return found
    start = found if not found or found.endswith("\n") else f"{found}\n"
    heading = "# made by ami-pipeline, Packer and Terraform"
    return start + ("\n" if start else "") + "\n".join([heading, *missing]) + "\n"
