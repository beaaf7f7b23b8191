"""Define the contract of a release module, and turn Terraform's errors about it into ours.

Terraform checks the contract: the root module passes every input and reads every
output, so a module without one of them does not validate. The error contains the
missing HCL to paste. docs/reference/terraform.md explains the contract.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pipeline.core import commands
from pipeline.core.errors import ConfigurationError, PipelineError, RefusedError
from pipeline.core.terraform.program import Program
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
"""The attributes of each release in the module's input `releases`, with their types."""
KEPT = {"policies": "optional(list(string))", "schedules": "optional(list(string))"}
"""What a module may read in addition: the policies and schedules that each release was made with.

Terraform drops attributes that a module's own type does not have (its docs, "Type Constraints").
"""
OUTPUTS = ("group_name", "launch_template_id", "launch_template_version", "ami_id")
"""The attributes of each release in the module's output `releases`."""


def _releases(attributes: Mapping[str, str]) -> str:
    """Return the type of a map of releases with these attributes."""
    return f"map(object({{ {', '.join(f'{key} = {attributes[key]}' for key in attributes)} }}))"


INPUTS = {"app": "string", "environment": "string", "releases": _releases(RELEASE)}
"""The inputs that the pipeline passes to the module, with their types."""
PASSED = _releases({**RELEASE, **KEPT})
"""The type of `releases` in the root module."""

OUTPUT = """\
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
    """A violation of the contract, its remedy, and HCL to paste, if any."""

    what: str
    remedy: str
    paste: str = ""


def breaks_contract(found: Diagnostic) -> bool:
    """Return True if an error is about an input that is passed or an output that is read.

    Other errors may name the root module's file, too, such as rejected credentials of its provider.
    """
    return found.file == ROOT_FILE and found.summary in _CONTRACT_ERRORS


_CONTRACT_ERRORS = frozenset(
    {
        "Extraneous JSON object property",
        "Unsupported argument",
        "Missing required argument",
        "Unsupported attribute",
        "Invalid value for input variable",
    }
)


def refusal(root: Root, verb: str, found: Sequence[Diagnostic], program: Program) -> PipelineError:
    """Return the error of a root module that a command of the program rejected."""
    if not any(each.file for each in found):
        # Without a file, the cause is outside the configuration, such as an unreachable registry.
        return RefusedError(
            f"{program.key} {verb} in {root.folder}",
            "\n".join(_text(each) for each in found),
            f"run it manually: {_manually(root, verb, program)}",
        )
    breaches = [_breach(root, each) for each in found]
    facts = [
        line for breach, each in zip(breaches, found, strict=True) for line in _lines(breach, each)
    ]
    remedies = list(dict.fromkeys(breach.remedy for breach in breaches))
    paste = [breach.paste for breach in breaches if breach.paste]
    return ConfigurationError(
        f"[terraform] module {root.module}",
        "\n".join(facts),
        "\n\n".join(["\n".join(remedies), *paste]),
    )


def _manually(root: Root, verb: str, program: Program) -> str:
    options = ("-backend=false",) if verb == "init" else ()
    return commands.in_folder(root.folder, program.command, verb, *options)


def _lines(breach: _Breach, found: Diagnostic) -> list[str]:
    lines = _text(found).split("\n")
    return [*([breach.what] if breach.what else []), *(f"| {line}" for line in lines)]


def _text(found: Diagnostic) -> str:
    return "\n".join(part for part in (found.summary, found.detail) if part)


def _breach(root: Root, found: Diagnostic) -> _Breach:
    name = _name(found)
    if found.file != ROOT_FILE:
        place = f"{found.file} line {found.line}" if found.file else ""
        return _Breach(what=place, remedy=f"fix the module, then: {_check(root)}")
    match found.summary:
        # For JSON files, Terraform 1.11 calls an unsupported argument an extraneous property.
        case "Extraneous JSON object property" | "Unsupported argument":
            return _undeclared(root, name)
        case "Missing required argument":
            return _Breach(
                what=f"input {name}: the module requires it, but it is not set",
                remedy=f"add {name} to [terraform.inputs], or give it a default in the module",
            )
        case "Unsupported attribute":
            return _Breach(
                what=f"output {name}: the module does not declare it",
                remedy=f"add this output to the module, then: {_check(root)}",
                paste=OUTPUT,
            )
        case "Invalid value for input variable" if name in INPUTS:
            return _Breach(
                what=f"input {name}: the module declares a different type",
                remedy=f"add this declaration to the module, then: {_check(root)}",
                paste=_variable(name),
            )
    return _Breach(what="", remedy=f"fix [terraform] in pipeline.toml, then: {_check(root)}")


def _undeclared(root: Root, name: str) -> _Breach:
    if name in INPUTS:
        return _Breach(
            what=f"input {name}: the module does not declare it",
            remedy=f"add this declaration to the module, then: {_check(root)}",
            paste=_variable(name),
        )
    return _Breach(
        what=f"input {name}: the module does not declare it",
        remedy=f"remove {name} from [terraform.inputs], or declare it in the module",
    )


def _name(found: Diagnostic) -> str:
    named = _VARIABLE.search(found.detail) or _QUOTED.search(found.detail)
    return named[1] if named else ""


def _check(root: Root) -> str:
    return commands.config_terraform_check(root.environment)


def _variable(name: str) -> str:
    if name != "releases":
        return f'variable "{name}" {{\n  type = {INPUTS[name]}\n}}'
    width = max(map(len, RELEASE))
    lines = [f"    {key.ljust(width)} = {kind}" for key, kind in RELEASE.items()]
    return "\n".join(['variable "releases" {', "  type = map(object({", *lines, "  }))", "}"])
