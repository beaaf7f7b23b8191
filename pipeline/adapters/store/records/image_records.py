"""Record bakes and images in the store: `bakes/` while a bake runs, `images/` afterwards.

`contents/` has the source and the packages of each image.

A bake is recorded before it starts, so that a later run finds the leftovers of a killed one: its
unique name and the resources that Packer named. The record moves when the bake ends, so the
cleanup reads only a few records.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, replace
from datetime import datetime, timedelta

from pipeline.adapters.store.base import Document, StaleError, Store
from pipeline.adapters.store.envelope import DamagedError, NewerError, seal, unseal
from pipeline.core import commands
from pipeline.core.bake.cleanup import SKEW
from pipeline.core.bake.model import BuildResources
from pipeline.core.changes.model import ImageContents
from pipeline.core.errors import RefusedError
from pipeline.core.freshness import SETTLED
from pipeline.core.image import Image, ImageStatus

SCHEMA = 1
CONTENTS = "contents"
"""The folder of what images have."""
NOT_RECORDED = "the bake recorded none"
_UNFINISHED = (ImageStatus.BAKING, ImageStatus.LEFT)


class ImageRecords:
    """The records of images, by the name of their bake.

    `runs` returns whether a bake still runs on this machine, None if it never did. A bake of
    another machine may run until the time in its record, by the store's clock. `lasts` is the
    longest bake of this machine's configuration; another machine's may differ. `logged` returns the
    resources in a bake's log.
    """

    def __init__(
        self,
        store: Store,
        *,
        runs: Callable[[Image], bool | None],
        lasts: timedelta = timedelta(),
        logged: Callable[[Image], BuildResources] = lambda _: BuildResources(),
    ) -> None:
        self._store = store
        self._runs = runs
        self._lasts = lasts
        self._logged = logged

    def write(self, image: Image, resources: BuildResources | None = None) -> None:
        """Write the record at the place of the image's status, and delete the other one.

        A bake with status `GONE` that made no image leaves no record.
        """
        unfinished, finished = _key("bakes", image), _key("images", image)
        if image.status in _UNFINISHED:
            self._put(unfinished, image, resources)
            return
        if image.ids:
            self._put(finished, image, resources)
        self._store.delete(unfinished)

    def forget(self, image: Image) -> None:
        """Delete the record of an image that no longer exists; a missing one is no error."""
        self._store.delete(_key("images", image))
        self._store.delete(_key(CONTENTS, image))

    def write_contents(self, image: Image, contents: ImageContents) -> None:
        """Record what an image has; beside its record, because lists of packages are long."""
        self._replace(_key(CONTENTS, image), seal(contents))

    def contents(self, image: Image) -> ImageContents:
        """Return what an image has; raises RefusedError if the store does not answer."""
        document = self._store.read(_key(CONTENTS, image)) if image.name else None
        if document is None:
            return ImageContents(unknown=NOT_RECORDED)
        try:
            return unseal(ImageContents, document.data)
        except (DamagedError, NewerError) as error:
            return ImageContents(unknown=f"{_key(CONTENTS, image)} cannot be read: {error}")

    def all(self, app: str) -> tuple[Image, ...]:
        """Return every recorded image of an app and every unfinished bake."""
        return tuple(
            image for image, _ in (*self._read(app, "images/"), *self._read(app, "bakes/"))
        )

    @property
    def recently(self) -> str:
        """The time, UTC, ISO 8601, from which on an image counts as new, whatever the clocks."""
        return (self._store.now() - SKEW - timedelta(seconds=SETTLED)).isoformat()

    def unfinished(self, app: str) -> tuple[tuple[Image, BuildResources], ...]:
        """Return the bakes of an app that were interrupted: not finished and not running."""
        read = ((key, self._store.read(key)) for key in self._store.keys("bakes/"))
        found = [(*_parse(key, document), document) for key, document in read if document]
        own = (each for each in found if each[0].app == app)
        dead = ((image, recorded) for image, recorded, at in own if not self._may_run(image, at))
        return tuple((image, recorded.with_more(self._logged(image))) for image, recorded in dead)

    def _may_run(self, image: Image, document: Document) -> bool:
        """Return True if a bake may still run."""
        runs_here = self._runs(image)
        if runs_here is not None or image.status is not ImageStatus.BAKING:
            return bool(runs_here)
        over = json.loads(document.data).get("over")
        begun = datetime.fromisoformat(image.created)  # a record without `over` is older
        return self._store.now() < (datetime.fromisoformat(over) if over else begun + self._lasts)

    def find(self, app: str, ami_id: str) -> Image | None:
        """Return the record of the image with this AMI in any region, or None."""
        found = (image for image, _ in self._read(app, "images/"))
        return next((image for image in found if ami_id in image.ids.values()), None)

    def quarantine(self, image: Image, reason: str) -> None:
        """Record that an image must not serve again, and why.

        An image without a record gets one. `Images.tag` writes the same status to AWS for other
        stores; either one is enough. Nothing is deleted: the role of a deployment may not.
        """
        bad = replace(image, status=ImageStatus.QUARANTINED, reason=reason)
        self._put(_key("images", image), bad, None)

    def _put(self, key: str, image: Image, resources: BuildResources | None) -> None:
        """Write the record; a bake's name is unique, so a changed version is replaced once."""
        document = {
            "schema": SCHEMA,
            "image": _image_fields(image),
            "resources": asdict(resources or BuildResources()),
        }
        if image.status is ImageStatus.BAKING:
            document["over"] = (self._store.now() + self._lasts).isoformat()
        self._replace(key, json.dumps(document, indent=2, sort_keys=True).encode() + b"\n")

    def _replace(self, key: str, data: bytes) -> None:
        for _ in range(2):
            current = self._store.read(key)
            try:
                self._store.write(key, data, expected=current.version if current else None)
            except StaleError:
                continue
            return
        raise RefusedError(f"[state] {key}", "another run is writing it", "run the command again")

    def _read(self, app: str, prefix: str) -> list[tuple[Image, BuildResources]]:
        documents = ((key, self._store.read(key)) for key in self._store.keys(prefix))
        pairs = (_parse(key, document) for key, document in documents if document)
        return [pair for pair in pairs if pair[0].app == app]


def _key(kind: str, image: Image) -> str:
    return f"{kind}/{image.bake or image.name}.json"


def _image_fields(image: Image) -> dict[str, object]:
    fields = {name: getattr(image, name) for name in Image.__slots__}
    return {**fields, "ids": dict(image.ids), "tags": dict(image.tags)}


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
            f"this version cannot read the record: {error}",
            f"move {key} out of the store; {commands.images()} still lists the images in AWS",
        ) from error
    return image, resources


def _require_schema(number: object) -> None:
    if number != SCHEMA:
        raise ValueError(f"schema {number}")
