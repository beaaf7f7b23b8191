"""Real Terraform and the real AWS provider check root modules, and keep a state in S3."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from pipeline.adapters.aws.client import Clients
from pipeline.adapters.process.signals import Interrupts
from pipeline.adapters.store.directory import DirectoryStore
from pipeline.adapters.terraform.provider_locks import ProviderLocks
from pipeline.adapters.terraform.server_groups import TerraformResources
from pipeline.adapters.terraform.state_lock import LockOwner, StateLock
from pipeline.adapters.terraform.terraform import Terraform
from pipeline.cli.main import run
from pipeline.core.errors import RefusedError
from pipeline.core.state.release import Release, Size
from pipeline.core.terraform.module_contract import INPUTS
from pipeline.core.terraform.module_rules import violations
from pipeline.core.terraform.provider_lock import LOCK_FILE, versions_in
from pipeline.core.terraform.rehearsal import rehearsed_violations
from pipeline.core.terraform.root_module import Bucket, Root
from tests.core.terraform.samples import plan as captured_plan
from tests.core.terraform.samples import wanted
from tests.e2e.project import REPOSITORY, Project
from tests.running_cloud import Cloud

CONFIGURATION = """\
app = "web"
region = "us-east-1"
[bake]
template = "packer/app.pkr.hcl"
[terraform]
module = "modules/release"
[terraform.inputs]
subnet_ids = ["subnet-1"]
[terraform.backend]
bucket = "states"
[environments.production]
account = "123456789012"
"""
MODULE = f"""\
variable "app" {{ type = string }}
variable "environment" {{ type = string }}
variable "releases" {{ type = {INPUTS["releases"]} }}
variable "subnet_ids" {{ type = list(string) }}
resource "terraform_data" "group" {{
  for_each = var.releases
  input    = each.key
}}
output "releases" {{
  value = {{
    for name, group in terraform_data.group : name => {{
      group_name              = "${{var.app}}-${{var.environment}}-${{name}}"
      launch_template_id      = group.id
      launch_template_version = 1
      ami_id                  = var.releases[name].ami_id
    }}
  }}
}}
"""
REQUIRED = 'The argument "vpc" is required, but no definition was found.'
UNDECLARED = 'No argument or block type is named "{}".'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    (folder / "modules/release").mkdir(parents=True)
    (folder / "pipeline.toml").write_text(CONFIGURATION)
    (folder / "modules/release/main.tf").write_text(MODULE)
    return folder


@pytest.fixture
def project(folder: Path, cloud: Cloud) -> Project:
    return Project(folder=folder, cloud=cloud)


def by_hand(folder: Path, project: Project, *words: str) -> subprocess.CompletedProcess[str]:
    """Run Terraform by hand in a folder, as the documentation describes."""
    program = shutil.which("terraform")
    assert program
    quiet = [] if "force-unlock" in words else ["-no-color", "-input=false"]
    return subprocess.run(
        [program, *words, *quiet],
        cwd=folder,
        env=project.env,
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )


def leave_out_the_provider(folder: Path) -> None:
    """Skip the provider: the module does not need it, and each start takes seconds."""
    path = folder / "main.tf.json"
    document = json.loads(path.read_text())
    del document["provider"], document["terraform"]["required_providers"]
    path.write_text(json.dumps(document))


@pytest.mark.long
def test_a_module_that_breaks_the_contract_is_refused_with_a_block_to_paste(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Run in this process, without a cloud: no call to AWS is needed."""
    monkeypatch.chdir(folder)
    monkeypatch.setenv("TF_CLI_ARGS", "-bogus")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    module = folder / "modules/release/main.tf"
    module.write_text(MODULE.replace('output "releases"', 'output "made"'))
    assert run(["config", "terraform", "-e", "production", "--check"]) == 2
    message, _, paste = capsys.readouterr().err.partition("error: ")[2].partition("\n\n")
    assert message == (
        f"[terraform] module {module.parent}:\n"
        "  output releases: the module does not declare it\n"
        "  | Unsupported attribute\n"
        '  | This object does not have an attribute named "releases".\n'
        "next: add this output to the module, then: "
        "ami-pipeline config terraform -e production --check"
    )
    assert paste.startswith('output "releases" {\n  value = {\n')

    module.write_text('variable "app" {}\nvariable "vpc" {}\n')
    state = folder / ".ami-pipeline"
    environ = {"PATH": os.environ["PATH"], "HOME": os.environ["HOME"]}
    environ |= {k: v for k, v in os.environ.items() if k == "TF_CLI_CONFIG_FILE"}
    terraform = Terraform(
        environ=environ, log=state / "log", report=lambda _: None, interrupts=Interrupts()
    )
    found = terraform.validate(state / "terraform/web/production")
    assert {(each.file, each.summary, each.detail) for each in found} == {
        ("main.tf.json", "Missing required argument", REQUIRED),
        *(
            ("main.tf.json", "Extraneous JSON object property", UNDECLARED.format(name))
            for name in ("environment", "releases", "subnet_ids")
        ),
    }


@pytest.mark.long
def test_the_shipped_module_fulfills_the_contract(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(folder)
    own, _, rest = CONFIGURATION.partition('module = "modules/release"\n')
    inputs = 'subnet_ids = ["subnet-1"]\n'
    shipped = (own + rest).replace(inputs, f'{inputs}security_group_ids = ["sg-1"]\n')
    (folder / "pipeline.toml").write_text(shipped)
    assert run(["config", "terraform", "-e", "production", "--check"]) == 0
    out = capsys.readouterr().out
    assert f"module     {REPOSITORY}/terraform/release\n" in out
    assert "accepts it\n" in out


def test_the_state_of_a_custom_module_is_in_s3_and_locked_there(project: Project) -> None:
    s3 = project.cloud.aws("s3")
    s3.create_bucket(Bucket="states")
    written = project.run("--output", "json", "config", "terraform", "-e", "production")
    folder = Path(written.document["folder"])
    release = {"ami_id": "ami-1", "instance_type": "t3.micro", "min_size": 1, "max_size": 1}
    release |= {"desired_capacity": 1, "facts": {"version": "${not} %{evaluated}"}}
    leave_out_the_provider(folder)
    assert by_hand(folder, project, "init").returncode == 0

    # No releases are declared: a plan by hand stops and does not plan to delete them.
    planned = by_hand(folder, project, "plan")
    assert planned.returncode == 1
    assert 'The root module input variable "releases" is not set' in planned.stderr

    releases = folder / "releases.auto.tfvars.json"
    releases.write_text(json.dumps({"releases": {"r000001": release}}))
    applied = by_hand(folder, project, "apply", "-auto-approve")
    assert applied.returncode == 0, applied.stderr
    with s3.get_object(Bucket="states", Key="web/production.tfstate")["Body"] as body:
        made = json.loads(body.read())["outputs"]["releases"]["value"]["r000001"]
    assert made["group_name"] == "web-production-r000001"
    listed = s3.list_objects_v2(Bucket="states")["Contents"]
    assert [each["Key"] for each in listed] == ["web/production.tfstate"]
    assert not (folder / "terraform.tfstate").exists()

    # The tool's lock is Terraform's own lock; the tool's Terraform runs despite it.
    lock = our_lock(s3, folder)
    terraform = Terraform(
        environ=project.env, log=folder / "log", report=lambda _: None, interrupts=Interrupts()
    )
    releases.write_text(json.dumps({"releases": {"r000001": release, "r000002": release}}))
    with lock.held("OperationTypeApply", terraform.program()):
        refused = by_hand(folder, project, "plan")
        plan = terraform.plan(folder, folder / "a.tfplan", locks=False)
        done = terraform.apply(folder, folder / "a.tfplan", timeout=100, locks=False)
        found = re.search(r"ID: +(\S+)\n", refused.stderr)
        assert found
        forced = by_hand(folder, project, "force-unlock", "-force", found[1])
    assert refused.returncode == 1
    assert "Error acquiring the state lock" in refused.stderr
    lock_info = dict(re.findall(r"(\w+): +(\S.*)", refused.stderr.partition("Lock Info:")[2]))
    assert (lock_info["Operation"], lock_info["Who"]) == ("OperationTypeApply", "ann@ci-7")
    expected = "ami-pipeline web/production deployment 20261121T120000Z-4f2a epoch 4"
    assert lock_info["Info"] == expected
    assert (list(plan.errors), list(done.errors)) == ([], [])
    assert forced.returncode == 0, forced.stderr
    assert [each["Key"] for each in s3.list_objects_v2(Bucket="states")["Contents"]] == [
        "web/production.tfstate"
    ]


def our_lock(s3: Any, folder: Path) -> StateLock:
    return StateLock(
        s3=s3,
        bucket=Bucket(name="states", key="web/production.tfstate", region="us-east-1"),
        account="123456789012",
        owner=LockOwner(
            environment="web/production",
            deployment="20261121T120000Z-4f2a",
            epoch=4,
            who="ann@ci-7",
        ),
        folder=folder,
        now=lambda: datetime.now(UTC),
        wait=time.sleep,
        report=lambda _: None,
    )


# --- provider versions ----------------------------------------------------------------------------

AWS, NEWER = "registry.terraform.io/hashicorp/aws", "6.999.0"


class Runners:
    """CI runners with empty folders, a common store, and a mirror of two provider versions."""

    def __init__(self, folder: Path, module: Path) -> None:
        self.folder, self.module = folder, module
        self.locks = ProviderLocks(store=DirectoryStore(folder / "store"), environment="production")
        self.rc = folder / "terraform.rc"

    def mirror(self, *versions: str) -> None:
        """Have a mirror offer these versions: one package under several numbers."""
        packages = installed_package()
        mirror = self.folder / "-".join(versions)
        for version in versions:
            (mirror / AWS / version).mkdir(parents=True)
            (mirror / AWS / version / packages.name).symlink_to(packages)
        path = f'filesystem_mirror {{\n  path = "{mirror}"\n}}'
        self.rc.write_text(f"provider_installation {{\n{path}\n}}\n")

    def fresh(self, name: str, provider: str = ">= 5.0, < 7.0") -> TerraformResources:
        root = Root(
            app="web",
            environment="production",
            region="us-east-1",
            account="",
            module=self.module,
            folder=self.folder / name,
            bucket=None,
            inputs={"subnet_ids": ["subnet-1"]},
            provider=provider,
        )
        terraform = Terraform(
            environ={**os.environ, "TF_CLI_CONFIG_FILE": str(self.rc)},
            log=self.folder / "log",
            report=lambda _: None,
            interrupts=Interrupts(),
        )
        clients: Any = None
        return TerraformResources(
            terraform=terraform, root=root, clients=clients, providers=self.locks
        )

    @property
    def recorded(self) -> str:
        lock = self.locks.read("terraform").lock
        assert lock
        return lock.versions[AWS]


def installed_package() -> Path:
    """Return the package of the provider in the machine's mirror, or as `init` installs it."""
    folder = Path(tempfile.mkdtemp())
    requires = {"required_providers": {"aws": {"source": "hashicorp/aws"}}}
    (folder / "main.tf.json").write_text(json.dumps({"terraform": requires}))
    program = shutil.which("terraform")
    assert program
    subprocess.run([program, "init", "-input=false"], cwd=folder, check=True, timeout=300)
    (package,) = (folder / ".terraform/providers" / AWS).glob("*/*")
    return package.resolve()


def plan(resources: TerraformResources) -> str:
    """Plan no release; return the version of the provider that Terraform used."""
    nothing = frozenset[str]()
    assert resources.plan([], creates=nothing, deletes=nothing).file is None
    return versions_in((resources.root.folder / LOCK_FILE).read_text())[AWS]


@pytest.mark.long
@pytest.mark.timeout(300)
def test_a_fresh_runner_uses_the_recorded_provider_until_an_upgrade(
    folder: Path, tmp_path: Path
) -> None:
    runners = Runners(tmp_path / "runners", folder / "modules/release")
    runners.folder.mkdir()
    runners.mirror("5.100.0")
    assert plan(runners.fresh("first")) == "5.100.0"
    runners.mirror("5.100.0", NEWER)
    second = runners.fresh("second")
    assert plan(second) == "5.100.0"
    upgrade = second.plan_upgrade([])
    assert upgrade.changes == ((AWS, "5.100.0", NEWER),)
    second.discard_upgrade()
    assert (plan(second), runners.recorded) == ("5.100.0", "5.100.0")
    second.record_upgrade(second.plan_upgrade([]))
    assert [plan(each) for each in (second, runners.fresh("third"))] == [NEWER, NEWER]
    with pytest.raises(RefusedError) as told:
        plan(runners.fresh("third", provider="5.100.0"))
    assert "does not match configured version constraint" in " ".join(told.value.what.split())
    assert "ami-pipeline state providers -e production --upgrade" in told.value.remedy
    runners.mirror("5.100.0", "6.0.0")
    with pytest.raises(RefusedError) as told:
        plan(runners.fresh("fourth"))
    assert "is no longer available" in " ".join(told.value.what.split())


# --- the contract of a user's module --------------------------------------------------------------

MODULES = Path(__file__).parents[1] / "terraform_modules"
ON_PLANS = CONFIGURATION.replace('["subnet-1"]', '["subnet-0123456789abcdef0"]')


@pytest.mark.long
@pytest.mark.timeout(300)
def test_the_contract_is_checked_on_plans_of_real_terraform_without_aws(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What the captures of `tests/core/terraform` have; no call leaves this machine."""
    monkeypatch.chdir(folder)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    (folder / "pipeline.toml").write_text(ON_PLANS)
    module = folder / "modules/release/main.tf"
    check = ["config", "terraform", "-e", "production", "--check"]
    shutil.copyfile(MODULES / "fulfills/main.tf", module)
    assert run(check) == 0
    assert "accepts it\n" in capsys.readouterr().out

    shutil.copyfile(MODULES / "breaks/main.tf", module)
    assert run(check) == 2
    error = capsys.readouterr().err.partition("error: ")[2].replace("production", "staging")
    expected = [
        *violations(captured_plan("breaks", 1), wanted(2)),
        *rehearsed_violations(captured_plan("breaks", 2), wanted(1), wanted(2)),
    ]
    assert [line for line in error.splitlines() if line.startswith("  aws_")] == [
        f"  {each.where}: {each.what}" for each in expected if each.where.startswith("aws_")
    ]


@pytest.mark.long
@pytest.mark.timeout(300)
def test_a_group_of_a_users_module_scales_and_the_next_launch_changes_only_its_own(
    tmp_path: Path, cloud: Cloud
) -> None:
    ec2, scaling = cloud.aws("ec2"), cloud.aws("autoscaling")
    vpc = ec2.create_vpc(CidrBlock="127.42.0.0/16")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="127.42.1.0/24")["Subnet"]["SubnetId"]
    root = Root(
        app="web",
        environment="own",
        region="us-east-1",
        account="",
        module=MODULES / "fulfills",
        folder=tmp_path / "root",
        bucket=None,
        inputs={"subnet_ids": [subnet]},
    )
    terraform = Terraform(
        environ=cloud.env, log=tmp_path / "log", report=lambda _: None, interrupts=Interrupts()
    )
    resources = TerraformResources(terraform=terraform, root=root, clients=Clients())
    size = Size(instance_type="t3.micro", minimum=1, maximum=4, desired=1)
    first, second = (
        Release(number=number, ami_id=cloud.base_image(), size=size, facts={}) for number in (1, 2)
    )
    nothing = frozenset[str]()
    resources.apply(resources.plan([first], creates=frozenset({"r000001"}), deletes=nothing))
    scaling.update_auto_scaling_group(
        AutoScalingGroupName="web-own-r000001", MinSize=0, MaxSize=9, DesiredCapacity=0
    )
    plan = resources.plan([first, second], creates=frozenset({"r000002"}), deletes=nothing)
    assert {each.address for each in plan.changes} == {
        f'module.release.aws_{kind}.this["r000002"]'
        for kind in ("launch_template", "autoscaling_group")
    }
    assert terraform.log.read_text().count("show -json rehearsal.tfplan") == 2
    resources.discard(plan)
    scaling.delete_auto_scaling_group(AutoScalingGroupName="web-own-r000001", ForceDelete=True)
