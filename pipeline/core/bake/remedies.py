"""What to do about a failure that Packer words: its text in, one line out.

The texts are those of Packer 1.6.6 (tests replay real output) and the Amazon
plugin; an unknown one gets the log and a way to look closer.
"""

from __future__ import annotations

import re
from pathlib import Path

_REMEDIES = (
    (
        r"is used by an existing AMI",
        "let the tool name the image (declare ami_name in the template), or deregister that AMI",
    ),
    (
        r"Timeout waiting for SSH|handshake failed|i/o timeout",
        "check ssh_username, the subnet's route and that the security group lets Packer in",
    ),
    (
        r"No AMI was found matching",
        "correct the template's source_ami_filter, or name the source as [bake.source]",
    ),
    (
        r"No valid credential|NoCredentialProviders|no EC2 IMDS role found",
        "give credentials, then check: aws sts get-caller-identity",
    ),
    (
        r"UnauthorizedOperation|AccessDenied",
        "allow the action named above in the IAM policy of this role",
    ),
    (
        r"Error waiting for AMI|Failed with ResourceNotReady|exceeded wait attempts",
        "raise aws_polling max_attempts in the template (and [bake] timeout), then bake again",
    ),
    (r"log could not be written", "free space where the log is written, then bake again"),
    (
        r"connection refused|no such host|RequestError: send request failed",
        "check the network and the endpoint; for the local cloud: ami-pipeline local-cloud up",
    ),
)


def remedy_for(text: str, log: Path) -> str:
    """Return what to do about a build that failed with this text."""
    for pattern, remedy in _REMEDIES:
        if re.search(pattern, text):
            return remedy
    return f"read {log}, correct the template or its scripts, then bake again"
