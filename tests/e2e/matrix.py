"""What the scenarios of the matrix share: an environment that serves, and how a deployment ends.

Each scenario finds one release in service and leaves one in service, under load, and lays AWS,
Terraform's state, the document and `status` beside each other at its end. So a whole column of
them stands on one environment.
"""

from __future__ import annotations

import os
import signal
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e.conftest import wait_for
from tests.e2e.deploying import Testbed, Site, state_with, wait_for_exit
from tests.load import Load, Result
from tests.running_cloud import eventually

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from _pytest.mark.structures import ParameterSet

    from tests.e2e.conftest import CommandResult

RATE = 100.0
"""Requests a second to an environment, shared by its load balancers."""
DONE, REFUSED, PUT_BACK, NEEDS_ATTENTION, INTERRUPTED = 0, 3, 4, 5, 130
ALARM = "errors"
DENIED = {"status": 403, "code": "AccessDenied", "message": "nobody may do that today"}


@dataclass(kw_only=True)
class Sites:
    """The environments of a ground, one for each set of load balancers and who serves there."""

    testbed: Testbed
    _made: dict[tuple[str, ...], Site] = field(default_factory=dict)
    _count: int = 0

    def serving(self, kinds: tuple[str, ...]) -> Site:
        """Return one in which one release serves and nothing is on the way."""
        site = self._made.get(kinds)
        if site is None or not is_calm(site):
            site = self._made[kinds] = self._new(kinds)
            result = site.promote("--image", self.testbed.old)
            assert result.code == DONE, result.err
        return site

    def empty(self, kinds: tuple[str, ...]) -> Site:
        """Return one in which nothing serves; a first release that is taken back leaves it so."""
        site = self._made.get(("empty", *kinds))
        if site is None or (site.path.exists() and site.document()["content"]["releases"]):
            site = self._made["empty", *kinds] = self._new(kinds)
        return site

    def _new(self, kinds: tuple[str, ...]) -> Site:
        self._count += 1
        return self.testbed.site(f"env{self._count}", *kinds, keep_previous="none")


def is_calm(site: Site) -> bool:
    """Tell whether a scenario left an environment as the next one needs it."""
    content = site.document()["content"]
    there = content["releases"].keys() == {content["serving"]}
    return there and (content["deployment"], content["lease"]) == (None, None)


@contextmanager
def reset_after(testbed: Testbed) -> Iterator[None]:
    """Take back whatever a scenario ordered, and what it said of images."""
    client = testbed.cloud.client
    try:
        yield
    finally:
        client.clear_faults()
        client.clear_orders()
        testbed.restore_images()


@dataclass(kw_only=True)
class Case:
    """One scenario: an environment, who serves in it, and the image that is to come."""

    site: Site
    blue: str = field(init=False)

    def __post_init__(self) -> None:
        self.blue = self._content["serving"] if self.site.path.exists() else ""
        self.configure()

    def start(self) -> subprocess.Popen[str]:
        """Start to promote green; another scenario may have rolled back from its image."""
        words = ("--yes", "--allow-quarantined", "--image", self.image)
        return self.site.start("promote", *words)

    @property
    def _content(self) -> dict[str, Any]:
        content: dict[str, Any] = self.site.document()["content"]
        return content

    @property
    def green(self) -> str:
        """The name that the next release gets."""
        return f"r{self._content['next'] if self.site.path.exists() else 1:06}"

    @property
    def image(self) -> str:
        """The image that does not serve."""
        testbed = self.site.testbed
        if not self.blue:
            return testbed.new
        serving = self._content["releases"][self.blue]["release"]["ami_id"]
        return {testbed.old: testbed.new, testbed.new: testbed.old}[serving]

    def configure(self, **promote: object) -> None:
        """Say how it is deployed; what is not said is quick, and nothing is kept."""
        self.site.configure(keep_previous="none", **promote)

    def order(self, behaviour: str, **more: Any) -> None:
        """Have green go wrong in a way."""
        self.cloud.order(behaviour, group=self.site.group(self.green), **more)

    def fault(self, **order: Any) -> None:
        """Have calls to AWS go wrong."""
        self.cloud.fault(**order)

    @property
    def cloud(self) -> Any:
        return self.site.testbed.cloud.client

    @property
    def _share(self) -> float:
        return RATE / len(self.site.balancers)

    # --- doing ------------------------------------------------------------------------------------

    def promote(
        self, at: str = "", act: Callable[[RunningDeployment], object] | None = None
    ) -> CommandResult:
        """Promote under load; once it says `at`, do something. No request may fail."""
        with self.under_load():
            return self.promote_unloaded(at, act)

    def under_load(self) -> AbstractContextManager[Site]:
        """Keep the environment under load for a block; no request may fail."""
        return self.site.under_load(self._share)

    def promote_unloaded(
        self, at: str = "", act: Callable[[RunningDeployment], object] | None = None
    ) -> CommandResult:
        process = self.start()
        try:
            if at:
                wait_for(process, at)
            if act:
                act(RunningDeployment(process=process))
            return wait_for_exit(process)
        except BaseException:
            process.kill()
            process.communicate()
            raise

    @contextmanager
    def losing(self, longest: float) -> Iterator[list[Load]]:
        """Load that may be lost to members of green that went wrong, for so many seconds in all.

        A load balancer sends to a member that died until a check has failed; no deployment can
        prevent that. All else must be answered.
        """
        with self.site.loaded(self._share) as running:
            yield running
        for each in running:
            lost = sorted(each.failures, key=lambda result: result.at)
            assert {result.status for result in lost} <= {500, 502, 503, 504}, lost[:3]
            assert not lost or lost[-1].at - lost[0].at <= longest, (lost[0], lost[-1])

    # --- how it ended -----------------------------------------------------------------------------

    def assert_promoted(self, result: CommandResult, **more: object) -> None:
        """Green serves alone, and nothing of blue is left."""
        green = self._content["serving"]
        assert green != self.blue
        self.assert_result(result, DONE, outcome="promoted", release=green, **more)
        assert self.site.state() == state_with(green, serving=green)

    def assert_rolled_back(
        self, result: CommandResult, phase: str, reason: str, code: int = PUT_BACK
    ) -> None:
        """Blue serves as before, nothing of green is left, and it is said why."""
        self.assert_result(result, code, outcome="rolled back", phase=phase)
        assert reason in result.document["reason"]
        self.assert_unchanged()

    def assert_needs_attention(self, result: CommandResult, phase: str) -> None:
        """It stopped half-way and says what finishes it."""
        self.assert_result(result, NEEDS_ATTENTION, outcome="stranded", phase=phase)
        assert result.document["next"] == f"ami-pipeline recover -e {self.site.environment}"
        assert self.site.status()["in_flight"]["id"] == result.document["id"]

    def assert_finished(self, result: CommandResult) -> None:
        """`recover` brought green's retirement of blue to its end."""
        self.assert_result(result, DONE, outcome="promoted")
        green = self._content["serving"]
        assert green != self.blue
        assert self.site.state() == state_with(green, serving=green)

    def assert_unchanged(self) -> None:
        """Blue alone serves, and there is nothing else anywhere."""
        names = [self.blue] if self.blue else []
        assert self.site.state() == state_with(*names, serving=self.blue)

    @staticmethod
    def assert_result(result: CommandResult, code: int, **words: object) -> None:
        assert result.code == code, result.err
        assert {name: result.document[name] for name in words} == words, result.err


@dataclass(frozen=True, kw_only=True)
class RunningDeployment:
    """A deployment that runs, to do something to."""

    process: subprocess.Popen[str]

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def kill_terraform(self) -> None:
        """End the Terraform that it runs now, as the kernel does that has no memory left."""
        os.kill(self._terraform, signal.SIGKILL)

    def kill_provider(self) -> None:
        """The same for the provider that Terraform started; the one that answers is its last."""
        parent = self._terraform
        os.kill(eventually(lambda: child_of(parent, b"terraform-provider")), signal.SIGKILL)

    @property
    def _terraform(self) -> int:
        return eventually(lambda: child_of(self.process.pid, b"terraform"))


def child_of(parent: int, word: bytes) -> int:
    """Return the child of a process that has this word in its command line; 0 for none."""
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            facts = (entry / "stat").read_text().rpartition(")")[2].split()
            line = (entry / "cmdline").read_bytes()
        except OSError:
            continue
        if int(facts[1]) == parent and word in line:
            return int(entry.name)
    return 0


def rare(*values: object) -> ParameterSet:
    """Return parameters of a scenario that differs little from its neighbours: for `make e2e`."""
    return pytest.param(*values, marks=pytest.mark.rare)


def soon(action: Callable[[], object], seconds: float) -> None:
    """Do something a little later, while the test waits."""
    threading.Timer(seconds, action).start()


def first_failure(running: list[Load]) -> Result:
    """Return a request that failed; wait for one."""
    failures = eventually(lambda: [one for each in running for one in each.failures])
    return failures[0]
