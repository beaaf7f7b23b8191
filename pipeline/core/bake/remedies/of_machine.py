"""Map what Packer says of a failure to a remedy of one line.

The patterns match Packer 1.6.6 and 1.16 with their Amazon plugins; tests replay real output. An
unknown text gets a pointer to the log. `of_template.py` has the causes inside a template.
"""

from __future__ import annotations

import re
from pathlib import Path

from pipeline.core import commands
from pipeline.core.bake.remedies.of_template import INSTALL, template_cause

SESSION_MANAGER = "https://docs.aws.amazon.com/systems-manager/latest/userguide/session-manager-prerequisites.html"
SESSION_PLUGIN = (
    "https://docs.aws.amazon.com/systems-manager/latest/userguide/"
    "session-manager-working-with-install-plugin.html"
)

_MACHINE = (
    (
        r"HCP authentication information required|HCP_CLIENT_ID",
        (
            "export HCP_CLIENT_ID and HCP_CLIENT_SECRET, or bake without the registry: "
            "export HCP_PACKER_REGISTRY=off"
        ),
    ),
    (
        r"No valid credential|NoCredentialProviders|no EC2 IMDS role found",
        f"provide AWS credentials, then check them: {commands.WHO_AM_I}",
    ),
    (
        r"ExpiredToken|RequestExpired|InvalidClientTokenId|UnrecognizedClient|AuthFailure",
        f"renew the AWS credentials, then check them: {commands.WHO_AM_I}",
    ),
    (
        r"(?m)packer crashed|^panic: |^fatal error: ",
        f"install another version of Packer ({INSTALL}), then bake again",
    ),
    (
        r"unexpected EOF|plugin exited before|connection is shut down",
        f"a plugin of Packer crashed: install other versions ({INSTALL}), then bake again",
    ),
    (r"log could not be written", "free disk space for the log, then bake again"),
    (
        r"flag provided but not defined",
        f"this Packer lacks the option above: install HashiCorp's ({INSTALL})",
    ),
    (
        r"connection refused|no such host|request send failed|RequestError: send request failed",
        f"check the network and the endpoint; for the local cloud: {commands.local_cloud_up()}",
    ),
)
"""Causes on this machine or on the way to AWS: neither the template nor a script is wrong."""

_BUILD = (
    (
        r"is used by an existing AMI",
        (
            "declare ami_name in the template, so that each image has its own name, "
            "or deregister that AMI"
        ),
    ),
    (
        r"Couldn't find specified instance profile",
        "create that instance profile, or fix iam_instance_profile in {name}",
    ),
    (
        r"ssm error|operation error SSM: StartSession|TargetNotConnected",
        f"check that the instance's role and network allow Session Manager: {SESSION_MANAGER}",
    ),
    (
        r"UI can't ask",
        "remove the provisioner breakpoint from {name}, or set its disable to true",
    ),
    (
        r"context canceled|context deadline exceeded",
        "raise the timeout of the provisioner in {name}, or find its slow command in {log}",
    ),
    (
        r"No AMI was found matching",
        "fix source_ami_filter in {name}, or set [bake.source] in pipeline.toml",
    ),
    (
        r"No (?:Subnet|VPC|SecurityGroup|Security Group)\w* (?:was|were) found matching",
        "create what that filter in {name} names, or fix the filter",
    ),
    (
        r"InvalidAMIID",
        (
            "name an image of this region as source_ami in {name}, "
            "or set [bake.source] in pipeline.toml"
        ),
    ),
    (
        r"specified instance type does not match the architecture",
        (
            "choose an image of the instance type's architecture (source_ami in {name}, "
            "or [bake.source] in pipeline.toml), or change instance_type"
        ),
    ),
    (
        r"Timeout waiting for SSH|handshake failed|i/o timeout",
        "check ssh_username, the subnet's route, and that the security group allows Packer's SSH",
    ),
    (
        r"exceeded max wait time",
        (
            "set max_attempts and delay_seconds of aws_polling in {name}: "
            "the plugin waits for their product; then bake again"
        ),
    ),
    (
        r"Error waiting for AMI|Failed with ResourceNotReady|exceeded wait attempts",
        "raise aws_polling max_attempts in the template (and [bake] timeout), then bake again",
    ),
    (r"No builds to run", "set [bake] only in pipeline.toml to a name above"),
    (r"Post-processor failed", "fix the post-processor of {name}: {log} has its output"),
    (
        r"(?m)Script exited with non-zero|Error executing Ansible|Upload failed|^scp: ",
        "fix that script or provisioner: {log} has its output",
    ),
)
"""Causes inside a build. `{name}` is the template's, `{log}` the log's path."""

_UNSUPPORTED = re.compile(r"The local cloud does not (?:model|support) (\w+)")
_DENIED = re.compile(r"UnauthorizedOperation|AccessDenied")
_OPERATION = re.compile(r"operation error (\w+): (\w+),")
_NO_PROGRAM = re.compile(r'exec: "([^"]+)":\s+executable\s+file\s+not\s+found')
_INIT_NETWORK = re.compile(
    r"no such host|dial tcp|i/o timeout|connection refused|proxyconnect|TLS handshake|x509"
)


def machine_remedy(text: str) -> str:
    """Return the remedy for a cause outside of the template; empty if the text names none."""
    if unsupported := _UNSUPPORTED.search(text):
        lacks = "the local cloud does not have it"
        return f"bake on AWS, or leave out what calls {unsupported[1]}: {lacks}"
    if "NotImplementedByLocalCloud" in text:
        return "bake this template on AWS: the local cloud lacks what it needs"
    if _DENIED.search(text):
        found = _OPERATION.search(text)
        action = f"{found[1].lower()}:{found[2]}" if found else "the action above"
        return f"allow {action} in the policy of this role; compare: {commands.permissions('bake')}"
    if missing := _NO_PROGRAM.search(text):
        page = f": {SESSION_PLUGIN}" if missing[1] == "session-manager-plugin" else ""
        return f"install {missing[1]} on this machine{page}"
    return next((remedy for pattern, remedy in _MACHINE if re.search(pattern, text)), "")


def remedy_for(text: str, log: Path, template: Path, version: str = "") -> str:
    """Return the remedy for a build that failed with this text; `version` is Packer's."""
    builds = (
        remedy.format(name=template.name, log=log)
        for pattern, remedy in _BUILD
        if re.search(pattern, text)
    )
    again = f"read {log} for the cause, then bake again"
    known = machine_remedy(text) or next(builds, "")
    return known or template_cause(text, template, version) or again


def init_remedy(text: str, target: Path, version: str) -> str:
    """Return the remedy for a failed `packer init` of this file or folder."""
    command = commands.shell("packer", "init", str(target))
    if _INIT_NETWORK.search(text):
        return f"check the network to GitHub, which has the plugins, then: {command}"
    if re.search(r"rate limit", text, re.IGNORECASE):
        return f"set PACKER_GITHUB_API_TOKEN to a token of GitHub, then: {command}"
    return template_cause(text, target, version) or f"run it by hand: {command}"
