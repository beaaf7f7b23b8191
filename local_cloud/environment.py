"""The environment that points AWS clients, Packer and Terraform at a cloud."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from local_cloud.state_dir import State

REGION = "us-east-1"
UNSET = ("AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_SESSION_TOKEN")
WAITER_SECONDS = 15  # what the AWS SDK waits between two looks at an AMI


def exports(state: State) -> dict[str, str]:
    """Return what to set."""
    return {
        "AWS_ENDPOINT_URL": state.endpoint,
        # Not secret and not real; moto takes any.
        "AWS_ACCESS_KEY_ID": "local-cloud",
        "AWS_SECRET_ACCESS_KEY": "local-cloud",
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_EC2_METADATA_DISABLED": "true",
        # Files of the user's own could name another endpoint or a role to assume.
        "AWS_CONFIG_FILE": "/dev/null",
        "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
        "AWS_POLL_DELAY_SECONDS": str(max(1, round(WAITER_SECONDS / state.speed))),
        # Our own pauses and polls keep step with the cloud's.
        "AMI_PIPELINE_SPEED": f"{state.speed:g}",
        "CHECKPOINT_DISABLE": "1",
        "PKR_VAR_ec2_endpoint": state.endpoint,
        "PKR_VAR_ssh_host": "127.0.0.1",
        "PKR_VAR_ssh_port": str(state.ssh_port),
    }


def shell(state: State) -> str:
    """Return the same as lines for a shell to evaluate."""
    lines = [f"unset {' '.join(UNSET)}"]
    lines += [f"export {name}={shlex.quote(value)}" for name, value in exports(state).items()]
    return "\n".join(lines)
