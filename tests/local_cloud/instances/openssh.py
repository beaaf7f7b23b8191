"""Run OpenSSH's own clients."""

from __future__ import annotations

import subprocess

OPTIONS = [
    "-F",
    "none",
    "-o",
    "StrictHostKeyChecking=no",
    "-o",
    "UserKnownHostsFile=/dev/null",
    "-o",
    "BatchMode=yes",
    "-o",
    "IdentitiesOnly=yes",
    "-o",
    "LogLevel=ERROR",
]


def run(program: str, *words: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    """Run a client of OpenSSH, as a user's shell finds it."""
    return subprocess.run(
        [program, *OPTIONS, *words],
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
        input=stdin,
    )
