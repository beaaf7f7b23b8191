from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from pipeline.core.notifications.outbox import CLAIM, MOST_KEPT, MOST_TRIES, OLDEST, Outbox
from pipeline.core.state.deployment import Result
from tests.core.notifications.examples import NOW, a_beginning, an_end, over

LATER = NOW + CLAIM
BEGAN, ENDED = a_beginning(), an_end()
BOX = Outbox().added(BEGAN, ["slack", "hook"], NOW, "a")


def due(box: Outbox, *targets: str, after: timedelta = CLAIM) -> list[tuple[str, list[str]]]:
    found = box.due(NOW + after, targets or ("slack", "hook"))
    return [(e.notification.occasion, [each.target for each in e.deliveries]) for e in found]


def test_what_a_killed_run_claimed_is_due_once_its_claim_is_over() -> None:
    assert due(BOX, after=timedelta(seconds=59)) == []
    assert due(BOX) == [("began", ["slack", "hook"])]


def test_only_what_failed_is_due_and_at_once() -> None:
    box = BOX.recorded({(BEGAN.key, "slack"): "", (BEGAN.key, "hook"): "500"}, NOW)
    assert due(box, after=timedelta()) == [("began", ["hook"])]
    assert due(box, "slack") == []


def test_of_two_runs_one_claims_a_delivery() -> None:
    box = BOX.recorded({(BEGAN.key, "slack"): "500"}, NOW)
    claimed = box.claimed(box.due(NOW, ["slack"]), NOW, "b")
    assert claimed.due(NOW, ["slack"]) == ()
    assert due(claimed, "slack") == [("began", ["slack"])]


def test_two_claims_of_one_second_are_two_documents() -> None:
    box = BOX.recorded({(BEGAN.key, "slack"): "500"}, NOW)
    found = box.due(NOW, ["slack"])
    assert box.claimed(found, NOW, "a") != box.claimed(found, NOW, "b")


def test_a_delivery_is_tried_a_few_times_and_not_for_days() -> None:
    box, tries = BOX, 1
    while found := box.due(LATER, ["hook"]):
        box = box.claimed(found, LATER, "b").recorded({(BEGAN.key, "hook"): "500"}, LATER)
        tries += 1
    assert tries == MOST_TRIES
    assert due(BOX, after=OLDEST + timedelta(minutes=10)) == []


def test_the_same_event_is_added_once_and_an_old_one_never() -> None:
    assert BOX.added(BEGAN, ["slack"], NOW, "b") is BOX
    assert BOX.added(ENDED, ["slack"], NOW + OLDEST + timedelta(minutes=10), "b") is BOX


def test_a_target_that_knows_the_end_is_not_told_of_the_beginning() -> None:
    box = BOX.added(ENDED, ["slack", "hook"], NOW, "b")
    box = box.recorded({(ENDED.key, "slack"): "", (ENDED.key, "hook"): "500"}, NOW)
    assert due(box) == [("began", ["hook"]), ("promoted", ["hook"])]


def test_a_target_that_is_not_configured_any_more_is_not_told() -> None:
    assert due(BOX, "mail") == []


def test_an_outbox_keeps_a_bounded_number() -> None:
    box, done = BOX, over(Result.PROMOTED)
    for number in range(MOST_KEPT):
        box = box.added(an_end(replace(done, id=f"d{number}")), ["slack"], NOW, "b")
    assert (len(box.entries), box.newest_deployment) == (MOST_KEPT, "")


@pytest.mark.parametrize("box", [BOX, BOX.added(ENDED, [], NOW, "b")])
def test_the_newest_deployment_is_known_by_its_beginning(box: Outbox) -> None:
    assert box.newest_deployment == "20261121T154224Z-4f2a"
