"""Implement `core.bake.ports.Workplace` on this machine: clock, files, names, signals."""

from __future__ import annotations

import hashlib
import json
import os
import re
import secrets
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from pathlib import Path

from pipeline.adapters.identity import runner
from pipeline.adapters.packer.build_locks import build_lock
from pipeline.adapters.packer.written_files import files_below, noting_writes
from pipeline.adapters.process.signals import Interrupts
from pipeline.core.bake.model import BakeRequest
from pipeline.core.errors import ConfigurationError
from pipeline.core.events import Message, Report

_SCHEME = b"ami-pipeline fingerprint 1\n"
_LONGEST_AMI_NAME = 128


class LocalWorkplace:
    """The machine that a bake runs on."""

    def __init__(self, interrupts: Interrupts, logs: Path, report: Report) -> None:
        self._interrupts = interrupts
        self._logs = logs
        self._report = report

    def fingerprint(self, request: BakeRequest, source_ami: str, packer: str) -> str:
        """Return the SHA-256, in hexadecimal, of everything that determines the image.

        It covers the template's folder and the inputs (names, contents, executable bits; not the
        files that a bake writes), the variables without secrets, app, version, environment, source
        image, Packer's version, regions and uncommitted changes. Raises ConfigurationError if an
        input cannot be read.
        """
        digest = hashlib.sha256(_SCHEME)
        facts = {
            "app": request.app,
            "template": request.template.name,
            "version": request.version,
            "environment": request.environment,
            "source_ami": source_ami,
            "packer": packer,
            "regions": request.all_regions,
            "only": request.only,
            "variables": dict(request.variables),
            "secret_names": sorted(request.secrets),
            "changes": request.commit.changes,
        }
        if request.elsewhere:
            facts["elsewhere"] = dict(request.elsewhere)
        digest.update(json.dumps(facts, sort_keys=True).encode())
        try:
            for number, start in enumerate(_roots(request)):
                digest.update(b"%d\n" % number)
                for line in _contents(start, frozenset(request.outputs)):
                    digest.update(line)
        except OSError as error:
            raise ConfigurationError(
                "[bake] inputs",
                f"{error.filename}: {error.strerror}",
                "fix inputs in pipeline.toml, or make the file readable for you",
            ) from error
        return digest.hexdigest()

    def name(self, request: BakeRequest) -> str:
        """Return a new image name: app, environment, version, UTC seconds and ten random digits.

        An AMI name has 3 to 128 letters, digits and ().-/_'@[] (EC2 API Reference, CreateImage). A
        version's `+` becomes `_`, and a version that is too long loses its end.
        """
        stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
        end = f"-{stamp}-{secrets.token_hex(5)}"
        parts = (request.app, request.environment, request.version.replace("+", "_"))
        return "-".join(part for part in parts if part)[: _LONGEST_AMI_NAME - len(end)] + end

    def now(self) -> str:
        """Return the time, UTC, ISO 8601."""
        return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

    def clock(self) -> float:
        """Return monotonic seconds."""
        return time.monotonic()

    def shield(self) -> AbstractContextManager[None]:
        """Defer signals until the end of the block."""
        return self._interrupts.held()

    def noting_writes(self, request: BakeRequest) -> AbstractContextManager[None]:
        """Note which files the build writes beside its inputs, so that they are none."""
        name = request.template.name

        def report(path: Path) -> None:
            self._report(Message(text=f"{name} wrote {path}, which does not count as an input"))

        return noting_writes(self._logs.parent, _roots(request), request.outputs, report)

    def claim(self, bake: str) -> AbstractContextManager[None]:
        """Hold the build lock, which shows other runs that this bake is running."""
        return build_lock(self._logs, bake)


def _roots(request: BakeRequest) -> tuple[Path, ...]:
    template = request.template
    folder = template if template.is_dir() else template.parent
    return (folder, *request.inputs, *request.var_files)


def _contents(start: Path, outputs: frozenset[Path]) -> Iterator[bytes]:
    """Yield a line for each file below `start`: relative name, executable bit, digest."""
    for path in sorted(files_below(start, outputs)):
        relative = path.relative_to(start) if path != start else Path(path.name)
        if path.is_symlink():
            content = os.fsencode(path.readlink())
        else:
            content = hashlib.sha256(path.read_bytes()).digest()
        executable = b"x" if os.access(path, os.X_OK) else b"-"
        yield b"\0".join([os.fsencode(relative), executable, content, b"\n"])


def baked_by(environ: Mapping[str, str]) -> str:
    """Return the CI job's URL, or user and host."""
    by = runner(environ)
    return _tag_value(by.run or f"{by.user}@{by.host}")


def _tag_value(text: str) -> str:
    """Return text that every AWS service accepts as a tag's value."""
    return re.sub(r"[^A-Za-z0-9 +=._:/@-]", "-", text)[:256]
