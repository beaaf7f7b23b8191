from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pipeline.core.bake.cleanup import CleanupReport
from pipeline.core.bake.failures import build_failure, cleanup_failure
from pipeline.core.bake.model import Ending
from pipeline.core.bake.remedies import remedy_for
from pipeline.core.errors import FailedError, InterruptedRunError
from tests.fakes import HOME, a_report, a_request, a_seen

LOG = Path("/logs/x.log")

REMEDIES: list[Any] = [
    ("Error: AMI Name: 'x' is used by an existing AMI: ami-1",
     ("declare ami_name in the template, so that each image has its own name, "
     "or deregister that AMI")),
    ("Timeout waiting for SSH.",
     "check ssh_username, the subnet's route, and that the security group allows Packer's SSH"),
    ("No AMI was found matching filters: {",
     "fix the template's source_ami_filter, or set [bake.source] in pipeline.toml"),
    ("NoCredentialProviders: no valid providers in chain",
     "provide AWS credentials, then check them: aws sts get-caller-identity"),
    ("UnauthorizedOperation: You are not authorized to perform this operation",
     "allow the action above in the IAM policy of this role"),
    ("Error waiting for AMI: Failed with ResourceNotReady error",
     "raise aws_polling max_attempts in the template (and [bake] timeout), then bake again"),
    ("the log could not be written: No space left on device",
     "free disk space for the log, then bake again"),
    ("dial tcp 127.0.0.1:5704: connect: connection refused",
     "check the network and the endpoint; for the local cloud: ami-pipeline local-cloud up"),
    ("Script exited with non-zero exit status: 7",
     "read /logs/x.log, fix the template or its scripts, then bake again"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "remedy"), REMEDIES)
def test_each_known_failure_has_its_remedy(text: str, remedy: str) -> None:
    assert remedy_for(f"some line\n{text}\nanother", LOG) == remedy


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
