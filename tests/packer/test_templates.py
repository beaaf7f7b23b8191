from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from pipeline.config import load
from pipeline.core.validation.values import TOOL_VARIABLES
from tests.packer_plugins import PLUGINS

ROOT = Path(__file__).parents[2]
PACKER = ROOT / "packer"
DOCUMENT = (ROOT / "docs/reference/templates.md").read_text()
VALUES = {
    "app": "web",
    "version": "1.4.2",
    "ami_name": "web-1.4.2",
    "region": "us-east-1",
    "source_ami": "ami-0123456789abcdef0",
}


def packer(*arguments: str | Path, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    program = shutil.which("packer")
    assert program is not None, "packer must be on PATH"
    return subprocess.run(
        [program, *map(str, arguments)],
        cwd=cwd,
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(cwd),
            "CHECKPOINT_DISABLE": "1",
            **PLUGINS,
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def validate(template: Path, values: dict[str, object], folder: Path) -> tuple[int, str]:
    """Validate with HOME and the plugin cache in the test's own folder; return code and output."""
    file = folder / "values.json"
    file.write_text(json.dumps(values))
    done = packer("validate", f"-var-file={file}", template, cwd=folder)
    return done.returncode, done.stdout + done.stderr


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    shutil.copytree(PACKER, tmp_path / "packer")
    return tmp_path


def test_the_sample_template_is_valid(sources: Path) -> None:
    assert validate(sources / "packer" / "app.pkr.hcl", dict(VALUES), sources)[0] == 0


def test_the_sample_template_accepts_every_variable_of_the_pipeline(sources: Path) -> None:
    values: dict[str, object] = {
        **VALUES,
        "environment": "staging",
        "ami_regions": ["us-west-2"],
        "tags": {"Team": "web"},
        "run_tags": {"Team": "web"},
        "manifest": "made.json",
        "packages_file": "packages.txt",
    }
    assert set(values) == TOOL_VARIABLES
    code, output = validate(sources / "packer" / "app.pkr.hcl", values, sources)
    # Packer says so from 1.7.7 on.
    assert (code, output.replace("The configuration is valid.\n", "")) == (0, "")


def test_the_templates_are_formatted() -> None:
    done = packer("fmt", "-check", "-diff", PACKER)
    assert (done.returncode, done.stdout) == (0, "")


def test_the_sample_template_has_the_secure_defaults() -> None:
    text = re.sub(r"#[^\n]*", "", (PACKER / "app.pkr.hcl").read_text())
    assert re.search(r"\bencrypted\s+= true", text)
    assert "temporary_security_group_source_cidrs = var.ssh_source_cidrs" in text
    assert '"0.0.0.0/0"' not in text
    assert "ami_users" not in text
    assert "ami_groups" not in text
    assert "use_env_var_file = true" in text
    assert re.search(r'variable "token" \{[^}]*sensitive = true', text)


def test_required_plugins_are_in_a_file_that_a_build_does_not_read() -> None:
    assert "required_plugins" not in re.sub(r"#[^\n]*", "", (PACKER / "app.pkr.hcl").read_text())
    assert "required_plugins {" in (PACKER / "init" / "plugins.pkr.hcl").read_text()


@pytest.mark.parametrize("language", ["hcl", "json"])
def test_the_documentations_snippets_are_valid(tmp_path: Path, language: str) -> None:
    snippets = [each.partition("```")[0] for each in DOCUMENT.split(f"```{language}\n")[1:]]
    snippet = next(each for each in snippets if "variable" in each)
    template = tmp_path / ("app.pkr.hcl" if language == "hcl" else "app.json")
    template.write_text(snippet)
    code, output = validate(
        template, {k: VALUES[k] for k in ("ami_name", "region", "source_ami")}, tmp_path
    )
    assert code == 0, output


def test_every_variable_of_the_pipeline_is_documented() -> None:
    assert [name for name in sorted(TOOL_VARIABLES) if f"`{name}`" not in DOCUMENT] == []


def test_the_samples_configuration_is_valid() -> None:
    settings = load(ROOT / "pipeline.toml")
    assert (settings.app, settings.region) == ("web", "us-east-1")
    assert set(settings.environments) == {"staging", "production"}
    for path in (settings.bake.template, *settings.bake.inputs):
        assert (ROOT / path).exists()


# --- the scripts, in a directory that represents an instance --------------------------------------


def run(script: str, root: Path, **settings: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["/bin/sh", str(PACKER / "provision" / script)],
        env={"PATH": os.environ["PATH"], "ROOT": str(root), **settings},
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )


@pytest.fixture
def instance(tmp_path: Path) -> Path:
    root = tmp_path / "instance"
    shutil.copytree(PACKER / "provision" / "unit", root / "tmp" / "unit")
    return root


INSTALL = {"APP": "web", "VERSION": "1.4.2", "ENVIRONMENT": "staging", "PORT": "8080"}


def test_the_application_is_installed_and_enabled(instance: Path) -> None:
    done = run("install.sh", instance, **INSTALL, TOKEN="canary-4e1")
    assert done.returncode == 0, done.stderr
    assert (instance / "etc" / "web" / "env").read_text() == (
        "APP=web\nVERSION=1.4.2\nENVIRONMENT=staging\nPORT=8080\n"
    )
    units = instance / "etc" / "systemd" / "system"
    unit = (units / "web.service").read_text()
    assert "ExecStart=/usr/bin/env python3 /opt/web/server.py\n" in unit
    assert "@APP@" not in unit.partition("\n")[2]
    link = units / "multi-user.target.wants" / "web.service"
    assert link.readlink() == Path("/etc/systemd/system/web.service")
    assert os.access(instance / "opt" / "web" / "server.py", os.X_OK)
    assert "canary" not in done.stdout + done.stderr
    kept = [path for path in instance.rglob("*") if path.is_file() and not path.is_symlink()]
    assert not any("canary" in path.read_text() for path in kept)


def test_files_of_ones_own_are_installed_with_the_command_that_runs_them(instance: Path) -> None:
    (instance / "tmp/dist/public").mkdir(parents=True)
    (instance / "tmp/dist/main.js").touch()
    (instance / "tmp/dist/public/index.html").touch()
    command = "/usr/bin/node --title=a&b|c /opt/@APP@/main.js"
    done = run("install.sh", instance, **INSTALL, FILES="build/dist/", RUN=command)
    assert done.returncode == 0, done.stderr
    here = instance / "opt/web"
    found = {str(each.relative_to(here)) for each in here.rglob("*") if each.is_file()}
    assert found == {"main.js", "public/index.html"}
    unit = (instance / "etc/systemd/system/web.service").read_text()
    assert "ExecStart=/usr/bin/node --title=a&b|c /opt/web/main.js\n" in unit
    assert not (instance / "tmp/dist").exists()


def test_several_files_and_folders_keep_their_names(instance: Path) -> None:
    (instance / "tmp/lib").mkdir()
    (instance / "tmp/lib/notes.js").touch()
    (instance / "tmp/server.js").touch()
    done = run("install.sh", instance, **INSTALL, FILES="src/server.js lib", RUN="node server.js")
    assert done.returncode == 0, done.stderr
    here = instance / "opt/web"
    found = {str(each.relative_to(here)) for each in here.rglob("*") if each.is_file()}
    assert found == {"server.js", "lib/notes.js"}
    assert not (instance / "tmp/server.js").exists()


def test_one_file_is_installed_as_a_program(instance: Path) -> None:
    (instance / "tmp/web").touch()
    assert run("install.sh", instance, **INSTALL, FILES="web", RUN="/opt/web/web").returncode == 0
    assert os.access(instance / "opt/web/web", os.X_OK)


def test_the_application_can_be_installed_over_an_older_one(instance: Path) -> None:
    assert run("install.sh", instance, **INSTALL).returncode == 0
    assert run("install.sh", instance, **{**INSTALL, "VERSION": "2"}).returncode == 0
    assert "VERSION=2\n" in (instance / "etc" / "web" / "env").read_text()


@pytest.mark.parametrize(
    "settings",
    [
        {"APP": "../x"},
        {"APP": ""},
        {"APP": "a b"},
        {"PORT": "80;id"},
        {"PORT": ""},
        {"FILES": "."},
        {"FILES": "build/.."},
        {"FILES": "a/unit"},
    ],
)
def test_invalid_names_are_refused(instance: Path, settings: dict[str, str]) -> None:
    done = run("install.sh", instance, **{**INSTALL, **settings})
    assert done.returncode == 1
    assert "must" in done.stderr


def test_a_name_of_a_system_unit_is_refused(instance: Path) -> None:
    (instance / "etc" / "ssh").mkdir(parents=True)
    done = run("install.sh", instance, **{**INSTALL, "APP": "ssh"})
    assert done.returncode == 1
    assert "choose another name" in done.stderr


def test_keys_and_the_machines_identity_are_deleted(instance: Path) -> None:
    keys = [
        instance / "home" / "ec2-user" / ".ssh" / "authorized_keys",
        instance / "root" / ".ssh" / "authorized_keys",
        instance / "etc" / "ssh" / "ssh_host_ed25519_key",
        instance / "tmp" / "unit" / "server.py",
    ]
    for path in (*keys, instance / "etc" / "machine-id"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x")
    assert run("clean.sh", instance, PACKER_BUILD_NAME="app").returncode == 0
    assert [path for path in keys if path.exists()] == []
    assert (instance / "etc" / "machine-id").read_text() == ""


def test_cleaning_is_refused_outside_a_bake(instance: Path) -> None:
    done = run("clean.sh", instance)
    assert done.returncode != 0
    assert "PACKER_BUILD_NAME" in done.stderr
    assert (instance / "tmp" / "unit").exists()
