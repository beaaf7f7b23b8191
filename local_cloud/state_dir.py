"""The directory of a local cloud: everything that it makes, and the file that says it runs.

The serving process holds the lock for as long as it lives, and the kernel frees it however that
process ends. So "a cloud is running here" is never read from a stale file.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from local_cloud.errors import PROGRAM, RefusedError

MARKER = "AMI_PIPELINE_LOCAL_CLOUD"
"""The variable in the environment of every process of a cloud; its value is the cloud's home."""

HOME = f"{MARKER}_HOME"


def default_home(environ: Mapping[str, str]) -> Path:
    """Return the home of the user's own cloud."""
    if chosen := environ.get(HOME):
        return Path(chosen)
    state = environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    return Path(state) / "ami-pipeline" / "local-cloud"


@dataclass(frozen=True, kw_only=True, slots=True)
class State:
    """A running cloud: its process, ports and settings."""

    pid: int
    port: int
    ssh_port: int
    metadata_port: int
    network: str
    speed: float
    isolation: str
    started: str
    authority: str
    trusted: str
    consistency: str = "strong"
    ssh_hint: str = ""

    @property
    def endpoint(self) -> str:
        """The address of the API, for every service and region."""
        return f"http://127.0.0.1:{self.port}"


@dataclass(frozen=True, kw_only=True, slots=True)
class StateDir:
    """The directory of one cloud, its home; clouds with different homes run side by side."""

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
        """The log of the serving process."""
        return self.path / "cloud.log"

    @property
    def authority(self) -> Path:
        """The certificate of the cloud's own authority, for clients."""
        return self.path / "authority.pem"

    @property
    def trusted(self) -> Path:
        """The same certificate with those that this machine trusts."""
        return self.path / "trusted.pem"

    @property
    def state_file(self) -> Path:
        """Written when the cloud answers, deleted when it is taken down."""
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
        """Everything that a cloud makes here; it never touches anything else in the folder."""
        folders = (self.instances, self.images)
        files = (self.log, self.authority, self.trusted, self.state_file, self.draft)
        return (*folders, *files, self.lock_file)

    def foreign(self) -> list[str]:
        """Return the names of the entries that no cloud made."""
        if not self.path.is_dir():
            return []
        return sorted(entry.name for entry in self.path.iterdir() if entry not in self.own)

    def write(self, state: State) -> None:
        """Announce a cloud that answers; a reader sees the whole file or none."""
        self.draft.write_text(json.dumps(asdict(state)))
        self.draft.replace(self.state_file)

    def read(self) -> State | None:
        """Return the cloud that runs here, or None."""
        if not self.is_locked():
            return None
        try:
            return State(**json.loads(self.state_file.read_text()))
        except FileNotFoundError:
            return None

    def is_locked(self) -> bool:
        """Return True if a process holds this home; the check does not disturb it."""
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
        """Lock this home for the life of the process; refuse if a cloud is running here."""
        while True:
            self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
            descriptor = os.open(self.lock_file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(descriptor)
                raise self.already_running() from None
            if self._is_current(descriptor):
                return descriptor
            os.close(descriptor)  # a `down` removed the file between open and lock

    def _is_current(self, descriptor: int) -> bool:
        try:
            return os.path.samestat(os.fstat(descriptor), self.lock_file.stat())
        except FileNotFoundError:
            return False

    def already_running(self) -> RefusedError:
        """Return the refusal of a second `up`."""
        state = self.read()
        process = f"process {state.pid}, API at {state.endpoint}" if state else "it is starting"
        return RefusedError(
            f"local cloud in {self.path}",
            f"the local cloud is already running: {process}",
            f'use it: eval "$({PROGRAM} env)", or stop it: {PROGRAM} down',
        )
