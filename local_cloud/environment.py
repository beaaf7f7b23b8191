"""The environment that points AWS clients, Packer and Terraform at a cloud."""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Mapping

from local_cloud import packer_waits, proxy_variables
from local_cloud.options import REGION
from local_cloud.state_dir import State

UNSET = (
    "AWS_PROFILE",
    "AWS_DEFAULT_PROFILE",
    "AWS_SESSION_TOKEN",
    "AWS_CREDENTIAL_EXPIRATION",
)


def variables(state: State, environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return the variables to set, for a shell that has these now.

    The proxy is enough for every client. AWS_ENDPOINT_URL saves those that know it the encryption.
    """
    return {
        **proxy_variables.variables(state.endpoint, state.authority, state.trusted),
        proxy_variables.REPLACED: json.dumps(proxy_variables.own_values(environ)),
        "AWS_ENDPOINT_URL": state.endpoint,
        # Not secret and not real; moto takes any.
        "AWS_ACCESS_KEY_ID": "local-cloud",
        "AWS_SECRET_ACCESS_KEY": "local-cloud",
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_EC2_METADATA_DISABLED": "true",
        # The user's own files could name another endpoint or a role to assume.
        "AWS_CONFIG_FILE": "/dev/null",
        "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
        packer_waits.VARIABLE: packer_waits.poll_delay(state.speed, environ),
        # ami-pipeline's own pauses and polls keep step with the cloud's delays.
        "AMI_PIPELINE_SPEED": f"{state.speed:g}",
        "CHECKPOINT_DISABLE": "1",
    }


def of_session(credentials: Mapping[str, str]) -> dict[str, str]:
    """Return the variables for credentials in the form of STS."""
    return {
        "AWS_ACCESS_KEY_ID": credentials["AccessKeyId"],
        "AWS_SECRET_ACCESS_KEY": credentials["SecretAccessKey"],
        "AWS_SESSION_TOKEN": credentials["SessionToken"],
        "AWS_CREDENTIAL_EXPIRATION": credentials["Expiration"],
    }


def shell(given: Mapping[str, str]) -> str:
    """Return lines for a shell to evaluate."""
    lines = [f"unset {' '.join(UNSET)}"]
    lines += [f"export {name}={shlex.quote(value)}" for name, value in given.items()]
    return "\n".join(lines)
