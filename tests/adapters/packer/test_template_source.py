from __future__ import annotations

import json
from pathlib import Path

import pytest

from pipeline.adapters.packer.template_source import (
    TemplateSource,
    assigned,
    read_source,
    undeclared_uploads,
)
from pipeline.core.bake.model import Builder, Declared

HCL = """
variable "ami_regions" {
  type = list(string)
}
variable "names" {
  type    = set(any)
  default = []
}
variable "tags" { default = {} }
variable "size" { default = 3 }
variable "flag" { default = false }
variable "odd" { type = object({ a = string }) }
variable "free" {}
variable "token" {
  type      = string
  default   = env("TOKEN")
  sensitive = true
}
locals { a = var.size }
local "b" { expression = "x" }
source "amazon-ebs" "app" {
  region       = var.region
  encrypt_boot = true
  ami_groups   = ["all"]
}
build {
  source "amazon-ebs.app" {
    name   = "east"
    region = "us-east-1"
  }
  provisioner "file" {
    source = "${path.root}/here"
  }
  provisioner "file" {
    source    = "fetched"
    direction = "download"
  }
  provisioner "shell" {
    scripts = ["scripts/a.sh", "${var.more}/b.sh"]
  }
  provisioner "ansible" {
    playbook_file = "../site.yml"
  }
}
"""


def test_an_hcl2_template_is_read(tmp_path: Path) -> None:
    file = tmp_path / "app.pkr.hcl"
    file.write_text(HCL)
    source = read_source(file)
    kinds = {name: declared.kind for name, declared in source.variables.items()}
    assert kinds == {
        "ami_regions": "list",
        "names": "list",
        "tags": "map",
        "size": "number",
        "flag": "bool",
        "odd": "object({a=string})",
        "free": "any",
        "token": "string",
    }
    required = {name for name, declared in source.variables.items() if declared.required}
    assert required == {"ami_regions", "odd", "free"}
    assert source.variables["token"] == Declared(
        kind="string", sensitive=True, environment=("TOKEN",)
    )
    assert source.variables["size"].default == 3
    assert source.locals == {"a": "var.size", "b": '"x"'}
    assert source.builders == {
        "amazon-ebs.app": Builder(region="var.region", encrypt="true", groups='["all"]'),
        "amazon-ebs.east": Builder(region='"us-east-1"', encrypt="true", groups='["all"]'),
    }
    assert source.uploads == (
        "${path.root}/here", "scripts/a.sh", "${var.more}/b.sh", "../site.yml"
    )  # fmt: skip


def test_hcl2_in_json_syntax_is_read(tmp_path: Path) -> None:
    content = {
        "variable": {"ami_regions": {"type": "list(string)"}, "x": {"default": "y"}},
        "source": {"amazon-ebs": {"app": {"region": "${var.x}"}}},
        "build": [{"provisioner": [{"file": {"source": "a"}}]}],
    }
    file = tmp_path / "app.pkr.json"
    file.write_text(json.dumps(content))
    source = read_source(file)
    assert source.variables["ami_regions"] == Declared(kind="list", required=True)
    assert source.variables["x"] == Declared(kind="string", default="y")
    assert source.builders == {"amazon-ebs.app": Builder(region='"${var.x}"')}
    assert source.uploads == ("a",)


def test_an_old_template_is_read(tmp_path: Path) -> None:
    content = {
        "variables": {"a": None, "b": "x-{{env `B`}}", "c": 1},
        "sensitive-variables": ["b"],
        "builders": [
            {
                "type": "amazon-ebs",
                "region": "{{user `a`}}",
                "encrypt_boot": True,
                "snapshot_groups": ["all"],
            },
            {"name": "a, b", "type": "null"},
        ],
        "provisioners": [{"type": "shell", "scripts": ["a.sh"], "script": "b.sh"}],
    }
    file = tmp_path / "image.json"
    file.write_text(json.dumps(content))
    source = read_source(file)
    assert source.variables == {
        "a": Declared(kind="text", required=True),
        "b": Declared(kind="text", sensitive=True, default="x-{{env `B`}}", environment=("B",)),
        "c": Declared(kind="text", default="1"),
    }
    assert source.builders == {
        "amazon-ebs": Builder(region="{{user `a`}}", encrypt="true", groups='["all"]'),
        "a, b": Builder(),
    }
    assert source.uploads == ("b.sh", "a.sh")


@pytest.mark.parametrize("text", ["", "[]", "3", '{"variables": 3, "builders": {}}', "{", "\0"])
@pytest.mark.parametrize("name", ["image.json", "app.pkr.json", "app.pkr.hcl"])
def test_what_cannot_be_read_is_left_out(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    assert read_source(tmp_path / name) == TemplateSource()
    assert read_source(tmp_path / "none" / name) == TemplateSource()


def test_a_folder_is_read_with_its_automatic_files(tmp_path: Path) -> None:
    (tmp_path / "a.pkr.hcl").write_text('variable "a" {}')
    (tmp_path / "b.pkr.hcl").write_text('variable "b" {}')
    (tmp_path / "x.auto.pkrvars.hcl").write_text('a = "1"\nb = [upper("x")]')
    (tmp_path / "y.auto.pkrvars.json").write_text('{"c": [1]}')
    (tmp_path / "z.pkrvars.hcl").write_text('a = "2"')
    assert set(read_source(tmp_path).variables) == {"a", "b"}
    assert assigned(tmp_path, ()) == {"a": "1", "b": None, "c": [1]}
    assert assigned(tmp_path, (tmp_path / "z.pkrvars.hcl",))["a"] == "2"
    assert assigned(tmp_path / "a.pkr.hcl", ()) == {}


def test_files_that_are_no_inputs_are_found(tmp_path: Path) -> None:
    for name in ("packer/here", "scripts/a.sh", "app/x", "outside"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    source = TemplateSource(
        uploads=(
            "${path.root}/here",
            "{{template_dir}}/../outside",
            "scripts/a.sh",
            "./app/",
            "app/x",
            "${var.x}/y",
            "missing",
            "",
        )
    )
    template = tmp_path / "packer" / "app.pkr.hcl"
    found = undeclared_uploads(source, template, tmp_path, (tmp_path / "app",))
    assert found == (tmp_path / "outside", tmp_path / "scripts/a.sh")


def test_the_filter_of_a_source_image_is_read_in_each_syntax(tmp_path: Path) -> None:
    hcl = tmp_path / "app.pkr.hcl"
    hcl.write_text(
        'source "amazon-ebs" "app" {\n  source_ami_filter {\n    filters = {\n      name = "x-*"\n'
        '    }\n    owners = ["self"]\n  }\n}\ndata "amazon-ami" "base" {}\n'
    )
    block = {"filters": {"name": "x-*"}, "owners": ["self"]}
    new = tmp_path / "new.pkr.json"
    new.write_text(json.dumps({"source": {"amazon-ebs": {"app": {"source_ami_filter": block}}}}))
    old = tmp_path / "old.json"
    old.write_text(
        json.dumps(
            {"builders": [{"type": "amazon-ebs", "name": "app", "source_ami_filter": block}]}
        )
    )
    assert read_source(hcl).data
    assert read_source(hcl).builders["amazon-ebs.app"].filter == (
        'filters = { name = "x-*" }, owners = ["self"]'
    )
    assert not read_source(new).data
    assert read_source(new).builders["amazon-ebs.app"].filter == json.dumps(block)
    assert read_source(old).builders["app"].filter == json.dumps(block)
