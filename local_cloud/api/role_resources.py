"""The control resources of roles: create them, assume them, end their sessions, see denials."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

from moto.sts.models import sts_backends

from local_cloud.api.calls import Resource
from local_cloud.options import ACCOUNT
from local_cloud.permissions.roles import Role, Roles

SESSION_NAME = "local-cloud"


def resources(roles: Roles, lock: AbstractContextManager[Any]) -> dict[tuple[str, str], Resource]:
    """Return the control resources."""

    def create(body: dict[str, Any]) -> list[dict[str, Any]]:
        roles.set(body["name"], body["policy"], body.get("seconds"))
        return roles.listed()

    def assume(body: dict[str, Any]) -> dict[str, str]:
        with lock:
            return session(roles.get(body["role"]), body.get("session") or SESSION_NAME)

    return {
        ("GET", "roles"): lambda _: roles.listed(),
        ("POST", "roles"): create,
        ("POST", "sessions"): assume,
        ("DELETE", "sessions"): lambda body: roles.expire(body["role"]),
        ("GET", "permissions"): lambda _: {"asked": roles.asked(), "denials": roles.denials()},
        ("DELETE", "permissions"): lambda _: roles.forget(),
    }


def session(role: Role, name: str) -> dict[str, str]:
    """Return new credentials of a role; call it under the API's lock."""
    backend: Any = sts_backends[ACCOUNT]["aws"]
    made = backend.assume_role(
        region_name="us-east-1",
        role_session_name=name,
        role_arn=role.arn,
        policy=None,
        duration=3600,
        external_id=None,
    )
    return {
        "AccessKeyId": made.access_key_id,
        "SecretAccessKey": made.secret_access_key,
        "SessionToken": made.session_token,
        "Expiration": made.expiration.strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
