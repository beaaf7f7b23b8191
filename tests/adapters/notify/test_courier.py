from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime
from functools import partial

import pytest

from pipeline.adapters.notify.courier import Courier
from pipeline.adapters.notify.target import Send, SendError, Target
from pipeline.adapters.store.base import Store
from pipeline.adapters.store.directory import DirectoryStore
from pipeline.adapters.store.records.outboxes import Outboxes
from pipeline.core.errors import RefusedError
from pipeline.core.masking import Masker
from pipeline.core.notifications.notification import CONFIGURABLE, Notification, Occasion
from pipeline.core.notifications.outbox import CLAIM, Outbox
from pipeline.core.state.deployment import Result
from tests.core.notifications.examples import NOW, a_beginning, an_end, over

BEGAN, ENDED = a_beginning(), an_end()


class Channel:
    """A target in memory; `got` has the keys of what it took."""

    def __init__(self, *failures: str) -> None:
        self.got: list[str] = []
        self.failures = list(failures)

    def __call__(self, notification: Notification) -> None:
        if self.failures and (text := self.failures.pop(0)):
            raise SendError(text)
        self.got.append(notification.key)


class Hanging:
    """A target that answers only when the test ends."""

    def __init__(self) -> None:
        self.over = threading.Event()
        self.began = threading.Event()

    def __call__(self, _: Notification) -> None:
        self.began.set()
        self.over.wait(5)


@pytest.fixture
def hanging() -> Iterator[Hanging]:
    made = Hanging()
    yield made
    made.over.set()


def target(name: str, send: Send, *events: Occasion, secret: str = "") -> Target:
    return Target(
        name=name,
        kind="slack",
        events=frozenset(events or CONFIGURABLE),
        send_to=send,
        masker=Masker([secret] if secret else []),
    )


def same(notification: Notification) -> Notification:
    return notification


def courier(
    store: Store,
    *targets: Target,
    at: datetime = NOW,
    missed: Callable[[Outbox], Notification | None] = lambda _: None,
) -> Courier:
    made = Courier(Outboxes(store, "production"), targets, now=lambda: at, missed=missed)
    made.start()
    return made


def run(made: Courier, *notifications: Notification) -> tuple[str, ...]:
    for each in notifications:
        made.tell(partial(same, each))
    return made.close(30)


def test_a_notification_is_journaled_sent_to_those_who_want_it_and_recorded(store: Store) -> None:
    slack, pager = Channel(), Channel()
    wanted = (target("slack", slack), target("pager", pager, Occasion.NEEDS_ATTENTION))
    assert run(courier(store, *wanted), BEGAN, ENDED) == ()
    assert (slack.got, pager.got) == ([BEGAN.key, ENDED.key], [])
    box = Outboxes(store, "production").read()
    assert [[each.sent for each in entry.deliveries] for entry in box.entries] == [
        ["2026-11-21T15:45:00+00:00"]
    ] * 2


def test_it_is_in_the_store_before_it_is_sent(directory: DirectoryStore) -> None:
    seen: list[bool] = []
    outboxes = Outboxes(directory, "production")
    send = target("slack", lambda each: seen.append(outboxes.read().find(each.key) is not None))
    run(courier(directory, send), BEGAN)
    assert seen == [True]


def test_the_next_command_sends_what_failed_with_the_same_key(store: Store) -> None:
    channel = Channel("answered 500")
    assert run(courier(store, target("slack", channel)), ENDED) == ("slack: answered 500",)
    assert run(courier(store, target("slack", channel))) == ()
    assert run(courier(store, target("slack", channel))) == ()
    assert channel.got == [ENDED.key]


def test_a_deployment_that_is_resumed_is_not_told_again(directory: DirectoryStore) -> None:
    channel = Channel()
    for _ in range(2):
        run(courier(directory, target("slack", channel)), BEGAN)
    assert channel.got == [BEGAN.key]


def test_a_server_that_hangs_holds_up_neither_the_end_nor_another_target(
    directory: DirectoryStore, hanging: Hanging
) -> None:
    channel = Channel()
    made = courier(directory, target("hung", hanging), target("slack", channel))
    began = time.monotonic()
    for each in (BEGAN, ENDED):
        made.tell(partial(same, each))
    problems = made.close(0.7)
    assert time.monotonic() - began < 3
    assert problems == ("hung: no answer in time",)
    assert channel.got == [BEGAN.key, ENDED.key]
    later = Channel()
    run(courier(directory, target("hung", later)))
    assert later.got == [], "another run may still be sending it"
    run(courier(directory, target("hung", later), at=NOW + CLAIM))
    assert later.got == [BEGAN.key, ENDED.key]


def test_a_store_that_hangs_loses_no_notification_in_silence(
    directory: DirectoryStore, hanging: Hanging, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Outboxes, "read", lambda _: hanging(BEGAN))
    made = courier(directory, target("team", Channel()))
    made.tell(partial(same, BEGAN))
    assert made.close(0.6) == ("1 of 1: the store does not answer",)


def test_of_two_machines_one_tries_again(directory: DirectoryStore) -> None:
    # moto's conditional writes are not atomic between threads; S3's are.
    run(courier(directory, target("slack", Channel("answered 500"))), ENDED)
    channel = Channel()
    both = [courier(directory, target("slack", channel)) for _ in range(2)]
    assert [each.close(30) for each in both] == [(), ()]
    assert channel.got == [ENDED.key]


def test_the_end_that_a_killed_run_did_not_journal_is_told_by_the_next(
    directory: DirectoryStore,
) -> None:
    run(courier(directory, target("slack", Channel())), BEGAN)
    channel, found = Channel(), list[str]()

    def missed(outbox: Outbox) -> Notification:
        found.append(outbox.newest_deployment)
        return ENDED

    run(courier(directory, target("slack", channel), missed=missed))
    assert (channel.got, found) == ([ENDED.key], [BEGAN.deployment])


def test_a_reader_of_the_store_is_told_all_the_same(
    directory: DirectoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> str:
        raise RefusedError("writing s3://state/x in S3", "AccessDenied", "allow s3:PutObject")

    monkeypatch.setattr(DirectoryStore, "write", refuse)
    channel = Channel()
    problems = run(courier(directory, target("slack", channel)), ENDED)
    assert channel.got == [ENDED.key]
    assert problems == ("journaling a notification: writing s3://state/x in S3: AccessDenied",)


def test_a_damaged_outbox_counts_as_empty(directory: DirectoryStore) -> None:
    directory.write("notifications/production.json", b"{half", expected=None)
    channel = Channel()
    assert run(courier(directory, target("slack", channel)), ENDED) == ()
    assert channel.got == [ENDED.key]


def test_an_error_is_one_masked_line_and_a_bug_ends_nothing(directory: DirectoryStore) -> None:
    url = "https://hooks.slack.com/services/T0/B0/c4n4ry"
    channel = Channel(f"no answer: {url}\n::error::x")
    assert run(courier(directory, target("slack", channel, secret=url)), ENDED) == (
        "slack: no answer: *** ::error::x",
    )

    def bug(_: Notification) -> None:
        raise RuntimeError("oops")

    failed = replace(over(Result.PROMOTED), id="another")
    assert run(courier(directory, target("hook", bug)), an_end(failed)) == (
        "hook: RuntimeError: oops",
    )


def test_a_notification_that_cannot_be_made_is_a_problem(directory: DirectoryStore) -> None:
    def fail() -> Notification:
        raise RefusedError("[state] images/x.json", "is damaged", "")

    made = courier(directory, target("slack", Channel()))
    made.tell(fail)
    assert made.close(30) == ("making a notification: [state] images/x.json: is damaged",)
