"""One worker of the crash suite: a cloud of its own, the stages on it, and what is asked of it."""

from __future__ import annotations

import contextlib
import functools
import multiprocessing.util
import shutil
import tempfile
import traceback
from pathlib import Path

from tests.crash import stage
from tests.crash.baking import Bakery
from tests.crash.hands import Hands
from tests.crash.planning import BAKE, Recorded
from tests.crash.play import Play, Played, Stage
from tests.nursery import log_of


@functools.cache
def theatre() -> Theatre:
    """Build this worker's, once."""
    built = Theatre()
    multiprocessing.util.Finalize(None, built.close, exitpriority=100)
    return built


class Theatre:
    """A cloud, and the stages on it, each built when it is first needed."""

    def __init__(self) -> None:
        self._stack = contextlib.ExitStack()
        self._folder = Path(tempfile.mkdtemp(prefix="crash-"))
        self._hands = Hands.ready(self._folder / "hands")
        self._ground = self._stack.enter_context(stage.a_ground(self._folder / "ground"))
        self._stages: dict[tuple[str, str], Stage] = {}
        self._left: list[Stage] = []

    def stage(self, kind: str, store: str) -> Stage:
        """Return the stage behind this kind of load balancer, under load."""
        if (kind, store) not in self._stages:
            name = f"{kind[:3]}-{store[:3]}{len(self._left) or ''}"
            scene = stage.Scene.built(self._ground, self._hands, name, kind=kind, store=store)
            made = self._stages[kind, store] = Stage(scene=scene)
            made.calm()
            self._stack.enter_context(stage.under_load(scene))
        return self._stages[kind, store]

    @functools.cached_property
    def bakery(self) -> Bakery:
        """The project that bakes."""
        return Bakery.built(self._ground, self._hands)

    def forget(self, kind: str, store: str) -> None:
        """Leave a stage on which a run could not be played to its end; the next one is new."""
        self._left.append(self._stages.pop((kind, store)))

    def cloud_said(self) -> str:
        """Return the last that the cloud printed."""
        return log_of(self._ground.cloud.home).read_text(errors="replace")[-3000:]

    def close(self) -> None:
        self._stack.close()
        self._hands.close()
        shutil.rmtree(self._folder, ignore_errors=True)


def record(what: tuple[str, str, str]) -> Recorded:
    """Find the boundaries of a scenario."""
    scenario, kind, store = what
    built = theatre()
    baking = scenario == BAKE
    moments = built.bakery.recorded() if baking else built.stage(kind, store).recorded(scenario)
    return Recorded(scenario=scenario, kind=kind, store=store, moments=tuple(moments))


def play(name: str) -> Played:
    """Play one run."""
    wanted = Play.named(name)
    built = theatre()
    if wanted.scenario == BAKE:
        return built.bakery.play(wanted)
    try:
        return built.stage(wanted.kind, wanted.store).play(wanted)
    except Exception:  # noqa: BLE001  whatever it is, the other runs are to be played
        built.forget(wanted.kind, wanted.store)
        said = f"{traceback.format_exc()}\n{built.cloud_said()}"
        return Played(
            name=name,
            died=0,
            struck=0,
            violations=("the run was not played to its end",),
            requests=0,
            failed=0,
            orphans=0,
            seconds=0.0,
            said=said,
        )
