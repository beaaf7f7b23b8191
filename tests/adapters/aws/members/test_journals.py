"""Journals through Systems Manager: what is sent, what the answers mean, and how long it takes."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass, field
from typing import Any

import pytest
from botocore.exceptions import ClientError
from botocore.loaders import Loader
from botocore.model import ServiceModel
from botocore.validate import ParamValidator

from pipeline.adapters.aws.members.journals import JournalReader, Journals
from pipeline.core.inspection.log_lines import JournalPart, journal_script

MODEL = ServiceModel(Loader().load_service_model("ssm", "service-2"))
Answer = dict[str, Any]
LINE = "2026-11-21T15:42:24+0000 ip-10-0-1-7 app[812]: ready\n-- cursor: s=1;i=2\n"
DONE: Answer = {"Status": "Success", "ResponseCode": 0, "StandardOutputContent": LINE}
BARE: Answer = {"Status": "Failed", "StatusDetails": "Failed", "ResponseCode": 127}
DENIED: Answer = {
    "Status": "Failed",
    "StatusDetails": "Failed",
    "ResponseCode": 1,
    "StandardErrorContent": "no\npermission\n",
}
READ = JournalPart(entries=(("2026-11-21T15:42:24+00:00", "app[812]: ready"),), cursor="s=1;i=2")


def error(code: str) -> ClientError:
    answer: Any = {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": 400}}
    return ClientError(answer, "SendCommand")


@dataclass
class Ssm:
    """Systems Manager with its nodes: each has a ping status and its answers, in turn."""

    pings: dict[str, str]
    answers: dict[str, list[Answer]] = field(default_factory=dict)
    leaves: str = ""
    sent: list[Answer] = field(default_factory=list)
    time: float = 0.0

    def ssm(self, region: str) -> Ssm:
        assert region == "us-east-1"
        return self

    def _checked(self, operation: str, given: Answer) -> None:
        shape = MODEL.operation_model(operation).input_shape
        assert shape
        assert not ParamValidator().validate(given, shape).has_errors()

    def describe_instance_information(self, **given: Any) -> Answer:
        self._checked("DescribeInstanceInformation", given)
        wanted = given["Filters"][0]["Values"]
        found = [{"InstanceId": k, "PingStatus": v} for k, v in self.pings.items() if k in wanted]
        return {"InstanceInformationList": found}

    def send_command(self, **given: Any) -> Answer:
        self._checked("SendCommand", given)
        if self.leaves in given["InstanceIds"]:
            raise error("InvalidInstanceId")
        self.sent.append(given)
        return {"Command": {"CommandId": f"{len(self.sent):036}"}}

    def get_command_invocation(self, **given: Any) -> Answer:
        self._checked("GetCommandInvocation", given)
        answers = self.answers.setdefault(given["InstanceId"], [DONE])
        answer = answers[0] if len(answers) == 1 else answers.pop(0)
        if not answer:
            raise error("InvocationDoesNotExist")
        return answer

    def sleep(self, seconds: float) -> None:
        assert seconds > 0
        self.time += seconds

    def read(self, *instances: str, **cursors: str) -> Journals:
        reader = JournalReader(
            clients=self,  # type: ignore[arg-type]
            region="us-east-1",
            within=5.0,
            sleep=self.sleep,
            clock=lambda: self.time,
        )
        return reader.read(instances, 9, cursors)


def test_one_command_reads_every_journal_and_names_why_one_is_missing() -> None:
    nodes = dict.fromkeys(("i-1", "i-3", "i-4", "i-5"), "Online") | {"i-6": "ConnectionLost"}
    answers = {
        "i-1": [{}, {"Status": "InProgress"}, DONE],
        "i-3": [BARE],
        "i-4": [DENIED],
        "i-5": [{"Status": "Pending"}],
    }
    ssm = Ssm(pings=nodes, answers=answers)
    assert ssm.read("i-1", "i-2", "i-3", "i-4", "i-5", "i-6") == Journals(
        parts={"i-1": READ},
        missing={
            "i-2": "not managed by Systems Manager",
            "i-3": "it has no journalctl",
            "i-4": "reading its journal: Failed no permission",
            "i-5": "no answer within 5s",
            "i-6": "its SSM Agent does not answer",
        },
    )
    assert ssm.time == 5.0
    (sent,) = ssm.sent
    assert sent["InstanceIds"] == ["i-1", "i-3", "i-4", "i-5"]
    assert sent["Parameters"] == {"commands": journal_script(9, {}), "executionTimeout": ["5"]}


def test_a_node_that_leaves_meanwhile_does_not_hide_the_others() -> None:
    ssm = Ssm(pings=dict.fromkeys(("i-1", "i-2"), "Online"), leaves="i-2")
    found = ssm.read("i-1", "i-2")
    assert found.parts == {"i-1": READ}
    assert found.missing == {"i-2": "not managed by Systems Manager"}


def test_nothing_is_sent_without_a_node() -> None:
    ssm = Ssm(pings={})
    assert ssm.read("i-1").missing == {"i-1": "not managed by Systems Manager"}
    assert (ssm.sent, ssm.time) == ([], 0.0)


@pytest.mark.parametrize(
    ("instance", "asked"),
    [("i-1", "--lines=7"), ("i-2", "--after-cursor=s=1;i='2;$(reboot)")],
)
def test_a_shell_runs_the_script_for_the_last_lines_or_those_behind_a_cursor(
    instance: str, asked: str
) -> None:
    script = journal_script(7, {"i-2": "s=1;i='2;$(reboot)"})
    program = "\n".join(['journalctl() { printf "%s\\n" "$@"; }', *script])
    done = subprocess.run(
        ["/bin/sh", "-c", program],
        env={"AWS_SSM_INSTANCE_ID": instance, "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=True,
    )
    fixed = ["--no-pager", "--quiet", "--utc", "--output=short-iso", "--show-cursor"]
    assert done.stdout.splitlines() == [*fixed, asked]
