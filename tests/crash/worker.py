"""One worker of the crash suite: a cloud of its own, the stages on it, and what is asked of it."""

from __future__ import annotations

import contextlib
import functools
import itertools
import multiprocessing.util
import os
import shutil
import tempfile
import time
import traceback
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.crash import environment
from tests.crash.baking import Bakery
from tests.crash.case import Case, Played
from tests.crash.command_runner import Hands
from tests.crash.planning import BAKE, Recorded
from tests.crash.run import Stage
from tests.forkserver import log_of


@functools.cache
def theatre() -> Worker:
    """Build this worker's, once."""
    built = Worker()
    multiprocessing.util.Finalize(None, built.close, exitpriority=100)
    return built


class Worker:
    """A cloud, and the stages on it, each built when it is first needed."""

    def __init__(self) -> None:
        self._stack = contextlib.ExitStack()
        self._folder = Path(tempfile.mkdtemp(prefix="crash-", dir=in_memory()))
        self._hands = Hands.ready(self._folder / "hands")
        self._ground = self._stack.enter_context(environment.a_ground(self._folder / "ground"))
        self._stages: dict[tuple[str, str], Stage] = {}
        self._bakeries: dict[str, Bakery] = {}
        self._left: list[Stage] = []

    @contextlib.contextmanager
    def stage(self, kind: str, store: str) -> Iterator[Stage]:
        """Give the stage behind this kind of load balancer, for a block under load."""
        if (kind, store) not in self._stages:
            name = f"{kind[:3]}-{store[:3]}{len(self._left) or ''}"
            scene = environment.Scene.built(self._ground, self._hands, name, kind=kind, store=store)
            made = self._stages[kind, store] = Stage(scene=scene)
            made.calm()
        found = self._stages[kind, store]
        with environment.under_load(found.scene):
            yield found

    def bakery(self, store: str) -> Bakery:
        """Return the project that bakes with this store."""
        if store not in self._bakeries:
            self._bakeries[store] = Bakery.built(self._ground, self._hands, store)
        return self._bakeries[store]

    def record(self, scenario: str, kind: str, store: str) -> Recorded:
        """Find the boundaries of a scenario."""
        if scenario == BAKE:
            moments = self.bakery(store).recorded()
        else:
            with self.stage(kind, store) as found:
                moments = found.recorded(scenario)
        return Recorded(scenario=scenario, kind=kind, store=store, moments=tuple(moments))

    def play(self, play: Case) -> Played:
        """Play one run; where it cannot be played to its end, the next has a new stage."""
        if play.scenario == BAKE:
            return self.bakery(play.store).play(play)
        try:
            with self.stage(play.kind, play.store) as found:
                return found.play(play)
        except Exception:  # noqa: BLE001  whatever it is, the other runs are to be played
            self._left.append(self._stages.pop((play.kind, play.store)))
            return broken_off(play, f"{traceback.format_exc()}\n{self._cloud_said()}")

    def _cloud_said(self) -> str:
        """Return the last that the cloud printed."""
        return log_of(self._ground.cloud.home).read_text(errors="replace")[-3000:]

    def close(self) -> None:
        self._stack.close()
        self._hands.close()
        shutil.rmtree(self._folder, ignore_errors=True)


def in_memory() -> str | None:
    """Return a folder that no disk is behind, where there is one: instances are many files."""
    memory = Path("/dev/shm")
    return str(memory) if os.access(memory, os.W_OK) else None


def broken_off(play: Case, said: str) -> Played:
    """Return how a run ended that did not come to its end."""
    return Played(
        name=play.name,
        died=0,
        struck=0,
        violations=("the run was not played to its end",),
        requests=0,
        failed=0,
        orphans=0,
        seconds=0.0,
        said=said,
    )


def record(what: tuple[str, str, str]) -> Recorded:
    """Find the boundaries of a scenario, in a worker."""
    return theatre().record(*what)


def act(names: Sequence[str], until: float) -> list[Played]:
    """Play runs one after the other, in a worker, as long as there is time (UNIX time)."""
    plays = (Case.named(each) for each in names)
    return [
        theatre().play(each) for each in itertools.takewhile(lambda _: time.time() < until, plays)
    ]
