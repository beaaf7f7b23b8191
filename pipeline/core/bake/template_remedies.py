"""Map what Packer says about a template that it does not accept to a remedy of one line.

The patterns match Packer 1.6.6 and 1.16 (docs/development/surprises.md has what differs).
"""

from __future__ import annotations

import re
from pathlib import Path

from pipeline.core import commands

INSTALL = "https://developer.hashicorp.com/packer/install"
INTEGRATIONS = "https://developer.hashicorp.com/packer/integrations"

_SINCE = {
    "required_plugins": "1.7",
    "data": "1.7",
    "local": "1.7",
    "metadata_options": "1.7",
    "hcp_packer_registry": "1.7.7",
    "imds_support": "1.8",
    "deprecate_at": "1.8",
}
"""The Packer from which on it, or its Amazon plugin, knows a block or an argument."""
_PLUGINS = {"amazon": "amazon", "ansible": "ansible", "docker": "docker", "chef": "chef"}
"""The plugin of HashiCorp that has the components whose names begin so."""

_UNKNOWN = re.compile(
    r'(?:Blocks of type|An argument named|unknown configuration key: \'?)\s*"(\w+)"'
)
_UNSET = re.compile(r'Unset variable "([\w-]+)"|required variable not set: ([\w-]+)')
_NO_COMPONENT = re.compile(
    r"(?:The (?:builder|source|provisioner|post-processor|data source) ([\w-]+)"
    r"\s+is\s+unknown\s+by\s+Packer)"
)
_VERSION = re.compile(r"does not support Packer version|Unsupported Packer Core version")
_TYPE = re.compile(r"not compatible with the variable's type constraint")
_FUNCTION = re.compile(r'There is no function named "(\w+)"')


def template_remedy(text: str, template: Path, version: str) -> str:
    """Return the remedy for a template that Packer of this version refuses with this text."""
    name = template.name
    found = (
        _unset(text),
        _VERSION.search(text) and f"install a Packer that {name} accepts: {INSTALL}",
        _too_old(text, template, version),
        "Missing plugins" in text
        and f"install them: {commands.shell('packer', 'init', str(template))}",
        _no_component(text),
        _TYPE.search(text)
        and f"fix its value under [bake.vars] in pipeline.toml, or its type in {name}",
        _FUNCTION.search(text)
        and f"fix {name}, or install a newer Packer than {version}: {INSTALL}",
    )
    again = commands.shell("packer", "validate", str(template))
    return next((each for each in found if each), f"fix {name}, then: {again}")


def _unset(text: str) -> str:
    names = " and ".join(dict.fromkeys(a or b for a, b in _UNSET.findall(text)))
    return names and f"set {names} under [bake.vars] in pipeline.toml, or give a default"


def _too_old(text: str, template: Path, version: str) -> str:
    for name in _UNKNOWN.findall(text):
        if name in _SINCE and _numbers(version) < _numbers(_SINCE[name]):
            newer = f"or install Packer {_SINCE[name]} or later: {INSTALL}"
            return f"{_instead(name, template)}, {newer}"
    return ""


def _instead(name: str, template: Path) -> str:
    folder = (template if template.is_dir() else template.parent) / "init"
    match name:
        case "required_plugins":
            return f"move that block to {folder / 'plugins.pkr.hcl'}, which Packer 1.6 ignores"
        case "data":
            return "use source_ami_filter, or [bake.source] in pipeline.toml, in place of data"
        case "local":
            return f"write locals {{ }} in {template.name}"
        case _:
            return f"remove {name} from {template.name}"


def _no_component(text: str) -> str:
    found = _NO_COMPONENT.search(text)
    if not found:
        return ""
    kind = found[1].partition("-")[0]
    if kind not in _PLUGINS:
        return f"install the plugin of {found[1]}: {INTEGRATIONS}?filter={found[1]}"
    plugin = f"github.com/hashicorp/{_PLUGINS[kind]}"
    return f"install it: {commands.shell('packer', 'plugins', 'install', plugin)}"


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))
