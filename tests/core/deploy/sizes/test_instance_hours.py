from __future__ import annotations

from dataclasses import replace

from pipeline.core.changes.model import ExtraHours
from pipeline.core.deploy.sizes.instance_hours import Groups, extra_hours
from pipeline.core.pausing.pause import PausePolicy
from pipeline.core.state.deployment import Delays, Policy
from pipeline.core.state.strategy import Step, Strategy

WAITS = Policy(soak=600.0, observe=1800.0, keep=3600.0, delays=Delays(drain=300.0))
FOUR = Groups(old=4, new=4, ready=300.0)


def test_each_way_to_move_the_traffic_has_its_extra_instance_hours() -> None:
    """Four instances: 300 s to start, 600 s of soak, 300 s to drain, 1,800 s of observe."""
    steps = (Step(seconds=600.0, members=1), Step(seconds=600.0, members=2))
    weights = (Step(seconds=600.0, weight=10), Step(seconds=600.0, weight=50))
    batches = replace(WAITS, strategy=Strategy.BATCHES, min_healthy=50)
    table: dict[str, tuple[Policy, Groups, float, float]] = {
        "overlap": (WAITS, FOUR, 4 * 3000, 4 * 3600),
        "a smaller old group": (WAITS, replace(FOUR, old=1), 4 * 900 + 1 * 2100, 3600),
        "canary by members": (
            replace(WAITS, steps=steps),
            FOUR,
            300 + 600 + 1200 + 4 * 600 + 4 * 2100,
            4 * 3600,
        ),
        "canary by weight": (
            replace(WAITS, steps=weights),
            FOUR,
            4 * 300 + 4 * 1200 + 4 * 600 + 4 * 2100,
            4 * 3600,
        ),
        "batches of two": (batches, FOUR, 2 * 300 + 1 * 600 + 1 * 2100, 3600),
        "workers": (WAITS, replace(FOUR, worker=True), 4 * 900 + 4 * 300, 0),
    }
    found = {name: extra_hours(policy, groups) for name, (policy, groups, _, _) in table.items()}
    assert found == {
        name: ExtraHours(deployment=round(seconds / 3600, 4), warm=warm / 3600)
        for name, (_, _, seconds, warm) in table.items()
    }


def test_no_group_runs_beside_another_one_without_overlap_or_for_the_first_release() -> None:
    assert extra_hours(replace(WAITS, overlap=False), FOUR) == ExtraHours()
    assert extra_hours(WAITS, replace(FOUR, old=0)) == ExtraHours()


def test_what_is_not_counted_is_said() -> None:
    paused = replace(WAITS, pauses=PausePolicy(before=("drain",)))
    unknown = extra_hours(paused, replace(FOUR, ready=0.0)).unknown
    assert unknown == "without the launch of the new group and pauses"


def test_a_group_that_stays_is_counted_by_the_hour() -> None:
    kept = extra_hours(replace(WAITS, keep=None), FOUR)
    assert (kept.warm, kept.stays, kept.until) == (0.0, 4, "the next promotion")
    adopted = extra_hours(replace(WAITS, keep=0.0), replace(FOUR, adopted=True))
    assert (adopted.stays, adopted.until) == (4, "its owner deletes the adopted group")
