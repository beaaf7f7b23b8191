"""Cut what a hook printed: its end for an error, and more of it for the deployment's files."""

from __future__ import annotations

LAST_LINES = 10
"""Lines of a failed hook's output in the error."""
LONGEST_LINE = 1000
"""Characters of such a line: a reason is stored, shown and sent to people."""
LONGEST_OUTPUT = 256 * 1024
"""Characters of a hook's output that the store keeps: the last ones."""


def with_last_lines(what: str, output: str) -> str:
    """Return what is wrong with a hook, and the last lines of its output below."""
    lines = output.strip().splitlines()[-LAST_LINES:]
    return "\n".join([what, *(f"| {line[:LONGEST_LINE]}" for line in lines)])


def kept_output(output: str) -> str:
    """Return the end of a hook's output."""
    return output[-LONGEST_OUTPUT:]
