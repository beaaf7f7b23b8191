"""Read CloudWatch alarms, which can stop a deployment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.adapters.aws.client import Clients, translate_errors
from pipeline.adapters.aws.retry import batches, pages
from pipeline.core import commands
from pipeline.core.errors import RefusedError

NAMES_PER_CALL = 100
"""Names in a call and alarms in a page, the most CloudWatch takes (DescribeAlarms)."""

KINDS = ("MetricAlarm", "CompositeAlarm")
"""Without types CloudWatch returns metric alarms only (DescribeAlarms). For an old botocore."""


class CloudWatchAlarms:
    """The alarms of a region, by name."""

    def __init__(self, clients: Clients, region: str) -> None:
        self._clients = clients
        self._region = region

    def ringing(self, names: Sequence[str]) -> tuple[str, ...]:
        """Return `NAME: REASON` for each alarm in state ALARM, with CloudWatch's reason.

        INSUFFICIENT_DATA is not ALARM. Raises RefusedError if a name does not exist or the alarms
        cannot be read: an alarm that cannot be read does not permit a deployment (AWS CodeDeploy
        does the same without `ignorePollAlarmFailure`).
        """
        with translate_errors("reading the alarms", self._region):
            found = self._read(tuple(dict.fromkeys(names)))
        missing = [name for name in dict.fromkeys(names) if name not in found]
        if missing:
            raise RefusedError(
                f"alarms in {self._region}",
                "\n".join(f"there is no alarm {name}" for name in missing),
                f"fix the names; list those that exist: {_list_command(self._region)}",
            )
        ringing = (name for name in dict.fromkeys(names) if found[name]["StateValue"] == "ALARM")
        return tuple(" ".join(f"{n}: {found[n].get('StateReason', '')}".split()) for n in ringing)

    def _read(self, names: Sequence[str]) -> dict[str, Mapping[str, Any]]:
        found: dict[str, Mapping[str, Any]] = {}
        client = self._clients.cloudwatch(self._region)
        describe, kinds = client.describe_alarms, _kinds(client)
        for batch in batches(names, NAMES_PER_CALL):
            for page in pages(
                describe,
                AlarmNames=list(batch),
                AlarmTypes=kinds,
                MaxRecords=NAMES_PER_CALL,
            ):
                found |= _by_name(page)
        return found


def _list_command(region: str) -> str:
    query = "[MetricAlarms,CompositeAlarms][].AlarmName"
    return commands.aws(
        "cloudwatch", "describe-alarms", {"region": region, "alarm-types": KINDS, "query": query}
    )


def _kinds(client: Any) -> list[str]:
    """Return every type of alarm that botocore knows: CloudWatch adds types (log alarms)."""
    model = client.meta.service_model
    known = model.shape_for("AlarmType").enum if "AlarmType" in model.shape_names else ()
    return list(known) or list(KINDS)


def _by_name(page: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Return the alarms of every type: each type has a list of its own."""
    listed = (each for key, found in page.items() if key.endswith("Alarms") for each in found)
    return {each["AlarmName"]: each for each in listed}
