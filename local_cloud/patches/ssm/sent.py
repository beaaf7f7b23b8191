"""Read what SendCommand asks for, and refuse what Systems Manager refuses (API Reference)."""

from __future__ import annotations

import re
import time
import uuid
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from local_cloud.instances.remote_command import UNDER_WAY, RemoteCommand, now
from local_cloud.patches.ssm import managed_nodes
from local_cloud.patches.ssm.managed_nodes import SsmError
from local_cloud.patches.unanswered import NotModeled

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterable

    from local_cloud.patches.context import Context

DOCUMENT = "AWS-RunShellScript"
PARAMETERS = {"commands", "workingDirectory", "executionTimeout"}
EXECUTION, LONGEST_EXECUTION = 3600, 172800  # seconds (the document's own default and limit)
DELIVERY = 3600  # seconds
DELIVERIES = range(30, 2592000 + 1)  # seconds
MOST_INSTANCES, MOST_TARGETS = 50, 5
UNSEEN = 1.0  # seconds until GetCommandInvocation finds an invocation
REFUSED = ("CloudWatchOutputConfig", "AlarmConfiguration", "OutputS3BucketName")


@dataclass(kw_only=True, eq=False)
class Sent:
    """A command and its invocations by instance."""

    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    comment: str
    document: str
    parameters: dict[str, list[str]]
    instances: list[str]  # as the call names them
    targets: list[dict[str, Any]]
    timeout: int
    at: dt.datetime = field(default_factory=now)
    since: float = field(default_factory=time.monotonic)
    invocations: dict[str, RemoteCommand] = field(default_factory=dict)
    read: set[str] = field(default_factory=set)
    """The instances whose invocation has been asked for."""

    def appears(self, instance: str, after: float) -> bool:
        """Return True if an invocation is found: not in the first moment, nor by the first call.

        AWS finds it a moment later (aws/aws-cli#5151). The first call counts as in that moment,
        so that a client meets it at any speed of the cloud.
        """
        asked = instance in self.read
        self.read.add(instance)
        return asked and time.monotonic() - self.since >= after

    @property
    def status(self) -> str:
        """The status of the command, from those of its invocations."""
        found = {each.progress.status for each in self.invocations.values()}
        if found == {"Pending"}:
            return "Pending"
        if found & UNDER_WAY:
            return "Cancelling" if "Cancelling" in found else "InProgress"
        return next((s for s in ("Failed", "TimedOut", "Cancelled") if s in found), "Success")

    @property
    def seconds(self) -> int:
        """How long the script may take."""
        return int(self.parameters.get("executionTimeout", [str(EXECUTION)])[0])


def read(response: Any) -> Sent:
    """Return the command that a call asks for, without invocations, or refuse it."""

    def given(name: str, default: Any) -> Any:
        return response._get_param(name) or default  # noqa: SLF001  moto's accessor

    for name in REFUSED:
        if given(name, None):
            raise NotModeled(f"The local cloud does not support {name} of SendCommand")
    document = given("DocumentName", "").rpartition("/")[2]
    if document != DOCUMENT:
        raise SsmError("InvalidDocument", f"Document with name {document} does not exist.")
    sent = Sent(
        comment=given("Comment", ""),
        document=document,
        parameters=given("Parameters", {}),
        instances=given("InstanceIds", []),
        targets=given("Targets", []),
        timeout=int(given("TimeoutSeconds", DELIVERY)),
    )
    refuse_parameters(sent)
    refuse_targets(sent)
    return sent


def refuse_parameters(sent: Sent) -> None:
    """Refuse parameters that the document does not have, and a command without commands."""
    if unknown := sent.parameters.keys() - PARAMETERS:
        names = ", ".join(sorted(unknown))
        raise SsmError("InvalidParameters", f"{names} not defined in the document.")
    if not sent.parameters.get("commands"):
        raise SsmError("InvalidParameters", "Parameter commands is required.")
    timeout = sent.parameters.get("executionTimeout", [str(EXECUTION)])
    valid = len(timeout) == 1 and re.fullmatch(r"[0-9]{1,6}", timeout[0])
    if not valid or not 1 <= int(timeout[0]) <= LONGEST_EXECUTION:
        raise SsmError("InvalidParameters", "Parameter executionTimeout is not valid.")
    if sent.timeout not in DELIVERIES:
        invalid(f"TimeoutSeconds is {DELIVERIES[0]} to {DELIVERIES[-1]}, not {sent.timeout}")


def refuse_targets(sent: Sent) -> None:
    """Refuse a call that names its nodes in both ways, in none, or twice."""
    if bool(sent.instances) == bool(sent.targets):
        invalid("exactly one of InstanceIds and Targets is needed")
    if len(sent.instances) > MOST_INSTANCES or len(sent.targets) > MOST_TARGETS:
        invalid(f"at most {MOST_INSTANCES} InstanceIds and {MOST_TARGETS} Targets are allowed")
    if twice := [each for each, count in Counter(sent.instances).items() if count > 1]:
        raise SsmError("DuplicateInstanceId", f"{', '.join(twice)} is named twice.")


def invalid(message: str) -> None:
    """Refuse a call that does not fit the model of the service."""
    raise SsmError("ValidationException", message)


def chosen(context: Context, account: str, region: str, sent: Sent) -> list[str]:
    """Return the nodes of a command; refuse instances that are none.

    Targets choose among the managed nodes, so an instance that is none is left out.
    """
    nodes = {each.id: (each, ping) for each, ping in managed_nodes.nodes(context, account, region)}
    if missing := [each for each in sent.instances if each not in nodes]:
        raise SsmError(
            "InvalidInstanceId",
            f"Instances [[{', '.join(missing)}]] not in a valid state for account {account}",
        )
    if sent.instances:
        return sent.instances
    return [
        id_
        for id_, (instance, ping) in nodes.items()
        if all(
            managed_nodes.matches(instance, ping, each["Key"], each["Values"])
            for each in supported(sent.targets)
        )
    ]


def supported(targets: Iterable[dict[str, Any]]) -> Iterable[dict[str, Any]]:
    """Yield the targets, or refuse those by resource group."""
    for target in targets:
        key = str(target.get("Key", ""))
        if key not in {"InstanceIds", "tag-key"} and not key.startswith("tag:"):
            raise NotModeled(f"The local cloud does not support targets by {key}")
        yield target
