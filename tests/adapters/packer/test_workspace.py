from __future__ import annotations

import getpass
import os
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pipeline.adapters.packer.workspace import LocalWorkplace, baked_by
from pipeline.adapters.process.signals import Interrupts
from pipeline.core.bake.model import BakeRequest, Commit
from pipeline.core.errors import ConfigurationError

AMI_NAME = re.compile(r"[A-Za-z0-9()\[\] ./'@_-]{3,128}")


@pytest.fixture
def workplace() -> LocalWorkplace:
    return LocalWorkplace(Interrupts(), Path("state/logs"), lambda _: None)


@pytest.fixture
def request_(tmp_path: Path) -> BakeRequest:
    for path in ("packer/app.pkr.hcl", "packer/setup.sh", "app/main.py", "etc/conf"):
        file = tmp_path / path
        file.parent.mkdir(exist_ok=True)
        file.write_text(path)
    return BakeRequest(
        app="web",
        version="1.2.3",
        region="us-east-1",
        template=tmp_path / "packer" / "app.pkr.hcl",
        directory=tmp_path,
        inputs=(tmp_path / "app", tmp_path / "etc" / "conf"),
        outputs=(tmp_path / "packer/ami.auto.tfvars.json", tmp_path / "packer/state"),
        variables={"size": 3, "list": ["a"]},
        secrets={"token": "hush"},
    )


def write(path: str, text: str = "changed") -> Callable[[], object]:
    def done() -> None:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).write_text(text)

    return done


FILES_THAT_COUNT: list[Any] = [
    pytest.param(write("packer/app.pkr.hcl"), id="the template"),
    pytest.param(write("packer/setup.sh"), id="a file beside the template"),
    pytest.param(write("packer/deep/new"), id="a new file deeper"),
    pytest.param(lambda: Path("packer/setup.sh").unlink(), id="a file that went"),
    pytest.param(lambda: Path("packer/setup.sh").rename("packer/x.sh"), id="a new name"),
    pytest.param(lambda: Path("packer/setup.sh").chmod(0o755), id="the executable bit"),
    pytest.param(write("app/main.py"), id="an input folder"),
    pytest.param(write("etc/conf"), id="an input file"),
    pytest.param(lambda: Path("app/link").symlink_to("nowhere"), id="a dangling link"),
    pytest.param(lambda: Path("app/main.py").rename("packer/main.py"), id="a file that moved"),
]


@pytest.mark.parametrize("change", FILES_THAT_COUNT)
def test_a_changed_file_changes_the_fingerprint(
    workplace: LocalWorkplace, request_: BakeRequest, change: Callable[[], object]
) -> None:
    before = workplace.fingerprint(request_, "ami-1", "1.6.6")
    change()
    assert workplace.fingerprint(request_, "ami-1", "1.6.6") != before


FILES_THAT_DO_NOT: list[Any] = [
    pytest.param(write("elsewhere"), id="another folder"),
    pytest.param(write("packer/ami.auto.tfvars.json"), id="our own result"),
    pytest.param(write("packer/.git/index"), id="git's own"),
    pytest.param(write("app/__pycache__/main.pyc"), id="compiled Python"),
    pytest.param(write("packer/packer_cache/x"), id="Packer's cache"),
    pytest.param(write("packer/.ami-pipeline/logs/x.log"), id="our own state"),
    pytest.param(write("packer/state/logs/x.log"), id="our own state elsewhere"),
    pytest.param(lambda: os.utime("packer/setup.sh", (1, 1)), id="the time of a file"),
    pytest.param(lambda: Path("packer/setup.sh").chmod(0o600), id="who may read it"),
    pytest.param(lambda: os.mkfifo("app/pipe"), id="a pipe, which would block"),
]


@pytest.mark.parametrize("change", FILES_THAT_DO_NOT)
def test_a_file_outside_the_inputs_does_not_change_the_fingerprint(
    workplace: LocalWorkplace, request_: BakeRequest, change: Callable[[], object]
) -> None:
    before = workplace.fingerprint(request_, "ami-1", "1.6.6")
    change()
    assert workplace.fingerprint(request_, "ami-1", "1.6.6") == before


@pytest.mark.parametrize(
    "change",
    [
        {"app": "shop"},
        {"version": "1.2.4"},
        {"environment": "staging"},
        {"region": "eu-west-1"},
        {"regions": ("eu-west-1",)},
        {"only": ("a",)},
        {"variables": {"size": 4, "list": ["a"]}},
        {"variables": {"size": "3", "list": ["a"]}},
        {"secrets": {"other": "hush"}},
        {"commit": Commit(changes="abc")},
    ],
)
def test_another_request_has_another_fingerprint(
    workplace: LocalWorkplace, request_: BakeRequest, change: dict[str, Any]
) -> None:
    before = workplace.fingerprint(request_, "ami-1", "1.6.6")
    assert workplace.fingerprint(replace(request_, **change), "ami-1", "1.6.6") != before


@pytest.mark.parametrize(
    "change",
    [
        {"secrets": {"token": "another"}},
        {"timeout": 1.0},
        {"force": True},
        {"baked_by": "me"},
        {"commit": Commit(id="abc", describe="v1")},
        {"variables": {"list": ["a"], "size": 3}},
    ],
)
def test_settings_that_do_not_affect_the_image_keep_the_fingerprint(
    workplace: LocalWorkplace, request_: BakeRequest, change: dict[str, Any]
) -> None:
    before = workplace.fingerprint(request_, "ami-1", "1.6.6")
    assert workplace.fingerprint(replace(request_, **change), "ami-1", "1.6.6") == before


def test_another_template_of_the_same_folder_another_source_and_another_packer_count(
    workplace: LocalWorkplace, request_: BakeRequest
) -> None:
    other = replace(request_, template=request_.template.with_name("setup.sh"))
    prints = {
        workplace.fingerprint(request_, "ami-1", "1.6.6"),
        workplace.fingerprint(request_, "ami-2", "1.6.6"),
        workplace.fingerprint(request_, "ami-1", "1.7.0"),
        workplace.fingerprint(other, "ami-1", "1.6.6"),
    }
    assert len(prints) == 4
    assert all(re.fullmatch("[0-9a-f]{64}", each) for each in prints)


def test_a_file_that_moves_from_one_input_to_another_counts(
    workplace: LocalWorkplace, request_: BakeRequest, tmp_path: Path
) -> None:
    (tmp_path / "other").mkdir()
    two = replace(request_, inputs=(tmp_path / "app", tmp_path / "other"))
    before = workplace.fingerprint(two, "ami-1", "1.6.6")
    Path("app/main.py").rename("other/main.py")
    assert workplace.fingerprint(two, "ami-1", "1.6.6") != before


def test_the_location_of_the_repository_does_not_count(
    workplace: LocalWorkplace, request_: BakeRequest, tmp_path: Path
) -> None:
    before = workplace.fingerprint(request_, "ami-1", "1.6.6")
    moved = tmp_path / "elsewhere"
    moved.mkdir()
    for name in ("packer", "app", "etc"):
        (tmp_path / name).rename(moved / name)
    there = replace(
        request_,
        template=moved / "packer" / "app.pkr.hcl",
        directory=moved,
        inputs=(moved / "app", moved / "etc" / "conf"),
    )
    assert workplace.fingerprint(there, "ami-1", "1.6.6") == before


def test_only_the_folder_of_a_template_folder_counts(
    workplace: LocalWorkplace, request_: BakeRequest, tmp_path: Path
) -> None:
    folder = replace(request_, template=tmp_path / "packer")
    before = workplace.fingerprint(folder, "ami-1", "1.6.6")
    write("bake.env")()
    assert workplace.fingerprint(folder, "ami-1", "1.6.6") == before
    write("packer/setup.sh")()
    assert workplace.fingerprint(folder, "ami-1", "1.6.6") != before


def test_a_missing_input_is_a_configuration_error(
    workplace: LocalWorkplace, request_: BakeRequest, tmp_path: Path
) -> None:
    with pytest.raises(ConfigurationError) as told:
        workplace.fingerprint(replace(request_, inputs=(tmp_path / "nope",)), "", "1.6.6")
    assert str(told.value) == (
        f"[bake] inputs:\n  {tmp_path / 'nope'}: No such file or directory\n"
        "next: fix inputs in pipeline.toml, or make the file readable for you"
    )


def test_names_are_unique_and_valid_ami_names(
    workplace: LocalWorkplace, request_: BakeRequest
) -> None:
    names = {workplace.name(request_) for _ in range(10_000)}
    assert len(names) == 10_000
    assert all(AMI_NAME.fullmatch(name) for name in names)


@pytest.mark.parametrize(
    ("change", "beginning"),
    [
        ({}, "web-1.2.3-"),
        ({"environment": "staging"}, "web-staging-1.2.3-"),
        ({"version": "1.2.3+build.7"}, "web-1.2.3_build.7-"),
        (
            {"app": "a" * 32, "environment": "e" * 32, "version": "v" * 64},
            f"{'a' * 32}-{'e' * 32}-v",
        ),
    ],
)
def test_a_name_has_app_environment_and_version_and_fits(
    workplace: LocalWorkplace, request_: BakeRequest, change: dict[str, Any], beginning: str
) -> None:
    name = workplace.name(replace(request_, **change))
    assert name.startswith(beginning)
    assert AMI_NAME.fullmatch(name)
    assert re.search(r"-\d{8}T\d{6}Z-[0-9a-f]{10}$", name)


def test_the_clock_and_the_time(workplace: LocalWorkplace) -> None:
    assert workplace.clock() <= workplace.clock()
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", workplace.now())


@pytest.mark.parametrize(
    ("environ", "who"),
    [
        (
            {
                "GITHUB_ACTIONS": "true",
                "GITHUB_SERVER_URL": "https://github.com",
                "GITHUB_REPOSITORY": "a/b",
                "GITHUB_RUN_ID": "17",
            },
            "https://github.com/a/b/actions/runs/17",
        ),
        ({"CI_JOB_URL": "https://gitlab.com/a/b/-/jobs/1"}, "https://gitlab.com/a/b/-/jobs/1"),
        ({"CI_JOB_URL": "x\ny<z>" + "w" * 300}, ("xy-z-" + "w" * 300)[:256]),
    ],
)
def test_the_baker_is_the_ci_run(environ: dict[str, str], who: str) -> None:
    assert baked_by(environ) == who


def test_the_baker_outside_ci_is_the_user_even_without_a_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(getpass, "getuser", lambda: "me")
    assert baked_by({}).startswith("me@")

    def no_user() -> str:
        raise KeyError("getpwuid")

    monkeypatch.setattr(getpass, "getuser", no_user)
    assert baked_by({}).startswith(f"{os.getuid()}@")
