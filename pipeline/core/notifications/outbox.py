"""Decide which notifications are to be sent, again or no more: the outbox of an environment.

Pure. The store keeps one outbox for each environment. A notification is in it before it is sent,
so the next command sends what a run could not. Receivers may get one twice, with the same key.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from pipeline.core.notifications.notification import Notification, Occasion

MOST_TRIES: Final = 5
"""Attempts for one target at most, one in each command."""
OLDEST: Final = timedelta(days=3)
"""Nothing older is sent: a person knows by then."""
CLAIM: Final = timedelta(seconds=60)
"""How long a run keeps others from sending the same; it sends for some seconds at most."""
MOST_KEPT: Final = 100
"""Notifications in an outbox at most; those that are not kept are old and were tried."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Delivery:
    """A notification for one target: `sent` is when, UTC, ISO 8601; `error` is the last one.

    Until `claimed`, the run `by` alone may send it. Two claims of the same second differ by it: a
    store takes the same bytes for one write that was repeated.
    """

    target: str
    tries: int = 0
    sent: str = ""
    error: str = ""
    claimed: str = ""
    by: str = ""

    def is_due(self, now: datetime) -> bool:
        """Return True if it was not sent, may be tried again, and no run is sending it."""
        if self.sent or self.tries >= MOST_TRIES:
            return False
        return not self.claimed or datetime.fromisoformat(self.claimed) <= now


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """A notification with its deliveries."""

    notification: Notification
    deliveries: tuple[Delivery, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Outbox:
    """The newest notifications of an environment, oldest first.

    `rebuilt` is when `rebuild` last ended well, also with nothing new, if `notify check` needs it.
    """

    entries: tuple[Entry, ...] = ()
    rebuilt: str = ""

    def find(self, key: str) -> Entry | None:
        """Return the entry of a key, None if there is none."""
        return next((each for each in self.entries if each.notification.key == key), None)

    @property
    def newest_deployment(self) -> str:
        """The id of the deployment that began last, empty if none is here."""
        began = (
            each.notification.deployment
            for each in reversed(self.entries)
            if each.notification.occasion is Occasion.BEGAN
        )
        return next(began, "")

    def added(
        self, notification: Notification, targets: Iterable[str], now: datetime, by: str
    ) -> Outbox:
        """Return the outbox with a notification that the run `by` is sending to these targets.

        The outbox is unchanged if it has the key, or if the notification is too old.
        """
        if self.find(notification.key) or _is_old(notification, now):
            return self
        until = _text(now + CLAIM)
        deliveries = tuple(Delivery(target=each, tries=1, claimed=until, by=by) for each in targets)
        entry = Entry(notification=notification, deliveries=deliveries)
        return replace(self, entries=(*self.entries, entry)[-MOST_KEPT:])

    def due(self, now: datetime, targets: Iterable[str]) -> tuple[Entry, ...]:
        """Return what earlier runs could not send to these targets, with only those deliveries.

        A target that has a later notification of the same deployment does not get an earlier one.
        """
        known, found = frozenset(targets), list[Entry]()
        for place, entry in enumerate(self.entries):
            if _is_old(entry.notification, now):
                continue
            wanted = known - self._informed(entry.notification.deployment, place)
            due = (each for each in entry.deliveries if each.target in wanted and each.is_due(now))
            if deliveries := tuple(due):
                found.append(replace(entry, deliveries=deliveries))
        return tuple(found)

    def claimed(self, entries: Iterable[Entry], now: datetime, by: str) -> Outbox:
        """Return the outbox in which these deliveries are tried once more, by one run alone."""
        wanted = {
            (entry.notification.key, each.target) for entry in entries for each in entry.deliveries
        }
        until = _text(now + CLAIM)

        def tried(key: str, delivery: Delivery) -> Delivery:
            if (key, delivery.target) not in wanted:
                return delivery
            return replace(delivery, tries=delivery.tries + 1, claimed=until, by=by)

        return self._changed(tried)

    def recorded(self, ends: Mapping[tuple[str, str], str], now: datetime) -> Outbox:
        """Return the outbox with how deliveries ended.

        `ends` has the error, empty if it was sent, by the key and the target.
        """

        def ended(key: str, delivery: Delivery) -> Delivery:
            if (key, delivery.target) not in ends:
                return delivery
            error = ends[key, delivery.target]
            return replace(delivery, error=error, sent="" if error else _text(now), claimed="")

        return self._changed(ended)

    def _changed(self, change: Callable[[str, Delivery], Delivery]) -> Outbox:
        return replace(
            self,
            entries=tuple(
                replace(
                    entry,
                    deliveries=tuple(
                        change(entry.notification.key, each) for each in entry.deliveries
                    ),
                )
                for entry in self.entries
            ),
        )

    def _informed(self, deployment: str, place: int) -> frozenset[str]:
        """Return the targets that got a later notification of the same deployment."""
        later = self.entries[place + 1 :] if deployment else ()
        return frozenset(
            each.target
            for entry in later
            if entry.notification.deployment == deployment
            for each in entry.deliveries
            if each.sent
        )


def _text(time: datetime) -> str:
    return time.isoformat(timespec="seconds")


def _is_old(notification: Notification, now: datetime) -> bool:
    return now - datetime.fromisoformat(notification.at) > OLDEST
