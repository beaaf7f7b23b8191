"""Record a running group as the serving release of an environment, or forget it again."""

from __future__ import annotations

import stat
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace

from pipeline.adapters.aws.client import Clients
from pipeline.adapters.aws.running_group import read_image, read_running_group
from pipeline.adapters.files.atomic import write_atomically
from pipeline.app.application import Application
from pipeline.app.environment.leased import LeasedEnvironment
from pipeline.app.environment.reader import EnvironmentReader
from pipeline.app.environment.session import EnvironmentSession, SessionOptions
from pipeline.config import extended
from pipeline.core import commands
from pipeline.core.adoption.configuration import adoption
from pipeline.core.adoption.model import Adoption, RunningGroup
from pipeline.core.adoption.record import (
    Adopted,
    adopted_release,
    describe,
    differences,
    require_balancer,
    require_free,
    require_serves,
    require_undoable,
)
from pipeline.core.adoption.toml_text import environment_toml
from pipeline.core.changes.inputs import InputChange
from pipeline.core.errors import ConfigurationError, PipelineError, RefusedError
from pipeline.core.state.environment import Environment


@dataclass(frozen=True, kw_only=True, slots=True)
class AdoptRequest:
    """What the command line requests.

    `keep_configuration` accepts a configuration that is not as the group is.
    """

    environment: str
    group: str
    keep_configuration: bool = False


def read_adoption(app: Application, group: str) -> Adoption:
    """Return the configuration of a group in the region of pipeline.toml; changes nothing.

    Raises RefusedError if there is no such group, or without the permission to read it.
    """
    return adoption(_running(app, group))


def _running(app: Application, group: str) -> RunningGroup:
    return read_running_group(Clients(app.settings.region), app.settings.region, group)


def adopt(
    app: Application, request: AdoptRequest, confirm: Callable[[Adopted], bool]
) -> Adopted | None:
    """Record a group after a confirmation; return None if that is a no.

    Raises RefusedError, before anything is changed, if another release serves, if the group does
    not serve, or if the configuration is another one.
    """
    running = _running(app, request.group)
    found = adoption(running)
    tables, text = "", ""
    differs: tuple[InputChange, ...] = ()
    if request.environment in app.settings.environments:
        differs = _differences(app, request, found)
    else:
        tables = environment_toml(request.environment, found)
        app, text = _configured(app, request, found, tables)
    require_other_environments(app, request)

    def require(_reader: EnvironmentReader, document: Environment) -> None:
        require_free(document, request.group)

    options = SessionOptions(command="adopt")
    session = EnvironmentSession.begin(app, request.environment, options, require)
    with session.lease() as leased:
        require(session.reader, leased.document())
        with app.interrupts.heard():
            made = _prepared(leased, request, running, found)
            made = replace(made, tables=tables, differs=differs)
            if made.known:
                return made
            if not confirm(made):
                return None
        if text:
            write_configuration(app, text)
        leased.held.update(lambda document: document.with_adopted(made.record))
        return made


def _configured(
    app: Application, request: AdoptRequest, found: Adoption, tables: str
) -> tuple[Application, str]:
    """Return the application with the environment's tables, and the text of pipeline.toml.

    Raises RefusedError if the tables cannot be added as they are.
    """
    name = f"[environments.{request.environment}]"
    plan = commands.adopt(request.environment, request.group, "--plan")
    again = commands.adopt(request.environment, request.group)
    remedy = f"add the tables to {app.settings.file}: {plan}; then: {again}"
    if found.missing:
        what = f"needs {', '.join(found.missing)}, which the group {request.group} does not tell"
        raise RefusedError(name, what, remedy)
    try:
        text, settings = extended(app.settings.file, tables)
    except ConfigurationError as error:
        what = f"cannot be added to {app.settings.file}: {error.what}"
        raise RefusedError(name, what, remedy) from error
    return replace(app, settings=settings), text


def require_other_environments(app: Application, request: AdoptRequest) -> None:
    """Raise RefusedError if another environment of the store has adopted the group."""
    for name in app.settings.environments:
        if name == request.environment:
            continue
        document = Environment(app="", environment=name, account="", region="")
        with suppress(PipelineError):  # A damaged document is that environment's problem.
            document = EnvironmentReader(app=app, environment=name).document()
        if document.release_at(request.group) in document.adopted:
            what = f"is adopted by {name}"
            raise RefusedError(f"group {request.group}", what, commands.status(name))


def _prepared(
    leased: LeasedEnvironment, request: AdoptRequest, running: RunningGroup, found: Adoption
) -> Adopted:
    reader, document = leased.reader, leased.document()
    observation = reader.groups.observe([request.group], (), activities=())
    if observation.unreadable:
        again = commands.adopt(request.environment, request.group)
        lines = "\n".join(observation.unreadable)
        raise RefusedError(f"reading the group {request.group}", lines, again)
    seen = observation.groups.get(request.group)
    if document.serving and document.release_at(request.group) == document.serving:
        record = document.releases[document.serving]
        return Adopted(environment=request.environment, found=found, record=record, known=True)
    require_balancer(found, document, is_worker=reader.is_worker)
    require_serves(seen, document, request.group, reader.balancers)
    assert seen is not None  # noqa: S101 - require_serves refuses a group that is gone
    image = read_image(reader.clients, reader.app.settings.region, running)
    record = adopted_release(document, found, seen, image, reader.pace.today())
    return Adopted(environment=request.environment, found=found, record=record)


def _differences(
    app: Application, request: AdoptRequest, found: Adoption
) -> tuple[InputChange, ...]:
    """Return where the configuration is not as the group is; raises RefusedError if it must be."""
    reader = EnvironmentReader(app=app, environment=request.environment)
    settings = app.settings.environment(request.environment)
    configured = {key: getattr(settings, key) for key in found.settings}
    inputs = app.settings.terraform_for(request.environment).inputs
    named = settings.load_balancers or settings.target_groups
    differs = differences(found, configured, inputs, reader.balancers if named else ())
    document = reader.document()
    is_known = document.serving and document.release_at(request.group) == document.serving
    if differs and not (request.keep_configuration or is_known):
        raise _differs(request, differs)
    return differs


def _differs(request: AdoptRequest, differs: tuple[InputChange, ...]) -> RefusedError:
    lines = map(describe, differs)
    anyway = commands.adopt(request.environment, request.group, "--keep-configuration")
    return RefusedError(
        f"[environments.{request.environment}]",
        f"exists and is not as the group {request.group} is\n" + "\n".join(lines),
        f"make it as the group is, or keep it for the next releases: {anyway}",
    )


def write_configuration(app: Application, text: str) -> None:
    """Replace pipeline.toml; its mode stays, and so does a link to it. Raises RefusedError."""
    path = app.settings.file.resolve()
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        write_atomically(path, text.encode(), mode=mode)
    except OSError as error:
        what = f"cannot be written: {error.strerror}"
        raise RefusedError(str(app.settings.file), what, "make it writable for you") from error


def undo(app: Application, environment: str, confirm: Callable[[str], bool]) -> str | None:
    """Forget the adopted group after a confirmation; return its name, None if that is a no.

    The group and pipeline.toml stay as they are. Raises RefusedError once a release was promoted.
    """

    def require(_reader: EnvironmentReader, document: Environment) -> None:
        require_undoable(document)

    options = SessionOptions(command="adopt --undo")
    session = EnvironmentSession.begin(app, environment, options, require)
    with session.lease() as leased:
        release = require_undoable(leased.document())
        group = leased.document().group(release)
        with app.interrupts.heard():
            if not confirm(group):
                return None
        leased.held.update(lambda document: document.without_adopted(release))
        return group
