"""`stats` as it is typed: it reads the store only."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pipeline.adapters.store.directory import DirectoryStore
from pipeline.adapters.store.envelope import seal
from pipeline.adapters.store.records.deployments import new_deployment_id, record_key
from pipeline.cli.main import run
from tests.cli.deployments import DONE

pytestmark = pytest.mark.usefixtures("place")


@pytest.fixture
def history(tmp_path: Path) -> None:
    """Three promotions to staging: today, two weeks ago, and half a year ago."""
    store = DirectoryStore(tmp_path / ".ami-pipeline")
    for days in (0, 14, 180):
        time = (datetime.now(UTC) - timedelta(days=days, minutes=1)).isoformat()
        deployment = replace(DONE, id=new_deployment_id(time), began=time, ended=time)
        store.write(record_key(deployment.id), seal(deployment), expected=None)


@pytest.mark.usefixtures("history")
@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], {"staging": 2, "bare": 0}),
        (["-e", "staging", "--since", "7d"], {"staging": 1}),
        (["--since", "365d"], {"staging": 3, "bare": 0}),
    ],
)
def test_the_deployments_of_a_period_are_counted(
    arguments: list[str], expected: dict[str, int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["--output", "json", "stats", *arguments]) == 0
    found = json.loads(capsys.readouterr().out)["environments"]
    assert {each["environment"]: each["deployments"] for each in found} == expected


def test_a_wrong_period_or_environment_is_explained(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["stats", "--since", "soon"]) == 2
    assert "'soon' is not a period: a period is written" in capsys.readouterr().err
    assert run(["stats", "-e", "prod"]) == 2
    assert run(["stats"]) == 0
    assert "staging      0 " in capsys.readouterr().out


@pytest.mark.usefixtures("history")
@pytest.mark.parametrize(
    ("command", "key"), [("history", "deployments"), ("stats", "environments")]
)
def test_a_damaged_record_is_left_out_and_named_with_its_remedy(
    command: str, key: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    newest, *_ = sorted((tmp_path / ".ami-pipeline/deployments").glob("*.json"), reverse=True)
    newest.write_text("half a rec")
    assert run([command, "-e", "staging", "--output", "json"]) == 3
    found = json.loads(capsys.readouterr().out)
    (damaged,) = found["damaged"]
    assert damaged["where"] == f"[state] {newest}"
    assert damaged["next"].startswith(f"move {newest} out of the store; ")
    assert len(found[key]) == {"history": 2, "stats": 1}[command]
    assert run([command, "-e", "staging"]) == 3
    text = capsys.readouterr().out
    assert f"\nleft out: [state] {newest}: is damaged: " in text
    newest.unlink()
    assert run([command, "-e", "staging"]) == 0
    assert "left out" not in capsys.readouterr().out
