from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from pipeline.core.health.observation import ObservedGroup
from pipeline.core.state.deployment import Kind
from pipeline.core.state.environment import NEXT
from pipeline.core.state.status import Status, alive
from pipeline.ui.glyphs import drawable
from pipeline.ui.results import as_json
from pipeline.ui.status import status_text, todo
from pipeline.ui.status_document import status_document
from tests.ui.status_examples import (
    ADA,
    BOTH,
    NOW,
    SCENES,
    a_deployment,
    a_lease,
    a_status,
    environment,
    group,
    image,
    in_flight,
    instance,
    record,
    nothing,
    observation,
    retired,
    serving,
    sick,
    stranded,
    stranger,
    unread,
    warm,
)

NOTHING = """\
web production (eu-central-1, account 123456789012)

serving    ○ nothing
in flight  nothing
way back   none: nothing serves yet
now        ami-pipeline promote -e production

production
├── web-elb  classic       no targets
└── web-tg   target group  no targets
"""

SERVING = """\
web production (eu-central-1, account 123456789012)

serving    ✔ r000124, 3 of 3 members healthy
           version 1.4.0, image ami-00000000000000124, for 3 d
in flight  nothing
way back   none: r000124 is the first release that served

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
           version 1.4.0, image ami-00000000000000124, for 3 d
in flight  ▸ in attach: promote r000125 (1.5.0, ami-00000000000000125) in the place of r000124, by
           ada on ci-7, https://github.example/web/runs/9, began 5 min ago
lease      ends in 1 min 00 s unless renewed; then: ami-pipeline recover -e production
way back   cancel its job, then ami-pipeline abort -e production: it puts r000124 back

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
           version 1.4.0, image ami-00000000000000124, for 3 d
in flight  nothing
way back   ami-pipeline rollback -e production: r000123 (version 1.3.0) is warm: back in seconds;
           the last rollback took 21.4 s

production
├── web-elb  classic       3 InService
├── web-tg   target group  3 healthy
├── ✔ r000124  serving                    1.4.0  ami-00000000000000124  3 of 3
│   └── ✔ 3 healthy in web-elb, web-tg (i-00124000000000000, i-00124000000000001,
│         i-00124000000000002)
└── ○ r000123  warm for 28 min 00 s more  1.3.0  ami-00000000000000123  3 of 3
    └── ○ 3 in service, no target (i-00123000000000000, i-00123000000000001, i-00123000000000002)
"""

SICK = """\
web production (eu-central-1, account 123456789012)

serving    ✖ r000124, 2 of 3 members healthy
           version 1.4.0, image ami-00000000000000124, for 3 d
in flight  nothing
way back   ami-pipeline rollback -e production: a new release of r000123's image (version 1.3.0):
           takes minutes; the last promote took 3 min 32 s

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
           version 1.4.0, image ami-00000000000000124, for 3 d
in flight  nothing
way back   ami-pipeline rollback -e production: a new release of r000123's image (version 1.3.0):
           takes minutes; the last promote took 3 min 32 s
now        ami-pipeline rollback -e production

production
├── web-elb  classic       3 InService
├── web-tg   target group  3 unhealthy
└── ✖ r000124  serving  1.4.0  ami-00000000000000124  3 of 3
    └── ✖ 3 unhealthy in web-tg: Target.FailedHealthChecks: Health checks failed with these codes:
          [502]; healthy in web-elb (i-00124000000000000, i-00124000000000001, i-00124000000000002)
"""

DEAD = """\
web production (eu-central-1, account 123456789012)

serving    ✔ r000124, 3 of 3 members healthy
           version 1.4.0, image ami-00000000000000124, for 3 d
in flight  ✖ died in attach: promote r000125 (1.5.0, ami-00000000000000125) in the place of r000124,
           by ada on ci-7, https://github.example/web/runs/9, began 5 min ago
way back   ami-pipeline abort -e production: it puts r000124 back
now        ami-pipeline recover -e production

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

NEEDS_ATTENTION = """\
web production (eu-central-1, account 123456789012)

serving    ✔ r000124, 3 of 3 members healthy
           version 1.4.0, image ami-00000000000000124, for 3 d
in flight  ✖ stranded in retire: promote r000124 (1.4.0, ami-00000000000000124) in the place of
           r000123, by ada on ci-7, https://github.example/web/runs/9, began 5 min ago
reason     retire: r000123 still has 1 member: Terminating:Wait
now        ami-pipeline recover -e production

production
├── web-elb  classic       3 InService
├── web-tg   target group  3 healthy
├── ✔ r000124  serving  1.4.0  ami-00000000000000124  3 of 3
│   └── ✔ 3 healthy in web-elb, web-tg (i-00124000000000000, i-00124000000000001,
│         i-00124000000000002)
└── ▾ r000123  dark     1.3.0  ami-00000000000000123  1 of 0, Delete in progress
    └── ▾ 1 Terminating:Wait (i-00123000000000000)
"""

STRANGER = """\
web production (eu-central-1, account 123456789012)

serving    ✔ r000124, 3 of 3 members healthy
           version 1.4.0, image ami-00000000000000124, for 3 d
also       ✖ web-production-r000121 takes traffic from web-elb
in flight  nothing
way back   none: r000124 is the first release that served
now        when you have seen enough: ami-pipeline abort -e production

production
├── web-elb  classic       6 InService
├── web-tg   target group  3 healthy
├── ✔ r000124                 serving              1.4.0  ami-00000000000000124  3 of 3
│   └── ✔ 3 healthy in web-elb, web-tg (i-00124000000000000, i-00124000000000001,
│         i-00124000000000002)
├── ○ r000123                 failed, left dark    1.3.0  ami-00000000000000123  3 of 3
│   └── ○ 3 in service, no target (i-00123000000000000, i-00123000000000001, i-00123000000000002)
└── ? web-production-r000121  not in the document  1.1.0  ami-00000000000000121  3 of 3
    └── ✔ 3 healthy in web-elb (i-00121000000000000, i-00121000000000001, i-00121000000000002)
"""

UNREAD = """\
web production (eu-central-1, account 123456789012)

serving    ? r000124, its group could not be read
           version 1.4.0, image ami-00000000000000124, for 3 d
in flight  nothing
lease      held by ada on ci-7, for 1 min 00 s more
way back   ami-pipeline rollback -e production: a new release of r000123's image (version 1.3.0):
           takes minutes
not read   DescribeAutoScalingGroups: Throttling: Rate exceeded

production
├── web-elb  classic       could not be read
├── web-tg   target group  could not be read
└── ? r000124  serving  1.4.0  ami-00000000000000124
    └── its group was not seen, see above
"""

TEXTS = {
    "nothing": NOTHING,
    "serving": SERVING,
    "in_flight": IN_FLIGHT,
    "warm": WARM,
    "sick": SICK,
    "failing": FAILING,
    "dead": DEAD,
    "stranded": NEEDS_ATTENTION,
    "stranger": STRANGER,
    "unread": UNREAD,
}


@pytest.mark.parametrize("scene", SCENES)
def test_the_status_reads_so(scene: str) -> None:
    assert status_text(SCENES[scene](), NOW) + "\n" == TEXTS[scene]


@pytest.mark.parametrize("width", [100, 72])
@pytest.mark.parametrize("scene", SCENES)
def test_no_line_is_wider_than_asked(scene: str, width: int) -> None:
    lines = status_text(SCENES[scene](), NOW, width).splitlines()
    columns = [line for line in lines if "ami-0" in line and line[0] in "├└"]
    assert max(len(line) for line in lines if line not in columns) <= width


def test_where_icons_cannot_be_drawn_there_are_letters() -> None:
    text = drawable(status_text(sick(), NOW), "ascii")
    assert text.isascii()
    assert "    |-- x 1 unhealthy in web-tg" in text
    assert drawable("✔", "utf-8") == "✔"
    assert drawable("✔", None) == "✔"
    assert drawable("✔", "no such encoding") == "+"


@pytest.mark.parametrize(
    ("until", "role"),
    [
        (NEXT, "warm until the next promotion"),
        ("2026-01-04T03:11:00+00:00", "warm, its time is over"),
        ("soon", "warm"),
        ("", "dark"),
    ],
)
def test_a_group_that_is_kept_says_until_when(until: str, role: str) -> None:
    assert f"r000123  {role}  " in status_text(warm(until), NOW)


def test_a_group_that_serves_and_is_not_attached_everywhere_is_sick() -> None:
    status = a_status(environment(record(124)), observation(group(124, ("web-elb",))))
    assert "serving    ✖ r000124, not attached to web-tg, 0 of 3" in status_text(status, NOW)
    assert "3 not a target of web-tg; healthy in web-elb" in status_text(status, NOW)


def test_a_group_that_is_gone_is_told_so() -> None:
    text = status_text(a_status(environment(record(124)), observation()), NOW)
    assert "serving    ✖ r000124, its group does not exist" in text
    assert "    └── it has no group in AWS" in text


def test_a_group_that_is_short_of_members_waits() -> None:
    status = a_status(environment(record(124)), observation(group(124, BOTH, desired=4)))
    assert "serving    ◌ r000124, 3 of 4 members healthy" in status_text(status, NOW)


def test_many_members_are_counted_and_some_are_named() -> None:
    many = group(124, BOTH)
    some = tuple(replace(many.members[0], id=instance(124, index)) for index in range(40))
    status = a_status(environment(record(124)), observation(replace(many, members=some, desired=40)))
    assert "40 healthy in web-elb, web-tg" in status_text(status, NOW)
    assert "and 34 more)" in status_text(status, NOW, 200)


def test_targets_of_nobody_are_named() -> None:
    seen = observation(group(124, BOTH))
    status = a_status(environment(record(124)), replace(seen, groups={}))
    assert "3 healthy; in no group shown here: i-00124000000000000, " in status_text(status, NOW)


def test_what_aws_says_cannot_draw_a_line_of_its_own() -> None:
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
        ("drain", f"way back   cancel its job, then {ABORT}: it puts r000124 back"),
        ("retire", ""),
        ("detach", ""),
    ],
)
def test_the_way_back_out_of_a_deployment_is_that_of_its_phase(phase: str, line: str) -> None:
    status = in_flight()
    running = status.environment.deployment
    assert running is not None
    document = replace(status.environment, deployment=replace(running, phase=phase))
    lines = status_text(replace(status, environment=document), NOW).splitlines()
    assert [each for each in lines if each.startswith("way back")] == ([line] if line else [])


def test_a_run_that_died_elsewhere_is_waited_for_until_its_lease_ends_and_not_longer() -> None:
    status = in_flight()
    told = {
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
    running = "promote r000125 (1.5.0, ami-00000000000000125) in the place of r000124"
    assert told == {
        41: [
            f"in flight  ▸ in attach: {running}, by",
            "lease      ends in 41.0 s unless renewed; then: ami-pipeline recover -e production",
        ],
        0: [
            f"in flight  ✖ died in attach: {running},",
            "now        ami-pipeline recover -e production",
        ],
    }


def at_expiry(status: Status, expires: str) -> Status:
    document = replace(status.environment, lease=a_lease(expires))
    return replace(status, environment=document, alive=alive(document, NOW))


@pytest.mark.parametrize(
    ("scene", "command"),
    [
        ("nothing", "ami-pipeline promote -e production"),
        ("serving", ""),
        ("in_flight", ""),
        ("sick", ""),
        ("failing", "ami-pipeline rollback -e production"),
        ("dead", "ami-pipeline recover -e production"),
        ("stranded", "ami-pipeline recover -e production"),
        ("unread", ""),
    ],
)
def test_there_is_one_command_to_type_or_none(scene: str, command: str) -> None:
    assert todo(SCENES[scene]()) == command


def test_a_program_gets_every_fact() -> None:
    document = status_document(warm(), NOW)
    assert (document["serving"], document["health"]) == ("r000124", "3 of 3 members healthy")
    assert document["way_back"] == {
        "way": "warm",
        "release": "r000123",
        "ami_id": image(123),
        "version": "1.3.0",
        "last_seconds": 21.4,
        "measured": "rollback",
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


@pytest.mark.parametrize("scene", SCENES)
def test_every_scene_is_a_document(scene: str) -> None:
    assert as_json(status_document(SCENES[scene](), NOW)).startswith('{\n  "app": "web",')


def test_a_program_gets_what_is_not_as_it_should_be() -> None:
    assert status_document(nothing(), NOW)["health"] is None
    assert status_document(serving(), NOW)["in_flight"] is None
    assert status_document(in_flight(), NOW)["in_flight"]["alive"] is True
    assert status_document(in_flight(), NOW)["lease"]["user"] == "ada"
    assert status_document(stranded(), NOW)["next"] == "ami-pipeline recover -e production"
    (strange,) = status_document(stranger(), NOW)["unknown_groups"]
    assert (strange["name"], strange["attached"]) == ("web-production-r000121", ["web-elb"])
    read = status_document(unread(), NOW)
    assert read["not_read"] == ["DescribeAutoScalingGroups: Throttling: Rate exceeded"]
    assert [each["targets"] for each in read["load_balancers"]] == [None, None]


def test_an_account_that_nobody_knows_yet_is_not_told() -> None:
    status = nothing()
    unknown = replace(status, environment=replace(status.environment, account=""))
    assert status_text(unknown, NOW).splitlines()[0] == "web production (eu-central-1)"


# --- what served was deleted by somebody ----------------------------------------------------------

GONE = """\
web production (eu-central-1, account 123456789012)

serving    ✖ r000124, its group does not exist
           version 1.4.0, image ami-00000000000000124, for 3 d
in flight  nothing
way back   none: r000124 is the first release that served
now        ami-pipeline promote -e production --image ami-00000000000000124
"""
PROMOTE = "now        ami-pipeline promote -e production --image "


def without(*groups: ObservedGroup, **changes: Any) -> Status:
    known = changes.pop("known", (record(124),))
    return a_status(environment(*known, **changes), observation(*groups))


def now_of(status: Status) -> list[str]:
    lines = status_text(status, NOW).splitlines()
    return [line for line in lines if line.startswith("now ")]


def test_where_what_serves_is_gone_its_image_is_what_to_promote() -> None:
    assert status_text(without(), NOW).startswith(GONE)


def test_a_warm_group_that_is_there_is_the_quicker_way_out() -> None:
    warm = {"known": (record(124), record(123, warm_until=NEXT)), "retired": (retired(123),)}
    assert now_of(without(group(123), **warm)) == ["now        ami-pipeline rollback -e production"]
    assert now_of(without(**warm)) == [PROMOTE + image(124)]


def test_a_group_that_is_being_deleted_serves_no_more() -> None:
    going = without(group(124, BOTH, status="Delete in progress"))
    assert now_of(going) == [PROMOTE + image(124)]
    assert "✖ r000124, its group is being deleted (Delete in progress)" in status_text(going, NOW)


def test_where_nothing_serves_any_more_the_image_that_served_last_is_promoted() -> None:
    bereft = without(known=(), serving="", retired=(retired(124, quarantined=True), retired(123)))
    assert now_of(bereft) == [PROMOTE + image(123)]
    assert "serving    ✖ nothing" in status_text(bereft, NOW)


def test_where_both_groups_of_a_dead_run_are_gone_one_command_leads_out() -> None:
    dead = replace(a_deployment(outcome=None, ended="", green="r000125", blue="r000124"))
    both = replace(dead, phase="soak")
    lost = without(known=(record(124), record(125)), deployment=both)
    assert now_of(lost) == [PROMOTE + image(124)]
    assert "way back" not in status_text(lost, NOW)
    green = without(group(125, BOTH), known=(record(124), record(125)), deployment=both)
    assert now_of(green) == ["now        ami-pipeline recover -e production"]


def test_what_could_not_be_read_is_not_taken_for_gone() -> None:
    unread = a_status(environment(record(124)), observation(unreadable=("Throttling",)))
    assert now_of(unread) == []


# --- after a run that died in each of its phases --------------------------------------------------

LOCAL = replace(ADA, run="", host="laptop")


def died(phase: str, blue: tuple[str, ...], green: tuple[str, ...], **changes: Any) -> Status:
    """Return what is found where a promotion died: who is attached to what."""
    dead = a_deployment(
        green="r000125",
        blue="r000124",
        version="1.5.0",
        image=image(125),
        ended="",
        outcome=None,
        phase=phase,
        by=LOCAL,
    )
    dead = replace(dead, **changes)
    document = environment(record(124), record(125, version="1.5.0"), deployment=dead)
    if phase == "retire" and dead.kind is Kind.PROMOTE:
        document = document.promoted(dead, keep=None, today=NOW.isoformat())
    seen = observation(group(124, blue), group(125, green))
    return a_status(document, seen, alive=False)


def told(status: Status) -> dict[str, str]:
    """Return the rows above the tree by their names, each on one line."""
    rows: dict[str, str] = {}
    name = ""
    for line in status_text(status, NOW, 300).split("\n\n")[1].splitlines():
        name = line[:11].strip() or f"{name}+"
        rows[name] = line[11:]
    return rows


OLD = ("✔ r000124, 3 of 3 members healthy", "version 1.4.0, image ami-00000000000000124, for 3 d")
OVER = (
    "✔ r000125, 3 of 3 members healthy; r000124 is dark",
    "version 1.5.0, image ami-00000000000000125, for 3 d",
)
BACK = "ami-pipeline abort -e production: it puts r000124 back"


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
def test_who_serves_after_a_run_that_died_is_who_takes_the_traffic(
    phase: str,
    blue: tuple[str, ...],
    green: tuple[str, ...],
    serving: tuple[str, str],
    back: str | None,
) -> None:
    rows = told(died(phase, blue, green))
    assert (rows["serving"], rows["serving+"]) == serving
    where = f"died in {phase}" if phase else "died before its first phase"
    assert rows["in flight"] == (
        f"✖ {where}: promote r000125 (1.5.0, ami-00000000000000125) in the place of r000124, "
        "by ada on laptop, began 5 min ago"
    )
    assert rows.get("way back") == back
    assert rows["next"] == "ami-pipeline recover -e production"


def test_a_green_that_was_decided_for_serves() -> None:
    rows = told(died("retire", (), BOTH))
    assert rows["serving"] == "✔ r000125, 3 of 3 members healthy"
    assert "way back" not in rows
    assert rows["next"] == "ami-pipeline recover -e production"


def test_the_tree_calls_dark_who_is_dark() -> None:
    lines = status_text(died("observe", (), BOTH), NOW).splitlines()
    assert any(each.startswith("├── ○ r000124  blue of the promote in flight") for each in lines)
    assert any(each.startswith("└── ✔ r000125  green of the promote in flight") for each in lines)


def test_where_nobody_takes_traffic_nothing_is_glossed_over() -> None:
    rows = told(died("reattach", (), ()))
    assert rows["serving"] == "✖ r000124, not attached to web-elb, web-tg, 0 of 3 members healthy"


def test_a_removal_that_died_says_what_it_was_about() -> None:
    rows = told(died("retire", BOTH, (), kind=Kind.ABORT, version="", image=""))
    assert rows["in flight"] == (
        "✖ died in retire: remove r000125, which failed and was left for a look, "
        "by ada on laptop, began 5 min ago"
    )
    assert rows["next"] == "ami-pipeline recover -e production"


@pytest.mark.parametrize(
    ("made", "lines"),
    [
        (
            False,
            ["└── ○ r000125  green of the promote in flight", "    └── its group is not made yet"],
        ),
        (True, ["└── ✖ r000125  green of the promote in flight", "    └── it has no group in AWS"]),
    ],
)
def test_a_group_that_was_never_made_is_not_told_as_one_that_is_gone(
    made: bool, lines: list[str]
) -> None:
    status = died("launch", BOTH, ())
    document = status.environment.with_release(record(125, version="1.5.0", made=made))
    seen = replace(status, environment=document, observation=observation(group(124, BOTH)))
    assert [
        each[: len(line)]
        for each, line in zip(status_text(seen, NOW).splitlines()[-2:], lines, strict=True)
    ] == lines
