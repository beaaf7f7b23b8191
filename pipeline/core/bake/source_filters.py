"""Replace the filters of a source image that Packer prints as pointers by those of the template.

The Amazon plugin 1.8 prints the request as Go does: `&{<nil> [] [{0xc73e [web-*] {}}] ...}`, which
has the values, but neither the names nor the order of the template.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from pipeline.core.bake.model import Builder

_POINTERS = re.compile(r"&\{<nil> \[.*\{\}\}")
_VALUES = re.compile(r"\{0x[0-9a-f]+ \[(.*?)\] \{\}\}")
_OWNERS = re.compile(r"\[([^\[\]]*)\] \{\}\}$")


def readable_filters(text: str, build: str, builders: Mapping[str, Builder]) -> str:
    """Return the text with the filter of this build's source; with its values if that is unknown.

    `build` may have the name of its build block or, in an old template, its type before the name of
    the builder.
    """
    found = _POINTERS.search(text)
    if found is None:
        return text
    names = (build, build.partition(".")[2])
    written = next((builders[name].filter for name in names if name in builders), "")
    values = ", ".join(_VALUES.findall(found[0]))
    owners = _OWNERS.search(found[0])
    searched = f"values {values}; owners {owners[1] if owners else 'any'}"
    said = f"{written} ({searched})" if written else searched
    return text[: found.start()] + said + text[found.end() :]
