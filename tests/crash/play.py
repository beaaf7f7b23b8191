"""One crash run: a command dies somewhere, the world is judged, one command mends it.

What is to be so at the end is laid down in `invariants`. A run is named by what it does, and its
name is all that is needed to play it again.
"""

from __future__ import annotations

import os
import signal
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.crash import invariants
from tests.crash.boundaries import STOP, STORM, Death

if TYPE_CHECKING:
    from tests.crash.stage import Scene

MENDS = ("recover", "again", "rollback", "other", "rebuild")
"""The commands of which one follows: what was typed again, or another image's promotion."""
DIED = -9
LEASE = 61.0
"""Real seconds after which a lease that nobody renews is over (`Leases.life`)."""


@dataclass(frozen=True, kw_only=True)
class Play:
    """One crash run to be played; `second` is where the command that mends dies itself."""

    scenario: str
    kind: str
    store: str
    death: Death
    mend: str
    second: Death | None = None
    fresh: bool = False

    @property
    def name(self) -> str:
        parts = [self.scenario, self.kind, self.store, self.death.name, self.mend]
        more = [self.second.name] if self.second else []
        return "|".join([*parts, *more, *(["fresh"] if self.fresh else [])])

    @classmethod
    def named(cls, name: str) -> Play:
        scenario, kind, store, death, mend, *more = name.split("|")
        second = [each for each in more if each != "fresh"]
        return cls(
            scenario=scenario,
            kind=kind,
            store=store,
            death=Death.named(death),
            mend=mend,
            second=Death.named(second[0]) if second else None,
            fresh="fresh" in more,
        )


@dataclass(frozen=True, kw_only=True)
class Played:
    """How a crash run ended: `violations` are sentences, `seconds` what the mending took.

    `died` is how often a command was killed, `struck` whether it had a fault to live with.
    """

    name: str
    died: int
    struck: int
    violations: tuple[str, ...]
    requests: int
    failed: int
    orphans: int
    seconds: float
    said: str = ""


@dataclass(kw_only=True)
class Stage:
    """A scene with a release in service, and the plays on it."""

    scene: Scene
    sent: int = 0
    found: list[str] = field(default_factory=list)

    # --- before -------------------------------------------------------------------------------

    def calm(self) -> None:
        """Have one release in service and nothing on the way, by whatever is needed."""
        scene = self.scene
        scene.bless_images()
        if not scene.content():
            scene.configure(keep_previous="none")
        content = scene.content()
        if not content or not content["serving"]:
            self._type_well("promote", "--yes", "--allow-quarantined", "--image", scene.images[0])
        elif content["deployment"]:
            self._type_well("recover")

    def prepared(self, scenario: str) -> tuple[str, ...]:
        """Bring about what a scenario begins with; return its command."""
        self.calm()
        scene = self.scene
        content = scene.content()
        warm = [name for name in content["releases"] if name != content["serving"]]
        if scenario == "rollback-warm":
            scene.configure(keep_previous="next")
            if not warm:
                self._type_well(*self.promotion())
            scene.bless_images()
            return ("rollback", "--yes")
        scene.configure(keep_previous="none")
        if scenario == "rollback-cold":
            return ("rollback", "--yes", "--to", self.image())
        if scenario == "recover":
            died = scene.type(*self.promotion(), death=HALF_WAY)
            assert died.code == DIED, died.err
            return ("recover",)
        return self.promotion()

    def promotion(self, than: str = "") -> tuple[str, ...]:
        """Return the command that promotes an image which does not serve."""
        return ("promote", "--yes", "--allow-quarantined", "--image", self.image(than))

    def image(self, than: str = "") -> str:
        """Return an image that does not serve, another `than` this one."""
        content = self.scene.content()
        serving = content["releases"][content["serving"]]["release"]["ami_id"]
        return next(each for each in self.scene.images if each not in {serving, than})

    def _type_well(self, *words: str) -> None:
        typed = self.scene.type(*words)
        if typed.code != 0:
            raise AssertionError(f"{' '.join(words)} ended with {typed.code}:\n{typed.err[-3000:]}")

    # --- the play -----------------------------------------------------------------------------

    def recorded(self, scenario: str) -> list[str]:
        """Return every moment that a clean run of a scenario passes."""
        words = self.prepared(scenario)
        typed = self.scene.type(*words, record=True)
        assert typed.code == 0, typed.err
        return self.scene.passed()

    def play(self, play: Play) -> Played:
        """Play one crash run."""
        return self.paused(play) if play.death.moment == STOP else self.died(play)

    def paused(self, play: Play) -> Played:
        """Have a command stand still until its lease is over, another mend it, then go on."""
        scene = self.scene
        words = self.prepared(play.scenario)
        before, lost = scene.look(), scene.count()
        self.found = []
        running = scene.begin(*words)
        if not scene.comes_to(play.death.boundary):
            self.found.append(f"{' '.join(words)} never came to {play.death.boundary}")
        os.kill(running.pid, signal.SIGSTOP)
        time.sleep(LEASE)
        began = time.monotonic()
        mended = scene.hand("recover")
        seconds = time.monotonic() - began
        after = scene.settled()
        self._judge("mended", invariants.ended(("recover",), mended, before, after, in_flight=True))
        os.kill(running.pid, signal.SIGCONT)
        late = running.ended()
        if late.code not in {invariants.LOST, invariants.STRANDED}:
            self.found.append(f"{' '.join(words)} went on and ended with {late.code}")
        self._judge("gone on", invariants.declared(scene.settled(), idle=False))
        self._judge("gone on", scene.strays(scene.look(), idle=True))
        sent, failed = (now - then for now, then in zip(scene.count(), lost, strict=True))
        if failed:
            self.found.append(f"{failed} requests failed: {scene.failures(failed)}")
        return Played(
            name=play.name,
            died=0,
            struck=1,
            violations=tuple(self.found),
            requests=sent,
            failed=failed,
            orphans=0,
            seconds=seconds,
            said=f"{mended.err[-2000:]}\n---\n{late.err[-3000:]}" if self.found else "",
        )

    def died(self, play: Play) -> Played:
        """Play one in which a command dies, or has something go wrong."""
        scene = self.scene
        words = self.prepared(play.scenario)
        before, lost = scene.look(), scene.count()
        self.found = []
        with scene.storm(play.death):
            died = scene.type(*words, death=play.death)
        frozen = scene.look()
        self._judge("when it died", invariants.frozen(before, frozen))
        if died.code != DIED:
            self._judge("when it ended", invariants.survived(words, died, before, frozen))
        deaths = int(died.code == DIED)
        struck = play.death.moment == STORM or (
            not play.death.kills and f"{play.death.boundary}:before" in scene.passed()
        )
        orphans = len(invariants.orphans(frozen))
        mend = self._mend(play.mend, words)
        if play.second:
            second = scene.type(*mend, death=play.second)
            deaths += second.code == DIED
            self._judge("when it died again", invariants.frozen(before, scene.look()))
        if play.fresh:
            scene.forget_machine()
        in_flight = scene.content()["deployment"] is not None
        began = time.monotonic()
        mended = scene.type(*mend)
        seconds = time.monotonic() - began
        after = scene.settled()
        how = {"in_flight": in_flight}
        self._judge(f"mended by {mend[0]}", invariants.ended(mend, mended, before, after, **how))
        self._judge("mended", scene.strays(after, idle=invariants.is_idle(mended)))
        self._once_more()
        sent, failed = (now - then for now, then in zip(scene.count(), lost, strict=True))
        if failed:
            self.found.append(f"{failed} requests failed: {scene.failures(failed)}")
        said = "\n".join([died.err[-1500:], "---", mended.err[-3000:]]) if self.found else ""
        return Played(
            name=play.name,
            died=deaths,
            struck=int(struck),
            violations=tuple(self.found),
            requests=sent,
            failed=failed,
            orphans=orphans,
            seconds=seconds,
            said=said,
        )

    def _mend(self, mend: str, words: tuple[str, ...]) -> tuple[str, ...]:
        target = words[-1] if words[0] == "promote" else ""
        return {
            "recover": ("recover",),
            "again": words,
            "rollback": ("rollback", "--yes"),
            "other": self.promotion(than=target),
            "rebuild": ("rebuild", "--version", "3.0.0"),
        }[mend]

    def _once_more(self) -> None:
        """`recover` finds nothing to do, and does nothing."""
        again = self.scene.type("recover", record=True)
        changed = [each for each in self.scene.passed() if "start" not in each]
        if again.code != 3 or changed:
            self.found.append(f"recover once more ended with {again.code}, changed {changed}")

    def _judge(self, when: str, violations: list[str]) -> None:
        self.found += [f"{when}: {each}" for each in violations]


HALF_WAY = Death(boundary="autoscaling.AttachTrafficSources#1", moment="answer")
