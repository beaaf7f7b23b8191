"""`make demo`: a service is released, fails and is rolled back, under traffic, on a local cloud.

Works on a copy of the sample application in a temporary folder. It neither needs nor touches an AWS
account, this checkout or another local cloud.
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

from tools import terraform
from tools.demo import killed, project, story
from tools.demo.recording import recorded_phases, recording, written
from tools.demo.shell import Shell
from tools.demo.steps import DemoError, Record
from tools.demo.story import Demo
from tools.demo.timeline import last_line, timeline

INTERRUPTED = 130


def main() -> int:
    """Run the demo; return 0 only if every step ended as expected and no request failed."""
    parser = argparse.ArgumentParser(prog="make demo")
    parser.add_argument("balancer", choices=["classic", "alb"], nargs="?", default="classic")
    phases = [*killed.PHASES, killed.EVERY]
    parser.add_argument("--kill", choices=phases, help="kill a promotion in this phase instead")
    parser.add_argument("--record", type=Path, help="write the data of the README picture")
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, _interrupted)
    record = Record(began=time.monotonic())
    code = 0
    with tempfile.TemporaryDirectory(prefix="ami-pipeline-demo-") as name, ExitStack() as ended:
        program = terraform.chosen(os.environ)
        named = program.command if os.environ.get(terraform.VARIABLE) else ""
        folder = project.copy_project(Path(name) / "web", named)
        shell = Shell(folder=folder, env=dict(os.environ))
        try:
            demo = Demo(
                shell=shell,
                record=record,
                balancer=given.balancer,
                ended=ended,
                terraform=program.command,
            )
            changes = ended.enter_context(recorded_phases(shell.folder))
            killed.run(demo, given.kill) if given.kill else story.run(demo)
        except DemoError as error:
            print(f"\nerror: {error}", flush=True)
            code = 1
        except KeyboardInterrupt:
            print("\ninterrupted", flush=True)
            code = INTERRUPTED
    if given.record and not code:
        given.record.write_text(written(recording(record, changes)))
    print(f"\n{timeline(record)}\n\n{last_line(record)}", flush=True)
    if not code and not given.kill:
        print(f"report: {story.REPORT}", flush=True)
    return code or (1 if record.failures else 0)


def _interrupted(_: int, __: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
