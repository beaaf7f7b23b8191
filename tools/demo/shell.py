"""What the demo shows: a line of explanation, a command as typed, what it answered."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

BIN = Path(sys.executable).parent
PATIENCE = 120.0
"""Seconds a command that was interrupted has to put back what it began."""
COLOR = re.compile(r"\x1b\[[0-9;]*m")


def say(text: str) -> None:
    """Print a line that explains what comes next."""
    print(f"\n# {text}", flush=True)


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
            return self._end(self._start(command))
        running = self._start(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        said = []
        try:
            for line in running.stdout or ():
                said.append(COLOR.sub("", line))
                if said[-1].startswith(only):
                    print(said[-1], end="", flush=True)
        except KeyboardInterrupt:
            self._put_back(running)
            raise
        if code := running.wait():
            print("".join(said), flush=True)
        return code

    def read(self, command: str) -> str:
        """Run a command without showing it; return its output. Raises CalledProcessError."""
        said, code = self._output(self._start(command, stdout=subprocess.PIPE))
        if code:
            raise subprocess.CalledProcessError(code, command)
        return said

    def point_at(self, exports: str) -> None:
        """Take in the environment that a command prints as JSON, as `eval "$(...)"` does."""
        self.env |= json.loads(self.read(exports))

    def _start(
        self, command: str, stdout: int | None = None, stderr: int | None = None
    ) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [
                "sh",
                "-c",
                f"exec {command}",
            ],  # in its place, so that what we wait for is the command
            cwd=self.folder,
            env=self.env,
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
            text=True,
        )

    def _output(self, running: subprocess.Popen[str]) -> tuple[str, int]:
        try:
            said = running.communicate()[0]
        except KeyboardInterrupt:
            self._put_back(running)
            raise
        return said, running.returncode

    def _end(self, running: subprocess.Popen[str]) -> int:
        try:
            return running.wait()
        except KeyboardInterrupt:
            self._put_back(running)
            raise

    def _put_back(self, running: subprocess.Popen[str]) -> None:
        """Wait for a command that Ctrl-C interrupted as it did us: it shares our terminal."""
        try:
            running.communicate(timeout=PATIENCE)
        except (KeyboardInterrupt, subprocess.TimeoutExpired):
            running.kill()
