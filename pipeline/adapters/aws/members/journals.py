"""Read the journals of instances through Systems Manager's Run Command.

Separate from hooks: a reading changes nothing, so it may be repeated, and it never waits for an
agent that has not registered.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import ceil
from typing import Any

from pipeline.adapters.aws.client import Clients
from pipeline.adapters.aws.members.instance_hooks import (
    DOCUMENT,
    FIRST_INTERVAL,
    INSTANCES_PER_CALL,
    SHORTEST_DELIVERY,
    UNKNOWN,
    UNMANAGED,
    WAITING,
)
from pipeline.adapters.aws.retry import batches, call, error_code, items
from pipeline.core.inspection.log_lines import MISSING, JournalPart, journal_script, parse_journal
from pipeline.core.times import format_duration

ONLINE = "Online"
"""The `PingStatus` of a node whose agent answers (DescribeInstanceInformation)."""
SLOWEST_INTERVAL = 2.0
"""Seconds between two questions at most: doubled from the first on."""
COMMENT = "ami-pipeline: read the journal"
NOT_MANAGED = "not managed by Systems Manager"
NOT_ONLINE = "its SSM Agent does not answer"
NO_JOURNAL = "it has no journalctl"


@dataclass(frozen=True, kw_only=True, slots=True)
class Journals:
    """The parts of the journals that were read; `missing` says why others were not."""

    parts: Mapping[str, JournalPart] = field(default_factory=dict)
    missing: Mapping[str, str] = field(default_factory=dict)


def read_online(clients: Clients, region: str, instances: Sequence[str]) -> dict[str, str]:
    """Return why instances get no commands: nothing for a managed node whose agent answers.

    Raises botocore's errors.
    """
    describe = clients.ssm(region).describe_instance_information
    pings: dict[str, str] = {}
    for batch in batches(instances, INSTANCES_PER_CALL):
        wanted = [{"Key": "InstanceIds", "Values": list(batch)}]
        for each in items(describe, "InstanceInformationList", Filters=wanted):
            pings[each["InstanceId"]] = each.get("PingStatus", "")
    reasons = {each: NOT_MANAGED if each not in pings else NOT_ONLINE for each in instances}
    return {each: "" if pings.get(each) == ONLINE else reasons[each] for each in instances}


@dataclass(kw_only=True)
class JournalReader:
    """Reads the journals of instances of a region; `sleep` raises KeyboardInterrupt for a signal.

    `within` are the real seconds that a reading takes at most, without repeated calls.
    """

    clients: Clients
    region: str
    within: float
    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic

    def read(self, instances: Sequence[str], lines: int, cursors: Mapping[str, str]) -> Journals:
        """Return the last lines of each journal, or those after a cursor.

        Raises botocore's errors; an instance without an answer is in `missing`.
        """
        deadline = self.clock() + self.within
        reasons = read_online(self.clients, self.region, instances)
        online = [each for each in instances if not reasons[each]]
        script, sent = journal_script(lines, cursors), dict[str, str]()
        for batch in batches(online, INSTANCES_PER_CALL):
            sent |= self._send(batch, script)
        answers = self._answers(sent, deadline)
        parts = {each: _part(answers[each]) for each in answers}
        found = {each: part for each, part in parts.items() if isinstance(part, JournalPart)}
        failed = {each: part for each, part in parts.items() if isinstance(part, str)}
        late = f"no answer within {format_duration(self.within)}"
        unanswered = {each: late if each in sent else NOT_MANAGED for each in online}
        return Journals(
            parts=found,
            missing={
                each: failed.get(each) or reasons[each] or unanswered[each]
                for each in instances
                if each not in found
            },
        )

    def _send(self, instances: Sequence[str], script: Sequence[str]) -> dict[str, str]:
        """Return the command of each instance; one that is not managed any more has none."""
        try:
            answer = call(
                self.clients.ssm(self.region).send_command,
                DocumentName=DOCUMENT,
                InstanceIds=list(instances),
                TimeoutSeconds=SHORTEST_DELIVERY,
                Parameters={
                    "commands": list(script),
                    "executionTimeout": [str(ceil(self.within))],
                },
                MaxConcurrency="100%",
                MaxErrors="100%",
                Comment=COMMENT,
            )
        except Exception as error:
            if error_code(error) != UNMANAGED:
                raise
            # AWS does not say which of them it does not manage.
            alone = [self._send([each], script) for each in instances if len(instances) > 1]
            return {name: command for found in alone for name, command in found.items()}
        return dict.fromkeys(instances, answer["Command"]["CommandId"])

    def _answers(self, sent: Mapping[str, str], deadline: float) -> dict[str, Mapping[str, Any]]:
        ended: dict[str, Mapping[str, Any]] = {}
        interval = FIRST_INTERVAL
        while True:
            ended |= dict(self._ended({each: sent[each] for each in sent if each not in ended}))
            if len(ended) == len(sent) or self.clock() >= deadline:
                return ended
            self.sleep(min(interval, max(deadline - self.clock(), 0.0)))
            interval = min(2 * interval, SLOWEST_INTERVAL)

    def _ended(self, waiting: Mapping[str, str]) -> Iterator[tuple[str, Mapping[str, Any]]]:
        ask = self.clients.ssm(self.region).get_command_invocation
        for instance, command in waiting.items():
            try:
                answer = call(ask, CommandId=command, InstanceId=instance)
            except Exception as error:
                if error_code(error) != UNKNOWN:
                    raise
                continue
            if answer["Status"] not in WAITING:
                yield instance, answer


def _part(answer: Mapping[str, Any]) -> JournalPart | str:
    """Return the part of the journal in an answer, or why there is none."""
    if answer["Status"] == "Success":
        return parse_journal(answer.get("StandardOutputContent", ""))
    if answer.get("ResponseCode") == MISSING:
        return NO_JOURNAL
    errors = " ".join(answer.get("StandardErrorContent", "").split())
    return (
        f"reading its journal: {answer.get('StatusDetails') or answer['Status']} {errors}".strip()
    )
