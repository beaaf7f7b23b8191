"""Answer a dry run of any call of EC2; half of moto's calls would be executed."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from moto.core.exceptions import ServiceException
from moto.core.responses import ActionResult, BaseResponse
from moto.ec2.exceptions import DryRunClientError, InvalidSecurityGroupNotFoundError

from local_cloud.groups.launch import check_image
from local_cloud.patches.after import is_read
from local_cloud.patches.patching import patch

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

ID = re.compile(r"([a-z]+)-[0-9a-f]{8,17}")


# DryRun "checks whether you have the required permissions for the action, without actually making
# the request": UnauthorizedOperation, which the judge answered before, or DryRunOperation (EC2 API
# Reference, "Common parameters"). Parameters are not checked (aws/aws-cli#1574: ImportImage without
# any; systeminit/si#1862: AuthorizeSecurityGroupIngress without a group), but what is judged by its
# tags must exist.
@patch(BaseResponse, "call_action")
def call_action(original: Callable[..., Any], response: Any) -> Any:
    """Answer a dry run without executing it."""
    if response.service_name != "ec2" or not is_dry(response):
        return original(response)
    try:
        if not is_read(response._get_action()):  # noqa: SLF001  moto's accessor
            check_resources(response.ec2_backend, response.querystring)
        raise DryRunClientError
    except ServiceException as error:
        status, headers, body = response.serialized(ActionResult(error))
        headers["status"] = str(status)
        return status, headers, body


def is_dry(response: Any) -> bool:
    """Return True if a call is a dry run."""
    return [str(each).lower() for each in response.querystring.get("DryRun", [])] == ["true"]


def check_resources(ec2: Any, query: Mapping[str, list[str]]) -> None:
    """Refuse a resource that does not exist, in EC2's words."""
    for text in (each for values in query.values() for each in values):
        found = ID.fullmatch(str(text))
        if found and found[1] in CHECKS:
            CHECKS[found[1]](ec2, text)


def check_security_group(ec2: Any, group: str) -> None:
    """Refuse a security group that does not exist."""
    if ec2.get_security_group_from_id(group) is None:
        raise InvalidSecurityGroupNotFoundError(group)


CHECKS: dict[str, Callable[[Any, str], Any]] = {
    "ami": check_image,
    "i": lambda ec2, name: ec2.get_instance(name),
    "lt": lambda ec2, name: ec2.get_launch_template(name),
    "sg": check_security_group,
    "snap": lambda ec2, name: ec2.describe_snapshots(snapshot_ids=[name]),
    "subnet": lambda ec2, name: ec2.get_subnet(name),
    "vol": lambda ec2, name: ec2.get_volume(name),
}
