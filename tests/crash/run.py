"""One crash run: a command dies somewhere, the world is judged, one command mends it.

What is to be so at the end is laid down in `invariants`.
"""

from __future__ import annotations

import os
import signal
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.crash import invariants
from tests.crash.boundaries import STOP, STORM, Death
from tests.crash.case import DIED, Case, Played
from tests.crash.record import Course

if TYPE_CHECKING:
    from tests.crash.command_runner import Typed
    from tests.crash.environment import Scene

LEASE = 61.0
"""Real seconds after which a lease that nobody renews is over (`Leases.life`)."""
HALF_WAY = Death(boundary="autoscaling.AttachTrafficSources#1", moment="answer")
"""Where a promotion dies for which `recover` is to be tried."""


@dataclass(kw_only=True)
class Stage:
    """A scene with a release in service, and the plays on it."""

    scene: Scene

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

    def recorded(self, scenario: str) -> list[str]:
        """Return every moment that a clean run of a scenario passes."""
        words = self.prepared(scenario)
        typed = self.scene.type(*words, record=True)
        assert typed.code == 0, typed.err
        return self.scene.passed()

    # --- the play -----------------------------------------------------------------------------

    def play(self, play: Case) -> Played:
        """Play one crash run."""
        words = self.prepared(play.scenario)
        course = Course.begun(self.scene)
        if play.death.moment == STOP:
            self._stand_still(course, play.death, words)
        else:
            self._die(course, play.death, words)
            mend = self._mend(play.mend, words)
            if play.second:
                self._die_again(course, play.second, mend)
            if play.fresh:
                self.scene.forget_machine()
            self._mend_by(course, mend)
            self._once_more(course)
        return course.ended(play.name)

    def _die(self, course: Course, death: Death, words: tuple[str, ...]) -> None:
        """Have a command die, or have something go wrong for it; judge what it left."""
        scene = self.scene
        with scene.storm(death):
            died = scene.type(*words, death=death)
        frozen = scene.observe()
        course.judge("when it died", invariants.frozen(course.before, frozen))
        if not course.count(died):
            course.judge("when it ended", invariants.survived(words, died, course.before, frozen))
        course.struck = int(self._struck(death))
        course.orphans = len(invariants.orphans(frozen))

    def _struck(self, death: Death) -> bool:
        """Tell whether a fault came to the boundary that it was for."""
        if death.kills:
            return False
        return death.moment == STORM or f"{death.boundary}:before" in self.scene.passed()

    def _die_again(self, course: Course, death: Death, mend: tuple[str, ...]) -> None:
        course.count(self.scene.type(*mend, death=death))
        course.judge("when it died again", invariants.frozen(course.before, self.scene.observe()))

    def _mend_by(self, course: Course, mend: tuple[str, ...]) -> None:
        """Type the one command, and judge the world that it leaves."""
        in_flight = self.scene.content()["deployment"] is not None
        mended = course.mended(*mend)
        after = self.scene.settled()
        course.judge(
            f"mended by {mend[0]}",
            invariants.ended(mend, mended, course.before, after, in_flight=in_flight),
        )
        course.judge("mended", self.scene.strays(after, idle=invariants.is_idle(mended)))

    def _once_more(self, course: Course) -> None:
        """`recover` finds nothing to do, and does nothing."""
        again = self.scene.type("recover", record=True)
        changed = [each for each in self.scene.passed() if "start" not in each]
        if again.code != invariants.REFUSED or changed:
            course.found.append(f"recover once more ended with {again.code}, changed {changed}")

    def _mend(self, mend: str, words: tuple[str, ...]) -> tuple[str, ...]:
        target = words[-1] if words[0] == "promote" else ""
        return {
            "recover": ("recover",),
            "again": words,
            "rollback": ("rollback", "--yes"),
            "other": self.promotion(than=target),
            "rebuild": ("rebuild", "--version", "3.0.0"),
        }[mend]

    # --- a laptop that sleeps -----------------------------------------------------------------

    def _stand_still(self, course: Course, death: Death, words: tuple[str, ...]) -> None:
        """Have a command stand still until its lease is over, another mend it, then go on."""
        scene, told = self.scene, " ".join(words)
        running = scene.begin(*words)
        if not scene.comes_to(death.boundary):
            course.found.append(f"{told} never came to {death.boundary}")
        os.kill(running.pid, signal.SIGSTOP)
        try:
            time.sleep(LEASE)
            mended = course.mended("recover", beside=True)
            after = scene.settled()
        finally:
            os.kill(running.pid, signal.SIGCONT)
        course.struck = 1
        course.judge(
            "mended",
            invariants.ended(("recover",), mended, course.before, after, in_flight=True),
        )
        self._go_on(course, told, running.ended())

    def _go_on(self, course: Course, told: str, late: Typed) -> None:
        """Judge a command that went on after another one had mended what it left."""
        course.said.append(late.err[-3000:])
        if late.code not in {invariants.LOST, invariants.NEEDS_ATTENTION}:
            course.found.append(f"{told} went on and ended with {late.code}")
        seen = self.scene.settled()
        course.judge("gone on", invariants.declared(seen, idle=False))
        course.judge("gone on", self.scene.strays(seen, idle=True))
