"""Set up pairs for the target groups of an environment: in AWS, then in pipeline.toml.

Traffic stays where it is throughout, and each step may be repeated. So a run that was killed is
continued by the next one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from pipeline.adapters.aws.balancing.pair_setup import read_surroundings, set_up
from pipeline.adapters.aws.client import Clients
from pipeline.app.application import Application
from pipeline.app.environment.session import EnvironmentSession, SessionOptions
from pipeline.app.setup.adopt import write_configuration
from pipeline.config import with_pairs
from pipeline.core import commands
from pipeline.core.adoption.pair_model import PairSetup
from pipeline.core.adoption.pairing import plan_pair
from pipeline.core.errors import ConfigurationError, RefusedError


@dataclass(frozen=True, kw_only=True, slots=True)
class PairRequest:
    """What the command line requests; `test_port` is 0 for no new test listener."""

    environment: str
    test_port: int = 0


def read_setup(app: Application, request: PairRequest, clients: Clients | None = None) -> PairSetup:
    """Return what the pairs need; changes nothing.

    Raises RefusedError if a load balancer of the environment cannot have a pair.
    """
    settings = app.settings.environment(request.environment)
    if settings.pairs:
        return PairSetup(environment=request.environment, plans=(), known=True)
    _require_target_groups(app, request)
    region = app.settings.region
    clients = clients or Clients(region)
    plans = tuple(
        plan_pair(read_surroundings(clients, region, name), request.test_port)
        for name in settings.target_groups
    )
    return _with_file(app, PairSetup(environment=request.environment, plans=plans))


def _require_target_groups(app: Application, request: PairRequest) -> None:
    settings = app.settings.environment(request.environment)
    where = f"[environments.{request.environment}]"
    if settings.load_balancers:
        what = f"has classic load balancers, which have no pair: {settings.load_balancers[0]}"
        raise RefusedError(where, what, f"use another strategy: {commands.docs('strategies')}")
    if not settings.target_groups:
        what = "names no target group"
        raise RefusedError(where, what, "name the one that has the traffic in target_groups")
    if request.test_port and len(settings.target_groups) > 1:
        what = "names several target groups, and a test listener is for one"
        raise RefusedError(where, what, "leave --test-port out, and name test_listener yourself")


def _with_file(app: Application, setup: PairSetup) -> PairSetup:
    """Return the setup with the reason why pipeline.toml cannot be changed, if there is one."""
    try:
        with_pairs(app.settings.file, setup.environment, setup.tables, setup.toml)
    except ConfigurationError as error:
        return replace(setup, by_hand=error.what)
    return setup


def pair(
    app: Application, request: PairRequest, confirm: Callable[[PairSetup], bool]
) -> PairSetup | None:
    """Set the pairs up after a confirmation; return None if that is a no.

    Raises RefusedError before anything is changed, FailedError if AWS refuses a change.
    """
    session = EnvironmentSession.begin(
        app, request.environment, SessionOptions(command="adopt --pair")
    )
    with session.lease() as leased:
        clients = leased.reader.clients
        with app.interrupts.heard():
            planned = read_setup(app, request, clients)
            if planned.known:
                return planned
            if not confirm(planned):
                return None
        done = replace(planned, plans=tuple(set_up(clients, each) for each in planned.plans))
        if not done.by_hand:
            text, _ = with_pairs(app.settings.file, done.environment, done.tables, done.toml)
            write_configuration(app, text)
        return done
