"""Split a line of Packer's output into the name of its build and the text.

Packer writes `==> NAME: text` and does not escape NAME, which may hold `: `, commas and
parentheses. So a name is recognized as a whole: the template declares it, or Packer has begun a
line of its own with it, before the build's first provisioner ran.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from pipeline.core.bake.builds import CALL

_PREFIXES = (b"==> ", b"    ", b"--> ")
_OWN_WORDS = re.compile(
    rb"(.+?): (?=(?:Prevalidating any provided VPC|Prevalidating AMI Name: |Found Image ID: ami-"
    rb"|Creating temporary (?:RSA |ED25519 )?(?:SSH )?key ?pair|Creating temporary security group"
    rb"|Launching a source AWS instance|Instance ID: i-))"
)
"""What Packer prints in a build before its provisioners (builder/amazon/ebs, 1.6.6 to 1.16)."""
_POST_PROCESSOR = re.compile(rb" \([\w.-]+\)")


def escape(text: str) -> bytes:
    """Return the text as the arguments of Packer's stream hold it."""
    escaped = text.replace(",", "%!(PACKER_COMMA)").replace("\r", "\\r").replace("\n", "\\n")
    return escaped.encode("utf-8", "replace")


class BuildNames:
    """The names of builds, those of the template and those that Packer has used so far.

    `declared` maps each name of the template to its builder's type: Packer >= 1.7 prints the build
    `app` of an old template as `amazon-ebs.app`.
    """

    def __init__(self, declared: Iterable[tuple[str, str]] = ()) -> None:
        self._known: set[bytes] = set()
        patterns: list[bytes] = []
        for name, kind in declared:
            for full in (name, f"{kind}.{name}"):
                if CALL.search(full):
                    parts = (re.escape(escape(part)) for part in CALL.split(full))
                    patterns.append(b".+?".join(parts))
                else:
                    self._known.add(escape(full))
        self._templated = re.compile(b"(" + b"|".join(patterns) + b"): ") if patterns else None
        self._longest_first: list[bytes] = []
        self._sort()

    def split(self, text: bytes) -> tuple[bytes, bool, bytes]:
        r"""Return build, whether one of its post-processors speaks, and the words.

        The build is empty and the words are the whole text if no build speaks. A text of several
        lines has the prefix on each of them (packer/ui.go, `TargetedUI`).
        """
        while text.startswith(b"\\n"):
            text = text[2:]
        if not text.startswith(_PREFIXES):
            return b"", False, text
        said = text[4:]
        for name in self._longest_first:
            if said.startswith(name):
                rest = said[len(name) :]
                if rest.startswith(b": "):
                    return name, False, rest[2:]
                spoke = _POST_PROCESSOR.match(rest)
                if spoke and rest.startswith(b": ", spoke.end()):
                    return name + spoke[0], True, rest[spoke.end() + 2 :]
        return self._unknown(text, said)

    def _unknown(self, text: bytes, said: bytes) -> tuple[bytes, bool, bytes]:
        if found := (self._templated and self._templated.match(said)) or _OWN_WORDS.match(said):
            self._known.add(found[1])
            self._sort()
            return found[1], False, said[found.end() :]
        end = said.find(b": ")
        if end <= 0:
            return b"", False, text
        build = said[:end]
        return build, build.endswith(b")"), said[end + 2 :]

    def _sort(self) -> None:
        self._longest_first = sorted(self._known, key=len, reverse=True)
