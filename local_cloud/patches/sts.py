"""Let sessions of judged roles expire, and judge their calls."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

from moto.core.exceptions import ServiceException
from moto.sts.models import STSBackend

from local_cloud.patches.context import Context
from local_cloud.patches.patching import patch
from local_cloud.permissions.roles import Role, Session

if TYPE_CHECKING:
    from collections.abc import Callable

DEFAULT = 3600
LEAST, MOST = 900, 43_200


class InvalidDurationError(ServiceException):
    """A duration that STS refuses."""

    code = "ValidationError"


# DurationSeconds is 3600 by default, 900 at least, and at most the maximum of the role, which is
# one hour unless set (STS API Reference, AssumeRole). moto takes any. A role of this cloud may have
# sessions of another length, so that a test or a rehearsal sees them expire.
@patch(STSBackend, "assume_role")
def assume_role(
    context: Context, original: Callable[..., Any], backend: Any, *arguments: Any, **named: Any
) -> Any:
    """Return a session; its calls are judged if the role is one of this cloud's."""
    roles = context.cloud.roles
    role = roles.find(named["role_arn"])
    seconds = int(named["duration"])
    check_duration(seconds, max(DEFAULT, role.seconds) if role else MOST)
    made = original(backend, *arguments, **named)
    if role:
        lasts = role.seconds if seconds == DEFAULT else seconds
        made.expiration = roles.clock() + dt.timedelta(seconds=lasts)
        roles.add_session(session_of(made, role))
    return made


def check_duration(seconds: int, most: int) -> None:
    """Refuse a duration in AWS's words."""
    if seconds < LEAST:
        raise InvalidDurationError(
            f"1 validation error detected: Value '{seconds}' at 'durationSeconds' failed to "
            f"satisfy constraint: Member must have value greater than or equal to {LEAST}"
        )
    if seconds > most:
        raise InvalidDurationError(
            "The requested DurationSeconds exceeds the MaxSessionDuration set for this role."
        )


def session_of(made: Any, role: Role) -> Session:
    """Return a session of moto as the judge knows it."""
    return Session(
        role=role.name,
        access_key=made.access_key_id,
        token=made.session_token,
        arn=made.arn,
        expires=made.expiration,
    )
