"""Hold generated pages and pictures to what they are generated from: `make docs` writes them."""

from __future__ import annotations

import importlib
import json
import re
from pathlib import Path
from typing import Any

import pytest

from pipeline.core.permissions.scope import Role
from tools import command_reference, diagrams, permissions_reference
from tools.demo import picture

yaml: Any = importlib.import_module("yaml")  # it comes with moto; there are no stubs

ROOT = Path(__file__).resolve().parents[2]


def test_the_page_of_commands_is_current() -> None:
    assert command_reference.PAGE.read_text() == command_reference.rendered(), "run: make docs"


def test_the_tables_of_permissions_are_current() -> None:
    page = permissions_reference.PAGE.read_text()
    assert page == permissions_reference.rendered(page), "run: make docs"
    assert page.count("| when | by |") == len(Role)


def test_the_example_policies_are_current() -> None:
    for path, text in permissions_reference.policies().items():
        assert path.read_text() == text, "run: make docs"


@pytest.mark.parametrize("name", ["packages.svg", "data-flow.svg"])
def test_the_pictures_of_the_architecture_are_current(name: str) -> None:
    assert (diagrams.PICTURES / name).read_text() == diagrams.drawn()[name], "run: make docs"


def test_the_picture_of_the_demo_is_current_and_shows_every_recorded_request() -> None:
    recorded = json.loads(picture.RECORDED.read_text())
    drawn = picture.svg(recorded)
    assert picture.PICTURE.read_text() == drawn, "run: make docs"
    assert "failed: 0" in drawn
    assert all(title.split(":")[0] in drawn for title in picture.TITLES.values())


def test_a_failed_request_is_drawn_and_counted() -> None:
    recorded = json.loads(picture.RECORDED.read_text())
    first = recorded["deployments"][0]
    first["answers"]["failed"] = [0] * 20 + [3] + [0] * (len(first["answers"]["1.0.0"]) - 21)
    drawn = picture.svg(recorded)
    assert "failed: 3" in drawn
    assert drawn.count(f'fill="{picture.VERSIONS["failed"]}"') == 2  # its area and the legend


def test_pre_commit_runs_what_make_check_runs() -> None:
    makefile = (ROOT / "Makefile").read_text()
    recipe = re.search(r"^check:.*\n((?:\t.*\n)+)", makefile, re.MULTILINE)
    assert recipe
    commands = [line.strip().replace("$(BIN)", ".venv/bin") for line in recipe[1].splitlines()]
    (local,) = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    assert local["repo"] == "local"
    assert [hook["entry"] for hook in local["hooks"]] == commands
    assert {hook["language"] for hook in local["hooks"]} == {"system"}
