"""Map Packer's error text to a remedy of one line.

The patterns match Packer 1.6.6 (tests replay real output) and the Amazon plugin.
An unknown text gets a pointer to the log.
"""

from __future__ import annotations

import re
from pathlib import Path

from pipeline.core import commands
from pipeline.core.bake.template_remedies import INSTALL

_REMEDIES = (
    (
        r"is used by an existing AMI",
        (
            "declare ami_name in the template, so that each image has its own name, "
            "or deregister that AMI"
        ),
    ),
    (
        r"Timeout waiting for SSH|handshake failed|i/o timeout",
        "check ssh_username, the subnet's route, and that the security group allows Packer's SSH",
    ),
    (
        r"No AMI was found matching",
        "fix the template's source_ami_filter, or set [bake.source] in pipeline.toml",
    ),
    (
        r"No valid credential|NoCredentialProviders|no EC2 IMDS role found",
        f"provide AWS credentials, then check them: {commands.WHO_AM_I}",
    ),
    (
        r"UnauthorizedOperation|AccessDenied",
        "allow the action above in the IAM policy of this role",
    ),
    (
        r"Error waiting for AMI|Failed with ResourceNotReady|exceeded wait attempts",
        "raise aws_polling max_attempts in the template (and [bake] timeout), then bake again",
    ),
    (
        r"packer crashed",
        f"install another version of Packer ({INSTALL}), then bake again",
    ),
    (
        r"unexpected EOF|plugin exited before|connection is shut down",
        f"a plugin of Packer crashed: install other versions ({INSTALL}), then bake again",
    ),
    (r"log could not be written", "free disk space for the log, then bake again"),
    (
        r"connection refused|no such host|RequestError: send request failed",
        f"check the network and the endpoint; for the local cloud: {commands.local_cloud_up()}",
    ),
)


def remedy_for(text: str, log: Path) -> str:
    """Return the remedy for a build that failed with this text."""
    for pattern, remedy in _REMEDIES:
        if re.search(pattern, text):
            return remedy
    return f"read {log}, fix the template or its scripts, then bake again"
