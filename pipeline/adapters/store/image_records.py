"""The images part of the store: `bakes/` for those that run, `images/` for what they made.

A bake is recorded before it starts, so that a later run finds what a killed one
left: its name, which no one else uses, and what Packer said it had made. When it
ends, the record moves, so only a handful of bakes is ever read for the clean-up.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, replace
from datetime import datetime, timedelta

from pipeline.adapters.store.base import Document, StaleError, Store
from pipeline.core.bake.model import BuildResources
from pipeline.core.errors import RefusedError
from pipeline.core.image import Image, ImageStatus

SCHEMA = 1
_UNFINISHED = (ImageStatus.BAKING, ImageStatus.LEFT)


class ImageRecords:
    """Records of images, by the name of their bake.

    `runs` tells whether a bake still runs on this machine, None where it never did. One of another
    machine may run for as long as its own record says, by the store's clock: `lasts` is what ours
    may take, and another's configuration, or clock, is not ours.
    """

    def __init__(
        self,
        store: Store,
        *,
        runs: Callable[[Image], bool | None],
        lasts: timedelta = timedelta(),
        told: Callable[[Image], BuildResources] = lambda _: BuildResources(),
    ) -> None:
        self._store = store
        self._runs = runs
        self._lasts = lasts
        self._told = told

    def write(self, image: Image, resources: BuildResources | None = None) -> None:
        """Record the image where its status belongs, and nowhere else.

        `GONE` leaves no record of a bake that made nothing.
        """
        unfinished, finished = _key("bakes", image), _key("images", image)
        if image.status in _UNFINISHED:
            self._put(unfinished, image, resources)
            return
        if image.ids:
            self._put(finished, image, resources)
        self._store.delete(unfinished)

    def all(self, app: str) -> tuple[Image, ...]:
        """Return every recorded image of an app and every bake that did not end."""
        return tuple(
            image for image, _ in (*self._read(app, "images/"), *self._read(app, "bakes/"))
        )

    def unfinished(self, app: str) -> tuple[tuple[Image, BuildResources], ...]:
        """Return the bakes of this app that began, were not brought to an end, and run no more."""
        there = ((key, self._store.read(key)) for key in self._store.keys("bakes/"))
        found = [(*_parse(key, document), document) for key, document in there if document]
        ours = (each for each in found if each[0].app == app)
        dead = ((image, noted) for image, noted, at in ours if not self._alive(image, at))
        return tuple((image, noted.with_more(self._told(image))) for image, noted in dead)

    def _alive(self, image: Image, document: Document) -> bool:
        """Tell whether a bake may still run: what has ended says so, whoever asks."""
        here = self._runs(image)
        if here is not None or image.status is not ImageStatus.BAKING:
            return bool(here)
        over = json.loads(document.data).get("over")
        begun = datetime.fromisoformat(image.created)  # a record of before there was `over`
        return self._store.now() < (datetime.fromisoformat(over) if over else begun + self._lasts)

    def find(self, app: str, ami_id: str) -> Image | None:
        """Return the record of the image with this AMI, in whichever region, or None."""
        found = (image for image, _ in self._read(app, "images/"))
        return next((image for image in found if ami_id in image.ids.values()), None)

    def quarantine(self, image: Image, reason: str) -> None:
        """Record that an image must not go into service again, and why.

        An image that is known by its tags only gets a record by it. The tag in AWS says the same
        to other stores and is written apart (`Images.tag`); either is enough.
        """
        self.write(replace(image, status=ImageStatus.QUARANTINED, reason=reason))

    def _put(self, key: str, image: Image, resources: BuildResources | None) -> None:
        """Write the record; a bake's name is its own, so a newer version is written over once."""
        document = {
            "schema": SCHEMA,
            "image": _plain(image),
            "resources": asdict(resources or BuildResources()),
        }
        if image.status is ImageStatus.BAKING:
            document["over"] = (self._store.now() + self._lasts).isoformat()
        data = json.dumps(document, indent=2, sort_keys=True).encode() + b"\n"
        for _ in range(2):
            current = self._store.read(key)
            try:
                self._store.write(key, data, expected=current.version if current else None)
            except StaleError:
                continue
            return
        raise RefusedError(f"[state] {key}", "another run writes it too", "run the command again")

    def _read(self, app: str, prefix: str) -> list[tuple[Image, BuildResources]]:
        documents = ((key, self._store.read(key)) for key in self._store.keys(prefix))
        pairs = (_parse(key, document) for key, document in documents if document)
        return [pair for pair in pairs if pair[0].app == app]


def _key(kind: str, image: Image) -> str:
    return f"{kind}/{image.bake or image.name}.json"


def _plain(image: Image) -> dict[str, object]:
    plain = {name: getattr(image, name) for name in Image.__slots__}
    return {**plain, "ids": dict(image.ids), "tags": dict(image.tags)}


def _parse(key: str, document: Document) -> tuple[Image, BuildResources]:
    try:
        content = json.loads(document.data)
        _require_schema(content["schema"])
        fields = {**content["image"], "status": ImageStatus(content["image"]["status"])}
        resources = BuildResources(
            **{kind: tuple(names) for kind, names in content["resources"].items()}
        )
        image = Image(**fields)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise RefusedError(
            f"[state] {key}",
            f"not a record this version can read: {error}",
            f"move {key} out of the store; images still lists what AWS has",
        ) from error
    return image, resources


def _require_schema(number: object) -> None:
    if number != SCHEMA:
        raise ValueError(f"schema {number}")
