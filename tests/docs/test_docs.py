"""Hold the pages to the code: commands, options, keys, exit codes, links, examples."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from functools import cache
from pathlib import Path

import click
import pytest

from pipeline.cli.main import cli, run
from pipeline.config import load
from pipeline.core.errors import PipelineError
from pipeline.core.permissions.table import TABLE, Caller
from tests.docs.command_tree import commands

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
TOP = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md"]
DOCUMENTS = sorted([*TOP, *DOCS.glob("**/*.md")])
SHIPPED = sorted([*DOCS.glob("guide/*.md"), *DOCS.glob("reference/*.md")])
TEXT = "\n".join(path.read_text() for path in DOCUMENTS)
WIDTH = 100
FENCED = re.compile(r"^ *```.*?^ *```", re.DOTALL | re.MULTILINE)


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


COMMANDS = commands(cli, click.Context(cli))


@pytest.mark.parametrize(("path", "command"), COMMANDS, ids=lambda each: str(each)[:40])
def test_every_command_is_documented_and_has_help(
    path: tuple[str, ...], command: click.Command, capsys: pytest.CaptureFixture[str]
) -> None:
    assert f"## {' '.join(path)}\n" in (DOCS / "reference/commands.md").read_text()
    assert run([*path, "--help"]) == 0
    assert capsys.readouterr().out.startswith("Usage: ami-pipeline " + " ".join(path))
    for option in command.params:
        assert isinstance(option, click.Argument) or option.help, option.name


@pytest.mark.parametrize("error", PipelineError.__subclasses__(), ids=lambda each: each.__name__)
def test_every_exit_code_is_documented(error: type[PipelineError]) -> None:
    row = rf"^\| {error.exit_code} \| .*$"
    rows = re.findall(row, (DOCS / "reference/exit-codes.md").read_text(), re.MULTILINE)
    assert len(rows) == 1
    assert error.__name__ in rows[0]


@cache
def anchors(path: Path) -> frozenset[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", FENCED.sub("", path.read_text()), re.MULTILINE)
    plain = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings)
    return frozenset(heading.replace(" ", "-") for heading in plain)


@pytest.mark.parametrize("path", DOCUMENTS, ids=name_of)
def test_every_link_leads_to_a_file_and_a_heading(path: Path) -> None:
    links = re.findall(r"\]\(([^)#]*)(?:#([^)]*))?\)", FENCED.sub("", path.read_text()))
    inside = [(link, anchor) for link, anchor in links if "://" not in link]
    targets = [(path.parent / link if link else path, anchor) for link, anchor in inside]
    assert [str(target) for target, _ in targets if not target.exists()] == []
    named = [(target, anchor) for target, anchor in targets if anchor]
    assert [f"{target}#{anchor}" for target, anchor in named if anchor not in anchors(target)] == []


def test_prose_wraps_at_100_columns() -> None:
    assert {name_of(path): long_lines(path) for path in DOCUMENTS if long_lines(path)} == {}


def long_lines(path: Path) -> list[str]:
    prose = FENCED.sub("", path.read_text())
    generated = re.sub(r"<!-- measured.*<!-- /measured -->", "", prose, flags=re.DOTALL)
    lines = [line for line in generated.splitlines() if not line.startswith("|")]
    long = [line for line in lines if len(line) > WIDTH and " " in line.strip()]
    return [line for line in long if not line.lstrip().startswith("![")]


@pytest.mark.parametrize("path", SHIPPED, ids=name_of)
def test_a_page_begins_with_what_the_reader_can_do_after_it(path: Path) -> None:
    title, _, rest = path.read_text().partition("\n\n")
    assert title.startswith("# ")
    assert rest.startswith(("After this page", "This page"))


def test_the_readme_fits_120_lines() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) <= 120


def test_every_page_is_in_the_index() -> None:
    index = (DOCS / "README.md").read_text()
    pages = [path.relative_to(DOCS).as_posix() for path in DOCS.glob("*/*.md")]
    assert [page for page in pages if f"({page})" not in index] == []


def test_every_page_and_file_named_in_the_code_exists() -> None:
    """Comments and messages name pages as `docs/...`."""
    files = [path for part in ("pipeline", "local_cloud", "tools") for path in code(part)]
    named = {
        (name_of(file), page)
        for file in files
        for page in re.findall(r"(?<![\w/.])docs/[\w./-]+\w", file.read_text())
    }
    assert [each for each in sorted(named) if not (ROOT / each[1]).exists()] == []


def code(part: str) -> list[Path]:
    return sorted((ROOT / part).rglob("*.py"))


@pytest.mark.parametrize(
    "page", ["CONTRIBUTING.md", "docs/development/architecture.md", "docs/development/testing.md"]
)
def test_the_maps_of_the_packages_name_what_exists(page: str) -> None:
    """A row is a package and files of it; elsewhere a file has its whole path."""
    text = (ROOT / page).read_text()
    whole = re.findall(r"`((?:pipeline|local_cloud|tests|tools)(?:/[\w./]+)?)`", text)
    rows = re.findall(r"^\| `([\w/]+)` \| [^|]* \| ([^|]*) \|$", text, re.MULTILINE)
    inside = [f"{package}/{file}" for package, cell in rows for file in files_in(cell)]
    assert len(whole) > 5
    assert [name for name in (*whole, *inside) if not (ROOT / name).exists()] == []


def files_in(cell: str) -> list[str]:
    """Return the files of a cell, without those that its words place elsewhere."""
    named = re.findall(r"`([\w/]+(?:\.py|/))`(?! uses)", cell)
    return [name for name in named if name]


@pytest.mark.parametrize("page", ["README.md", "docs/guide/getting-started.md"])
def test_the_configuration_of_a_page_is_valid(page: str, tmp_path: Path) -> None:
    example = re.search(r"```toml\n(.*?)```", (ROOT / page).read_text(), re.DOTALL)
    assert example
    (tmp_path / "packer").mkdir()
    (tmp_path / "packer/app.pkr.hcl").write_text("")
    (tmp_path / "pipeline.toml").write_text(example[1])
    assert load(tmp_path / "pipeline.toml").app == "web"


def shown_commands() -> list[list[str]]:
    """Return every `ami-pipeline ...` line of a shell example."""
    blocks = re.findall(r"```(?:sh|console)\n(.*?)```", TEXT, re.DOTALL)
    lines = (line.removeprefix("$ ") for block in blocks for line in block.splitlines())
    return [
        shlex.split(line, comments=True)[1:] for line in lines if line.startswith("ami-pipeline ")
    ]


@pytest.mark.parametrize("arguments", shown_commands(), ids=" ".join)
def test_every_command_shown_exists_with_its_options(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for _, command in COMMANDS:
        monkeypatch.setattr(command, "callback", lambda *_, **__: None)
    known = arguments[: arguments.index(">")] if ">" in arguments else arguments
    assert run(known) == 0


def test_the_quick_start_has_at_most_eight_commands() -> None:
    chapter = (ROOT / "README.md").read_text().partition("## Quick start")[2].partition("\n## ")[0]
    block = re.search(r"```sh\n(.*?)```", chapter, re.DOTALL)
    assert block
    assert 5 <= len(block[1].splitlines()) <= 8


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md"])
def test_the_make_targets_of_a_page_exist(page: str) -> None:
    targets = set(re.findall(r"(?:`|^)make ([a-z0-9-]+)", (ROOT / page).read_text(), re.MULTILINE))
    makefile = (ROOT / "Makefile").read_text()
    assert {"demo", "test"} <= targets
    assert [name for name in targets if not re.search(rf"^{name}:", makefile, re.MULTILINE)] == []


def test_the_tfvars_of_the_documents_are_those_that_are_written() -> None:
    written = ("ami_id", "ami_ids", "app", "app_version", "version")
    declared = set(
        re.findall(r'variable "(\w+)"', (ROOT / "terraform/image/variables.tf").read_text())
    )
    assert declared == {*written} - {"version"}
    assert all(f"`{name}`" in (DOCS / "guide/bake.md").read_text() for name in written)


def test_every_call_of_the_adapters_is_among_the_documented_permissions() -> None:
    files = (path for path in code("pipeline/adapters") if path.name != "permission_probes.py")
    source = "\n".join(path.read_text() for path in files)
    verbs = "describe|create|delete|deregister|terminate|attach|detach|update|modify|list_images_in"
    verbs = rf"(?:{verbs})_\w+"
    got = r"get_(?:object|metric_data|console_output|service_quota|caller_identity)"
    got += r"|get_bucket_versioning|get_bucket_encryption|get_public_access_block"
    others = rf"{got}|put_object|list_object(?:s_v2|_versions)"
    others += "|send_command|get_command_invocation|cancel_command"
    others += "|list_role_policies|remove_role_from_instance_profile"
    made = set(re.findall(rf"(?:\.|paginator\(\")({verbs}|{others})", source))
    made |= set(re.findall(r"\.sns\([^)]*\)\.(publish)\b", source))
    # The actions that allow calls of another name (S3 User Guide).
    iam = {
        "list_objects_v2": "ListBucket",
        "list_object_versions": "ListBucketVersions",
        "get_bucket_encryption": "GetEncryptionConfiguration",
        "get_public_access_block": "GetBucketPublicAccessBlock",
    }
    actions = {iam.get(name, name.title().replace("_", "")) for name in made}
    actions |= {"GetObjectVersion"}  # GetObject with a VersionId
    actions |= {"AddTags"}  # CreateTargetGroup with tags
    actions -= {"CreateClient"}  # of botocore's session
    actions -= {"CreateFuture"}  # of asyncio, in the dashboard's server
    actions -= {"GetCallerIdentity"}  # it needs no permission (AWS STS API Reference)
    ours = {
        each.partition(":")[2]
        for row in TABLE
        for each in row.actions
        if row.by is Caller.TOOL and not each.startswith("kms:")
    }
    assert len(actions) > 10
    assert actions == ours


def test_every_row_of_what_the_local_cloud_models_names_tests_that_exist() -> None:
    page = (DOCS / "development/local-cloud.md").read_text()
    table = page.partition("## What it models")[2]
    rows = [line for line in table.splitlines() if line.startswith("| ") and ".py" in line]
    named = [re.findall(r"`([\w/]+\.py)(?:::(\w+))?`", row) for row in rows]
    missing = [
        f"{file}::{test}"
        for row in named
        for file, test in row
        if not (ROOT / "tests" / file).exists()
        or f"def {test}" not in (ROOT / "tests" / file).read_text()
    ]
    assert missing == []
    assert all(named)
    assert len(rows) >= 60


def test_the_table_of_fakes_names_what_exists() -> None:
    page = (ROOT / "docs/development/testing.md").read_text()
    rows = re.findall(r"^\| [^|]+ \| ([^|]+) \| ([^|]+) \|$", page, re.MULTILINE)
    named = [
        (name, path)
        for use, places in rows
        for name in re.findall(r"`(\w+)`", use)
        for path in re.findall(r"`([\w./]+)`", places)
    ]
    assert ("FakeCloud", "tests/core/deploy/fakes.py") in named
    unknown = [(name, path) for name, path in named if name not in _content(ROOT / path)]
    assert unknown == []


def _content(path: Path) -> str:
    files = [path] if path.is_file() else sorted(path.rglob("*.py"))
    return path.stem + "".join(each.read_text() for each in files)


def test_no_file_holds_a_todo() -> None:
    listed = subprocess.run(
        ["git", "ls-files", "-z"],  # noqa: S607 - the git that made this checkout
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
