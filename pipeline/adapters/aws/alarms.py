"""CloudWatch alarms that speak against a deployment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.adapters.aws.balancers import batches
from pipeline.adapters.aws.client import Clients, call, speaking_plainly
from pipeline.core.errors import RefusedError

AT_ONCE = 100
"""Names in a call and alarms in an answer, the most CloudWatch takes (DescribeAlarms)."""

KINDS = ("MetricAlarm", "CompositeAlarm")
"""Without these CloudWatch answers metric alarms only."""


class CloudWatchAlarms:
    """The alarms of a region, by name."""

    def __init__(self, clients: Clients, region: str) -> None:
        self._clients = clients
        self._region = region

    def ringing(self, names: Sequence[str]) -> tuple[str, ...]:
        """Return `NAME: REASON` for each that is in ALARM, in CloudWatch's words.

        Raises RefusedError for names that do not exist, and where the alarms cannot be read:
        an alarm nobody can hear is no consent (AWS CodeDeploy does the same unless told otherwise,
        `ignorePollAlarmFailure`). INSUFFICIENT_DATA is not ALARM.
        """
        with speaking_plainly("reading the alarms", self._region):
            found = self._read(tuple(dict.fromkeys(names)))
        missing = [name for name in dict.fromkeys(names) if name not in found]
        if missing:
            raise RefusedError(
                f"alarms in {self._region}",
                "\n".join(f"there is no alarm {name}" for name in missing),
                "correct the names; what there is: "
                f"aws cloudwatch describe-alarms --region {self._region} "
                f"--alarm-types {' '.join(KINDS)} "
                "--query '[MetricAlarms,CompositeAlarms][].AlarmName'",
            )
        ringing = (name for name in dict.fromkeys(names) if found[name]["StateValue"] == "ALARM")
        return tuple(" ".join(f"{n}: {found[n].get('StateReason', '')}".split()) for n in ringing)

    def _read(self, names: Sequence[str]) -> dict[str, Mapping[str, Any]]:
        found: dict[str, Mapping[str, Any]] = {}
        for batch in batches(names, AT_ONCE):
            asked = {"AlarmNames": list(batch), "AlarmTypes": list(KINDS), "MaxRecords": AT_ONCE}
            describe = self._clients.cloudwatch(self._region).describe_alarms
            page = call(describe, **asked)
            found |= _by_name(page)
            while token := page.get("NextToken"):
                page = call(describe, **asked, NextToken=token)
                found |= _by_name(page)
        return found


def _by_name(page: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    listed = [*page.get("MetricAlarms", []), *page.get("CompositeAlarms", [])]
    return {each["AlarmName"]: each for each in listed}
