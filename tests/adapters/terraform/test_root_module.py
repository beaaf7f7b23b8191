from __future__ import annotations

import json
import stat
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.adapters.terraform.root_module import (
    main_document,
    releases_document,
    shipped_module,
    write_root,
)
from pipeline.core.errors import RefusedError
from pipeline.core.state.release import Release, Size
from pipeline.core.terraform.root_module import Bucket, Root

CHECKOUT = Path(__file__).resolve().parents[3]
SIZE = Size(instance_type="t3.micro", minimum=1, maximum=3, desired=2)
BUCKET = Bucket(name="states", key="web/production.tfstate", region="eu-west-1")


@pytest.fixture
def root(tmp_path: Path) -> Root:
    (tmp_path / "modules/release").mkdir(parents=True)
    return Root(
        app="web",
        environment="production",
        region="eu-central-1",
        account="012345678901",
        module=tmp_path / "modules/release",
        folder=tmp_path / "state/terraform/web/production",
        bucket=None,
        inputs={"subnet_ids": ["subnet-1"], "key-name": "ops"},
    )


def test_the_root_module_has_these_contents(root: Root) -> None:
    write_root(root)
    assert json.loads((root.folder / "main.tf.json").read_text()) == {
        "//": "Written by ami-pipeline, again before each use: what you change here is lost.",
        "terraform": {
            "required_version": ">= 1.10",
            "required_providers": {
                "aws": {"source": "hashicorp/aws", "version": ">= 5.0, < 7.0"},
            },
            "backend": {"local": {"path": "terraform.tfstate"}},
        },
        "provider": {"aws": {"region": "eu-central-1", "allowed_account_ids": ["012345678901"]}},
        "variable": {
            "inputs": {"type": "any", "description": "[terraform.inputs] of pipeline.toml."},
            "releases": {
                "type": "map(object({ ami_id = string, instance_type = string, "
                "min_size = number, max_size = number, desired_capacity = number, "
                "facts = map(string) }))",
                "description": "What is to exist, by name.",
            },
        },
        "module": {
            "release": {
                "source": "../../../../modules/release",
                "app": "web",
                "environment": "production",
                "releases": "${var.releases}",
                "subnet_ids": "${var.inputs.subnet_ids}",
                "key-name": "${var.inputs.key-name}",
            }
        },
        "output": {
            "releases": {
                "description": "What exists, by name.",
                "value": "${{ for name, made in module.release.releases : name => "
                "{ group_name = made.group_name, launch_template_id = made.launch_template_id, "
                "launch_template_version = made.launch_template_version, "
                "ami_id = made.ami_id } }}",
            }
        },
    }


def test_a_bucket_is_a_backend_that_locks_and_encrypts(root: Root) -> None:
    document = main_document(replace(root, bucket=BUCKET, account=""))
    assert document["terraform"]["backend"] == {
        "s3": {
            "bucket": "states",
            "key": "web/production.tfstate",
            "region": "eu-west-1",
            "encrypt": True,
            "use_lockfile": True,
        }
    }
    assert document["provider"] == {"aws": {"region": "eu-central-1"}}


def test_user_text_is_only_in_tfvars_which_terraform_takes_literally(
    root: Root,
) -> None:
    word = '${file("/etc/passwd")} %{if true}'
    write_root(replace(root, inputs={"words": [word]}))
    assert word not in (root.folder / "main.tf.json").read_text()
    inputs = json.loads((root.folder / "inputs.auto.tfvars.json").read_text())
    assert inputs == {"inputs": {"words": [word]}}


def test_the_module_has_a_relative_path_through_links(root: Root, tmp_path: Path) -> None:
    elsewhere = tmp_path / "a/b/elsewhere"
    elsewhere.mkdir(parents=True)
    (tmp_path / "link").symlink_to(elsewhere)
    linked = replace(root, folder=tmp_path / "link/web")
    assert main_document(linked)["module"]["release"]["source"] == "../../../../modules/release"
    inside = replace(root, module=root.folder / "mine")
    assert main_document(inside)["module"]["release"]["source"] == "./mine"


def test_a_release_has_its_image_size_and_facts_by_name() -> None:
    release = Release(number=124, ami_id="ami-1", size=SIZE, facts={"version": "1.4.2"})
    assert releases_document([release]) == {
        "releases": {
            "r000124": {
                "ami_id": "ami-1",
                "instance_type": "t3.micro",
                "min_size": 1,
                "max_size": 3,
                "desired_capacity": 2,
                "facts": {"version": "1.4.2"},
            }
        }
    }


def test_the_files_are_private_and_ignored_by_git(root: Root) -> None:
    files = write_root(root)
    names = ("main.tf.json", "inputs.auto.tfvars.json", "releases.auto.tfvars.json")
    assert files == tuple(root.folder / name for name in names)
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}
    assert stat.S_IMODE(root.folder.stat().st_mode) == 0o700
    assert (root.folder / ".gitignore").read_text() == "*\n"
    assert json.loads(files[2].read_text()) == {"releases": {}}


def test_existing_releases_are_kept(root: Root) -> None:
    write_root(root)
    releases = root.folder / "releases.auto.tfvars.json"
    releases.write_text('{"releases": "as they were"}')
    write_root(replace(root, region="eu-west-1"))
    assert releases.read_text() == '{"releases": "as they were"}'
    assert "eu-west-1" in (root.folder / "main.tf.json").read_text()


def test_with_a_shared_state_no_empty_map_of_releases_is_written(
    root: Root,
) -> None:
    files = write_root(replace(root, bucket=BUCKET))
    assert [path.name for path in files] == ["main.tf.json", "inputs.auto.tfvars.json"]
    assert sorted(path.name for path in root.folder.iterdir()) == [
        ".gitignore",
        "inputs.auto.tfvars.json",
        "main.tf.json",
    ]
    # A variable without a default is what makes a plan by hand stop there.
    assert "default" not in main_document(root)["variable"]["releases"]


def test_a_folder_that_cannot_be_created_is_an_error(root: Root) -> None:
    root.folder.parent.mkdir(parents=True)
    root.folder.write_text("in the way")
    with pytest.raises(RefusedError) as told:
        write_root(root)
    assert str(told.value) == (
        f"the root module {root.folder}:\n  File exists\n"
        "next: make the folder writable for you, or name another as [state] url"
    )


def test_in_a_checkout_the_shipped_module_is_in_the_checkout() -> None:
    assert shipped_module() == CHECKOUT / "terraform/release"


def test_a_wheel_carries_the_terraform_folder_and_finds_it(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)],
        cwd=CHECKOUT,
        capture_output=True,
        check=True,
    )
    [wheel] = tmp_path.glob("*.whl")
    installed = tmp_path / "installed"
    zipfile.ZipFile(wheel).extractall(installed)
    module = "pipeline.adapters.terraform.root_module"
    program = f"from {module} import shipped_module; print(shipped_module())"
    found = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env={"PYTHONPATH": str(installed)},
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    assert Path(found) == installed.resolve() / "pipeline/terraform/release"
    modules = (path.relative_to(CHECKOUT) for path in (CHECKOUT / "terraform").rglob("*.tf"))
    shipped = {path for path in modules if ".terraform" not in path.parts}
    carried = {path.relative_to(installed / "pipeline") for path in installed.rglob("*.tf")}
    assert shipped == carried
