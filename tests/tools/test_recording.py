"""The recording of a demo: phases by moment, answers by second, a file that reads back."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from tools.demo.recording import DOCUMENT, Change, recorded_phases, recording, written
from tools.demo.steps import Record, Step


@dataclass
class Answered:
    """A request that a version answered; none of them for a failure."""

    at: float
    version: str = ""


@dataclass
class Run:
    """What the recording reads of a demo."""

    steps: list[Step]
    answers: list[Answered] = field(default_factory=list)


def recorded(run: Run, *changes: Change) -> list[dict[str, Any]]:
    deployments: list[dict[str, Any]] = recording(cast("Record", run), changes)["deployments"]
    return deployments


def a_run(*answers: Answered, name: str = "promote 2.0.0") -> Run:
    step = Step(name=name, began=103.0, ended=107.5, outcome="exit 0")
    return Run(steps=[step], answers=[Answered(99.0, "1.0.0"), *answers])


def test_answers_are_counted_by_second_and_version() -> None:
    run = a_run(Answered(100.1, "1.0.0"), Answered(100.9, "1.0.0"), Answered(105.0, "2.0.0"))
    (found,) = recorded(run)
    assert found["answers"]["1.0.0"][:3] == [2, 0, 0]
    assert found["answers"]["2.0.0"][5] == 1
    assert len(found["answers"]["2.0.0"]) == 12  # three seconds before the command, five after


def test_a_request_that_failed_is_counted_apart() -> None:
    (found,) = recorded(a_run(Answered(104.0)))
    assert sum(found["answers"]["failed"]) == 1


def test_a_phase_lasts_until_the_next_one_or_the_end_of_the_command() -> None:
    changes = [
        Change(at=90.0, phase="retire"),
        Change(at=104.0, phase="launch"),
        Change(at=106.0, phase="attach"),
        Change(at=107.0, phase=""),
        Change(at=120.0, phase="launch"),
    ]
    (found,) = recorded(a_run(), *changes)
    assert found["phases"] == [
        {"name": "launch", "began": 4.0, "ended": 6.0},
        {"name": "attach", "began": 6.0, "ended": 7.0},
    ]


def test_only_deployments_under_load_are_recorded() -> None:
    assert recorded(a_run(name="bake 2.0.0")) == []
    before = a_run()
    before.answers = [Answered(104.0, "1.0.0")]
    assert recorded(before) == []


def test_the_file_reads_back_as_it_was_recorded() -> None:
    found = {"deployments": recorded(a_run(), Change(at=104.0, phase="launch"))}
    assert json.loads(written(found)) == found
    assert json.loads(written({"deployments": []})) == {"deployments": []}


def test_each_change_of_the_phase_in_the_document_is_noted(tmp_path: Path) -> None:
    document = tmp_path / DOCUMENT
    document.parent.mkdir(parents=True)
    with recorded_phases(tmp_path) as changes:
        for phase in ("launch", "attach"):
            new = document.with_suffix(".new")
            new.write_text(json.dumps({"content": {"deployment": {"phase": phase}}}))
            new.replace(document)
            until = time.monotonic() + 5
            while (not changes or changes[-1].phase != phase) and time.monotonic() < until:
                time.sleep(0.01)
    assert [change.phase for change in changes] == ["launch", "attach"]
