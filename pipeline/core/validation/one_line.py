"""Make foreign text safe to print on one line.

The output of Packer and of provisioners may contain terminal escapes, or commands to a CI runner. A
runner executes `::command` at the start of a line (GitHub docs, "Workflow commands") and
`##[command]` or `##vso[command]` anywhere in a line.
"""

from __future__ import annotations

import re
import unicodedata

_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|.)?")
_COMMANDS = re.compile(r"##(?=\[|vso\[)")
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})


def one_line(text: str, width: int = 0) -> str:
    """Return printable text on one line, cut to `width` characters if that is not 0."""
    text = _ESCAPES.sub("", text.replace("\t", " "))
    lines = re.split(r"[\r\n]+", text.strip())
    text = " ".join(_visible(line).strip() for line in lines)
    text = harmless(_COMMANDS.sub("# #", text.strip()))
    return text if not width or len(text) <= width else text[: width - 3] + "..."


def harmless(line: str) -> str:
    """Return a line that a CI runner does not execute at its start."""
    return ": " + line[1:] if line.startswith("::") else line


def _visible(line: str) -> str:
    if line.isprintable():  # Most lines are, and no hidden category is printable.
        return line
    return "".join(c for c in line if not _hidden(c))


def _hidden(character: str) -> bool:
    return unicodedata.category(character) in _HIDDEN
