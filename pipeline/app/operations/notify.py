"""Send a test to each target, and what is overdue in each environment."""

from __future__ import annotations

import secrets
import time
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from threading import Thread

from pipeline.adapters.notify.courier import Courier
from pipeline.adapters.notify.target import Target
from pipeline.adapters.store.records.outboxes import Outboxes
from pipeline.app.application import Application
from pipeline.app.environment.notifying import targets_of
from pipeline.app.environment.reader import EnvironmentReader
from pipeline.app.operations.overdue import find_overdue
from pipeline.core import commands
from pipeline.core.errors import ConfigurationError, PipelineError
from pipeline.core.notifications.notification import Notification, Occasion, lines_of
from pipeline.core.notifications.results import Checked, Sent

PATIENCE = 30.0
"""Seconds that a command waits for the answers of all targets, if that is its purpose."""


def notify_test(app: Application, environment: str = "") -> tuple[Sent, ...]:
    """Send a test to each target of an environment, or to all; return what happened to each.

    Raises ConfigurationError if there is none. The tests are neither journaled nor repeated.
    """
    targets = _require_targets(app, environment)
    first = next(iter(app.settings.environments), "")
    sent = [
        Sent(
            target=each.name,
            kind=each.kind,
            environment=environment or min(each.environments, default=first),
            error=f"no answer within {PATIENCE:g}s",
        )
        for each in targets
    ]

    def send(place: int) -> None:
        error = targets[place].send(_test_of(app, sent[place]))
        sent[place] = replace(sent[place], error=error)

    # Daemons: a server that never ends its answer does not hold up the end of the command.
    threads = [Thread(target=send, args=(each,), daemon=True) for each in range(len(targets))]
    for thread in threads:
        thread.start()
    until = time.monotonic() + PATIENCE
    for thread in threads:
        thread.join(max(until - time.monotonic(), 0.0))
    return tuple(sent)


def _test_of(app: Application, wanted: Sent) -> Notification:
    return Notification(
        key=f"{wanted.environment}.test.{secrets.token_hex(8)}",
        occasion=Occasion.TEST,
        app=app.settings.app,
        environment=wanted.environment,
        at=EnvironmentReader(app=app, environment=wanted.environment).pace.today(),
        title=f"a test of {wanted.target}, no deployment happened",
        lines=lines_of({"sent by": commands.notify_test()}),
    )


def notify_check(app: Application, environment: str = "") -> tuple[Checked, ...]:
    """Tell the targets what is overdue in an environment, or in each; return what was found.

    Sends what earlier commands could not, too. Raises ConfigurationError without a target,
    and if no environment is checked.
    """
    _require_targets(app, environment)
    names = [environment] if environment else list(app.settings.environments)
    if not any(_is_checked(app, name) for name in names):
        what = "sets neither rebuild_days nor rollback_days, so nothing is ever overdue"
        remedy = "add to pipeline.toml, below a line [notify_check]: rebuild_days = 7"
        raise ConfigurationError("[notify_check]", what, remedy)
    return tuple(_check(app, name) for name in names)


def _check(app: Application, name: str) -> Checked:
    reader = EnvironmentReader(app=app, environment=name)
    try:
        found, targets = find_overdue(reader), targets_of(app, name)
    except PipelineError as error:
        return Checked(environment=name, problems=(f"{error.where}: {error.what}",))
    wanted = [each.name for each in targets if any(each.wants(one) for one in found)]
    courier = Courier(Outboxes(reader.store, name), targets, now=reader.now)
    courier.start()
    for each in found:
        courier.tell(partial(_same, each))
    problems = tuple(sorted(courier.close(PATIENCE)))
    told = {target for key, target in courier.sent if key in {each.key for each in found}}
    return Checked(
        environment=name,
        overdue=found,
        wanted=tuple(wanted),
        told=tuple(sorted(told)),
        problems=problems,
        is_checked=_is_checked(app, name),
    )


def _is_checked(app: Application, name: str) -> bool:
    wanted = app.settings.notify_check_for(name)
    return bool(wanted.rebuild_days or wanted.rollback_days)


def _same(notification: Notification) -> Notification:
    return notification


def _require_targets(app: Application, environment: str) -> Sequence[Target]:
    if environment:
        app.settings.environment(environment)
    targets = targets_of(app, environment)
    if not targets:
        where = f"environment {environment}" if environment else str(app.settings.file)
        remedy = f"add one: {commands.docs('notifications')}"
        raise ConfigurationError(where, "no target is configured", remedy)
    return targets
