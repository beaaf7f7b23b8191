from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from pipeline.adapters.aws.preflight.permission_probes import REQUESTS
from pipeline.core.permissions.probes import (
    LASTS,
    MOST_PROOFS,
    Launch,
    Proofs,
    caller_of,
    digest_of,
    probes_of,
    unproven,
)
from pipeline.core.permissions.scope import Feature, Role
from pipeline.core.permissions.table import TABLE, Proof

LAUNCH = Launch(
    app="web",
    environment="production",
    region="eu-central-1",
    image_id="ami-1",
    instance_type="t3.micro",
    features=frozenset({Feature.METRICS}),
)
ONCE = {Feature.NEW_PAIR}
"""Features of a person's command, which a deployment does not prove."""
FULL = replace(LAUNCH, features=frozenset(Feature) - ONCE, template="web-production-r000003")
NOW = datetime(2026, 11, 28, 14, 0, tzinfo=UTC)
ROLE = "arn:aws:sts::123456789012:assumed-role/web-deploy/run-1"


def test_every_change_of_a_deployment_has_a_probe_or_is_named_as_unproven() -> None:
    probed = {each.action for each in probes_of(FULL)}
    named = {each.partition(" ")[0] for each in unproven(FULL)}
    parts = {"iam:PassRole", "ec2:CreateTags"}  # of ec2:RunInstances
    for row in TABLE:
        is_change = row.proof not in {Proof.USE, Proof.OPTIONAL} and row.feature not in ONCE
        if Role.DEPLOY in row.roles and is_change:
            assert {*row.actions} <= probed | named | parts


def test_every_probe_has_a_request_and_every_request_is_of_a_probe() -> None:
    assert {each.action for each in probes_of(FULL)} == {*REQUESTS}


def test_a_plain_configuration_needs_no_probe_of_hooks_policies_and_schedules() -> None:
    actions = [each.action for each in probes_of(LAUNCH)]
    assert len(actions) == len({*actions}) == 12
    assert "autoscaling:PutScalingPolicy" not in actions
    assert "ec2:DeleteLaunchTemplate" not in actions


def test_the_first_release_cannot_prove_what_depends_on_the_tags_of_a_template() -> None:
    assert unproven(LAUNCH) == (
        "ec2:RunInstances (OurLaunchTemplates)",
        "ec2:DeleteLaunchTemplate (OurLaunchTemplates)",
    )
    assert unproven(replace(LAUNCH, template="web-production-r000003")) == ()


def test_weights_commands_roles_of_hooks_and_a_state_in_s3_are_proven_by_the_change_only() -> None:
    assert unproven(FULL) == (
        "ssm:SendCommand (Commands)",
        "ssm:SendCommand (CommandDocument)",
        "ssm:GetCommandInvocation (Read)",
        "ssm:CancelCommand (Read)",
        "elasticloadbalancing:ModifyListener (Weights)",
        "elasticloadbalancing:ModifyRule (Weights)",
        "iam:PassRole (HookRoles)",
        "s3:PutObject (TerraformState)",
    )


def test_only_the_quarantine_may_be_denied_with_the_shipped_module() -> None:
    assert [each.action for each in probes_of(FULL) if not each.needed] == ["ec2:CreateTags"]


def test_a_module_of_the_users_own_may_need_less() -> None:
    found = {each.action: each.needed for each in probes_of(replace(FULL, shipped=False))}
    assert not found["autoscaling:EnableMetricsCollection"]
    assert not found["autoscaling:CreateOrUpdateTags"]
    assert found["autoscaling:CreateAutoScalingGroup"]
    assert found["autoscaling:DetachTrafficSources"]


def test_the_name_of_a_probe_is_allowed_by_the_policy_and_of_no_release() -> None:
    assert LAUNCH.unused_name == "web-production-r000000"


# --- proofs ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "other",
    [
        {"environment": "staging"},
        {"instance_type": "m5.large"},
        {"features": frozenset({Feature.HOOKS})},
        {"template": "web-production-r000001"},
        {"subnets": ("subnet-1",)},
        {"profile": "web"},
        {"shipped": False},
    ],
)
def test_another_configuration_is_another_proof(other: dict[str, object]) -> None:
    assert digest_of(replace(LAUNCH, **other), ROLE) != digest_of(LAUNCH, ROLE)  # type: ignore[arg-type]


def test_a_proof_is_for_a_role_whatever_its_session_the_image_and_the_serving_release() -> None:
    again = ROLE.replace("run-1", "run-2")
    assert digest_of(LAUNCH, again) == digest_of(LAUNCH, ROLE)
    assert digest_of(replace(LAUNCH, image_id="ami-2"), ROLE) == digest_of(LAUNCH, ROLE)
    serving = [replace(LAUNCH, template=f"web-production-r00000{number}") for number in (1, 2)]
    assert digest_of(serving[0], ROLE) == digest_of(serving[1], ROLE)
    assert digest_of(LAUNCH, ROLE.replace("deploy", "other")) != digest_of(LAUNCH, ROLE)


@pytest.mark.parametrize(
    ("arn", "caller"),
    [
        (ROLE, "arn:aws:sts::123456789012:assumed-role/web-deploy"),
        ("arn:aws:iam::123456789012:user/me", "arn:aws:iam::123456789012:user/me"),
    ],
)
def test_a_caller_is_its_role_or_user(arn: str, caller: str) -> None:
    assert caller_of(arn) == caller


def test_a_proof_counts_for_some_days() -> None:
    proofs = Proofs().with_proof("a", NOW)
    assert proofs.counts("a", NOW + LASTS - timedelta(seconds=1))
    assert not proofs.counts("a", NOW + LASTS)
    assert not proofs.counts("b", NOW)


def test_the_newest_proofs_are_kept() -> None:
    proofs = Proofs()
    for number in range(MOST_PROOFS + 5):
        proofs = proofs.with_proof(str(number), NOW + timedelta(minutes=number))
    assert {*proofs.made} == {str(number) for number in range(5, MOST_PROOFS + 5)}


def test_reads_that_are_needed_only_after_the_first_change_are_proven() -> None:
    late = {"autoscaling:DescribeScalingActivities", "ec2:DescribeLaunchTemplateVersions"}
    assert late <= {each.action for each in probes_of(LAUNCH)}
    hooks = replace(LAUNCH, features=frozenset({Feature.PROGRAMS}))
    assert "ec2:DescribeInstances" in {each.action for each in probes_of(hooks)}
    assert "ec2:DescribeInstances" not in {each.action for each in probes_of(LAUNCH)}
