"""Find `packer build` in shell scripts: the template and the variables that a team uses today."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from posixpath import basename, dirname, join, normpath

_CONTINUED = re.compile(r"\\\r?\n")
_BUILD = re.compile(r"\bpacker\s+build\b(?P<rest>[^\n]*)")
_ENDS = ("|", ">", "<", ";", "&", "2>", ")", "`")
_PLAIN = re.compile(r"[\w./+:@%,=-]+")


@dataclass(frozen=True, kw_only=True, slots=True)
class PackerBuild:
    """A call of `packer build`: its template, and the variables and files that it passes.

    A word with a shell variable is left out, because its value is unknown here.
    """

    template: str
    variables: dict[str, str] = field(default_factory=dict)
    var_files: tuple[str, ...] = ()


def packer_builds(text: str) -> tuple[PackerBuild, ...]:
    """Return each `packer build` of a script that names its template literally."""
    lines = (line for line in _CONTINUED.sub(" ", text).splitlines() if _is_code(line))
    found = (_BUILD.search(line) for line in lines)
    builds = (_read(match["rest"]) for match in found if match)
    return tuple(build for build in builds if build is not None)


def located(template: str, script: str, templates: Iterable[str]) -> str:
    """Return which of the found templates a script means; empty if none or several.

    Its path may be relative to the repository, to the script, or to a folder that the script
    enters first.
    """
    known = set(templates)
    tried = (normpath(template), normpath(join(dirname(script), template)))
    if found := next((path for path in tried if path in known), ""):
        return found
    same = [path for path in known if template == "." or basename(path) == basename(template)]
    return same[0] if len(same) == 1 else ""


def _is_code(line: str) -> bool:
    return not line.lstrip().startswith(("#", "//"))


def _read(rest: str) -> PackerBuild | None:
    variables: dict[str, str] = {}
    files: list[str] = []
    template = ""
    words = iter(_words(rest))
    for word in words:
        name, _, value = word.lstrip("-").partition("=")
        match word[:1], name:
            case "-", "var":
                variables |= _variable(value or next(words, ""))
            case "-", "var-file":
                files.append(value or next(words, ""))
            case "-", _:
                continue
            case _:
                template = word
    if not _PLAIN.fullmatch(template):
        return None
    known = tuple(file for file in files if _PLAIN.fullmatch(file))
    return PackerBuild(template=template, variables=variables, var_files=known)


def _words(rest: str) -> Iterator[str]:
    """Yield the words up to the end of the command; a quote that does not end ends it, too."""
    lexer = shlex.shlex(rest, posix=True, punctuation_chars="|&;<>()`")
    lexer.whitespace_split = True
    try:
        for word in lexer:
            if word.startswith(_ENDS):
                return
            yield word
    except ValueError:
        return


def _variable(text: str) -> dict[str, str]:
    name, found, value = text.partition("=")
    return {name: value} if found and not re.search(r"[$`]", text) else {}
