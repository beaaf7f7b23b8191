"""`adopt` as it is typed: its plan, and what a wrong command line says."""

from __future__ import annotations

import json

import pytest

from pipeline.app.setup import adopt
from pipeline.cli.main import run
from pipeline.core.adoption.configuration import adoption
from tests.core.adoption.groups import a_group

Captured = pytest.CaptureFixture[str]
ADOPT = ["adopt", "-e", "production", "--group", "web-asg"]


pytestmark = pytest.mark.usefixtures("place")


@pytest.fixture(autouse=True)
def group(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(adopt, "Clients", lambda region: region)
    monkeypatch.setattr(adopt, "read_running_group", lambda _clients, _region, _name: a_group())


def test_the_plan_of_an_environment_that_is_not_configured_yet(capsys: Captured) -> None:
    assert run([*ADOPT, "--plan"]) == 0
    shown = capsys.readouterr().out
    assert "Add to pipeline.toml:\n\n# From the Auto Scaling group web-asg.\n" in shown
    assert shown.endswith("Nothing was changed.\n")


def test_the_document_is_one(capsys: Captured) -> None:
    assert run(["--output", "json", *ADOPT, "--plan"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["settings"] == {
        **adoption(a_group()).settings,
        "terraform": {"inputs": dict(adoption(a_group()).inputs)},
    }


@pytest.mark.parametrize("words", [ADOPT, [*ADOPT[:3], "--undo"]])
def test_without_a_terminal_it_needs_yes(words: list[str], capsys: Captured) -> None:
    assert run(words) == 3
    assert "confirmation needed, but stdin is not a terminal" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (ADOPT[:3], "Missing option '--group'."),
        ([*ADOPT[:3], "--group", "a:b", "--plan"], "'a:b'"),
        ([*ADOPT, "--undo"], "--undo takes no other option than --yes."),
    ],
)
def test_a_wrong_command_line_is_exit_code_2(words: list[str], said: str, capsys: Captured) -> None:
    assert run(words) == 2
    assert said in capsys.readouterr().err
