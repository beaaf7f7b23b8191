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
    "error-cleanup-provisioner": "1.7",
    "hcp_packer_registry": "1.7.7",
    "imds_support": "1.8",
    "deprecate_at": "1.8",
}
"""The Packer from which on it, or its Amazon plugin, knows a block or an argument."""
_PLUGINS = {
    "amazon": re.compile(r"amazon-(?:ebs\w*|chroot|instance|import|ami|secretsmanager|param\w*)"),
    "ansible": re.compile(r"ansible(?:-local)?"),
    "docker": re.compile(r"docker(?:-\w+)?"),
    "chef": re.compile(r"chef-(?:client|solo)"),
    "puppet": re.compile(r"puppet-(?:masterless|server)"),
    "salt": re.compile(r"salt-masterless"),
    "inspec": re.compile(r"inspec"),
    "googlecompute": re.compile(r"googlecompute(?:-\w+)?"),
    "azure": re.compile(r"azure-\w+"),
    "vagrant": re.compile(r"vagrant(?:-\w+)?"),
}
"""The components of HashiCorp's plugins. Others may begin with the same word."""

_UNKNOWN = re.compile(
    r'(?:Blocks of type|An argument named|unknown configuration key: \'?)\s*"([\w-]+)"'
)
_UNSET = re.compile(r'Unset variable "([\w-]+)"|required variable not set: ([\w-]+)')
_NO_COMPONENT = re.compile(
    r"(?:The (?:builder|source|provisioner|post-processor|data source) ([\w-]+)"
    r"\s+is\s+unknown\s+by\s+Packer)"
)
_VERSION = re.compile(r"does not support Packer version|Unsupported Packer Core version")
_TYPE = re.compile(r"not compatible with the variable's type constraint")
_FUNCTION = re.compile(r'There is no function named "(\w+)"')
_DATA_SOURCE = re.compile(r"not in format 'key=value': <unknown>")
_UNDECLARED = re.compile(r'Undefined -?var(?:iable)? .*?"([\w-]+)" variable', re.DOTALL)
_OF_TEMPLATE = re.compile(
    r"\bon \S+ line \d+|Error parsing JSON|Failed to (?:parse|prepare build)|^Error: "
    r"|already exists|no such file or directory",
    re.MULTILINE,
)
"""What Packer says about the text of a template; its own failures have no such words."""


def template_remedy(text: str, template: Path, version: str) -> str:
    """Return the remedy for a template that Packer of this version refuses with this text."""
    validate = commands.shell("packer", "validate", str(template))
    fix = f"fix {template.name}, then: {validate}"
    unknown = f"run it by hand: {validate}"
    return template_cause(text, template, version) or (fix if is_of_template(text) else unknown)


def is_of_template(text: str) -> bool:
    """Return True if the text names a fault of a template."""
    return _OF_TEMPLATE.search(text) is not None


def is_missing_plugin(text: str) -> bool:
    """Return True if the template needs a plugin that is not installed."""
    return "Missing plugins" in text or bool(_install(text))


def template_cause(text: str, template: Path, version: str) -> str:
    """Return the remedy for a known cause; empty if the text names none."""
    name = template.name
    found = (
        _unset(text),
        _VERSION.search(text) and f"install a Packer that {name} accepts: {INSTALL}",
        _too_old(text, template, version),
        "Missing plugins" in text
        and f"install them: {commands.shell('packer', 'init', str(template))}",
        _no_component(text, name),
        _DATA_SOURCE.search(text) and f"install Packer 1.8.5 or later: {INSTALL}",
        _undeclared(text, name),
        "No AMI was found matching" in text and f"fix the filters of the data source in {name}",
        _TYPE.search(text)
        and f"fix its value under [bake.vars] in pipeline.toml, or its type in {name}",
        _FUNCTION.search(text)
        and f"fix {name}, or install a newer Packer than {version}: {INSTALL}",
    )
    return next((each for each in found if each), "")


def _undeclared(text: str, name: str) -> str:
    found = _UNDECLARED.search(text)
    return f"declare {found[1]} in {name}, or remove it from pipeline.toml" if found else ""


def _unset(text: str) -> str:
    names = " and ".join(dict.fromkeys(a or b for a, b in _UNSET.findall(text)))
    return names and f"set {names} under [bake.vars] in pipeline.toml, or give a default"


def _too_old(text: str, template: Path, version: str) -> str:
    """Return the remedy for what a later Packer knows; one thing may have another way out."""
    unknown = (name for name in _UNKNOWN.findall(text) if version and name in _SINCE)
    new = {name: _SINCE[name] for name in unknown if _numbers(version) < _numbers(_SINCE[name])}
    if not new:
        return ""
    newer = f"install Packer {max(new.values(), key=_numbers)} or later"
    if len(new) > 1:
        return f"{newer}, which knows {' and '.join(new)}: {INSTALL}"
    return f"{_instead(next(iter(new)), template)}, or {newer}: {INSTALL}"


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


def _no_component(text: str, name: str) -> str:
    found = _NO_COMPONENT.search(text)
    if not found:
        return ""
    page = f"{INTEGRATIONS}?filter={found[1]}"
    return _install(text) or f"fix that name in {name}, or install its plugin: {page}"


def _install(text: str) -> str:
    found = _NO_COMPONENT.search(text)
    for plugin, components in _PLUGINS.items():
        if found and components.fullmatch(found[1]):
            source = f"github.com/hashicorp/{plugin}"
            return f"install it: {commands.shell('packer', 'plugins', 'install', source)}"
    return ""


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))
