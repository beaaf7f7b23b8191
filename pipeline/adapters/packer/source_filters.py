"""Replace the filters of a source image that Packer prints as pointers by those of the template.

The Amazon plugin 1.8 prints the request as Go does: `&{<nil> [] [{0xc73e [web-*] {}}] ...}`, which
has the values, but neither the names nor the order of the template.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from pipeline.core.bake.model import Builder

_POINTERS = re.compile(r"&\{<nil> \[.*\{\}\}")
_OF_IMAGES = "No AMI was found matching filters: "
_VALUES = re.compile(r"\{0x[0-9a-f]+ \[(.*?)\] \{\}\}")
_OWNERS = re.compile(r"\[([^\[\]]*)\] \{\}\}$")


def readable_filters(text: str, build: str, builders: Mapping[str, Builder]) -> str:
    """Return the text with the filter of this build's source; with its values if that is unknown.

    The plugin prints the filters of subnets and other resources so, too: their values are shown.
    `build` may have the name of its build block or, in an old template, its type before the name of
    the builder.
    """
    found = _POINTERS.search(text)
    if found is None:
        return text
    values = f"values {', '.join(_VALUES.findall(found[0]))}"
    if not text[: found.start()].endswith(_OF_IMAGES):
        return text[: found.start()] + values + text[found.end() :]
    owners = _OWNERS.search(found[0])
    searched = f"{values}; owners {owners[1] if owners else 'any'}"
    names = (build, build.partition(".")[2])
    written = next((builders[name].filter for name in names if name in builders), "")
    said = f"{written} ({searched})" if written else searched
    return text[: found.start()] + said + text[found.end() :]
