"""Read the text of a TOML file and parse it.

The file names templates and secrets, so it must be trustworthy: no pipe that blocks, no binary.
"""

from __future__ import annotations

import os
import re
import stat
import tomllib
from typing import TYPE_CHECKING, Any, Final

from pipeline.config.lines import depth
from pipeline.core import commands
from pipeline.core.errors import ConfigurationError

if TYPE_CHECKING:
    from pathlib import Path

NAME: Final = "pipeline.toml"
LARGEST: Final = 256 * 1024
DEEPEST: Final = 32


def show_file(file: Path) -> str:
    """Return a file's name for a message, escaped if it is not printable ASCII."""
    name = str(file)
    return name if name.isascii() and name.isprintable() else ascii(name)


def read(path: Path) -> str:
    """Return the text of a regular file of at most 256 KiB; raises ConfigurationError."""
    try:
        # Opening a pipe without a writer would block forever.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise refuse(
            path, f"cannot be opened: {reason}", f"name another {NAME}: --config FILE"
        ) from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise refuse(path, "is not a regular file", f"name another {NAME}: --config FILE")
    with os.fdopen(descriptor, "rb") as file:
        content = file.read(LARGEST + 1)
    return _decode(path, content)


def _decode(path: Path, content: bytes) -> str:
    if len(content) > LARGEST:
        raise refuse(path, f"is larger than {LARGEST // 1024} KiB", "move data to other files")
    if content.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\0" in content:
        raise refuse(path, "is UTF-16 or binary, not UTF-8 text", "save it as UTF-8")
    if content.startswith(b"\xef\xbb\xbf"):
        raise refuse(path, "begins with a byte order mark", "save it as UTF-8 without one")
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise refuse(path, f"line {line} is not UTF-8 text", "save it as UTF-8") from error


def parse(path: Path, text: str) -> dict[str, Any]:
    """Return the document of a text; raises ConfigurationError with the line of the mistake."""
    if depth(text) > DEEPEST:
        raise refuse(path, f"nests deeper than {DEEPEST} levels", "write flatter values")
    try:
        return tomllib.loads(text)
    except ValueError as error:  # the error of an integer with thousands of digits has no line
        what, _, place = str(error).partition(" (at ")
        line = re.match(r"line \d+", place)
        raise ConfigurationError(
            where=f"{show_file(path)} {line[0]}" if line else show_file(path),
            what=f"is not TOML: {ascii(what)[1:-1]}",
            remedy=f"fix it, then run: {commands.config_check()}",
        ) from error


def refuse(path: Path, what: str, remedy: str) -> ConfigurationError:
    """Return the error about a file as a whole."""
    return ConfigurationError(where=show_file(path), what=what, remedy=remedy)
