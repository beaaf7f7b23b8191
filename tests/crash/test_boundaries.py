"""Boundaries have the same names in every run, and an ordered kill happens at its boundary."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.crash.boundaries import Boundaries, Injection, plain, reached
from tests.crash.case import Case
from tests.crash.command_runner import REPOSITORY
from tests.crash.planning import RecordedScenario, plan

if TYPE_CHECKING:
    import random

DEATHS = ("a.b#1:before", "a.b#12:answer:alone", "replace x.json#2:full:lasting")
_WRITING = """
import os, sys
from pathlib import Path
from tests.crash import boundaries
found = boundaries.Boundaries(log=Path("log"), injection=boundaries.Injection.named(sys.argv[1]))
boundaries._files(found)
for name in ("one", "two"):
    Path("new").write_text(name)
    os.replace("new", name)
"""


class FirstChoice:
    """A random generator that always takes the first value."""

    def random(self) -> float:
        return 1.0

    def choice(self, values: list[object]) -> object:
        return values[0]

    def choices(self, values: list[object], _weights: list[int]) -> list[object]:
        return values[:1]


def test_a_boundary_that_is_passed_twice_has_two_names(tmp_path: Path) -> None:
    found = Boundaries(log=tmp_path / "log")
    for _ in range(2):
        with found.at("ec2.CreateTags") as passing:
            passing("effect")
    assert reached(tmp_path / "log") == [
        f"ec2.CreateTags#{number}:{moment}"
        for number in (1, 2)
        for moment in ("before", "effect", "answer")
    ]


def test_a_call_that_aws_refused_is_the_same_boundary_when_it_is_repeated(tmp_path: Path) -> None:
    found = Boundaries(log=tmp_path / "log")
    with contextlib.suppress(ValueError), found.at("ec2.CreateTags") as passing:
        passing("effect")
        found.take_back("ec2.CreateTags")
        raise ValueError
    with found.at("ec2.CreateTags"):
        pass
    assert reached(tmp_path / "log") == [
        f"ec2.CreateTags#1:{moment}" for moment in ("before", "effect", "answer")
    ]


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("deployments/20261122T003425Z-9c35.json", "deployments/N.json"),
        ("deployments/20261122T003425Z-9eaf/000003.json", "deployments/N/N.json"),
        ("terraform/web/staging/planned-0a1b2c3d.tfplan", "terraform/web/staging/planned-N.tfplan"),
        ("environments/staging.json", "environments/staging.json"),
    ],
)
def test_parts_that_differ_from_run_to_run_are_not_in_a_boundary_name(path: str, name: str) -> None:
    assert plain(Path.cwd() / ".ami-pipeline" / path) == name


@pytest.mark.parametrize("name", ["zhcrn4x_", "4_zhcrnx", "abcdefgh"])
def test_a_temporary_file_is_the_same_boundary_in_every_run(name: str) -> None:
    assert plain(f"/tmp/{name}") == "/tmp/N"


@pytest.mark.parametrize(
    ("injection", "code", "there"),
    [
        ("replace two#1:before", -9, ["one"]),
        ("replace two#1:answer", -9, ["one", "two"]),
        ("replace three#1:before", 0, ["one", "two"]),
        ("replace one#1:full:lasting", 1, []),
    ],
)
def test_a_run_is_killed_where_it_was_ordered(
    tmp_path: Path, injection: str, code: int, there: list[str]
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _WRITING, injection],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        check=False,
    )
    assert done.returncode == code
    assert [name for name in ("one", "two") if (tmp_path / name).exists()] == there


@pytest.mark.parametrize("name", DEATHS)
def test_an_injection_and_a_run_can_be_read_back_from_their_printed_names(name: str) -> None:
    injection = Injection.named(name)
    assert injection.name == name
    case = Case(
        scenario="promote",
        kind="classic",
        store="s3",
        injection=injection,
        fix="again",
        fresh=True,
    )
    assert Case.named(case.name) == case


def test_every_moment_has_a_kill_and_child_boundaries_have_one_with_and_one_without_the_child() -> (
    None
):
    recorded = RecordedScenario(
        scenario="recover",
        kind="classic",
        store="directory",
        moments=("ec2.X#1:before", "ec2.X#1:effect", "exit terraform plan#1:answer"),
    )
    chance: random.Random = FirstChoice()  # type: ignore[assignment]
    names = [each.injection.name for each in plan([recorded], chance, double=0)]
    assert names == [
        "ec2.X#1:before",
        "ec2.X#1:effect",
        "exit terraform plan#1:answer",
        "exit terraform plan#1:answer:alone",
        "ec2.X#1:cut",
        *(f"calls#{number}:storm" for number in (1, 2, 3, 4)),
    ]


def test_a_second_kill_is_planned_only_where_recover_was_recorded() -> None:
    moments = ("ec2.X#1:before",)
    recorded = [
        RecordedScenario(scenario=scenario, kind="classic", store=store, moments=moments)
        for scenario, store in (("promote", "directory"), ("promote", "s3"), ("recover", "s3"))
    ]
    chance: random.Random = FirstChoice()  # type: ignore[assignment]
    doubled = [each for each in plan(recorded, chance, double=3) if each.second]
    assert [each.store for each in doubled] == ["s3"] * 3
    assert plan(recorded[:2], chance, double=3)
