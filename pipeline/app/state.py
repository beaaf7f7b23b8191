"""Show, restore or rebuild an environment's document; show and upgrade its providers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from pipeline.adapters.store.document_versions import Archive
from pipeline.adapters.store.records.once_runs import OnceRuns
from pipeline.app.application import Application
from pipeline.app.environment.interrupted import Interrupted
from pipeline.app.environment.lease import EnvironmentLease
from pipeline.app.environment.paused import require_not_paused
from pipeline.app.environment.reader import EnvironmentReader
from pipeline.app.environment.session import EnvironmentSession, SessionOptions
from pipeline.app.environment.unrecorded import newest_record, rebuilding
from pipeline.core import commands
from pipeline.core.errors import RefusedError
from pipeline.core.hooks.hook import OnceRun
from pipeline.core.state.document_versions import DocumentVersions, Restoration
from pipeline.core.state.environment import Environment
from pipeline.core.state.rebuilding import Rebuilding, require_lost
from pipeline.core.terraform.provider_lock import ProviderLock, ProviderUpgrade


def document_versions(app: Application, environment: str) -> DocumentVersions:
    """Return every version of an environment's document; reads only the store."""
    app.settings.environment(environment)
    reader = EnvironmentReader(app=app, environment=environment)
    return _archive(reader).versions(reader.key)


def restore(
    app: Application, environment: str, number: int | None, confirm: Callable[[Restoration], bool]
) -> Restoration | None:
    """Restore a version after a confirmation; return None if that is a no.

    It takes no lease, because the lease is a field of the document. Instead it replaces exactly
    the version that it compared, and raises the epoch, so that no paused run continues after it.
    Raises RefusedError if there is nothing to restore, the document changed meanwhile or a
    deployment is paused, and LeaseHeldError if a run holds the lease.
    """
    app.settings.environment(environment)
    reader = EnvironmentReader(app=app, environment=environment)
    found = _archive(reader).restoration(reader.key, number)
    _require_no_holder(reader, found.versions)
    current = found.versions.current
    if current and current.environment:
        require_not_paused(reader, current.environment, Interrupted.REFUSE)
    with app.interrupts.heard():
        if not confirm(found):
            return None
    _archive(reader).restore(found)
    return found


def providers(app: Application, environment: str) -> dict[str, ProviderLock]:
    """Return the recorded lock of each program, `terraform` or `tofu`; reads only the store."""
    from pipeline.adapters.terraform.provider_locks import ProviderLocks

    app.settings.environment(environment)
    reader = EnvironmentReader(app=app, environment=environment)
    locks = ProviderLocks(store=reader.store, environment=environment)
    found = {program: locks.read(program).lock for program in locks.programs()}
    return {program: lock for program, lock in found.items() if lock}


def once_runs(app: Application, environment: str) -> tuple[OnceRun, ...]:
    """Return every hook with `once` that began, oldest first; reads only the store."""
    app.settings.environment(environment)
    return OnceRuns(EnvironmentReader(app=app, environment=environment).store, environment).all()


def settle_once(
    app: Application, environment: str, image: str, *, again: bool
) -> tuple[OnceRun, ...]:
    """Record what a person found out about the hooks whose end is unknown; return all hooks.

    They ended, or with `again` they run again. `image` limits it to those of one image. Raises
    RefusedError if there is none, and LeaseHeldError while a run holds the lease.
    """
    unknown = [
        each
        for each in once_runs(app, environment)
        if each.is_unknown and image in {"", each.image}
    ]
    reader = EnvironmentReader(app=app, environment=environment)
    EnvironmentLease(reader=reader).require_free()
    if not unknown:
        what = "the end of every hook that ran once is known"
        raise RefusedError("state hooks", what, commands.state_hooks(environment))
    records = OnceRuns(reader.store, environment)
    for each in unknown:
        if again:
            records.forget(each)
        else:
            records.end(each, ended=reader.pace.today(), code=0)
    return records.all()


def upgrade_providers(
    app: Application, environment: str, confirm: Callable[[ProviderUpgrade], bool]
) -> ProviderUpgrade | None:
    """Record newer providers after a plan with them and a confirmation; None if that is a no.

    Raises RefusedError if the plan changes anything: a release never changes. It holds the lease,
    so no deployment initializes Terraform meanwhile.
    """
    options = SessionOptions(
        command="state providers --upgrade", interrupted=Interrupted.REFUSE_TO_PLAN
    )
    session = EnvironmentSession.begin(app, environment, options)
    with session.lease() as leased:
        resources, fence = leased.resources()
        document = leased.document()
        with app.interrupts.heard():
            upgrade = resources.plan_upgrade(document.in_terraform(document.releases))
            accepted = False
            try:
                accepted = bool(upgrade.changes) and confirm(upgrade)
            finally:
                if not accepted:
                    resources.discard_upgrade()
        if accepted:
            fence()
            resources.record_upgrade(upgrade)
        return upgrade if accepted or not upgrade.changes else None


def rebuild(
    app: Application, environment: str, confirm: Callable[[Rebuilding], bool]
) -> Rebuilding | None:
    """Write the document that the groups' tags make up after a confirmation; None if that is a no.

    Terraform's state first gets the groups that it lacks: it is often lost with the document.
    Raises RefusedError if the document records anything, or if the groups contradict each other.
    """
    options = SessionOptions(command="state rebuild", rebuilds=True)
    session = EnvironmentSession.begin(app, environment, options, _require_lost)
    with session.lease() as leased:
        require_lost(leased.document())
        with app.interrupts.heard():
            found = rebuilding(session.reader)
            if not confirm(found):
                return None
        resources, fence = leased.resources()
        resources.adopt(found.document.in_terraform(found.document.releases))
        fence()
        leased.held.update(lambda current: _with_records(current, found.document))
        return found


def _require_lost(reader: EnvironmentReader, document: Environment) -> None:
    require_lost(document, newest_record(reader) if document.is_empty else 0)


def _with_records(current: Environment, rebuilt: Environment) -> Environment:
    """Return the document with the rebuilt records and its own lease."""
    return replace(rebuilt, lease=current.lease, epoch=current.epoch, broken=current.broken)


def _require_no_holder(reader: EnvironmentReader, copies: DocumentVersions) -> None:
    """Raise LeaseHeldError if the newest readable version names a valid lease."""
    versions = (copies.current, *copies.earlier)
    newest = next((each.environment for each in versions if each and each.environment), None)
    if newest:
        EnvironmentLease(reader=reader).require_over(newest)


def _archive(reader: EnvironmentReader) -> Archive:
    return Archive(environments=reader.documents)
