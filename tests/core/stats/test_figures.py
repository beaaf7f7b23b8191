"""The DORA figures: what each one counts, and from which moments."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from pipeline.core.changes.model import (
    Changes,
    CommitChange,
    ComparedImage,
    ImageChange,
    ListedCommit,
)
from pipeline.core.pausing.pause import Decision, Pause
from pipeline.core.state.deployment import (
    Deployment,
    Kind,
    Outcome,
    PhaseRun,
    Result,
    Runner,
)
from pipeline.core.stats.figures import Figures, Spread, figures_of
from pipeline.core.stats.timing import in_service, restored, restoring

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)
FORWARD = {"launch": 60, "verify": 5, "attach": 40, "soak": 30, "drain": 25, "observe": 60}
FORWARD |= {"retire": 80}
"""The seconds of each phase; 140 s come after the drain."""


def ago(**passed: float) -> str:
    return (NOW - timedelta(**passed)).isoformat()


def runs(phases: dict[str, int], fault: str = "") -> tuple[PhaseRun, ...]:
    return tuple(
        PhaseRun(name=name, seconds=float(seconds), fault="bad" if name == fault else "")
        for name, seconds in phases.items()
    )


def deployment(number: int, ended: str, **given: Any) -> Deployment:
    made = Deployment(
        id=f"d{number}",
        kind=Kind.PROMOTE,
        environment="production",
        green=f"r{number:06}",
        blue=f"r{number - 1:06}",
        began="2026-01-01T00:00:00+00:00",
        ended=ended,
        by=Runner(user="ann", host="vm", pid=1),
        phases=runs(FORWARD),
        outcome=Outcome(result=Result.PROMOTED),
    )
    return replace(made, **given)


BACK = {"launch": 60, "verify": 5, "attach": 40, "soak": 20, "reattach": 3, "detach": 20}


def failed(number: int, ended: str, **given: Any) -> Deployment:
    """A promotion whose soak failed: its release had traffic for 63 s."""
    outcome = Outcome(result=Result.ROLLED_BACK, phase="soak", reason="bad")
    return deployment(number, ended, phases=runs(BACK, "soak"), outcome=outcome, **given)


def figures(*history: Deployment, days: float = 14) -> Figures:
    return figures_of("production", history, NOW - timedelta(days=days), NOW)


def test_only_promotions_of_the_period_and_the_environment_count_as_deployments() -> None:
    found = figures(
        deployment(1, ago(days=15)),
        deployment(2, ago(days=13)),
        deployment(3, ago(days=3), kind=Kind.REBUILD),
        deployment(4, ago(days=2), environment="staging"),
        deployment(5, ago(days=1), kind=Kind.DRILL, outcome=Outcome(result=Result.PROVEN)),
        deployment(6, ago(days=1), kind=Kind.RETIRE),
        deployment(7, ago(hours=1), outcome=Outcome(result=Result.REFUSED)),
        deployment(8, "", outcome=None),
    )
    assert (found.deployments, found.per_week, found.counted, found.failed) == (2, 1.0, 2, 0)
    assert (found.failure_rate, found.restore) == (0.0, Spread())


def test_an_empty_history_has_no_rate() -> None:
    found = figures()
    assert (found.deployments, found.failure_rate, found.lead) == (0, None, Spread())


# --- lead time ------------------------------------------------------------------------------------


def brings(*dates: str, baked: str = "", before: str = "ami-1", after: str = "ami-2") -> Changes:
    commits = tuple(ListedCommit(id=date, subject="s", date=date) for date in dates)
    image = ImageChange(
        before=ComparedImage(id=before), after=ComparedImage(id=after, created=baked)
    )
    return Changes(image=image, commits=CommitChange(added=commits))


def test_the_lead_time_is_from_each_new_commit_until_all_traffic() -> None:
    ended = NOW.isoformat()
    changes = brings(ago(seconds=1140), ago(seconds=3740), "not a date", baked=ago(seconds=900))
    found = figures(deployment(2, ended, changes=changes))
    assert found.lead == Spread(count=2, median=2300.0, most=3600.0)
    assert found.bake == Spread()


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (brings(baked=ago(seconds=740)), Spread(count=1, median=600.0, most=600.0)),
        (brings(baked=ago(seconds=740), before="ami-2"), Spread()),  # it served already
        (brings(), Spread()),
        (None, Spread()),
    ],
)
def test_without_known_commits_it_is_from_the_bake_of_another_image(
    changes: Changes | None, expected: Spread
) -> None:
    found = figures(deployment(2, NOW.isoformat(), changes=changes))
    assert (found.lead, found.bake) == (Spread(), expected)


def test_nine_of_ten_are_within_the_second_figure() -> None:
    dates = [ago(seconds=140 + each) for each in range(1, 12)]
    lead = figures(deployment(2, NOW.isoformat(), changes=brings(*dates))).lead
    assert lead == Spread(count=11, median=6.0, most=10.0)


# --- failures and restoration ---------------------------------------------------------------------


def test_a_promotion_that_rolled_back_with_traffic_failed() -> None:
    stopped = Outcome(result=Result.ROLLED_BACK, interrupted=True)
    early = runs({"launch": 60, "verify": 5, "delete": 10}, "verify")
    found = figures(
        deployment(1, ago(days=9)),
        failed(2, ago(days=8)),
        replace(failed(3, ago(days=7)), outcome=stopped),
        replace(failed(4, ago(days=6)), phases=early),
        replace(failed(5, ago(days=5)), outcome=Outcome(result=Result.NEEDS_ATTENTION)),
    )
    assert (found.counted, found.failed, found.without_traffic) == (3, 2, 1)
    assert found.restore == Spread(count=2, median=63.0, most=63.0)


def test_an_attach_without_a_healthy_member_or_behind_a_pair_had_no_traffic() -> None:
    attach = runs({"launch": 60, "verify": 5, "attach": 40, "reattach": 3}, "attach")
    served = Outcome(result=Result.ROLLED_BACK, phase="attach", reason="bad")
    found = figures(
        deployment(1, ago(days=9), phases=attach, outcome=served),
        deployment(2, ago(days=8), phases=attach, outcome=replace(served, unserved=True)),
        deployment(3, ago(days=7), phases=attach, outcome=served, target_groups=("arn:tg/b",)),
    )
    assert (found.counted, found.failed, found.without_traffic) == (1, 1, 2)


def test_a_release_whose_retirement_needs_a_person_is_in_service() -> None:
    stuck = deployment(
        2,
        NOW.isoformat(),
        phases=runs(FORWARD, "retire"),
        outcome=Outcome(result=Result.NEEDS_ATTENTION, phase="retire"),
    )
    found = figures(stuck)
    assert (found.deployments, found.counted, found.failed) == (1, 1, 0)
    assert in_service(stuck) == NOW - timedelta(seconds=140)


WARM = runs({"reattach": 10, "drain": 20, "delete": 30})


def test_a_promotion_that_a_person_rolled_back_from_failed() -> None:
    back = deployment(
        1, ago(hours=1), kind=Kind.ROLLBACK, green="r000001", blue="r000002", phases=WARM
    )
    found = figures(deployment(2, ago(hours=3)), back, deployment(3, ago(minutes=5)))
    assert (found.deployments, found.counted, found.failed) == (2, 2, 1)
    # In service 140 s before the end of its record, and restored 50 s before that of the rollback.
    assert found.restore == Spread(count=1, median=7290.0, most=7290.0)
    assert figures(deployment(2, ago(days=20)), back).restore.count == 1
    refused = replace(back, outcome=Outcome(result=Result.REFUSED))
    assert figures(deployment(2, ago(hours=3)), refused).failed == 0


def test_a_release_that_serves_again_after_a_rollback_may_fail_again() -> None:
    def back(ended: str, green: int, blue: int) -> Deployment:
        names = {"green": f"r{green:06}", "blue": f"r{blue:06}"}
        return deployment(9, ended, kind=Kind.ROLLBACK, phases=WARM, **names)

    history = [
        deployment(1, ago(hours=9)),
        deployment(2, ago(hours=8)),
        back(ago(hours=7), 1, 2),
        back(ago(hours=6), 2, 1),
    ]
    assert figures(*history).failed == 2


# --- moments --------------------------------------------------------------------------------------


def test_a_pause_is_part_of_the_phases_that_it_separates() -> None:
    pause = Pause(
        before="retire", since=ago(hours=2), until=ago(hours=1), ended=ago(hours=1)
    ).decided(Decision.RESUMED, ago(hours=1))
    paused = deployment(2, NOW.isoformat(), pauses=(pause,))
    assert in_service(paused) == NOW - timedelta(seconds=140, hours=1)


def test_a_deployment_that_put_nothing_into_service_has_no_such_moment() -> None:
    bad = failed(2, NOW.isoformat())
    assert (in_service(bad), restored(bad)) == (None, None)
    unrestored = replace(bad, phases=runs(BACK, "reattach"))
    assert restoring(unrestored) is None
    assert restoring(deployment(2, NOW.isoformat())) is None
    assert restoring(bad) == 63.0


def test_a_cold_rollback_restores_once_its_release_has_all_traffic() -> None:
    cold = deployment(3, NOW.isoformat(), kind=Kind.ROLLBACK)
    assert restored(cold) == NOW - timedelta(seconds=140)
