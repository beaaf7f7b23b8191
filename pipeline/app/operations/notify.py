"""Send a test to each target, and what is overdue in each environment."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

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
"""Seconds that `notify check` waits for the answers of all targets."""


def notify_test(app: Application, environment: str = "") -> tuple[Sent, ...]:
    """Send a test to each target of an environment, or to all; return what happened to each.

    Raises ConfigurationError if there is none. The tests are neither journaled nor repeated.
    """
    targets = _require_targets(app, environment)
    with ThreadPoolExecutor(max_workers=len(targets)) as threads:
        return tuple(threads.map(lambda each: _test(app, each, environment), targets))


def _test(app: Application, target: Target, environment: str) -> Sent:
    first = next(iter(app.settings.environments), "")
    named = environment or min(target.environments, default=first)
    today = EnvironmentReader(app=app, environment=named).pace.today()
    test = Notification(
        key=f"{named}.test.{secrets.token_hex(8)}",
        occasion=Occasion.TEST,
        app=app.settings.app,
        environment=named,
        at=today,
        title=f"a test of {target.name}: nothing happened",
        lines=lines_of({"sent by": commands.notify_test()}),
    )
    error = target.send(test)
    return Sent(target=target.name, kind=target.kind, environment=named, error=error)


def notify_check(app: Application, environment: str = "") -> tuple[Checked, ...]:
    """Tell the targets what is overdue in an environment, or in each; return what was found.

    Sends what earlier commands could not, too. Raises ConfigurationError without a target.
    """
    _require_targets(app, environment)
    names = [environment] if environment else list(app.settings.environments)
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
    problems = courier.close(PATIENCE)
    told = {target for key, target in courier.sent if key in {each.key for each in found}}
    return Checked(
        environment=name,
        overdue=found,
        wanted=tuple(wanted),
        told=tuple(sorted(told)),
        problems=problems,
    )


def _same(notification: Notification) -> Notification:
    return notification


def _require_targets(app: Application, environment: str) -> Sequence[Target]:
    if environment:
        app.settings.environment(environment)
    targets = targets_of(app, environment)
    if not targets:
        where = f"environment {environment}" if environment else str(app.settings.file)
        remedy = f"add one: {commands.docs('notifications')}"
        raise ConfigurationError(where, "no [[notify]] names a target", remedy)
    return targets
