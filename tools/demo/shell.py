"""What the demo shows: a line of explanation, a command as typed, what it answered."""

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

from tools.demo.steps import OtherwiseError

BIN = Path(sys.executable).parent
WIDTH = 100
PATIENCE = 120.0
"""Seconds a command that was interrupted has to put back what it began."""
COLOR = re.compile(r"\x1b\[[0-9;]*m")


def say(text: str) -> None:
    """Print what explains what comes next."""
    lines = textwrap.wrap(text, WIDTH, initial_indent="# ", subsequent_indent="# ")
    print("", *lines, sep="\n", flush=True)


@dataclass(kw_only=True)
class Shell:
    """A folder and an environment to run commands in, as a person's shell is.

    The terminal, where there is one, is the command's own, so that what is seen is what it does.
    """

    folder: Path
    env: dict[str, str]

    def __post_init__(self) -> None:
        """Find `ami-pipeline` where this Python is, before any other."""
        self.env["PATH"] = f"{BIN}{os.pathsep}{self.env.get('PATH', os.defpath)}"

    def run(self, command: str, *, only: tuple[str, ...] = ()) -> int:
        """Show a command and run it; return its exit code.

        With `only`, no more of its output is shown than the lines that begin so, unless it fails.
        """
        print(f"$ {command}", flush=True)
        if not only:
            return self._perform(command)
        said: list[str] = []

        def see(line: str) -> None:
            said.append(COLOR.sub("", line))
            if said[-1].startswith(only):
                print(said[-1], end="", flush=True)

        if code := self._perform(command, see, stderr=subprocess.STDOUT):
            print("".join(said), flush=True)
        return code

    def read(self, command: str) -> str:
        """Run a command without showing it; return its output. Raises OtherwiseError."""
        said: list[str] = []
        if code := self._perform(command, said.append):
            raise OtherwiseError(f"{command}: exit code {code}")
        return "".join(said)

    def kill(self, command: str, when: Callable[[], bool]) -> int:
        """Show a command and run it until it is to be killed; return how it ended, -9 for that."""
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

    def point_at(self, exports: str) -> None:
        """Take in the environment that a command prints as JSON, as `eval "$(...)"` does."""
        self.env |= json.loads(self.read(exports))

    def _perform(
        self, command: str, see: Callable[[str], None] | None = None, stderr: int | None = None
    ) -> int:
        """Run a command to its end; `see` is given each line that would else be shown."""
        with self._started(command, subprocess.PIPE if see else None, stderr) as running:
            try:
                for line in running.stdout or ():
                    if see:
                        see(line)
                return running.wait()
            except KeyboardInterrupt:
                _put_back(running)
                raise

    def _started(
        self, command: str, stdout: int | None = None, stderr: int | None = None
    ) -> subprocess.Popen[str]:
        return subprocess.Popen(
            ["sh", "-c", f"exec {command}"],  # so that what is waited for is the command itself
            cwd=self.folder,
            env=self.env,
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
            text=True,
        )


def _put_back(running: subprocess.Popen[str]) -> None:
    """Wait for a command that Ctrl-C interrupted as it did us: it shares our terminal."""
    try:
        running.communicate(timeout=PATIENCE)
    except (KeyboardInterrupt, subprocess.TimeoutExpired):
        running.kill()
