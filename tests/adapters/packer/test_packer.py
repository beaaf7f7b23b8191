from __future__ import annotations

import json
import os
import stat
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pipeline.adapters.packer.build_locks import log_of
from pipeline.adapters.packer.inspection import read_manifest, read_package_lists
from pipeline.adapters.packer.packer import Packer
from pipeline.adapters.process.signals import Interrupts
from pipeline.core.bake.model import BakeRequest, BuildReport, BuildResources, Ending, Template
from pipeline.core.bake.variables import MANIFEST, PACKAGES
from pipeline.core.errors import ConfigurationError, RefusedError
from pipeline.core.events import BuildEnded, BuildStarted, Event, StepBegan
from pipeline.core.masking import Masker
from tests.adapters.packer.captures import FACTS, capture
from tests.adapters.scripted import ScriptedPacker, inspected

SECRET = "hunter2-swordfish"
NAME = "web-1"
APP = Template(old_style=True, variables=frozenset({"app"}), builds={"app": "amazon-ebs"})

# What Packer 1.6.6 prints for a template of two builds, the second with a name.
HCL2 = (
    b"1795225685,,ui,say,Packer Inspect: HCL2 mode\\n\n"
    b"1795225685,,ui,say,> input-variables:\\n\\n"
    b'var.ami_name: "x"\\nvar.app: "<unknown>"\\nvar.region: "us-east-1"\\n'
    b'var.token: "hush-hush"\\n\\n> local-variables:\\n\\nlocal.b: "c"\\n\n'
    b"1795225685,,ui,say,> builds:\\n\\n"
    b"  > <unnamed build 0>:\\n\\n"
    b"    sources:\\n\\n      amazon-ebs.app\\n\\n"
    b"    provisioners:\\n\\n      shell-local\\n\\n"
    b"    post-processors:\\n\\n      0:\\n        manifest\\n\\n"
    b"  > foo:\\n\\n"
    b"    sources:\\n\\n      amazon-ebs.app\\n\\n      amazon-ebs.east\\n\\n"
    b"    provisioners:\\n\\n      <no provisioner>\\n\\n"
    b"    post-processors:\\n\\n      <no post-processor>\\n\n"
)


@pytest.fixture
def events() -> list[Event]:
    return []


@pytest.fixture
def packer(scripted: ScriptedPacker, tmp_path: Path, events: list[Event]) -> Packer:
    environ = {
        "PATH": scripted.path,
        "HOME": str(tmp_path),
        "AWS_PROFILE": "mine",
        "TOKEN": SECRET,
        "PACKER_LOG": "1",
        "PACKER_LOG_PATH": "/tmp/x",
        "PKR_VAR_app": "mine",
        "CHECKPOINT_DISABLE": "",
    }
    return Packer(
        environ=environ,
        logs=tmp_path / "logs",
        cache=tmp_path / "cache",
        report=events.append,
        interrupts=Interrupts(),
        masker=Masker([SECRET]),
        hidden=frozenset({"TOKEN"}),
    )


@pytest.fixture
def request_(tmp_path: Path) -> BakeRequest:
    return BakeRequest(
        app="web",
        version="1.2.3",
        region="us-east-1",
        template=tmp_path / "packer" / "app.json",
        directory=tmp_path,
        timeout=30.0,
        cancel_grace=30.0,
    )


def build(
    packer: Packer,
    request: BakeRequest,
    template: Template = APP,
    variables: dict[str, Any] | None = None,
) -> tuple[BuildReport, list[BuildResources]]:
    on_resources: list[BuildResources] = []
    report = packer.build(
        request, NAME, template, variables or {}, on_resources=on_resources.append
    )
    return report, on_resources


def test_the_version_is_read_with_one_call(packer: Packer, scripted: ScriptedPacker) -> None:
    assert packer.version() == "1.6.6"
    assert [call["argv"] for call in scripted.calls] == [["version", "-machine-readable"]]


def test_packer_gets_a_filtered_environment(
    packer: Packer, scripted: ScriptedPacker, tmp_path: Path
) -> None:
    packer.version()
    env = scripted.calls[0]["env"]
    env.pop("LC_CTYPE", None)  # Python's own, where no locale is set
    assert env == {
        "PATH": scripted.path,
        "HOME": str(tmp_path),
        "AWS_PROFILE": "mine",
        "PKR_VAR_app": "mine",
        "PACKER_CACHE_DIR": str(tmp_path / "cache"),
        "CHECKPOINT_DISABLE": "1",
    }


def test_a_cache_of_the_users_own_stays(packer: Packer) -> None:
    packer.environ = {**packer.environ, "PACKER_CACHE_DIR": "/mine"}
    assert packer.environment()["PACKER_CACHE_DIR"] == "/mine"


def test_without_packer_on_path_the_message_says_where_to_get_it(
    packer: Packer, tmp_path: Path
) -> None:
    packer.environ = {"PATH": str(tmp_path / "empty")}
    with pytest.raises(RefusedError) as told:
        packer.version()
    assert str(told.value) == (
        "packer:\n  no packer on PATH\nnext: install it: apt-get install packer, "
        "or https://developer.hashicorp.com/packer/install"
    )


@pytest.mark.parametrize(
    ("output", "code", "said"),
    [
        (b"skipped: 0 words\n0 0\n", 0, "skipped: 0 words\n0 0"),
        (b"", 1, "exit code 1, no output"),
        (capture("unknown-cmd"), 127, "Prints the Packer version"),
        (b"1,,version,forged\n", 0, "1,,version,forged"),
    ],
)
def test_another_program_of_that_name_is_refused(
    packer: Packer, scripted: ScriptedPacker, output: bytes, code: int, said: str
) -> None:
    scripted.on("version", output, code=code)
    with pytest.raises(RefusedError) as told:
        packer.version()
    assert told.value.where == f"packer version ({scripted.folder / 'packer'})"
    assert said in told.value.what
    assert told.value.remedy.startswith("put HashiCorp Packer before it on PATH")


@pytest.mark.parametrize("old", ["0.12.3", "1.4.4", "1.6.5"])
def test_a_packer_that_is_too_old_is_refused(
    packer: Packer, scripted: ScriptedPacker, old: str
) -> None:
    scripted.on("version", f"1,,version,{old}\n".encode())
    with pytest.raises(RefusedError) as told:
        packer.version()
    assert f"Packer {old} is older than 1.6.6" in told.value.what


@pytest.mark.parametrize("new", ["1.6.6", "1.7.0", "1.10.3", "2.0.0"])
def test_any_newer_packer_is_accepted(packer: Packer, scripted: ScriptedPacker, new: str) -> None:
    scripted.on("version", f"1,,version,{new}\n".encode())
    assert packer.version() == new


@pytest.mark.parametrize(
    ("version", "template", "has_folder", "target"),
    [
        ("1.6.6", "app.pkr.hcl", True, None),
        ("1.7.0", "app.pkr.hcl", True, "packer/init"),
        ("1.11.0", "app.pkr.hcl", False, "packer/app.pkr.hcl"),
        ("1.11.0", "app.pkr.json", True, "packer/init"),
        ("1.11.0", "app.json", True, None),
    ],
)
def test_plugins_are_installed_if_packer_has_init(
    packer: Packer,
    scripted: ScriptedPacker,
    request_: BakeRequest,
    version: str,
    template: str,
    has_folder: bool,
    target: str | None,
) -> None:
    folder = request_.template.parent
    (folder / "init").mkdir(parents=True)
    if has_folder:
        (folder / "init" / "plugins.pkr.hcl").touch()
    scripted.on("version", f"1,,version,{version}\n".encode())
    scripted.on("init", b"Installed plugin\n")
    scripted.on("inspect", HCL2)
    packer.inspect(replace(request_, template=folder / template))
    called = [call["argv"] for call in scripted.calls if call["argv"][0] == "init"]
    argv = ["init", "-machine-readable", str(request_.directory / target)] if target else []
    assert called == ([argv] if argv else [])


def test_a_failed_plugin_installation_is_an_error(
    packer: Packer, scripted: ScriptedPacker, request_: BakeRequest
) -> None:
    scripted.on("version", b"1,,version,1.7.0\n")
    scripted.on("init", f"no network, {SECRET}\n".encode(), code=1)
    with pytest.raises(RefusedError) as told:
        packer.inspect(replace(request_, template=request_.template.with_name("app.pkr.hcl")))
    assert told.value.what == "no network, ***"


def test_an_hcl2_template_is_parsed_from_the_output_of_inspect(
    packer: Packer, scripted: ScriptedPacker, request_: BakeRequest
) -> None:
    scripted.on("inspect", HCL2)
    assert packer.inspect(request_) == Template(
        old_style=False,
        variables=frozenset({"ami_name", "app", "region", "token"}),
        builds={
            "amazon-ebs.app": "amazon-ebs",
            "foo.amazon-ebs.app": "amazon-ebs",
            "foo.amazon-ebs.east": "amazon-ebs",
        },
    )
    assert scripted.call("inspect")["argv"] == [
        "inspect",
        "-machine-readable",
        str(request_.template),
    ]
    assert scripted.call("inspect")["cwd"] == str(request_.directory)


def test_a_json_template_is_read_from_the_records(
    packer: Packer, scripted: ScriptedPacker, request_: BakeRequest
) -> None:
    scripted.on("inspect", capture("inspect-json"))
    assert packer.inspect(request_) == Template(
        old_style=True,
        variables=frozenset({"endpoint", "ssh_host", "ssh_port", "transfer", "version"}),
        builds={"amazon-ebs": "amazon-ebs"},
    )


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("bad-hcl", "Error: Argument or block definition required"),
        ("bad-json", "Failed to parse template"),
        ("dup", "builder with name 'app' already exists"),
        ("no-template", "no such file or directory"),
    ],
)
def test_an_unreadable_template_is_a_configuration_error_with_packers_output(
    packer: Packer, scripted: ScriptedPacker, request_: BakeRequest, name: str, said: str
) -> None:
    scripted.on("inspect", capture(name), code=1)
    with pytest.raises(ConfigurationError) as told:
        packer.inspect(request_)
    assert said in told.value.what
    assert told.value.where == f"packer inspect {request_.template}"
    assert told.value.remedy == f"fix app.json, then: packer validate {request_.template}"


def test_a_missing_folder_is_not_reported_as_a_missing_packer(
    packer: Packer, request_: BakeRequest
) -> None:
    with pytest.raises(ConfigurationError) as told:
        packer.inspect(replace(request_, directory=Path("/nowhere")))
    assert told.value.what == "/nowhere is not a folder"


def test_validation_passes_the_variables_in_a_private_file(
    packer: Packer, scripted: ScriptedPacker, request_: BakeRequest
) -> None:
    packer.validate(replace(request_, only=("a", "b.*")), APP, {"token": SECRET, "size": 3})
    call = scripted.call("validate")
    assert call["argv"] == [
        "validate",
        f"-var-file={call['var_file']}",
        "-only=a,b.*",
        str(request_.template),
    ]
    assert call["variables"] == {"token": SECRET, "size": 3}
    assert (call["mode"], call["folder_mode"]) == (0o600, 0o700)
    assert not Path(call["var_file"]).parent.exists()
    assert SECRET not in json.dumps([call["argv"], call["env"]])


@pytest.mark.parametrize(
    ("version", "evaluates"),
    [("1.6.6", False), ("1.8.4", False), ("1.8.5", True), ("1.16.0", True)],
)
def test_validation_evaluates_data_sources_if_packer_can(
    packer: Packer,
    scripted: ScriptedPacker,
    request_: BakeRequest,
    version: str,
    evaluates: bool,
) -> None:
    scripted.on("version", f"1,,version,{version}\n".encode())
    packer.validate(request_, replace(APP, old_style=False), {})
    assert ("-evaluate-datasources" in scripted.call("validate")["argv"]) == evaluates


def test_a_template_with_data_sources_is_read_with_credentials_and_known_variables(
    packer: Packer, scripted: ScriptedPacker, request_: BakeRequest
) -> None:
    template = request_.template.with_name("app.pkr.hcl")
    template.parent.mkdir()
    template.write_text(
        'variable "region" {}\nvariable "owner" {}\nvariable "more" {}\n'
        'data "amazon-ami" "base" { region = var.region }\n'
    )
    request = replace(
        request_, template=template, variables={"owner": "self", "elsewhere": "no"}, only=("x",)
    )
    packer.credentials = lambda environ, _: {**environ, "AWS_SECRET_ACCESS_KEY": "k" * 40}
    scripted.on("version", b"1,,version,1.16.0\n")
    scripted.on("init", b"")
    scripted.on("inspect", b"1,,ui,error," + b"k" * 40 + b"\n", code=1)
    with pytest.raises(ConfigurationError) as told:
        packer.inspect(request)
    packer.validate(request, replace(APP, old_style=False), {})
    inspect, validate = scripted.call("inspect"), scripted.call("validate")
    assert told.value.what == "***"
    assert inspect["variables"] == {"region": "us-east-1", "owner": "self"}
    assert inspect["mode"] == 0o600
    assert inspect["argv"] == [
        "inspect",
        "-machine-readable",
        f"-var-file={inspect['var_file']}",
        str(template),
    ]
    for call in (inspect, validate):
        assert call["env"]["AWS_SECRET_ACCESS_KEY"] == "k" * 40
        assert call["env"]["AWS_REGION"] == "us-east-1"


@pytest.mark.parametrize("name", ["validate-bad", "unknown-builder", "prepare-error-hcl2"])
def test_errors_of_validate_are_masked_and_have_no_traceback(
    packer: Packer, scripted: ScriptedPacker, request_: BakeRequest, name: str
) -> None:
    scripted.on("validate", capture(name) + f"1,,ui,error,{SECRET}\n".encode(), code=1)
    with pytest.raises(ConfigurationError) as told:
        packer.validate(request_, APP, {})
    assert told.value.what.startswith("Error:")
    assert told.value.what.endswith("***")


def test_plain_output_of_validate_is_reported_too(
    packer: Packer, scripted: ScriptedPacker, request_: BakeRequest
) -> None:
    scripted.on("validate", b'Error: Unset variable "app"\n\nA used variable must be set\n', code=1)
    with pytest.raises(ConfigurationError) as told:
        packer.validate(request_, APP, {})
    assert told.value.what == 'Error: Unset variable "app"\nA used variable must be set'


def test_a_build_has_this_command_line(
    packer: Packer, scripted: ScriptedPacker, request_: BakeRequest
) -> None:
    scripted.on("build", capture("force"))
    build(packer, replace(request_, only=("app",)), variables={"token": SECRET})
    call = scripted.call("build")
    assert call["argv"] == [
        "build",
        "-machine-readable",
        "-color=false",
        "-on-error=cleanup",
        f"-var-file={call['var_file']}",
        "-only=app",
        str(request_.template),
    ]
    assert (call["mode"], call["variables"]) == (0o600, {"token": SECRET})
    assert not Path(call["var_file"]).exists()
    assert SECRET not in json.dumps([call["argv"], call["env"]])


def test_a_successful_build_has_this_report(
    packer: Packer, scripted: ScriptedPacker, request_: BakeRequest, events: list[Event]
) -> None:
    scripted.on("build", capture("force"))
    report, on_resources = build(packer, request_)
    assert (report.ending, report.code) == (Ending.EXITED, 0)
    assert report.expected == ("app",)
    assert report.images == FACTS["force"].images
    assert report.manifest is None
    assert report.source_ami == "ami-03cf127a"
    assert report.log == packer.logs / "web-1.log"
    assert on_resources[-1] == report.resources
    assert isinstance(events[0], BuildStarted)
    assert isinstance(events[1], StepBegan)
    assert isinstance(events[-1], BuildEnded)
    assert events[-1].how == "succeeded"


def test_the_log_is_private_readable_and_masked(
    packer: Packer, scripted: ScriptedPacker, request_: BakeRequest
) -> None:
    scripted.on("build", f"1,,ui,message,    app: a%!(PACKER_COMMA) {SECRET}\n".encode())
    report, _ = build(packer, request_)
    assert report.log.read_bytes() == b"1     app: a, ***\n"
    assert stat.S_IMODE(report.log.stat().st_mode) == 0o600


def test_a_failed_build_has_packers_masked_output(
    packer: Packer, scripted: ScriptedPacker, request_: BakeRequest, events: list[Event]
) -> None:
    scripted.on("build", f"1,,ui,error,==> app: {SECRET}\n1,app,error,{SECRET}\n".encode(), code=1)
    report, _ = build(packer, request_)
    assert report.failures == {"app": "***"}
    assert report.last_lines == ("***",)
    assert isinstance(events[-1], BuildEnded)
    assert events[-1].how == "failed"


def test_a_build_gets_its_own_manifest_if_the_template_has_the_variable(
    packer: Packer, scripted: ScriptedPacker, request_: BakeRequest
) -> None:
    template = replace(APP, variables=frozenset({"manifest"}))
    builds = [{"artifact_id": "us-east-1:ami-1,eu-west-1:ami-2"}, {"artifact_id": "x"}]
    scripted.on("build", capture("force"), writes={"manifest": json.dumps({"builds": builds})})
    report, _ = build(packer, request_, template, {"manifest": MANIFEST})
    assert report.manifest == {"us-east-1": "ami-1", "eu-west-1": "ami-2"}


def test_a_build_returns_the_lists_of_packages_that_it_downloaded(
    packer: Packer, scripted: ScriptedPacker, request_: BakeRequest
) -> None:
    """One build writes the file; each of several writes one with the name of its source."""
    template = replace(APP, variables=frozenset({"packages_file"}))
    table: tuple[tuple[str, dict[str, str], dict[str, str]], ...] = (
        ("force", {"packages_file": "curl\t8.1\n"}, {"app": "curl\t8.1\n"}),
        ("force", {"packages_file-app": "curl\t8.2\n"}, {"app": "curl\t8.2\n"}),
        ("force", {}, {}),
    )
    for output, writes, packages in table:
        scripted.on("build", capture(output), writes=writes)
        report, _ = build(packer, request_, template, {"packages_file": PACKAGES})
        assert report.packages == packages


def test_each_of_several_builds_has_a_list_of_its_own(tmp_path: Path) -> None:
    path, builds = tmp_path / "packages.txt", ("amazon-ebs.x86", "amazon-ebs.arm")
    path.write_text("both\t1\n")
    assert read_package_lists(path, builds) == {}
    (tmp_path / "packages.txt-arm").write_bytes(b"curl\t8.1\xff\n")
    assert read_package_lists(path, builds) == {"amazon-ebs.arm": "curl\t8.1\ufffd\n"}


NO_MANIFESTS = ["", "{", "[]", "{}", '{"builds": [{}]}', '{"builds": 3}']


@pytest.mark.parametrize("content", [*NO_MANIFESTS, '{"builds": [{"artifact_id": 3}]}'])
def test_an_invalid_manifest_is_none(tmp_path: Path, content: str) -> None:
    path = tmp_path / "manifest.json"
    path.write_text(content)
    assert read_manifest(path) is None
    assert read_manifest(tmp_path / "missing.json") is None


def test_a_crash_of_packer_is_shown_with_its_panic(
    packer: Packer, scripted: ScriptedPacker, request_: BakeRequest
) -> None:
    trace = b"".join(b"\tgoroutine %d\n" % number for number in range(40))
    crash = b"panic: runtime error: invalid memory address\n" + trace + b"!!!! PACKER CRASH !!!!\n"
    scripted.on("build", capture("force").split(b"1795220", 2)[1] + b"\n" + crash, code=2)
    report, _ = build(packer, request_)
    assert report.failures == {"": "packer crashed: panic: runtime error: invalid memory address"}
    assert report.last_lines[:2] == (
        "panic: runtime error: invalid memory address",
        "\tgoroutine 0",
    )
    scripted.on("validate", crash, code=2)
    with pytest.raises(RefusedError) as told:
        packer.validate(request_, APP, {})
    assert told.value.what.startswith("panic: runtime error: invalid memory address\n\tgoroutine 0")


def test_a_build_is_ended_after_its_timeout(
    packer: Packer, scripted: ScriptedPacker, request_: BakeRequest, events: list[Event]
) -> None:
    scripted.on("build", capture("killed-by-parent-timeout"), code=1, hangs=True)
    report, _ = build(packer, replace(request_, timeout=0.5))
    assert (report.ending, report.code) == (Ending.TIMEOUT, 1)
    assert report.failures == {}
    assert isinstance(events[-1], BuildEnded)
    assert events[-1].how == "timed out"


def test_an_unwritable_log_fails_the_build(
    packer: Packer, scripted: ScriptedPacker, request_: BakeRequest, monkeypatch: Any
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pipeline.adapters.packer.packer.readable", full, raising=False)
    monkeypatch.setattr("pipeline.adapters.packer.stream.readable", full)
    scripted.on("build", capture("force"))
    report, _ = build(packer, request_)
    assert report.failures == {"": "the log could not be written: No space left on device"}
    assert report.code == -1


def test_an_unwritable_store_ends_the_build(
    packer: Packer, scripted: ScriptedPacker, request_: BakeRequest
) -> None:
    def refuse(_: BuildResources) -> None:
        raise RefusedError("[state] images/web-1.json", "read-only", "change it")

    scripted.on("build", capture("force"), hangs=True)
    report = packer.build(request_, NAME, APP, {}, on_resources=refuse)
    assert report.failures == {"": "[state] images/web-1.json: read-only"}
    assert report.resources.key_pairs


def test_a_log_that_is_another_users_link_is_rejected(
    packer: Packer, scripted: ScriptedPacker, request_: BakeRequest, tmp_path: Path
) -> None:
    packer.logs.mkdir()
    log_of(packer.logs, NAME).symlink_to(tmp_path / "elsewhere")
    scripted.on("build", capture("force"))
    with pytest.raises(RefusedError) as told:
        build(packer, request_)
    assert "web-1.log" in told.value.where
    assert not (tmp_path / "elsewhere").exists()
    assert scripted.calls == []


@pytest.mark.parametrize(
    ("old_style", "only", "option"),
    [
        (True, ("app", "web: prod"), ["-only=app,web: prod"]),
        (True, ("a, b",), ["-except=app,web: prod"]),
        (True, ("a, b", "app", "web: prod"), []),
        (False, ("a, b", "x.*"), ["-only=a? b,x.*"]),
        (True, (), []),
    ],
)
def test_a_build_with_a_comma_in_its_name_is_selected_without_it(
    packer: Packer,
    scripted: ScriptedPacker,
    request_: BakeRequest,
    old_style: bool,
    only: tuple[str, ...],
    option: list[str],
) -> None:
    builds = dict.fromkeys(("app", "a, b", "web: prod"), "amazon-ebs")
    template = replace(APP, old_style=old_style, builds=builds)
    packer.validate(replace(request_, only=only), template, {})
    assert scripted.call("validate")["argv"][2:-1] == option


def test_the_scripted_packer_answers_inspect_as_the_real_one_does() -> None:
    assert inspected(("x",), ("app",)).splitlines()[1:] == [
        b"1,,template-variable,x,,0",
        b"1,,template-builder,app,amazon-ebs",
    ]
    assert os.access(sys.executable, os.X_OK)


def test_a_build_gets_credentials_that_last_for_it_and_their_key_is_masked(
    scripted: ScriptedPacker, packer: Packer, request_: BakeRequest
) -> None:
    key, asked = "k" * 40, []

    def given(environ: Mapping[str, str], seconds: float) -> dict[str, str]:
        asked.append(seconds)
        return {**environ, "AWS_SECRET_ACCESS_KEY": key}

    packer.credentials = given
    scripted.on("build", f"1,,ui,say,AWS_SECRET_ACCESS_KEY={key}\n".encode(), code=1)
    packer.inspect(request_)
    packer.validate(request_, APP, {})
    report, _ = build(packer, request_)
    assert asked == [request_.timeout + request_.cancel_grace]
    assert scripted.call("build")["env"]["AWS_SECRET_ACCESS_KEY"] == key
    assert "AWS_SECRET_ACCESS_KEY" not in scripted.call("inspect")["env"]
    assert report.last_lines == ("AWS_SECRET_ACCESS_KEY=***",)
    assert key not in report.log.read_text()
