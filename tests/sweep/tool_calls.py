"""Sweep the calls of Terraform, in `promote` under load, and those of Packer, in `bake`."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.e2e.matrix import QUICK
from tests.running_cloud import eventually
from tests.sweep.case import AGENTS, EXPECTED, SweepCase, SweepResult
from tests.sweep.own_calls import called_by

if TYPE_CHECKING:
    from tests.crash.baking import Bakery
    from tests.e2e.project import CommandResult
    from tests.e2e.site import Site


@dataclass(kw_only=True)
class TerraformCalls:
    """An environment whose Terraform is the real one, with the provider of AWS."""

    site: Site

    def recorded(self, scenario: str) -> list[tuple[str, str]]:
        """Promote without a fault; return the actions that Terraform called."""
        cloud = self.site.testbed.cloud
        self._prepare()
        cloud.client.clear_timeline()
        assert self._promote().code == 0
        return called_by(cloud, AGENTS[scenario])

    def _prepare(self) -> None:
        """Let a release serve, also in an environment in which nothing was recorded."""
        self.site.configure(keep_previous="none", **QUICK)
        if not self.site.serving:
            self.site.ensure_serving(self.site.other_image)

    def run(self, case: SweepCase) -> SweepResult:
        """Run one case."""
        self._prepare()
        client, serving = self.site.testbed.cloud.client, self.site.serving
        self.site.testbed.restore_images()
        client.fault(**case.order)
        began = time.monotonic()
        with self.site.loaded() as running:
            done = self._promote()
        seconds, struck = time.monotonic() - began, not client.faults()
        client.clear_faults()
        failed = sum(len(each.failures) for each in running)
        found = [f"{failed} requests failed"] * bool(failed)
        if done.code not in EXPECTED[case.scenario]:
            found.append(f"exit code {done.code}: {done.err[-500:]}")
        if (done.code == 0) == (self.site.serving == serving):
            found.append(f"exit code {done.code}, and {self.site.serving} serves")
        found += self._left()
        return SweepResult(
            name=case.name,
            code=done.code,
            struck=struck,
            violations=tuple(found),
            requests=sum(len(each.results) for each in running),
            failed=failed,
            seconds=seconds,
            output=done.err[-3000:] if found else "",
        )

    def _promote(self) -> CommandResult:
        return self.site.promote("--allow-quarantined", "--image", self.site.other_image)

    def _left(self) -> list[str]:
        """Return what exists beside what the document declares."""
        try:
            found, declared = self.site.state(), self.site.declared_state()
        except AssertionError as error:
            return [f"is left: {str(error)[:300]}"]
        return [] if found == declared else [f"exists: {found}, declared: {declared}"]


@dataclass(kw_only=True)
class PackerCalls:
    """A project that bakes with the real Packer."""

    bakery: Bakery

    def recorded(self, scenario: str) -> list[tuple[str, str]]:
        """Bake without a fault; return the actions that Packer called."""
        cloud = self.bakery.project.cloud
        cloud.client.clear_timeline()
        done = self.bakery._start(self.bakery.words()).finish()
        assert done.code == 0, done.err
        return called_by(cloud, AGENTS[scenario])

    def run(self, case: SweepCase) -> SweepResult:
        """Run one case."""
        client = self.bakery.project.cloud.client
        images = self.bakery._images().keys()
        client.fault(**case.order)
        began = time.monotonic()
        done = self.bakery._start(self.bakery.words()).finish()
        seconds, struck = time.monotonic() - began, not client.faults()
        client.clear_faults()
        found = []
        if done.code not in EXPECTED[case.scenario]:
            found.append(f"exit code {done.code}: {done.err[-500:]}")
        new = self.bakery._images().keys() - images
        if len(new) != (done.code == 0):
            found.append(f"exit code {done.code}, and new images: {sorted(new)}")
        if left := self._left():
            found.append(f"is left: {left}")
        return SweepResult(
            name=case.name,
            code=done.code,
            struck=struck,
            violations=tuple(found),
            seconds=seconds,
            output=done.err[-3000:] if found else "",
        )

    def _left(self) -> list[str]:
        try:
            eventually(lambda: not self.bakery._left(), within=10)
        except AssertionError:
            return self.bakery._left()
        return []
