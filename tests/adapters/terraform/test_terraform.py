from __future__ import annotations

import json
import stat
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.adapters.process.signals import Interrupts
from pipeline.adapters.terraform import terraform as module
from pipeline.adapters.terraform.stream import RunOutput
from pipeline.adapters.terraform.terraform import PLANNING, SHORT, Terraform
from pipeline.core.errors import FailedError, PipelineError, RefusedError
from pipeline.core.events import Event, Message, ToolEnded
from pipeline.core.terraform.root_module import Diagnostic
from tests.adapters.scripted import ScriptedTerraform

CAPTURES = Path(__file__).parents[2] / "captures/terraform-1.11.4"
# What Terraform 1.11.4 prints for a module that does not declare an input, shortened.
INVALID = b"""{
  "format_version": "1.0",
  "valid": false,
  "error_count": 1,
  "warning_count": 1,
  "diagnostics": [
    {
      "severity": "warning",
      "summary": "Deprecated attribute",
      "detail": "The attribute \\"name\\" is deprecated.",
      "range": {"filename": "../mod/main.tf", "start": {"line": 1, "column": 1, "byte": 0}}
    },
    {
      "severity": "error",
      "summary": "Extraneous JSON object property",
      "detail": "No argument or block type is named \\"releases\\".",
      "range": {"filename": "main.tf.json", "start": {"line": 38, "column": 7, "byte": 795}}
    }
  ]
}
"""
UNDECLARED = Diagnostic(
    summary="Extraneous JSON object property",
    detail='No argument or block type is named "releases".',
    file="main.tf.json",
    line=38,
)
WARNING = b"There are some problems with the CLI configuration:\n| Warning: no such {file}\n\n"


@pytest.fixture
def scripted(tmp_path: Path) -> ScriptedTerraform:
    return ScriptedTerraform.make(tmp_path / "bin")


@pytest.fixture
def events() -> list[Event]:
    return []


@pytest.fixture
def terraform(scripted: ScriptedTerraform, tmp_path: Path, events: list[Event]) -> Terraform:
    interrupts = Interrupts()
    interrupts.install()
    return Terraform(
        environ={
            "PATH": scripted.path,
            "AWS_PROFILE": "mine",
            "TF_CLI_CONFIG_FILE": "/mirror.rc",
            "TF_PLUGIN_CACHE_DIR": "/cache",
            "TF_TOKEN_registry_example_org": "token",
            "TF_CLI_ARGS": "-bogus",
            "TF_CLI_ARGS_init": "-upgrade",
            "TF_VAR_releases": "{}",
            "TF_LOG": "trace",
            "TF_LOG_PATH": "/tmp/trace",
            "TF_WORKSPACE": "other",
            "TF_DATA_DIR": "/tmp/data",
            "TF_REATTACH_PROVIDERS": "{}",
            "TF_INPUT": "1",
        },
        log=tmp_path / "logs/terraform-web-production.log",
        report=events.append,
        interrupts=interrupts,
    )


def test_each_command_has_these_arguments_and_runs_in_the_folder(
    scripted: ScriptedTerraform, terraform: Terraform, tmp_path: Path, events: list[Event]
) -> None:
    folder = tmp_path / "root"
    folder.mkdir()
    assert terraform.program().version == "1.11.4"
    assert terraform.init(folder) == ()
    assert terraform.validate(folder) == ()
    assert [call["argv"] for call in scripted.calls] == [
        ["version"],
        ["init", "-backend=false", "-input=false", "-json"],
        ["validate", "-json"],
    ]
    assert [call["cwd"] for call in scripted.calls][1:] == [str(folder)] * 2
    assert [each for each in events if isinstance(each, Message)] == [
        Message(text=f"terraform init in {folder}"),
        Message(text=f"terraform validate in {folder}"),
    ]
    ended = [each for each in events if isinstance(each, ToolEnded)]
    assert [(each.tool, each.command, each.code) for each in ended] == [
        ("terraform", "init", 0),
        ("terraform", "validate", 0),
    ]
    assert all(0 < each.seconds < 60 for each in ended)


def test_terraform_gets_a_filtered_environment(
    scripted: ScriptedTerraform, terraform: Terraform, tmp_path: Path
) -> None:
    terraform.validate(tmp_path)
    seen = scripted.call("validate")["env"]
    seen.pop("LC_CTYPE", None)  # Python's own, in the scripted program
    assert seen == {
        "PATH": scripted.path,
        "AWS_PROFILE": "mine",
        "TF_CLI_CONFIG_FILE": "/mirror.rc",
        "TF_PLUGIN_CACHE_DIR": "/cache",
        "TF_TOKEN_registry_example_org": "token",
        "TF_IN_AUTOMATION": "1",
        "TF_INPUT": "0",
        "TF_WORKSPACE": "default",
        "CHECKPOINT_DISABLE": "1",
    }


def test_errors_are_returned_without_warnings(
    scripted: ScriptedTerraform, terraform: Terraform, tmp_path: Path
) -> None:
    scripted.on("validate", INVALID, code=1)
    assert terraform.validate(tmp_path) == (UNDECLARED,)
    scripted.on("validate", WARNING + INVALID, code=1)
    assert terraform.validate(tmp_path) == (UNDECLARED,)


def test_errors_of_init_are_parsed_line_by_line(
    scripted: ScriptedTerraform, terraform: Terraform, tmp_path: Path
) -> None:
    severe = {
        "severity": "error",
        "summary": "Failed to query available provider packages",
        "detail": "Could not retrieve the list of available versions",
    }
    lines = [
        {"@level": "info", "type": "version", "terraform": "1.11.4"},
        {"@level": "warn", "type": "diagnostic", "diagnostic": {**severe, "severity": "warning"}},
        {"@level": "error", "type": "diagnostic", "diagnostic": severe},
    ]
    output = WARNING + b"".join(json.dumps(line).encode() + b"\n" for line in lines)
    scripted.on("init", output, code=1)
    assert terraform.init(tmp_path) == (
        Diagnostic(summary=severe["summary"], detail=severe["detail"]),
    )


def test_a_failure_without_a_diagnostic_has_the_last_ten_lines(
    scripted: ScriptedTerraform, terraform: Terraform, tmp_path: Path
) -> None:
    scripted.on("init", b"".join(b"line %d\n" % number for number in range(12)), code=2)
    with pytest.raises(RefusedError) as told:
        terraform.init(tmp_path)
    assert told.value.where == f"terraform init in {tmp_path}"
    assert told.value.what.split("\n") == ["exit code 2", *(f"| line {n}" for n in range(2, 12))]
    assert told.value.remedy == f"read {terraform.log}"


def test_the_log_has_each_command_and_its_output(
    scripted: ScriptedTerraform, terraform: Terraform, tmp_path: Path
) -> None:
    scripted.on("validate", INVALID, code=1)
    terraform.init(tmp_path)
    terraform.validate(tmp_path)
    log = terraform.log.read_bytes()
    assert log.startswith(b"$ terraform init -backend=false -input=false -json\n")
    assert log.endswith(b"$ terraform validate -json\n" + INVALID)
    assert stat.S_IMODE(terraform.log.stat().st_mode) == 0o600


def test_a_signal_ends_terraform_before_it_is_raised(
    scripted: ScriptedTerraform, terraform: Terraform, tmp_path: Path
) -> None:
    scripted.on("init", b"downloading\n*stopped\n", interrupted_before=b"*")
    with pytest.raises(KeyboardInterrupt):
        terraform.init(tmp_path)
    assert terraform.log.read_bytes().endswith(b"downloading\n*stopped\n")


def test_a_command_that_does_not_end_is_an_error(
    scripted: ScriptedTerraform,
    terraform: Terraform,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    terraform.program()
    monkeypatch.setattr(module, "SHORT", 0.3)
    scripted.on("validate", b"", hangs=True)
    with pytest.raises(RefusedError) as told:
        terraform.validate(tmp_path)
    assert told.value.what == "did not end within 0.3s"


def test_a_state_file_in_the_current_folder_is_not_read(
    scripted: ScriptedTerraform, terraform: Terraform, tmp_path: Path
) -> None:
    """python-terraform's constructor would, and fail on this one."""
    assert Path.cwd() == tmp_path
    (tmp_path / "terraform.tfstate").write_text("{")
    (tmp_path / ".terraform").mkdir()
    (tmp_path / ".terraform/terraform.tfstate").write_text("{")
    assert terraform.validate(tmp_path) == ()
    assert scripted.call("validate")


PLANNED = (CAPTURES / "launch.log").read_bytes()
APPLIED = (CAPTURES / "apply-launch.log").read_bytes()
ERRORED = (CAPTURES / "errored.log").read_bytes()


def test_a_plan_is_saved_in_a_private_file(
    scripted: ScriptedTerraform, terraform: Terraform, tmp_path: Path
) -> None:
    scripted.on("plan", PLANNED)
    said = terraform.plan(tmp_path, tmp_path / "a.tfplan")
    assert said.summary == "Plan: 3 to add, 0 to change, 0 to destroy."
    assert scripted.call("plan")["argv"] == [
        "plan",
        "-json",
        "-out=a.tfplan",
        "-input=false",
        "-lock-timeout=60s",
    ]
    assert (tmp_path / "a.tfplan").read_text() == "planned"
    assert stat.S_IMODE((tmp_path / "a.tfplan").stat().st_mode) == 0o600


def test_a_saved_plan_is_shown_without_a_word_in_the_log(
    scripted: ScriptedTerraform, terraform: Terraform, tmp_path: Path
) -> None:
    scripted.on("show", b'Warning: x\n{"resource_changes": ["canary-7c1"]}\n')
    assert terraform.show(tmp_path, tmp_path / "a.tfplan") == {"resource_changes": ["canary-7c1"]}
    assert scripted.call("show")["argv"] == ["show", "-json", "a.tfplan"]
    assert "canary-7c1" not in terraform.log.read_text()
    scripted.on("show", b"", code=1)
    with pytest.raises(RefusedError, match="exit code 1"):
        terraform.show(tmp_path, tmp_path / "a.tfplan")


def test_a_plan_may_be_of_a_few_addresses(
    scripted: ScriptedTerraform, terraform: Terraform, tmp_path: Path
) -> None:
    scripted.on("plan", PLANNED)
    terraform.plan(tmp_path, tmp_path / "a.tfplan", ['x.y["r000001"]', "z"])
    assert scripted.call("plan")["argv"][5:] == ['-target=x.y["r000001"]', "-target=z"]


def test_an_apply_uses_the_saved_plan_and_reports_its_steps(
    scripted: ScriptedTerraform, terraform: Terraform, tmp_path: Path, events: list[Event]
) -> None:
    scripted.on("apply", APPLIED)
    said = terraform.apply(tmp_path, tmp_path / "a.tfplan", timeout=30)
    assert said.errors == []
    assert scripted.call("apply")["argv"] == [
        "apply",
        "-json",
        "-input=false",
        "-lock-timeout=60s",
        "a.tfplan",
    ]
    assert events[:3] == [
        Message(text=f"terraform apply in {tmp_path}"),
        Message(text="terraform: creating aws_launch_template r000002"),
        Message(text="terraform: created aws_launch_template r000002"),
    ]


def test_the_backend_is_initialized_if_requested(
    scripted: ScriptedTerraform, terraform: Terraform, tmp_path: Path
) -> None:
    assert terraform.init(tmp_path, backend=True) == ()
    assert scripted.call("init")["argv"] == ["init", "-input=false", "-json"]


def test_the_state_is_listed(
    scripted: ScriptedTerraform, terraform: Terraform, tmp_path: Path
) -> None:
    scripted.on(
        "state", WARNING + b'module.release.aws_x.this["r000001"]\nmodule.release.aws_y.z\n'
    )
    known = ('module.release.aws_x.this["r000001"]', "module.release.aws_y.z")
    assert terraform.state(tmp_path) == known
    assert scripted.call("state")["argv"] == ["state", "list", "-no-color"]
    scripted.on("state", b"\nError: Failed to load state\n", code=1)
    with pytest.raises(RefusedError) as told:
        terraform.state(tmp_path)
    assert told.value.where == f"terraform state list in {tmp_path}"
    assert told.value.what == "exit code 1\n| Error: Failed to load state"


PROGRAMS = ("terraform-1.11.4", "terraform-1.15.5", "opentofu-1.12.6")


def said_by(program: str, name: str) -> bytes:
    """Return what a program printed, to stderr first: an order that one pipe may show."""
    files = (CAPTURES.parent / program / f"{name}.{end}" for end in ("err", "out"))
    return b"".join(file.read_bytes() for file in files if file.exists())


@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize("case", ["state-list-no-state", "state-list-no-state-with-cli-warning"])
def test_a_state_that_does_not_exist_yet_has_no_resources(
    scripted: ScriptedTerraform, terraform: Terraform, tmp_path: Path, program: str, case: str
) -> None:
    scripted.on("version", said_by(program, "version"))
    scripted.on("state", said_by(program, case), code=1)
    assert terraform.state(tmp_path) == ()


def test_opentofu_gets_its_encryption_and_its_errors_name_it(
    scripted: ScriptedTerraform, terraform: Terraform, tmp_path: Path
) -> None:
    passphrase = "correct-horse-battery-staple"
    secret = f'key_provider "pbkdf2" "k" {{ passphrase = "{passphrase}" }}'
    terraform.environ = {**terraform.environ, "TF_ENCRYPTION": secret}
    scripted.on("version", said_by("opentofu-1.12.6", "version"))
    scripted.on("plan", said_by("opentofu-1.12.6", "plan-create") + passphrase.encode())
    terraform.plan(tmp_path, tmp_path / "a.tfplan")
    assert scripted.call("plan")["env"]["TF_ENCRYPTION"] == secret
    assert passphrase not in terraform.log.read_text()
    assert terraform.log.read_text().startswith("$ tofu plan -json")
    replace(terraform, encrypts=False).validate(tmp_path)
    assert "TF_ENCRYPTION" not in scripted.call("validate")["env"]
    scripted.on("state", said_by("opentofu-1.12.6", "state-list-encrypted-without-key"), code=1)
    with pytest.raises(RefusedError) as told:
        terraform.state(tmp_path)
    assert told.value.where == f"tofu state list in {tmp_path}"
    assert told.value.remedy == (
        "set TF_ENCRYPTION to the configuration that encrypted the state, then try again"
    )


@pytest.mark.parametrize(("verb", "kind"), [("plan", RefusedError), ("apply", FailedError)])
def test_a_failed_command_without_a_diagnostic_has_its_last_lines(
    scripted: ScriptedTerraform,
    terraform: Terraform,
    tmp_path: Path,
    verb: str,
    kind: type[PipelineError],
) -> None:
    scripted.on(verb, b"panic: oh\ngoroutine 1\n", code=2)
    with pytest.raises(kind) as told:
        run_verb(terraform, tmp_path, verb)
    assert told.value.what == "exit code 2\n| panic: oh\n| goroutine 1"
    scripted.on(verb, ERRORED, code=1)
    assert len(run_verb(terraform, tmp_path, verb).errors) == 3


def run_verb(terraform: Terraform, folder: Path, verb: str) -> RunOutput:
    if verb == "plan":
        return terraform.plan(folder, folder / "a.tfplan")
    return terraform.apply(folder, folder / "a.tfplan", timeout=30)


def test_an_apply_gets_one_sigint_and_the_time_to_save_its_state(
    scripted: ScriptedTerraform, terraform: Terraform, tmp_path: Path
) -> None:
    scripted.on("apply", b"creating\n*stopping\n", interrupted_before=b"*", code=1)
    with pytest.raises(KeyboardInterrupt):
        terraform.apply(tmp_path, tmp_path / "a.tfplan", timeout=30)
    assert scripted.signals == ["SIGINT"]
    assert terraform.log.read_bytes().endswith(b"creating\n*stopping\n")


def test_inside_a_deferring_block_an_interrupted_apply_is_not_a_success(
    scripted: ScriptedTerraform, terraform: Terraform, tmp_path: Path
) -> None:
    """Even with exit code 0 what came after it must know of the signal."""
    scripted.on("apply", b"*", interrupted_before=b"*")
    done: list[str] = []
    with terraform.interrupts.held():
        with pytest.raises(KeyboardInterrupt):
            terraform.apply(tmp_path, tmp_path / "a.tfplan", timeout=30)
        with pytest.raises(KeyboardInterrupt):  # not started while a signal is unanswered
            terraform.plan(tmp_path, tmp_path / "a.tfplan")
        terraform.interrupts.answer()
        scripted.on("plan", PLANNED)
        done.append(terraform.plan(tmp_path, tmp_path / "a.tfplan").summary)
    assert done == ["Plan: 3 to add, 0 to change, 0 to destroy."]
    assert [call["argv"][0] for call in scripted.asked] == ["apply", "plan"]


def test_an_apply_that_does_not_end_after_its_sigint_is_killed(
    scripted: ScriptedTerraform, terraform: Terraform, tmp_path: Path
) -> None:
    terraform.grace = 0.3
    scripted.on("apply", b"*", interrupted_before=b"*", deaf=True)
    with pytest.raises(KeyboardInterrupt):
        terraform.apply(tmp_path, tmp_path / "a.tfplan", timeout=30)
    assert scripted.signals == ["SIGINT"]


def test_an_apply_that_takes_too_long_is_a_failure(
    scripted: ScriptedTerraform, terraform: Terraform, tmp_path: Path
) -> None:
    scripted.on("apply", b"", hangs=True)
    with pytest.raises(FailedError) as told:
        terraform.apply(tmp_path, tmp_path / "a.tfplan", timeout=0.5)
    assert told.value.what == "did not end within 0.5s"
    assert scripted.signals == ["SIGINT"]


def test_a_plan_in_a_thread_gets_the_signal(
    scripted: ScriptedTerraform, terraform: Terraform, tmp_path: Path
) -> None:
    scripted.on("plan", b"planning\n*", interrupted_before=b"*")
    interrupts, ended = terraform.interrupts, []
    with ThreadPoolExecutor(1) as pool, interrupts.held():
        future = pool.submit(terraform.plan, tmp_path, tmp_path / "a.tfplan")
        with pytest.raises(KeyboardInterrupt):
            interrupts.sleep(30)
        interrupts.answer()
        ended.append(type(future.exception(30)))
    assert ended == [KeyboardInterrupt]
    assert scripted.signals == ["SIGINT"]


SECRET_KEY = "s" * 40


def test_terraform_gets_the_credentials_that_it_needs_for_each_command(
    scripted: ScriptedTerraform, terraform: Terraform, tmp_path: Path
) -> None:
    asked: list[float] = []

    def given(environ: Mapping[str, str], seconds: float) -> dict[str, str]:
        asked.append(seconds)
        others = {name: value for name, value in environ.items() if name != "AWS_PROFILE"}
        return {**others, "AWS_ACCESS_KEY_ID": "A", "AWS_SECRET_ACCESS_KEY": SECRET_KEY}

    terraform.credentials = given
    scripted.on("plan", b'{"@level":"info"}\nAWS_SECRET_ACCESS_KEY=' + SECRET_KEY.encode())
    terraform.program()
    terraform.init(tmp_path)
    terraform.validate(tmp_path)
    assert asked == []
    terraform.init(tmp_path, backend=True)
    terraform.plan(tmp_path, tmp_path / "x")
    assert asked == [5 * SHORT, PLANNING]
    seen = scripted.call("plan")["env"]
    assert (seen["AWS_ACCESS_KEY_ID"], seen["AWS_SECRET_ACCESS_KEY"]) == ("A", SECRET_KEY)
    assert "AWS_PROFILE" not in seen
    assert scripted.call("validate")["env"]["AWS_PROFILE"] == "mine"
    log = terraform.log.read_text()
    assert "AWS_SECRET_ACCESS_KEY=***" in log
    assert SECRET_KEY not in log


def test_init_takes_a_lock_file_as_it_is_or_upgrades_it(
    scripted: ScriptedTerraform, terraform: Terraform, tmp_path: Path
) -> None:
    terraform.init(tmp_path, backend=True, lockfile="readonly")
    terraform.init(tmp_path, backend=True, upgrade=True)
    assert [call["argv"] for call in scripted.asked] == [
        ["init", "-input=false", "-json", "-lockfile=readonly"],
        ["init", "-input=false", "-json", "-upgrade"],
    ]


@pytest.mark.parametrize("code", [0, 1])
def test_hashes_of_other_platforms_may_be_unavailable(
    scripted: ScriptedTerraform, terraform: Terraform, tmp_path: Path, code: int
) -> None:
    scripted.on("providers", b"Error: Could not retrieve providers for locking\n", code=code)
    assert terraform.lock_providers(tmp_path, ("linux_arm64", "darwin_arm64")) == (code == 0)
    assert scripted.call("providers")["argv"] == [
        *("providers", "lock", "-platform=linux_arm64", "-platform=darwin_arm64", "-no-color")
    ]


def test_a_registry_that_does_not_answer_in_time_is_unavailable(
    scripted: ScriptedTerraform,
    terraform: Terraform,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    terraform.program()
    monkeypatch.setattr(module, "SHORT", 0.01)
    scripted.on("providers", b"", hangs=True)
    assert not terraform.lock_providers(tmp_path, ("linux_arm64",))
