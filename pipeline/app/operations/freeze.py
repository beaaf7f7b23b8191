"""Freeze an environment by hand, and lift such freezes.

Neither needs the lease: a deployment that runs continues to its end.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from pipeline.adapters.identity import actor_of, runner
from pipeline.adapters.store.records.freezes import Freezes
from pipeline.app.application import Application
from pipeline.app.environment.freezes import read_freezes
from pipeline.app.environment.reader import EnvironmentReader
from pipeline.core import commands
from pipeline.core.errors import ConfigurationError, PipelineError, RefusedError
from pipeline.core.events import Message
from pipeline.core.freezing.freeze import LONGEST_DAYS, Freeze, FreezeState
from pipeline.core.state.deployment import Deployment
from pipeline.core.times import format_time
from pipeline.core.validation.freeze_values import Until


@dataclass(frozen=True, kw_only=True, slots=True)
class FreezeChange:
    """The freezes of an environment after a command, at the time `now` of the store.

    `lifted` are those that the command lifted. `in_flight` is the deployment that is unfinished.
    """

    environment: str
    state: FreezeState
    now: datetime
    lifted: tuple[Freeze, ...] = ()
    in_flight: Deployment | None = None


def freeze(app: Application, environment: str, until: Until, why: str) -> FreezeChange:
    """Freeze an environment, beside the freezes that it has; return all of them.

    Raises ConfigurationError for an end that is over or too far away.
    """
    reader = _reader(app, environment)
    now = reader.now()
    end = until.after(now.astimezone()).astimezone(UTC)
    _require_ahead(environment, end, now, why)
    who = runner(app.environ)
    actor = str(actor_of(app.environ, str))
    made = Freeze(
        why=app.masker(environment).text(why),
        since=now.astimezone(UTC).isoformat(timespec="seconds"),
        until=end.isoformat(timespec="seconds"),
        by=actor or f"{who.user} on {who.host}",
        run=who.run,
    )
    Freezes(reader.store, environment).add(made)
    return _change(reader)


def unfreeze(app: Application, environment: str) -> FreezeChange:
    """Lift the freezes by hand; return what is left.

    Raises RefusedError if only windows of pipeline.toml freeze the environment.
    """
    reader = _reader(app, environment)
    lifted = Freezes(reader.store, environment).lift()
    found = _change(reader, lifted)
    if found.state.active and not lifted:
        shown = found.state.describe(found.now.astimezone())
        again = commands.despite_freeze(commands.promote(environment))
        remedy = f"change [[freeze]] in pipeline.toml; or promote in the freeze: {again}"
        what = f"no person froze it; it is frozen {shown}"
        raise RefusedError(f"environment {environment}", what, remedy)
    return found


def _reader(app: Application, environment: str) -> EnvironmentReader:
    app.require_lasting_state()
    app.settings.environment(environment)
    return EnvironmentReader(app=app, environment=environment)


def _require_ahead(environment: str, end: datetime, now: datetime, why: str) -> None:
    here = now.astimezone()
    given = format_time(end.isoformat(), here)
    again = commands.freeze(environment, "4h", why)
    if end <= now:
        what = f"{given} is over: the store's clock shows {format_time(here.isoformat(), here)}"
        raise ConfigurationError("--until", what, f"name a later time, such as: {again}")
    if end - now > timedelta(days=LONGEST_DAYS):
        what = f"{given} is more than {LONGEST_DAYS} days away"
        raise ConfigurationError("--until", what, f"name an earlier time, such as: {again}")


def _change(reader: EnvironmentReader, lifted: tuple[Freeze, ...] = ()) -> FreezeChange:
    return FreezeChange(
        environment=reader.environment,
        state=read_freezes(reader),
        now=reader.now(),
        lifted=lifted,
        in_flight=_in_flight(reader),
    )


def _in_flight(reader: EnvironmentReader) -> Deployment | None:
    """Return the unfinished deployment; a document that cannot be read hinders no freeze."""
    try:
        return reader.document().deployment
    except PipelineError as error:
        reader.app.report(Message(text=f"{error.where}: {error.what}; {error.remedy}"))
        return None
