"""The real tools while reads are old: Packer and Terraform wait for what is not there yet."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.e2e.site import LONGEST
from tests.e2e.testbed import build_testbed

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.long
@pytest.mark.timeout(3 * LONGEST)
def test_packer_and_terraform_work_while_reads_are_up_to_ten_seconds_old(tmp_path: Path) -> None:
    # At this speed ten seconds of AWS last a second; the tools' own pauses are not shorter here.
    with build_testbed(tmp_path, speed=10, consistency="eventual:10") as testbed:
        site = testbed.site("staging", "stack")
        first = site.promote("--image", testbed.old)
        assert first.code == 0, first.err
        assert site.declared_state() == site.state()
