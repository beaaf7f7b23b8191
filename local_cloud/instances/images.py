"""Keep the snapshots: the directory behind each AMI.

Instances write in place, so an image and an instance share no file, except by copy-on-write
where the file system supports it (`cp --reflink=auto`). Images never change, so a copied image
shares its files by hard links. Symbolic links never change either: instances share the hundreds
that every image has from the host, because making them takes nine tenths of a copy.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from local_cloud.instances import processes, reaper

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

log = logging.getLogger(__name__)

TEMPORARY = ("tmp", "run")
LINKED = ("etc/alternatives", "etc/ssl/certs")


@dataclass(kw_only=True)
class Images:
    """The images of one cloud; an id without a directory is a base image, which is empty."""

    folder: Path
    without_files: set[str] = field(default_factory=set)
    """Images of volumes whose files the local cloud does not have."""
    _made: dict[str, asyncio.Future[bool]] = field(default_factory=dict)
    _copies: dict[str, list[asyncio.Future[bool]]] = field(default_factory=dict)
    """The copies that are being made, by the image they are made from."""

    def expect(self, image: str) -> asyncio.Future[bool]:
        """Announce an image that is being made; launches of it wait for its files."""
        return self._made.setdefault(image, asyncio.get_running_loop().create_future())

    async def take(self, image: str, files: Path) -> bool:
        """Snapshot the files of an instance; return False if that failed."""
        target = self.folder / image
        with finished(self.expect(image)) as made:
            made.done = await copy(files, target, "--reflink=auto")
            for name in TEMPORARY if made.done else ():
                await asyncio.to_thread(clear, target / name)
        return made.done

    async def duplicate(self, image: str, source: str) -> bool:
        """Copy the files of `source` to `image`; return False if that failed."""
        copying = self.expect(image)
        self._copies.setdefault(source, []).append(copying)
        waiting = self._made.get(source)
        with finished(copying) as made:
            made.done = waiting is None or await asyncio.shield(waiting)
            if made.done and (self.folder / source).is_dir():
                made.done = await copy(self.folder / source, self.folder / image, "--link")
        return made.done

    async def unpack(self, image: str, files: Path) -> bool:
        """Give a new instance the files of its image; return False if the image has failed."""
        made = self._made.get(image)
        if made is not None and not await asyncio.shield(made):
            return False
        if (self.folder / image).is_dir():
            return await copy(self.folder / image, files, "--reflink=auto")
        return True

    async def forget(self, image: str) -> None:
        """Delete the files of a deregistered image once they and their copies are complete.

        CopyImage goes on after its source is deregistered: the copy has snapshots of its own.
        """
        made = self._made.pop(image, None)
        for each in [*([made] if made else []), *self._copies.pop(image, [])]:
            await asyncio.shield(each)
        await asyncio.to_thread(reaper.remove_tree, self.folder / image)


@dataclass(kw_only=True, slots=True)
class Made:
    """Whether an image has its files."""

    done: bool = False


@contextlib.contextmanager
def finished(waiting: asyncio.Future[bool]) -> Iterator[Made]:
    """Tell those who wait for an image how it ended: also if it failed or was forgotten meanwhile.

    An error of this machine, such as a full disk, is a failed image.
    """
    made = Made()
    try:
        yield made
    except OSError:
        made.done = False
        log.exception("an image could not be made")
    finally:
        if not waiting.done():
            waiting.set_result(made.done)


async def copy(source: Path, target: Path, how: str) -> bool:
    """Copy a tree with its modes, owners, times and links, in a child process."""
    await asyncio.to_thread(target.mkdir, parents=True, exist_ok=True)
    await asyncio.to_thread(share_links, source, target)  # `cp` skips identical files
    process = await asyncio.create_subprocess_exec(
        *["cp", "--archive", how, "--one-file-system", f"{source}/.", str(target)],
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    async with processes.attended(process):
        return await process.wait() == 0


def share_links(source: Path, target: Path) -> None:
    """Give a tree the symbolic links of another's `LINKED`, as hard links where possible.

    Only in folders whose owner never changes: a change would show in every tree.
    """
    for name in LINKED:
        here = source / name
        if not here.is_dir() or here.resolve() != source.resolve() / name:
            continue
        with contextlib.suppress(
            OSError
        ):  # such as too many links of one file: `cp` copies the rest
            (target / name).mkdir(parents=True, exist_ok=True)
            for entry in os.scandir(here):
                if entry.is_symlink():
                    os.link(entry.path, target / name / entry.name, follow_symlinks=False)


def clear(folder: Path) -> None:
    """Empty a folder that is empty at boot."""
    for entry in folder.iterdir() if folder.is_dir() else ():
        if entry.is_dir() and not entry.is_symlink():
            reaper.remove_tree(entry)
        else:
            entry.unlink(missing_ok=True)
