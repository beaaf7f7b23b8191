"""What the documents say is so: commands, options, keys, exit codes, links, examples."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import click
import pytest

from pipeline.cli.main import cli, run
from pipeline.config import load
from pipeline.core.errors import PipelineError

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = sorted([ROOT / "README.md", ROOT / "CHANGELOG.md", *ROOT.glob("docs/**/*.md")])
TEXT = "\n".join(path.read_text() for path in DOCUMENTS)


def commands(
    group: click.Group, context: click.Context, path: tuple[str, ...] = ()
) -> list[tuple[tuple[str, ...], click.Command]]:
    found: list[tuple[tuple[str, ...], click.Command]] = []
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            found += commands(command, context, (*path, name))
        else:
            found.append(((*path, name), command))
    return found


COMMANDS = commands(cli, click.Context(cli))


@pytest.mark.parametrize(("path", "command"), COMMANDS, ids=lambda each: str(each)[:40])
def test_every_command_is_documented_and_helps(
    path: tuple[str, ...], command: click.Command, capsys: pytest.CaptureFixture[str]
) -> None:
    assert " ".join(path) in TEXT
    assert run([*path, "--help"]) == 0
    assert capsys.readouterr().out.startswith("Usage: ami-pipeline " + " ".join(path))
    for option in command.params:
        assert any(name in TEXT for name in option.opts), f"{option.opts} of {path}"


@pytest.mark.parametrize("error", PipelineError.__subclasses__(), ids=lambda each: each.__name__)
def test_every_exit_code_is_documented(error: type[PipelineError]) -> None:
    row = rf"^\| {error.exit_code} \| .*$"
    rows = re.findall(row, (ROOT / "docs/exit-codes.md").read_text(), re.MULTILINE)
    assert len(rows) == 1
    assert error.__name__ in rows[0]


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_every_link_leads_to_a_file(path: Path) -> None:
    links = re.findall(r"\]\(([^)#]+)[^)]*\)", path.read_text())
    missing = [link for link in links if "://" not in link and not (path.parent / link).exists()]
    assert missing == []


def test_the_configuration_in_the_readme_is_valid(tmp_path: Path) -> None:
    example = re.search(r"```toml\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert example
    (tmp_path / "packer").mkdir()
    (tmp_path / "packer/app.pkr.hcl").write_text("")
    (tmp_path / "pipeline.toml").write_text(example[1])
    assert load(tmp_path / "pipeline.toml").app == "web"


def shown_commands() -> list[list[str]]:
    """Every `ami-pipeline ...` line in a shell example."""
    blocks = re.findall(r"```(?:sh|console)\n(.*?)```", TEXT, re.DOTALL)
    lines = (line.removeprefix("$ ") for block in blocks for line in block.splitlines())
    return [
        shlex.split(line, comments=True)[1:]
        for line in lines
        if line.startswith("ami-pipeline ") and "[" not in line
    ]


@pytest.mark.parametrize("arguments", shown_commands(), ids=" ".join)
def test_every_command_shown_exists_with_its_options(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for _, command in COMMANDS:
        monkeypatch.setattr(command, "callback", lambda *_, **__: None)
    assert run(arguments) == 0


def test_the_make_targets_that_the_readme_names_exist() -> None:
    targets = set(re.findall(r"make ([a-z0-9-]+)", (ROOT / "README.md").read_text()))
    makefile = (ROOT / "Makefile").read_text()
    assert {"demo", "test"} <= targets
    assert [name for name in targets if not re.search(rf"^{name}:", makefile, re.MULTILINE)] == []


def test_the_tfvars_in_the_documents_are_those_that_are_written() -> None:
    written = ("ami_id", "ami_ids", "app", "app_version", "version")
    declared = set(
        re.findall(r'variable "(\w+)"', (ROOT / "terraform/image/variables.tf").read_text())
    )
    assert declared == {*written} - {"version"}
    assert all(f"`{name}`" in (ROOT / "docs/bake.md").read_text() for name in written)


def test_every_call_the_adapters_make_is_among_the_permissions_documented() -> None:
    code = "\n".join(path.read_text() for path in (ROOT / "pipeline/adapters").glob("*.py"))
    verbs = r"(?:describe|create|delete|deregister|terminate|attach|detach|update)_\w+"
    got = r"get_(?:object|console_output|service_quota|caller_identity)"
    got += r"|get_bucket_versioning|get_bucket_encryption|get_public_access_block"
    others = rf"{got}|put_object|list_object(?:s_v2|_versions)"
    made = set(re.findall(rf"(?:\.|paginator\(\")({verbs}|{others})", code))
    # The actions that allow calls of another name (S3 User Guide).
    iam = {
        "list_objects_v2": "ListBucket",
        "list_object_versions": "ListBucketVersions",
        "get_bucket_encryption": "GetEncryptionConfiguration",
        "get_public_access_block": "GetBucketPublicAccessBlock",
    }
    actions = {iam.get(name, name.title().replace("_", "")) for name in made}
    actions |= {"GetObjectVersion"}  # GetObject with a VersionId
    pages = (ROOT / "docs/bake.md").read_text() + (ROOT / "docs/permissions.md").read_text()
    services = "ec2|s3|autoscaling|elasticloadbalancing|cloudwatch|servicequotas|sts"
    documented = set(re.findall(rf"`(?:{services}):(\w+)`", pages))
    assert len(actions) > 10
    assert actions == documented


def test_every_row_of_what_the_local_cloud_models_names_tests_that_exist() -> None:
    table = (ROOT / "docs/local-cloud.md").read_text().partition("## What it models")[2]
    rows = [line for line in table.splitlines() if line.startswith("| ") and ".py" in line]
    named = [re.findall(r"`([\w/]+\.py)(?:::(\w+))?`", row) for row in rows]
    missing = [
        f"{file}::{test}"
        for row in named
        for file, test in row
        if f"def {test}" not in (ROOT / "tests" / file).read_text()
    ]
    assert missing == []
    assert all(named)
    assert len(rows) >= 60


def test_no_file_holds_a_todo_or_names_a_machine() -> None:
    listed = subprocess.run(
        ["git", "ls-files", "-z"],  # noqa: S607 - whichever git made this checkout
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split("\0")
    words = re.compile(r"\b(TODO|FIXME|XXX)\b")
    found = []
    for name in listed:
        path = ROOT / name
        if name.endswith((".py", ".md", ".hcl", ".tf", ".sh", "Makefile")) and path.is_file():
            found += [name] if words.search(path.read_text()) and "test_docs" not in name else []
    assert found == []


def test_python_m_pipeline_is_the_same_program() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pipeline", "--output", "json", "bake", "--version", "latest"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert json.loads(done.stdout)["error"]["where"] == "ami-pipeline bake"
