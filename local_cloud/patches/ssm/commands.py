"""Patch Run Command: SendCommand runs its lines in the instances, in the background.

Systems Manager API Reference and User Guide, "Run Command". moto answers every command with
Success and runs nothing.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

from moto.core.responses import ActionResult, EmptyResult
from moto.ssm.responses import SimpleSystemManagerResponse

from local_cloud.instances.remote_command import UNDER_WAY, RemoteCommand
from local_cloud.patches.context import Context
from local_cloud.patches.patching import patch
from local_cloud.patches.ssm import sent as reading
from local_cloud.patches.ssm.managed_nodes import SsmError
from local_cloud.patches.ssm.sent import Sent

if TYPE_CHECKING:
    from collections.abc import Iterator

PLUGIN = "aws:runShellScript"
OVERVIEW = 2500  # characters of the output in ListCommandInvocations


@patch(SimpleSystemManagerResponse, "send_command")
def send_command(context: Context, _original: Any, response: Any) -> Any:
    """Send a command to its nodes; the answer shows it as pending."""
    sent = reading.read(response)
    nodes = reading.chosen(context, response.current_account, response.region, sent)
    for instance in nodes:
        sent.invocations[instance] = invocation = RemoteCommand(
            id=sent.id,
            script="\n".join(sent.parameters["commands"]) + "\n",
            directory=sent.parameters.get("workingDirectory", [""])[0],
            execution=float(sent.seconds),
            delivery=float(sent.timeout),
        )
        context.cloud.send(instance, invocation)
    kept(response)[sent.id] = sent
    shown = described(sent) | {"Status": "Pending", "StatusDetails": "Pending"}
    return ActionResult({"Command": shown if nodes else shown | nothing()})


def nothing() -> dict[str, str]:
    """Return the status of a command whose targets are no managed node."""
    return {"Status": "Success", "StatusDetails": "NoInstancesInTag"}


# GetCommandInvocation does not find an invocation in the first moment: InvocationDoesNotExist.
@patch(SimpleSystemManagerResponse, "get_command_invocation")
def get_command_invocation(context: Context, _original: Any, response: Any) -> Any:
    """Return one invocation."""
    sent = named(response)
    instance = response._get_param("InstanceId")  # noqa: SLF001  moto's accessor
    if response._get_param("PluginName") not in {None, PLUGIN}:  # noqa: SLF001  the same
        raise SsmError("InvalidPluginName", "The plugin name is not valid.")
    unseen = context.cloud.host.clock.scaled(reading.UNSEEN)
    if instance not in sent.invocations or not sent.appears(instance, unseen):
        raise SsmError("InvocationDoesNotExist", "")
    progress = sent.invocations[instance].progress
    return ActionResult(
        {
            **heading(sent, instance),
            "PluginName": PLUGIN,
            "ResponseCode": progress.code,
            "ExecutionStartDateTime": moment(progress.began),
            "ExecutionElapsedTime": elapsed(progress.began, progress.ended),
            "ExecutionEndDateTime": moment(progress.ended),
            "Status": progress.status,
            "StatusDetails": progress.details,
            "StandardOutputContent": progress.output,
            "StandardOutputUrl": "",
            "StandardErrorContent": progress.errors,
            "StandardErrorUrl": "",
        }
    )


# CancelCommand attempts to end what has not ended (API Reference); moto does not have it.
@patch(SimpleSystemManagerResponse, "cancel_command")
def cancel_command(context: Context, _original: Any, response: Any) -> Any:
    """Cancel a command, on all its nodes or on some."""
    sent = named(response)
    instances = response._get_param("InstanceIds") or list(sent.invocations)  # noqa: SLF001  moto's accessor
    for instance in instances:
        if instance not in sent.invocations:
            raise SsmError("InvalidInstanceId", f"{instance} is no node of the command.")
        context.cloud.cancel(sent.invocations[instance])
    return EmptyResult()


@patch(SimpleSystemManagerResponse, "list_commands")
def list_commands(_original: Any, response: Any) -> Any:
    """Return commands, the newest first."""
    return ActionResult({"Commands": [described(each) for each in wanted(response)]})


# ListCommandInvocations (API Reference); moto does not have it.
@patch(SimpleSystemManagerResponse, "list_command_invocations")
def list_command_invocations(_original: Any, response: Any) -> Any:
    """Return the invocations of commands, with their output on request."""
    only = response._get_param("InstanceId")  # noqa: SLF001  moto's accessor
    details = bool(response._get_param("Details"))  # noqa: SLF001  the same
    found = [
        invocation(sent, instance, details=details)
        for sent in wanted(response)
        for instance in sent.invocations
        if only in {None, instance}
    ]
    return ActionResult({"CommandInvocations": found})


def kept(response: Any) -> dict[str, Sent]:
    """Return the commands of an account and region by id."""
    held: dict[str, Sent] = vars(response.ssm_backend).setdefault("local_cloud_commands", {})
    return held


def named(response: Any) -> Sent:
    """Return the command that a call names."""
    found = kept(response).get(response._get_param("CommandId"))  # noqa: SLF001  moto's accessor
    if found is None:
        raise SsmError("InvalidCommandId", "")
    return found


def wanted(response: Any) -> Iterator[Sent]:
    """Yield the commands that a call of a list asks for, the newest first."""
    only = response._get_param("InstanceId")  # noqa: SLF001  moto's accessor
    if response._get_param("CommandId"):  # noqa: SLF001  the same
        yield named(response)
        return
    for sent in reversed(kept(response).values()):
        if only is None or only in sent.invocations:
            yield sent


def heading(sent: Sent, instance: str) -> dict[str, Any]:
    """Return what every description of an invocation begins with."""
    return {
        "CommandId": sent.id,
        "InstanceId": instance,
        "Comment": sent.comment,
        "DocumentName": sent.document,
        "DocumentVersion": "$DEFAULT",
    }


def invocation(sent: Sent, instance: str, *, details: bool) -> dict[str, Any]:
    """Return an invocation as ListCommandInvocations shows it."""
    progress = sent.invocations[instance].progress
    status = {"Status": progress.status, "StatusDetails": progress.details}
    plugin = {
        "Name": PLUGIN,
        **status,
        "ResponseCode": progress.code,
        "Output": progress.output[:OVERVIEW],
        "ResponseStartDateTime": progress.began,
        "ResponseFinishDateTime": progress.ended,
    }
    plugins = [plugin] if details and progress.began else []
    return {
        **heading(sent, instance),
        "RequestedDateTime": sent.at,
        **status,
        "CommandPlugins": plugins,
    }


def described(sent: Sent) -> dict[str, Any]:
    """Return a command as AWS describes it."""
    states = [each.progress.status for each in sent.invocations.values()]
    details = {"InProgress": "In Progress"}
    late = dt.timedelta(seconds=sent.timeout + sent.seconds)
    return {
        "CommandId": sent.id,
        "DocumentName": sent.document,
        "DocumentVersion": "$DEFAULT",
        "Comment": sent.comment,
        "ExpiresAfter": sent.at + late,
        "Parameters": sent.parameters,
        "InstanceIds": sent.instances,
        "Targets": sent.targets,
        "RequestedDateTime": sent.at,
        "Status": sent.status,
        "StatusDetails": details.get(sent.status, sent.status),
        "MaxConcurrency": "50",
        "MaxErrors": "0",
        "TargetCount": len(states),
        "CompletedCount": len([each for each in states if each not in UNDER_WAY]),
        "ErrorCount": len([each for each in states if each in {"Failed", "TimedOut"}]),
        "DeliveryTimedOutCount": 0,
        "TimeoutSeconds": sent.timeout,
    }


def moment(at: dt.datetime | None) -> str:
    """Return a moment as GetCommandInvocation shows it: empty while there is none."""
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z") if at else ""


def elapsed(began: dt.datetime | None, ended: dt.datetime | None) -> str:
    """Return a duration of ISO 8601: empty while it lasts."""
    return f"PT{(ended - began).total_seconds():.3f}S" if began and ended else ""
