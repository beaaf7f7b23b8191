from __future__ import annotations

import fcntl
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pipeline.adapters.identity import process_mark, runner
from pipeline.adapters.lease import lease as lease_module
from pipeline.adapters.lease.lease import LeaseManager
from pipeline.adapters.store.base import Document, Store
from pipeline.adapters.store.directory import DirectoryStore
from pipeline.adapters.store.records.environments import Environments
from pipeline.core.errors import LeaseHeldError, RefusedError
from pipeline.core.state.environment import Environment, Lease
from tests.adapters.lease.lease_fakes import (
    COMMAND,
    FakeClock,
    Heard,
    an_environment,
    an_owner,
    leases,
)

ROOT = Path(__file__).parents[3]
KEY = "environments/production.json"
WANTED = an_environment()


def standing(store: Store) -> Environment:
    return Environments(store).load(WANTED).environment


def taken_lease(store: Store) -> Lease:
    lease = standing(store).lease
    assert lease
    return lease


def numbered(environment: Environment) -> Environment:
    return replace(environment, next=environment.next + 1)


class TestAnyStore:
    def test_a_lease_names_its_holder_command_and_expiry(
        self, store: Store, clock: FakeClock
    ) -> None:
        held = leases(store, clock).take(WANTED, COMMAND)
        found = standing(store)
        assert found.lease is not None
        assert found.lease.owner == an_owner()
        assert (found.lease.epoch, found.epoch, held.epoch) == (1, 1, 1)
        assert found.lease.since == "2026-11-21T12:00:00Z"
        assert found.lease.expires == "2026-11-21T12:01:00Z"
        assert found.lease.command == COMMAND

    def test_another_run_gets_the_holder_and_a_remedy(self, store: Store, clock: FakeClock) -> None:
        leases(store, clock).take(WANTED, COMMAND)
        clock.tick(19)
        with pytest.raises(LeaseHeldError) as told:
            leases(store, clock, owner=an_owner(user="bob", host="ci-8")).take(WANTED, "x")
        assert told.value.exit_code == 6
        assert str(told.value) == (
            "the lease on production:\n"
            "  held by ann@ci-7 (pid 4242) since 12:00:00+00:00, for 19s; "
            "expires in 41s unless renewed\n"
            "  command: ami-pipeline promote -e production\n"
            "  CI job: https://ci.example/runs/17\n"
            "next: ami-pipeline status -e production, or see https://ci.example/runs/17; "
            "if that run has died, run this command again in 41s"
        )

    def test_a_released_lease_is_free_at_once(self, store: Store, clock: FakeClock) -> None:
        leases(store, clock).take(WANTED, COMMAND).release()
        assert (standing(store).lease, standing(store).epoch) == (None, 1)
        assert leases(store, clock).take(WANTED, COMMAND).epoch == 2

    def test_an_expired_lease_is_taken_over_with_a_higher_epoch(
        self, store: Store, clock: FakeClock
    ) -> None:
        leases(store, clock).take(WANTED, COMMAND)
        clock.tick(59)
        with pytest.raises(LeaseHeldError):
            leases(store, clock).take(WANTED, COMMAND)
        clock.tick(4)
        heard = Heard()
        assert leases(store, clock, report=heard).take(WANTED, COMMAND).epoch == 2
        [text] = heard.texts
        assert text == (
            "took over the lease of ann@ci-7 (pid 4242), ami-pipeline promote -e production: "
            "it expired 3s ago"
        )

    def test_a_holder_that_was_paused_past_its_expiry_writes_nothing(
        self, store: Store, clock: FakeClock
    ) -> None:
        paused = leases(store, clock).take(WANTED, COMMAND)
        paused.update(numbered)
        clock.tick(61)
        for deed in (lambda: paused.update(numbered), paused.confirm, paused.renew):
            with pytest.raises(LeaseHeldError) as told:
                deed()
        assert str(told.value) == (
            "the lease on production:\n"
            "  this run lost its lease and has stopped: "
            "it could not be renewed by 2026-11-21T12:01:00Z\n"
            "next: ami-pipeline status -e production"
        )
        paused.release()
        assert standing(store).next == 2
        assert standing(store).lease is not None

    def test_a_holder_notices_a_takeover_before_it_acts(
        self, store: Store, clock: FakeClock
    ) -> None:
        """The other run's clock is an hour ahead; by this run's clock the lease is valid."""
        ours = leases(store, clock).take(WANTED, COMMAND)
        ahead = FakeClock()
        ahead.tick(3600)
        owner = an_owner(user="bob", host="ci-8")
        theirs = leases(store, ahead, owner=owner).take(WANTED, COMMAND)
        before = store.read(KEY)
        for deed in (ours.confirm, ours.renew, lambda: ours.update(numbered)):
            with pytest.raises(LeaseHeldError) as told:
                deed()
        assert "bob@ci-8 (pid 4242), ami-pipeline promote -e production took it over" in (
            told.value.what
        )
        ours.release()
        assert store.read(KEY) == before
        theirs.update(numbered)

    def test_a_broken_lease_is_free_at_once_and_its_holder_stops(
        self, store: Store, clock: FakeClock
    ) -> None:
        held = leases(store, clock).take(WANTED, COMMAND)
        other = leases(store, clock, owner=an_owner(user="bob", host="ci-8"), report=Heard())
        found, ended = other.standing(WANTED)
        assert (found.lease and found.lease.owner, ended) == (an_owner(), "")
        other.break_(WANTED, held.epoch)
        assert other.standing(WANTED)[1] == "bob@ci-8 (pid 4242) broke it"
        for deed in (held.confirm, held.renew, lambda: held.update(numbered)):
            with pytest.raises(LeaseHeldError) as told:
                deed()
        assert "has stopped: bob@ci-8 (pid 4242) broke it" in told.value.what
        held.release()
        assert standing(store).next == 1
        taken = other.take(WANTED, COMMAND)
        assert taken.epoch == held.epoch + 2
        assert taken.succeeds
        assert taken.succeeds.broken == "bob@ci-8 (pid 4242)"
        assert taken_lease(store).broken == ""

    def test_a_lease_is_broken_during_a_renewal_and_a_newer_lease_is_not(
        self, store: Store, clock: FakeClock
    ) -> None:
        held = leases(store, clock).take(WANTED, COMMAND)
        held.renew()
        leases(store, clock).break_(WANTED, held.epoch)
        with pytest.raises(RefusedError) as told:
            leases(store, clock).break_(WANTED, held.epoch)
        assert "released or taken by another run meanwhile; no lease was broken" in told.value.what
        assert told.value.remedy == "ami-pipeline lock show -e production"

    def test_environments_do_not_block_each_other(self, store: Store, clock: FakeClock) -> None:
        held = leases(store, clock).take(WANTED, COMMAND)
        other = leases(store, clock).take(an_environment(environment="staging"), COMMAND)
        held.update(numbered)
        other.update(numbered)
        assert (held.epoch, other.epoch) == (1, 1)

    def test_renewing_keeps_the_lease_and_every_write_renews_it(
        self, store: Store, clock: FakeClock
    ) -> None:
        held = leases(store, clock).take(WANTED, COMMAND)
        for deed in (held.renew, lambda: held.update(numbered)):
            clock.tick(50)
            deed()
        found = standing(store)
        assert found.lease is not None
        assert found.lease.expires == "2026-11-21T12:02:40Z"
        assert found.lease.since == "2026-11-21T12:00:00Z"
        assert (found.epoch, found.next) == (1, 2)


def test_the_lease_is_renewed_every_third_of_its_life(
    directory: DirectoryStore, clock: FakeClock
) -> None:
    held = leases(directory, clock).take(WANTED, COMMAND)
    pauses: list[float] = []

    def wait(seconds: float) -> bool:
        pauses.append(seconds)
        clock.tick(seconds)
        return len(pauses) == 10

    held.beat(wait)
    assert pauses == [20.0] * 10
    held.update(numbered)


class Failing(DirectoryStore):
    """A store that cannot be written to while `down`; `late`: after the write took effect."""

    down = False
    late = False

    def write(self, key: str, data: bytes, *, expected: str | None) -> str:
        version = super().write(key, data, expected=expected) if not self.down else ""
        if self.down or self.late:
            raise RefusedError("writing", "connection reset", "try again")
        return version


def test_a_failed_renewal_is_retried_sooner_and_the_loss_has_its_reason(
    tmp_path: Path, clock: FakeClock
) -> None:
    store = Failing(tmp_path / "state")
    held = leases(store, clock).take(WANTED, COMMAND)
    store.down = True
    pauses: list[float] = []

    def wait(seconds: float) -> bool:
        pauses.append(seconds)
        clock.tick(seconds)
        return False

    held.beat(wait)
    assert pauses == [20.0, *[5.0] * 7]
    with pytest.raises(LeaseHeldError) as told:
        held.update(numbered)
    assert "could not be renewed by 2026-11-21T12:01:00Z: connection reset" in told.value.what


def test_a_failed_renewal_is_forgotten_after_the_next_success(
    tmp_path: Path, clock: FakeClock
) -> None:
    store = Failing(tmp_path / "state")
    held = leases(store, clock).take(WANTED, COMMAND)
    answers = iter([True, False, False])
    pauses: list[float] = []

    def wait(seconds: float) -> bool:
        pauses.append(seconds)
        clock.tick(seconds)
        store.down = next(answers)
        return len(pauses) == 3

    held.beat(wait)
    assert pauses == [20.0, 5.0, 20.0]
    held.update(numbered)


def test_a_write_whose_response_was_lost_keeps_the_lease(tmp_path: Path, clock: FakeClock) -> None:
    store = Failing(tmp_path / "state")
    held = leases(store, clock).take(WANTED, COMMAND)
    store.late = True
    with pytest.raises(RefusedError, match="connection reset"):
        held.update(numbered)
    store.late = False
    assert held.read().next == 2
    assert held.update(numbered).next == 3
    assert standing(store).next == 3


def test_a_holder_stops_before_another_run_may_start(
    directory: DirectoryStore, clock: FakeClock
) -> None:
    held = leases(directory, clock).take(WANTED, COMMAND)
    clock.tick(54.9)
    held.confirm()
    clock.tick(0.2)
    with pytest.raises(LeaseHeldError):
        held.confirm()


@pytest.mark.parametrize("seconds", [56, 3600])
def test_a_wall_clock_set_forward_ends_the_lease(
    directory: DirectoryStore, clock: FakeClock, seconds: float
) -> None:
    held = leases(directory, clock).take(WANTED, COMMAND)
    clock.jump(seconds)
    with pytest.raises(LeaseHeldError, match="it ended at 2026-11-21T12:01:00Z"):
        held.update(numbered)


def test_a_wall_clock_set_back_does_not_lengthen_it(
    directory: DirectoryStore, clock: FakeClock
) -> None:
    held = leases(directory, clock).take(WANTED, COMMAND)
    clock.jump(-3600)
    clock.tick(56)
    with pytest.raises(LeaseHeldError, match="it could not be renewed"):
        held.update(numbered)


def test_a_lost_lease_stays_lost(directory: DirectoryStore, clock: FakeClock) -> None:
    held = leases(directory, clock).take(WANTED, COMMAND)
    clock.tick(61)
    with pytest.raises(LeaseHeldError):
        held.require()
    clock.tick(-61)
    with pytest.raises(LeaseHeldError):
        held.update(numbered)


def test_a_lease_removed_from_the_document_is_lost(
    directory: DirectoryStore, clock: FakeClock
) -> None:
    held = leases(directory, clock).take(WANTED, COMMAND)
    found = Environments(directory).load(WANTED)
    Environments(directory).save(replace(found.environment, lease=None), found.version)
    with pytest.raises(LeaseHeldError, match="it was removed from the document"):
        held.update(numbered)


def test_a_change_cannot_touch_the_lease(directory: DirectoryStore, clock: FakeClock) -> None:
    held = leases(directory, clock).take(WANTED, COMMAND)
    held.update(lambda environment: replace(environment, lease=None, epoch=99))
    found = standing(directory)
    assert found.lease is not None
    assert (found.lease.epoch, found.epoch) == (1, 1)


def test_a_change_that_fails_writes_nothing_and_keeps_the_lease(
    directory: DirectoryStore, clock: FakeClock
) -> None:
    def fail(_: Environment) -> Environment:
        raise KeyboardInterrupt

    held = leases(directory, clock).take(WANTED, COMMAND)
    before = directory.read(KEY)
    with pytest.raises(KeyboardInterrupt):
        held.update(fail)
    assert directory.read(KEY) == before
    held.update(numbered)


def test_the_block_renews_in_the_background_and_releases_at_the_end(
    directory: DirectoryStore, clock: FakeClock
) -> None:
    held = leases(directory, clock).take(WANTED, COMMAND)
    renewed = threading.Event()

    def wait(_: float) -> bool:
        """The second time it is asked, a renewal is behind it."""
        if standing(directory).lease != first:
            renewed.set()
        clock.tick(1)
        return held._end.wait(0.001)

    first = standing(directory).lease
    held._renewer = threading.Thread(target=held.beat, args=(wait,))
    with held:
        assert renewed.wait(10)
        held.update(numbered)
    assert not held._renewer.is_alive()
    assert (standing(directory).lease, standing(directory).next) == (None, 2)


def test_the_renewer_of_a_block_waits_only_for_its_end(
    directory: DirectoryStore, clock: FakeClock
) -> None:
    with leases(directory, clock).take(WANTED, COMMAND) as held:
        renewer = held._renewer
        assert renewer.is_alive()
        assert renewer.daemon
    assert not renewer.is_alive()


def test_a_failed_block_releases_the_lease_too(directory: DirectoryStore, clock: FakeClock) -> None:
    with (
        pytest.raises(ZeroDivisionError),
        leases(directory, clock).take(WANTED, COMMAND) as held,
    ):
        held.update(lambda _: 1 // 0)  # type: ignore[arg-type,return-value]
    assert standing(directory).lease is None


def test_a_failed_release_is_reported_and_hides_no_error(tmp_path: Path, clock: FakeClock) -> None:
    store, heard = Failing(tmp_path / "state"), Heard()
    with leases(store, clock, report=heard).take(WANTED, COMMAND) as held:
        store.down = True
    assert heard.texts == [
        "the lease was not released; it expires at 2026-11-21T12:01:00Z: connection reset"
    ]
    with pytest.raises(LeaseHeldError, match="it was released"):
        held.require()


def test_a_holders_text_cannot_control_the_terminal(
    directory: DirectoryStore, clock: FakeClock
) -> None:
    owner = an_owner(user="a\x1b[2Jnn", host="ci\n7", run="https://x\r\n::error::y")
    leases(directory, clock, owner=owner).take(WANTED, "promote\x07")
    with pytest.raises(LeaseHeldError) as told:
        leases(directory, clock).take(WANTED, COMMAND)
    assert "held by a[2Jnn@ci7 (pid 4242)" in told.value.what
    assert len(told.value.what.split("\n")) == 3
    assert not {"\x1b", "\r", "\x07"} & set(str(told.value))


class Counting(DirectoryStore):
    """A store that counts what is asked of it."""

    reads = 0

    def read(self, key: str) -> Document | None:
        self.reads += 1
        return super().read(key)


def test_a_run_that_finds_it_held_has_read_once_and_written_nothing(
    tmp_path: Path, clock: FakeClock
) -> None:
    store = Counting(tmp_path / "state")
    leases(store, clock).take(WANTED, COMMAND)
    before = store.read(KEY)
    store.reads = 0
    with pytest.raises(LeaseHeldError):
        leases(store, clock).take(WANTED, COMMAND)
    assert store.reads == 1
    assert store.read(KEY) == before


def test_a_writer_that_is_stopped_in_one_environment_does_not_block_another(
    directory: DirectoryStore, clock: FakeClock
) -> None:
    other = leases(directory, clock).take(an_environment(environment="staging"), COMMAND)
    leases(directory, clock).take(WANTED, COMMAND).release()
    with (directory.folder / ".locks/environments.production").open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        clock.tick(40)
        other.update(numbered)
        other.release()


def test_a_damaged_document_is_not_taken(directory: DirectoryStore, clock: FakeClock) -> None:
    leases(directory, clock).take(WANTED, COMMAND).release()
    (directory.folder / KEY).write_bytes(b"{")
    with pytest.raises(RefusedError):
        leases(directory, clock).take(WANTED, COMMAND)
    assert (directory.folder / KEY).read_bytes() == b"{"


def test_one_of_32_threads_wins_and_the_others_get_an_error_soon(
    directory: DirectoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A disk that other tests keep busy is not what is measured here.
    monkeypatch.setattr("pipeline.adapters.store.directory.os.fsync", lambda _: None)
    start, ends = threading.Barrier(32), list[tuple[str, float]]()
    age = re.compile(r"since \S+, for \d+s; .*\n.*\nCI job: https://ci.example/runs/17")

    def run(number: int) -> None:
        owner = an_owner(user=f"user{number}", pid=os.getpid())
        own = Environments(DirectoryStore(directory.folder))
        mine = LeaseManager(environments=own, owner=owner, report=Heard())
        start.wait()
        began = time.monotonic()
        try:
            mine.take(WANTED, COMMAND)
        except LeaseHeldError as error:
            who = error.what.split("@")[0] if age.search(error.what) else error.what
            ends.append((who, time.monotonic() - began))
        else:
            ends.append((f"held by user{number}", time.monotonic() - began))

    threads = [threading.Thread(target=run, args=(number,)) for number in range(32)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(ends) == 32
    assert len({who for who, _ in ends}) == 1
    assert max(seconds for _, seconds in ends) <= 2
    assert standing(directory).epoch == 1


RACER = """
import sys, threading
from pathlib import Path
from pipeline.adapters.store.records.environments import Environments
from pipeline.adapters.lease.lease import LeaseManager
from pipeline.adapters.identity import runner
from pipeline.adapters.store.directory import DirectoryStore
from pipeline.core.errors import LeaseHeldError
from tests.adapters.lease.lease_fakes import an_environment

store = DirectoryStore(Path(sys.argv[1]))
leases = LeaseManager(environments=Environments(store), owner=runner({}), report=print)
won = []

def take():
    try:
        won.append(leases.take(an_environment(), "race"))
    except LeaseHeldError:
        pass

threads = [threading.Thread(target=take) for _ in range(8)]
print("ready", flush=True)
sys.stdin.readline()
for thread in threads: thread.start()
for thread in threads: thread.join()
print(len(won), flush=True)
sys.stdin.readline()
"""


@contextmanager
def racers(directory: DirectoryStore, count: int) -> Iterator[list[subprocess.Popen[str]]]:
    """Give processes that stand ready to take the lease with eight threads each."""
    started = [
        subprocess.Popen(
            [sys.executable, "-c", RACER, str(directory.folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        for _ in range(count)
    ]
    try:
        for process in started:
            assert said(process) == "ready"
        yield started
    finally:
        for process in started:
            process.kill()
            process.communicate()


def said(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def go(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


def test_one_of_32_threads_in_four_processes_wins(directory: DirectoryStore) -> None:
    with racers(directory, 4) as started:
        for process in started:
            go(process)
        won = [int(said(process)) for process in started]
    assert sorted(won) == [0, 0, 0, 1]
    assert standing(directory).epoch == 1


def test_the_lease_of_a_killed_run_of_this_machine_ends_at_once(directory: DirectoryStore) -> None:
    """Alive or stopped it holds its lease; killed, and not even reaped yet, it does not."""
    heard = Heard()
    ours = LeaseManager(environments=Environments(directory), owner=runner({}), report=heard)
    with racers(directory, 1) as [process]:
        go(process)
        assert said(process) == "1"
        process.send_signal(signal.SIGSTOP)
        with pytest.raises(LeaseHeldError):
            ours.take(WANTED, COMMAND)
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert ours.take(WANTED, COMMAND).epoch == 2
    [text] = heard.texts
    whose = f"{ours.owner.user}@{ours.owner.host} (pid {process.pid})"
    assert text == f"took over the lease of {whose}, race: its process has exited"


def a_dead_pid() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


@pytest.mark.parametrize(
    ("theirs", "mark", "run"),
    [
        ({"host": "elsewhere"}, "", ""),
        ({"run": "https://ci.example/runs/17"}, "", ""),
        ({}, "another boot", ""),
        ({}, "none", ""),
        ({}, "", "https://ci.example/runs/18"),
    ],
    ids=["another host", "a CI job", "before a reboot", "no mark", "we are a CI job"],
)
def test_a_dead_process_counts_only_with_a_matching_mark(
    directory: DirectoryStore,
    monkeypatch: pytest.MonkeyPatch,
    theirs: dict[str, Any],
    mark: str,
    run: str,
) -> None:
    here = an_owner(host="here", run="", pid=a_dead_pid())
    marks = {"": process_mark() + "0", "another boot": "b" + process_mark(), "none": ""}
    monkeypatch.setattr(lease_module, "process_mark", lambda: marks[mark])
    environments = Environments(directory)
    dead = LeaseManager(environments=environments, owner=replace(here, **theirs), report=Heard())
    dead.take(WANTED, COMMAND)
    monkeypatch.undo()
    ours = replace(here, run=run, pid=os.getpid())
    with pytest.raises(LeaseHeldError):
        LeaseManager(environments=environments, owner=ours, report=Heard()).take(WANTED, COMMAND)


def test_a_reused_pid_counts_as_exited(
    directory: DirectoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner = an_owner(host="here", run="", pid=os.getpid())
    mine = LeaseManager(environments=Environments(directory), owner=owner, report=Heard())
    monkeypatch.setattr(lease_module, "process_mark", lambda: process_mark() + "0")
    mine.take(WANTED, COMMAND)
    monkeypatch.undo()
    assert mine.take(WANTED, COMMAND).epoch == 2
    with pytest.raises(LeaseHeldError):
        mine.take(WANTED, COMMAND)


def test_taking_a_lease_and_the_first_write_are_quick(
    directory: DirectoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Little work and few waits for the disk: how long those are is the machine's affair."""
    mine = LeaseManager(environments=Environments(directory), owner=an_owner(), report=Heard())
    mine.take(WANTED, COMMAND).release()
    synced = list[int]()
    monkeypatch.setattr("pipeline.adapters.store.directory.os.fsync", synced.append)
    began = time.thread_time()
    held = mine.take(WANTED, COMMAND)
    held.update(numbered)
    assert time.thread_time() - began <= 0.05
    assert len(synced) == 4
