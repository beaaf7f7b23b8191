from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.adapters.terraform.init_cache import (
    has_other_backend_options,
    is_initialized,
    mark_initialized,
)
from pipeline.core.terraform.program import OPENTOFU, Program
from tests.core.terraform.samples import TERRAFORM_1_11


@pytest.fixture
def program(tmp_path: Path) -> Program:
    path = tmp_path / "terraform"
    path.write_text("terraform")
    return replace(TERRAFORM_1_11, path=str(path))


@pytest.fixture
def folder(tmp_path: Path, program: Program) -> Path:
    """A root module as `terraform init` leaves it, calling a module that calls another."""
    root = tmp_path / "root"
    for path, text in {
        "main.tf.json": "{}",
        ".terraform.lock.hcl": "provider",
        ".terraform/terraform.tfstate": '{"backend": {}}',
        ".terraform/modules/modules.json": json.dumps(
            {"Modules": [{"Dir": "."}, {"Dir": "../modules/outer"}, {"Dir": "../modules/inner"}]}
        ),
        "../modules/outer/main.tf": "outer",
        "../modules/outer/user-data.sh": "not read by init",
        "../modules/inner/main.tf.json": "inner",
        "../mirror/terraform-provider-aws": "program",
    }.items():
        file = root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    provider = root / ".terraform/providers/registry.terraform.io/hashicorp/aws/5.1.0"
    provider.mkdir(parents=True)
    (provider / "linux_amd64").symlink_to(tmp_path / "mirror")
    mark_initialized(root, program)
    return root


def written(name: str) -> Callable[[Path], object]:
    return lambda root: (root / name).write_text("other")


def test_an_unchanged_root_module_stays_initialized(folder: Path, program: Program) -> None:
    assert is_initialized(folder, program)
    (folder / "releases.auto.tfvars.json").write_text("{}")
    (folder / "terraform.tfstate").write_text("{}")
    (folder / "../modules/outer/user-data.sh").write_text("other")
    assert is_initialized(folder, program)


@pytest.mark.parametrize(
    "change",
    [
        written("main.tf.json"),
        written(".terraform.lock.hcl"),
        written(".terraform/terraform.tfstate"),
        written(".terraform/modules/modules.json"),
        written("../modules/outer/main.tf"),
        written("../modules/outer/more.tf"),
        written("../modules/inner/main.tf.json"),
        written("../terraform"),
        lambda root: (root / ".terraform.lock.hcl").unlink(),
        lambda root: (root / ".terraform/modules/modules.json").unlink(),
        lambda root: (root / "../modules/inner/main.tf.json").unlink(),
        lambda root: (root / "../mirror").rename(root / "../elsewhere"),
        lambda root: (root / "../mirror/terraform-provider-aws").write_text("another program"),
        lambda root: (root / "../modules").rename(root / "../elsewhere"),
        lambda root: (root / ".terraform").rename(root / ".gone"),
        lambda root: (root / "../terraform").unlink(),
    ],
)
def test_a_changed_root_module_is_not_initialized(
    folder: Path, program: Program, change: Callable[[Path], object]
) -> None:
    change(folder)
    assert not is_initialized(folder, program)


def test_another_terraform_needs_its_own_init(folder: Path, program: Program) -> None:
    other = f"{program.path}-1.12"
    os.link(program.path, other)
    assert not is_initialized(folder, replace(program, path=other))
    assert not is_initialized(folder, replace(program, version="1.12.0"))
    assert not is_initialized(folder, replace(program, product=OPENTOFU))


def test_a_lock_file_beside_a_provider_does_not_repeat_init(folder: Path, program: Program) -> None:
    """OpenTofu writes it (captured: `linux_amd64.lock`, empty)."""
    version = folder / ".terraform/providers/registry.terraform.io/hashicorp/aws/5.1.0"
    (version / "linux_amd64.lock").touch()
    assert is_initialized(folder, program)
    mark_initialized(folder, program)
    assert is_initialized(folder, program)


def test_files_of_opentofu_count_as_sources_of_opentofu(folder: Path, program: Program) -> None:
    tofu, outer = replace(program, product=OPENTOFU), folder / "../modules/outer"
    for each in (program, tofu):
        mark_initialized(folder, each)
        before = is_initialized(folder, each)
        (outer / "more.tofu").write_text(str(each))
        assert (before, is_initialized(folder, each)) == (True, each is program)
    (outer / "main.tofu").write_text("in place of main.tf")
    mark_initialized(folder, tofu)
    (outer / "main.tf").write_text("other")
    assert is_initialized(folder, tofu)


def test_without_a_stamp_init_runs_each_time(folder: Path, program: Program) -> None:
    (folder / ".terraform/modules/modules.json").write_text("{")
    mark_initialized(folder, program)
    assert not is_initialized(folder, program)
    assert not (folder / ".terraform/ami-pipeline").exists()


SAVED = {"bucket": "states", "key": "web/staging.tfstate", "region": "us-east-1", "encrypt": True}
KEY = {"kms_key_id": "alias/states"}


@pytest.mark.parametrize(
    ("saved", "wanted", "expected"),
    [
        (SAVED, SAVED, False),
        ({**SAVED, "kms_key_id": None, "profile": None}, SAVED, False),
        (SAVED, {**SAVED, **KEY}, True),
        ({**SAVED, **KEY}, SAVED, True),
        (SAVED, {**SAVED, "skip_region_validation": True}, True),
        # The state may be elsewhere: Terraform asks for a migration.
        (SAVED, {**SAVED, **KEY, "key": "web/other.tfstate"}, False),
        (SAVED, {**SAVED, **KEY, "bucket": "other"}, False),
    ],
)
def test_only_other_options_of_the_same_backend_are_reconfigured(
    tmp_path: Path, saved: dict[str, object], wanted: dict[str, object], expected: bool
) -> None:
    (tmp_path / ".terraform").mkdir()
    document = {"version": 3, "backend": {"type": "s3", "config": saved, "hash": 1}}
    (tmp_path / ".terraform/terraform.tfstate").write_text(json.dumps(document))
    main = {"terraform": {"backend": {"s3": wanted}}}
    (tmp_path / "main.tf.json").write_text(json.dumps(main))
    assert has_other_backend_options(tmp_path) == expected


@pytest.mark.parametrize("text", ["", "{", "[]", '{"backend": null}', '{"backend": {"config": 1}}'])
def test_an_unreadable_backend_is_not_reconfigured(tmp_path: Path, text: str) -> None:
    (tmp_path / ".terraform").mkdir()
    (tmp_path / ".terraform/terraform.tfstate").write_text(text)
    (tmp_path / "main.tf.json").write_text('{"terraform": {"backend": {"s3": {}}}}')
    assert not has_other_backend_options(tmp_path)
