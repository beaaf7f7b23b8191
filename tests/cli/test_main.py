"""The program as a whole: its help, its errors and its exit codes."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import click
import pytest

from pipeline.cli import main
from pipeline.cli.context import Context, pass_context
from pipeline.cli.images import images
from pipeline.cli.main import run
from pipeline.core.errors import (
    ConfigurationError,
    FailedError,
    InterruptedRunError,
    LeaseHeldError,
    NeedsAttentionError,
    PipelineError,
    RefusedError,
)

Captured = pytest.CaptureFixture[str]


def raising(error: BaseException, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make every command end with this error."""

    def fail(**_: object) -> None:
        raise error

    monkeypatch.setattr(main.cli, "main", fail)


def test_help_lists_the_commands_and_the_exit_codes(capsys: Captured) -> None:
    assert run(["--help"]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    for command, text in (
        ("bake", "Build, verify and record an image."),
        ("images", "List the baked images, newest first."),
        ("local-cloud", "Run the local cloud: AWS on this machine."),
    ):
        assert f"{command} {text}" in shown
    assert (
        "Exit codes: 0 done, or nothing to do; 1 internal error; 2 usage or configuration; "
        "3 refused, nothing changed; 4 failed, everything restored; 5 needs attention; "
        "6 another run holds the lease; 7 paused; 130 interrupted." in shown
    )


@pytest.mark.parametrize("command", ["bake", "images"])
def test_each_command_has_help(command: str, capsys: Captured) -> None:
    assert run([command, "-h"]) == 0
    assert f"Usage: ami-pipeline {command} [OPTIONS]" in capsys.readouterr().out


def test_the_version_is_printed(capsys: Captured) -> None:
    assert run(["--version"]) == 0
    assert re.fullmatch(r"ami-pipeline, version \d+\.\d+\.\d+\n", capsys.readouterr().out)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["bkae"], "There is no command 'bkae'. Did you mean bake?"),
        (["imags"], "There is no command 'imags'. Did you mean images?"),
        (["zzz"], "There is no command 'zzz'."),
        (["bake", "--forse"], "No such option"),
        (["--output", "xml", "bake"], "'xml' is not one of"),
        (["bake", "--version", "latest"], "'latest' is not a version"),
        (["bake", "-e", "UPPER"], "the name of an environment has"),
    ],
)
def test_a_wrong_argument_is_exit_2_and_named(
    arguments: list[str], message: str, capsys: Captured
) -> None:
    assert run(arguments) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert message in shown.err
    assert shown.err.startswith("error: ami-pipeline")
    assert "--help" in shown.err


ERRORS = [
    (ConfigurationError, 2),
    (RefusedError, 3),
    (FailedError, 4),
    (NeedsAttentionError, 5),
    (LeaseHeldError, 6),
    (InterruptedRunError, 130),
]


@pytest.mark.parametrize(("kind", "code"), ERRORS)
def test_an_expected_error_is_printed_in_three_parts(
    kind: type[PipelineError], code: int, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    raising(kind("packer build", "line one\n| ::error::two\x1b[31m", "read the log"), monkeypatch)
    assert run(["bake"]) == code
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err == ("error: packer build:\n  line one\n  | ::error::two\nnext: read the log\n")


@pytest.mark.parametrize("flag", [["--output", "json"], ["--output=json"]])
@pytest.mark.parametrize(("kind", "code"), ERRORS)
def test_with_json_output_an_error_is_one_document(
    kind: type[PipelineError],
    code: int,
    flag: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: Captured,
) -> None:
    raising(kind("here", "this", "that"), monkeypatch)
    assert run([*flag, "bake"]) == code
    assert json.loads(capsys.readouterr().out) == {
        "error": {
            "kind": kind.__name__,
            "where": "here",
            "what": "this",
            "next": "that",
            "exit_code": code,
        }
    }


def test_a_wrong_argument_is_one_document_too(capsys: Captured) -> None:
    assert run(["--output", "json", "bkae"]) == 2
    assert json.loads(capsys.readouterr().out)["error"]["exit_code"] == 2


def test_a_line_of_a_tool_cannot_command_a_ci_runner(
    monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    raising(
        FailedError("x", "::set-output name=a::b\n##[error]c\nd\n \u200b::error::e", "y"),
        monkeypatch,
    )
    run(["bake"])
    shown = capsys.readouterr().err
    assert not any(line.lstrip().startswith("::") for line in shown.split("\n"))
    assert "##[" not in shown


def test_an_unexpected_error_is_exit_1_and_asks_for_a_report(
    monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    raising(ZeroDivisionError("by us"), monkeypatch)
    assert run(["--output", "json", "bake"]) == 1
    shown = capsys.readouterr()
    assert "Traceback" in shown.err
    document = json.loads(shown.out)["error"]
    assert document["what"] == "ZeroDivisionError: by us"
    assert document["next"].startswith("report this bug of ami-pipeline")


def test_a_signal_is_exit_130(monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    raising(KeyboardInterrupt(), monkeypatch)
    assert run(["bake"]) == 130
    assert capsys.readouterr().err.startswith("error: ami-pipeline:\n  interrupted by a signal; ")


def test_without_a_configuration_the_next_step_is_named(tmp_path: Path, capsys: Captured) -> None:
    (tmp_path / ".git").mkdir()
    assert run(["bake"]) == 2
    told = capsys.readouterr().err
    assert "no pipeline.toml in this folder" in told
    assert "next: write one: ami-pipeline init; or add the option --config FILE\n" in told


def test_the_process_ends_with_the_exit_code() -> None:
    with pytest.raises(SystemExit) as ended:
        main.main(["bkae"])
    assert ended.value.code == 2


@pytest.mark.parametrize("columns", ["", "0", "x", "40", "72", "99", "200"])
def test_help_is_as_wide_as_click_makes_it(columns: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    expected = click.HelpFormatter(max_width=main.WIDEST)
    assert main.help_width() == expected.width
    expected.indent()
    expected.write_dl(list(main._COMMANDS.items()))
    with click.Context(main.cli, terminal_width=main.help_width()) as context:
        shown = main.cli.get_help(context)
    assert f"Commands:\n{expected.getvalue()}" in shown


LIGHT = {"dataclasses", "pathlib", "shlex", "shutil", "urllib.parse"}
"""Modules of the standard library that `--help` is faster without."""
HEAVY = ("boto3", "botocore", "pydantic", "rich", "moto", "tenacity", "jinja2", "aiohttp")


@pytest.mark.parametrize("arguments", [["--help"], ["bake", "--help"], ["--version"], ["bkae"]])
def test_help_and_usage_errors_import_nothing_heavy(arguments: list[str]) -> None:
    code = (
        "import sys\nfrom pipeline.cli.main import run\n"
        f"run({arguments!r})\n"
        f"sys.exit(','.join(sorted(set({HEAVY!r}) & set(sys.modules))) or 0)"
    )
    root = Path(main.__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr.strip() if done.returncode else "") == (0, "")


def test_help_imports_no_module_of_the_standard_library_that_it_can_do_without() -> None:
    code = (
        "import sys\nimport click\nbefore = {*sys.modules}\n"
        "from pipeline.cli.main import run\nrun(['--help'])\n"
        f"sys.exit(','.join(sorted({LIGHT!r} & ({{*sys.modules}} - before))) or 0)"
    )
    root = Path(main.__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr.strip()) == (0, "")


@pytest.mark.parametrize(
    "words",
    [
        ["--output", "json", "status", "-e", "staging"],
        ["status", "--output", "json", "-e", "staging"],
        ["status", "-e", "staging", "--output=json"],
        ["--output", "text", "lock", "show", "-e", "staging", "--output", "json"],
        ["lock", "--output", "json", "show", "-e", "staging"],
    ],
)
def test_global_options_work_before_and_after_the_command(
    words: list[str], capsys: Captured, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run([*words, "--config", "missing.toml"]) == 2
    assert json.loads(capsys.readouterr().out)["error"]["where"] == "missing.toml"
    assert run(["--verbose", "--no-color", "docs", "--verbose", "--no-color"]) == 0


@pytest.mark.parametrize(
    "words", [["--config", "web.toml", "status"], ["status", "--config=web.toml"]]
)
def test_the_command_to_paste_names_the_file_of_the_option(
    words: list[str], capsys: Captured, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "web.toml").write_text("app = 1\n")
    assert run(words) == 2
    assert "then run: ami-pipeline config check --config web.toml\n" in capsys.readouterr().err
    (tmp_path / "pipeline.toml").write_text("app = 1\n")
    assert run(["status"]) == 2
    assert "then run: ami-pipeline config check\n" in capsys.readouterr().err


def test_the_options_after_a_command_reach_it(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Context] = []

    def take(context: Context, /, **_: object) -> None:
        seen.append(context)

    monkeypatch.setattr(images, "callback", pass_context(take))
    words = [["images"], ["images", "--no-color"], ["--output", "json", "images", "--verbose"]]
    assert [run(each) for each in words] == [0, 0, 0]
    assert [(each.color, each.verbose, each.output) for each in seen] == [
        (True, False, "text"),
        (False, False, "text"),
        (True, True, "json"),
    ]


BESIDE = ("boto3", "s3transfer", "rich", "jinja2", "aiohttp", "opentelemetry", "python_terraform")
"""Libraries that no command needs before its first call of AWS."""
OF_OTHERS = (
    "pipeline.adapters.packer.packer",
    "pipeline.adapters.packer.stream",
    "pipeline.adapters.terraform.terraform",
    "pipeline.core.preflight.facts",
)
"""Modules of bake and promote, which a person who waits for a rollback or a status does not need.
"""


def test_a_rollback_and_a_status_import_no_module_of_bake_and_promote() -> None:
    code = (
        "import sys\n"
        "import pipeline.cli.main, pipeline.cli.rollback, pipeline.app.rollback\n"
        "import pipeline.cli.status, pipeline.app.status, pipeline.app.baked_images\n"
        "from pipeline.adapters.aws.client import default_session\ndefault_session('')\n"
        f"found = set({OF_OTHERS!r}) & set(sys.modules)\n"
        "import pipeline.cli.rebuild, pipeline.app.rebuild\n"
        f"found |= set({BESIDE!r}) & set(sys.modules)\n"
        "sys.exit(','.join(sorted(found)) or 0)"
    )
    root = Path(main.__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr.strip()) == (0, "")
