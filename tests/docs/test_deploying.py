"""Hold the pages on deployments to the code: phases, variables, exit codes, outputs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pipeline.core.deploy.hook_runner import hook_facts
from pipeline.core.deploy.phases import promotion
from pipeline.core.hooks.hook import DEFAULT_ON, NEVER_DECIDES, Hook, Point
from pipeline.core.state.deployment import Deployment, Kind, Result, Runner
from pipeline.core.state.report import outputs
from pipeline.core.validation.phases import PHASES
from tests.core.deploy.fakes import PLACE

ROOT = Path(__file__).resolve().parents[2]
PROMOTE = (ROOT / "docs/guide/promote.md").read_text()
STRATEGIES = (ROOT / "docs/guide/strategies.md").read_text()
CI = (ROOT / "docs/guide/ci.md").read_text()
EXIT_CODES = (ROOT / "docs/reference/exit-codes.md").read_text()
GLOSSARY = (ROOT / "docs/reference/glossary.md").read_text()
SOME = Deployment(
    id="d",
    kind=Kind.PROMOTE,
    environment="staging",
    green="r000002",
    blue="r000001",
    began="",
    by=Runner(user="ann", host="here", pid=1),
)


@pytest.mark.parametrize("page", ["README.md", "docs/guide/promote.md"])
def test_the_table_of_phases_is_the_one_that_is_performed(page: str) -> None:
    text = (ROOT / page).read_text()
    table = text.partition("| phase | ")[2].partition("\n\n")[0].splitlines()[2:]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table]
    phases = promotion("r1", "r2", keep=True)
    assert [row[0] for row in rows] == [phase.name for phase in phases]
    rolled_back = [row[-1].startswith("roll back") for row in rows]
    assert rolled_back == [phase.on_failure == "roll back" for phase in phases]


def test_every_phase_is_explained() -> None:
    assert [
        name for name in PHASES if not re.search(rf"\*?\*?{name}\b", PROMOTE + STRATEGIES)
    ] == []


def test_every_phase_may_have_a_deadline_and_the_reference_names_it() -> None:
    page = (ROOT / "docs/reference/configuration.md").read_text()
    assert [name for name in PHASES if f"`{name}`" not in page] == []


def test_every_variable_of_a_hook_is_documented_and_no_other() -> None:
    documented = set(re.findall(r"^\| `(AMI_PIPELINE_\w+)` ", PROMOTE, re.MULTILINE))
    hook = Hook(at=Point.AFTER, command=("a",), timeout=1.0)
    assert documented == hook_facts(hook, SOME, PLACE, "web-staging-r000002", ()).keys()


def test_the_table_of_hooks_has_every_point_with_its_release() -> None:
    table = PROMOTE.partition("| `at` | when")[2].partition("\n\n")[0].splitlines()[2:]
    rows = [[cell.strip(" `") for cell in line.strip("|").split("|")] for line in table]
    assert {row[0]: row[2] for row in rows} == {str(at): str(DEFAULT_ON[at]) for at in Point}
    shown = {row[0] for row in rows if row[3].startswith("it is shown")}
    assert shown == {str(each) for each in NEVER_DECIDES}


def test_every_output_for_a_ci_system_is_documented() -> None:
    chapter = CI.partition("## Outputs of a step")[2]
    assert [name for name in outputs(SOME) if f"`{name}`" not in chapter] == []


@pytest.mark.parametrize(
    "command",
    [
        "promote",
        "rollback",
        "rollback drill",
        "rebuild",
        "resume",
        "recover",
        "abort",
        "destroy",
    ],
)
def test_the_exit_codes_of_every_deploying_command_are_documented(command: str) -> None:
    assert len(re.findall(rf"^\| `{command}` \|", EXIT_CODES, re.MULTILINE)) == 1


@pytest.mark.parametrize("result", Result)
def test_every_outcome_is_defined(result: Result) -> None:
    row = next(line for line in GLOSSARY.splitlines() if line.startswith("| outcome |"))
    assert f"`{result}`" in row
