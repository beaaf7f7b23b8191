"""Run hooks on instances through Systems Manager's Run Command (AWS-RunShellScript).

So a runner that does not reach the instances can run programs on them. Only the agent on the
instance knows how a program ended; GetCommandInvocation says what it reported.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from math import ceil
from shlex import join, quote
from typing import Any

from pipeline.adapters.aws.client import Clients, translate_errors
from pipeline.adapters.aws.retry import batches, call, error_code
from pipeline.core import commands
from pipeline.core.errors import FailedError, PipelineError
from pipeline.core.hooks.hook import NOT_STARTED, Hook, HookResult
from pipeline.core.hooks.output import kept_output, with_last_lines
from pipeline.core.masking import Masker
from pipeline.core.times import format_duration

DOCUMENT = "AWS-RunShellScript"
INSTANCES_PER_CALL = 50
"""The most instance ids in a call (SendCommand, `InstanceIds`)."""
SHORTEST_DELIVERY = 30
"""Seconds: the least that SendCommand accepts as the time until the program must start."""
FIRST_INTERVAL, INTERVAL = 0.5, 3.0
"""Seconds between two questions: doubled from the first to the last."""
REGISTRATION = 300.0
"""Seconds within which the agent of an instance must register; it takes a minute after a boot."""
GRACE = 20.0
"""Seconds after the time limit in which the agent may still report how the program ended."""
SERVER_ERROR = 500
"""The lowest HTTP status with which a request may have been carried out nevertheless."""
LEAVES = 15.0
"""Seconds within which Auto Scaling shows that an instance which answers no more leaves."""
WAITING = frozenset({"Pending", "InProgress", "Delayed", "Cancelling"})
"""The values of `Status` that are not the end (GetCommandInvocation)."""
UNMANAGED = "InvalidInstanceId"
"""The agent of an instance has not registered, or the instance is not running (SendCommand)."""
UNKNOWN = "InvocationDoesNotExist"
"""SendCommand has returned, and the invocation is not visible yet (GetCommandInvocation)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Invocation:
    """How a program ended on one instance; `code` is None unless the program itself ended."""

    instance: str
    status: str
    code: int | None
    output: str

    @property
    def failure(self) -> str:
        """Return what is wrong, empty for success."""
        if self.status == "Success":
            return ""
        what = self.status if self.code is None else f"exit code {self.code}"
        return with_last_lines(f"{self.instance}: {what}", self.output)


@dataclass(kw_only=True)
class InstanceHooks:
    """Implements `core.deploy.ports.Hooks`; `sleep` raises KeyboardInterrupt for a signal."""

    clients: Clients
    region: str
    sleep: Callable[[float], None]
    masker: Masker = field(default_factory=Masker)
    clock: Callable[[], float] = time.monotonic

    def run(
        self, hook: Hook, facts: Mapping[str, str], members: Callable[[], Sequence[str]]
    ) -> HookResult:
        """Run a hook on every member, also on one that joins meanwhile; return how it ended.

        With `once` it runs on one of them. A member that has left the group meanwhile does not
        count. Raises FailedError if it is unknown whether Systems Manager started it.
        """
        run = _Run(hooks=self, hook=hook, script=script_of(hook, facts), members=members)
        try:
            with translate_errors(str(hook), self.region, FailedError):
                return run.end()
        except FailedError as error:
            if run.sent or not _is_refusal(error.__cause__):
                raise
            return HookResult(code=NOT_STARTED, failure=error.what, remedy=error.remedy)


@dataclass(kw_only=True)
class _Run:
    """One hook: what was sent, since when it is wanted, and how it ended, by instance."""

    hooks: InstanceHooks
    hook: Hook
    script: list[str]
    members: Callable[[], Sequence[str]]
    sent: dict[str, str] = field(default_factory=dict)
    since: dict[str, float] = field(default_factory=dict)
    ended: dict[str, Invocation] = field(default_factory=dict)

    def end(self) -> HookResult:
        """Run the hook to its end; a signal or an error cancels what still runs."""
        try:
            return self._masked(self._loop())
        finally:
            self._cancel()

    def _loop(self) -> HookResult:
        deadline, interval = self.hooks.clock() + self.hook.timeout, FIRST_INTERVAL
        while True:
            wanted, late = self._wanted(), self.hooks.clock() - deadline
            if late < 0:
                self._send([each for each in wanted if each not in self.sent])
            self.ended |= {each.instance: each for each in self._answers()}
            if failed := self._failed(wanted):
                return self._result(failed)
            unsent = [each for each in wanted if each not in self.sent]
            if unmanaged := [each for each in unsent if self._waited_for(each) >= self._patience]:
                return self._unmanaged(unmanaged)
            waiting = [each for each in wanted if each not in self.ended or self._is_doubtful(each)]
            if not waiting and set(self._wanted()) <= self.ended.keys():
                return self._success()
            if late >= GRACE or (late >= 0 and unsent):
                return self._late(waiting)
            self.hooks.sleep(interval)
            interval = min(2 * interval, INTERVAL)

    @property
    def _patience(self) -> float:
        return min(self.hook.timeout, REGISTRATION)

    def _waited_for(self, what: str) -> float:
        """Return how many seconds ago this was first asked."""
        now = self.hooks.clock()
        return now - self.since.setdefault(what, now)

    def _wanted(self) -> Sequence[str]:
        """Return the members that must succeed; of a hook with `once`, the one that it ran on."""
        if self.hook.once:
            return tuple(self.sent) or tuple(self.members())[:1]
        return self.members()

    def _send(self, instances: Sequence[str]) -> None:
        for batch in batches(instances, INSTANCES_PER_CALL):
            if not self._start(batch) and len(batch) > 1:
                for each in batch:  # AWS does not say which of them it does not manage
                    self._start([each])

    def _start(self, instances: Sequence[str]) -> bool:
        """Start the program; return False if an instance is not managed (yet)."""
        limit = ceil(self.hook.timeout)
        send = self.hooks.clients.ssm(self.hooks.region).send_command
        try:
            # A repeated call would be a second command.
            answer = (_call_once if self.hook.once else call)(
                send,
                DocumentName=DOCUMENT,
                InstanceIds=list(instances),
                TimeoutSeconds=max(limit, SHORTEST_DELIVERY),
                Parameters={"commands": self.script, "executionTimeout": [str(limit)]},
                MaxConcurrency="100%",
                MaxErrors="100%",
                Comment=str(self.hook)[:100],
            )
        except Exception as error:
            if error_code(error) != UNMANAGED:
                raise
            return False
        self.sent |= dict.fromkeys(instances, answer["Command"]["CommandId"])
        return True

    def _answers(self) -> Iterator[Invocation]:
        """Yield the invocations that have ended since the last question."""
        ask = self.hooks.clients.ssm(self.hooks.region).get_command_invocation
        for instance, command in self.sent.items():
            if instance in self.ended:
                continue
            try:
                answer = call(ask, CommandId=command, InstanceId=instance)
            except Exception as error:
                if error_code(error) != UNKNOWN:
                    raise
                continue
            if answer["Status"] not in WAITING:
                yield invocation_of(instance, answer)

    def _failed(self, instances: Sequence[str]) -> list[Invocation]:
        ended = (self.ended[each] for each in instances if each in self.ended)
        return [each for each in ended if each.failure and not self._is_doubtful(each.instance)]

    def _is_doubtful(self, instance: str) -> bool:
        """Return True for a failure without an exit code that may mean that the instance leaves.

        A hook with `once` does not move to another instance.
        """
        ended = self.ended[instance]
        if self.hook.once or not ended.failure or ended.code is not None:
            return False
        return self._waited_for(f"{instance} {ended.status}") < LEAVES

    def _success(self) -> HookResult:
        """Return success, unless every member left before the program ended on it."""
        if any(not each.failure for each in self.ended.values()):
            return HookResult(code=0)
        return HookResult(code=None, failure="every instance left the group before it ended")

    def _result(self, failed: Sequence[Invocation]) -> HookResult:
        return HookResult(code=failed[0].code, failure="\n".join(each.failure for each in failed))

    def _unmanaged(self, instances: Sequence[str]) -> HookResult:
        names = ", ".join(instances)
        verb = "is" if len(instances) == 1 else "are"
        within = format_duration(self._patience)
        options = {"region": self.hooks.region, "filters": f"Key=InstanceIds,Values={_csv(names)}"}
        return HookResult(
            code=None if self.sent else NOT_STARTED,
            failure=f"{names} {verb} not managed by Systems Manager: no SSM agent registered within"
            f" {within}. The instance needs the agent, a role with AmazonSSMManagedInstanceCore, "
            "and a route to Systems Manager",
            remedy=commands.aws("ssm", "describe-instance-information", options),
        )

    def _late(self, instances: Sequence[str]) -> HookResult:
        what = f"did not end within {format_duration(self.hook.timeout)}"
        return HookResult(code=None, failure=f"{', '.join(instances)}: {what}")

    def _masked(self, result: HookResult) -> HookResult:
        mask = self.hooks.masker.text
        ended = sorted(self.ended.values(), key=lambda each: each.instance)
        parts = [f"{each.instance}: {each.status}\n{each.output}" for each in ended]
        return HookResult(
            code=result.code,
            failure=mask(result.failure),
            remedy=result.remedy,
            output=kept_output(mask("\n".join(parts))),
        )

    def _cancel(self) -> None:
        """Cancel the commands that still run; AWS does not promise that it stops them."""
        running = {command for each, command in self.sent.items() if each not in self.ended}
        for command in sorted(running):
            with (
                suppress(PipelineError),
                translate_errors(str(self.hook), self.hooks.region, FailedError),
            ):
                call(self.hooks.clients.ssm(self.hooks.region).cancel_command, CommandId=command)


def _call_once(operation: Callable[..., Any], **arguments: Any) -> Any:
    return operation(**arguments)


def _is_refusal(error: BaseException | None) -> bool:
    """Return True if AWS answered that it does not carry out a request."""
    response = getattr(error, "response", None)
    status = response["ResponseMetadata"]["HTTPStatusCode"] if response else SERVER_ERROR
    return bool(status < SERVER_ERROR)


def script_of(hook: Hook, facts: Mapping[str, str]) -> list[str]:
    """Return the lines of the script: the facts as variables, then the program.

    The last line's exit code is the program's (SSM, "AWS-RunShellScript").
    """
    return [
        *(f"export {name}={_quoted(value)}" for name, value in facts.items()),
        f"exec {join(hook.command)}",
    ]


def _quoted(value: str) -> str:
    """Quote a value for a shell in which Systems Manager resolves nothing.

    It replaces `{{ssm:NAME}}` in a script by a parameter that the caller may read (Systems Manager
    User Guide, "Working with Parameter Store"), and a reason may be what a member printed.
    """
    return re.sub(r"\{(?=\{)", "{''", quote(value))


def invocation_of(instance: str, answer: Mapping[str, Any]) -> Invocation:
    """Return an invocation that has ended; the code is -1 if the program did not end by itself."""
    code = int(answer.get("ResponseCode", -1))
    ran = answer["Status"] in {"Success", "Failed"} and code >= 0
    texts = (answer.get("StandardOutputContent", ""), answer.get("StandardErrorContent", ""))
    return Invocation(
        instance=instance,
        status=str(answer.get("StatusDetails") or answer["Status"])
        if answer["Status"] != "Success"
        else "Success",
        code=code if ran else None,
        output="\n".join(text.rstrip("\n") for text in texts if text),
    )


def _csv(names: str) -> str:
    return names.replace(", ", ",")
