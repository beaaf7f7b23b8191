"""Build an IAM policy from the table: the resources and conditions of each of its statements.

Which resources an action has, and which conditions AWS knows for it, is in the Service
Authorization Reference. An image and a snapshot have no account in their ARN there.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any

from pipeline.core.image import TAG_PREFIX
from pipeline.core.permissions import member_statements
from pipeline.core.permissions.resources import Condition, Statement, ec2_arns, one_or_all, tagged
from pipeline.core.permissions.scope import (
    EnvironmentScope,
    Feature,
    Role,
    Scope,
    arn,
    domain_of,
    ec2_services,
    key_arns,
)
from pipeline.core.permissions.table import rows_of
from pipeline.core.state.release import group_name

LONGEST = 6144
"""Characters of a managed policy at most, without white space (IAM User Guide, "quotas")."""


def policy(scope: Scope, roles: Collection[Role]) -> dict[str, Any]:
    """Return the least policy document with which these roles' commands work."""
    actions: dict[str, dict[str, None]] = {}
    for row in rows_of(roles, scope.features):
        actions.setdefault(row.sid, {}).update(dict.fromkeys(row.actions))
    found = [_statement(sid, [*actions[sid]], scope) for sid in actions]
    return {"Version": "2012-10-17", "Statement": found}


def length(document: dict[str, Any]) -> int:
    """Return the characters of a policy that count for IAM's limit: all but white space."""
    return len(json.dumps(document, separators=(",", ":")).replace(" ", ""))


def parts(document: dict[str, Any]) -> list[dict[str, Any]]:
    """Return a policy as policies that each fit into IAM's limit, with the statements in order."""
    found: list[dict[str, Any]] = [{**document, "Statement": []}]
    for each in document["Statement"]:
        longer = {**document, "Statement": [*found[-1]["Statement"], each]}
        if length(longer) > LONGEST and found[-1]["Statement"]:
            found.append({**document, "Statement": [each]})
        else:
            found[-1] = longer
    return found


def _statement(sid: str, actions: Sequence[str], scope: Scope) -> dict[str, Any]:
    resources, condition = _STATEMENTS[sid](scope)
    given = {"Condition": condition} if condition else {}
    return {
        "Sid": sid,
        "Effect": "Allow",
        "Action": one_or_all(sorted(actions)),
        "Resource": one_or_all(resources),
        **given,
    }


def _everything(_scope: Scope) -> Statement:
    return ["*"], {}


def _per_environment(make: Callable[[Scope, EnvironmentScope], Iterator[str]]) -> Any:
    """Return the builder of a statement that has resources of each environment."""

    def build(scope: Scope) -> Statement:
        return [each for one in scope.environments for each in make(scope, one)], {}

    return build


def _groups(scope: Scope, environment: EnvironmentScope) -> Iterator[str]:
    yield _group(scope, environment, group_name(scope.app, environment.name, "r*"))


def _adopted_groups(scope: Scope, environment: EnvironmentScope) -> Iterator[str]:
    """Yield the groups without tags of the pipeline, by name: it only moves their traffic."""
    yield from (_group(scope, environment, name) for name in environment.adopted)


def _weights(scope: Scope, environment: EnvironmentScope) -> Iterator[str]:  # noqa: ARG001 - a row
    """Yield the listeners and rules of the pairs, whose weights move the traffic."""
    yield from environment.rules


def _topics(scope: Scope, environment: EnvironmentScope) -> Iterator[str]:  # noqa: ARG001 - a row
    """Yield the SNS topics that are told what happens."""
    yield from environment.topics


def _balancing(scope: Scope, environment: EnvironmentScope) -> Iterator[str]:
    """Yield everything of load balancers: a pair that is set up has no names yet."""
    for kind in ("targetgroup", "loadbalancer", "listener", "listener-rule"):
        yield arn("elasticloadbalancing", scope.region, environment.account, f"{kind}/*")


def _group(scope: Scope, environment: EnvironmentScope, name: str) -> str:
    resource = f"autoScalingGroup:*:autoScalingGroupName/{name}"
    return arn("autoscaling", scope.region, environment.account, resource)


def _launched(scope: Scope) -> Statement:
    """Return what a launch creates; the module's tags narrow it to the environments."""
    kinds = ("instance", "network-interface", "volume")
    found = [one for each in scope.environments for one in ec2_arns(scope, each.account, *kinds)]
    return found, tagged(scope, "aws:RequestTag/")


def _launched_from(scope: Scope, environment: EnvironmentScope) -> Iterator[str]:
    """Yield what a launch uses; the subnets are the group's, which its template does not name."""
    yield from ec2_arns(scope, environment.account, "image", "subnet")
    groups = _named("security-group", environment.security_groups)
    yield from ec2_arns(scope, environment.account, *groups)
    if environment.key_pair or not environment.tagged:
        pairs = (environment.key_pair,) if environment.key_pair else ()
        yield from ec2_arns(scope, environment.account, *_named("key-pair", pairs))


def _named(kind: str, names: Sequence[str]) -> tuple[str, ...]:
    return tuple(f"{kind}/{name}" for name in names) or (kind,)


def _new_templates(scope: Scope) -> Statement:
    return _templates(scope), tagged(scope, "aws:RequestTag/")


def _our_templates(scope: Scope) -> Statement:
    return _templates(scope), tagged(scope, "aws:ResourceTag/")


def _templates(scope: Scope) -> list[str]:
    return [
        one
        for each in scope.environments
        for one in ec2_arns(scope, each.account, "launch-template")
    ]


def _tags_at_creation(scope: Scope) -> Statement:
    kinds = ("instance", "network-interface", "volume", "launch-template")
    found = [one for each in scope.environments for one in ec2_arns(scope, each.account, *kinds)]
    created = ["CreateLaunchTemplate", "RunInstances"]
    return found, {"StringEquals": {"ec2:CreateAction": created}}


def _instance_roles(scope: Scope) -> Statement:
    roles = [role for each in scope.environments for role in each.roles]
    return roles, _passed_to(*ec2_services(scope.region))


def _hook_roles(scope: Scope) -> Statement:
    roles = [role for each in scope.environments for role in each.hook_roles]
    return roles, _passed_to("autoscaling.amazonaws.com")


def _passed_to(*services: str) -> Condition:
    return {"StringEquals": {"iam:PassedToService": one_or_all(services)}}


def _our_images(scope: Scope) -> Statement:
    tag = f"aws:ResourceTag/{TAG_PREFIX}app"
    return _images(scope), {"StringEquals": {tag: scope.app}}


def _images(scope: Scope) -> list[str]:
    return [
        arn("ec2", region, "", f"{kind}/*")
        for region in scope.image_regions
        for kind in ("image", "snapshot")
    ]


# --- bake -----------------------------------------------------------------------------------------


def _built(scope: Scope) -> Statement:
    """Return what a bake makes beside its instance."""
    kinds = ["key-pair", "security-group", "vpc"]
    kinds += ["fleet", "launch-template"] if Feature.SPOT in scope.features else []
    return [*ec2_arns(scope, scope.account, *kinds), *_images(scope)], {}


def _build_launch(scope: Scope) -> Statement:
    kinds = ("instance", "key-pair", "network-interface", "security-group", "subnet", "volume")
    return [*ec2_arns(scope, scope.account, *kinds), *_images(scope)], {}


def _build_instances(scope: Scope) -> Statement:
    """Return the instances that belong to no release."""
    no_release = {f"aws:ResourceTag/{TAG_PREFIX}release": "true"}
    return [*ec2_arns(scope, scope.account, "instance")], {"Null": no_release}


def _build_tags(scope: Scope) -> Statement:
    """Return what Packer tags while it makes it, never later."""
    spot = Feature.SPOT in scope.features
    kinds = ["instance", "key-pair", "network-interface", "security-group", "volume"]
    kinds += ["fleet", "launch-template"] if spot else []
    created = ["CreateImage", "CreateKeyPair", "CreateSecurityGroup", "RunInstances"]
    created += ["CopyImage"] if Feature.COPIES in scope.features else []
    created += ["CreateFleet", "CreateLaunchTemplate"] if spot else []
    found = [*ec2_arns(scope, scope.account, *kinds), *_images(scope)]
    return found, {"StringEquals": {"ec2:CreateAction": created}}


def _any_images(scope: Scope) -> Statement:
    """Return the images and snapshots of this app, and those that have no tags yet."""
    tag = f"aws:ResourceTag/{TAG_PREFIX}app"
    return _images(scope), {"StringEqualsIfExists": {tag: scope.app}}


def _build_roles(scope: Scope) -> Statement:
    return scope.build_roles, _passed_to(*ec2_services(scope.region))


def _build_profiles(scope: Scope) -> Statement:
    partition = scope.partition
    return [f"arn:{partition}:iam::{scope.account}:instance-profile/*"], {}


def _temporary_roles(scope: Scope) -> Statement:
    """Return the role and instance profile that Packer makes for one build."""
    iam = f"arn:{scope.partition}:iam::{scope.account}"
    return [f"{iam}:role/packer-*", f"{iam}:instance-profile/packer-*"], {}


def _build_volumes(scope: Scope) -> Statement:
    """Return the volumes that belong to no release."""
    no_release = {f"aws:ResourceTag/{TAG_PREFIX}release": "true"}
    return [*ec2_arns(scope, scope.account, "volume")], {"Null": no_release}


def _sessions(scope: Scope) -> Statement:
    document = arn("ssm", scope.region, "", "document/AWS-StartPortForwardingSession")
    return [*ec2_arns(scope, scope.account, "instance"), document], {}


def _build_keys(scope: Scope) -> Statement:
    found = [
        key
        for region in scope.image_regions
        for key in key_arns(region, scope.account, scope.build_keys)
    ]
    return found, {"StringEquals": {"kms:ViaService": one_or_all(_services("ec2", scope))}}


def _build_grants(scope: Scope) -> Statement:
    found, condition = _build_keys(scope)
    return found, {**condition, "Bool": {"kms:GrantIsForAWSResource": "true"}}


def _services(service: str, scope: Scope) -> list[str]:
    return [f"{service}.{region}.{domain_of(region)}" for region in scope.image_regions]


# --- S3 -------------------------------------------------------------------------------------------


def _objects(*names: str) -> Callable[[Scope], Statement]:
    """Return the builder of a statement about these keys below the store's prefix."""

    def build(scope: Scope) -> Statement:
        bucket, prefix = scope.store
        below = f"{prefix}/" if prefix else ""
        return [_bucket(scope, f"{bucket}/{below}{name}") for name in names], {}

    return build


def _store_bucket(scope: Scope) -> Statement:
    return [_bucket(scope, scope.store[0])], {}


def _bucket(scope: Scope, path: str) -> str:
    return f"arn:{scope.partition}:s3:::{path}"


def _state(suffix: str) -> Callable[[Scope, EnvironmentScope], Iterator[str]]:
    def make(scope: Scope, environment: EnvironmentScope) -> Iterator[str]:
        bucket, key = environment.state
        if bucket:
            yield _bucket(scope, f"{bucket}/{key}{suffix}")

    return make


def _state_bucket(scope: Scope, environment: EnvironmentScope) -> Iterator[str]:
    if environment.state[0]:
        yield _bucket(scope, environment.state[0])


def _store_keys(scope: Scope) -> Statement:
    return _via_s3(scope.region, [*key_arns(scope.region, scope.account, scope.store_keys)])


def _state_keys(scope: Scope) -> Statement:
    found = [
        key
        for each in scope.environments
        for key in key_arns(each.state_region or scope.region, each.account, each.keys)
    ]
    regions = [each.state_region or scope.region for each in scope.environments]
    return _via_s3(regions[0], found)


def _via_s3(region: str, keys: Sequence[str]) -> Statement:
    return keys, {"StringEquals": {"kms:ViaService": f"s3.{region}.{domain_of(region)}"}}


_STATEMENTS: dict[str, Callable[[Scope], Statement]] = {
    "Read": _everything,
    "Groups": _per_environment(_groups),
    "AdoptedGroups": _per_environment(_adopted_groups),
    "Weights": _per_environment(_weights),
    "Pair": _per_environment(_balancing),
    "Topics": _per_environment(_topics),
    "Instances": _launched,
    "InstancesFrom": _per_environment(_launched_from),
    "LaunchTemplates": _new_templates,
    "TagsAtCreation": _tags_at_creation,
    "OurLaunchTemplates": _our_templates,
    "InstanceRole": _instance_roles,
    "HookRoles": _hook_roles,
    "Commands": member_statements.command_instances,
    "CommandDocument": member_statements.command_document,
    "Members": member_statements.members,
    "ShellDocument": member_statements.shell_document,
    "OwnSessions": member_statements.own_sessions,
    "Quarantine": _our_images,
    "UnusedImages": _our_images,
    "Build": _built,
    "BuildLaunch": _build_launch,
    "BuildInstances": _build_instances,
    "BuildVolumes": _build_volumes,
    "TemporaryRole": _temporary_roles,
    "BuildTags": _build_tags,
    "Images": _any_images,
    "BuildRole": _build_roles,
    "BuildProfile": _build_profiles,
    "Session": _sessions,
    "BuildKey": _build_keys,
    "BuildKeyGrants": _build_grants,
    "Store": _objects("*"),
    "ImageRecords": _objects("images/*", "bakes/*", "contents/*"),
    "PrunedRecords": _objects("images/*", "contents/*"),
    "StoreList": _store_bucket,
    "StoreKey": _store_keys,
    "TerraformState": _per_environment(_state("")),
    "TerraformLock": _per_environment(_state(".tflock")),
    "TerraformStateList": _per_environment(_state_bucket),
    "TerraformStateKey": _state_keys,
}
"""The builder of each statement's resources and condition, by its `Sid`."""
