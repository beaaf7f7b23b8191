"""The policies of configurations: each part of a configuration adds what it needs, and no more."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from pipeline.core.permissions.scope import ANY, EnvironmentScope, Feature, Role, Scope
from pipeline.core.permissions.statements import LONGEST, length, parts, policy
from pipeline.core.permissions.table import TABLE, rows_of

PRODUCTION = EnvironmentScope(
    name="production",
    account="123456789012",
    adopted=("web-asg",),
    rules=("arn:aws:elasticloadbalancing:eu-central-1:123456789012:listener/app/web/1/2",),
    topics=("arn:aws:sns:eu-central-1:123456789012:deployments",),
    security_groups=("sg-1",),
    key_pair="admin",
    roles=("arn:aws:iam::123456789012:role/web",),
    hook_roles=("arn:aws:iam::123456789012:role/hooks",),
    state=("states", "web/production.tfstate"),
    keys=("arn:aws:kms:eu-central-1:123456789012:key/state",),
)
PLAIN = Scope(
    app="web",
    region="eu-central-1",
    account="123456789012",
    environments=(PRODUCTION,),
)
FULL = replace(
    PLAIN,
    features=frozenset(Feature),
    regions=("us-east-1",),
    store=("deployments", "web"),
    store_keys=("store",),
    build_roles=("arn:aws:iam::123456789012:role/build",),
    build_keys=("build",),
)


def test_an_adopted_group_is_named_and_only_its_traffic_may_change() -> None:
    found = statements(FULL, Role.DEPLOY)["AdoptedGroups"]
    assert found["Action"] == [
        "autoscaling:AttachTrafficSources",
        "autoscaling:DetachTrafficSources",
    ]
    assert found["Resource"] == (
        "arn:aws:autoscaling:eu-central-1:123456789012:"
        "autoScalingGroup:*:autoScalingGroupName/web-asg"
    )
    assert "AdoptedGroups" not in statements(PLAIN, Role.DEPLOY)


def test_a_pair_to_set_up_has_no_names_yet() -> None:
    found = statements(FULL, Role.DEPLOY)["Pair"]
    kinds = ("targetgroup", "loadbalancer", "listener", "listener-rule")
    here = "arn:aws:elasticloadbalancing:eu-central-1:123456789012"
    assert found["Resource"] == [f"{here}:{kind}/*" for kind in kinds]
    assert "Pair" not in statements(PLAIN, Role.DEPLOY)


def test_only_the_listeners_of_the_pairs_may_get_other_weights() -> None:
    found = statements(FULL, Role.DEPLOY)["Weights"]
    assert found["Action"] == [
        "elasticloadbalancing:ModifyListener",
        "elasticloadbalancing:ModifyRule",
    ]
    assert found["Resource"] == PRODUCTION.rules[0]
    assert "Weights" not in statements(PLAIN, Role.DEPLOY)


def statements(scope: Scope, *roles: Role) -> dict[str, dict[str, Any]]:
    return {each["Sid"]: each for each in policy(scope, roles)["Statement"]}


def actions(scope: Scope, *roles: Role) -> set[str]:
    found: set[str] = set()
    for each in policy(scope, roles)["Statement"]:
        given = each["Action"]
        found |= {given} if isinstance(given, str) else {*given}
    return found


@pytest.mark.parametrize("role", list(Role))
def test_a_policy_has_the_form_that_iam_accepts(role: Role) -> None:
    document = policy(FULL, {role})
    assert document["Version"] == "2012-10-17"
    for each in document["Statement"]:
        assert each["Effect"] == "Allow"
        assert each["Sid"].isalnum()
        assert each["Action"]
        assert each["Resource"]
        assert {*each} <= {"Sid", "Effect", "Action", "Resource", "Condition"}


def test_a_policy_of_all_roles_has_each_statement_once() -> None:
    found = [each["Sid"] for each in policy(FULL, {*Role})["Statement"]]
    assert len(found) == len({*found})
    assert {*found} == {row.sid for row in TABLE}


@pytest.mark.parametrize("feature", list(Feature))
def test_a_feature_adds_rows_of_its_own(feature: Feature) -> None:
    roles = (Role.BAKE, Role.DEPLOY)
    assert {*rows_of(roles, {feature})} > {*rows_of(roles, ())}


def test_a_statement_about_everything_only_reads() -> None:
    for role in Role:
        for each in policy(FULL, {role})["Statement"]:
            if each["Resource"] == "*":
                # IAM knows no resource for CancelCommand, which stops a command only.
                read = (":Describe", ":Get", ":List", ":CancelCommand")
                assert all(any(verb in one for verb in read) for one in each["Action"])


def test_a_role_that_looks_changes_nothing() -> None:
    reads = ("Describe", "Get", "List")
    assert all(each.partition(":")[2].startswith(reads) for each in actions(PLAIN, Role.READ))
    assert actions(FULL, Role.READ) <= actions(FULL, Role.DEPLOY)


def test_groups_are_those_of_the_environment_whatever_their_release() -> None:
    found = statements(PLAIN, Role.DEPLOY)["Groups"]["Resource"]
    assert found == (
        "arn:aws:autoscaling:eu-central-1:123456789012:autoScalingGroup:*"
        ":autoScalingGroupName/web-production-r*"
    )


def test_a_launch_is_limited_to_the_security_groups_and_key_pair_of_the_configuration() -> None:
    assert statements(PLAIN, Role.DEPLOY)["InstancesFrom"]["Resource"] == [
        "arn:aws:ec2:eu-central-1::image/*",
        "arn:aws:ec2:eu-central-1:123456789012:subnet/*",
        "arn:aws:ec2:eu-central-1:123456789012:security-group/sg-1",
        "arn:aws:ec2:eu-central-1:123456789012:key-pair/admin",
    ]


def test_unknown_groups_and_a_module_of_the_users_own_are_not_limited() -> None:
    own = replace(PRODUCTION, tagged=False, security_groups=(), key_pair="")
    found = statements(replace(PLAIN, environments=(own,)), Role.DEPLOY)
    groups = "arn:aws:ec2:eu-central-1:123456789012:security-group/*"
    assert groups in found["InstancesFrom"]["Resource"]
    assert "arn:aws:ec2:eu-central-1:123456789012:key-pair/*" in found["InstancesFrom"]["Resource"]
    assert "Condition" not in found["Instances"]
    assert "Condition" not in found["OurLaunchTemplates"]


def test_tags_are_set_only_while_something_is_created_or_on_images_of_the_app() -> None:
    found = statements(PLAIN, Role.DEPLOY)
    allowing = {sid for sid, each in found.items() if "ec2:CreateTags" in each["Action"]}
    assert allowing == {"TagsAtCreation", "Quarantine"}
    condition = found["TagsAtCreation"]["Condition"]["StringEquals"]
    assert condition == {"ec2:CreateAction": ["CreateLaunchTemplate", "RunInstances"]}
    tag = {"aws:ResourceTag/ami-pipeline:app": "web"}
    assert found["Quarantine"]["Condition"] == {"StringEquals": tag}


def test_a_bake_cannot_touch_an_instance_of_a_release() -> None:
    found = statements(PLAIN, Role.BAKE)
    allowing = [each for each in found.values() if "ec2:TerminateInstances" in each["Action"]]
    (one,) = allowing
    assert one["Condition"] == {"Null": {"aws:ResourceTag/ami-pipeline:release": "true"}}


def test_a_role_is_passed_to_the_service_that_uses_it() -> None:
    scope = replace(FULL, region="cn-north-1")
    found = statements(scope, Role.BAKE, Role.DEPLOY)
    services = ["ec2.amazonaws.com", "ec2.amazonaws.com.cn"]
    passed = {"iam:PassedToService": services}
    assert found["InstanceRole"]["Condition"]["StringEquals"] == passed
    assert found["InstanceRole"]["Resource"] == PRODUCTION.roles[0]
    assert found["BuildRole"]["Condition"]["StringEquals"] == passed
    passed_hooks = {"iam:PassedToService": "autoscaling.amazonaws.com"}
    assert found["HookRoles"]["Condition"]["StringEquals"] == passed_hooks


@pytest.mark.parametrize(
    ("region", "partition"), [("cn-north-1", "aws-cn"), ("us-gov-west-1", "aws-us-gov")]
)
def test_every_arn_is_of_the_partition(region: str, partition: str) -> None:
    scope = replace(
        FULL,
        region=region,
        regions=(),
        build_keys=("alias/a",),
        environments=(
            replace(PRODUCTION, roles=(), hook_roles=(), rules=(), topics=(), keys=("k",)),
        ),
        build_roles=(),
    )
    for each in statements(scope, Role.BAKE, Role.DEPLOY).values():
        found = each["Resource"] if isinstance(each["Resource"], list) else [each["Resource"]]
        assert all(one == "*" or one.startswith(f"arn:{partition}:") for one in found)


def test_the_bake_writes_image_records_and_not_the_documents_of_environments() -> None:
    assert statements(FULL, Role.BAKE)["ImageRecords"]["Resource"] == [
        "arn:aws:s3:::deployments/web/images/*",
        "arn:aws:s3:::deployments/web/bakes/*",
        "arn:aws:s3:::deployments/web/contents/*",
    ]
    assert "Store" not in statements(FULL, Role.BAKE)


def test_terraforms_state_is_one_object_and_only_its_lock_is_deleted() -> None:
    found = statements(FULL, Role.DEPLOY)
    state = "arn:aws:s3:::states/web/production.tfstate"
    assert (found["TerraformState"]["Resource"], found["TerraformLock"]["Resource"]) == (
        state,
        f"{state}.tflock",
    )
    assert "s3:DeleteObject" not in found["TerraformState"]["Action"]


def test_keys_are_used_through_s3_and_ec2_only() -> None:
    found = statements(FULL, Role.BAKE, Role.DEPLOY)
    s3 = {"StringEquals": {"kms:ViaService": "s3.eu-central-1.amazonaws.com"}}
    assert found["StoreKey"]["Condition"] == s3
    assert found["TerraformStateKey"]["Condition"] == s3
    assert found["TerraformStateKey"]["Resource"] == PRODUCTION.keys[0]
    regions = ["ec2.eu-central-1.amazonaws.com", "ec2.us-east-1.amazonaws.com"]
    assert found["BuildKey"]["Condition"]["StringEquals"] == {"kms:ViaService": regions}
    assert found["BuildKeyGrants"]["Condition"]["Bool"] == {"kms:GrantIsForAWSResource": "true"}


def test_a_policy_of_all_environments_names_each() -> None:
    staging = replace(PRODUCTION, name="staging", account="210987654321")
    found = statements(replace(FULL, environments=(PRODUCTION, staging)), Role.DEPLOY)
    assert [each.partition("Name/")[2] for each in found["Groups"]["Resource"]] == [
        "web-production-r*",
        "web-staging-r*",
    ]
    condition = found["LaunchTemplates"]["Condition"]["StringEquals"]
    assert condition["aws:RequestTag/ami-pipeline:environment"] == ["production", "staging"]


def test_an_unknown_account_is_any_account() -> None:
    found = statements(replace(PLAIN, account=ANY), Role.BAKE)
    assert "arn:aws:ec2:eu-central-1:*:instance/*" in found["BuildLaunch"]["Resource"]


def test_a_policy_fits_into_iam() -> None:
    assert length(policy(FULL, {Role.BAKE})) < 6144
    of_ci = replace(FULL, features=FULL.features - {Feature.NEW_PAIR})
    assert length(policy(of_ci, {Role.DEPLOY})) < 6144
    assert length({"a b": [1, 2]}) == len('{"ab":[1,2]}')


def test_a_policy_that_is_too_long_for_iam_has_parts_with_the_same_statements() -> None:
    document = policy(FULL, {Role.BAKE, Role.DEPLOY})
    assert length(document) > LONGEST
    found = parts(document)
    assert len(found) == 2
    assert max(map(length, found)) <= LONGEST
    assert [each for one in found for each in one["Statement"]] == document["Statement"]
    short = policy(PLAIN, {Role.READ})
    assert parts(short) == [short]


def test_only_members_with_the_tags_of_the_environment_may_be_inspected() -> None:
    tags = {
        "ssm:resourceTag/ami-pipeline:app": "web",
        "ssm:resourceTag/ami-pipeline:environment": "production",
    }
    plain = replace(PLAIN, features=frozenset({Feature.TAGGED}))
    found = statements(plain, Role.INSPECT)
    assert found["Members"]["Action"] == ["ssm:SendCommand", "ssm:StartSession"]
    assert found["Members"]["Condition"] == {"StringEquals": tags}
    assert found["OwnSessions"]["Resource"].endswith(":session/${aws:userid}-*")
    # Members of an adopted group have no tags, and a condition without tags is every instance.
    assert statements(plain, Role.DEPLOY)["Commands"]["Condition"] == {"StringEquals": tags}
    assert "Members" not in statements(PLAIN, Role.INSPECT)
    other = replace(PRODUCTION, name="other", tagged=False)
    mixed = replace(plain, environments=(PRODUCTION, other))
    assert statements(mixed, Role.INSPECT)["Members"]["Condition"] == {"StringEquals": tags}
