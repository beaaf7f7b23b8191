"""List hostile or mistyped values, each with the field that must reject it.

The tests of the rules, of pipeline.toml and of the command line use this list.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, TypeAlias, get_args

if TYPE_CHECKING:
    from collections.abc import Iterator

Field: TypeAlias = Literal[
    "app",
    "environment",
    "version",
    "region",
    "tag key",
    "tag value",
    "path",
    "variable name",
    "variable value",
]
ALL: Final[tuple[Field, ...]] = get_args(Field)
NAMES: Final[tuple[Field, ...]] = ("app", "environment", "version", "region", "variable name")
MEBIBYTE: Final = "a" * 2**20


@dataclass(frozen=True, kw_only=True, slots=True)
class Hostile:
    """One value that one field must reject, and why it is dangerous."""

    field: Field
    value: str
    why: str


_EVERYWHERE: Final = (
    ("a\0b", "NUL ends a C string"),
    ("a\nb", "a line feed forges a log line"),
    ("a\rb", "a carriage return overwrites a log line"),
    ("a\tb", "a tab is a control character"),
    ("a\x0bb", "a vertical tab is a control character"),
    ("\x1b[31mred", "an ANSI escape paints the terminal"),
    ("\x1b]0;title\x07", "an ANSI escape sets the terminal's title"),
    ("a\x7fb", "DEL"),
    ("a\x9b31mb", "a one-byte CSI"),
    ("a\x85b", "NEL splits lines"),
    ("a\u2028b", "a line separator splits lines"),
    ("a\u2029b", "a paragraph separator splits lines"),
    ("a\u202eb", "RTL override"),
    ("a\u2066b", "left-to-right isolate"),
    ("a\u200fb", "RTL mark"),
    ("a\u200bb", "zero-width space"),
    ("a\u200db", "zero-width joiner"),
    ("a\u2060b", "word joiner"),
    ("\ufeffab", "byte order mark"),
    ("a\u00adb", "soft hyphen"),
    ("a\u00a0b", "no-break space"),
    ("a\u3000b", "ideographic space"),
    ("a\u3164b", "Hangul filler is an invisible letter"),
    ("a\ufe0fb", "variation selector"),
    ("a\u034fb", "combining grapheme joiner"),
    ("a\U000e0041b", "tag character"),
    ("a\ue000b", "private use"),
    ("a\U0010ffffb", "no character"),
    ("a\ud800b", "lone surrogate, from an argument that is not UTF-8"),
    ("e\u0301a", "not in normal form C"),
    ("\u212bngstrom", "not in normal form C: the Angstrom sign"),
    (MEBIBYTE, "one mebibyte"),
    ("a" * 100_000, "a hundred thousand characters"),
    ('${file("/etc/passwd")}', "a Terraform function"),
    ("${path.root}", "a Packer expression"),
    ("%{for x in y}a%{endfor}", "a Terraform directive"),
    ("$${x}", "an escaped template"),
    ("{{env `AWS_SECRET_ACCESS_KEY`}}", "a Packer call that reads a secret"),
    ("{{ user `token` }}", "a Packer call that reads a variable"),
    ("{{.Vars}}", "a Packer template field"),
    ("{{{{", "half a template"),
    ("::set-env name=PATH::/tmp", "a command to the GitHub runner"),
    ("::stop-commands::x", "a command to the GitHub runner"),
    ("::add-mask::a", "a command to the GitHub runner"),
    ("x ::ERROR file=a::b", "a command to the GitHub runner, inside a line"),
    ("%0A::error::x", "an escaped line feed and a command"),
    ("a%0d%0ab", "escaped line ends"),
    ("##vso[task.setvariable variable=a]b", "a command to the Azure runner"),
    ("##[error]x", "a command to the Azure runner"),
    ("##teamcity[buildStop]", "a command to TeamCity"),
    ('"\nx="', "a break-out of a quoted string"),
)
_LOOKALIKES: Final = (
    ("w\u0435b", "a Cyrillic letter"),
    ("\u0430pp", "a Cyrillic first letter"),
    ("w\u03bfb", "a Greek letter"),
    ("\uff57\uff45\uff42", "full-width letters"),
    ("\U0001d430eb", "a mathematical letter"),
    ("\ufb01x", "a ligature"),
    ("web\u0661", "an Arabic digit"),
    ("web\u2010x", "a hyphen that is not a minus"),
    ("\U0001f600", "an emoji"),
    ("web\u00b2", "a superscript"),
    ("\u0130", "a letter whose lower case is two characters"),
)
_SHELL: Final = (
    ("$(id)", "command substitution"),
    ("`id`", "command substitution"),
    (";id", "a second command"),
    ("|id", "a pipe"),
    ("a&&id", "a second command"),
    ("a&", "the background"),
    (">x", "a redirection"),
    ("<x", "a redirection"),
    ("a'b", "a quote"),
    ('a"b', "a quote"),
    ("a\\b", "a backslash"),
    ("*", "a glob"),
    ("a?", "a glob"),
    ("[a]", "a glob"),
    ("!x", "history"),
    ("~root", "a home"),
    ("#x", "a comment"),
    ("$HOME", "a variable"),
    ("{a,b}", "a brace expansion"),
    ("%2e%2e/", "an encoded climb"),
    ("%2e%2e%2fetc", "an encoded climb"),
    ("%00", "an encoded NUL"),
    ("^x", "a caret"),
)
_OPTIONS: Final = (
    ("-rf", "reads as an option"),
    ("--var=x", "reads as an option"),
    ("-chdir=/", "reads as an option"),
    ("-", "reads as standard input"),
    ("--", "ends options"),
    ("@file", "reads as a file reference"),
    ("@/etc/passwd", "reads as a file reference"),
    ("../x", "climbs"),
    ("..", "climbs"),
    ("a/../../b", "climbs"),
    ("a/..", "climbs"),
    ("./../x", "climbs"),
    ("/etc/passwd", "is absolute"),
    ("//host/share", "is absolute"),
    ("\\\\host\\share", "is a Windows share"),
    ("C:\\x", "is a Windows path"),
    ("file:///etc/passwd", "is a URL"),
)
_SPACES: Final = ((" ", "a space"), (" web", "a leading space"), ("web ", "a trailing space"))
_NAME: Final = (
    ("Web", "upper case"),
    ("1web", "begins with a digit"),
    ("web-", "ends with a dash"),
    ("web--x", "two dashes"),
    ("web_x", "an underscore"),
    ("web.x", "a dot"),
    ("web:x", "a colon"),
    ("web,x", "a comma"),
    ("w" * 33, "one character too long"),
    ("web-r000124", "ends like a release"),
    ("r000124", "is a release"),
)
_OWN: Final[dict[Field, tuple[tuple[str, str], ...]]] = {
    "app": _NAME,
    "environment": _NAME,
    "version": (
        ("latest", "means another image each day"),
        ("LATEST", "means another image each day"),
        ("1.0.0/../9", "climbs"),
        ("1..2", "two dots"),
        (".1", "begins with a dot"),
        ("+1", "begins with a plus"),
        ("_1", "begins with an underscore"),
        ("1:2", "a colon"),
        ("1,2", "a comma"),
        ("1=2", "an equals sign"),
        ("1" * 65, "one character too long"),
        ("1" * 129, "129 characters"),
    ),
    "region": (
        ("us-east-1a", "an availability zone"),
        ("us-east", "no number"),
        ("eu", "a continent"),
        ("us-east-0", "a number no region has"),
        ("us-east-11", "a number no region has"),
        ("xx-east-1", "no partition"),
        ("US-EAST-1", "upper case"),
        ("us_east_1", "underscores"),
        ("global", "no region"),
        ("aws-global", "no region"),
        ("cn-gov-north-1", "no partition"),
        ("us-east-1.evil.example", "a foreign host"),
        ("us-east-1@evil", "a foreign host"),
        ("us-east-1/x", "a path"),
        ("us-up-1", "no direction"),
    ),
    "tag key": (
        ("aws:x", "reserved by AWS"),
        ("AWS:x", "reserved by AWS in any case"),
        ("Name", "set by the pipeline"),
        ("ami-pipeline:app", "set by the pipeline"),
        ("AMI-Pipeline:app", "similar to a tag of the pipeline"),
        ("=x", "a formula in a spreadsheet"),
        ("k" * 129, "one character too long"),
    ),
    "tag value": (("v" * 257, "one character too long"), ("a,b", "outside AWS's characters")),
    "path": (
        ("p" * 1025, "one character too long"),
        ("a//../b", "climbs"),
        ("a/-rf", "a file that reads as an option"),
        ("~/x", "a home"),
    ),
    "variable name": (
        ("1x", "begins with a digit"),
        ("a.b", "a dot"),
        ("a=b", "an equals sign"),
        ("a:b", "a colon"),
        ("n" * 65, "one character too long"),
    ),
    "variable value": (("v" * 16_385, "one character too long"),),
}


def _build() -> Iterator[Hostile]:
    for values, fields in (
        (_EVERYWHERE, ALL),
        ((("", "nothing"),), (*NAMES, "tag key", "path")),
        (_LOOKALIKES, (*NAMES, "tag key", "path")),
        (_SHELL, (*NAMES, "tag key", "tag value", "path")),
        (_OPTIONS, (*NAMES, "path")),
        (_SPACES, (*NAMES, "tag key", "tag value", "path")),
    ):
        for field in fields:
            for value, why in values:
                yield Hostile(field=field, value=value, why=why)
    for field, own in _OWN.items():
        for value, why in own:
            yield Hostile(field=field, value=value, why=why)


HOSTILE: Final[tuple[Hostile, ...]] = tuple(_build())
