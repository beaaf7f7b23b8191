"""Print how the local cloud's answers differ from recorded ones: `make recorded-shapes DIR=...`.

The recordings are `DIR/SERVICE.Action/*.json`, as placebo writes them; without DIR they are the
small ones of `tests/recorded`. The exit code is 1 if a difference is not listed in
`on_purpose.toml`; `--all` prints the listed ones as well.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from local_cloud import control
from local_cloud.state_dir import StateDir
from tools.recorded_shapes import account, differences, shapes

RECORDED = Path(__file__).parents[2] / "tests" / "recorded"
SPEED = 200.0


def main(arguments: Sequence[str]) -> int:
    """Start a local cloud, compare its answers, print the differences; return the exit code."""
    folders = [Path(each) for each in arguments if each != "--all"]
    recorded = shapes.read(folders[0] if folders else RECORDED)
    with tempfile.TemporaryDirectory() as folder:
        home = StateDir(path=Path(folder) / "cloud")
        state = control.up(home, port=0, speed=SPEED)
        try:
            local = account.answers(state.endpoint)
        finally:
            control.down(home)
    every = list(dict.fromkeys(differences.differences(recorded, local)))
    left = differences.unexplained(iter(every))
    for each in every if "--all" in arguments else left:
        print(each)
    count = sum(map(len, recorded.values()))
    print(
        f"{count} recordings of {len(recorded)} kinds: {len(every)} differences, "
        f"{len(every) - len(left)} of them on purpose"
    )
    return 1 if left else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
