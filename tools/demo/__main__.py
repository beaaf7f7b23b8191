"""`make demo`: from a template to a service that is released, broken and put back under traffic.

Works on a copy of the sample application in a temporary folder and a local cloud
of its own, so that it neither needs nor touches an AWS account, this checkout or
a local cloud that runs already.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from types import FrameType

from tools.demo import killed, project, story
from tools.demo.recording import recorded_phases, recording, written
from tools.demo.shell import Shell
from tools.demo.steps import OtherwiseError, Record
from tools.demo.story import Stage
from tools.demo.timeline import last_line, timeline

INTERRUPTED = 130


def main() -> int:
    """Tell the story; return 0 only if it went as told and no request was lost."""
    parser = argparse.ArgumentParser(prog="make demo")
    parser.add_argument("balancer", choices=["classic", "alb"], nargs="?", default="classic")
    phases = [*killed.PHASES, killed.EVERY]
    parser.add_argument("--kill", choices=phases, help="kill a promotion in this phase instead")
    parser.add_argument("--record", type=Path, help="write what the picture is drawn from")
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, _interrupted)
    record = Record(began=time.monotonic())
    code = 0
    with tempfile.TemporaryDirectory(prefix="ami-pipeline-demo-") as name, ExitStack() as ended:
        shell = Shell(folder=project.copied(Path(name) / "web"), env=dict(os.environ))
        try:
            stage = Stage(shell=shell, record=record, balancer=given.balancer, ended=ended)
            changes = ended.enter_context(recorded_phases(shell.folder))
            killed.tell(stage, given.kill) if given.kill else story.tell(stage)
        except OtherwiseError as otherwise:
            print(f"\nerror: {otherwise}", flush=True)
            code = 1
        except KeyboardInterrupt:
            print("\ninterrupted", flush=True)
            code = INTERRUPTED
    if given.record and not code:
        given.record.write_text(written(recording(record, changes)))
    print(f"\n{timeline(record)}\n\n{last_line(record)}", flush=True)
    return code or (1 if record.failures else 0)


def _interrupted(_: int, __: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
