"""Write a text as shells and other programs print it, so that a secret is found in each form.

Separate from masking, which replaces the forms: this is the list of programs that were observed.
"""

from __future__ import annotations

import html
import json
import re
import shlex
from collections.abc import Iterator

_BASH_Q = " \t'\"\\|&;()<>!{}*[]?^$`"
"""What `printf %q` of bash escapes; 5.0 to 5.2 also escape a comma, earlier ones do not."""
_ZSH_Q = _BASH_Q + ",=#~%"
_ANSI_C = {"\n": "\\n", "\t": "\\t", "\r": "\\r", "\\": "\\\\", "'": "\\'", "\x1b": "\\E"}
_GO_HTML = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "'": "\\u0027"}
_LONG = 8
"""A shorter secret of letters only may be an ordinary word in another case."""


def escaped(text: str) -> frozenset[str]:
    """Return the text in each form of escapes, without the quotes around it."""
    forms = {text, *_shell(text), *_powershell(text), *_markup(text), *_others(text)}
    if len(text) >= _LONG or not text.isalpha():
        forms |= {text.upper(), text.lower()}
    return frozenset(nested for form in forms for nested in (form, *_json(form)))


def _shell(text: str) -> Iterator[str]:
    """Yield what `printf %q`, `declare -p`, `set -x`, `export -p` and a here-document print."""
    yield shlex.quote(text).removeprefix("'").removesuffix("'")
    yield text.replace("'", "'\\''")
    yield text.replace("'", "'\"'\"'")
    for characters in (_BASH_Q, _BASH_Q + ",", _ZSH_Q):
        yield _before(text, characters, "\\")
    if text[:1] in {"#", "~"}:
        yield "\\" + _before(text, _BASH_Q + ",", "\\")
    for characters in ('\\"$`', '\\"$`!', '\\"', "$"):
        yield _before(text, characters, "\\")
    yield "".join(_ANSI_C.get(character, character) for character in text)


def _powershell(text: str) -> Iterator[str]:
    """Yield PowerShell's forms with backticks and with doubled quotes, and those of cmd."""
    yield _before(text, '`$"', "`")
    yield _before(text, "`$\"'{}()[]; #&|<>@,", "`")
    yield text.replace("'", "''")
    yield text.replace('"', '""')
    yield _before(text, "&|<>^()", "^")
    yield text.replace("%", "%%")
    yield text.replace("$", "$$")


def _markup(text: str) -> Iterator[str]:
    plain = html.escape(text, quote=False)
    yield plain
    yield html.escape(text)
    yield plain.replace('"', "&quot;")
    yield plain.replace('"', "&quot;").replace("'", "&apos;")
    yield html.escape(text).replace("&#x27;", "&#39;").replace("&quot;", "&#34;")


def _others(text: str) -> Iterator[str]:
    yield re.escape(text)
    yield _before(text, ".[]*^$/\\&", "\\")
    yield text.replace("/", "\\/")
    yield repr(text)[1:-1]
    yield text.replace("${", "$${").replace("%{", "%%{")


def _json(text: str) -> Iterator[str]:
    """Yield the text inside JSON, and inside JSON in JSON; Go and PHP escape more characters."""
    for unicode in (True, False):
        once = json.dumps(text, ensure_ascii=unicode)[1:-1]
        yield once
        yield json.dumps(once, ensure_ascii=unicode)[1:-1]
        yield "".join(_GO_HTML.get(character, character) for character in once)
        yield once.replace("/", "\\/")


def _before(text: str, characters: str, escape: str) -> str:
    return "".join(escape + each if each in characters else each for each in text)
