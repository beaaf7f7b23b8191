"""What comes of a crash run while it is played: the violations found, the requests lost.

Apart from `acting`, which has the run happen: here is only what is counted meanwhile.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.crash import invariants
from tests.crash.case import DIED, Played

if TYPE_CHECKING:
    from tests.crash.command_runner import Typed
    from tests.crash.environment import Scene
    from tests.crash.seen import Seen


@dataclass(kw_only=True)
class Course:
    """One run under way; `before` is the world it began in."""

    scene: Scene
    before: Seen
    lost: tuple[int, int]
    found: list[str] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    died: int = 0
    struck: int = 0
    orphans: int = 0
    seconds: float = 0.0
    began: float = field(default_factory=time.time)

    @classmethod
    def begun(cls, scene: Scene) -> Course:
        scene.forget_moments()
        return cls(scene=scene, before=scene.observe(), lost=scene.count())

    def judge(self, when: str, violations: list[str]) -> None:
        """Note what was violated."""
        self.found += [f"{when}: {each}" for each in violations]

    def count(self, typed: Typed) -> bool:
        """Count a command that was to die; tell whether it did."""
        self.said.append(typed.err[-3000:])
        self.died += typed.code == DIED
        return typed.code == DIED

    def mended(self, *words: str, beside: bool = False) -> Typed:
        """Type the command that mends, `beside` one that stands still, and take the time."""
        began = time.monotonic()
        typed = self.scene.hand(*words) if beside else self.scene.type(*words)
        self.seconds = time.monotonic() - began
        self.said.append(typed.err[-3000:])
        return typed

    def ended(self, name: str) -> Played:
        """Judge what was recorded all along, and return how it ended."""
        scene = self.scene
        self.judge("meanwhile", invariants.never_less(self.before.healthy, scene.health_told()))
        self.judge("meanwhile", invariants.one_writer_each(scene.leases()))
        if secrets := scene.secrets(self.began):
            self.found.append(f"a secret was left in {secrets}")
        sent, failed = (now - then for now, then in zip(scene.count(), self.lost, strict=True))
        if failed:
            self.found.append(f"{failed} requests failed: {scene.failures(failed)}")
        return Played(
            name=name,
            died=self.died,
            struck=self.struck,
            violations=tuple(self.found),
            requests=sent,
            failed=failed,
            orphans=self.orphans,
            seconds=self.seconds,
            said="\n---\n".join(self.said) if self.found else "",
        )
