"""Recognize an environment whose document is lost, and read what a new one is rebuilt from."""

from __future__ import annotations

from pipeline.app.environment.reader import EnvironmentReader
from pipeline.core.errors import PipelineError, RefusedError
from pipeline.core.freshness import SETTLED
from pipeline.core.state.environment import Environment
from pipeline.core.state.rebuilding import Rebuilding, lost_error, rebuilt

EVERY = 100_000
"""How many recorded deployments are read: all of them."""


def find_lost(reader: EnvironmentReader, document: Environment) -> RefusedError | None:
    """Return the error if nothing is recorded, but a group of the environment serves.

    AWS is read only if nothing is recorded, as before a first promotion. Raises RefusedError if it
    does not answer.
    """
    if not document.is_empty:
        return None
    existing, _ = reader.entries(document)
    groups = reader.groups.receiving(existing, frozenset())
    if not groups:
        return None
    where, earlier = reader.documents.where(document), newest_record(reader)
    return lost_error(document, where, groups.values(), existing, earlier)


def newest_record(reader: EnvironmentReader) -> int:
    """Return the number of the newest earlier version that records anything, 0 for none.

    0, too, if the versions cannot be listed.
    """
    from pipeline.adapters.store.document_versions import Archive

    try:
        return Archive(environments=reader.documents).versions(reader.key).newest_record
    except PipelineError:
        return 0


def rebuilding(reader: EnvironmentReader) -> Rebuilding:
    """Return the document that AWS shows, by two reads between which every write became visible.

    Raises RefusedError if the groups contradict each other.
    """
    _rebuilt(reader)
    reader.pace.sleep(SETTLED)
    document = _rebuilt(reader)
    return Rebuilding(where=reader.documents.where(document), document=document)


def _rebuilt(reader: EnvironmentReader) -> Environment:
    from pipeline.app.baked_images import known_images

    wanted = reader.key
    traces = reader.groups.traces(wanted)
    history = reader.deployments.history(reader.environment, EVERY)
    recorded = {each.green for each in history} | {each.blue for each in history}
    images = {each.id: each for each in known_images(reader.app, reader.clients) if each.id}
    _ = reader.balancers  # raises if one does not exist
    entries, _ = reader.entries(wanted)
    return rebuilt(wanted, traces.with_releases(recorded), entries, images)
