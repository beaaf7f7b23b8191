"""Read the history for `stats`, of one environment or of all."""

from __future__ import annotations

from datetime import timedelta

from pipeline.adapters.aws.client import Clients
from pipeline.adapters.store.records.deployments import Damage, Deployments
from pipeline.app.application import Application
from pipeline.core.stats.figures import Figures, figures_of

LONGEST = timedelta(days=31)
"""A deployment that ended in the period began at most this long before: a pause lasts 720 hours."""


def stats(
    app: Application, environment: str | None, period: timedelta, damaged: Damage
) -> tuple[Figures, ...]:
    """Return the figures of one environment, or of each one in the order of pipeline.toml.

    The period ends now, by the store's clock. Reads only the store. A damaged record counts in
    none of them: `damaged` gets its error.
    """
    if environment is not None:
        app.settings.environment(environment)
    names = [environment] if environment is not None else [*app.settings.environments]
    store = app.store(Clients(app.settings.region), environment or "")
    until = store.now()
    since = until - period
    history = Deployments(store).since(since - LONGEST, damaged)
    return tuple(figures_of(name, history, since, until) for name in names)
