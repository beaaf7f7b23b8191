"""The text about a group that failed, and what of it comes from where."""

from __future__ import annotations

import threading
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

from botocore.exceptions import ClientError

from pipeline.adapters.aws.client import Clients
from pipeline.adapters.aws.members import printed
from pipeline.adapters.aws.members.diagnostics import gather, printable_lines, suspects
from pipeline.core.deploy.ports import Evidence
from pipeline.core.health.observation import Activity, Member, Observation, ObservedGroup, Target

if TYPE_CHECKING:
    import pytest


def member(number: int, lifecycle: str = "InService", health: str = "Healthy") -> Member:
    return Member(
        id=f"i-{number:08x}", lifecycle=lifecycle, health=health, template="lt-1", version="1"
    )


def group(*members: Member, attached: str = "web") -> ObservedGroup:
    return ObservedGroup(
        name="g",
        minimum=1,
        maximum=4,
        desired=2,
        template="lt-1",
        version="1",
        members=members,
        attached=frozenset({attached}),
    )


def target(one: Member, state: str) -> dict[str, Target]:
    return {one.id: Target(id=one.id, state=state)}


def left(number: int) -> Activity:
    return Activity(
        id="a",
        status="Successful",
        description=f"Terminating EC2 instance: i-{number:08x}",
        cause="",
        message="",
        began="",
    )


def test_unhealthy_members_come_before_terminated_ones_and_two_are_read() -> None:
    healthy, unhealthy, lost = member(1), member(2), member(3, "Terminating:Wait")
    targets = {"web": target(healthy, "InService") | target(unhealthy, "OutOfService")}
    seen = group(healthy, unhealthy, lost)
    told = [left(9), left(9), left(2), left(8)]
    assert suspects(seen, targets, told) == ("i-00000002", "i-00000003")
    assert suspects(group(healthy, lost), targets, told) == ("i-00000003", "i-00000009")


def test_a_member_that_its_balancer_does_not_list_is_suspect() -> None:
    healthy = member(1)
    assert suspects(group(healthy), {"web": {}}, []) == (healthy.id,)
    assert suspects(group(healthy), {"another": {}}, []) == ()
    assert suspects(group(member(1, health="Unhealthy")), {}, []) == (healthy.id,)


def test_without_a_group_terminated_instances_are_read() -> None:
    assert suspects(None, {}, [left(7)]) == ("i-00000007",)


def test_control_characters_are_replaced() -> None:
    assert printable_lines("a\tb\x1b[31mc\x07d\x00") == "a    bc\ufffdd\ufffd"
    assert printable_lines("ein Satz \u00fcber \u202eevil") == "ein Satz \u00fcber \ufffdevil"


def test_evidence_has_the_activities_of_short_pages() -> None:
    pages = iter([{"Activities": [], "NextToken": "on"}, {"Activities": [{"ActivityId": "a"}]}])
    scaling = SimpleNamespace(describe_scaling_activities=lambda **_: next(pages))
    clients = cast("Clients", SimpleNamespace(autoscaling=lambda _: scaling))
    text = gather(clients, "r", "g", Observation(at=0.0)).text
    assert "activities, newest first\n  none" not in text
    assert "could not be read" not in text


class Consoles:
    """EC2 that gives the latest output of no instance, and of one the output of its boot."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []

    def get_console_output(self, **asked: Any) -> dict[str, str]:
        self.asked.append(asked)
        if asked.get("Latest"):
            said: Any = {"Code": "UnsupportedOperation", "Message": "not on this instance type"}
            raise ClientError({"Error": said}, "GetConsoleOutput")
        if asked["InstanceId"] == "i-00000001":
            return {"Output": "one\r\ntwo\n\n"}
        if asked["InstanceId"] == "i-00000002":
            return {}
        raise ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "GetConsoleOutput")


def evidence_of(*numbers: int, **more: Any) -> tuple[Evidence, Consoles]:
    ec2 = Consoles()
    clients = cast("Clients", SimpleNamespace(ec2=lambda _: ec2, **more))
    seen = group(*(member(number, "Pending") for number in numbers))
    observation = Observation(at=0.0, groups={"g": seen}, activities={"g": ()})
    return gather(clients, "r", "g", observation), ec2


def test_a_console_without_latest_output_is_read_from_the_last_boot() -> None:
    found, ec2 = evidence_of(1, 2)
    assert "\nconsole of i-00000001, its last 100 lines\n  | one\n  | two\n" in found.text
    assert "\nconsole of i-00000002, its last 100 lines\n  nothing yet\n" in found.text
    assert found.lines == ("console of i-00000001", "one", "two")
    assert len(ec2.asked) == 4
    found, _ = evidence_of(3)
    assert "\nconsole of i-00000003\n  could not be read\n" in found.text
    assert "(AccessDenied) when calling the GetConsoleOutput operation: no\n" in found.text
    assert found.text.endswith(
        "\n  the journals: 'types.SimpleNamespace' object has no attribute 'ssm'\n"
    )
    assert found.lines == ()


def test_the_journal_of_a_managed_member_comes_before_the_consoles() -> None:
    printed = "".join(
        f"2026-11-21T15:42:{number:02}+0000 host app[1]: \x1b[31mline {number}\n"
        for number in range(12)
    )
    answer = {"Status": "Success", "StandardOutputContent": printed}
    ssm = SimpleNamespace(
        describe_instance_information=lambda **_: {
            "InstanceInformationList": [{"InstanceId": "i-00000001", "PingStatus": "Online"}]
        },
        send_command=lambda **_: {"Command": {"CommandId": "c"}},
        get_command_invocation=lambda **_: answer,
    )
    found, _ = evidence_of(1, 2, ssm=lambda _: ssm)
    first, *last = found.lines
    assert (first, len(last)) == ("journal of i-00000001", 10)
    assert last[-1] == "2026-11-21T15:42:11+00:00 app[1]: line 11"
    journal = found.text.index(
        "\njournal of i-00000001, its last 100 lines\n  | 2026-11-21T15:42:00"
    )
    assert journal < found.text.index("\nconsole of i-00000001, its last 100 lines")
    assert "\njournal of i-00000002\n  not managed by Systems Manager\n" in found.text


def test_a_journal_that_never_comes_delays_the_rollback_by_seconds_only(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(printed, "SECONDS", 0.05)
    forever = threading.Event()
    ssm = SimpleNamespace(describe_instance_information=lambda **_: forever.wait())
    found, _ = evidence_of(1, ssm=lambda _: ssm)
    forever.set()
    assert found.text.endswith("\ncould not be read\n  the journals: no answer in time\n")
    assert found.lines == ("console of i-00000001", "one", "two")
