"""Show and run commands: an explanation, the command as typed, and its output."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tools.demo.steps import DemoError

BIN = Path(sys.executable).parent
WIDTH = 100
PATIENCE = 120.0
"""Seconds that an interrupted command has for its rollback."""
COLOR = re.compile(r"\x1b\[[0-9;]*m")


def say(text: str) -> None:
    """Print an explanation of the next command."""
    lines = textwrap.wrap(text, WIDTH, initial_indent="# ", subsequent_indent="# ")
    print("", *lines, sep="\n", flush=True)


@dataclass(kw_only=True)
class Shell:
    """A folder and an environment to run commands in, like a person's shell.

    Commands write to the terminal directly, if there is one, so that live displays work.
    """

    folder: Path
    env: dict[str, str]

    def __post_init__(self) -> None:
        """Put the folder of this Python first on the PATH, for `ami-pipeline`."""
        self.env["PATH"] = f"{BIN}{os.pathsep}{self.env.get('PATH', os.defpath)}"

    def run(self, command: str, *, only: tuple[str, ...] = ()) -> int:
        """Show a command and run it; return its exit code.

        With `only`, show just the output lines with these prefixes, or all if the command fails.
        """
        print(f"$ {command}", flush=True)
        if not only:
            return self._perform(command)
        output: list[str] = []

        def show(line: str) -> None:
            output.append(COLOR.sub("", line))
            if output[-1].startswith(only):
                print(output[-1], end="", flush=True)

        if code := self._perform(command, show, stderr=subprocess.STDOUT):
            print("".join(output), flush=True)
        return code

    def read(self, command: str) -> str:
        """Run a command without showing it; return its output. Raise DemoError if it fails."""
        output: list[str] = []
        if code := self._perform(command, output.append):
            raise DemoError(f"{command}: exit code {code}")
        return "".join(output)

    def kill(self, command: str, when: Callable[[], bool]) -> int:
        """Show and run a command, and kill it once `when` is true; return its exit code."""
        print(f"$ {command}", flush=True)
        with self._started(command) as running:
            while running.poll() is None:
                if when():
                    running.kill()
                    break
                time.sleep(0.01)
            code = running.wait()
        print("killed" if code == -signal.SIGKILL else "", flush=True)
        return code

    def load_environment(self, exports: str) -> None:
        """Load the environment that a command prints as JSON, like `eval "$(...)"`."""
        self.env |= json.loads(self.read(exports))

    def _perform(
        self, command: str, show: Callable[[str], None] | None = None, stderr: int | None = None
    ) -> int:
        """Run a command to its end; `show` gets each line of its standard output."""
        with self._started(command, subprocess.PIPE if show else None, stderr) as running:
            try:
                for line in running.stdout or ():
                    if show:
                        show(line)
                return running.wait()
            except KeyboardInterrupt:
                _wait_for_rollback(running)
                raise

    def _started(
        self, command: str, stdout: int | None = None, stderr: int | None = None
    ) -> subprocess.Popen[str]:
        return subprocess.Popen(
            ["sh", "-c", f"exec {command}"],  # so that the process is the command itself
            cwd=self.folder,
            env=self.env,
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
            text=True,
        )


def _wait_for_rollback(running: subprocess.Popen[str]) -> None:
    """Wait for a command that Ctrl-C interrupted: it shares this process's terminal."""
    try:
        running.communicate(timeout=PATIENCE)
    except (KeyboardInterrupt, subprocess.TimeoutExpired):
        running.kill()
