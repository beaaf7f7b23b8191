from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from pipeline.core.changes.inputs import InputChange
from pipeline.core.health.observation import Balancer, ObservedGroup, Target
from pipeline.core.health.pairs import Pair
from pipeline.core.state.deployment import Deployment, Kind, Outcome, Result, Runner
from pipeline.core.state.environment import NEXT
from pipeline.core.state.next_step import next_step
from pipeline.core.state.rollback import ImageStates, rollback_option
from pipeline.core.state.status import Status, is_running
from pipeline.ui.icons import drawable
from pipeline.ui.results import as_json
from pipeline.ui.status import status_text
from pipeline.ui.status_document import status_document
from pipeline.ui.text import age
from tests.ui.status_examples import (
    ADA,
    BOTH,
    ELB,
    EXAMPLES,
    NOW,
    a_deployment,
    a_lease,
    a_status,
    environment,
    group,
    image,
    in_flight,
    instance,
    needs_attention,
    nothing,
    observation,
    paused,
    record,
    retired,
    serving,
    unhealthy,
    unknown_group,
    unreadable,
    warm,
)

NOTHING = """\
web production (eu-central-1, account 123456789012)

serving    ○ no release
in flight  none
rollback   none: no release is recorded

production
├── web-elb  classic       no targets
└── web-tg   target group  no targets

next       ami-pipeline promote -e production
"""

SERVING = """\
web production (eu-central-1, account 123456789012)

serving    ✔ r000124, 3 of 3 members healthy
           version 1.4.0, image ami-00000000000000124, for 3d
in flight  none
rollback   none: r000124 is the first release

production
├── web-elb  classic       3 InService
├── web-tg   target group  3 healthy
└── ✔ r000124  serving  1.4.0  ami-00000000000000124  3 of 3
    └── ✔ 3 healthy in web-elb, web-tg (i-00124000000000000, i-00124000000000001,
          i-00124000000000002)
"""

IN_FLIGHT = """\
web production (eu-central-1, account 123456789012)

serving    ✔ r000124, 3 of 3 members healthy
           version 1.4.0, image ami-00000000000000124, for 3d
in flight  ▸ in attach: promote r000125 (1.5.0, ami-00000000000000125), replacing r000124, by ada on
           ci-7, https://github.example/web/runs/9, began 5m ago
lease      expires in 1m unless renewed; then: ami-pipeline recover -e production
rollback   cancel its CI job, then ami-pipeline abort -e production: restores r000124

production
├── web-elb  classic       4 InService, 1 OutOfService
├── web-tg   target group  3 healthy
├── ✔ r000124  serving                         1.4.0  ami-00000000000000124  3 of 3
│   └── ✔ 3 healthy in web-elb, web-tg (i-00124000000000000, i-00124000000000001,
│         i-00124000000000002)
└── ◌ r000125  green of the promote in flight  1.5.0  ami-00000000000000125  3 of 3
    ├── ◌ 1 OutOfService in web-elb: ELB: Instance registration is still in progress
    │     (i-00125000000000001)
    ├── ◌ 1 Pending (i-00125000000000002)
    └── ✔ 1 healthy in web-elb (i-00125000000000000)
"""

WARM = """\
web production (eu-central-1, account 123456789012)

serving    ✔ r000124, 3 of 3 members healthy
           version 1.4.0, image ami-00000000000000124, for 3d
in flight  none
rollback   ami-pipeline rollback -e production: r000123 (version 1.3.0) is warm and serves again in
           seconds; the last rollback took 21.4s

production
├── web-elb  classic       3 InService
├── web-tg   target group  3 healthy
├── ✔ r000124  serving            1.4.0  ami-00000000000000124  3 of 3
│   └── ✔ 3 healthy in web-elb, web-tg (i-00124000000000000, i-00124000000000001,
│         i-00124000000000002)
└── ○ r000123  warm for 28m more  1.3.0  ami-00000000000000123  3 of 3
    └── ○ 3 in service, not a target (i-00123000000000000, i-00123000000000001,
          i-00123000000000002)
"""

UNHEALTHY = """\
web production (eu-central-1, account 123456789012)

serving    ✖ r000124, 2 of 3 members healthy
           version 1.4.0, image ami-00000000000000124, for 3d
in flight  none
rollback   ami-pipeline rollback -e production: a new release of r000123's image (version 1.3.0),
           takes about 3m 32s, as the last promote did

production
├── web-elb  classic       3 InService
├── web-tg   target group  2 healthy, 1 unhealthy
└── ✖ r000124  serving  1.4.0  ami-00000000000000124  3 of 3
    ├── ✖ 1 unhealthy in web-tg: Target.FailedHealthChecks: Health checks failed with these codes:
    │     [502]; healthy in web-elb (i-00124000000000001)
    └── ✔ 2 healthy in web-elb, web-tg (i-00124000000000000, i-00124000000000002)
"""

FAILING = """\
web production (eu-central-1, account 123456789012)

serving    ✖ r000124, 0 of 3 members healthy
           version 1.4.0, image ami-00000000000000124, for 3d
in flight  none
rollback   ami-pipeline rollback -e production: a new release of r000123's image (version 1.3.0),
           takes about 3m 32s, as the last promote did

production
├── web-elb  classic       3 InService
├── web-tg   target group  3 unhealthy
└── ✖ r000124  serving  1.4.0  ami-00000000000000124  3 of 3
    └── ✖ 3 unhealthy in web-tg: Target.FailedHealthChecks: Health checks failed with these codes:
          [502]; healthy in web-elb (i-00124000000000000, i-00124000000000001, i-00124000000000002)

next       ami-pipeline rollback -e production
"""

INTERRUPTED = """\
web production (eu-central-1, account 123456789012)

serving    ✔ r000124, 3 of 3 members healthy
           version 1.4.0, image ami-00000000000000124, for 3d
in flight  ✖ interrupted in attach: promote r000125 (1.5.0, ami-00000000000000125), replacing
           r000124, by ada on ci-7, https://github.example/web/runs/9, began 5m ago
rollback   ami-pipeline abort -e production: restores r000124

production
├── web-elb  classic       4 InService, 1 OutOfService
├── web-tg   target group  3 healthy
├── ✔ r000124  serving                         1.4.0  ami-00000000000000124  3 of 3
│   └── ✔ 3 healthy in web-elb, web-tg (i-00124000000000000, i-00124000000000001,
│         i-00124000000000002)
└── ◌ r000125  green of the promote in flight  1.5.0  ami-00000000000000125  3 of 3
    ├── ◌ 1 OutOfService in web-elb: ELB: Instance registration is still in progress
    │     (i-00125000000000001)
    ├── ◌ 1 Pending (i-00125000000000002)
    └── ✔ 1 healthy in web-elb (i-00125000000000000)

next       ami-pipeline recover -e production
"""

NEEDS_ATTENTION = """\
web production (eu-central-1, account 123456789012)

serving    ✔ r000124, 3 of 3 members healthy
           version 1.4.0, image ami-00000000000000124, for 3d
in flight  ✖ needs attention in retire: promote r000124 (1.4.0, ami-00000000000000124), replacing
           r000123, by ada on ci-7, https://github.example/web/runs/9, began 5m ago
reason     retire: r000123 still has 1 member: Terminating:Wait

production
├── web-elb  classic       3 InService
├── web-tg   target group  3 healthy
├── ✔ r000124  serving   1.4.0  ami-00000000000000124  3 of 3
│   └── ✔ 3 healthy in web-elb, web-tg (i-00124000000000000, i-00124000000000001,
│         i-00124000000000002)
└── ▾ r000123  detached  1.3.0  ami-00000000000000123  1 of 0, Delete in progress
    └── ▾ 1 Terminating:Wait (i-00123000000000000)

next       ami-pipeline recover -e production
"""

UNKNOWN_GROUP = """\
web production (eu-central-1, account 123456789012)

serving    ✔ r000124, 3 of 3 members healthy
           version 1.4.0, image ami-00000000000000124, for 3d
warning    ✖ web-production-r000121 receives traffic from web-elb
in flight  none
rollback   none: r000124 is the first release

production
├── web-elb  classic       6 InService
├── web-tg   target group  3 healthy
├── ✔ r000124                 serving                     1.4.0  ami-00000000000000124  3 of 3
│   └── ✔ 3 healthy in web-elb, web-tg (i-00124000000000000, i-00124000000000001,
│         i-00124000000000002)
├── ○ r000123                 failed, kept for debugging  1.3.0  ami-00000000000000123  3 of 3
│   └── ○ 3 in service, not a target (i-00123000000000000, i-00123000000000001,
│         i-00123000000000002)
└── ? web-production-r000121  not in the document         1.1.0  ami-00000000000000121  3 of 3
    └── ✔ 3 healthy in web-elb (i-00121000000000000, i-00121000000000001, i-00121000000000002)

next       ami-pipeline abort -e production
"""

UNREADABLE = """\
web production (eu-central-1, account 123456789012)

serving    ? r000124, its group is unreadable
           version 1.4.0, image ami-00000000000000124, for 3d
in flight  none
lease      ada on ci-7 since 03:07:00+00:00
rollback   ami-pipeline rollback -e production: a new release of r000123's image (version 1.3.0),
           takes minutes
error      DescribeAutoScalingGroups: Throttling: Rate exceeded

production
├── web-elb  classic       unreadable
├── web-tg   target group  unreadable
└── ? r000124  serving  1.4.0  ami-00000000000000124
    └── its group is unreadable, see above

next       ami-pipeline doctor -e production
"""

PAUSED = """\
web production (eu-central-1, account 123456789012)

serving    ✔ r000123, 3 of 3 members healthy
           version 1.3.0, image ami-00000000000000123, for 3d
in flight  · paused before drain: promote r000124 (1.4.0, ami-00000000000000124), replacing r000123,
           by ann (GitHub Actions), https://github.example/web/runs/9, began 5m ago
paused     before drain since 03:09:34+00:00 by ann (GitHub Actions), until 2026-01-05
           03:09:34+00:00, then abort
rollback   ami-pipeline abort -e production: restores r000123

production
├── web-elb  classic       6 InService
├── web-tg   target group  6 healthy
├── ✔ r000123  serving                         1.3.0  ami-00000000000000123  3 of 3
│   └── ✔ 3 healthy in web-elb, web-tg (i-00123000000000000, i-00123000000000001,
│         i-00123000000000002)
└── ✔ r000124  green of the promote in flight  1.4.0  ami-00000000000000124  3 of 3
    └── ✔ 3 healthy in web-elb, web-tg (i-00124000000000000, i-00124000000000001,
          i-00124000000000002)

next       ami-pipeline resume -e production
"""

TEXTS = {
    "nothing": NOTHING,
    "serving": SERVING,
    "in_flight": IN_FLIGHT,
    "warm": WARM,
    "unhealthy": UNHEALTHY,
    "failing": FAILING,
    "interrupted": INTERRUPTED,
    "paused": PAUSED,
    "needs_attention": NEEDS_ATTENTION,
    "unknown_group": UNKNOWN_GROUP,
    "unreadable": UNREADABLE,
}


@pytest.mark.parametrize("example", EXAMPLES)
def test_the_text_of_a_status(example: str) -> None:
    assert status_text(EXAMPLES[example](), NOW) + "\n" == TEXTS[example]


@pytest.mark.parametrize("width", [100, 72])
@pytest.mark.parametrize("example", EXAMPLES)
def test_no_line_is_wider_than_the_terminal(example: str, width: int) -> None:
    lines = status_text(EXAMPLES[example](), NOW, width).splitlines()
    columns = [line for line in lines if "ami-0" in line and line[0] in "├└"]
    assert max(len(line) for line in lines if line not in columns) <= width


def test_a_failed_deployment_is_shown_until_a_later_one_begins() -> None:
    failed = Deployment(
        id="20260103T093000Z-4f2a",
        kind=Kind.PROMOTE,
        environment="production",
        green="r000125",
        blue="r000124",
        began="2026-01-03T09:30:00Z",
        ended="2026-01-03T09:40:00Z",
        by=Runner(user="ada", host="ci-7", pid=1),
        outcome=Outcome(result=Result.ROLLED_BACK, reason="unhealthy"),
    )
    row = (
        "\nlatest     promote r000125, replacing r000124: rolled back "
        f"{age(failed.ended, NOW)} ago; see: ami-pipeline report 20260103T093000Z-4f2a\n"
    )
    assert row in status_text(replace(serving(), latest=failed), NOW, width=300)
    promoted = replace(failed, outcome=Outcome(result=Result.PROMOTED))
    assert "latest" not in status_text(replace(serving(), latest=promoted), NOW)
    assert "latest" not in status_text(replace(in_flight(), latest=failed), NOW)


def test_icons_become_letters_in_other_encodings() -> None:
    text = drawable(status_text(unhealthy(), NOW), "ascii")
    assert text.isascii()
    assert "    |-- x 1 unhealthy in web-tg" in text
    assert drawable("✔", "utf-8") == "✔"
    assert drawable("✔", None) == "✔"
    assert drawable("✔", "no such encoding") == "+"


@pytest.mark.parametrize(
    ("until", "role"),
    [
        (NEXT, "warm until the next promotion"),
        ("2026-01-04T03:11:00+00:00", "warm, expired"),
        ("soon", "warm"),
        ("", "detached"),
    ],
)
def test_a_warm_group_says_for_how_long(until: str, role: str) -> None:
    assert f"r000123  {role}  " in status_text(warm(until), NOW)


def test_a_serving_group_that_is_not_attached_everywhere_is_unhealthy() -> None:
    status = a_status(environment(record(124)), observation(group(124, ("web-elb",))))
    assert "serving    ✖ r000124, not attached to web-tg, 0 of 3" in status_text(status, NOW)
    assert "3 not a target of web-tg; healthy in web-elb" in status_text(status, NOW)


def test_a_deleted_group_is_reported() -> None:
    text = status_text(a_status(environment(record(124)), observation()), NOW)
    assert "serving    ✖ r000124, its group does not exist" in text
    assert "    └── its group does not exist" in text


def test_a_group_without_enough_members_is_starting() -> None:
    status = a_status(environment(record(124)), observation(group(124, BOTH, desired=4)))
    assert "serving    ◌ r000124, 3 of 4 members healthy" in status_text(status, NOW)


def test_many_members_are_counted_and_some_are_listed() -> None:
    many = group(124, BOTH)
    some = tuple(replace(many.members[0], id=instance(124, index)) for index in range(40))
    status = a_status(
        environment(record(124)), observation(replace(many, members=some, desired=40))
    )
    assert "40 healthy in web-elb, web-tg" in status_text(status, NOW)
    assert "and 34 more)" in status_text(status, NOW, 200)


def test_targets_without_a_group_are_listed() -> None:
    seen = observation(group(124, BOTH))
    status = a_status(environment(record(124)), replace(seen, groups={}))
    assert "3 healthy; not in a group below: i-00124000000000000, " in status_text(status, NOW)


def test_aws_texts_cannot_add_lines() -> None:
    odd = "x\n::error::bad\x1b[31m"
    text = status_text(
        a_status(environment(record(124, version=odd)), observation(unreadable=(odd,))), NOW
    )
    assert "\x1b" not in text
    assert not any(line.startswith("::") for line in text.splitlines())


ABORT = "ami-pipeline abort -e production"


@pytest.mark.parametrize(
    ("phase", "line"),
    [
        ("drain", f"rollback   cancel its CI job, then {ABORT}: restores r000124"),
        ("retire", ""),
        ("detach", ""),
    ],
)
def test_the_rollback_of_a_deployment_in_flight_depends_on_its_phase(phase: str, line: str) -> None:
    status = in_flight()
    running = status.environment.deployment
    assert running is not None
    document = replace(status.environment, deployment=replace(running, phase=phase))
    lines = status_text(replace(status, environment=document), NOW).splitlines()
    assert [each for each in lines if each.startswith("rollback")] == ([line] if line else [])


def test_a_remote_run_counts_as_running_until_its_lease_expires() -> None:
    status = in_flight()
    rows = {
        left: [
            line
            for line in status_text(then, NOW).splitlines()
            if line.startswith(("in flight", "lease", "next"))
        ]
        for left, then in (
            (41, at_expiry(status, "2026-01-04T03:12:41+00:00")),
            (0, at_expiry(status, "2026-01-04T03:12:00+00:00")),
        )
    }
    running = "promote r000125 (1.5.0, ami-00000000000000125), replacing"
    assert rows == {
        41: [
            f"in flight  ▸ in attach: {running} r000124, by ada on",
            "lease      expires in 41s unless renewed; then: ami-pipeline recover -e production",
        ],
        0: [
            f"in flight  ✖ interrupted in attach: {running}",
            "next       ami-pipeline recover -e production",
        ],
    }


def at_expiry(status: Status, expires: str) -> Status:
    document = replace(status.environment, lease=a_lease(expires))
    return replace(status, environment=document, running=is_running(document, NOW))


@pytest.mark.parametrize(
    ("example", "command"),
    [
        ("nothing", "ami-pipeline promote -e production"),
        ("serving", ""),
        ("in_flight", ""),
        ("unhealthy", ""),
        ("failing", "ami-pipeline rollback -e production"),
        ("interrupted", "ami-pipeline recover -e production"),
        ("paused", "ami-pipeline resume -e production"),
        ("needs_attention", "ami-pipeline recover -e production"),
        ("unreadable", "ami-pipeline doctor -e production"),
    ],
)
def test_there_is_at_most_one_next_command(example: str, command: str) -> None:
    assert next_step(EXAMPLES[example]()) == command


def test_the_document_contains_every_fact() -> None:
    document = status_document(warm(), NOW)
    assert (document["serving"], document["health"]) == ("r000124", "3 of 3 members healthy")
    assert document["rollback"] == {
        "mode": "warm",
        "release": "r000123",
        "ami_id": image(123),
        "version": "1.3.0",
        "quarantined": False,
        "last_seconds": 21.4,
        "last_kind": "rollback",
        "seconds_left": 1680.0,
        "reason": None,
    }
    first, second = document["releases"]
    assert (first["release"], first["role"]) == ("r000124", "serving")
    assert second["group"]["attached"] == []
    assert first["group"]["members"][1] == {
        "id": instance(124, 1),
        "lifecycle": "InService",
        "health": "Healthy",
        "zone": "",
        "targets": [
            {"load_balancer": name, "state": state, "reason": None, "description": None}
            for name, state in (("web-elb", "InService"), ("web-tg", "healthy"))
        ],
    }


@pytest.mark.parametrize("example", EXAMPLES)
def test_every_example_has_a_document(example: str) -> None:
    assert as_json(status_document(EXAMPLES[example](), NOW)).startswith('{\n  "app": "web",')


def test_the_document_contains_the_problems() -> None:
    assert status_document(nothing(), NOW)["health"] is None
    assert status_document(serving(), NOW)["in_flight"] is None
    assert status_document(in_flight(), NOW)["in_flight"]["running"] is True
    assert status_document(in_flight(), NOW)["lease"]["user"] == "ada"
    assert status_document(needs_attention(), NOW)["next"] == "ami-pipeline recover -e production"
    (unknown,) = status_document(unknown_group(), NOW)["unknown_groups"]
    assert (unknown["name"], unknown["attached"]) == ("web-production-r000121", ["web-elb"])
    read = status_document(unreadable(), NOW)
    assert read["unreadable"] == ["DescribeAutoScalingGroups: Throttling: Rate exceeded"]
    assert [each["targets"] for each in read["load_balancers"]] == [None, None]


def test_an_unknown_account_is_left_out() -> None:
    status = nothing()
    unknown = replace(status, environment=replace(status.environment, account=""))
    assert status_text(unknown, NOW).splitlines()[0] == "web production (eu-central-1)"


# --- the serving group was deleted outside ami-pipeline -------------------------------------------

DELETED = """\
web production (eu-central-1, account 123456789012)

serving    ✖ r000124, its group does not exist
           version 1.4.0, image ami-00000000000000124, for 3d
in flight  none
rollback   none: r000124 is the first release
"""
PROMOTE = "next       ami-pipeline promote -e production --image "


def without(*groups: ObservedGroup, **changes: Any) -> Status:
    known = changes.pop("known", (record(124),))
    return a_status(environment(*known, **changes), observation(*groups))


def next_rows(status: Status) -> list[str]:
    lines = status_text(status, NOW).splitlines()
    return [line for line in lines if line.startswith("next ")]


def test_after_a_deletion_the_image_of_the_serving_release_is_promoted() -> None:
    assert status_text(without(), NOW).startswith(DELETED)
    assert next_rows(without()) == [PROMOTE + image(124)]


def test_after_a_deletion_a_warm_group_is_rolled_back_to() -> None:
    warm = {"known": (record(124), record(123, warm_until=NEXT)), "retired": (retired(123),)}
    assert next_rows(without(group(123), **warm)) == [
        "next       ami-pipeline rollback -e production"
    ]
    assert next_rows(without(**warm)) == [PROMOTE + image(124)]


def test_a_group_that_is_being_deleted_does_not_serve() -> None:
    deleting = without(group(124, BOTH, status="Delete in progress"))
    assert next_rows(deleting) == [PROMOTE + image(124)]
    assert "✖ r000124, its group is being deleted (Delete in progress)" in status_text(
        deleting, NOW
    )


def test_without_a_serving_release_the_last_good_image_is_promoted() -> None:
    empty = without(known=(), serving="", retired=(retired(124, quarantined=True), retired(123)))
    assert next_rows(empty) == [PROMOTE + image(123)]
    assert "serving    ✖ no release" in status_text(empty, NOW)


def test_one_command_restores_service_after_both_groups_were_deleted() -> None:
    interrupted = replace(a_deployment(outcome=None, ended="", green="r000125", blue="r000124"))
    both = replace(interrupted, phase="soak")
    lost = without(known=(record(124), record(125)), deployment=both)
    assert next_rows(lost) == [PROMOTE + image(124)]
    assert "rollback " not in status_text(lost, NOW)
    green = without(group(125, BOTH), known=(record(124), record(125)), deployment=both)
    assert next_rows(green) == ["next       ami-pipeline recover -e production"]


def test_an_unreadable_group_does_not_count_as_deleted() -> None:
    unread_status = a_status(environment(record(124)), observation(unreadable=("Throttling",)))
    assert next_rows(unread_status) == ["next       ami-pipeline doctor -e production"]


# --- after an interruption in each phase ----------------------------------------------------------

LOCAL = replace(ADA, run="", host="laptop")


def interrupted_in(
    phase: str, blue: tuple[str, ...], green: tuple[str, ...], **changes: Any
) -> Status:
    """Return the status after a promotion was interrupted; each group has its attachments."""
    deployment = a_deployment(
        green="r000125",
        blue="r000124",
        version="1.5.0",
        image=image(125),
        ended="",
        outcome=None,
        phase=phase,
        by=LOCAL,
    )
    deployment = replace(deployment, **changes)
    document = environment(record(124), record(125, version="1.5.0"), deployment=deployment)
    if phase == "retire" and deployment.kind is Kind.PROMOTE:
        document = document.promoted(deployment, keep=None, today=NOW.isoformat())
    seen = observation(group(124, blue), group(125, green))
    return a_status(document, seen, running=False)


def rows_of(status: Status) -> dict[str, str]:
    """Return the rows beside the tree by their names, each on one line."""
    rows: dict[str, str] = {}
    name = ""
    _, above, _, *below = status_text(status, NOW, 300).split("\n\n")
    for line in "\n".join([above, *below]).splitlines():
        name = line[:11].strip() or f"{name}+"
        rows[name] = line[11:]
    return rows


OLD = ("✔ r000124, 3 of 3 members healthy", "version 1.4.0, image ami-00000000000000124, for 3d")
OVER = (
    "✔ r000125, 3 of 3 members healthy; r000124 is detached",
    "version 1.5.0, image ami-00000000000000125, for 3d",
)
BACK = "ami-pipeline abort -e production: restores r000124"


@pytest.mark.parametrize(
    ("phase", "blue", "green", "serving", "back"),
    [
        ("", BOTH, (), OLD, BACK),
        ("launch", BOTH, (), OLD, BACK),
        ("verify", BOTH, (), OLD, BACK),
        ("attach", BOTH, BOTH[:1], OLD, BACK),
        ("soak", BOTH, BOTH, OLD, BACK),
        ("drain", (), BOTH, OVER, BACK),
        ("observe", (), BOTH, OVER, BACK),
        ("reattach", BOTH, BOTH, OLD, None),
        ("detach", BOTH, BOTH, OLD, None),
        ("delete", BOTH, (), OLD, None),
    ],
)
def test_the_serving_release_after_an_interruption_is_the_one_with_the_traffic(
    phase: str,
    blue: tuple[str, ...],
    green: tuple[str, ...],
    serving: tuple[str, str],
    back: str | None,
) -> None:
    rows = rows_of(interrupted_in(phase, blue, green))
    assert (rows["serving"], rows["serving+"]) == serving
    where = f"interrupted in {phase}" if phase else "interrupted before its first phase"
    assert rows["in flight"] == (
        f"✖ {where}: promote r000125 (1.5.0, ami-00000000000000125), replacing r000124, "
        "by ada on laptop, began 5m ago"
    )
    assert rows.get("rollback") == back
    assert rows["next"] == "ami-pipeline recover -e production"


def test_a_deleted_image_of_the_serving_release_is_a_warning() -> None:
    rows = rows_of(replace(serving(), images=ImageStates(gone=frozenset({image(124)}))))
    assert rows["serving"] == "✔ r000124, 3 of 3 members healthy"
    assert rows["warning"] == (
        "✖ image ami-00000000000000124 does not exist: Auto Scaling cannot start an instance"
    )


def test_the_remedy_of_an_error_has_a_line_before_the_next_command() -> None:
    status = needs_attention()
    deployment = status.environment.deployment
    assert deployment
    assert deployment.outcome
    outcome = replace(deployment.outcome, remedy="read terraform.log")
    document = replace(status.environment, deployment=replace(deployment, outcome=outcome))
    rows = rows_of(replace(status, environment=document))
    assert (rows["remedy"], rows["next"]) == (
        "read terraform.log",
        "ami-pipeline recover -e production",
    )


def test_a_promoted_green_serves() -> None:
    rows = rows_of(interrupted_in("retire", (), BOTH))
    assert rows["serving"] == "✔ r000125, 3 of 3 members healthy"
    assert "rollback" not in rows
    assert rows["next"] == "ami-pipeline recover -e production"


def test_the_tree_shows_detached_groups_as_detached() -> None:
    lines = status_text(interrupted_in("observe", (), BOTH), NOW).splitlines()
    assert any(each.startswith("├── ○ r000124  blue of the promote in flight") for each in lines)
    assert any(each.startswith("└── ✔ r000125  green of the promote in flight") for each in lines)


def test_a_serving_group_without_traffic_is_reported() -> None:
    rows = rows_of(interrupted_in("reattach", (), ()))
    assert rows["serving"] == "✖ r000124, not attached to web-elb, web-tg, 0 of 3 members healthy"


def test_an_interrupted_removal_says_its_request() -> None:
    rows = rows_of(interrupted_in("retire", BOTH, (), kind=Kind.ABORT, version="", image=""))
    assert rows["in flight"] == (
        "✖ interrupted in retire: remove r000125, which failed and was kept for debugging, "
        "by ada on laptop, began 5m ago"
    )
    assert rows["next"] == "ami-pipeline recover -e production"


@pytest.mark.parametrize(
    ("made", "lines"),
    [
        (
            False,
            [
                "└── ○ r000125  green of the promote in flight",
                "    └── its group is not created yet",
            ],
        ),
        (
            True,
            ["└── ✖ r000125  green of the promote in flight", "    └── its group does not exist"],
        ),
    ],
)
def test_a_group_that_was_never_created_does_not_count_as_deleted(
    made: bool, lines: list[str]
) -> None:
    status = interrupted_in("launch", BOTH, ())
    document = status.environment.with_release(record(125, version="1.5.0", made=made))
    seen = replace(status, environment=document, observation=observation(group(124, BOTH)))
    assert [
        each[: len(line)]
        for each, line in zip(status_text(seen, NOW).splitlines()[-4:-2], lines, strict=True)
    ] == lines


# --- no check mark for what AWS does not show -----------------------------------------------------


def serving_row(status: Status) -> str:
    return rows_of(status)["serving"]


def test_a_health_that_was_not_read_is_unknown() -> None:
    seen = replace(observation(group(124, BOTH)), targets={}, unreadable=("Throttling",))
    text = "? r000124, its health in web-elb, web-tg is unreadable"
    assert serving_row(a_status(environment(record(124)), seen)) == text
    assert "✔" not in status_text(a_status(environment(record(124)), seen), NOW)


def test_without_its_only_load_balancer_a_release_does_not_serve() -> None:
    detached = group(124, ())
    seen = observation(detached, targets={})
    status = a_status(environment(record(124)), seen, balancers=(), absent=(ELB,))
    assert serving_row(status) == "✖ r000124, web-elb does not exist"
    text = status_text(status, NOW)
    assert "├── web-elb  classic  does not exist" in text
    assert "✔" not in text
    assert text.endswith("next       aws elb describe-load-balancers --region eu-central-1")
    (balancer,) = status_document(status, NOW)["load_balancers"]
    assert (balancer["name"], balancer["exists"]) == ("web-elb", False)


def test_a_service_that_was_scaled_to_zero_is_not_unhealthy() -> None:
    empty = group(124, BOTH, desired=0, minimum=0, members=())
    status = a_status(environment(record(124)), observation(empty))
    assert serving_row(status) == "○ r000124, scaled to zero: 0 instances"


def test_an_unmanaged_group_is_shown_if_it_receives_the_traffic() -> None:
    other = replace(group(121, ("web-elb",)), name="legacy", tags={})
    status = a_status(environment(serving=""), observation(other))
    rows = rows_of(status)
    assert rows["serving"] == "○ no managed release"
    assert rows["warning"] == "✖ legacy receives traffic from web-elb"
    assert "└── ? legacy  not managed by ami-pipeline" in status_text(status, NOW)


@pytest.mark.parametrize(
    ("images", "row"),
    [
        (
            ImageStates(quarantined=frozenset({image(123)})),
            (
                "ami-pipeline rollback -e production --to r000123 --allow-quarantined: a new "
                "release of r000123's image (version 1.3.0), takes minutes; the image is "
                "quarantined"
            ),
        ),
        (
            ImageStates(gone=frozenset({image(123)})),
            f"none: the only earlier image ({image(123)} of r000123) is not available",
        ),
    ],
)
def test_the_rollback_row_offers_only_what_is_possible(images: ImageStates, row: str) -> None:
    document = environment(record(124), retired=(retired(123),))
    option = rollback_option(document, (), NOW, images=images)
    status = a_status(document, observation(group(124, BOTH)), rollback=option)
    assert rows_of(status)["rollback"] == row


SHOP = "arn:aws:elasticloadbalancing:eu-central-1:123456789012:targetgroup/shop/0123456789abcdef"


def test_traffic_that_the_configuration_does_not_name_is_reported_of_every_group() -> None:
    document = environment(record(124), record(123, warm_until=NEXT), retired=(retired(123),))
    seen = observation(group(124, (*BOTH, SHOP)), group(123, ("old-web",)))
    text = " ".join(status_text(a_status(document, seen), NOW, 1000).split())
    assert (
        "warning ✖ web-production-r000123 receives traffic from load balancer old-web, which "
        "[environments.production] does not name; web-production-r000124 receives traffic from "
        "target group shop, which [environments.production] does not name"
    ) in text


def test_a_group_of_another_service_with_the_name_of_the_serving_one_does_not_serve() -> None:
    theirs = {"ami-pipeline:app": "web-production", "ami-pipeline:environment": "x"}
    seen = observation(group(124, BOTH, tags=theirs))
    text = status_text(a_status(environment(record(124)), seen), NOW)
    assert "serving    ✖ r000124, a group of web-production/x has its name" in text


CHANGED = (
    InputChange(name="instance_type", before="t3.small", after="t3.large"),
    InputChange(name="terraform.inputs.user_data", before=None, after="true"),
)


def test_a_configuration_that_differs_from_what_serves_is_shown_with_the_command() -> None:
    status = replace(serving(), changed=CHANGED)
    text = status_text(status, NOW, width=200)
    promote = f"ami-pipeline promote -e production --image {image(124)}"
    assert (
        "config     differs from r000124 in instance_type, terraform.inputs.user_data; "
        f"to apply it: {promote}\n"
    ) in text
    assert status_document(status, NOW)["configuration"][1]["after"] == "true"


def test_a_configuration_that_cannot_be_compared_says_why() -> None:
    status = replace(serving(), problem="[terraform] module: there is no folder m; fix")
    assert "config     [terraform] module: there is no folder m; fix\n" in status_text(status, NOW)


def test_the_next_command_after_a_pause_is_the_one_that_works() -> None:
    status, recover = paused(), "ami-pipeline recover -e production"
    assert next_step(replace(status, is_overdue=True)) == recover
    released = {
        name: replace(each, made=True) for name, each in status.environment.releases.items()
    }
    document = replace(status.environment, releases=released)
    green = status.observation.groups["web-production-r000124"]
    only = replace(status.observation, groups={green.name: green})
    lost = replace(status, environment=document, observation=only)
    assert next_step(lost) == "ami-pipeline abort -e production"


def test_the_document_has_the_pause() -> None:
    document = status_document(paused(), NOW)["in_flight"]
    assert (document["outcome"], document["running"]) == ("paused", False)
    assert document["actor"] == {"system": "GitHub Actions", "name": "ann"}
    assert document["pauses"] == [
        {
            "before": "drain",
            "since": "2026-01-04T03:09:34+00:00",
            "until": "2026-01-05T03:09:34+00:00",
            "on_timeout": "abort",
            "approval": "anyone",
            "ended": None,
            "decision": None,
            "approver": None,
            "reason": None,
        }
    ]


SIDES = [
    Balancer(
        kind="elbv2",
        identifier=f"arn:aws:elasticloadbalancing:eu-central-1:123456789012:targetgroup/web-{side}/1",
        name=f"web-{side}",
    )
    for side in "ab"
]
CANARY = """\
├── web-a  target group  3 healthy, 95 % of requests
├── web-b  target group  3 healthy, 5 % of requests
"""


def in_a_canary() -> Status:
    """A canary behind a pair: the new release gets 5 percent of the requests."""
    a, b = SIDES
    pair = Pair(rule="arn:rule", targets=(a, b), live=a)
    flying = in_flight().environment
    old, new = group(124, (a.identifier,)), group(125, (b.identifier,))
    document = environment(
        record(124, target_groups=(a.identifier,)),
        record(125, target_groups=(b.identifier,)),
        deployment=flying.deployment,
        lease=flying.lease,
    )
    seen = replace(
        observation(old, new),
        targets={
            side.identifier: {each.id: Target(id=each.id, state="healthy") for each in of.members}
            for side, of in ((a, old), (b, new))
        },
        weights={"arn:rule": {a.identifier: 95, b.identifier: 5}},
    )
    return a_status(document, seen, balancers=(a,), pairs=(pair,))


def test_a_canary_shows_the_share_of_each_target_group() -> None:
    text = status_text(in_a_canary(), NOW)
    assert CANARY in text
    assert "3 of 3 members healthy" in text
    shares = [each["share"] for each in status_document(in_a_canary(), NOW)["load_balancers"]]
    assert shares == [95, 5]


def test_a_group_that_a_removal_has_emptied_is_not_warm() -> None:
    left = record(125, removal="2026-01-04T03:10:00+00:00")
    document = environment(record(124), left, retired=(retired(125),))
    seen = observation(group(124, BOTH), replace(group(125), desired=0))
    assert "a new release of r000125's image" in status_text(a_status(document, seen), NOW, 200)


def test_a_removal_that_is_pending_is_shown_with_the_command_that_does_it() -> None:
    left = record(125, removal="2026-01-04T03:10:00+00:00")
    document = environment(record(124), left, retired=(retired(125, quarantined=True),))
    status = a_status(document, observation(group(124, BOTH), group(125)))
    assert (
        status_text(status, NOW, 80)
        == """\
web production (eu-central-1, account 123456789012)

serving    ✔ r000124, 3 of 3 members healthy
           version 1.4.0, image ami-00000000000000124, for 3d
in flight  none
removal    pending for 2m: r000125, which the next deployment removes first
rollback   ami-pipeline rollback -e production --to r000125 --allow-quarantined:
           r000125 (version 1.5.0) is warm and serves again in seconds; the
           image is quarantined

production
├── web-elb  classic       3 InService
├── web-tg   target group  3 healthy
├── ✔ r000124  serving          1.4.0  ami-00000000000000124  3 of 3
│   └── ✔ 3 healthy in web-elb, web-tg (i-00124000000000000,
│         i-00124000000000001, i-00124000000000002)
└── ○ r000125  removal pending  1.5.0  ami-00000000000000125  3 of 3
    └── ○ 3 in service, not a target (i-00125000000000000,
          i-00125000000000001, i-00125000000000002)

next       ami-pipeline recover -e production"""
    )
    found = status_document(status, NOW)
    assert found["removal_pending"] == ["r000125"]
    assert found["releases"][0]["removal_pending"] == "2026-01-04T03:10:00+00:00"
    assert found["releases"][1]["removal_pending"] is None
