from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pipeline.core.bake.cleanup import CleanupReport
from pipeline.core.bake.failures import build_failure, cleanup_failure
from pipeline.core.bake.model import Ending
from pipeline.core.bake.remedies.of_machine import init_remedy, remedy_for
from pipeline.core.errors import FailedError, InterruptedRunError
from tests.fakes import HOME, a_report, a_request, a_seen

LOG = Path("/logs/x.log")

TEMPLATE = Path("/repository/packer/app.pkr.hcl")
SCRIPT = "fix that script or provisioner: /logs/x.log has its output"

REMEDIES: list[Any] = [
    ("Error: AMI Name: 'x' is used by an existing AMI: ami-1",
     ("declare ami_name in the template, so that each image has its own name, "
     "or deregister that AMI")),
    ("Timeout waiting for SSH.",
     "check ssh_username, the subnet's route, and that the security group allows Packer's SSH"),
    ("No AMI was found matching filters: {",
     "fix source_ami_filter in app.pkr.hcl, or set [bake.source] in pipeline.toml"),
    ("No Subnets was found matching filters: {",
     "create what that filter in app.pkr.hcl names, or fix the filter"),
    (("Error querying AMI: operation error EC2: DescribeImages, https response error StatusCode: "
      "400, RequestID: x, api error InvalidAMIID.NotFound: The image id '[ami-1]' does not exist"),
     ("name an image of this region as source_ami in app.pkr.hcl, "
      "or set [bake.source] in pipeline.toml")),
    (("Error launching source instance: InvalidParameterValue: The architecture 'x86_64' of the "
      "specified instance type does not match the architecture 'arm64' of the specified AMI."),
     ("choose an image of the instance type's architecture (source_ami in app.pkr.hcl, "
      "or [bake.source] in pipeline.toml), or change instance_type")),
    ("NoCredentialProviders: no valid providers in chain",
     "provide AWS credentials, then check them: aws sts get-caller-identity"),
    ("No valid credential sources found",
     "provide AWS credentials, then check them: aws sts get-caller-identity"),
    ("operation error STS: GetCallerIdentity, api error ExpiredToken: The token has expired",
     "renew the AWS credentials, then check them: aws sts get-caller-identity"),
    ("UnauthorizedOperation: You are not authorized to perform this operation",
     ("allow the action above in the policy of this role; compare: "
      "ami-pipeline permissions bake")),
    (("operation error EC2: RunInstances, https response error StatusCode: 403, api error "
     "UnauthorizedOperation: You are not authorized"),
     ("allow ec2:RunInstances in the policy of this role; compare: "
      "ami-pipeline permissions bake")),
    ("Error waiting for AMI: Failed with ResourceNotReady error",
     "raise aws_polling max_attempts in the template (and [bake] timeout), then bake again"),
    ("Error waiting for AMI: exceeded max wait time for ImageAvailable waiter",
     ("set max_attempts and delay_seconds of aws_polling in app.pkr.hcl: "
      "the plugin waits for their product; then bake again")),
    ("the log could not be written: No space left on device",
     "free disk space for the log, then bake again"),
    ("dial tcp 127.0.0.1:5704: connect: connection refused",
     "check the network and the endpoint; for the local cloud: ami-pipeline local-cloud up"),
    (('failed to get current host\'s public ip: GET failed: Get "https://checkip.amazonaws.com": '
      "dial tcp: lookup checkip.amazonaws.com on 192.0.2.53:53: no such host"),
     "check the network and the endpoint; for the local cloud: ami-pipeline local-cloud up"),
    ("Error asking for input: machine-readable UI can't ask",
     "remove the provisioner breakpoint from app.pkr.hcl, or set its disable to true"),
    ("context canceled",
     ("raise the timeout of the provisioner in app.pkr.hcl, "
      "or find its slow command in /logs/x.log")),
    (("Error: HCP authentication information required\n\nHCP Authentication not configured, either "
      "set an HCP Client ID and secret"),
     ("export HCP_CLIENT_ID and HCP_CLIENT_SECRET, or bake without the registry: "
      "export HCP_PACKER_REGISTRY=off")),
    (("Error enable AMI deprecation: operation error EC2: EnableImageDeprecation, https response "
      "error StatusCode: 400, api error NotImplementedByLocalCloud: The local cloud does not model "
      "EnableImageDeprecation of ec2: not implemented"),
     ("bake on AWS, or leave out what calls EnableImageDeprecation: "
      "the local cloud does not have it")),
    ("NotImplementedByLocalCloud: The local cloud runs Linux instances only",
     "bake this template on AWS: the local cloud lacks what it needs"),
    ("operation error SSM: StartSession, https response error StatusCode: 400, TargetNotConnected",
     ("check that the instance's role and network allow Session Manager: "
      "https://docs.aws.amazon.com/systems-manager/latest/userguide/"
      "session-manager-prerequisites.html")),
    ("operation error SSM: StartSession, api error AccessDeniedException: not authorized",
     ("allow ssm:StartSession in the policy of this role; compare: "
      "ami-pipeline permissions bake")),
    ('exec: "session-manager-plugin": executable file not found in $PATH',
     ("install session-manager-plugin on this machine: https://docs.aws.amazon.com/"
      "systems-manager/latest/userguide/session-manager-working-with-install-plugin.html")),
    (('* Error running "ansible-playbook --version": exec: "ansible-playbook":\nexecutable file '
      "not found in $PATH"),
     "install ansible-playbook on this machine"),
    ("Couldn't find specified instance profile: NoSuchEntity: Instance profile x not found",
     "create that instance profile, or fix iam_instance_profile in app.pkr.hcl"),
    ("Error: No builds to run\n\nA build command cannot run without at least one build",
     "set [bake] only in pipeline.toml to a name above"),
    ("flag provided but not defined: -nosuch",
     ("this Packer lacks the option above: install HashiCorp's "
      "(https://developer.hashicorp.com/packer/install)")),
    ("1 error(s) occurred:\n\n* Post-processor failed: Script exited with non-zero exit status: 9.",
     "fix the post-processor of app.pkr.hcl: /logs/x.log has its output"),
    ("Script exited with non-zero exit status: 7", SCRIPT),
    ("Upload failed: scp: /no/such/dir: No such file or directory", SCRIPT),
    ('Error: Unset variable "need"',
     "set need under [bake.vars] in pipeline.toml, or give a default"),
    ("something new", "read /logs/x.log for the cause, then bake again"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "remedy"), REMEDIES)
def test_each_known_failure_has_its_remedy(text: str, remedy: str) -> None:
    assert remedy_for(f"some line\n{text}\nanother", LOG, TEMPLATE) == remedy


def test_the_remedy_follows_from_packers_error_and_not_from_the_output_of_a_script() -> None:
    failed = {"app": "Script exited with non-zero exit status: 7"}
    said = ("curl: (7) connection refused", "Timeout waiting for SSH.", "No AMI was found matching")
    report = a_report(failures=failed, last_lines=said, log=LOG)
    assert build_failure(a_request(), report, (), CleanupReport()).remedy == SCRIPT


@pytest.mark.parametrize(
    ("said", "remedy"),
    [
        (
            "ssm error: NotImplementedByLocalCloud: The local cloud does not support StartSession",
            "bake on AWS, or leave out what calls StartSession: the local cloud does not have it",
        ),
        (
            'exec: "session-manager-plugin": executable file not found in $PATH',
            (
                "install session-manager-plugin on this machine: https://docs.aws.amazon.com/"
                "systems-manager/latest/userguide/session-manager-working-with-install-plugin.html"
            ),
        ),
        (
            "Using SSH communicator to connect: 10.0.0.1",
            REMEDIES[1][1],
        ),
    ],
)
def test_before_the_first_connection_every_line_is_packers_own(said: str, remedy: str) -> None:
    failed = {"app": "Timeout waiting for SSH."}
    report = a_report(failures=failed, last_lines=(said,), code=1, log=LOG)
    assert build_failure(a_request(), report, (), CleanupReport()).remedy == remedy


INIT: list[Any] = [
    (('Failed getting the "github.com/hashicorp/amazon" plugin:\n1 error occurred:\n\t* Get '
      '"https://api.github.com/repos/x": dial tcp: lookup api.github.com: no such host'),
     ("check the network to GitHub, which has the plugins, then: "
      "packer init /repository/packer/app.pkr.hcl")),
    ("403 API rate limit exceeded for 192.0.2.1",
     ("set PACKER_GITHUB_API_TOKEN to a token of GitHub, then: "
      "packer init /repository/packer/app.pkr.hcl")),
    ("This configuration does not support Packer version 1.7.0. To proceed",
     "install a Packer that app.pkr.hcl accepts: https://developer.hashicorp.com/packer/install"),
    ("something new", "run it by hand: packer init /repository/packer/app.pkr.hcl"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "remedy"), INIT)
def test_each_known_failure_of_init_has_its_remedy(text: str, remedy: str) -> None:
    assert init_remedy(text, TEMPLATE, "1.16.0") == remedy


def test_the_error_of_a_failed_build_holds_packers_last_ten_lines() -> None:
    lines = tuple(f"line {number}" for number in range(12))
    report = a_report(failures={"amazon-ebs.app": "x"}, last_lines=(*lines, "two\nlines"), log=LOG)
    cleanup = CleanupReport(removed=["ami-1"])
    error = build_failure(a_request(), report, ("amazon-ebs.app: x",), cleanup)
    assert isinstance(error, FailedError)
    assert error.where == "packer build amazon-ebs.app"
    assert error.what.split("\n") == [
        "amazon-ebs.app: x",
        *(f"| line {number}" for number in range(4, 12)),
        "| two",
        "| lines",
        "removed: ami-1",
        "full log: /logs/x.log",
    ]


def test_the_error_of_an_interrupted_build_leaves_out_packers_lines() -> None:
    report = a_report(ending=Ending.INTERRUPTED, last_lines=("noise",), log=LOG)
    cleanup = CleanupReport(kept={HOME: a_seen()})
    error = build_failure(a_request(), report, ("packer exited with code 1",), cleanup)
    assert isinstance(error, InterruptedRunError)
    assert str(error) == (
        "packer build:\n"
        "  interrupted by a signal\n"
        "  kept: ami-1 in eu-central-1, which is complete; the next bake adopts it\n"
        "  full log: /logs/x.log\n"
        "next: ami-pipeline bake --version 1.2.3"
    )


def test_the_error_of_a_failed_cleanup_begins_with_the_remedy_of_its_cause() -> None:
    remedy = "add the permission: ami-pipeline permissions bake"
    cleanup = CleanupReport(trouble=["removing ami-1: denied"], remedies=[remedy])
    assert cleanup_failure("web-1", cleanup).remedy == (
        "add the permission: ami-pipeline permissions bake; "
        "then retry, which cleans up first: ami-pipeline bake; "
        "or delete the instances tagged ami-pipeline:bake=web-1"
    )


def test_the_error_of_a_failed_cleanup_says_how_to_find_the_leftovers() -> None:
    error = cleanup_failure("web-1", CleanupReport(removed=["i-1"], trouble=["removing ami-1: no"]))
    assert str(error) == (
        "cleaning up after web-1:\n"
        "  removing ami-1: no\n"
        "  removed: i-1\n"
        "next: retry, which cleans up first: ami-pipeline bake; "
        "or delete the instances tagged ami-pipeline:bake=web-1"
    )


def test_the_error_of_a_failed_cleanup_says_first_what_to_do_about_its_cause() -> None:
    report = CleanupReport(trouble=["deleting ami-1: it is protected"], remedies=["unprotect it"])
    assert str(cleanup_failure("web-1", report)).splitlines()[-1] == (
        "next: unprotect it; then retry, which cleans up first: ami-pipeline bake; "
        "or delete the instances tagged ami-pipeline:bake=web-1"
    )
