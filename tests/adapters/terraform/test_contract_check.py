"""How the contract of a module is rehearsed: Terraform's calls, their files, and when they end."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from pipeline.adapters.process.signals import Interrupts
from pipeline.adapters.terraform.contract_check import EXAMPLE, ContractCheck
from pipeline.adapters.terraform.root_module import shipped_module, write_root
from pipeline.adapters.terraform.stream import RunOutput
from pipeline.adapters.terraform.terraform import Terraform
from pipeline.core.errors import ConfigurationError, RefusedError
from pipeline.core.terraform.plan_guard import Change
from pipeline.core.terraform.program import Program
from pipeline.core.terraform.root_module import Bucket, Diagnostic, Root
from tests.adapters.scripted import captured
from tests.core.terraform.samples import TERRAFORM_1_11

REHEARSAL = ["init", "plan", "show", "plan", "show", "plan"]
KEYS = {"AWS_ACCESS_KEY_ID": "AKIA", "AWS_SECRET_ACCESS_KEY": "x"}


@dataclass(kw_only=True)
class Rehearsing(Terraform):
    """A Terraform in this process that shows the plans of a module of `tests/terraform_modules`."""

    module: str = "fulfills"
    errors: list[Diagnostic] = field(default_factory=list)
    retiring: RunOutput = field(default_factory=RunOutput)
    calls: list[str] = field(default_factory=list)
    seen: list[dict[str, Any]] = field(default_factory=list)

    def program(self) -> Program:
        return replace(TERRAFORM_1_11, path=__file__)

    def init(self, folder: Path, **options: Any) -> tuple[Diagnostic, ...]:
        self._note("init", folder, options)
        return ()

    def plan(self, folder: Path, file: Path, *_: Any, **options: Any) -> RunOutput:
        self._note("plan", folder, {**options, "env": self.credentials({}, 0)})
        file.touch()
        return self.retiring if self.calls.count("plan") == 3 else RunOutput(errors=self.errors)

    def show(self, folder: Path, file: Path) -> dict[str, Any]:
        self._note("show", folder, {"file": file})
        number = 2 if self.calls.count("show") % 2 == 0 else 1
        document: dict[str, Any] = json.loads(captured(f"module-{self.module}-{number}.json"))
        return document

    def _note(self, verb: str, folder: Path, facts: dict[str, Any]) -> None:
        files = {path.name: path.read_text() for path in folder.iterdir() if path.is_file()}
        self.calls.append(verb)
        self.seen.append({"folder": folder, "files": files, **facts})


@pytest.fixture
def check(tmp_path: Path) -> ContractCheck:
    module = tmp_path / "module"
    module.mkdir()
    (module / "main.tf").write_text("# mine")
    root = Root(
        app="web",
        environment="staging",
        region="us-east-1",
        account="123456789012",
        module=module,
        folder=tmp_path / "root",
        bucket=Bucket(name="states", key="web/staging.tfstate", region="us-east-1"),
        inputs={"subnet_ids": ["subnet-1"]},
    )
    write_root(root)
    files = {
        ".terraform/modules/modules.json": '{"Modules": [{"Dir": "../module"}]}',
        ".terraform/providers/registry/one/aws/5.100.0/linux_amd64/plugin": "x",
        ".terraform.lock.hcl": "# locked",
        ".terraform/terraform.tfstate": "{}",
    }
    for name, text in files.items():
        (root.folder / name).parent.mkdir(parents=True, exist_ok=True)
        (root.folder / name).write_text(text)
    terraform = Rehearsing(
        environ={}, log=tmp_path / "log", report=lambda _: None, interrupts=Interrupts()
    )
    return ContractCheck(terraform=terraform, root=root)


@pytest.fixture
def ran(check: ContractCheck) -> Rehearsing:
    assert isinstance(check.terraform, Rehearsing)
    return check.terraform


def folder_of(check: ContractCheck) -> Path:
    return check.root.folder / "rehearsal"


def test_a_rehearsal_is_three_plans_in_a_folder_of_its_own(
    check: ContractCheck, ran: Rehearsing
) -> None:
    check.rehearse(EXAMPLE)
    assert ran.calls == REHEARSAL
    folder = folder_of(check)
    assert {each["folder"] for each in ran.seen} == {folder}
    providers = (check.root.folder / ".terraform/providers").resolve()
    assert (ran.seen[0]["backend"], ran.seen[0]["plugins"]) == (True, providers)
    assert (ran.seen[1]["locks"], ran.seen[1]["refresh"]) == (False, False)
    assert "terraform.tfstate" not in ran.seen[1]["files"]
    state = json.loads(ran.seen[3]["files"]["terraform.tfstate"])
    assert len(state["resources"]) == 3
    assert ran.seen[0]["files"][".terraform.lock.hcl"] == "# locked"
    assert not (folder / "terraform.tfstate").exists()
    assert not (folder / "rehearsal.tfplan").exists()
    left = json.loads(ran.seen[5]["files"]["releases.auto.tfvars.json"])
    assert list(left["releases"]) == ["r000002"]


def test_the_rehearsed_root_module_has_a_local_state_and_makes_no_calls(
    check: ContractCheck, ran: Rehearsing
) -> None:
    check.rehearse(EXAMPLE)
    files = ran.seen[1]["files"]
    main = json.loads(files["main.tf.json"])
    assert main["terraform"]["backend"] == {"local": {"path": "terraform.tfstate"}}
    assert main["provider"]["aws"] == {
        "region": "us-east-1",
        "skip_region_validation": True,
        "skip_credentials_validation": True,
        "skip_requesting_account_id": True,
        "skip_metadata_api_check": True,
    }
    releases = json.loads(files["releases.auto.tfvars.json"])
    assert sorted(releases["releases"]) == ["r000001", "r000002"]


def test_a_rehearsal_without_credentials_gets_invented_ones(
    check: ContractCheck, ran: Rehearsing
) -> None:
    check.rehearse(EXAMPLE)
    assert ran.seen[1]["env"]["AWS_ACCESS_KEY_ID"] == "rehearsal"
    terraform = replace(ran, credentials=lambda env, _: {**env, **KEYS})
    replace(check, terraform=terraform).rehearse(EXAMPLE, again=True)
    assert ran.seen[-1]["env"] == KEYS


def test_an_unchanged_module_is_rehearsed_once(check: ContractCheck, ran: Rehearsing) -> None:
    check.rehearse(EXAMPLE)
    check.rehearse(replace(EXAMPLE, number=7, ami_id="ami-7"))
    assert ran.calls == REHEARSAL
    check.rehearse(EXAMPLE, again=True)
    assert ran.calls == REHEARSAL * 2
    (check.root.module / "main.tf").write_text("# changed")
    check.rehearse(EXAMPLE)
    assert ran.calls == REHEARSAL * 3
    write_root(replace(check.root, inputs={"subnet_ids": []}))
    check.rehearse(EXAMPLE)
    assert ran.calls == REHEARSAL * 4


def test_a_module_that_breaks_the_contract_is_refused_each_time(
    check: ContractCheck, ran: Rehearsing
) -> None:
    ran.module = "breaks"
    for _ in range(2):
        with pytest.raises(ConfigurationError) as told:
            check.rehearse(EXAMPLE)
        assert told.value.where == f"[terraform] module {check.root.module}"
        assert "aws_autoscaling_group.this: ignore_changes lacks min_size" in told.value.what
        assert "    ignore_changes = [min_size, max_size, desired_capacity" in told.value.remedy


GROUP = 'module.release.aws_autoscaling_group.this["r000001"]'
PREVENTED = Diagnostic(
    summary="Instance cannot be destroyed",
    detail=f"Resource {GROUP} has lifecycle.prevent_destroy set, but the plan calls for this "
    "resource to be destroyed.",
)


@pytest.mark.parametrize(
    ("said", "what"),
    [
        (
            RunOutput(
                changes=[Change(address=GROUP, kind="aws_autoscaling_group", action="remove")]
            ),
            "`destroy = false`: a retirement would leave it running outside the state",
        ),
        (
            RunOutput(errors=[PREVENTED]),
            "`prevent_destroy` is set: a retirement could not delete it",
        ),
    ],
)
def test_a_group_that_no_retirement_could_delete_is_refused_before_the_launch(
    check: ContractCheck, ran: Rehearsing, said: RunOutput, what: str
) -> None:
    ran.retiring = said
    with pytest.raises(ConfigurationError) as told:
        check.rehearse(EXAMPLE)
    assert told.value.what == f"aws_autoscaling_group.this: {what}"
    assert "from lifecycle" in told.value.remedy


def test_an_error_of_a_plan_is_terraforms_own(check: ContractCheck, ran: Rehearsing) -> None:
    ran.errors.append(Diagnostic(summary="No valid credential sources found", detail=""))
    with pytest.raises(RefusedError) as told:
        check.rehearse(EXAMPLE)
    assert told.value.what == "No valid credential sources found"
    assert told.value.remedy.endswith("ami-pipeline config terraform -e staging --check")
    assert not (folder_of(check) / "terraform.tfstate").exists()


def test_the_plan_to_apply_is_read_too(check: ContractCheck, ran: Rehearsing) -> None:
    release = replace(EXAMPLE, number=2)
    file = check.root.folder / "a.tfplan"
    check.require(file, [release])
    assert (ran.calls, ran.seen[0]["file"]) == (["show"], file)
    ran.calls.clear()
    ran.module = "breaks"
    with pytest.raises(ConfigurationError, match="target_group_arns is set"):
        check.require(file, [release])


def test_a_plan_that_creates_nothing_is_not_read(check: ContractCheck, ran: Rehearsing) -> None:
    check.require(check.root.folder / "a.tfplan", [])
    assert ran.calls == []


def test_the_shipped_module_is_not_rehearsed(check: ContractCheck, ran: Rehearsing) -> None:
    shipped = replace(check, root=replace(check.root, module=shipped_module()))
    shipped.rehearse(EXAMPLE)
    shipped.require(check.root.folder / "a.tfplan", [EXAMPLE])
    assert ran.calls == []
