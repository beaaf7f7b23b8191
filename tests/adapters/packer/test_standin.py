"""The stand-in for Packer 1.16 speaks as the captures of the real one do."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.standin.packer import install_plugin, installed

pytestmark = pytest.mark.long  # each starts two or three interpreters

CAPTURES = Path(__file__).parents[2] / "captures/packer-1.16.0-amazon-1.8.3"
HCL = """
packer {
  required_plugins {
    amazon = { source = "github.com/hashicorp/amazon", version = ">= 1.2.0" }
  }
}
data "amazon-ami" "base" {
  region = "us-east-1"
}
source "amazon-ebs" "app" {
  region        = "us-east-1"
  instance_type = "t3.micro"
  ami_name      = "web"
  source_ami    = "ami-1"
  ssh_username  = "x"
}
build {
  sources = ["source.amazon-ebs.app"]
  provisioner "shell" {
    environment_vars = ["BASE=${data.amazon-ami.base.id}"]
    inline           = ["true"]
  }
}
"""


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> str:
    return installed(tmp_path_factory.mktemp("standin") / "bin", os.environ["PATH"])


def run(path: str, folder: Path, *argv: str, plugins: bool = True) -> tuple[int, str]:
    """Run the stand-in in a folder with or without the Amazon plugin."""
    home = folder / ("with" if plugins else "without")
    if plugins and not home.exists():
        install_plugin(home / ".config/packer/plugins")
    done = subprocess.run(
        ["packer", *argv],  # noqa: S607  from the PATH of the test
        cwd=folder,
        env={"PATH": path, "HOME": str(home), "CHECKPOINT_DISABLE": "1"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    return done.returncode, done.stdout


def plain(text: str) -> str:
    """Return the text without what differs from run to run."""
    return re.sub(r"^\d+,", "1,", text, flags=re.MULTILINE)


def test_it_gives_its_version_and_its_plugins(path: str, tmp_path: Path) -> None:
    assert (
        run(path, tmp_path, "version", "-machine-readable")[1]
        .splitlines()[0]
        .endswith(",version,1.16.0")
    )
    assert "amazon_v1.8.3" in run(path, tmp_path, "plugins", "installed")[1]
    assert run(path, tmp_path, "nosuch")[0] == 127


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (("build", "-nosuch", "."), "flag provided but not defined: -nosuch"),
        (("build", "nosuch.pkr.hcl"), "stat nosuch.pkr.hcl: no such file or directory"),
        (("validate", "."), "not in format 'key=value': <unknown>"),
        (("validate", "-evaluate-datasources", "."), "No valid credential sources found"),
        (("inspect", "-machine-readable", "."), "No valid credential sources found"),
    ],
)
def test_it_refuses_what_the_real_one_refuses(
    path: str, tmp_path: Path, argv: tuple[str, ...], said: str
) -> None:
    (tmp_path / "app.pkr.hcl").write_text(HCL)
    code, output = run(path, tmp_path, *argv)
    assert code == 1
    assert said in output


@pytest.mark.parametrize(
    ("name", "argv"),
    [
        ("no-plugin-at-all", ("build", "-machine-readable", "-color=false", ".")),
        ("init-offline", ("init", "-machine-readable", ".")),
    ],
)
def test_a_missing_plugin_is_refused_as_captured(
    path: str, tmp_path: Path, name: str, argv: tuple[str, ...]
) -> None:
    (tmp_path / "app.pkr.hcl").write_text(HCL)
    code, output = run(path, tmp_path, *argv, plugins=False)
    assert code == 1
    assert plain(output) == plain((CAPTURES / f"{name}.log").read_text())


def test_without_data_sources_a_template_is_valid(path: str, tmp_path: Path) -> None:
    text = re.sub(r"data \"amazon.*?\n\}", "", HCL, flags=re.DOTALL)
    (tmp_path / "app.pkr.hcl").write_text(text.replace("${data.amazon-ami.base.id}", "x"))
    code, output = run(path, tmp_path, "validate", ".")
    assert (code, output) == (0, "The configuration is valid.\n")
