"""Check the contract on plans of real Terraform (without their null and empty values)."""

from __future__ import annotations

import json
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest

from pipeline.core.terraform.module_rules import (
    ATTACHMENTS,
    IGNORE,
    Violation,
    contract_error,
    violations,
)
from pipeline.core.terraform.plan_guard import GROUP, TEMPLATE
from pipeline.core.terraform.rehearsal import (
    LATEST,
    rehearsal_state,
    rehearsed_violations,
    template_id,
)
from tests.core.terraform.samples import AGAIN, ROOT, Document, plan, wanted

THIS = "aws_autoscaling_group.this"
TEMPLATE_THIS = "aws_launch_template.this"


STANDING, LAUNCHING = wanted(1), wanted(2)


def change(document: Document, kind: str, release: str = "r000002") -> Document:
    found = (
        each
        for each in document["resource_changes"]
        if each["type"] == kind and each["index"] == release
    )
    planned: Document = next(found)["change"]
    return planned


def first(change_group: Callable[[Document], None], kind: str = GROUP) -> list[tuple[str, str]]:
    """Return the violations of a first plan that differs from a right one."""
    document = plan("fulfills", 1)
    change_group(change(document, kind)["after"])
    return [(each.where, each.what) for each in violations(document, LAUNCHING)]


def test_a_module_that_fulfills_the_contract_is_accepted() -> None:
    assert violations(plan("fulfills", 1), LAUNCHING) == ()
    assert rehearsed_violations(plan("fulfills", 2), STANDING, LAUNCHING) == ()


def test_each_breach_of_a_first_plan_names_its_attribute() -> None:
    at_birth = "the group would receive traffic before any check"
    tags = "ami-pipeline:app, ami-pipeline:environment, ami-pipeline:release"
    policy = "mixed_instances_policy.launch_template"
    spare = "aws_launch_template.spare"
    assert [(each.where, each.what) for each in violations(plan("breaks", 1), LAUNCHING)] == [
        (
            "aws_autoscaling_attachment.this",
            "gives traffic to instances; the pipeline does that after its checks",
        ),
        (TEMPLATE_THIS, f"is a second aws_launch_template of a release, beside {spare}"),
        (THIS, 'name is "r000002-web"; it must be "web-staging-r000002"'),
        (
            THIS,
            "tag ami-pipeline:app does not reach the instances: propagate_at_launch is false",
        ),
        (THIS, "tag ami-pipeline:environment is not set"),
        (THIS, 'tag ami-pipeline:release is "latest"'),
        (THIS, f"load_balancers is set: {at_birth}"),
        (THIS, f"target_group_arns is set: {at_birth}"),
        (
            THIS,
            'wait_for_capacity_timeout is 10m, not "0": Terraform would wait for instances',
        ),
        (
            THIS,
            f'{policy}: version is "$Latest", not a number: it may change under the release',
        ),
        (THIS, f"{policy}: an override has a launch template of its own"),
        (spare, 'name is "web-spare-r000002"; it must be "web-staging-r000002"'),
        (spare, f"tags lack {tags}, or have other values"),
        (TEMPLATE_THIS, 'name is not known before the apply; it must be "web-staging-r000002"'),
        (TEMPLATE_THIS, f"tags lack {tags}, or have other values"),
        (
            TEMPLATE_THIS,
            (
                "image_id is ami-00000000000000bad, not the image of the release, "
                "ami-0123456789abcdef0"
            ),
        ),
    ]


def test_a_rehearsal_shows_what_ignore_changes_lacks_and_what_the_output_says() -> None:
    found = rehearsed_violations(plan("breaks", 2), STANDING, LAUNCHING)
    assert [(each.where, each.what) for each in found] == [
        (
            THIS,
            (
                "ignore_changes lacks min_size, max_size, load_balancers: Terraform would reset "
                "what the pipeline or Auto Scaling has set"
            ),
        ),
        (
            "output releases",
            "launch_template_version of r000001 is $Latest, but the plan has a number",
        ),
    ]
    assert found[0].lines == IGNORE


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("target_group_arns", ["arn:aws:elasticloadbalancing:us-east-1:1:targetgroup/a/b"]),
        ("load_balancers", ["web"]),
        ("traffic_source", [{"identifier": "arn", "type": "elbv2"}]),
    ],
)
def test_a_group_that_would_be_attached_at_its_creation_is_refused(name: str, value: Any) -> None:
    assert first(lambda group: group.update({name: value})) == [
        (THIS, f"{name} is set: the group would receive traffic before any check")
    ]


@pytest.mark.parametrize("kind", sorted(ATTACHMENTS))
def test_a_resource_that_attaches_is_refused_for_whichever_release(kind: str) -> None:
    document = plan("fulfills", 1)
    other = deepcopy(document["resource_changes"][0])
    address = f"module.release.{kind}.this[0]"
    document["resource_changes"].append({**other, "type": kind, "address": address})
    [found] = violations(document, LAUNCHING)
    assert (found.where, found.lines) == (f"{kind}.this", f"  # remove {kind}.this")


def test_the_tags_of_instances_may_come_from_the_launch_template() -> None:
    document = plan("fulfills", 1)
    for tag in change(document, GROUP)["after"]["tag"]:
        tag["propagate_at_launch"] = False
    assert len(violations(document, LAUNCHING)) == 3
    specification = {"resource_type": "instance", "tags": LAUNCHING.tags}
    change(document, TEMPLATE)["after"]["tag_specifications"] = [specification]
    assert violations(document, LAUNCHING) == ()


def test_tags_may_come_from_the_providers_default_tags() -> None:
    def by_default(template: Document) -> None:
        template["tags_all"] = template.pop("tags")

    assert first(by_default, TEMPLATE) == []


@pytest.mark.parametrize("value", ["0", "0s", "0m", "0.0s"])
def test_a_group_that_waits_for_no_capacity_is_accepted(value: str) -> None:
    assert first(lambda group: group.update(wait_for_capacity_timeout=value)) == []


def template(group: Document, version: str | None) -> None:
    group.pop("mixed_instances_policy")
    group["launch_template"] = [{"version": version} if version else {}]


@pytest.mark.parametrize("version", ["$Latest", "$Default"])
def test_a_version_that_is_no_number_is_refused(version: str) -> None:
    what = f'launch_template: version is "{version}", not a number: it may change under the release'
    assert first(lambda group: template(group, version)) == [(THIS, what)]
    assert first(lambda group: template(group, "3")) == []
    assert first(lambda group: template(group, None)) == []  # known in the rehearsal


def test_a_group_without_a_launch_template_is_refused() -> None:
    [(where, what)] = first(lambda group: group.pop("mixed_instances_policy"))
    assert where == THIS
    assert what == "launch_template is not set: the group must use the release's launch template"


def test_an_output_with_another_group_or_image_is_refused() -> None:
    document = plan("fulfills", 1)
    made = document["output_changes"]["releases"]["after"]["r000002"]
    made |= {"group_name": "other", "ami_id": "ami-1"}
    assert [each.what for each in violations(document, LAUNCHING)] == [
        "group_name of r000002 is other, but the plan has web-staging-r000002",
        "ami_id of r000002 is ami-1, but the plan has ami-0123456789abcdef0",
    ]
    del document["output_changes"]["releases"]["after"]["r000002"]
    assert len(violations(document, LAUNCHING)) == 2


def test_releases_that_exist_already_are_not_judged() -> None:
    document = plan("breaks", 1)
    kept = [each for each in document["resource_changes"] if each.get("index") == "r000001"]
    outputs = plan("fulfills", 1)["output_changes"]
    assert violations({**document, "resource_changes": kept, "output_changes": outputs}, LAUNCHING)
    for each in kept:
        each["change"]["actions"] = ["no-op"]
    judged = {**document, "resource_changes": kept, "output_changes": outputs}
    assert violations(judged, LAUNCHING) == ()


def test_the_lines_to_add_have_the_names_of_the_module() -> None:
    text = json.dumps(plan("fulfills", 1)).replace(
        "aws_launch_template.this", "aws_launch_template.web"
    )
    document: Document = json.loads(text)
    template(change(document, GROUP)["after"], "$Latest")
    [found] = violations(document, LAUNCHING)
    assert "    id      = aws_launch_template.web[each.key].id\n" in found.lines

    for each in document["resource_changes"]:
        each["address"] = f'module.release.module.one["{each["index"]}"].{each["type"]}.web'
    [found] = violations(document, LAUNCHING)
    assert found.where == "module.one.aws_autoscaling_group.web"
    assert "    id      = aws_launch_template.web.id\n" in found.lines
    change(document, GROUP)["after"]["name"] = "x"
    [found, _] = violations(document, LAUNCHING)
    assert found.lines == '  name = "${var.app}-${var.environment}-${var.release}"'


# --- the rehearsal --------------------------------------------------------------------------------


def test_a_rehearsal_begins_with_one_complete_release_and_one_template() -> None:
    state = rehearsal_state(plan("fulfills", 1), STANDING, LAUNCHING)
    held = {
        (each["type"], each["instances"][0]["index_key"]): each["instances"][0]["attributes"]
        for each in state["resources"]
    }
    assert sorted(held) == [
        (GROUP, "r000001"),
        (TEMPLATE, "r000001"),
        (TEMPLATE, "r000002"),
    ]
    group = held[GROUP, "r000001"]
    assert group["id"] == group["name"] == "web-staging-r000001"
    assert (group["min_size"], group["max_size"], group["desired_capacity"]) == (2, 3, 2)
    assert held[TEMPLATE, "r000002"]["id"] == template_id("r000002") == "lt-00000000000000002"
    assert {each["module"] for each in state["resources"]} == {"module.release"}


def test_the_module_of_a_resource_keeps_its_key() -> None:
    document = plan("fulfills", 1)
    for each in document["planned_values"]["root_module"]["child_modules"][0]["resources"]:
        each["address"] = f'module.release.module.one["{each["index"]}"].{each["type"]}.this'
        del each["index"]
    state = rehearsal_state(document, STANDING, LAUNCHING)
    assert {each["module"] for each in state["resources"]} == {
        'module.release.module.one["r000001"]',
        'module.release.module.one["r000002"]',
    }
    assert not any("index_key" in each["instances"][0] for each in state["resources"])


def rehearsed(document: Document) -> list[str]:
    return [each.what for each in rehearsed_violations(document, STANDING, LAUNCHING)]


def specification(document: Document) -> Document:
    policy = change(document, GROUP)["after"]["mixed_instances_policy"]
    found: Document = policy[0]["launch_template"][0]["launch_template_specification"][0]
    return found


def test_a_version_that_is_not_set_is_found_once_the_template_is_known() -> None:
    document = plan("fulfills", 2)
    assert specification(document)["version"] == str(LATEST)
    del specification(document)["version"]
    unset = "launch_template: version is not set, so it is $Default, which may change"
    assert rehearsed(document) == [unset]
    # A launch template that changes with every plan hides its version.
    change(document, TEMPLATE)["actions"] = ["update"]
    assert rehearsed(document) == []


def test_the_template_of_another_release_is_refused() -> None:
    document = plan("fulfills", 2)
    specification(document)["launch_template_id"] = "lt-1"
    assert rehearsed(document) == [
        "launch_template: id is lt-1, not that of the release's launch template"
    ]


def test_an_output_with_another_template_is_refused() -> None:
    document = plan("fulfills", 2)
    document["output_changes"]["releases"]["after"]["r000001"]["launch_template_id"] = "lt-1"
    assert rehearsed(document) == [
        "launch_template_id of r000001 is lt-1, but the plan has lt-00000000000000001"
    ]


def test_a_replaced_group_is_only_judged_by_its_sizes() -> None:
    document = plan("fulfills", 2)
    group = change(document, GROUP, "r000001")
    group["actions"] = ["delete", "create"]
    del group["after"]["load_balancers"]
    assert rehearsed(document) == []
    group["after"]["max_size"] = 9
    assert len(rehearsed(document)) == 1


# --- the error ------------------------------------------------------------------------------------


def test_the_error_has_the_lines_to_add_by_resource() -> None:
    found = [
        Violation(where=THIS, what="name is not set", lines='  name = "a"'),
        Violation(where=THIS, what="ignore_changes lacks max_size", lines=IGNORE),
        Violation(where=TEMPLATE_THIS, what="name is not set", lines='  name = "a"'),
    ]
    assert str(contract_error(ROOT, found)) == (
        "[terraform] module /repository/modules/release:\n"
        "  aws_autoscaling_group.this: name is not set\n"
        "  aws_autoscaling_group.this: ignore_changes lacks max_size\n"
        "  aws_launch_template.this: name is not set\n"
        f"next: add these lines to the module, then: {AGAIN}\n"
        "\n"
        "# aws_autoscaling_group.this\n"
        '  name = "a"\n'
        "  lifecycle {\n"
        "    ignore_changes = [min_size, max_size, desired_capacity, load_balancers, "
        "target_group_arns, traffic_source]\n"
        "  }\n"
        "\n"
        "# aws_launch_template.this\n"
        '  name = "a"'
    )
