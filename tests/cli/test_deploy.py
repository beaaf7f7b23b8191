"""The deploying commands as they are typed: bad input, the question, exit codes, CI's outputs."""

from __future__ import annotations

import io
import json
import os
import shlex
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

import pytest

from pipeline.adapters.store.directory import DirectoryStore
from pipeline.adapters.store.environments import Environments
from pipeline.app import Application
from pipeline.app.plan_preview import Confirm, PlanPreview, Unchanged
from pipeline.cli.deploy import exit_code
from pipeline.cli.main import run
from pipeline.core.errors import RefusedError
from pipeline.core.image import Image
from pipeline.core.state.deployment import Deployment, Kind, Outcome, Policy, Result, Runner
from pipeline.core.state.environment import Environment
from tests.core.hostile import HOSTILE

pytestmark = pytest.mark.usefixtures("place")

DONE = Deployment(
    id="20261121T154224Z-4f2a",
    kind=Kind.PROMOTE,
    environment="staging",
    green="r000125",
    blue="r000124",
    began="2026-11-21T15:42:24Z",
    ended="2026-11-21T15:44:24Z",
    by=Runner(user="ada", host="ci-7", pid=1),
    image="ami-2",
    version="1.5.0",
    outcome=Outcome(result=Result.PROMOTED),
)
RUNS = [
    (["promote", "-e", "staging", "--yes"], "pipeline.app.promote.promote"),
    (["rollback", "-e", "staging", "--yes"], "pipeline.app.rollback.roll_back"),
    (["rebuild", "-e", "staging"], "pipeline.app.rebuild.rebuild"),
]


@pytest.mark.parametrize(("arguments", "runs"), RUNS)
def test_a_deployment_hands_its_outputs_and_its_summary_to_github(
    arguments: list[str], runs: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output, summary = tmp_path / "output", tmp_path / "summary"
    monkeypatch.setenv("GITHUB_OUTPUT", str(output))
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    monkeypatch.setattr(runs, lambda *_, **__: DONE)
    assert run(arguments) == 0
    assert "outcome=promoted\n" in output.read_text()
    assert "serving=r000125\n" in output.read_text()
    assert summary.read_text().startswith("### r000125 serves staging\n")


@pytest.mark.parametrize(("arguments", "runs"), RUNS)
def test_a_deployment_hands_its_outputs_to_gitlab(
    arguments: list[str], runs: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs, lambda *_, **__: DONE)
    assert run([*arguments, "--dotenv", "deploy.env"]) == 0
    assert "SERVING=r000125\n" in (tmp_path / "deploy.env").read_text()


@pytest.mark.parametrize(("arguments", "runs"), RUNS)
def test_a_dotenv_file_that_could_not_be_written_is_refused_before_anything_is_done(
    arguments: list[str], runs: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: Any, **__: Any) -> Any:
        raise AssertionError("it was begun")

    monkeypatch.setattr(runs, never)
    assert run([*arguments, "--dotenv", "pipeline.toml/deploy.env"]) == 3


def test_an_output_that_cannot_be_written_changes_no_exit_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GITHUB_OUTPUT", str(tmp_path))
    monkeypatch.setattr("pipeline.app.promote.promote", lambda *_, **__: DONE)
    assert run(["promote", "-e", "staging", "--yes"]) == 0
    assert f"GITHUB_OUTPUT {tmp_path} was not written: Is a directory" in capsys.readouterr().err


@pytest.mark.parametrize(("arguments", "runs"), RUNS)
def test_where_there_was_nothing_to_do_the_outputs_say_what_serves(
    arguments: list[str], runs: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    region = "eu-central-1"
    image = Image(app="web", version="1", name="web-1", region=region, ids={region: "ami-1"})
    unchanged = Unchanged(environment="staging", release="r000124", image=image)
    monkeypatch.setattr(runs, lambda *_, **__: unchanged)
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary"))
    assert run([*arguments, "--dotenv", "sub/deploy.env"]) == 0
    assert (tmp_path / "sub/deploy.env").read_text() == (
        "OUTCOME=unchanged\nRELEASE=r000124\nAMI_ID=ami-1\nVERSION=1\n"
        "PREVIOUS=r000124\nSERVING=r000124\n"
    )
    assert "r000124 already serves staging with ami-1\n" in (tmp_path / "summary").read_text()


# How a command ends


OUTCOMES = [
    (result, kind, interrupted, asked_back)
    for result in (None, *Result)
    for kind in Kind
    for interrupted in (False, True)
    for asked_back in (False, True)
]


@pytest.mark.parametrize(("result", "kind", "interrupted", "asked_back"), OUTCOMES)
def test_every_outcome_has_its_exit_code(
    result: Result | None, kind: Kind, interrupted: bool, asked_back: bool
) -> None:
    outcome = Outcome(result=result, interrupted=interrupted) if result else None
    done = replace(DONE, kind=kind, outcome=outcome)
    expected = {
        None: 5,
        Result.PROMOTED: 0,
        Result.REFUSED: 3,
        Result.ROLLED_BACK: 0 if asked_back else 130 if interrupted else 4,
        Result.NEEDS_ATTENTION: 5,
    }
    assert exit_code(done, asked_back=asked_back) == expected[result]


def test_what_was_put_back_to_nothing_is_not_as_asked() -> None:
    outcome = Outcome(result=Result.ROLLED_BACK, rollback_error="the group of r000123 is gone")
    assert exit_code(replace(DONE, outcome=outcome), asked_back=True) == 4


BACK = [
    (["recover", "-e", "staging"], "pipeline.app.recover.recover"),
    (["abort", "-e", "staging"], "pipeline.app.recover.abort"),
]


@pytest.mark.parametrize(
    ("arguments", "runs", "code"),
    [*((each, runs, 4) for each, runs in RUNS), *((each, runs, 0) for each, runs in BACK)],
)
def test_what_was_rolled_back_is_a_failure_unless_that_was_asked_for(
    arguments: list[str],
    runs: str,
    code: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    failed = Outcome(result=Result.ROLLED_BACK, phase="attach", reason="##[error]never healthy")
    kind = Kind(arguments[0])
    monkeypatch.setattr(runs, lambda *_, **__: replace(DONE, kind=kind, outcome=failed))
    assert run(["--output", "json", *arguments]) == code
    shown = capsys.readouterr()
    document = json.loads(shown.out)
    assert (document["outcome"], document["serves"]) == ("rolled back", "r000124")
    assert document["reason"] == "##[error]never healthy"
    assert "##[" not in shown.out


def test_nobody_reading_the_result_changes_no_exit_code(tmp_path: Path) -> None:
    code = (
        "from pipeline.cli import main, deploy\n"
        "from tests.cli.test_deploy import DONE\n"
        "from pipeline.app import promoting\n"
        "promoting.promote = lambda *_, **__: DONE\n"
        "main.main(['promote', '-e', 'staging', '--yes'])\n"
    )
    root = Path(__file__).resolve().parents[2]
    with subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(root)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout
        assert process.stderr
        process.stdout.close()
        said = process.stderr.read()
    assert (process.returncode, said) == (0, b"")


def raised(error: BaseException) -> Callable[..., NoReturn]:
    def fail(*_: object, **__: object) -> NoReturn:
        raise error

    return fail


@pytest.mark.parametrize(("arguments", "runs"), [*RUNS, *BACK])
def test_a_signal_before_anything_was_changed_says_so(
    arguments: list[str],
    runs: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(runs, raised(KeyboardInterrupt()))
    assert run(["--output", "json", *arguments]) == 130
    error = json.loads(capsys.readouterr().out)["error"]
    assert error["what"] == "a signal came before anything was changed"
    assert error["next"] == shlex.join(["ami-pipeline", "--output", "json", *arguments])


def test_a_signal_after_the_end_changes_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def promoted(app: Application, *_: object) -> Deployment:
        app.interrupts.pending = signal.SIGTERM
        app.interrupts.count = 1
        return DONE

    monkeypatch.setattr("pipeline.app.promote.promote", promoted)
    assert run(["promote", "-e", "staging", "--yes"]) == 0
    assert capsys.readouterr().out.startswith("r000125 serves staging\n")


def test_an_error_is_annotated_on_github_and_only_there(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    error = RefusedError("x,y", "a\n::add-mask::b", "c")
    monkeypatch.setattr("pipeline.app.promote.promote", raised(error))
    assert run(["promote", "-e", "staging", "--yes"]) == 3
    plain = capsys.readouterr().err
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    assert run(["promote", "-e", "staging", "--yes"]) == 3
    assert plain == "error: x,y:\n  a\n  : :add-mask::b\nnext: c\n"
    assert capsys.readouterr().err == (f"{plain}::error title=x%2Cy::a ::add-mask::b next: c\n")


def test_a_traceback_forges_no_workflow_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("pipeline.app.promote.promote", raised(ValueError("a\n::error::b")))
    assert run(["promote", "-e", "staging", "--yes"]) == 1
    lines = capsys.readouterr().err.splitlines()
    assert not any(line.lstrip().startswith("::") for line in lines)


# The question


PLANNED = PlanPreview(deployment=replace(DONE, outcome=None), phases=(), policy=Policy())


def asked(_: object, __: object, ask: Confirm) -> Deployment | PlanPreview:
    return DONE if ask(PLANNED) else PLANNED


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("typed", "code"),
    [("y\n", 0), ("YES\n", 0), ("n\n", 130), ("\n", 130), ("yo\n", 130), ("", 130)],
)
def test_it_goes_on_only_after_a_yes(
    typed: str, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("pipeline.app.promote.promote", asked)
    monkeypatch.setattr("sys.stdin", Terminal(typed))
    assert run(["--output", "json", "promote", "-e", "staging"]) == code
    shown = capsys.readouterr()
    assert "nothing was changed\npromote now? [y/N]: " in shown.err
    document = json.loads(shown.out)
    assert document["outcome"] == "promoted" if not code else document["error"]["exit_code"] == 130


@pytest.mark.parametrize("verb", ["promote", "rollback"])
def test_where_nobody_can_answer_the_command_to_paste_is_named(
    verb: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
    assert run(["--verbose", verb, "-e", "staging"]) == 3
    assert capsys.readouterr().err == (
        f"error: {verb}:\n  nobody is there to answer whether to go on\n"
        f"next: ami-pipeline --verbose {verb} -e staging --yes\n"
    )


# Help


HELP = {
    "promote": """\
Usage: ami-pipeline promote [OPTIONS]

  Put an image into service beside the one that serves, then retire that one.

  Without --image and --from it is the newest good image. Whatever goes wrong before the old group
  is retired, the old one serves, and what was made is removed again.

Options:
  -e, --environment ENVIRONMENT  The environment, [environments.NAME].  [required]
  --image IMAGE                  An AMI, by its id.
  --from ENVIRONMENT             The image that serves in another environment.
  --plan                         Show what would be done, and change nothing.
  --yes                          Do not ask; needed where nobody can answer.
  --keep-failed                  Leave a group that failed dark, for a look.
  --allow-quarantined            Take an image that was rolled back from.
  --allow-unhealthy              Go on though what serves is sick, or an alarm rings.
  --no-recover                   Refuse where a run died in the middle, rather than finish that
                                 first.
  --dotenv FILE                  Also write OUTCOME, SERVING and the like here, for GitLab.
  -h, --help                     Show this message and exit.
""",
    "rollback": """\
Usage: ami-pipeline rollback [OPTIONS]

  Put the previous good release back into service.

  Seconds where its group is still warm; else a new release of its image. The image that is rolled
  back from is quarantined: nothing promotes it again unless told to.

Options:
  -e, --environment ENVIRONMENT  The environment, [environments.NAME].  [required]
  --to TARGET                    A release (r000123) or an AMI; default: what served before and is
                                 good.
  --plan                         Show what would be done, and change nothing.
  --yes                          Do not ask; needed where nobody can answer.
  --no-recover                   Refuse where a run died in the middle, rather than finish that
                                 first.
  --dotenv FILE                  Also write OUTCOME, SERVING and the like here, for GitLab.
  -h, --help                     Show this message and exit.
""",
    "rebuild": """\
Usage: ami-pipeline rebuild [OPTIONS]

  Bake if an input changed, and promote it if another image serves: the nightly job.

  Asks nothing, and never goes over what a person did: after a rollback, or a promotion of another
  version, it stops and says so.

Options:
  -e, --environment ENVIRONMENT  The environment, [environments.NAME].  [required]
  --version VERSION              The version baked; default: git describe.
  --no-recover                   Refuse where a run died in the middle, rather than finish that
                                 first.
  --dotenv FILE                  Also write OUTCOME, SERVING and the like here, for GitLab.
  -h, --help                     Show this message and exit.
""",
    "recover": """\
Usage: ami-pipeline recover [OPTIONS]

  Finish the deployment of a run that died or was stranded: on, or back.

Options:
  -e, --environment ENVIRONMENT  The environment, [environments.NAME].  [required]
  -h, --help                     Show this message and exit.
""",
    "abort": """\
Usage: ami-pipeline abort [OPTIONS]

  Put back what a run that died had begun, or remove what --keep-failed left.

Options:
  -e, --environment ENVIRONMENT  The environment, [environments.NAME].  [required]
  -h, --help                     Show this message and exit.
""",
    "status": """\
Usage: ami-pipeline status [OPTIONS]

  Show what serves, what is in flight, and what a rollback would do.

Options:
  -e, --environment ENVIRONMENT  The environment, [environments.NAME].  [required]
  --watch                        Show it anew every few seconds.
  -h, --help                     Show this message and exit.
""",
    "history": """\
Usage: ami-pipeline history [OPTIONS]

  List the deployments of an environment, newest first.

Options:
  -e, --environment ENVIRONMENT  The environment, [environments.NAME].  [required]
  --limit N                      How many.  [default: 20; 1<=x<=1000]
  -h, --help                     Show this message and exit.
""",
}


@pytest.mark.parametrize("command", HELP)
def test_the_help_of_a_command_is_this(
    command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    assert run([command, "--help"]) == 0
    assert capsys.readouterr().out == HELP[command]


# Bad input


ENVIRONMENTS = [each.value for each in HOSTILE if each.field == "environment" and each.value]
NAMES = ["UPPER", "../staging", "a\nb", "\x1b[31mred", "a--b", "staging ", "--yes", ""]
VERSIONS = [each.value for each in HOSTILE if each.field == "version" and each.value]
IMAGES = [
    *(
        "ami-1",
        "AMI-12345678",
        "ami-1234567g",
        "ami-123456789",
        "ami-0123456789abcdef01",
        "i-12345678",
    ),
    *(
        "ami-12345678\n",
        "ami-12345678 ",
        "ami-12345678;reboot",
        "$(reboot)",
        "-h",
        "--yes",
        "",
        "\0",
    ),
    *("ami-1234567\u0668", "\x1b[31mami-12345678", "../ami-12345678", "a" * 100_000),
]
TARGETS = [
    *(
        "nonsense",
        "r1",
        "r0001",
        "R000001",
        "r00000a",
        "000001",
        "r000001 ",
        "r000001\n",
        "r-00001",
    ),
    *("-1", "latest", "previous", "r00000\u0661", "r000001..r000002", *IMAGES),
]
OPTIONS = {
    ("promote", "-e"): ENVIRONMENTS,
    ("promote", "--from"): NAMES,
    ("promote", "--image"): IMAGES,
    ("rollback", "-e"): NAMES,
    ("rollback", "--to"): TARGETS,
    ("rebuild", "-e"): NAMES,
    ("rebuild", "--version"): VERSIONS,
    ("recover", "-e"): NAMES,
    ("abort", "-e"): NAMES,
    ("status", "-e"): NAMES,
    ("history", "-e"): NAMES,
    ("history", "--limit"): ["0", "-1", "1001", "x", "1e3", "", "\u0661\0"],
}
BAD_WORDS = [(*place, value) for place, values in OPTIONS.items() for value in values]


def untouched(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> NoReturn:
        pytest.fail("a child was started or a connection made")

    monkeypatch.setattr(subprocess, "Popen", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)


def everything(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    ("command", "option", "value"), BAD_WORDS, ids=lambda each: f"{each[:24]!a}"
)
def test_a_bad_word_is_exit_2_names_the_option_and_touches_nothing(
    command: str,
    option: str,
    value: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    untouched(monkeypatch)
    before = everything(tmp_path)
    rest = [] if option == "-e" else ["-e", "staging"]
    word = [f"{option}={value}"] if option.startswith("--") else [option, value]
    assert run(["--output", "json", command, *rest, *word]) == 2
    printed = capsys.readouterr()
    error = json.loads(printed.out)["error"]
    assert option in error["what"]
    assert error["next"] == f"see: ami-pipeline {command} --help"
    assert printed.err.replace("\n", "").isprintable()
    assert everything(tmp_path) == before


def one_text(each: str | list[str]) -> str:
    return each if isinstance(each, str) else " ".join(each)


MISUSES = [
    (["promote"], "Missing option '-e'"),
    (["promote", "-e", "staging", "--image", "ami-12345678", "--from", "staging"], "exclude"),
    (["promote", "-e", "staging", "extra"], "unexpected extra argument"),
    (["promote", "-e", "staging", "--output", "json"], "It goes before the command: ami-pipeline"),
    (["promote", "-e", "staging", "--dotenv", "packer"], "is a directory"),
    (["rebuild", "-e", "staging", "--yes"], "No such option '--yes'"),
    (["recover", "-e", "staging", "--plan"], "No such option '--plan'"),
    (["promote", "-e", "nope", "--yes"], "environment nope: is not in"),
    (["promote", "-e", "nope"], "environment nope: is not in"),
    (["promote", "-e", "staging", "--from", "nope", "--yes"], "environment nope: is not in"),
    (["rollback", "-e", "nope"], "environment nope: is not in"),
    (["rebuild", "-e", "nope"], "environment nope: is not in"),
    (["recover", "-e", "nope"], "environment nope: is not in"),
    (["abort", "-e", "nope"], "environment nope: is not in"),
    (["status", "-e", "nope"], "environment nope: is not in"),
    (["history", "-e", "nope"], "environment nope: is not in"),
    (["promote", "-e", "bare", "--yes"], "[environments.bare]: names neither load_balancers"),
    (["rollback", "-e", "bare", "--yes"], "[environments.bare]: names neither load_balancers"),
    (["rebuild", "-e", "bare"], "[environments.bare]: names neither load_balancers"),
    (["status", "-e", "bare"], "[environments.bare]: names neither load_balancers"),
]


@pytest.mark.parametrize(("arguments", "said"), MISUSES, ids=one_text)
def test_a_misuse_is_exit_2_and_touches_nothing(
    arguments: list[str],
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    untouched(monkeypatch)
    before = everything(tmp_path)
    assert run(["--output", "json", *arguments]) == 2
    error = json.loads(capsys.readouterr().out)["error"]
    assert said in f"{error['where']}: {error['what']}"
    assert error["next"]
    assert everything(tmp_path) == before


NOTHING_TO_RETURN_TO = [
    (["rollback", "-e", "staging", "--yes"], "there is nothing to go back to: nothing serves yet"),
    (["rollback", "-e", "staging", "--to", "r000001", "--yes"], "nothing serves yet"),
    (["recover", "-e", "staging"], "nothing is in flight"),
    (["abort", "-e", "staging"], "nothing is in flight"),
]


@pytest.mark.parametrize(("arguments", "said"), NOTHING_TO_RETURN_TO, ids=one_text)
def test_where_there_is_nothing_to_go_back_to_nothing_is_written(
    arguments: list[str],
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    untouched(monkeypatch)
    before = everything(tmp_path)
    assert run(["--output", "json", *arguments]) == 3
    assert said in json.loads(capsys.readouterr().out)["error"]["what"]
    assert everything(tmp_path) == before


@pytest.mark.parametrize(("arguments", "runs"), RUNS)
def test_what_a_dead_run_left_is_not_finished_where_one_says_so(
    arguments: list[str],
    runs: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    del runs  # the real one
    dead = replace(DONE, outcome=None, ended="", phase="soak")
    nothing = Environment(app="web", environment="staging", region="eu-central-1", account="")
    Environments(DirectoryStore(tmp_path / ".ami-pipeline")).save(nothing.started(dead), None)
    untouched(monkeypatch)
    before = everything(tmp_path)
    assert run(["--output", "json", *arguments, "--no-recover"]) == 3
    assert json.loads(capsys.readouterr().out)["error"] == {
        "kind": "RefusedError",
        "exit_code": 3,
        "where": "promote 20261121T154224Z-4f2a",
        "what": "was left unfinished in soak, and --no-recover leaves it so",
        "next": "ami-pipeline recover -e staging",
    }
    assert everything(tmp_path) == before
