from __future__ import annotations

from dataclasses import replace
from typing import Literal

from pipeline.core.deployment import Deployment, Kind, Outcome, Result, Runner
from pipeline.core.history import Entry, last_rollback, seconds, unfinished


def an_entry(n: int, kind: Literal["intent", "result"], step: str) -> Entry:
    return Entry(n=n, at="2026-11-21T12:00:00Z", kind=kind, step=step)


def a_deployment(kind: Kind, result: Result | None) -> Deployment:
    return Deployment(
        id="20261121T120000Z-4f2a",
        kind=kind,
        environment="production",
        green="r000002",
        blue="r000001",
        began="2026-11-21T12:00:00Z",
        by=Runner(user="ann", host="ci", pid=1),
        ended="2026-11-21T12:01:30Z" if result else "",
        outcome=Outcome(result=result) if result else None,
    )


def test_an_intent_without_a_result_is_what_the_world_must_be_asked_about() -> None:
    journal = [
        an_entry(1, "intent", "apply"),
        an_entry(2, "result", "apply"),
        an_entry(3, "intent", "attach"),
    ]
    assert unfinished(journal[:1]) == (journal[0],)
    assert unfinished(journal[:2]) == ()
    assert unfinished(journal) == (journal[2],)


def test_a_step_that_was_begun_again_is_open_as_often_as_it_was_not_ended() -> None:
    first, again = an_entry(1, "intent", "apply"), an_entry(2, "intent", "apply")
    ended = an_entry(3, "result", "apply")
    assert unfinished([first, again]) == (first, again)
    assert unfinished([first, again, ended]) == (first,)
    assert unfinished([ended]) == ()


def test_how_long_a_deployment_took_is_known_once_it_ended() -> None:
    assert seconds(a_deployment(Kind.PROMOTE, Result.PROMOTED)) == 90
    assert seconds(a_deployment(Kind.PROMOTE, None)) is None


def test_the_last_rollback_is_the_newest_that_ended_well() -> None:
    good = a_deployment(Kind.ROLLBACK, Result.PROMOTED)
    listed = [
        a_deployment(Kind.ROLLBACK, None),
        a_deployment(Kind.PROMOTE, Result.PROMOTED),
        a_deployment(Kind.ROLLBACK, Result.STRANDED),
        good,
        replace(good, id="older"),
    ]
    assert last_rollback(listed) is good
    assert last_rollback(listed[:3]) is None
