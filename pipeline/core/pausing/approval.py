"""Decide whether the person who resumes is another than the one who began the deployment."""

from __future__ import annotations

from typing import Final

from pipeline.core.pausing.pause import AWS, Actor

SSO_ROLE: Final = "AWSReservedSSO_"
"""How the roles of IAM Identity Center begin; their session is the name of the user."""


def why_not_another(first: Actor, second: Actor) -> str:
    """Return why the second may be the same person as the first; empty if it is another one.

    Two users of one CI system are two people. Two ARNs are, unless they are sessions of one role:
    the user who assumes a role chooses the name of the session (STS API Reference, AssumeRole,
    RoleSessionName), except in IAM Identity Center, which takes the user's name
    (IAM Identity Center User Guide, "Understanding CloudTrail entries").
    """
    if not first.name:
        return "it is unknown who began the deployment"
    if not second.name:
        return "it is unknown who resumes"
    if first.system != second.system:
        return f"{first} and {second} may be the same person"
    one, other = _principal(first), _principal(second)
    if one != other:
        return ""
    if first.system == AWS and ":assumed-role/" in first.name and SSO_ROLE not in first.name:
        return f"{first} and {second} are sessions of one role"
    return f"{second} began the deployment"


def _principal(actor: Actor) -> str:
    """Return what names the person: a user, a role without its session, or a user of SSO."""
    if actor.system != AWS:
        return actor.name.casefold()
    account, found, session = actor.name.partition(":assumed-role/")
    if not found:
        return actor.name
    role, _, user = session.partition("/")
    return f"SSO user {user.casefold()}" if role.startswith(SSO_ROLE) else f"{account}:{role}"
