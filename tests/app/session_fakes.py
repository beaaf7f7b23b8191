"""An environment on the fake cloud of the core, for the commands of `pipeline.app`."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from datetime import datetime
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from pipeline.adapters.process.signals import Interrupts
from pipeline.app import Options, baked_images
from pipeline.app.abort import abort
from pipeline.app.environment import leased, session
from pipeline.app.environment.leased import LeasedEnvironment
from pipeline.app.promote import promote
from pipeline.app.rebuild import rebuild
from pipeline.app.recover import recover
from pipeline.app.rollback import roll_back
from pipeline.core.changes.inputs import InputChange
from pipeline.core.deploy.plan import PromoteRequest, RollbackRequest
from pipeline.core.events import Message
from pipeline.core.freezing.windows import Window
from pipeline.core.health.observation import Balancer
from pipeline.core.masking import Masker
from pipeline.core.pausing.pause import Actor
from pipeline.core.state.deployment import Delays, Kind
from pipeline.core.state.environment import Environment
from pipeline.core.state.rollback import ImageStates
from tests.app.memory_store import MemoryStore
from tests.core.deploy.fakes import GREEN, POLICY, a_reconciler, begin, cloud

if TYPE_CHECKING:
    import pytest


COMMANDS: dict[str, Callable[[Any], object]] = {
    "promote": lambda app: promote(app, PromoteRequest(environment="staging"), lambda _: True),
    "rollback": lambda app: roll_back(app, RollbackRequest(environment="staging"), lambda _: True),
    "rebuild": lambda app: rebuild(
        app,
        Options(environment="staging"),
        PromoteRequest(environment="staging"),
        lambda _: True,
    ),
    "recover": lambda app: recover(app, "staging"),
    "abort": lambda app: abort(app, "staging"),
}
"""Each command that begins with the preamble."""


class KilledError(BaseException):
    """A SIGKILL: no code of the process runs after it."""


class FakeEnvironment:
    """A reader and a lease of staging, with an interrupted deployment in its document.

    `calls` are the steps of the preamble, `messages` what was reported, and `quarantined` the
    images that were quarantined.
    """

    environment = "staging"
    account = ""
    clients = alarms = None
    is_worker = False
    pairs = ()
    policy = POLICY
    actor = Actor(system="GitHub Actions", name="ann")

    def __init__(self, monkeypatch: pytest.MonkeyPatch, kind: Kind = Kind.PROMOTE) -> None:
        self.store = MemoryStore()
        self.fake = cloud()
        self.dead = begin(self.fake, kind=kind).deployment
        self.pace = self.fake
        self.calls: list[str] = []
        self.messages: list[str] = []
        self.quarantined: list[str] = []
        self.images = ImageStates()
        self.made: list[Any] = []
        self.changed: tuple[InputChange, ...] = ()
        self.windows: tuple[Window, ...] = ()
        self.is_killed = False
        self.app: Any = SimpleNamespace(
            settings=SimpleNamespace(
                app="web",
                region="us-east-1",
                promote_for=lambda _: SimpleNamespace(rollback_window=3),
                notify=(),
                windows_for=lambda _: self.windows,
                policy=(),
            ),
            environ={},
            report=self.report,
            interrupts=Interrupts(),
            require_lasting_state=lambda: None,
            masker=lambda _: Masker(["hunter22"]),
        )
        monkeypatch.setattr(session, "EnvironmentReader", lambda **_: self)
        monkeypatch.setattr(session, "EnvironmentLease", lambda **_: self)
        monkeypatch.setattr(leased, "build_reconciler", lambda *_: a_reconciler(self.fake))
        monkeypatch.setattr(leased, "recorded", lambda *_: nullcontext())
        monkeypatch.setattr(baked_images, "quarantine", self.quarantine)

    @property
    def held(self) -> Any:
        return SimpleNamespace(read=self.fake.read, update=self.fake.update, succeeds=None)

    @property
    def leased(self) -> LeasedEnvironment:
        reader: Any = self
        return LeasedEnvironment(reader=reader, held=self.held)

    def made_with(self, inputs: Any) -> Any:
        self.made.append(inputs)
        return nullcontext()

    def changed_inputs(self, _document: Environment) -> tuple[InputChange, ...]:
        return self.changed

    def image_states(self, _document: Environment) -> ImageStates:
        return self.images

    def start_provider(self, _document: Environment) -> None:
        """Start nothing: no test here runs Terraform."""

    def require_known(self) -> None:
        self.calls.append("configuration")

    def read_delays(
        self, others: tuple[Balancer, ...] = (), releases: tuple[str, ...] = ()
    ) -> Delays:
        assert others == ()
        assert releases
        return Delays()

    def now(self) -> datetime:
        return self.store.now()

    def require_free(self) -> None:
        self.calls.append("free lease")

    def document(self) -> Environment:
        self.calls.append("document")
        return self.fake.document

    def identify(self) -> None:
        self.calls.append("account")

    def take(self, _command: str) -> Any:
        self.calls.append("lease")
        return nullcontext(self.held)

    def quarantine(self, _app: Any, _clients: Any, ami_id: str, _reason: str) -> None:
        if self.is_killed:
            raise KilledError
        self.quarantined.append(ami_id)

    def report(self, event: Any) -> None:
        self.messages += [event.text] if isinstance(event, Message) else []

    def stop_in(self, phase: str, *, warm: bool = False, decided: bool = False) -> None:
        """Let the deployment have stopped in a phase; `decided` after green was decided for."""
        self.fake.add(2, attached=False)
        made = replace(self.fake.document.releases[GREEN], made=True)
        dead = replace(self.dead, phase=phase, warm=warm)
        document = replace(self.fake.document.with_release(made), deployment=dead)
        if decided:
            document = document.promoted(dead, keep=0.0, today=self.fake.today())
            self.fake._attach(self.fake.groups["web-staging-r000002"])
        self.fake.document = document
