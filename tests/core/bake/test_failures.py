from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pipeline.core.bake.cleanup import CleanupReport
from pipeline.core.bake.failures import stranded, told
from pipeline.core.bake.model import Ending
from pipeline.core.bake.remedies import remedy_for
from pipeline.core.errors import FailedError, InterruptedRunError
from tests.fakes import HOME, a_report, a_seen

LOG = Path("/logs/x.log")

REMEDIES: list[Any] = [
    ("Error: AMI Name: 'x' is used by an existing AMI: ami-1",
     "let the tool name the image (declare ami_name in the template), or deregister that AMI"),
    ("Timeout waiting for SSH.",
     "check ssh_username, the subnet's route and that the security group lets Packer in"),
    ("No AMI was found matching filters: {",
     "correct the template's source_ami_filter, or name the source as [bake.source]"),
    ("NoCredentialProviders: no valid providers in chain",
     "give credentials, then check: aws sts get-caller-identity"),
    ("UnauthorizedOperation: You are not authorized to perform this operation",
     "allow the action named above in the IAM policy of this role"),
    ("Error waiting for AMI: Failed with ResourceNotReady error",
     "raise aws_polling max_attempts in the template (and [bake] timeout), then bake again"),
    ("the log could not be written: No space left on device",
     "free space where the log is written, then bake again"),
    ("dial tcp 127.0.0.1:5704: connect: connection refused",
     "check the network and the endpoint; for the local cloud: ami-pipeline local-cloud up"),
    ("Script exited with non-zero exit status: 7",
     "read /logs/x.log, correct the template or its scripts, then bake again"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "remedy"), REMEDIES)
def test_each_known_failure_has_its_remedy(text: str, remedy: str) -> None:
    assert remedy_for(f"some line\n{text}\nanother", LOG) == remedy


def test_a_failed_build_is_told_with_packers_last_ten_lines() -> None:
    lines = tuple(f"line {number}" for number in range(12))
    report = a_report(failures={"amazon-ebs.app": "x"}, last_lines=(*lines, "two\nlines"), log=LOG)
    error = told(report, ("amazon-ebs.app: x",), CleanupReport(removed=["ami-1"]))
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


def test_an_interrupted_build_is_told_without_packers_words() -> None:
    report = a_report(ending=Ending.INTERRUPTED, last_lines=("noise",), log=LOG)
    error = told(report, ("packer ended with exit code 1",), CleanupReport(kept={HOME: a_seen()}))
    assert isinstance(error, InterruptedRunError)
    assert str(error) == (
        "packer build:\n"
        "  interrupted by a signal\n"
        "  ami-1 in eu-central-1 was finished and is kept; the next bake takes it over\n"
        "  full log: /logs/x.log\n"
        "next: bake again when you like"
    )


def test_what_could_not_be_removed_is_told_with_a_way_to_find_it() -> None:
    error = stranded("web-1", CleanupReport(removed=["i-1"], trouble=["removing ami-1: no"]))
    assert str(error) == (
        "cleaning up after web-1:\n"
        "  removing ami-1: no\n"
        "  removed: i-1\n"
        "next: run ami-pipeline bake again once AWS answers: it cleans up first; "
        "or look for instances tagged ami-pipeline:bake=web-1"
    )
