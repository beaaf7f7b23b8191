from __future__ import annotations

import json
import stat
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pipeline.adapters.ci.outputs import (
    require_writable,
    write_ci,
    write_deployment_ci,
    write_tfvars,
)
from pipeline.core.bake.model import BakeOrigin, BakeResult
from pipeline.core.errors import NeedsAttentionError, PipelineError, RefusedError
from pipeline.core.state.deployment import Deployment, Kind, Outcome, Result, Runner
from pipeline.core.state.report import outputs
from tests.fakes import an_image

IMAGE = an_image(
    ids={"eu-central-1": "ami-1", "us-east-1": "ami-2"}, region="eu-central-1", name="web-1.2.3-x"
)
RESULT = BakeResult(image=IMAGE, origin=BakeOrigin.BAKED, seconds=61.4)


def test_the_tfvars_file_has_these_contents(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "ami.auto.tfvars.json"
    write_tfvars(path, RESULT)
    assert json.loads(path.read_text()) == {
        "ami_id": "ami-1",
        "ami_ids": {"eu-central-1": "ami-1", "us-east-1": "ami-2"},
        "app": "web",
        "app_version": "1.2.3",
        "version": "1.2.3",
    }
    assert path.read_text().startswith('{\n  "ami_id": "ami-1",\n')
    assert path.read_text().endswith("}\n")
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert [each.name for each in path.parent.iterdir()] == [path.name]


def test_hostile_text_stays_text_in_the_tfvars(tmp_path: Path) -> None:
    path = tmp_path / "x.tfvars.json"
    hostile = replace(IMAGE, version='1"}\nami_id = "ami-bad"\n${file("x")}')
    write_tfvars(path, replace(RESULT, image=hostile))
    assert json.loads(path.read_text())["version"] == hostile.version
    assert json.loads(path.read_text())["ami_id"] == "ami-1"


@pytest.mark.parametrize(
    ("how", "error"),
    [(BakeOrigin.BAKED, NeedsAttentionError), (BakeOrigin.UNCHANGED, RefusedError)],
)
def test_unwritable_tfvars_keep_the_image_and_the_exit_code_tells_if_it_is_new(
    tmp_path: Path, how: BakeOrigin, error: type[PipelineError]
) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(error) as told:
        write_tfvars(tmp_path / "file" / "x.tfvars.json", replace(RESULT, origin=how))
    assert "it will reuse image ami-1" in told.value.remedy


def test_an_unwritable_file_is_found_before_the_bake(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    require_writable("tfvars", tmp_path / "deep" / "er" / "x.tfvars.json")
    for path in (tmp_path / "file" / "x.tfvars.json", tmp_path):
        with pytest.raises(RefusedError, match="tfvars"):
            require_writable("tfvars", path)
    assert not (tmp_path / "deep").exists()


def test_outside_ci_nothing_is_written(tmp_path: Path) -> None:
    before = sorted(tmp_path.iterdir())
    write_ci(RESULT, {}, None)
    assert sorted(tmp_path.iterdir()) == before


def test_github_outputs_and_summary_are_appended(tmp_path: Path) -> None:
    output, summary = tmp_path / "output", tmp_path / "summary"
    output.write_text("earlier=1\n")
    write_ci(RESULT, {"GITHUB_OUTPUT": str(output), "GITHUB_STEP_SUMMARY": str(summary)}, None)
    assert output.read_text() == (
        "earlier=1\nami_id=ami-1\nimage_name=web-1.2.3-x\nversion=1.2.3\n"
    )
    assert summary.read_text() == (
        "### Image ami-1\n\n| | |\n|---|---|\n"
        "| app | `web` |\n| version | `1.2.3` |\n| name | `web-1.2.3-x` |\n"
        "| eu-central-1 | `ami-1` |\n| us-east-1 | `ami-2` |\n"
        "| source | `ami-50000000` |\n| origin | `baked in 1m 01s` |\n\n"
    )


def test_the_dotenv_file_is_replaced(tmp_path: Path) -> None:
    dotenv = tmp_path / "bake.env"
    dotenv.write_text("OLD=1\n")
    write_ci(RESULT, {}, dotenv)
    assert dotenv.read_text() == "AMI_ID=ami-1\nIMAGE_NAME=web-1.2.3-x\nVERSION=1.2.3\n"


@pytest.mark.parametrize(
    "name", ["x\nFORGED=1", "x\rFORGED=1", "x\u2028y", "$(reboot)", "a`b`", "x\0", 'a"b', "a;b"]
)
def test_a_value_cannot_start_a_second_line(tmp_path: Path, name: str) -> None:
    hostile = replace(RESULT, image=replace(IMAGE, name=name))
    output, dotenv = tmp_path / "output", tmp_path / "bake.env"
    for environ, path in (({"GITHUB_OUTPUT": str(output)}, None), ({}, dotenv)):
        with pytest.raises(ValueError, match="unsafe characters"):
            write_ci(hostile, environ, path)
    assert not output.exists()
    assert not dotenv.exists()


@pytest.mark.parametrize("name", ["my app (1)", "a/b.c'd[e]@f_g", "x" * 128])
def test_every_valid_ami_name_can_be_written(tmp_path: Path, name: str) -> None:
    write_ci(replace(RESULT, image=replace(IMAGE, name=name)), {}, tmp_path / "bake.env")
    assert f"IMAGE_NAME={name}\n" in (tmp_path / "bake.env").read_text()


PLACES: list[Any] = [
    lambda path: ({"GITHUB_OUTPUT": str(path)}, None),
    lambda path: ({"GITHUB_STEP_SUMMARY": str(path)}, None),
    lambda path: ({}, path),
]


@pytest.mark.parametrize("place", PLACES)
def test_an_unwritable_ci_file_keeps_the_image(tmp_path: Path, place: Any) -> None:
    (tmp_path / "file").touch()
    environ, dotenv = place(tmp_path / "file" / "x")
    with pytest.raises(NeedsAttentionError) as told:
        write_ci(RESULT, environ, dotenv)
    assert "it will reuse image ami-1" in told.value.remedy


DEPLOYMENT = Deployment(
    id="20260104T030700-7f3a",
    kind=Kind.PROMOTE,
    environment="production",
    green="r000125",
    blue="r000124",
    began="2026-01-04T03:07:00Z",
    by=Runner(user="ada", host="ci-7", pid=1),
    image="ami-2",
    version="1.5.0",
    outcome=Outcome(result=Result.ROLLED_BACK, phase="attach", reason="x"),
)


def test_a_deployments_outputs_and_summary_are_appended_for_github(tmp_path: Path) -> None:
    output, summary = tmp_path / "output", tmp_path / "summary"
    summary.write_text("earlier\n")
    environ = {"GITHUB_OUTPUT": str(output), "GITHUB_STEP_SUMMARY": str(summary)}
    assert write_deployment_ci(outputs(DEPLOYMENT), "### so it was\n", environ, None) == ()
    assert output.read_text() == (
        "outcome=rolled back\nrelease=r000125\nami_id=ami-2\nversion=1.5.0\n"
        "previous=r000124\nserving=r000124\n"
    )
    assert summary.read_text() == "earlier\n### so it was\n"


def test_a_deployments_dotenv_file_is_replaced(tmp_path: Path) -> None:
    dotenv = tmp_path / "promote.env"
    dotenv.write_text("OLD=1\n")
    assert write_deployment_ci(outputs(DEPLOYMENT), "", {}, dotenv) == ()
    assert dotenv.read_text() == (
        "OUTCOME=rolled back\nRELEASE=r000125\nAMI_ID=ami-2\nVERSION=1.5.0\n"
        "PREVIOUS=r000124\nSERVING=r000124\n"
    )


@pytest.mark.parametrize("place", PLACES)
def test_an_unwritable_file_after_a_deployment_is_reported_and_not_raised(
    tmp_path: Path, place: Any
) -> None:
    (tmp_path / "file").touch()
    environ, dotenv = place(tmp_path / "file" / "x")
    (told,) = write_deployment_ci(outputs(DEPLOYMENT), "y", environ, dotenv)
    assert told.endswith(f"{tmp_path}/file/x was not written: Not a directory")


def test_an_unsafe_value_of_a_deployment_is_left_out_and_reported(tmp_path: Path) -> None:
    output = tmp_path / "output"
    hostile = outputs(replace(DEPLOYMENT, version="1\nserving=r000001"))
    told = write_deployment_ci(hostile, "", {"GITHUB_OUTPUT": str(output)}, None)
    assert told == ("no output version: the value has unsafe characters",)
    assert "\nversion=\nprevious=r000124\nserving=r000124\n" in output.read_text()
