"""Read the blocks of an HCL2 file, with the text of each argument.

Packer itself evaluates a template; `packer inspect` shows neither the type of a variable nor an
argument of a builder. This reader only finds where blocks, arguments and expressions begin and end
(HCL syntax specification, "Structural Elements"). What it cannot read is left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

_BLANK = re.compile(r"(?:[\s,]+|#[^\n]*|//[^\n]*|/\*.*?\*/)+", re.DOTALL)
_NAME = re.compile(r"[A-Za-z_][\w-]*")
_LABEL = re.compile(r'[ \t]*(?:"((?:[^"\\]|\\.)*)"|([A-Za-z_][\w-]*))')
_HEREDOC = re.compile(r"<<-?([A-Za-z_][\w-]*)\r?\n")
_OPEN, _CLOSE = "([{", ")]}"
_END = frozenset("\n#" + _CLOSE)
"""What ends an expression outside of brackets."""
LARGEST = 1 << 20
"""Characters of a file that is read; a larger one is no template that a person wrote."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Block:
    """A block: its type, its labels, the text of its arguments, and the blocks inside."""

    kind: str
    labels: tuple[str, ...] = ()
    arguments: Mapping[str, str] = field(default_factory=dict)
    blocks: tuple[Block, ...] = ()

    def all(self, kind: str) -> Iterator[Block]:
        """Yield the blocks of this type inside."""
        return (block for block in self.blocks if block.kind == kind)


def parse(text: str) -> Block:
    """Return the file as a block without type; empty if it is not HCL2."""
    try:
        arguments, blocks, _ = _body(text[:LARGEST], 0)
    except (IndexError, ValueError, RecursionError):
        return Block(kind="")
    return Block(kind="", arguments=arguments, blocks=tuple(blocks))


def _body(text: str, at: int) -> tuple[dict[str, str], list[Block], int]:
    """Return arguments and blocks up to the brace that ends this body, and where that is."""
    arguments: dict[str, str] = {}
    blocks: list[Block] = []
    while (at := _after_blank(text, at)) < len(text) and text[at] != "}":
        name = _NAME.match(text, at)
        if name is None:
            raise ValueError(at)
        at = name.end()
        labels = []
        while label := _LABEL.match(text, at):
            labels.append(label[1] if label[1] is not None else label[2])
            at = label.end()
        at = _after_blank(text, at)
        if text[at] == "{":
            inner, nested, at = _body(text, at + 1)
            if at == len(text):
                raise ValueError(at)
            at += 1
            blocks.append(
                Block(kind=name[0], labels=tuple(labels), arguments=inner, blocks=tuple(nested))
            )
        elif text[at] == "=" and not labels:
            end = _end_of_expression(text, at + 1)
            arguments[name[0]] = text[at + 1 : end].strip()
            at = end
        else:
            raise ValueError(at)
    return arguments, blocks, at


def _after_blank(text: str, at: int) -> int:
    blank = _BLANK.match(text, at)
    return blank.end() if blank else at


def _end_of_expression(text: str, at: int) -> int:
    """Return the end of an expression: a line break, or a bracket that it did not open."""
    depth = 0
    while at < len(text):
        if not depth and (text[at] in _END or text.startswith(("//", "/*"), at)):
            return at
        end = _end_of_text(text, at)
        if end == at:
            depth += (text[at] in _OPEN) - (text[at] in _CLOSE)
            end += 1
        at = end
    return at


def _end_of_text(text: str, at: int) -> int:
    """Return the end of a string, heredoc or comment that begins here; `at` if none does."""
    if text[at] == '"':
        return _end_of_string(text, at + 1)
    if text[at] == "#" or text.startswith(("//", "/*"), at):
        return _after_blank(text, at)
    heredoc = _HEREDOC.match(text, at)
    if heredoc is None:
        return at
    end = re.compile(rf"^[ \t]*{heredoc[1]}[ \t]*$", re.MULTILINE).search(text, at)
    if end is None:
        raise ValueError(at)
    return end.end()


def _end_of_string(text: str, at: int) -> int:
    """Return where a quoted string ends; it may hold interpolations with strings of their own."""
    while text[at] != '"':
        if text[at] == "\\":
            at += 2
        elif text.startswith(("$${", "%%{"), at):
            at += 3
        elif text.startswith(("${", "%{"), at):
            at = _end_of_expression_in_braces(text, at + 2)
        else:
            at += 1
    return at + 1


def _end_of_expression_in_braces(text: str, at: int) -> int:
    depth = 1
    while depth:
        if text[at] == '"':
            at = _end_of_string(text, at + 1)
            continue
        depth += {"{": 1, "}": -1}.get(text[at], 0)
        at += 1
    return at
