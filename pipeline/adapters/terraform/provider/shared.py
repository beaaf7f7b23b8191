"""Run the AWS provider of one root module once, for all plans and applies of a deployment.

Each Terraform command takes the checksum of 700 MB and starts the provider. This module does both
once (ADR 115). It never makes a command fail that would succeed without it: if the provider cannot
be shared or ends, the next command starts its own. Only a wrong checksum is refused.
"""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Lock, Thread

from pipeline.adapters.aws.credentials import secrets_in
from pipeline.adapters.files.logs import appending
from pipeline.adapters.process.process import Command, Service, serve
from pipeline.adapters.terraform.provider.folders import START, socket_folder
from pipeline.adapters.terraform.provider.package import (
    Package,
    StoppedError,
    find_package,
    has_one_configuration,
    hash_of,
    is_lockable,
    is_overridden,
    require_locked,
)
from pipeline.core.errors import PipelineError
from pipeline.core.events import Message, Report
from pipeline.core.image import NO_ITEMS
from pipeline.core.masking import Masker
from pipeline.core.terraform.program import Program
from pipeline.core.terraform.shared_provider import (
    attachment,
    parse_handshake,
    provider_environment,
)

DYING = 1.0
"""Seconds until a provider has ended that a command just lost."""
KEPT_OUTPUT = 200
"""Chunks of a provider's last output, for the log; a panic prints every goroutine."""


@dataclass(kw_only=True)
class Attachment:
    """What one command needs to use the running provider; nothing if it starts its own.

    `variables` are added to its environment, and its supervisor keeps `kept` open, so that the
    provider outlives it. `succeeded` is set once the command has.
    """

    variables: Mapping[str, str] = field(default_factory=lambda: NO_ITEMS)
    kept: tuple[int, ...] = ()
    succeeded: bool = False


@dataclass(kw_only=True)
class _Running:
    """A provider that runs: its package and environment, and what it printed last."""

    package: Package
    environ: Mapping[str, str]
    service: Service
    variables: Mapping[str, str]
    output: deque[bytes]
    resources: ExitStack


@dataclass(kw_only=True)
class SharedProvider:
    """The AWS provider of the root module in `folder`, if it may be shared.

    `shipped` says that the module is the shipped one, which configures no provider. One command
    uses the provider at a time. A command that fails or is interrupted ends it: what it left in the
    provider is unknown.
    """

    folder: Path
    program: Callable[[], Program]
    log: Path
    report: Report
    shipped: bool
    enabled: bool = True
    has_died: bool = field(default=False, init=False)
    _hashes: dict[Package, str] = field(default_factory=dict, init=False)
    _running: _Running | None = field(default=None, init=False)
    _using: Lock = field(default_factory=Lock, init=False)
    _closing: Event = field(default_factory=Event, init=False)

    def begin(self, environ: Callable[[], Mapping[str, str] | None]) -> None:
        """Start the provider in the background for commands with this environment.

        Without an environment nothing is started.
        """
        if self.enabled:
            Thread(target=self._begin, args=(environ,)).start()

    def _begin(self, environ: Callable[[], Mapping[str, str] | None]) -> None:
        # The first command gets the error.
        with self._using, suppress(PipelineError, OSError, StoppedError):
            if not self._closing.is_set() and (found := environ()) is not None:
                self._ready(found)

    @contextmanager
    def attached(self, environ: Mapping[str, str]) -> Iterator[Attachment]:
        """Yield how a command with this environment uses the provider.

        Raises RefusedError if the provider's package does not match the dependency lock file.
        """
        with self._using:
            running = self._ready(environ)
            if running is None:
                yield Attachment()
                return
            use = Attachment(variables=running.variables, kept=(running.service.held,))
            try:
                yield use
            finally:
                if not use.succeeded:
                    self._require_alive(running)
                    self._stop()

    def close(self) -> None:
        """End the provider, also one that is starting; a later command starts it again.

        Raises nothing.
        """
        self._closing.set()
        with self._using:
            self._stop()
        self._closing.clear()

    def _ready(self, environ: Mapping[str, str]) -> _Running | None:
        """Return the provider, started for this environment; None if it cannot be shared."""
        package = self._package(environ)
        if package is None:
            self._stop()
            return None
        running = self._running
        if running and running.service.has_ended():
            self._require_alive(running)
        if running and not self.has_died:
            if (running.package, running.environ) == (package, environ):
                return running
            self._stop()
        return None if self.has_died else self._start(package, environ)

    def _package(self, environ: Mapping[str, str]) -> Package | None:
        """Return the verified package, None if it may not be shared; raises RefusedError."""
        if not self.enabled or self.has_died or is_overridden(environ):
            return None
        package = find_package(self.folder, self.program())
        if package is None or not is_lockable(self.folder, package):
            return None
        if not self.shipped and not has_one_configuration(self.folder, self.program()):
            return None
        if package not in self._hashes:
            self._hashes[package] = hash_of(package, self._closing.is_set)
        require_locked(self.folder, package, self._hashes[package])
        return package

    def _start(self, package: Package, environ: Mapping[str, str]) -> _Running | None:
        with ExitStack() as resources:
            folder = resources.enter_context(socket_folder())
            own = provider_environment(environ, str(folder), linux=sys.platform == "linux")
            if own is None:
                return None
            output: deque[bytes] = deque(maxlen=KEPT_OUTPUT)
            command = Command(argv=[str(package.program)], cwd=self.folder, env=own)
            try:
                service = serve(
                    command,
                    output.append,
                    ready=lambda line: parse_handshake(line) is not None,
                    timeout=START,
                )
            except (OSError, TimeoutError) as error:
                self._give_up(str(error), output, environ)
                return None
            resources.callback(service.close)
            found = parse_handshake(service.line)
            if found is None or Path(found.socket).parent != folder:
                self._give_up(f"an unexpected socket: {service.line!r}", output, environ)
                return None
            self._log(f"provider: {package.program}, process {service.pid}\n".encode(), environ)
            self._running = _Running(
                package=package,
                environ=dict(environ),
                service=service,
                variables=attachment(package.address, found, service.pid),
                output=output,
                resources=resources.pop_all(),
            )
        return self._running

    def _stop(self) -> None:
        running, self._running = self._running, None
        if running:
            running.resources.close()

    def _require_alive(self, running: _Running) -> None:
        """Give up sharing if a provider has ended by itself."""
        if running.service.has_ended(DYING):
            self._stop()
            self._give_up("it ended by itself", running.output, running.environ)

    def _give_up(self, why: str, output: deque[bytes], environ: Mapping[str, str]) -> None:
        self.has_died = True
        self._log(b"".join(output), environ)
        text = f"the shared AWS provider cannot be used: {why}; each command starts its own"
        self.report(Message(text=f"{self.program().product.command}: {text}"))

    def _log(self, output: bytes, environ: Mapping[str, str]) -> None:
        with suppress(OSError, PipelineError), appending(self.log) as write:
            write(Masker(secrets_in(environ)).mask(output))
