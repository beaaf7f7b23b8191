"""Rehearse further plans of a module, against a state that was never applied.

Plans do not show `lifecycle`, and the first plan of a release does not know its launch template.
So the values of a first plan become a state: one release is complete and its group has other sizes
and load balancers; the other has a launch template only. The plan against that state shows
what Terraform would reset, and which version a group would get. A third plan shows whether a
retirement would delete the complete release
(docs/development/adr/0042-a-rehearsed-plan-proves-ignore-changes.md).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pipeline.core.terraform.module_rules import (
    IGNORE,
    NUMBER,
    OWNED,
    VERSION,
    Violation,
    Wanted,
    named,
    output_violation,
    resets,
    template_of,
)
from pipeline.core.terraform.plan_document import (
    PlannedResource,
    read_output,
    read_resources,
    without_keys,
)
from pipeline.core.terraform.plan_guard import (
    FORGOTTEN,
    GROUP,
    KINDS,
    TEMPLATE,
    Change,
    releases_of,
)
from pipeline.core.terraform.root_module import Diagnostic

LATEST = 7
"""The latest version of the invented launch templates, which no default explains."""
_SIZES = ("min_size", "max_size", "desired_capacity")
_OTHER_TRAFFIC = {
    "load_balancers": ["rehearsal"],
    "target_group_arns": [
        "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/rehearsal/0123456789abcdef"
    ],
    "traffic_source": [{"identifier": "rehearsal", "type": "elb"}],
}


def rehearsal_state(
    document: Mapping[str, Any], standing: Wanted, launching: Wanted
) -> dict[str, Any]:
    """Return a Terraform state (version 4) in which `standing` exists and `launching` begins."""
    resources = [
        _in_state(each, launching)
        for each in _planned(document["planned_values"]["root_module"])
        if each["type"] in KINDS
        and each["mode"] == "managed"
        and (each["type"] == TEMPLATE or standing.release in releases_of(each["address"]))
    ]
    return {
        "version": 4,
        "terraform_version": document["terraform_version"],
        "serial": 1,
        "lineage": "ami-pipeline-rehearsal",
        "outputs": {},
        "resources": resources,
        "check_results": None,
    }


def rehearsed_violations(
    document: Mapping[str, Any], standing: Wanted, launching: Wanted
) -> tuple[Violation, ...]:
    """Return each breach of the contract that the plan against a rehearsal state shows."""
    resources = read_resources(document)
    begun = [each for each in resources if launching.release in each.releases]
    # A module whose launch template changes with every plan hides its version.
    is_known = all(each.actions == ("no-op",) for each in begun if each.kind == TEMPLATE)
    found = [
        *(found for each in resources for found in _reset(each, standing)),
        *(found for each in begun if is_known for found in _numbered(each, launching)),
        *_outputs(document, standing),
    ]
    return named(found, resources)


def retirement_violations(
    changes: Iterable[Change], errors: Iterable[Diagnostic], standing: Wanted
) -> tuple[Violation, ...]:
    """Return what a plan without `standing` would keep of it: a retirement could not delete it."""
    kept = (each for each in changes if standing.release in releases_of(each.address))
    forgotten = [
        Violation(
            where=without_keys(each.address).removeprefix("module.release."),
            what="`destroy = false`: a retirement would leave it running outside the state",
            lines="  # remove destroy from lifecycle",
        )
        for each in kept
        if each.action in _FORGETS
    ]
    prevented = [
        Violation(
            where=without_keys(found[1]).removeprefix("module.release."),
            what="`prevent_destroy` is set: a retirement could not delete it",
            lines="  # remove prevent_destroy from lifecycle",
        )
        for each in errors
        if (found := _PREVENTED.search(each.detail))
    ]
    return tuple(dict.fromkeys([*forgotten, *prevented]))


_FORGETS = frozenset({"remove", FORGOTTEN})
_PREVENTED = re.compile(r"Resource (\S+) has lifecycle.prevent_destroy set")
"""The detail of "Instance cannot be destroyed" (Terraform 1.11.4; OpenTofu has the same)."""


def template_id(release: str) -> str:
    """Return the id of the invented launch template of a release."""
    return f"lt-{int(release[1:]):017x}"


def _planned(module: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield from module.get("resources", [])
    for child in module.get("child_modules", []):
        yield from _planned(child)


def _in_state(resource: Mapping[str, Any], launching: Wanted) -> dict[str, Any]:
    module = re.sub(r"\.?[\w-]+\.[\w-]+(\[[^\]]*\])?$", "", resource["address"])
    instance = {
        "schema_version": resource["schema_version"],
        "attributes": _attributes(resource, launching),
        "sensitive_attributes": [],
    }
    if "index" in resource:
        instance["index_key"] = resource["index"]
    return {
        "module": module,
        "mode": "managed",
        "type": resource["type"],
        "name": resource["name"],
        "provider": f'provider["{resource["provider_name"]}"]',
        "instances": [instance],
    }


def _attributes(resource: Mapping[str, Any], launching: Wanted) -> dict[str, Any]:
    """Return planned attributes as they might be after an apply and a change by others."""
    values = dict(resource["values"])
    release = next(iter(sorted(releases_of(resource["address"]))), launching.release)
    if resource["type"] == GROUP:
        return {**values, **_changed(values, release)}
    return {
        **values,
        "id": template_id(release),
        "latest_version": LATEST,
        "default_version": 1,
        "name_prefix": "",
        # Unknown in a first plan, and a change of it would make the version unknown in the next.
        "tags_all": values.get("tags_all") or values.get("tags") or {},
    }


def _changed(group: Mapping[str, Any], release: str) -> dict[str, Any]:
    """Return the attributes of a group that differ from a first plan of it."""
    sizes = {name: (group.get(name) or 0) + 1 for name in _SIZES}
    changed = {**sizes, **_OTHER_TRAFFIC, "id": group.get("name")}
    if templates := group.get("launch_template"):
        made = {"id": template_id(release), "version": str(LATEST)}
        changed["launch_template"] = [{**made, **templates[0]}]
    return changed


def _reset(resource: PlannedResource, standing: Wanted) -> Iterator[Violation]:
    if resource.kind != GROUP or standing.release not in resource.releases:
        return
    # A replaced group has new values for whatever the module does not set.
    changed = resets(resource, _SIZES if "delete" in resource.actions else OWNED)
    if changed:
        what = f"ignore_changes lacks {', '.join(changed)}: Terraform would reset what the pipeline"
        yield Violation(where=resource.name, what=f"{what} or Auto Scaling has set", lines=IGNORE)


def _numbered(resource: PlannedResource, launching: Wanted) -> Iterator[Violation]:
    """Yield a breach if a group that begins does not get its launch template's number."""
    if resource.kind != GROUP:
        return
    used, _ = template_of(resource.after)
    given = used.get("id") or used.get("launch_template_id")
    if used and given not in {None, template_id(launching.release)}:
        what = f"launch_template: id is {given}, not that of the release's launch template"
        yield Violation(where=resource.name, what=what, lines=VERSION)
    if used and not used.get("version"):
        what = "launch_template: version is not set, so it is $Default, which may change"
        yield Violation(where=resource.name, what=what, lines=VERSION)


def _outputs(document: Mapping[str, Any], standing: Wanted) -> Iterator[Violation]:
    known, _ = read_output(document, "releases")
    release = (known or {}).get(standing.release) or {}
    expected = {
        "group_name": standing.group,
        "launch_template_id": template_id(standing.release),
        "ami_id": standing.image,
    }
    for name, value in expected.items():
        if name in release and release[name] != value:
            yield output_violation(standing, name, release[name], value)
    version = release.get("launch_template_version", LATEST)
    if not NUMBER.fullmatch(str(version)):
        yield output_violation(standing, "launch_template_version", version, "a number")
