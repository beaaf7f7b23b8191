"""Run a scenario of the matrix: a deployment with faults, and checks of how it ended.

Each scenario finds one release in service and leaves one in service, under load. At its end it
compares AWS, Terraform's state, the document and `status`. So many scenarios can share one
environment.
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

from tests.e2e.project import wait_for
from tests.e2e.site import Site, state_with, wait_for_exit
from tests.e2e.testbed import CloudTestbed
from tests.running_cloud import eventually
from tools.load import Load, Result

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from _pytest.mark.structures import ParameterSet

    from tests.e2e.project import CommandResult

RATE = 100.0
"""Requests per second to an environment, shared by its load balancers."""
DONE, REFUSED, ROLLED_BACK, NEEDS_ATTENTION, INTERRUPTED = 0, 3, 4, 5, 130
ALARM = "errors"
QUICK = {"soak": "1s", "observe": "1s"}
LONG = {"soak": "10m", "observe": "10m"}
"""Ten minutes of the cloud's time are ten seconds here."""
DENIED = {"status": 403, "code": "AccessDenied", "message": "denied by this test"}


@dataclass(kw_only=True)
class Sites:
    """The environments of a test bed, by load balancers and by whether a release serves."""

    testbed: CloudTestbed
    _made: dict[tuple[str, ...], Site] = field(default_factory=dict)
    _count: int = 0

    def serving(self, kinds: tuple[str, ...]) -> Site:
        """Return an environment with one release in service and no deployment in flight."""
        site = self._made.get(kinds)
        if site is None or not is_calm(site):
            site = self._made[kinds] = self._new(kinds)
            result = site.promote("--image", self.testbed.old)
            assert result.code == DONE, result.err
        return site

    def empty(self, kinds: tuple[str, ...]) -> Site:
        """Return an environment without a release."""
        site = self._made.get(("empty", *kinds))
        if site is None or (site.path.exists() and site.document()["content"]["releases"]):
            site = self._made["empty", *kinds] = self._new(kinds)
        return site

    def _new(self, kinds: tuple[str, ...]) -> Site:
        self._count += 1
        while (self.testbed.folder / f"env{self._count}").exists():  # earlier tests made it
            self._count += 1
        return self.testbed.site(f"env{self._count}", *kinds, keep_previous="none")


def is_calm(site: Site) -> bool:
    """Return True if the environment has one release in service and no deployment in flight."""
    content = site.document()["content"]
    there = content["releases"].keys() == {content["serving"]}
    return there and (content["deployment"], content["lease"]) == (None, None)


@contextmanager
def reset_after(testbed: CloudTestbed) -> Iterator[None]:
    """Remove the orders and faults of a scenario after the block, and its marks on images."""
    client = testbed.cloud.client
    try:
        yield
    finally:
        client.clear_faults()
        client.clear_behaviors()
        testbed.restore_images()


@dataclass(kw_only=True)
class Case:
    """One scenario: an environment, the serving release, and the image to promote."""

    site: Site
    blue: str = field(init=False)

    def __post_init__(self) -> None:
        self.blue = self._content["serving"] if self.site.path.exists() else ""
        self.configure()

    def start(self) -> subprocess.Popen[str]:
        """Start to promote green, even if another scenario quarantined its image."""
        words = ("--yes", "--allow-quarantined", "--image", self.image)
        return self.site.start("promote", *words)

    @property
    def _content(self) -> dict[str, Any]:
        content: dict[str, Any] = self.site.document()["content"]
        return content

    @property
    def green(self) -> str:
        """Return the name that the next release gets."""
        return f"r{self._content['next'] if self.site.path.exists() else 1:06}"

    @property
    def image(self) -> str:
        """Return the image that does not serve."""
        testbed = self.site.testbed
        if not self.blue:
            return testbed.new
        serving = self._content["releases"][self.blue]["release"]["ami_id"]
        return {testbed.old: testbed.new, testbed.new: testbed.old}[serving]

    def configure(self, **promote: object) -> None:
        """Configure the promotion; defaults are short, and no release is kept."""
        self.site.configure(keep_previous="none", **promote)

    def order(self, behavior: str, **more: Any) -> None:
        """Make green misbehave."""
        self.cloud.set_behavior(behavior, group=self.site.group(self.green), **more)

    def fault(self, **order: Any) -> None:
        """Make AWS calls fail."""
        self.cloud.fault(**order)

    @property
    def cloud(self) -> Any:
        return self.site.testbed.cloud.client

    @property
    def _share(self) -> float:
        return RATE / len(self.site.balancers)

    # --- running ----------------------------------------------------------------------------------

    def promote(
        self, at: str = "", act: Callable[[RunningDeployment], object] | None = None
    ) -> CommandResult:
        """Promote under load and run `act` once the output contains `at`. No request may fail."""
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
        """Keep the environment under load; failures caused by green may last `longest` seconds.

        A load balancer sends requests to a dead member until a health check fails, which no
        deployment can prevent. All other requests must succeed.
        """
        with self.site.loaded(self._share) as running:
            yield running
        for each in running:
            lost = sorted(each.failures, key=lambda result: result.at)
            assert {result.status for result in lost} <= {500, 502, 503, 504}, lost[:3]
            assert not lost or lost[-1].at - lost[0].at <= longest, (lost[0], lost[-1])

    # --- checking ---------------------------------------------------------------------------------

    def assert_promoted(self, result: CommandResult, **more: object) -> None:
        """Check that green serves alone and nothing of blue is left."""
        green = self._content["serving"]
        assert green != self.blue
        self.assert_result(result, DONE, outcome="promoted", release=green, **more)
        assert self.site.state() == state_with(green, serving=green)

    def assert_rolled_back(
        self, result: CommandResult, phase: str, reason: str, code: int = ROLLED_BACK
    ) -> None:
        """Check that blue serves as before, nothing of green is left, and the reason is shown."""
        self.assert_result(result, code, outcome="rolled back", phase=phase)
        assert reason in result.document["reason"]
        self.assert_unchanged()

    def assert_needs_attention(self, result: CommandResult, phase: str) -> None:
        """Check that the deployment stopped and names the command that finishes it."""
        self.assert_result(result, NEEDS_ATTENTION, outcome="needs attention", phase=phase)
        assert result.document["next"] == f"ami-pipeline recover -e {self.site.environment}"
        assert self.site.status()["in_flight"]["id"] == result.document["id"]

    def assert_finished(self, result: CommandResult) -> None:
        """Check that `recover` finished the retirement of blue."""
        self.assert_result(result, DONE, outcome="promoted")
        green = self._content["serving"]
        assert green != self.blue
        assert self.site.state() == state_with(green, serving=green)

    def assert_unchanged(self) -> None:
        """Check that blue alone serves and nothing else exists."""
        names = [self.blue] if self.blue else []
        assert self.site.state() == state_with(*names, serving=self.blue)

    @staticmethod
    def assert_result(result: CommandResult, code: int, **words: object) -> None:
        assert result.code == code, result.err
        assert {name: result.document[name] for name in words} == words, result.err


@dataclass(frozen=True, kw_only=True)
class RunningDeployment:
    """A running deployment."""

    process: subprocess.Popen[str]

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def kill_terraform(self) -> None:
        """Kill the Terraform that runs now, as the kernel does when memory is exhausted."""
        os.kill(self._terraform, signal.SIGKILL)

    def kill_provider(self) -> None:
        """Kill the provider that Terraform started; the last one started is the one in use."""
        parent = self._terraform
        os.kill(eventually(lambda: child_of(parent, b"terraform-provider")), signal.SIGKILL)

    @property
    def _terraform(self) -> int:
        return eventually(lambda: child_of(self.process.pid, b"terraform"))


def kill(running: RunningDeployment) -> None:
    """Kill the tool itself."""
    running.signal(signal.SIGKILL)


def newest_release(case: Case) -> str:
    """Return the newest release in the document."""
    releases = case.site.document()["content"]["releases"]
    return str(max(releases))


def child_of(parent: int, word: bytes) -> int:
    """Return the child of a process that has this word in its command line, or 0."""
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
    """Return the parameters of a scenario that only `make e2e` runs."""
    return pytest.param(*values, marks=pytest.mark.rare)


def soon(action: Callable[[], object], seconds: float) -> None:
    """Run an action after some seconds, in a thread."""
    threading.Timer(seconds, action).start()


def first_failure(running: list[Load]) -> Result:
    """Wait for a failed request and return it."""
    failures = eventually(lambda: [one for each in running for one in each.failures])
    return failures[0]
