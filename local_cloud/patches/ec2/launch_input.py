"""Check what a launch names: its image and its user data.

Separate from `instances`, whose patches need the cloud: Auto Scaling checks launches, too.
"""

from __future__ import annotations

import base64
from typing import Any

from moto.ec2.exceptions import InvalidAMIIdError, UnvailableAMIIdError


def check_image(backend: Any, image: str | None) -> None:
    """Refuse an AMI that cannot be launched, in EC2's words."""
    found = backend.amis.get(image)
    if found is None:
        raise InvalidAMIIdError([str(image)])
    if found.state != "available":
        raise UnvailableAMIIdError(str(image))


def decode_user_data(user_data: Any) -> bytes:
    """Return user data as the instance reads it."""
    if user_data is None:
        return b""
    return base64.b64decode(str(user_data))
