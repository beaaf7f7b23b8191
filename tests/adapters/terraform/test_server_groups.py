"""What Terraform is asked for, in what order, and what its answers are taken for."""

from __future__ import annotations

import errno
import json
import os
import shlex
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pipeline.adapters.process.signals import Interrupts
from pipeline.adapters.store.directory import DirectoryStore
from pipeline.adapters.terraform import server_groups as adapter
from pipeline.adapters.terraform.contract_check import ContractCheck
from pipeline.adapters.terraform.provider_locks import ProviderLocks
from pipeline.adapters.terraform.root_module import shipped_module
from pipeline.adapters.terraform.server_groups import TerraformResources
from pipeline.adapters.terraform.terraform import Terraform
from pipeline.core.errors import ConfigurationError, FailedError, RefusedError
from pipeline.core.state.release import Release, Size
from pipeline.core.terraform.module_rules import IGNORE
from pipeline.core.terraform.plan_guard import Plan
from pipeline.core.terraform.provider_lock import new_lock
from pipeline.core.terraform.root_module import Bucket, Root
from tests.adapters.scripted import ScriptedTerraform, captured

CAPTURES = Path(__file__).parents[2] / "captures/terraform-1.11.4"
NONE: frozenset[str] = frozenset()
OLD, NEW = frozenset({"r000001"}), frozenset({"r000002"})
SIZE = Size(instance_type="t3.micro", minimum=1, maximum=3, desired=2)
KNOWN = b"""\
module.release.aws_autoscaling_group.this["r000001"]
module.release.aws_launch_template.this["r000001"]
"""


class Aws:
    """Fake clients of AWS with these groups and launch templates, tagged as given."""

    def __init__(self, *names: str, **tags: str) -> None:
        self.names = names
        self.deleting = False
        self.requested: list[list[str]] = []
        given = {"app": "web", "environment": "staging", **tags}
        self.given = [{"Key": f"ami-pipeline:{key}", "Value": given[key]} for key in given]

    def tags(self, name: str) -> list[dict[str, str]]:
        return [*self.given, {"Key": "ami-pipeline:release", "Value": name.rpartition("-")[2]}]

    def ec2(self, _region: str) -> Any:
        return SimpleNamespace(describe_launch_templates=self.templates)

    def autoscaling(self, _region: str) -> Any:
        return SimpleNamespace(describe_auto_scaling_groups=self.groups)

    def templates(self, Filters: list[dict[str, Any]]) -> dict[str, Any]:  # noqa: N803 - boto3's
        self.requested.append(Filters[0]["Values"])
        found = [name for name in self.names if name in Filters[0]["Values"]]
        described = [
            {"LaunchTemplateName": each, "LaunchTemplateId": "lt-1", "Tags": self.tags(each)}
            for each in found
        ]
        return {"LaunchTemplates": described}

    def groups(
        self,
        AutoScalingGroupNames: list[str],  # noqa: N803 - boto3's
        MaxRecords: int,  # noqa: N803 - the same
    ) -> dict[str, Any]:
        assert len(AutoScalingGroupNames) <= MaxRecords
        found = [name for name in self.names if name in AutoScalingGroupNames]
        sizes = {"MinSize": 0, "MaxSize": 1, "DesiredCapacity": 1}
        described = [
            {"AutoScalingGroupName": each, "Tags": self.tags(each), **sizes} for each in found
        ]
        if self.deleting:
            described = [{**each, "Status": "Delete in progress"} for each in described]
        return {"AutoScalingGroups": described}


def release(number: int) -> Release:
    return Release(number=number, ami_id="ami-1", size=SIZE, facts={})


@pytest.fixture
def scripted(tmp_path: Path) -> ScriptedTerraform:
    terraform = ScriptedTerraform.make(tmp_path / "bin")
    terraform.on("plan", capture("launch"))
    terraform.on("apply", capture("apply-launch"))
    terraform.on("state", KNOWN)
    return terraform


@pytest.fixture
def resources(scripted: ScriptedTerraform, tmp_path: Path) -> TerraformResources:
    root = Root(
        app="web",
        environment="staging",
        region="us-east-1",
        account="",
        module=shipped_module(),
        folder=tmp_path / "root",
        bucket=None,
        inputs={},
    )
    (root.folder / ".terraform/modules").mkdir(parents=True)
    (root.folder / ".terraform/modules/modules.json").write_text('{"Modules": []}')
    terraform = Terraform(
        environ={"PATH": scripted.path},
        log=tmp_path / "log",
        report=lambda _: None,
        interrupts=Interrupts(),
    )
    return TerraformResources(terraform=terraform, root=root, clients=aws())


def aws(*names: str, **tags: str) -> Any:
    return Aws(*names, **tags)


def capture(name: str) -> bytes:
    return (CAPTURES / f"{name}.log").read_bytes()


def verbs(scripted: ScriptedTerraform) -> list[str]:
    return [call["argv"][0] for call in scripted.asked]


def left(resources: TerraformResources) -> set[str]:
    return {path.name for path in resources.root.folder.iterdir() if path.is_file()}


def launch(resources: TerraformResources) -> Plan:
    return resources.plan([release(1), release(2)], creates=NEW, deletes=NONE)


def errors(summary: str, detail: str, file: str = "") -> bytes:
    said: dict[str, Any] = {"severity": "error", "summary": summary, "detail": detail}
    if file:
        said["range"] = {"filename": file, "start": {"line": 3}}
    return json.dumps({"type": "diagnostic", "diagnostic": said}).encode() + b"\n"


def test_a_launch_is_planned_saved_and_applied_once(
    resources: TerraformResources, scripted: ScriptedTerraform
) -> None:
    plan = launch(resources)
    assert plan.summary == "Plan: 3 to add, 0 to change, 0 to destroy."
    assert [each.action for each in plan.changes] == ["create"] * 3
    assert plan.file is not None
    assert plan.file.exists()
    written = json.loads((resources.root.folder / "releases.auto.tfvars.json").read_text())
    assert sorted(written["releases"]) == ["r000001", "r000002"]
    resources.apply(plan)
    assert scripted.call("apply")["argv"][-1] == plan.file.name
    assert not plan.file.exists()
    with pytest.raises(FailedError) as told:
        resources.apply(plan)
    gone = f"the plan {plan.file.name} no longer exists: it was applied or replaced"
    assert told.value.what == gone
    assert verbs(scripted) == ["init", "plan", "apply"]


def test_terraform_is_initialized_once_and_again_after_a_change(
    resources: TerraformResources, scripted: ScriptedTerraform
) -> None:
    launch(resources)
    launch(resources)
    assert verbs(scripted) == ["init", "plan", "plan"]
    resources.root = replace(resources.root, region="eu-west-1")
    launch(resources)
    assert verbs(scripted)[3:] == ["init", "plan"]
    assert scripted.asked[0]["argv"] == ["init", "-input=false", "-json"]


def test_a_failed_init_is_repeated(
    resources: TerraformResources, scripted: ScriptedTerraform
) -> None:
    scripted.on("init", errors("Failed to get existing workspaces", "AccessDenied"), code=1)
    for _ in range(2):
        with pytest.raises(RefusedError) as told:
            launch(resources)
        assert told.value.where == "terraform init of web/staging"
        assert told.value.what == "Failed to get existing workspaces\nAccessDenied"
        assert (
            told.value.remedy == f"cd {shlex.quote(str(resources.root.folder))} && terraform init"
        )
    assert verbs(scripted) == ["init", "init"]


def test_with_a_state_in_s3_the_releases_are_written_too(resources: TerraformResources) -> None:
    bucket = Bucket(name="states", key="web/staging.tfstate", region="us-east-1")
    resources.root = replace(resources.root, bucket=bucket)
    launch(resources)
    assert "releases.auto.tfvars.json" in left(resources)


def test_a_plan_without_a_change_has_no_file_and_applies_nothing(
    resources: TerraformResources, scripted: ScriptedTerraform
) -> None:
    scripted.on("plan", capture("empty"))
    plan = resources.plan([release(1)], creates=OLD, deletes=NONE)
    assert (plan.file, plan.changes) == (None, ())
    resources.apply(plan)
    assert verbs(scripted) == ["init", "plan"]
    assert not list(resources.root.folder.glob("*.tfplan"))


def test_a_plan_for_a_deleted_group_is_applied_to_update_the_state(
    resources: TerraformResources, scripted: ScriptedTerraform
) -> None:
    scripted.on("plan", capture("empty"))
    plan = resources.plan([release(1)], creates=NONE, deletes=NEW)
    assert plan.changes == ()
    resources.apply(plan)
    assert verbs(scripted) == ["init", "plan", "apply"]


def test_a_rejected_plan_is_reported_line_by_line_and_deleted(
    resources: TerraformResources, scripted: ScriptedTerraform
) -> None:
    scripted.on("plan", capture("other-create"))
    with pytest.raises(RefusedError) as told:
        resources.plan([release(1)], creates=frozenset({"r000003"}), deletes=NONE)
    policy = "module.release.aws_autoscaling_policy.this"
    assert str(told.value) == (
        "terraform plan of web/staging:\n"
        f'  {policy}["r000002/net"]: create\n'
        f'  {policy}["r000001/net"]: create\n'
        f"next: cd {resources.root.folder} && terraform plan"
    )
    assert not list(resources.root.folder.glob("*.tfplan"))


def test_an_older_plan_is_deleted_by_a_new_one(resources: TerraformResources) -> None:
    older, newer = launch(resources), launch(resources)
    with pytest.raises(FailedError):
        resources.apply(older)
    resources.apply(newer)


@pytest.mark.parametrize(
    ("output", "what"),
    [
        (
            capture("launch").replace(b'"add":3', b'"add":4'),
            "Terraform's total add is 4, its changes give 3",
        ),
        (
            b"".join(capture("launch").splitlines(keepends=True)[:-2]),
            "the plan's output is incomplete: it has no summary",
        ),
        (
            capture("launch") + b'{"type":"planned_action_invocation","invocation":{}}',
            "planned_action_invocation: unknown to ami-pipeline",
        ),
    ],
)
def test_an_incomplete_plan_is_rejected(
    resources: TerraformResources, scripted: ScriptedTerraform, output: bytes, what: str
) -> None:
    scripted.on("plan", output)
    with pytest.raises(RefusedError) as told:
        launch(resources)
    assert told.value.what == what
    assert not list(resources.root.folder.glob("*.tfplan"))


def test_a_failed_plan_has_terraforms_output(
    resources: TerraformResources, scripted: ScriptedTerraform
) -> None:
    scripted.on("plan", capture("errored"), code=1)
    with pytest.raises(RefusedError) as told:
        launch(resources)
    lines = told.value.what.split("\n")
    assert lines[::2] == ["Resource precondition failed"] * 3
    assert lines[1].endswith("is longer than 16 KB, which is all EC2 takes.")
    assert not list(resources.root.folder.glob("*.tfplan"))


def test_a_plan_reports_a_module_that_breaks_the_contract(
    resources: TerraformResources, scripted: ScriptedTerraform
) -> None:
    detail = 'This object does not have an attribute named "ami_id".'
    scripted.on("plan", errors("Unsupported attribute", detail, "main.tf.json"), code=1)
    with pytest.raises(ConfigurationError, match="output ami_id: the module does not declare it"):
        launch(resources)
    # The provider stands in the same file, and is no part of the contract.
    scripted.on("plan", errors("No valid credential sources found", "", "main.tf.json"), code=1)
    with pytest.raises(RefusedError) as told:
        launch(resources)
    assert told.value.what == "No valid credential sources found"


LOCK_ID = "3b3a0c3e-1111-2222-3333-444455556666"


@pytest.mark.parametrize("verb", ["plan", "apply"])
def test_a_locked_state_is_reported_with_the_unlock_command(
    resources: TerraformResources, scripted: ScriptedTerraform, verb: str
) -> None:
    detail = f"operation error S3: 412, RequestID: 1\nLock Info:\n  ID:        {LOCK_ID}\n"
    scripted.on(verb, errors("Error acquiring the state lock", detail), code=1)
    with pytest.raises((RefusedError, FailedError)) as told:
        resources.apply(launch(resources))
    assert told.value.remedy == (
        "wait for the holder of the lock; if that run has died: "
        f"cd {resources.root.folder} && terraform force-unlock -force {LOCK_ID}"
    )


def test_a_failed_apply_has_terraforms_output(
    resources: TerraformResources, scripted: ScriptedTerraform
) -> None:
    scripted.on("apply", errors("creating Auto Scaling Group", "LimitExceeded"), code=1)
    with pytest.raises(FailedError) as told:
        resources.apply(launch(resources))
    assert told.value.where == "terraform apply of web/staging"
    assert told.value.what == "creating Auto Scaling Group\nLimitExceeded"
    assert told.value.remedy == f"read {resources.terraform.log}"
    assert not list(resources.root.folder.glob("*.tfplan"))


def test_a_state_that_could_not_be_saved_is_not_lost(
    resources: TerraformResources, scripted: ScriptedTerraform
) -> None:
    failed = errors("Failed to save state", "no such host")
    scripted.on("apply", failed, code=1, leaves="errored.tfstate")
    with pytest.raises(FailedError) as told:
        resources.apply(launch(resources))
    folder = resources.root.folder
    assert told.value.remedy == f"cd {folder} && terraform state push errored.tfstate"


# --- adoption ------------------------------------------------------------------------------------


def test_with_a_complete_state_aws_is_not_called(
    resources: TerraformResources, scripted: ScriptedTerraform
) -> None:
    resources.clients = known = aws("web-staging-r000001")
    resources.adopt([release(1)])
    assert verbs(scripted) == ["init", "state"]
    assert known.requested == []


def test_a_missing_group_is_not_imported(
    resources: TerraformResources, scripted: ScriptedTerraform
) -> None:
    resources.clients = known = aws("web-staging-r000001")
    resources.adopt([release(1), release(2)])
    assert verbs(scripted) == ["init", "state"]
    assert known.requested == [["web-staging-r000002"]]


def test_an_orphan_is_imported_by_a_plan_of_its_addresses_alone(
    resources: TerraformResources, scripted: ScriptedTerraform
) -> None:
    resources.clients = aws("web-staging-r000002")
    scripted.on("plan", capture("adopt"))
    resources.adopt([release(1), release(2)])
    template = 'module.release.aws_launch_template.this["r000002"]'
    group = 'module.release.aws_autoscaling_group.this["r000002"]'
    assert verbs(scripted) == ["init", "state", "plan", "apply"]
    call = scripted.call("plan")
    assert call["argv"][5:] == [f"-target={template}", f"-target={group}"]
    assert call["files"]["imports.tf.json"] == {
        "import": [
            {"to": template, "id": "lt-1"},
            {"to": group, "id": "web-staging-r000002"},
        ]
    }
    assert "imports.tf.json" not in left(resources)


def test_a_group_that_aws_is_deleting_is_not_imported(
    resources: TerraformResources, scripted: ScriptedTerraform
) -> None:
    resources.clients = known = aws("web-staging-r000002")
    known.deleting = True
    planned = capture("adopt").splitlines(keepends=True)
    one = b"".join(line for line in planned if b"aws_autoscaling_group" not in line)
    one = one.replace(b'"change":1,"import":2', b'"change":0,"import":1')
    scripted.on("plan", one)
    resources.adopt([release(1), release(2)])
    targets = scripted.call("plan")["argv"][5:]
    assert targets == ['-target=module.release.aws_launch_template.this["r000002"]']


def test_an_import_with_other_changes_is_rejected(
    resources: TerraformResources, scripted: ScriptedTerraform
) -> None:
    resources.clients = aws("web-staging-r000002")
    scripted.on("plan", capture("launch"))
    with pytest.raises(RefusedError) as told:
        resources.adopt([release(1), release(2)])
    assert 'aws_autoscaling_group.this["r000002"]: create' in told.value.what
    assert "apply" not in verbs(scripted)
    assert left(resources) == {
        ".gitignore",
        "inputs.auto.tfvars.json",
        "main.tf.json",
        "releases.auto.tfvars.json",
    }


@pytest.mark.parametrize("tags", [{"app": "shop"}, {"environment": "production"}, {"app": ""}])
def test_a_resource_of_another_owner_is_rejected(
    resources: TerraformResources, scripted: ScriptedTerraform, tags: dict[str, str]
) -> None:
    resources.clients = aws("web-staging-r000002", **tags)
    with pytest.raises(RefusedError) as told:
        resources.adopt([release(2)])
    [(key, value)] = tags.items()
    owner = {"shop": "shop/staging", "production": "web/production"}.get(value)
    remedy = (
        "give the app or the environment another name in pipeline.toml: resources of web/staging "
        f"and of {owner} have the same names"
        if owner
        else "if this environment owns it, set its tags to ami-pipeline:app=web, "
        "ami-pipeline:environment=staging, ami-pipeline:release=r000002"
    )
    assert str(told.value) == (
        "importing aws_launch_template web-staging-r000002:\n"
        "  exists but is not in Terraform's state\n"
        f"  tag ami-pipeline:{key} is {value or 'not set'}\n"
        f"next: {remedy}"
    )
    assert verbs(scripted) == ["init", "state"]


@pytest.mark.parametrize(
    ("made_by", "theirs", "refused"),
    [("one", "two", True), ("one", "one", False), ("one", "", False), ("", "two", False)],
)
def test_a_resource_of_another_deployment_is_rejected(
    resources: TerraformResources,
    scripted: ScriptedTerraform,
    made_by: str,
    theirs: str,
    *,
    refused: bool,
) -> None:
    """Two stores that know nothing of each other count their releases alike."""
    scripted.on("plan", capture("adopt"))
    resources.clients = aws("web-staging-r000002", deployment=theirs)
    wanted = replace(release(2), facts={"deployment": made_by} if made_by else {})
    if not refused:
        resources.adopt([wanted])
        assert "apply" in verbs(scripted)
        return
    with pytest.raises(RefusedError) as told:
        resources.adopt([wanted])
    assert told.value.what == (
        "exists but is not in Terraform's state\ntag ami-pipeline:deployment is two"
    )
    assert told.value.remedy.endswith("ami-pipeline:deployment=one")
    assert verbs(scripted) == ["init", "state"]


def test_in_a_users_module_another_release_shows_the_addresses(
    resources: TerraformResources, scripted: ScriptedTerraform, tmp_path: Path
) -> None:
    own = tmp_path / "own"
    own.mkdir()
    resources.root = replace(resources.root, module=own)
    resources.clients = aws("web-staging-r000002")
    base = 'module.release.module.group["r000001"]'
    known = f"{base}.aws_autoscaling_group.a\n{base}.aws_launch_template.b[0]\n"
    scripted.on("state", known.encode())
    with pytest.raises(RefusedError):  # the plan in this script is of other addresses
        resources.adopt([release(1), release(2)])
    assert scripted.call("plan")["argv"][5:] == [
        '-target=module.release.module.group["r000002"].aws_launch_template.b[0]',
        '-target=module.release.module.group["r000002"].aws_autoscaling_group.a',
    ]


def test_in_a_users_module_an_unknown_address_is_an_error(
    resources: TerraformResources, scripted: ScriptedTerraform, tmp_path: Path
) -> None:
    own = tmp_path / "own"
    own.mkdir()
    resources.root = replace(resources.root, module=own)
    resources.clients = aws("web-staging-r000001")
    scripted.on("state", b"")
    with pytest.raises(RefusedError) as told:
        resources.adopt([release(1)])
    assert str(told.value) == (
        "importing aws_launch_template web-staging-r000001:\n"
        "  exists but is not in Terraform's state, and the state has no other release that shows "
        f"its address in {own}\n"
        f"next: cd {resources.root.folder} && terraform import 'ADDRESS[\"r000001\"]' lt-1"
    )
    assert verbs(scripted) == ["init", "state"]


CHANGED = (
    'module.release.aws_autoscaling_group.this["r000001"]: update\n'
    "  availability_zones: null -> (known after apply)\n"
    '  load_balancers: ["rehearsal"] -> ["classic"]\n'
    "  max_size: 3 -> 2\n"
    "  min_size: 2 -> 1\n"
    "  mixed_instances_policy[0].launch_template[0].override[0].launch_template_specification[0]"
    '.launch_template_id: null -> "lt-00000000000000001"\n'
)


def test_a_refused_plan_shows_each_attribute_before_and_after(
    resources: TerraformResources, scripted: ScriptedTerraform
) -> None:
    scripted.on("plan", capture("update"))
    scripted.on("show", captured("module-breaks-2.json"))
    with pytest.raises(RefusedError) as told:
        resources.plan([release(1), release(2)], creates=NONE, deletes=NONE)
    assert f"{told.value.what}\n" == CHANGED
    assert told.value.remedy == f"cd {shlex.quote(str(resources.root.folder))} && terraform plan"
    assert "planned-" not in "".join(left(resources))


def test_a_module_of_a_user_that_would_reset_the_sizes_is_told_the_lines_to_add(
    resources: TerraformResources, scripted: ScriptedTerraform, tmp_path: Path
) -> None:
    own = tmp_path / "own"
    own.mkdir()
    resources.root = replace(resources.root, module=own)
    scripted.on("plan", capture("update"))
    scripted.on("show", captured("module-breaks-2.json"))
    with pytest.raises(RefusedError) as told:
        resources.plan([release(1), release(2)], creates=NONE, deletes=NONE)
    assert f"{told.value.what}\n" == CHANGED
    assert told.value.remedy == (
        "add these lines to the module, then: ami-pipeline config terraform -e staging --check\n\n"
        f"# aws_autoscaling_group.this\n{IGNORE}"
    )


def test_a_refused_plan_that_cannot_be_read_is_refused_with_its_own_reason(
    resources: TerraformResources, scripted: ScriptedTerraform
) -> None:
    scripted.on("plan", capture("update"))
    scripted.on("show", b"", code=1)
    with pytest.raises(RefusedError) as told:
        resources.plan([release(1), release(2)], creates=NONE, deletes=NONE)
    assert told.value.what == 'module.release.aws_autoscaling_group.this["r000001"]: update'


def test_a_launch_of_a_users_module_is_rehearsed_before_its_plan_is_made(
    resources: TerraformResources, scripted: ScriptedTerraform, tmp_path: Path
) -> None:
    own = tmp_path / "own"
    own.mkdir()
    resources.root = replace(resources.root, module=own)
    scripted.rehearses("breaks")
    with pytest.raises(ConfigurationError, match="ignore_changes lacks"):
        launch(resources)
    assert verbs(scripted) == ["init", "init", "plan", "show", "plan", "show", "plan"]
    kept = json.loads((resources.root.folder / "releases.auto.tfvars.json").read_text())
    assert sorted(kept["releases"]) == ["r000001"]


def test_the_plan_of_a_users_module_is_read_before_it_is_applied(
    resources: TerraformResources,
    scripted: ScriptedTerraform,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    own = tmp_path / "own"
    own.mkdir()
    resources.root = replace(resources.root, module=own)
    monkeypatch.setattr(ContractCheck, "rehearse", lambda *_: None)
    scripted.on("show", captured("module-breaks-1.json"))
    with pytest.raises(ConfigurationError, match="target_group_arns is set"):
        launch(resources)
    assert verbs(scripted) == ["init", "plan", "show"]
    assert not list(resources.root.folder.glob("*.tfplan"))


def test_files_of_a_killed_run_do_not_affect_the_next_plan(
    resources: TerraformResources, scripted: ScriptedTerraform
) -> None:
    for name in ("imports.tf.json", "planned-1.tfplan"):
        (resources.root.folder / name).write_text("{}")
    plan = launch(resources)
    assert "imports.tf.json" not in scripted.call("plan")["files"]
    assert set(resources.root.folder.glob("*.tfplan")) == {plan.file}


def releases(resources: TerraformResources) -> list[str]:
    text = (resources.root.folder / "releases.auto.tfvars.json").read_text()
    return sorted(json.loads(text)["releases"])


def test_after_a_rejected_plan_the_folder_has_the_existing_releases(
    resources: TerraformResources, scripted: ScriptedTerraform
) -> None:
    """Who applies the rest by hand, as the refusal says, must not launch the release too."""
    scripted.on("plan", capture("other-create"))
    with pytest.raises(RefusedError):
        launch(resources)
    assert releases(resources) == ["r000001"]


def test_after_a_plan_that_was_only_shown_the_folder_has_the_existing_releases(
    resources: TerraformResources,
) -> None:
    plan = launch(resources)
    resources.discard(plan)
    assert plan.file is not None
    assert not plan.file.exists()
    assert releases(resources) == ["r000001"]


def test_after_a_rejected_retirement_the_folder_has_the_earlier_releases(
    resources: TerraformResources, scripted: ScriptedTerraform
) -> None:
    launch(resources)
    scripted.on("plan", capture("other-create"))
    with pytest.raises(RefusedError):
        resources.plan([release(2)], creates=NONE, deletes=OLD)
    assert releases(resources) == ["r000001", "r000002"]


def test_before_a_first_release_a_plan_that_was_only_shown_leaves_no_file(
    resources: TerraformResources,
) -> None:
    """Not even an empty map: another machine may have released, because the state is in S3."""
    bucket = Bucket(name="states", key="web/staging.tfstate", region="us-east-1")
    resources.root = replace(resources.root, bucket=bucket)
    resources.discard(resources.plan([release(2)], creates=NEW, deletes=NONE))
    assert "releases.auto.tfvars.json" not in left(resources)


def test_on_a_full_disk_the_failed_restore_of_the_releases_is_reported(
    resources: TerraformResources, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[object] = []
    resources.terraform.report = said.append
    resources.prepare([release(1)], creates=NONE, deletes=OLD)
    resources.plan([release(1), release(2)], creates=NEW, deletes=NONE)
    plan = launch(resources)

    def full(path: Path, _data: bytes) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    monkeypatch.setattr(adapter, "write_atomically", full)
    resources.discard(plan)
    resources.forget()
    assert "releases.auto.tfvars.json: No space left on device" in str(said[-1])


def test_a_background_plan_is_the_one_that_is_applied(
    resources: TerraformResources, scripted: ScriptedTerraform
) -> None:
    resources.prepare([release(1), release(2)], creates=NEW, deletes=NONE)
    resources.apply(launch(resources))
    assert verbs(scripted) == ["init", "plan", "apply"]


def test_an_unused_background_plan_leaves_nothing(
    resources: TerraformResources, scripted: ScriptedTerraform
) -> None:
    resources.apply(launch(resources))
    stands = left(resources), releases(resources)
    resources.prepare([release(2)], creates=NONE, deletes=frozenset({"r000001"}))
    resources.forget()
    assert (left(resources), releases(resources)) == stands
    assert verbs(scripted)[-1] == "plan"


# --- providers ------------------------------------------------------------------------------------

QUERY = "Failed to query available provider packages"
UNAVAILABLE = (
    "Could not retrieve the list of available versions for provider hashicorp/aws: the "
    "previously-selected version 5.99.0 is no longer available"
)
EXCLUDED = (
    "Could not retrieve the list of available versions for provider hashicorp/aws: locked provider "
    "registry.terraform.io/hashicorp/aws 5.100.0 does not match configured version constraint "
    ">= 6.0.0; must use terraform init -upgrade to allow selection of new versions"
)
NEWER = "Resource instance managed by newer provider version"
UPGRADE = (
    "plan with the versions that the configuration allows: "
    "ami-pipeline state providers -e staging --upgrade"
)
LOCK = """\
provider "registry.terraform.io/hashicorp/aws" {
  version = "5.100.0"
  hashes = [
    "h1:package=",
    "zh:package",
  ]
}
"""


@pytest.mark.parametrize("detail", [UNAVAILABLE, EXCLUDED])
def test_a_recorded_version_that_cannot_be_used_names_the_upgrade(
    resources: TerraformResources, scripted: ScriptedTerraform, detail: str
) -> None:
    scripted.on("init", errors(QUERY, detail), code=1)
    with pytest.raises(RefusedError) as told:
        launch(resources)
    assert told.value.what == f"{QUERY}\n{detail}"
    assert told.value.remedy == UPGRADE


def test_a_state_of_a_newer_provider_names_the_upgrade(
    resources: TerraformResources, scripted: ScriptedTerraform
) -> None:
    detail = "The current state of aws_launch_template.this was created by a newer provider version"
    scripted.on("plan", errors(NEWER, detail), code=1)
    with pytest.raises(RefusedError) as told:
        launch(resources)
    assert told.value.what == f"{NEWER}\n{detail}"
    assert told.value.remedy == UPGRADE


@pytest.fixture
def recorded(resources: TerraformResources, scripted: ScriptedTerraform, tmp_path: Path) -> Any:
    """Resources with a lock file that `init` has written, and a store for it."""
    scripted.on("version", b"Terraform v1.11.4\non linux_amd64\n")
    locks = ProviderLocks(store=DirectoryStore(tmp_path / "store"), environment="staging")
    resources = replace(resources, providers=locks)
    (resources.root.folder / ".terraform.lock.hcl").write_text(LOCK)
    return resources


def test_an_upgrade_is_planned_without_a_change_and_recorded(
    recorded: TerraformResources, scripted: ScriptedTerraform
) -> None:
    scripted.on("plan", capture("empty"))
    upgrade = recorded.plan_upgrade([release(1)])
    assert upgrade.changes == (("registry.terraform.io/hashicorp/aws", "", "5.100.0"),)
    assert upgrade.plan.summary == "Plan: 0 to add, 0 to change, 0 to destroy."
    assert verbs(scripted) == ["init", "plan"]
    assert not list(recorded.root.folder.glob("*.tfplan"))
    assert recorded.providers
    assert recorded.providers.programs() == ()
    recorded.record_upgrade(upgrade)
    assert recorded.providers.programs() == ("terraform",)
    assert recorded.plan([release(1)], creates=OLD, deletes=NONE).file is None
    assert verbs(scripted) == ["init", "plan", "plan"]


def test_an_upgrade_to_the_recorded_versions_plans_nothing(
    recorded: TerraformResources, scripted: ScriptedTerraform
) -> None:
    assert recorded.providers
    recorded.providers.write("terraform", new_lock(LOCK, "linux_amd64"), None)
    assert recorded.plan_upgrade([release(1)]).changes == ()
    assert verbs(scripted) == ["init"]


def test_an_upgrade_that_would_change_the_serving_group_is_refused(
    recorded: TerraformResources, scripted: ScriptedTerraform
) -> None:
    scripted.on("plan", capture("update"))
    with pytest.raises(RefusedError) as told:
        recorded.plan_upgrade([release(1), release(2)])
    assert 'aws_autoscaling_group.this["r000001"]: update' in told.value.what
    assert told.value.remedy == (
        "set provider_version below [terraform] to a version whose plan changes nothing; "
        f"the whole plan is in {recorded.terraform.log}"
    )
    assert recorded.providers
    assert recorded.providers.programs() == ()
    assert not (recorded.root.folder / ".terraform.lock.hcl").exists()


def test_an_upgrade_that_cannot_be_installed_is_refused(
    recorded: TerraformResources, scripted: ScriptedTerraform
) -> None:
    scripted.on("init", errors(QUERY, "could not connect to registry.terraform.io"), code=1)
    with pytest.raises(RefusedError) as told:
        recorded.plan_upgrade([release(1)])
    assert told.value.where == "terraform init -upgrade of web/staging"
    assert told.value.remedy.endswith("terraform init -upgrade")
