"""The contract between the root module and the module that makes releases, and its breaches.

Terraform itself checks it: the root module passes every input and reads every
output, so a module that lacks one does not validate. Here Terraform's words
become an error of three parts, with the HCL that is missing ready to paste.
docs/terraform.md explains the contract to those who write a module.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from shlex import quote

from pipeline.core.errors import ConfigurationError, PipelineError, RefusedError
from pipeline.core.terraform.root_module import Diagnostic, Root

ROOT_FILE = "main.tf.json"
RELEASE = {
    "ami_id": "string",
    "instance_type": "string",
    "min_size": "number",
    "max_size": "number",
    "desired_capacity": "number",
    "facts": "map(string)",
}
"""What the module is told of each release, with its types."""
MADE = ("group_name", "launch_template_id", "launch_template_version", "ami_id")
"""What the module says of each release in its output `releases`."""
INPUTS = {
    "app": "string",
    "environment": "string",
    "releases": f"map(object({{ {', '.join(f'{key} = {RELEASE[key]}' for key in RELEASE)} }}))",
}
"""What the pipeline passes to the module, with its types."""

_OUTPUT = """\
output "releases" {
  value = {
    for name, group in aws_autoscaling_group.this : name => {
      group_name              = group.name
      launch_template_id      = aws_launch_template.this[name].id
      launch_template_version = aws_launch_template.this[name].latest_version
      ami_id                  = aws_launch_template.this[name].image_id
    }
  }
}"""
_QUOTED = re.compile(r'"([\w-]+)"')
_VARIABLE = re.compile(r"module\.release\.var\.([\w-]+)")


@dataclass(frozen=True, kw_only=True, slots=True)
class _Breach:
    """What is wrong with the module, in our words; what to do; HCL that would do it."""

    what: str
    remedy: str
    paste: str = ""


def breaks_contract(found: Diagnostic) -> bool:
    """Tell whether an error is about what the root module passes to the module or reads of it.

    Others may name the root module's file too: its provider stands there, with credentials
    that were refused.
    """
    return found.file == ROOT_FILE and found.summary in _OF_THE_CALL


_OF_THE_CALL = frozenset(
    {
        "Extraneous JSON object property",
        "Unsupported argument",
        "Missing required argument",
        "Unsupported attribute",
        "Invalid value for input variable",
    }
)


def refusal(root: Root, verb: str, found: Sequence[Diagnostic]) -> PipelineError:
    """Return the error of a root module that Terraform, at `verb`, did not accept."""
    if not any(each.file for each in found):
        # No line of any file: a registry that does not answer, a provider that does not start.
        return RefusedError(
            f"terraform {verb} in {root.folder}",
            "\n".join(_words(each) for each in found),
            f"run it by hand: cd {quote(str(root.folder))} && terraform {_BY_HAND.get(verb, verb)}",
        )
    breaches = [_breach(root, each) for each in found]
    facts = [
        line for breach, each in zip(breaches, found, strict=True) for line in _told(breach, each)
    ]
    remedies = list(dict.fromkeys(breach.remedy for breach in breaches))
    paste = [breach.paste for breach in breaches if breach.paste]
    return ConfigurationError(
        f"[terraform] module {root.module}",
        "\n".join(facts),
        "\n\n".join(["\n".join(remedies), *paste]),
    )


_BY_HAND = {"init": "init -backend=false"}


def _told(breach: _Breach, found: Diagnostic) -> list[str]:
    lines = _words(found).split("\n")
    return [*([breach.what] if breach.what else []), *(f"| {line}" for line in lines)]


def _words(found: Diagnostic) -> str:
    return "\n".join(part for part in (found.summary, found.detail) if part)


def _breach(root: Root, found: Diagnostic) -> _Breach:
    name = _name(found)
    if found.file != ROOT_FILE:
        place = f"{found.file} line {found.line}" if found.file else ""
        return _Breach(what=place, remedy=f"correct the module, then: {_again(root)}")
    match found.summary:
        # In JSON, what HCL calls an unsupported argument is an extraneous property (1.11).
        case "Extraneous JSON object property" | "Unsupported argument":
            return _undeclared(root, name)
        case "Missing required argument":
            return _Breach(
                what=f"input {name}: the module requires it, and nothing passes it",
                remedy=f"add {name} to [terraform.inputs], or give it a default in the module",
            )
        case "Unsupported attribute":
            return _Breach(
                what=f"output {name}: the module does not have it",
                remedy=f"declare the output in the module, then: {_again(root)}",
                paste=_OUTPUT,
            )
        case "Invalid value for input variable" if name in INPUTS:
            return _Breach(
                what=f"input {name}: the module declares another type",
                remedy=f"declare in the module what the contract names, then: {_again(root)}",
                paste=_variable(name),
            )
    return _Breach(what="", remedy=f"correct [terraform] in pipeline.toml, then: {_again(root)}")


def _undeclared(root: Root, name: str) -> _Breach:
    if name in INPUTS:
        return _Breach(
            what=f"input {name}: the module does not declare it",
            remedy=f"declare in the module what the contract names, then: {_again(root)}",
            paste=_variable(name),
        )
    return _Breach(
        what=f"input {name}: the module does not declare it",
        remedy=f"remove {name} from [terraform.inputs], or declare it in the module",
    )


def _name(found: Diagnostic) -> str:
    named = _VARIABLE.search(found.detail) or _QUOTED.search(found.detail)
    return named[1] if named else ""


def _again(root: Root) -> str:
    return f"ami-pipeline config terraform -e {root.environment} --check"


def _variable(name: str) -> str:
    if name != "releases":
        return f'variable "{name}" {{\n  type = {INPUTS[name]}\n}}'
    width = max(map(len, RELEASE))
    lines = [f"    {key.ljust(width)} = {kind}" for key, kind in RELEASE.items()]
    return "\n".join(['variable "releases" {', "  type = map(object({", *lines, "  }))", "}"])
