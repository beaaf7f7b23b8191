"""Destroy: delete all groups and launch templates of an environment; its network stays."""

from __future__ import annotations

from collections.abc import Callable

from pipeline.app.application import Application
from pipeline.app.environment.interrupted import Interrupted, finish
from pipeline.app.environment.reader import EnvironmentReader
from pipeline.app.environment.session import EnvironmentSession, SessionOptions
from pipeline.core import commands
from pipeline.core.deploy.reconciler import Reconciler
from pipeline.core.deploy.recovery import kept_serving, removable
from pipeline.core.deploy.ways_back import destruction
from pipeline.core.errors import RefusedError
from pipeline.core.health.traffic_sources import balancer_of, describe_sources, detach
from pipeline.core.state.deployment import Deployment, Kind
from pipeline.core.state.environment import Environment
from pipeline.core.state.release import release_of

Confirm = Callable[[Environment], bool]


def destroy(
    app: Application, environment: str, confirm: Confirm, *, with_traffic: bool
) -> Deployment | None:
    """Delete every release's group through Terraform; None if it was not confirmed.

    Raises RefusedError, before anything is changed, if there is no group, another deployment was
    interrupted, a group receives traffic and `with_traffic` does not allow that, or it receives
    traffic that the configuration does not name.
    """
    options = SessionOptions(command="destroy", interrupted=Interrupted.LEAVE)
    session = EnvironmentSession.begin(app, environment, options, require_destroyable)
    with session.lease() as leased:
        document = leased.document()
        require_destroyable(session.reader, document)
        begun = document.deployment
        keeps = kept_serving(document)
        deployment = begun or leased.new_deployment(Kind.DESTROY, green=keeps, blue=keeps)
        reconciler = leased.reconciler(deployment)
        with app.interrupts.heard():
            _require_no_traffic(reconciler, document, allowed=with_traffic)
            if not confirm(document):
                return None
        if begun:
            return finish(leased)
        leased.begin(reconciler, deployment)
        phases = destruction(removable(document), reconciler.manner, keeps=keeps)
        return leased.run(reconciler, deployment, phases)


def require_destroyable(reader: EnvironmentReader, document: Environment) -> None:
    """Raise RefusedError if there is nothing to delete, or another deployment is unfinished."""
    name, dead = reader.environment, document.deployment
    if dead and dead.kind is not Kind.DESTROY:
        what = f"{dead.kind} {dead.id} is unfinished"
        raise RefusedError(f"destroy {name}", what, commands.recover(name))
    if not dead and not removable(document):
        what = "no release has a group: there is nothing to delete"
        raise RefusedError(f"destroy {name}", what, commands.status(name))


def _require_no_traffic(reconciler: Reconciler, document: Environment, *, allowed: bool) -> None:
    """Raise RefusedError if a group receives traffic that must not end, or cannot be ended."""
    name, place = document.environment, reconciler.place
    for seen in reconciler.deletion.find_attached(removable(document)):
        what = f"{seen.name} receives traffic from {describe_sources(seen.attached)}"
        beyond = place.beyond(release_of(seen.name, place.app, name), seen.attached)
        if beyond:
            sources = describe_sources(beyond)
            what = f"{what}; [environments.{name}] does not name {sources}"
            found = [each for each in map(balancer_of, sorted(beyond)) if each]
            remedy = detach(place.region, seen.name, found) if found else commands.status(name)
            raise RefusedError(f"destroy {name}", what, remedy)
        if place.is_worker:
            what = f"{seen.name} runs {seen.desired} instances"
        if (seen.attached or (place.is_worker and seen.desired)) and not allowed:
            again = commands.destroy(name, with_traffic=True)
            end = "stop them" if place.is_worker else "end that traffic"
            remedy = f"to {end} and delete the groups: {again}"
            raise RefusedError(f"destroy {name}", what, remedy)
