"""Install the runners from their registries into .build, each in the version that was tried."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
FOLDER = REPOSITORY / ".build/ci-files"
MODULES = {
    "act": "github.com/nektos/act@v0.2.89",
    "actionlint": "github.com/rhysd/actionlint/cmd/actionlint@v1.7.12",
}
PACKAGE = "gitlab-ci-local@4.60.1"


def module(name: str) -> Path:
    """Return a program of the Go module proxy; install it with `go` if it is missing.

    Raises CalledProcessError or FileNotFoundError.
    """
    program = FOLDER / "bin" / name
    if not program.exists():
        print(f"installing {MODULES[name]}", flush=True)
        _run("go", "install", MODULES[name], env={"GOBIN": str(program.parent)})
    return program


def gitlab_ci_local() -> Path:
    """Return gitlab-ci-local; install it with `npm` if it is missing.

    That builds a library with a C++ compiler, which takes some minutes. Raises like `module`.
    """
    program = FOLDER / "npm/node_modules/.bin/gitlab-ci-local"
    if not program.exists():
        print(f"installing {PACKAGE}", flush=True)
        quiet = ("--no-audit", "--no-fund", "--loglevel=error")
        _run("npm", "install", "--prefix", str(FOLDER / "npm"), *quiet, PACKAGE)
    return program


def _run(*words: str, env: dict[str, str] | None = None) -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    subprocess.run(words, cwd=FOLDER, env={**os.environ, **(env or {})}, check=True)
