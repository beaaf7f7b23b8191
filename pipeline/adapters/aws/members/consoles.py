"""Read the console output of instances."""

from __future__ import annotations

from pipeline.adapters.aws.client import Clients
from pipeline.adapters.aws.retry import call


def read_console(clients: Clients, region: str, instance: str) -> str:
    """Return the latest output, or the output of the last boot if the instance type has no latest.

    Only instances on the Nitro system have `Latest` (EC2 User Guide, "Instance console output").
    Any error of that call may mean this. botocore decodes the base64. Raises botocore's errors.
    """
    from botocore.exceptions import ClientError

    get_output = clients.ec2(region).get_console_output
    try:
        return call(get_output, InstanceId=instance, Latest=True).get("Output", "")
    except ClientError:
        return call(get_output, InstanceId=instance).get("Output", "")
