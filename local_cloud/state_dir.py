"""Where a local cloud keeps everything it makes, and the file that says it runs.

The lock is held by the serving process for as long as it lives, so the kernel
frees it however that process ends: "one runs" is a fact, never a stale file.
"""

from __future__ import annotations

import dataclasses
import fcntl
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

from local_cloud.errors import RefusedError

if TYPE_CHECKING:
    from collections.abc import Mapping

MARKER = "AMI_PIPELINE_SANDBOX"


def default_home(environ: Mapping[str, str]) -> Path:
    """Return the home of the user's own cloud."""
    if chosen := environ.get("AMI_PIPELINE_SANDBOX_HOME"):
        return Path(chosen)
    state = environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    return Path(state) / "ami-pipeline" / "sandbox"


@dataclasses.dataclass(frozen=True, kw_only=True)
class State:
    """What a running cloud tells those who want to use it."""

    pid: int
    port: int
    ssh_port: int
    metadata_port: int
    network: str
    speed: float
    isolation: str
    started: str

    @property
    def endpoint(self) -> str:
        """The address of the API, for every service and region."""
        return f"http://127.0.0.1:{self.port}"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Home:
    """The directory of one cloud; clouds with different homes run side by side."""

    path: Path

    @property
    def instances(self) -> Path:
        """One directory per instance: its root file system and its console."""
        return self.path / "instances"

    @property
    def images(self) -> Path:
        """One directory per AMI: a snapshot of a root file system."""
        return self.path / "images"

    @property
    def log(self) -> Path:
        """What the serving process had to say."""
        return self.path / "cloud.log"

    @property
    def state_file(self) -> Path:
        """Written when the cloud answers, gone when it was taken down."""
        return self.path / "state.json"

    @property
    def lock_file(self) -> Path:
        """Locked by the serving process while it lives."""
        return self.path / "lock"

    @property
    def draft(self) -> Path:
        """The state file while it is written."""
        return self.path / "state.draft"

    @property
    def own(self) -> tuple[Path, ...]:
        """All that a cloud ever makes here; nothing else is touched, whatever folder it is."""
        folders = (self.instances, self.images)
        return (*folders, self.log, self.state_file, self.draft, self.lock_file)

    def foreign(self) -> list[str]:
        """Return the names of what is here and no cloud made."""
        if not self.path.is_dir():
            return []
        return sorted(entry.name for entry in self.path.iterdir() if entry not in self.own)

    def write(self, state: State) -> None:
        """Announce a cloud that answers; a reader sees all of it or nothing."""
        self.draft.write_text(json.dumps(dataclasses.asdict(state)))
        self.draft.replace(self.state_file)

    def read(self) -> State | None:
        """Return the cloud that runs here, if one does."""
        if not self.is_locked():
            return None
        try:
            return State(**json.loads(self.state_file.read_text()))
        except FileNotFoundError:
            return None

    def is_locked(self) -> bool:
        """Tell whether a process holds this home, without disturbing it."""
        try:
            descriptor = os.open(self.lock_file, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(descriptor)
        return False

    def lock(self) -> int:
        """Take this home for the life of the process; say so if one runs already."""
        while True:
            self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
            descriptor = os.open(self.lock_file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(descriptor)
                raise self.one_runs() from None
            if self._is_still_ours(descriptor):
                return descriptor
            os.close(descriptor)  # a `down` removed the file between open and lock

    def _is_still_ours(self, descriptor: int) -> bool:
        try:
            return os.path.samestat(os.fstat(descriptor), self.lock_file.stat())
        except FileNotFoundError:
            return False

    def one_runs(self) -> RefusedError:
        """Return the refusal of a second `up`."""
        state = self.read()
        who = f"process {state.pid}, API at {state.endpoint}" if state else "it is starting"
        return RefusedError(
            f"local cloud in {self.path}",
            f"one runs already: {who}",
            'use it: eval "$(ami-pipeline sandbox env)", or end it: ami-pipeline sandbox down',
        )
