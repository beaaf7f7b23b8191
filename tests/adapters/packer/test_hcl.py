from __future__ import annotations

import random
import time

import pytest

from pipeline.adapters.packer.hcl import Block, parse

TEMPLATE = r"""
# a comment with { and "
packer { required_version = ">= 1.6" }
variable "ami_regions" {
  type        = list(string) // not the end }
  description = "where \"to\" copy: ${jsonencode({ a = "}" })} $${x}"
}
variable "text" {
  default = <<-EOT
    a } b " c
  EOT
}
locals {
  tags = {
    Name = "x"  # inside }
    "b": 2,
  }
  both = var.a ? "1" : "2" /* end */
}
source "amazon-ebs" "app" {
  region = var.region
  launch_block_device_mappings {
    encrypted = true
  }
}
build {
  name    = "foo"
  sources = ["source.amazon-ebs.app",
             "source.null.x"]
  provisioner "file" {
    source      = "${path.root}/app"
    destination = "/tmp"
  }
  source "amazon-ebs.app" { name = "east" }
}
"""


def test_blocks_labels_and_arguments_are_found() -> None:
    found = parse(TEMPLATE)
    assert [(block.kind, block.labels) for block in found.blocks] == [
        ("packer", ()),
        ("variable", ("ami_regions",)),
        ("variable", ("text",)),
        ("locals", ()),
        ("source", ("amazon-ebs", "app")),
        ("build", ()),
    ]
    regions, text = found.all("variable")
    assert regions.arguments["type"] == "list(string)"
    assert regions.arguments["description"].endswith('$${x}"')
    assert text.arguments["default"].startswith("<<-EOT")
    [local] = found.all("locals")
    assert local.arguments["both"] == 'var.a ? "1" : "2"'
    assert local.arguments["tags"].startswith("{")
    [source] = found.all("source")
    assert source.arguments == {"region": "var.region"}
    assert source.blocks[0].arguments == {"encrypted": "true"}
    [build] = found.all("build")
    assert build.arguments["sources"].count("source.") == 2
    assert [block.labels for block in build.blocks] == [("file",), ("amazon-ebs.app",)]


@pytest.mark.parametrize(
    "text", ["", "{", '"', "x", 'a = "', "a {", "a = <<X\nb", "1 = 2", "a b = 1", 'a "${', "\0"]
)
def test_what_is_no_hcl_is_left_out(text: str) -> None:
    assert parse(text) == Block(kind="") or parse(text).blocks == ()


def test_any_text_is_read_in_time() -> None:
    chance = random.Random(1)  # noqa: S311 - a seeded one, to repeat a failure
    began = time.monotonic()
    for _ in range(300):
        parse("".join(chance.choices('ab {}[]"\\$%<-#/*=\n,X', k=400)))
    for piece in ("a {", '"${', "[", "/*", "<<X\n", 'a = "'):
        parse(piece * 3000)
    assert time.monotonic() - began < 20.0
