"""Freezes in the answer of `freeze`, in a plan, in the status, and for all environments."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from pipeline.core.deploy.plan import PlanPreview
from pipeline.core.freezing.freeze import NOT_FROZEN, Freeze, FreezeState
from pipeline.core.hooks.policy import PolicyProgram
from pipeline.core.overview import Overview
from pipeline.core.state.deployment import Policy
from pipeline.ui.freezing.freezes import format_freezes, frozen_text, lifted_text
from pipeline.ui.housekeeping.overview import overview_document, overview_text
from pipeline.ui.plan import plan_document, plan_text
from pipeline.ui.status import status_text
from pipeline.ui.status_document import status_document
from tests.ui.status_examples import NOW, a_deployment, a_paused_deployment, serving

SALE = Freeze(
    why="sale\x1b[31m",
    since="2026-01-04T00:00:00+00:00",
    until="2026-01-06T08:00:00+00:00",
    by="ann on vm",
)
WEEKEND = Freeze(
    why="weekend",
    since="2026-01-02T16:00:00+00:00",
    until="2026-01-05T08:00:00+00:00",
    window="Fri 16:00 to Mon 08:00 UTC",
)
BOTH = FreezeState(active=(SALE, WEEKEND), free=SALE.until)
SHOWN = (
    "until 2026-01-06 08:00:00+00:00 by ann on vm: sale; until 2026-01-05 08:00:00+00:00 "
    "by pipeline.toml (Fri 16:00 to Mon 08:00 UTC): weekend"
)


def test_the_answer_says_what_a_freeze_means_for_what_is_in_flight() -> None:
    text = frozen_text("production", BOTH, a_deployment(outcome=None), NOW)
    assert (
        text
        == """\
production is frozen until 2026-01-06 08:00:00+00:00 by ann on vm: sale
production is frozen until 2026-01-05 08:00:00+00:00 by pipeline.toml \
(Fri 16:00 to Mon 08:00 UTC): weekend
promote, rebuild and resume are refused; rollback, recover and abort still work
promote 20260104T030700-7f3a is in flight: it continues to its end
to lift it: ami-pipeline unfreeze -e production"""
    )
    paused = frozen_text("production", BOTH, a_paused_deployment(), NOW)
    assert "is paused: it needs abort, or resume after the freeze\n" in paused


def test_what_is_lifted_and_what_is_left_is_shown() -> None:
    left = FreezeState(active=(WEEKEND,), free=WEEKEND.until)
    assert (
        lifted_text("production", left, (SALE,), NOW)
        == """\
lifted: the freeze until 2026-01-06 08:00:00+00:00 by ann on vm: sale
production is still frozen until 2026-01-05 08:00:00+00:00 by pipeline.toml \
(Fri 16:00 to Mon 08:00 UTC): weekend"""
    )


def test_the_status_has_the_freezes_or_the_next_one() -> None:
    frozen = replace(serving(), frozen=BOTH)
    assert f"\nfreeze     frozen {SHOWN}\n" in status_text(frozen, NOW, width=300)
    document = status_document(frozen, NOW)["freeze"]
    assert (document["frozen"], document["free"]) == (True, SALE.until)
    assert [each["window"] for each in document["freezes"]] == [None, WEEKEND.window]
    later = replace(serving(), frozen=FreezeState(following=WEEKEND))
    assert "\nfreeze     none; next from 2026-01-02 16:00:00+00:00 until 2026-01-05" in status_text(
        later, NOW, width=300
    )
    assert "freeze" not in status_text(serving(), NOW)
    assert status_document(serving(), NOW)["freeze"]["frozen"] is False


def test_freezes_that_follow_without_a_gap_are_one_to_a_reader() -> None:
    chain = FreezeState(active=(WEEKEND,), free="2026-01-05T20:00:00+00:00")
    end = "; more freezes follow until 2026-01-05 20:00:00+00:00"
    assert format_freezes(chain, NOW).endswith(f": weekend{end}")
    assert format_freezes(NOT_FROZEN, NOW) == ""


def test_all_environments_name_the_frozen_ones() -> None:
    found = [
        Overview(environment="production", status=replace(serving(), frozen=BOTH)),
        Overview(environment="staging", status=serving()),
    ]
    text = overview_text(found, NOW)
    assert f"\n\nproduction: frozen {SHOWN}\n\ndetails: " in text
    assert [each["freeze"]["frozen"] for each in overview_document(found, NOW)["environments"]] == [
        True,
        False,
    ]


def test_a_plan_says_whether_the_freeze_refuses_it_and_which_programs_decide() -> None:
    policy = PolicyProgram(command=("./check", "a b"), timeout=60.0)
    preview = PlanPreview(
        deployment=a_deployment(why="#812"),
        phases=(),
        policy=Policy(),
        frozen=replace(BOTH, active=(WEEKEND,), free=WEEKEND.until),
        policies=(policy,),
    )
    until = datetime.fromisoformat(WEEKEND.until).astimezone().isoformat(sep=" ")
    shown = f"frozen until {until} by pipeline.toml (Fri 16:00 to Mon 08:00 UTC): weekend"
    text = plan_text(preview, width=300)
    assert f"\nfreeze     {shown}; promote is refused\n" in text
    assert "\npolicies   ./check 'a b' (limit 1m)\n" in text
    document = plan_document(preview)
    assert (document["why"], document["override"]) == ("#812", None)
    assert (document["freeze"]["frozen"], document["policies"]) == (True, [["./check", "a b"]])
    overriding = replace(preview, deployment=a_deployment(override="until ..."))
    assert f"{shown}; --override-freeze ignores it\n" in plan_text(overriding, width=300)
    assert plan_document(overriding)["override"] == "until ..."
