"""Check the planned resources of a module of the user's own against the contract.

Each violation names the attribute and has the lines to add. docs/reference/terraform.md has the
contract; `rehearsal` makes the plan that shows what a first plan cannot.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

from pipeline.core import commands
from pipeline.core.errors import ConfigurationError
from pipeline.core.image import TAG_PREFIX
from pipeline.core.terraform.module_contract import OUTPUT
from pipeline.core.terraform.plan_document import PlannedResource, read_output, read_resources
from pipeline.core.terraform.plan_guard import GROUP, TEMPLATE
from pipeline.core.terraform.root_module import Root

OWNED = (
    "min_size",
    "max_size",
    "desired_capacity",
    "load_balancers",
    "target_group_arns",
    "traffic_source",
)
"""The attributes of a group that the pipeline and Auto Scaling change."""
IGNORE = f"""\
  lifecycle {{
    ignore_changes = [{", ".join(OWNED)}]
  }}"""
ATTACHMENTS = frozenset(
    {
        "aws_alb_target_group_attachment",
        "aws_autoscaling_attachment",
        "aws_autoscaling_traffic_source_attachment",
        "aws_elb_attachment",
        "aws_lb_target_group_attachment",
    }
)
"""The resources that send traffic to a group or to its members (the AWS provider, 5.0 to 6.x)."""
_AT_BIRTH = ("load_balancers", "target_group_arns", "traffic_source")
_TAGS = {"app": "var.app", "environment": "var.environment", "release": "each.key"}
_NAME = '  name = "${var.app}-${var.environment}-${each.key}"'
VERSION = """\
  launch_template {
    id      = aws_launch_template.this[each.key].id
    version = aws_launch_template.this[each.key].latest_version
  }"""
_NO_WAIT = '  wait_for_capacity_timeout = "0"'
_NOTHING = re.compile(r"0+(\.0+)?[a-z]*")
NUMBER = re.compile(r"\d+")


@dataclass(frozen=True, kw_only=True, slots=True)
class Violation:
    """A breach of the contract: where, what, and the lines to add to the module there."""

    where: str
    what: str
    lines: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Wanted:
    """A release that a plan creates: its name, the name of its group, and its image."""

    release: str
    group: str
    image: str
    app: str
    environment: str

    @property
    def tags(self) -> dict[str, str]:
        """The three tags that say whose a resource is."""
        named = {"app": self.app, "environment": self.environment, "release": self.release}
        return {TAG_PREFIX + key: value for key, value in named.items()}


def violations(document: Mapping[str, Any], wanted: Wanted) -> tuple[Violation, ...]:
    """Return each breach of the contract by a release that a plan creates.

    What is unknown until the apply is accepted here; `rehearsal` makes it known.
    """
    resources = [each for each in read_resources(document) if "create" in each.actions]
    ours = [each for each in resources if wanted.release in each.releases]
    groups = [each for each in ours if each.kind == GROUP]
    templates = [each for each in ours if each.kind == TEMPLATE]
    found = chain(
        _attachments(resources),
        _single(groups, wanted),
        _single(templates, wanted),
        *(_group(each, templates, wanted) for each in groups),
        *(_template(each, wanted) for each in templates),
        _output(document, wanted),
    )
    return named(found, resources)


def named(
    found: Iterable[Violation], resources: Iterable[PlannedResource]
) -> tuple[Violation, ...]:
    """Return breaches, each once, with the names in its lines that the module itself uses.

    A resource without a key is in a nested module, which gets the release by its own variables.
    """
    known = {each.name: each.address.endswith("]") for each in resources}
    templates = [name for name in known if f".{name}".rpartition(".")[0].endswith(f".{TEMPLATE}")]
    template = next(iter(templates), f"{TEMPLATE}.this").split(".")[-1]

    def adapted(each: Violation) -> Violation:
        lines = each.lines.replace(f"{TEMPLATE}.this", f"{TEMPLATE}.{template}")
        if not known.get(each.where, True):
            lines = lines.replace("[each.key]", "").replace("each.value.", "var.")
            lines = lines.replace("each.key", "var.release")
        return replace(each, lines=lines)

    return tuple(dict.fromkeys(map(adapted, found)))


def _attachments(resources: Iterable[PlannedResource]) -> Iterator[Violation]:
    for each in resources:
        if each.kind in ATTACHMENTS:
            yield Violation(
                where=each.name,
                what="gives traffic to instances; the pipeline does that after its checks",
                lines=f"  # remove {each.name}",
            )


def _single(resources: Sequence[PlannedResource], wanted: Wanted) -> Iterator[Violation]:
    """Yield a breach if a release has a second group or template; the right name comes first."""
    ordered = sorted(
        resources, key=lambda each: (each.after.get("name") != wanted.group, each.name)
    )
    for each in ordered[1:]:
        what = f"is a second {each.kind} of a release, beside {ordered[0].name}"
        yield Violation(where=each.name, what=what, lines=f"  # remove {each.name}")


def _group(
    group: PlannedResource, templates: Sequence[PlannedResource], wanted: Wanted
) -> Iterator[Violation]:
    yield from _name(group, wanted)
    yield from _group_tags(group, templates, wanted)
    for name in _AT_BIRTH:
        if group.after.get(name) or (group.unknown.get(name) is True and name in group.expressions):
            yield Violation(
                where=group.name,
                what=f"{name} is set: the group would receive traffic before any check",
                lines=f"  # remove {name}",
            )
    if not _NOTHING.fullmatch(str(group.after.get("wait_for_capacity_timeout") or "10m")):
        given = group.after.get("wait_for_capacity_timeout") or "10m, the default"
        what = f'wait_for_capacity_timeout is {given}, not "0": Terraform would wait for instances'
        yield Violation(where=group.name, what=what, lines=_NO_WAIT)
    yield from _launch_template(group)


def _name(resource: PlannedResource, wanted: Wanted) -> Iterator[Violation]:
    name = resource.after.get("name")
    if name != wanted.group:
        what = f'name is "{name}"' if name else "name is not known before the apply"
        what = f'{what}; it must be "{wanted.group}"'
        yield Violation(where=resource.name, what=what, lines=_NAME)


def _group_tags(
    group: PlannedResource, templates: Sequence[PlannedResource], wanted: Wanted
) -> Iterator[Violation]:
    tags = {str(each.get("key")): each for each in group.after.get("tag") or ()}
    for key, value in wanted.tags.items():
        given = tags.get(key)
        if given is None or given.get("value") != value:
            yield Violation(where=group.name, what=_differs(key, given), lines=_tag(key))
        elif not given.get("propagate_at_launch") and not _on_instances(templates, key, value):
            what = f"tag {key} does not reach the instances: propagate_at_launch is false"
            yield Violation(where=group.name, what=what, lines=_tag(key))


def _differs(key: str, tag: Mapping[str, Any] | None) -> str:
    return f"tag {key} is not set" if tag is None else f'tag {key} is "{tag.get("value")}"'


def _on_instances(templates: Sequence[PlannedResource], key: str, value: str) -> bool:
    """Return True if the launch template tags instances, as the shipped module does."""
    return any(
        each.get("resource_type") == "instance" and (each.get("tags") or {}).get(key) == value
        for template in templates
        for each in template.after.get("tag_specifications") or ()
    )


def _tag(key: str) -> str:
    value = _TAGS[key.removeprefix(TAG_PREFIX)]
    return (
        "  tag {\n"
        f'    key                 = "{key}"\n'
        f"    value               = {value}\n"
        "    propagate_at_launch = true\n"
        "  }"
    )


def template_of(group: Mapping[str, Any]) -> tuple[Mapping[str, Any], str]:
    """Return the launch template that a group names, and the block that names it."""
    if policy := _first(group.get("mixed_instances_policy")):
        template = _first(policy.get("launch_template"))
        place = "mixed_instances_policy.launch_template"
        return _first(template.get("launch_template_specification")), place
    return _first(group.get("launch_template")), "launch_template"


def _launch_template(group: PlannedResource) -> Iterator[Violation]:
    used, place = template_of(group.after)
    is_mixed = bool(group.after.get("mixed_instances_policy"))
    if not is_mixed and not group.after.get("launch_template"):
        what = "launch_template is not set: the group must use the release's launch template"
        yield Violation(where=group.name, what=what, lines=VERSION)
    version = used.get("version")
    if version is not None and not NUMBER.fullmatch(str(version)):
        what = f'{place}: version is "{version}", not a number: it may change under the release'
        yield Violation(where=group.name, what=what, lines=numbered(is_mixed=is_mixed))
    policy = _first(group.after.get("mixed_instances_policy"))
    for override in _first(policy.get("launch_template")).get("override") or ():
        if override.get("launch_template_specification"):
            what = f"{place}: an override has a launch template of its own"
            line = "  # remove launch_template_specification from each override"
            yield Violation(where=group.name, what=what, lines=line)


def numbered(*, is_mixed: bool) -> str:
    """Return the lines that name the release's launch template by its number."""
    if not is_mixed:
        return VERSION
    return (
        "      launch_template_specification {\n"
        "        launch_template_id = aws_launch_template.this[each.key].id\n"
        "        version            = aws_launch_template.this[each.key].latest_version\n"
        "      }"
    )


def _first(blocks: Any) -> Mapping[str, Any]:
    return blocks[0] if isinstance(blocks, list) and blocks else {}


def _template(template: PlannedResource, wanted: Wanted) -> Iterator[Violation]:
    yield from _name(template, wanted)
    tags = {**(template.after.get("tags") or {}), **(template.after.get("tags_all") or {})}
    if wrong := [key for key, value in wanted.tags.items() if tags.get(key) != value]:
        what = f"tags lack {', '.join(wrong)}, or have other values"
        yield Violation(where=template.name, what=what, lines=_TEMPLATE_TAGS)
    image = template.after.get("image_id")
    if image != wanted.image:
        what = f"image_id is {image or 'not set'}, not the image of the release, {wanted.image}"
        lines = "  image_id = each.value.ami_id"
        yield Violation(where=template.name, what=what, lines=lines)


_TEMPLATE_TAGS = """\
  tags = {
    "ami-pipeline:app"         = var.app
    "ami-pipeline:environment" = var.environment
    "ami-pipeline:release"     = each.key
  }"""


def _output(document: Mapping[str, Any], wanted: Wanted) -> Iterator[Violation]:
    """Compare what is known of the module's output with the release."""
    known, unknown = read_output(document, "releases")
    if unknown is True:
        return
    release = (known or {}).get(wanted.release) or {}
    marks = unknown.get(wanted.release, {}) if isinstance(unknown, dict) else {}
    if marks is True:
        return
    for name, value in {"group_name": wanted.group, "ami_id": wanted.image}.items():
        if not (marks or {}).get(name) and release.get(name) != value:
            given = release.get(name) or "not set"
            yield output_violation(wanted, name, given, value)


def output_violation(wanted: Wanted, name: str, given: object, value: object) -> Violation:
    """Return the breach of an output that differs from the plan."""
    what = f"{name} of {wanted.release} is {given}, but the plan has {value}"
    return Violation(where="output releases", what=what, lines=OUTPUT)


def resets(group: PlannedResource, names: Iterable[str] = OWNED) -> tuple[str, ...]:
    """Return the attributes of a group that belong to the pipeline and that a plan changes."""
    return tuple(name for name in names if group.before.get(name) != group.after.get(name))


def contract_error(root: Root, found: Sequence[Violation]) -> ConfigurationError:
    """Return the error of a module that breaks the contract, with the lines to add."""
    facts = dict.fromkeys(f"{each.where}: {each.what}" for each in found)
    where = f"[terraform] module {root.module}"
    return ConfigurationError(where, "\n".join(facts), add_lines(root, found))


def add_lines(root: Root, found: Sequence[Violation]) -> str:
    """Return the remedy for breaches of the contract: the lines to add, by resource."""
    places = dict.fromkeys(each.where for each in found)
    blocks = [
        "\n".join([f"# {place}", *dict.fromkeys(v.lines for v in found if v.where == place)])
        for place in places
    ]
    check = commands.config_terraform_check(root.environment)
    return "\n\n".join([f"add these lines to the module, then: {check}", *blocks])
