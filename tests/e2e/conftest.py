"""Real Packer and the real command line on a local cloud; each test has a project of its own."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests import running_cloud
from tests.running_cloud import Cloud

if TYPE_CHECKING:
    from tests.e2e.deploying import Testbed
    from tests.e2e.matrix import Case, Sites

REPOSITORY = Path(__file__).resolve().parents[2]
SOURCE = "al2023-ami-2023.*-kernel-6.1-x86_64"
CANARY = "canary/s3cret+value=="


@dataclass(kw_only=True)
class CommandResult:
    """One run of the command line."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(self.out)
        return document


@dataclass(kw_only=True)
class Project:
    """A folder with a pipeline.toml, and how to run the tool in it."""

    folder: Path
    cloud: Cloud
    extra: dict[str, str] = field(default_factory=dict)

    @property
    def env(self) -> dict[str, str]:
        kept = {**self.cloud.env, "PYTHONPATH": str(REPOSITORY), "WEB_TOKEN": CANARY}
        return {**kept, "HOME": str(self.folder.parent), **self.extra}

    def start(self, *arguments: str, wrap: tuple[str, ...] = ()) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [*wrap, sys.executable, "-m", "pipeline", *arguments],
            cwd=self.folder,
            env=self.env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments: str, wrap: tuple[str, ...] = ()) -> CommandResult:
        return finish(self.start(*arguments, wrap=wrap))

    def bake(self, version: str = "1.0.0", *more: str) -> CommandResult:
        return self.run("--output", "json", "bake", "--version", version, *more)

    def write(self, text: str) -> None:
        (self.folder / "pipeline.toml").write_text(text)

    def edit(self, name: str, old: str, new: str) -> None:
        path = self.folder / name
        text = path.read_text()
        assert old in text, f"{old!r} is not in {name}"
        path.write_text(text.replace(old, new))

    def every_byte(self) -> bytes:
        """All that a run left in the project, names included."""
        files = (path for path in self.folder.rglob("*") if path.is_file())
        return b"\0".join(str(path).encode() + path.read_bytes() for path in sorted(files))

    def left_in_cloud(self) -> dict[str, list[str]]:
        """What only a bake makes and no bake may leave."""
        ec2 = self.cloud.aws("ec2")
        live = {"Name": "instance-state-name", "Values": ["pending", "running", "stopped"]}
        reservations = ec2.describe_instances(Filters=[live])["Reservations"]
        groups = ec2.describe_security_groups()["SecurityGroups"]
        images = ec2.describe_images(Owners=["self"])["Images"]
        return {
            "instances": [i["InstanceId"] for r in reservations for i in r["Instances"]],
            "keys": [key["KeyName"] for key in ec2.describe_key_pairs()["KeyPairs"]],
            "groups": [g["GroupName"] for g in groups if g["GroupName"] != "default"],
            "images": [image["ImageId"] for image in images],
        }


NOTHING: dict[str, list[str]] = {"instances": [], "keys": [], "groups": [], "images": []}


def finish(process: subprocess.Popen[str]) -> CommandResult:
    out, err = process.communicate(timeout=100)
    return CommandResult(code=process.returncode, out=out, err=err)


def wait_for(process: subprocess.Popen[str], text: str) -> str:
    """Read the progress up to a line that holds `text`."""
    assert process.stderr is not None
    read = ""
    for line in process.stderr:
        read += line
        if text in line:
            return read
    raise AssertionError(f"{text!r} was never said; what was:\n{read}")


def interrupt(process: subprocess.Popen[str], number: signal.Signals) -> CommandResult:
    process.send_signal(number)
    return finish(process)


@pytest.fixture(scope="session")
def testbed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Testbed]:
    """What all stories of deployments stand on; one worker tells them all."""
    from tests.e2e.deploying import build_testbed  # noqa: PLC0415  it stands on this file

    with build_testbed(tmp_path_factory.mktemp("deployments")) as built:
        yield built


BOTH = ("classic", "application")


@pytest.fixture(
    scope="session",
    params=[
        pytest.param(BOTH, id="both"),
        pytest.param(BOTH[:1], id="classic", marks=pytest.mark.rare),
        pytest.param(BOTH[1:], id="application", marks=pytest.mark.rare),
    ],
)
def kinds(request: pytest.FixtureRequest) -> tuple[str, ...]:
    """The load balancers of a scenario of the matrix."""
    of: tuple[str, ...] = request.param
    return of


@pytest.fixture(scope="session")
def sites(
    request: pytest.FixtureRequest, kinds: tuple[str, ...], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Sites]:
    """Environments for the matrix; on the real Terraform those behind both kinds, if asked."""
    from tests.e2e.deploying import build_fast_testbed  # noqa: PLC0415  it stands on this file
    from tests.e2e.matrix import Sites  # noqa: PLC0415  the same

    if kinds == BOTH and request.config.getoption("--terraform") == "real":
        yield Sites(testbed=request.getfixturevalue("ground"))
        return
    with build_fast_testbed(tmp_path_factory.mktemp("matrix")) as built:
        yield Sites(testbed=built)


@pytest.fixture
def case(sites: Sites, kinds: tuple[str, ...]) -> Iterator[Case]:
    """A scenario in an environment that serves."""
    from tests.e2e.matrix import Case, reset_after  # noqa: PLC0415  it stands on this file

    with reset_after(sites.testbed):
        yield Case(site=sites.serving(kinds))


@pytest.fixture
def first(sites: Sites, kinds: tuple[str, ...]) -> Iterator[Case]:
    """A scenario in an environment in which nothing serves yet."""
    from tests.e2e.matrix import Case, reset_after  # noqa: PLC0415  it stands on this file

    with reset_after(sites.testbed):
        yield Case(site=sites.empty(kinds))


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[Cloud]:
    """A cloud of the test's own, so that what is left in it is the test's."""
    with running_cloud.a_cloud(tmp_path / "cloud") as running:
        yield running


@pytest.fixture
def project(tmp_path: Path, cloud: Cloud) -> Project:
    return new_project(tmp_path / "project", cloud)


def new_project(folder: Path, cloud: Cloud) -> Project:
    """The sample application, with a secret."""
    shutil.copytree(REPOSITORY / "packer", folder / "packer")
    shutil.copy(REPOSITORY / "pipeline.toml", folder)
    project = Project(folder=folder, cloud=cloud)
    project.edit("pipeline.toml", "# vars_from_env", "vars_from_env")
    return project


def until(what: Callable[[], Any], within: float = 30.0) -> Any:
    deadline = time.monotonic() + within
    while not (answer := what()):
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.05)
    return answer


def alive(marker: str) -> list[int]:
    """Processes whose command line holds a text."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                line = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if marker.encode() in line:
                found.append(int(entry.name))
    return found
