"""Record the timeline of a deployment beside its journal, as `deployments/<id>/timeline.json`.

It needs no lease: it is a fact, decides nothing, and two runs of a deployment add to each other.
"""

from __future__ import annotations

from pipeline.adapters.store.base import StaleError, Store
from pipeline.adapters.store.envelope import DamagedError, NewerError, seal, unseal
from pipeline.adapters.store.records.deployments import file_key
from pipeline.core.timeline.model import Timeline
from pipeline.core.timeline.thinning import merged

_ATTEMPTS = 3


class Timelines:
    """The timelines of a store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def read(self, deployment: str) -> Timeline:
        """Return the timeline of a deployment; empty if none is recorded or it is damaged."""
        return self._load(deployment)[0]

    def _load(self, deployment: str) -> tuple[Timeline, str | None]:
        """Return a timeline and the version it was read at."""
        document = self._store.read(file_key(deployment, "timeline.json"))
        if document is None:
            return Timeline(), None
        try:
            return unseal(Timeline, document.data), document.version
        except (DamagedError, NewerError):
            return Timeline(), document.version


class TimelineWriter:
    """Writes the timeline of one deployment again and again; for one thread."""

    def __init__(self, store: Store, deployment: str) -> None:
        self._store = store
        self._deployment = deployment
        self._earlier: Timeline | None = None
        self._version: str | None = None

    def write(self, timeline: Timeline) -> None:
        """Add a run's timeline to that of the deployment's earlier runs, and store both.

        Raises RefusedError if the store does not answer, StaleError if another run keeps writing.
        """
        for attempt in range(_ATTEMPTS):
            if self._earlier is None:
                self._earlier, self._version = Timelines(self._store)._load(self._deployment)  # noqa: SLF001 - the class above
            try:
                self._version = self._store.write(
                    file_key(self._deployment, "timeline.json"),
                    seal(merged(self._earlier, timeline)),
                    expected=self._version,
                )
            except StaleError:
                self._earlier = None
                if attempt == _ATTEMPTS - 1:
                    raise
                continue
            return
