"""Note when `rebuild` ended well, and find what is overdue in an environment."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Final

from pipeline.core.deploy.plan import Unchanged
from pipeline.core.errors import PipelineError
from pipeline.core.events import Message
from pipeline.core.state.deployment import Deployment, Result, result_of

if TYPE_CHECKING:
    from pipeline.app.environment.reader import EnvironmentReader
    from pipeline.core.notifications.notification import Notification

SEARCHED: Final = 50
"""How many deployments are searched for a rebuild and for the proof of the rollback."""


def note_rebuild(reader: EnvironmentReader, done: Deployment | Unchanged) -> None:
    """Record that `rebuild` ended well, if `notify check` is to miss it; reports a failure only.

    A rebuild with nothing new leaves no other trace.
    """
    ended_well = isinstance(done, Unchanged) or result_of(done) is Result.PROMOTED
    if not ended_well or not reader.app.settings.notify_check_for(reader.environment).rebuild_days:
        return
    from pipeline.adapters.store.records.outboxes import Outboxes

    today = reader.pace.today()
    try:
        Outboxes(reader.store, reader.environment).update(lambda box: replace(box, rebuilt=today))
    except PipelineError as error:
        text = f"not recorded for notify check: {error.where}: {error.what}; {error.remedy}"
        reader.app.report(Message(text=text))


def find_overdue(reader: EnvironmentReader) -> tuple[Notification, ...]:
    """Return what is overdue in an environment by [notify_check]; raises RefusedError."""
    from pipeline.adapters.store.records.outboxes import Outboxes
    from pipeline.core.notifications.overdue import Done, Limits, overdue

    wanted = reader.app.settings.notify_check_for(reader.environment)
    limits = Limits(rebuild=wanted.rebuild_days, rollback=wanted.rollback_days)
    done = Done(
        document=reader.document(),
        history=reader.deployments.history(reader.environment, SEARCHED, reader.app.tell_damaged),
        rebuilt=Outboxes(reader.store, reader.environment).read().rebuilt,
    )
    return tuple(overdue(done, limits, datetime.fromisoformat(reader.pace.today())))
