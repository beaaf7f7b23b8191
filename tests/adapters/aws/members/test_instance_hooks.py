"""Hooks on instances: what is sent to Systems Manager, and what its answers mean."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from botocore.loaders import Loader
from botocore.model import ServiceModel
from botocore.validate import ParamValidator

from pipeline.adapters.aws.members.instance_hooks import (
    GRACE,
    REGISTRATION,
    InstanceHooks,
    script_of,
)
from pipeline.core.errors import FailedError
from pipeline.core.hooks.hook import NOT_STARTED, Hook, HookResult, Point, Runs
from pipeline.core.masking import Masker

MODEL = ServiceModel(Loader().load_service_model("ssm", "service-2"))
HOOK = Hook(at=Point.BEFORE_TRAFFIC, command=("/opt/warm", "a b"), timeout=60.0, run=Runs.INSTANCE)
Answer = dict[str, Any]
RUNNING: Answer = {"Status": "InProgress", "StatusDetails": "InProgress", "ResponseCode": -1}
DONE: Answer = {
    "Status": "Success",
    "StatusDetails": "Success",
    "ResponseCode": 0,
    "StandardOutputContent": "warm\n",
    "StandardErrorContent": "",
}
FAILED: Answer = {
    "Status": "Failed",
    "StatusDetails": "Failed",
    "ResponseCode": 3,
    "StandardOutputContent": "page 1\n",
    "StandardErrorContent": "hunter2-swordfish is wrong\n",
}
LOST: Answer = {"Status": "Failed", "StatusDetails": "Undeliverable", "ResponseCode": -1}
SLOW: Answer = {"Status": "TimedOut", "StatusDetails": "ExecutionTimedOut", "ResponseCode": -1}


def test_systems_manager_finds_no_parameter_to_resolve_in_a_value() -> None:
    """A reason may be what a member printed; the shell must see it as it is."""
    reason = "it's {{ssm:/db/password}} and {{{x}}}"
    exported, program = script_of(HOOK, {"AMI_PIPELINE_REASON": reason})
    assert "{{" not in exported
    assert program == "exec /opt/warm 'a b'"
    shell = ["sh", "-c", f'{exported}\nprintf %s "$AMI_PIPELINE_REASON"']
    assert subprocess.run(shell, capture_output=True, text=True, check=True).stdout == reason


def refused(code: str, status: int = 400) -> ClientError:
    answer: Any = {
        "Error": {"Code": code, "Message": code},
        "ResponseMetadata": {"HTTPStatusCode": status},
    }
    return ClientError(answer, "SendCommand")


@dataclass
class Ssm:
    """Systems Manager: `answers` has what it says of each instance, one after another."""

    answers: dict[str, list[Answer]] = field(default_factory=dict)
    unmanaged: dict[str, int] = field(default_factory=dict)  # calls until it is managed
    sent: list[Answer] = field(default_factory=list)
    cancelled: list[str] = field(default_factory=list)
    fails: Exception | None = None

    def _checked(self, operation: str, given: Answer) -> None:
        shape = MODEL.operation_model(operation).input_shape
        assert shape
        assert not ParamValidator().validate(given, shape).has_errors()

    def send_command(self, **given: Any) -> Answer:
        self._checked("SendCommand", given)
        for each in given["InstanceIds"]:
            if left := self.unmanaged.get(each, 0):
                self.unmanaged[each] = left - 1
                raise refused("InvalidInstanceId")
        self.sent.append(given)
        if self.fails:
            raise self.fails
        return {"Command": {"CommandId": f"{len(self.sent):036}"}}

    def get_command_invocation(self, **given: Any) -> Answer:
        self._checked("GetCommandInvocation", given)
        answers = self.answers.setdefault(given["InstanceId"], [DONE])
        answer = answers[0] if len(answers) == 1 else answers.pop(0)
        if not answer:
            raise refused("InvocationDoesNotExist")
        return answer

    def cancel_command(self, **given: Any) -> Answer:
        self._checked("CancelCommand", given)
        self.cancelled.append(given["CommandId"])
        return {}


@dataclass
class World:
    """Systems Manager, the members of a group, and a clock."""

    ssm_: Ssm = field(default_factory=Ssm)
    time: float = 0.0
    at: dict[float, Callable[[], None]] = field(default_factory=dict)
    members: list[str] = field(default_factory=lambda: ["i-1", "i-2"])

    def ssm(self, region: str) -> Ssm:
        assert region == "eu-central-1"
        return self.ssm_

    def sleep(self, seconds: float) -> None:
        self.time += seconds
        for moment in [each for each in self.at if each <= self.time]:
            self.at.pop(moment)()

    def run(self, hook: Hook = HOOK, facts: dict[str, str] | None = None) -> HookResult:
        hooks = InstanceHooks(
            clients=self,  # type: ignore[arg-type]
            region="eu-central-1",
            sleep=self.sleep,
            masker=Masker(["hunter2-swordfish"]),
            clock=lambda: self.time,
        )
        return hooks.run(hook, facts or {}, lambda: tuple(self.members))

    @property
    def ran_on(self) -> list[Sequence[str]]:
        return [each["InstanceIds"] for each in self.ssm_.sent]


@pytest.fixture
def world() -> World:
    return World()


def test_a_hook_runs_on_every_member_in_one_call_with_the_facts(world: World) -> None:
    world.ssm_.answers["i-2"] = [{}, RUNNING, DONE]
    done = world.run(facts={"AMI_PIPELINE_REASON": "it's\nbad"})
    assert done == HookResult(code=0, output="i-1: Success\nwarm\ni-2: Success\nwarm")
    (sent,) = world.ssm_.sent
    assert sent == {
        "DocumentName": "AWS-RunShellScript",
        "InstanceIds": ["i-1", "i-2"],
        "TimeoutSeconds": 60,
        "MaxConcurrency": "100%",
        "MaxErrors": "100%",
        "Comment": "before-traffic hook /opt/warm 'a b'",
        "Parameters": {
            "commands": ["export AMI_PIPELINE_REASON='it'\"'\"'s\nbad'", "exec /opt/warm 'a b'"],
            "executionTimeout": ["60"],
        },
    }
    assert world.ssm_.cancelled == []


def test_a_member_that_fails_is_named_with_its_code_and_its_last_lines(world: World) -> None:
    world.ssm_.answers = {"i-1": [RUNNING], "i-2": [FAILED]}
    done = world.run()
    assert (done.code, done.failure) == (3, "i-2: exit code 3\n| page 1\n| *** is wrong")
    assert world.ssm_.cancelled == [f"{1:036}"]


@pytest.mark.parametrize(
    ("answer", "status"), [(SLOW, "ExecutionTimedOut"), (LOST, "Undeliverable")]
)
def test_a_member_whose_program_did_not_end_by_itself_has_no_exit_code(
    world: World, answer: Answer, status: str
) -> None:
    world.ssm_.answers["i-2"] = [answer]
    assert world.run() == HookResult(
        code=None, failure=f"i-2: {status}", output=f"i-1: Success\nwarm\ni-2: {status}\n"
    )


def test_a_member_that_leaves_does_not_count_and_one_that_joins_does(world: World) -> None:
    world.ssm_.answers = {"i-1": [RUNNING, DONE], "i-2": [RUNNING, LOST]}
    world.at[9.0] = lambda: world.members.__setitem__(1, "i-3")
    assert world.run().code == 0
    assert world.ran_on == [["i-1", "i-2"], ["i-3"]]


def test_a_member_that_leaves_while_its_program_seems_to_run_is_not_waited_for(
    world: World,
) -> None:
    world.ssm_.answers["i-2"] = [RUNNING]
    world.at[9.0] = lambda: world.members.remove("i-2")
    assert world.run().code == 0
    assert world.time < 20
    assert world.ssm_.cancelled == [f"{1:036}"]


def test_a_group_that_every_member_left_fails(world: World) -> None:
    world.ssm_.answers = {"i-1": [RUNNING, LOST], "i-2": [RUNNING, LOST]}
    world.at[2.0] = world.members.clear
    done = world.run()
    assert (done.code, done.failure) == (None, "every instance left the group before it ended")


def test_a_member_whose_agent_registers_late_is_waited_for(world: World) -> None:
    world.ssm_.unmanaged["i-2"] = 4
    assert world.run().code == 0
    assert world.ran_on == [["i-1"], ["i-2"]]


@pytest.mark.parametrize(("timeout", "limit"), [(60.0, "1m"), (3600.0, "5m")])
def test_a_member_without_an_agent_is_an_error_that_says_what_it_needs(
    world: World, timeout: float, limit: str
) -> None:
    world.ssm_.unmanaged["i-2"] = 1000
    done = world.run(replace(HOOK, timeout=timeout))
    assert done.failure == (
        f"i-2 is not managed by Systems Manager: no SSM agent registered within {limit}. The "
        "instance needs the agent, a role with AmazonSSMManagedInstanceCore, and a route to "
        "Systems Manager"
    )
    assert done.remedy == (
        "aws ssm describe-instance-information --region eu-central-1 "
        "--filters Key=InstanceIds,Values=i-2"
    )
    assert world.time < min(timeout, REGISTRATION) + GRACE


def test_a_program_that_the_agent_does_not_end_is_cancelled(world: World) -> None:
    world.ssm_.answers["i-2"] = [RUNNING]
    done = world.run()
    assert (done.code, done.failure) == (None, "i-2: did not end within 1m")
    assert world.ssm_.cancelled == [f"{1:036}"]
    assert world.time >= 60 + GRACE


def test_a_signal_cancels_the_command(world: World) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    world.ssm_.answers["i-1"] = [RUNNING]
    world.at[4.0] = interrupt
    with pytest.raises(KeyboardInterrupt):
        world.run()
    assert world.ssm_.cancelled == [f"{1:036}"]


@pytest.mark.parametrize("hook", [HOOK, replace(HOOK, once=True)], ids=["each time", "once"])
def test_a_missing_permission_is_a_failure_with_its_remedy_and_starts_nothing(
    world: World, hook: Hook
) -> None:
    world.ssm_.fails = refused("AccessDeniedException")
    done = world.run(hook)
    assert done.code == NOT_STARTED
    assert "AccessDeniedException" in done.failure
    assert "ami-pipeline permissions" in done.remedy


def test_more_than_fifty_members_are_several_calls(world: World) -> None:
    world.members = [f"i-{number:03}" for number in range(120)]
    assert world.run().code == 0
    assert [len(each) for each in world.ran_on] == [50, 50, 20]


# --- once -----------------------------------------------------------------------------------------

ONCE = replace(HOOK, once=True)


def test_a_hook_with_once_runs_on_one_member(world: World) -> None:
    assert world.run(ONCE).code == 0
    assert world.ran_on == [["i-1"]]


def test_a_hook_with_once_does_not_move_to_another_member(world: World) -> None:
    world.ssm_.answers["i-1"] = [RUNNING, LOST]
    world.at[2.0] = lambda: world.members.remove("i-1")
    done = world.run(ONCE)
    assert (done.code, done.failure) == (None, "i-1: Undeliverable")
    assert world.ran_on == [["i-1"]]


@pytest.mark.parametrize(
    "error", [EndpointConnectionError(endpoint_url="x"), refused("InternalServerError", 500)]
)
def test_a_hook_with_once_is_sent_once_though_the_answer_is_lost(
    world: World, error: Exception
) -> None:
    world.ssm_.fails = error
    with pytest.raises(FailedError):
        world.run(ONCE)
    assert len(world.ssm_.sent) == 1
