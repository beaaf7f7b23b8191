"""Refuse what only an instance of Windows could do: the local cloud runs Linux only.

Packer would wait for WinRM for half an hour. It does one of these three things before that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from moto.ec2.exceptions import EC2ClientError
from moto.ec2.models.instances import InstanceBackend
from moto.ec2.models.security_groups import SecurityGroupBackend
from moto.ec2.responses.windows import Windows

from local_cloud.patches.ec2 import template_launches
from local_cloud.patches.patching import patch
from local_cloud.patches.unanswered import CODE

if TYPE_CHECKING:
    from collections.abc import Callable

LINUX_ONLY = "The local cloud runs Linux instances only"
WINRM_PORTS = {"5985", "5986"}
OF_PACKER = "Temporary group for Packer"
"""The description of the security group that Packer makes for its communicator's port."""


@patch(InstanceBackend, "run_instances")
def run_instances(
    original: Callable[..., Any], backend: Any, image_id: str, *arguments: Any, **named: Any
) -> Any:
    """Refuse to launch an image of Windows."""
    image = image_id or template_launches.template_of(backend, named).get("ImageId", "")
    found = backend.amis.get(image)
    if found is not None and found.platform == "windows":
        raise EC2ClientError(CODE, f"{LINUX_ONLY}, and {image} ({found.name}) is of Windows.")
    return original(backend, image_id, *arguments, **named)


@patch(SecurityGroupBackend, "authorize_security_group_ingress")
def authorize_security_group_ingress(
    original: Callable[..., Any], backend: Any, group_name_or_id: str, **rule: Any
) -> Any:
    """Refuse the temporary security group of a build that connects by WinRM."""
    group = backend.get_security_group_by_name_or_id(group_name_or_id, rule.get("vpc_id"))
    if group and group.description == OF_PACKER and str(rule.get("from_port")) in WINRM_PORTS:
        raise EC2ClientError(
            CODE,
            f'{LINUX_ONLY}: Packer cannot connect by WinRM (communicator = "winrm"). '
            "Bake this template on AWS.",
        )
    return original(backend, group_name_or_id, **rule)


@patch(Windows, "get_password_data")
def get_password_data(_original: Callable[..., Any], _response: Any) -> Any:
    """Refuse: only Windows has a generated password."""
    raise EC2ClientError(CODE, f"{LINUX_ONLY}: they have no Windows password.")
