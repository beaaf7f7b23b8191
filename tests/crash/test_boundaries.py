"""Boundaries are found, named alike from run to run, and died at where that is ordered."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.crash.boundaries import Boundaries, Death, plain, reached
from tests.crash.case import Case
from tests.crash.command_runner import REPOSITORY
from tests.crash.planning import Recorded, planned

if TYPE_CHECKING:
    import random

DEATHS = ("a.b#1:before", "a.b#12:answer:alone", "replace x.json#2:full:lasting")
_WRITING = """
import os, sys
from pathlib import Path
from tests.crash import boundaries
found = boundaries.Boundaries(log=Path("log"), death=boundaries.Death.named(sys.argv[1]))
boundaries._files(found)
for name in ("one", "two"):
    Path("new").write_text(name)
    os.replace("new", name)
"""


class Least:
    """A chance that always takes the first."""

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


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("deployments/20261122T003425Z-9c35.json", "deployments/N.json"),
        ("deployments/20261122T003425Z-9eaf/000003.json", "deployments/N/N.json"),
        ("terraform/web/staging/planned-0a1b2c3d.tfplan", "terraform/web/staging/planned-N.tfplan"),
        ("environments/staging.json", "environments/staging.json"),
    ],
)
def test_what_differs_from_run_to_run_is_no_part_of_a_name(path: str, name: str) -> None:
    assert plain(Path.cwd() / ".ami-pipeline" / path) == name


@pytest.mark.parametrize("name", ["zhcrn4x_", "4_zhcrnx", "abcdefgh"])
def test_a_file_that_tempfile_named_is_the_same_boundary_in_every_run(name: str) -> None:
    assert plain(f"/tmp/{name}") == "/tmp/N"


@pytest.mark.parametrize(
    ("death", "code", "there"),
    [
        ("replace two#1:before", -9, ["one"]),
        ("replace two#1:answer", -9, ["one", "two"]),
        ("replace three#1:before", 0, ["one", "two"]),
        ("replace one#1:full:lasting", 1, []),
    ],
)
def test_a_run_dies_where_it_was_ordered_to(
    tmp_path: Path, death: str, code: int, there: list[str]
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _WRITING, death],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        check=False,
    )
    assert done.returncode == code
    assert [name for name in ("one", "two") if (tmp_path / name).exists()] == there


@pytest.mark.parametrize("name", DEATHS)
def test_a_death_and_a_run_are_known_by_the_names_that_are_printed(name: str) -> None:
    death = Death.named(name)
    assert death.name == name
    play = Case(
        scenario="promote", kind="classic", store="s3", death=death, mend="again", fresh=True
    )
    assert Case.named(play.name) == play


def test_every_moment_is_killed_and_where_a_child_runs_with_it_and_without() -> None:
    recorded = Recorded(
        scenario="recover",
        kind="classic",
        store="directory",
        moments=("ec2.X#1:before", "ec2.X#1:effect", "exit terraform plan#1:answer"),
    )
    chance: random.Random = Least()  # type: ignore[assignment]
    names = [each.death.name for each in planned([recorded], chance, double=0)]
    assert names == [
        "ec2.X#1:before",
        "ec2.X#1:effect",
        "exit terraform plan#1:answer",
        "exit terraform plan#1:answer:alone",
        "ec2.X#1:cut",
        *(f"calls#{number}:storm" for number in (1, 2, 3, 4)),
    ]


def test_only_where_recover_was_recorded_does_the_mending_die_too() -> None:
    moments = ("ec2.X#1:before",)
    recorded = [
        Recorded(scenario=scenario, kind="classic", store=store, moments=moments)
        for scenario, store in (("promote", "directory"), ("promote", "s3"), ("recover", "s3"))
    ]
    chance: random.Random = Least()  # type: ignore[assignment]
    doubled = [each for each in planned(recorded, chance, double=3) if each.second]
    assert [each.store for each in doubled] == ["s3"] * 3
    assert planned(recorded[:2], chance, double=3)
