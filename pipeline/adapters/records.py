"""The images part of the store: one document for each bake, written before it starts.

The record that says `baking` is how a later run finds what a killed one left: it
holds the image's name, which no one else uses, and what Packer said it had made.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict

from pipeline.adapters.store import Document, StaleError, Store
from pipeline.core.errors import RefusedError
from pipeline.core.model import Image, Traces, Verdict

SCHEMA = 1
_UNFINISHED = (Verdict.BAKING, Verdict.LEFT)


class ImageRecords:
    """Records of images, by the name of their bake; `runs` tells whether a bake still runs."""

    def __init__(self, store: Store, *, runs: Callable[[Image], bool]) -> None:
        self._store = store
        self._runs = runs

    def write(self, image: Image, traces: Traces | None = None) -> None:
        """Record the image, replacing an earlier record of the same name.

        A bake's name is its own, so a record that changed meanwhile is read again
        once and written over.
        """
        key = _key(image.bake or image.name)
        document = {"schema": SCHEMA, "image": _plain(image), "traces": asdict(traces or Traces())}
        data = json.dumps(document, indent=2, sort_keys=True).encode() + b"\n"
        for _ in range(2):
            current = self._store.read(key)
            try:
                self._store.write(key, data, expected=current.version if current else None)
            except StaleError:
                continue
            return
        raise RefusedError(f"[state] {key}", "another run writes it too", "run the command again")

    def all(self, app: str) -> tuple[Image, ...]:
        """Return every recorded image of an app, in order of name."""
        return tuple(image for image, _ in self._read_all(app))

    def unfinished(self, app: str) -> tuple[tuple[Image, Traces], ...]:
        """Return the bakes of this app that began, were not brought to an end, and run no more."""
        found = (pair for pair in self._read_all(app) if pair[0].verdict in _UNFINISHED)
        return tuple(pair for pair in found if not self._runs(pair[0]))

    def _read_all(self, app: str) -> list[tuple[Image, Traces]]:
        keys = self._store.keys("images/")
        documents = ((key, self._store.read(key)) for key in keys)
        pairs = (_parse(key, document) for key, document in documents if document)
        return [pair for pair in pairs if pair[0].app == app]


def _key(name: str) -> str:
    return f"images/{name}.json"


def _plain(image: Image) -> dict[str, object]:
    plain = {name: getattr(image, name) for name in Image.__slots__}
    return {**plain, "ids": dict(image.ids), "tags": dict(image.tags)}


def _parse(key: str, document: Document) -> tuple[Image, Traces]:
    try:
        content = json.loads(document.data)
        fields = {**content["image"], "verdict": Verdict(content["image"]["verdict"])}
        traces = {kind: tuple(names) for kind, names in content["traces"].items()}
        image = Image(**fields)
    except (ValueError, KeyError, TypeError) as error:
        raise RefusedError(
            f"[state] {key}",
            f"not a record this version can read: {error}",
            f"move {key} out of the store; images still lists what AWS has",
        ) from error
    return image, Traces(**traces)
