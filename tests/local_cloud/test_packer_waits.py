from __future__ import annotations

import os
from pathlib import Path

import pytest

from local_cloud.packer_waits import poll_delay

PLUGIN = "github.com/hashicorp/amazon/packer-plugin-amazon_v{}_x5.0_linux_amd64"


def environment(folder: Path, *versions: str, code: int = 0) -> dict[str, str]:
    """Return an environment whose Packer lists these versions of the Amazon plugin."""
    lines = "\n".join(f"echo /plugins/{PLUGIN.format(version)}" for version in versions)
    program = folder / "packer"
    program.write_text(
        f'#!/bin/sh\n[ "$1 $2" = "plugins installed" ] || exit 9\n{lines}\nexit {code}\n'
    )
    program.chmod(0o755)
    return {"PATH": f"{folder}{os.pathsep}{os.defpath}"}


@pytest.mark.parametrize(
    ("speed", "delay"), [(1, "1"), (10, "1"), (60, "1"), (100, "1"), (200, ""), (1000, "")]
)
def test_with_the_current_plugin_the_shorter_wait_decides(
    tmp_path: Path, speed: float, delay: str
) -> None:
    assert poll_delay(speed, environment(tmp_path, "1.3.0", "1.8.3")) == delay


@pytest.mark.parametrize(("speed", "delay"), [(1, "15"), (5, "3"), (200, "1")])
def test_an_older_plugin_polls_in_step_with_the_speed(
    tmp_path: Path, speed: float, delay: str
) -> None:
    older = [{"PATH": str(tmp_path / "nothing")}]
    for name, versions, code in (
        ("builtin", (), 0),
        ("no-such-command", (), 127),
        ("old", ("1.2.9", "1.7.1"), 0),
    ):
        (tmp_path / name).mkdir()
        older.append(environment(tmp_path / name, *versions, code=code))
    for environ in older:
        assert poll_delay(speed, environ) == delay
