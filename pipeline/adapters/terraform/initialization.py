"""Initialize a root module with the provider versions that the environment's lock records.

The order makes a crash harmless: a lock is in the store before the first plan that uses it, so no
state is written by a version that is not recorded. A run that is killed between `init` and that
write has changed nothing in AWS.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from pipeline.adapters.files.atomic import write_atomically
from pipeline.adapters.terraform.init_cache import (
    has_other_backend_options,
    is_initialized,
    mark_initialized,
)
from pipeline.adapters.terraform.provider_locks import ProviderLocks, RecordedLock
from pipeline.adapters.terraform.terraform import Terraform
from pipeline.core.errors import RefusedError
from pipeline.core.events import Message
from pipeline.core.terraform.program import Program
from pipeline.core.terraform.provider_lock import (
    LOCK_FILE,
    PLATFORMS,
    ProviderLock,
    is_signed,
    new_lock,
    versions_in,
)
from pipeline.core.terraform.root_module import Diagnostic

Diagnostics = tuple[Diagnostic, ...]

_OTHER_PROVIDERS = "Provider dependency changes detected"
"""Terraform's error if a module needs a provider that a read-only lock file lacks."""


@dataclass(kw_only=True)
class Initialization:
    """`init` in one folder; without `locks` the lock file stays in the folder only.

    The lock is read once: only a run with the lease changes it.
    """

    terraform: Terraform
    folder: Path
    locks: ProviderLocks | None = None
    _found: dict[str, RecordedLock] = field(default_factory=dict, init=False)

    def ensure(self) -> Diagnostics:
        """Run `init` if a file of it has changed, and record a lock that is new; return errors."""
        is_done = is_initialized(self.folder, self._program)
        if self.locks is None:
            return () if is_done else self._finish(self._init())
        recorded = self._recorded()
        if is_done and (recorded.lock.text if recorded.lock else "") == self._locked_text():
            return ()
        if recorded.lock:
            found = self._init_recorded(recorded.lock)
        else:
            found = () if is_done else self._init()
        if not found:
            self._record(recorded)
        return self._finish(found)

    def is_current(self) -> bool:
        """Return True if the folder is initialized with the recorded lock."""
        if not is_initialized(self.folder, self._program):
            return False
        recorded = self._recorded().lock
        return recorded is not None and recorded.text == self._locked_text()

    def upgrade(self) -> tuple[ProviderLock | None, ProviderLock, Diagnostics]:
        """Install the newest versions that the configuration allows.

        Returns the recorded lock, the new one, and Terraform's errors. The new lock is not yet
        recorded.
        """
        recorded = self._recorded().lock
        if recorded:
            self._write(recorded.text_for(self._program.platform))
        if found := self._init(upgrade=True):
            return recorded, recorded or new_lock(""), found
        if recorded and versions_in(self._text()) == recorded.versions:
            return recorded, recorded, ()
        return recorded, self._with_all_platforms(), ()

    def accept(self, lock: ProviderLock) -> None:
        """Record the lock of an upgrade."""
        name = self._program.key
        if self.locks:
            self._found[name] = self.locks.write(name, lock, self._found[name].version)
        self._write(lock.text)
        mark_initialized(self.folder, self._program)

    def reject(self) -> None:
        """Put the recorded lock back into the folder; the next run initializes again."""
        recorded = self._found.get(self._program.key)
        if recorded and recorded.lock:
            self._write(recorded.lock.text)
        else:
            (self.folder / LOCK_FILE).unlink(missing_ok=True)

    @property
    def _program(self) -> Program:
        return self.terraform.program()

    def _recorded(self) -> RecordedLock:
        name = self._program.key
        if self.locks and name not in self._found:
            self._found[name] = self.locks.read(name)
        return self._found.get(name) or RecordedLock(lock=None, version=None)

    def _init_recorded(self, lock: ProviderLock) -> Diagnostics:
        platform = self._program.platform
        self._write(lock.text_for(platform))
        if platform not in lock.platforms:
            return self._init()
        found = self._init(lockfile="readonly")
        if any(each.summary == _OTHER_PROVIDERS for each in found):
            # `init` keeps each recorded version, and adds the providers that the module now needs.
            return self._init()
        return found

    def _record(self, recorded: RecordedLock) -> None:
        """Write the lock file that `init` left to the store, unless it is recorded already."""
        if self.locks is None or not versions_in(self._text()):
            return
        program = self._program
        if recorded.lock is None:
            lock = self._with_all_platforms()
        else:
            lock = recorded.lock.with_file(self._text(), program.platform)
        self._write(lock.text)
        if lock != recorded.lock:
            self._found[program.key] = self.locks.write(program.key, lock, recorded.version)

    def _with_all_platforms(self) -> ProviderLock:
        """Return the lock file with hashes for all platforms, if the registry can be reached.

        A registry's signed list already has them; packages of a mirror or a cache do not.
        """
        platform = self._program.platform
        if is_signed(self._text()):
            return new_lock(self._text(), platform)
        if self.terraform.lock_providers(self.folder, PLATFORMS):
            return new_lock(self._text(), platform, *PLATFORMS)
        text = f"the registry did not answer: the lock has hashes for {platform} only"
        self.terraform.report(Message(text=f"{self._program.key}: {text}"))
        return new_lock(self._text(), platform)

    def _init(self, *, lockfile: str | None = None, upgrade: bool = False) -> Diagnostics:
        return self.terraform.init(
            self.folder,
            backend=True,
            lockfile=lockfile,
            upgrade=upgrade,
            reconfigure=has_other_backend_options(self.folder),
        )

    def _finish(self, found: Diagnostics) -> Diagnostics:
        if not found:
            mark_initialized(self.folder, self._program)
        return found

    def _locked_text(self) -> str:
        """Return the lock file, empty if it has no provider."""
        text = self._text()
        return text if versions_in(text) else ""

    def _text(self) -> str:
        try:
            return (self.folder / LOCK_FILE).read_text()
        except FileNotFoundError:
            return ""

    def _write(self, text: str) -> None:
        path = self.folder / LOCK_FILE
        if self._text() == text:
            return
        try:
            write_atomically(path, text.encode())
        except OSError as error:
            what = error.strerror or str(error)
            raise RefusedError(str(path), what, f"make {LOCK_FILE} writable for you") from error
