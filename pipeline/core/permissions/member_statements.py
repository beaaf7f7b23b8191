"""Build the statements about members of releases: the programs and sessions on them."""

from __future__ import annotations

from dataclasses import replace

from pipeline.core.permissions.resources import Statement, ec2_arns, tagged
from pipeline.core.permissions.scope import Feature, Scope, arn


def command_instances(scope: Scope) -> Statement:
    """Return the instances on which hooks may run; those of an adopted group have no tags.

    Without hooks, these are the instances whose journals may become evidence.
    """
    if Feature.COMMANDS not in scope.features:
        return members(scope)
    adopts = any(each.adopted for each in scope.environments)
    return instances(scope), {} if adopts else tagged(scope, "ssm:resourceTag/")


def members(scope: Scope) -> Statement:
    """Return the instances of releases by their tags; never those of an adopted group.

    A module without these tags is left out: the statement would be about every instance.
    """
    ours = replace(scope, environments=tuple(each for each in scope.environments if each.tagged))
    return instances(ours), tagged(ours, "ssm:resourceTag/")


def instances(scope: Scope) -> list[str]:
    """Return the ARNs of all instances in the accounts of the environments."""
    return [one for each in scope.environments for one in ec2_arns(scope, each.account, "instance")]


def shell_document(scope: Scope) -> Statement:
    """Return the document of the account by which a session is a shell."""
    found = [
        arn("ssm", scope.region, each.account, "document/SSM-SessionManagerRunShell")
        for each in scope.environments
    ]
    return found, {}


def own_sessions(scope: Scope) -> Statement:
    """Return the sessions of the caller (Systems Manager User Guide, "Additional sample policies").

    IAM replaces the variable.
    """
    found = [
        arn("ssm", scope.region, each.account, "session/${aws:userid}-*")
        for each in scope.environments
    ]
    return found, {}


def command_document(scope: Scope) -> Statement:
    """Return the document of AWS that runs a script, which has no account and no tags."""
    return [arn("ssm", scope.region, "", "document/AWS-RunShellScript")], {}
