"""When a command may say that there is nothing to do."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from pipeline.app.environment.serving import require_serving
from pipeline.app.promote import serves_already
from pipeline.core.changes.inputs import InputChange
from pipeline.core.errors import RefusedError
from pipeline.core.health.serving import Trouble
from pipeline.core.image import Image
from pipeline.core.state.rollback import ALL_GOOD
from pipeline.core.state.status import Status
from pipeline.ui.outcome import unchanged_document, unchanged_text
from tests.ui.status_examples import (
    BALANCERS,
    BOTH,
    NOW,
    TARGET_GROUP,
    a_status,
    environment,
    failing,
    group,
    image,
    observation,
    record,
    serving,
    unhealthy,
)

EMPTY = a_status(
    environment(record(124, minimum=2)),
    observation(group(124, BOTH, desired=0, minimum=0, members=())),
)
UNREAD = a_status(
    environment(record(124)), replace(observation(unreadable=("Rate exceeded",)), targets={})
)
SCALE = "aws autoscaling update-auto-scaling-group --region eu-central-1"


def reader_of(status: Status) -> Any:
    return SimpleNamespace(
        environment="production",
        entries=lambda _: (status.balancers, status.absent),
        serving_observation=lambda _: status.observation,
        changed_inputs=lambda _: status.changed,
        groups=SimpleNamespace(observe=lambda *_, **__: status.observation),
        image_states=lambda _: ALL_GOOD,
        now=lambda: NOW,
    )


def promoted_again(status: Status, *, may_be_empty: bool = False) -> Any:
    ids = {"eu-central-1": image(124)}
    served = Image(app="web", version="1.4.0", name="w", region="eu-central-1", ids=ids)
    reader = reader_of(status)
    return serves_already(reader, status.environment, served, may_be_empty=may_be_empty)


@pytest.mark.parametrize(
    ("status", "what", "remedy"),
    [
        (
            a_status(environment(record(124)), observation(group(124, BOTH[:1]))),
            "is recorded as serving, but does not serve: not attached to web-tg",
            "aws autoscaling attach-traffic-sources --region eu-central-1",
        ),
        (EMPTY, "does not serve: scaled to zero: 0 instances", SCALE),
        (failing(), "0 of 3 members healthy", "ami-pipeline rollback -e production"),
        (
            replace(serving(), balancers=BALANCERS[:1], absent=(TARGET_GROUP,)),
            "does not serve: web-tg does not exist",
            "aws elbv2 describe-target-groups --region eu-central-1",
        ),
        (UNREAD, "its group is unreadable\nRate exceeded", "ami-pipeline doctor -e production"),
    ],
)
def test_promoting_the_image_of_a_release_that_does_not_serve_is_refused_with_a_remedy(
    status: Status, what: str, remedy: str
) -> None:
    with pytest.raises(RefusedError) as refused:
        promoted_again(status)
    assert refused.value.where == "server group web-production-r000124"
    assert what in refused.value.what
    assert refused.value.remedy.startswith(remedy)


def test_a_release_that_serves_needs_nothing() -> None:
    found = promoted_again(serving())
    text = f"nothing to do: r000124 already serves production with {image(124)}"
    assert unchanged_text("nothing to do", found) == text
    assert unchanged_document(found)["note"] is None


def test_what_is_not_healthy_is_said_even_if_nothing_is_to_be_done() -> None:
    found = promoted_again(unhealthy())
    assert unchanged_text("nothing to do", found) == (
        f"nothing to do: r000124 of production has {image(124)} already; 2 of 3 members healthy"
    )


def test_a_nightly_job_leaves_a_service_that_was_scaled_to_zero_and_says_so() -> None:
    found = promoted_again(EMPTY, may_be_empty=True)
    assert unchanged_text("nothing new", found) == (
        f"nothing new: r000124 of production has {image(124)} already; scaled to zero: 0 instances"
    )


def test_the_image_of_a_deleted_group_is_promoted_again() -> None:
    gone = a_status(environment(record(124)), observation())
    assert promoted_again(gone) is None
    assert require_serving(reader_of(gone), gone.environment).trouble is Trouble.MISSING


def test_changed_inputs_need_a_release_of_the_image_that_serves() -> None:
    change = InputChange(name="instance_type", before="t3.micro", after="t3.large")
    assert promoted_again(replace(serving(), changed=(change,))) is None
