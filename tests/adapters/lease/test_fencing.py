"""A holder that was paused past its expiry, or whose lease was broken, changes nothing more.

Neither the document nor the world: every deed asks for the lease first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

import pytest

from pipeline.adapters.lease.fencing import FencedGroups, FencedHooks, FencedResources
from pipeline.adapters.lease.lease import LeaseManager
from pipeline.adapters.lease.ledger import StoreLedger
from pipeline.adapters.store.base import Document
from pipeline.adapters.store.directory import DirectoryStore
from pipeline.core.deploy.deployer import Deployer
from pipeline.core.deploy.phase import Fleet, Manner, Phase
from pipeline.core.deploy.phases import promotion
from pipeline.core.deploy.ports import GroupWriter, Hooks, Resources
from pipeline.core.deploy.ways_back import removal, rollback
from pipeline.core.errors import LeaseHeldError
from pipeline.core.hooks.hook import Hook, Point
from pipeline.core.state import lease as lease_text
from pipeline.core.state.deployment import Delays, Kind
from tests.adapters.lease.lease_fakes import FakeClock, an_environment, an_owner, leases
from tests.core.deploy.fakes import (
    BLUE,
    GREEN,
    OTHER_SIDE,
    PAIRED,
    PLACE,
    POLICY,
    FakeCloud,
    begin,
    cloud,
)

READS = {
    GroupWriter: set[str](),
    Resources: {"prepare", "forget", "plan", "discard"},
    Hooks: set[str](),
}
"""What changes nothing; all else that a port can do is a deed."""
DEEDS = {"attach", "detach", "shift", "resize", "apply", "adopt", "hook"}
KEY = "environments/staging.json"
LEDGER_ID = "20261121T120000Z-4f2a"


def methods(port: type[Protocol]) -> list[str]:  # type: ignore[valid-type]
    return [name for name in vars(port) if not name.startswith("_")]


DEEDS_OF_PORTS = [
    (port, name) for port in READS for name in methods(port) if name not in READS[port]
]


def test_the_ports_have_these_changing_calls() -> None:
    named = [name for _, name in DEEDS_OF_PORTS]
    assert named == ["attach", "detach", "shift", "resize", "apply", "adopt", "run"]


@pytest.mark.parametrize(("port", "name"), DEEDS_OF_PORTS)
def test_no_change_is_made_without_the_lease(port: type, name: str) -> None:
    def lost() -> None:
        raise lease_text.lost_error(an_environment(), "it expired")

    inner: Any = cloud()
    fenced: dict[type, Any] = {
        GroupWriter: FencedGroups(groups=inner, fence=lost),
        Resources: FencedResources(resources=inner, fence=lost),
        Hooks: FencedHooks(here=inner, instances=inner, fence=lost),
    }
    given: dict[str, tuple[Any, ...]] = {"apply": (None,), "adopt": ((),), "run": (None, {}, tuple)}
    sizes = {"minimum": 1, "maximum": 1, "desired": 1} if name == "resize" else {}
    words = ("g",) if name == "resize" else ("g", ())
    with pytest.raises(LeaseHeldError):
        getattr(fenced[port], name)(*given.get(name, words), **sizes)
    assert inner.calls == []


@dataclass(kw_only=True)
class Trial:
    """A deployment under a real lease in a directory, interrupted at one of its calls."""

    fake: FakeCloud
    deployer: Deployer
    phases: list[Phase]
    store: DirectoryStore
    clock: FakeClock
    other: LeaseManager
    at: int = 0
    stood: bytes = field(default=b"", init=False)

    def run(self, strike: Callable[[Trial], None]) -> None:
        """Run it; strike once, in the middle of a call."""

        def fail(number: int, name: str) -> None:
            if number == self.at and not name.endswith("!"):
                strike(self)
                self.stood = self.document

        self.fake.fail = fail
        self.deployer.run(self.phases)

    @property
    def document(self) -> bytes:
        found = self.store.read(KEY)
        assert found
        return found.data


def paused(trial: Trial) -> None:
    """As by SIGSTOP, or a laptop's sleep."""
    trial.clock.tick(61)


def broken(trial: Trial) -> None:
    """By a person, while the call took two seconds."""
    trial.clock.tick(2)
    found = trial.other.standing(trial.fake.document)[0]
    trial.other.break_(trial.fake.document, found.epoch)


def promoting(fake: FakeCloud) -> tuple[Deployer, list[Phase]]:
    hook = Hook(at=Point.BEFORE_TRAFFIC, command=("true",), timeout=1.0)
    policy = replace(POLICY, hooks=(hook,), keep=0)
    return begin(fake, policy=policy), promotion(BLUE, GREEN, keep=False)


def flipping(fake: FakeCloud) -> tuple[Deployer, list[Phase]]:
    policy = replace(POLICY, observe=0, delays=Delays(drain=6))
    deployer = begin(fake, policy=policy, target_groups=(OTHER_SIDE.identifier,))
    return deployer, promotion(BLUE, GREEN, how=Manner(pairs=True))


def going_back(fake: FakeCloud) -> tuple[Deployer, list[Phase]]:
    """To a warm release, which is too small; the serving group stays as a detached one."""
    deployer = begin(fake, kind=Kind.ROLLBACK, green="r000000", minimum=2)
    everything = Fleet(serving=frozenset({BLUE}), detached=frozenset({"r000000"}))
    return deployer, rollback("r000000", BLUE, everything)


def removing(fake: FakeCloud) -> tuple[Deployer, list[Phase]]:
    """What a launch that was cut off left: it is adopted first."""
    deployer = begin(fake, kind=Kind.ABORT)
    fake.add(2, attached=False)
    fake.state.discard(GREEN)
    return deployer, removal(BLUE, {GREEN}, [GREEN])


KINDS = {"promote": promoting, "flip": flipping, "roll back": going_back, "delete": removing}


@pytest.fixture
def trials(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, int], Trial]:
    monkeypatch.setattr("pipeline.adapters.store.directory.os.fsync", lambda _: None)
    numbers = iter(range(10_000))

    def make(kind: str, at: int) -> Trial:
        store, clock = DirectoryStore(tmp_path / str(next(numbers))), FakeClock()
        place = PAIRED if kind == "flip" else PLACE
        fake = cloud(warm=(0,) if kind == "roll back" else (), place=place)
        deployer, phases = KINDS[kind](fake)
        mine = leases(store, clock)
        held = mine.take(fake.document, kind)
        held.update(lambda _: fake.document)
        ledger = StoreLedger(store, held, LEDGER_ID, lambda: "2026-11-21T12:00:00Z")
        reconciler = deployer.reconciler
        reconciler.ledger = reconciler.observer.ledger = Following(ledger, fake)
        reconciler.groups = FencedGroups(groups=fake, fence=ledger.fence)
        reconciler.resources = FencedResources(resources=fake, fence=ledger.fence)
        reconciler.hooks = FencedHooks(here=fake, instances=fake, fence=ledger.fence)
        other = leases(store, clock, owner=an_owner(user="bob"))
        return Trial(
            fake=fake,
            deployer=deployer,
            phases=phases,
            store=store,
            clock=clock,
            other=other,
            at=at,
        )

    return make


class Following:
    """The ledger, whose writes are calls that one can be interrupted in, too."""

    def __init__(self, ledger: StoreLedger, fake: FakeCloud) -> None:
        self._ledger, self._fake = ledger, fake

    def __getattr__(self, name: str) -> Any:
        real = getattr(self._ledger, name)

        def asked(*words: Any, **facts: Any) -> Any:
            if name != "read":
                self._fake._call(name)
            return real(*words, **facts)

        return asked


def test_the_interrupted_deployments_below_make_every_change(
    trials: Callable[[str, int], Trial],
) -> None:
    done = set[str]()
    for kind in KINDS:
        trial = trials(kind, 0)
        trial.run(paused)
        done |= DEEDS & set(trial.fake.calls)
    assert done == DEEDS


@pytest.mark.long
@pytest.mark.parametrize("strike", [paused, broken])
@pytest.mark.parametrize("kind", list(KINDS))
def test_a_run_that_lost_the_lease_before_a_change_does_not_make_it(
    kind: str, strike: Callable[[Trial], None], trials: Callable[[str, int], Trial]
) -> None:
    calls = calls_of(kind, trials)
    before = [at for at in range(1, len(calls)) if DEEDS & set(calls[at : at + 2])]
    assert before
    changes_nothing_more(kind, strike, trials, before)


@pytest.mark.long
@pytest.mark.parametrize("strike", [paused, broken])
@pytest.mark.parametrize("kind", list(KINDS))
def test_a_run_that_lost_the_lease_during_a_call_changes_nothing_afterwards(
    kind: str, strike: Callable[[Trial], None], trials: Callable[[str, int], Trial]
) -> None:
    every = range(1, len(calls_of(kind, trials)))
    assert len(every) > 10
    changes_nothing_more(kind, strike, trials, every)


def calls_of(kind: str, trials: Callable[[str, int], Trial]) -> list[str]:
    whole = trials(kind, 0)
    whole.run(paused)
    return whole.fake.calls


def changes_nothing_more(
    kind: str,
    strike: Callable[[Trial], None],
    trials: Callable[[str, int], Trial],
    numbers: Iterable[int],
) -> None:
    """Strike at each of these calls: the run ends with exit code 6 and does nothing more."""
    for at in numbers:
        trial = trials(kind, at)
        with pytest.raises(LeaseHeldError):
            trial.run(strike)
        after = trial.fake.calls[at:]
        assert not DEEDS & set(after), f"{kind}, call {at}: {after}"
        assert trial.document == trial.stood, f"{kind}, call {at}"


def test_the_store_is_read_at_most_once_a_second_for_successive_changes(
    directory: DirectoryStore, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = leases(directory, clock).take(an_environment(), "promote")
    reads = list[str]()
    real = directory.read

    def read(key: str) -> Document | None:
        reads.append(key)
        return real(key)

    monkeypatch.setattr(directory, "read", read)
    held.confirm()
    held.fence()
    assert len(reads) == 1
    clock.tick(1.5)
    held.fence()
    held.fence()
    assert len(reads) == 2


def test_the_lease_is_confirmed_again_after_a_slow_intent(
    directory: DirectoryStore, clock: FakeClock
) -> None:
    """Paused between the intent and the deed, and taken over by a run whose clock is ahead."""
    held = leases(directory, clock).take(an_environment(), "promote")
    ledger = StoreLedger(directory, held, LEDGER_ID, lambda: "")
    ledger.intend("attach")
    ahead = FakeClock()
    ahead.tick(100)
    leases(directory, ahead, owner=an_owner(user="bob")).take(an_environment(), "recover")
    clock.tick(2)
    with pytest.raises(LeaseHeldError, match="bob@ci-7"):
        ledger.fence()
