"""The checks of `doctor` for one environment."""

from __future__ import annotations

import pytest

from pipeline.app.environment.checkup import removal_check, service_check
from pipeline.core.doctor import Check, Grade
from pipeline.core.health.observation import ObservedGroup
from tests.ui.status_examples import BOTH, a_status, environment, group, observation, record


def check(*groups: ObservedGroup) -> Check:
    return service_check(a_status(environment(record(124)), observation(*groups)))


def test_a_release_that_serves_passes() -> None:
    found = Check(name="production: service", what="r000124, 3 of 3 members healthy")
    assert check(group(124, BOTH)) == found


@pytest.mark.parametrize(
    ("groups", "grade", "what", "remedy"),
    [
        (
            (),
            Grade.PROBLEM,
            "r000124, its group does not exist",
            "ami-pipeline promote -e production --image ami-00000000000000124",
        ),
        (
            (group(124, BOTH, minimum=0, desired=0, members=()),),
            Grade.ADVICE,
            "r000124, scaled to zero: 0 instances",
            "aws autoscaling update-auto-scaling-group",
        ),
        (
            (group(124, BOTH[:1]),),
            Grade.PROBLEM,
            "r000124, not attached to web-tg, 0 of 3 members healthy",
            "aws autoscaling attach-traffic-sources",
        ),
    ],
)
def test_a_release_that_does_not_serve_has_the_next_command_of_status(
    groups: tuple[ObservedGroup, ...], grade: Grade, what: str, remedy: str
) -> None:
    found = check(*groups)
    assert (found.grade, found.what) == (grade, what)
    assert found.remedy.startswith(remedy)


def test_a_removal_that_is_pending_is_advice_with_the_command_that_does_it() -> None:
    left = record(125, removal="2026-01-04T03:10:00+00:00")
    found = removal_check("production: document", environment(record(124), left))
    assert found == Check(
        name="production: document",
        what="the removal of r000125 is pending",
        grade=Grade.ADVICE,
        remedy="ami-pipeline recover -e production",
    )
    assert removal_check("production: document", environment(record(124))) is None
