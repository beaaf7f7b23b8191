"""`doctor`: its checks of a directory, of a bucket, and of the tools."""

from __future__ import annotations

import errno
import json
import os
import stat
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from local_cloud.patches import s3
from local_cloud.patches.patching import apply, patches_of
from pipeline.adapters.aws.client import Clients
from pipeline.adapters.store.directory import DirectoryStore
from pipeline.adapters.store.doctor import directory as doctor_directory
from pipeline.adapters.store.doctor.bucket import BucketCheckup
from pipeline.adapters.store.doctor.directory import directory_checks, mounted
from pipeline.app.environment.reader import EnvironmentReader
from pipeline.cli.main import run
from pipeline.core.doctor import Check, Grade, check_file_system
from pipeline.core.health.observation import Balancer
from tests.adapters.scripted import ScriptedPacker, ScriptedTerraform

Captured = pytest.CaptureFixture[str]
TERRAFORM = "https://developer.hashicorp.com/terraform/install"
TOFU = "install OpenTofu 1.10 or newer: https://opentofu.org/docs/intro/install/"
EXTRA = "pip install 'ami-pipeline[terraform]'"
MOUNTED = "/dev/sda1 / ext4 rw,relatime 0 0\n"


@pytest.fixture
def disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The list of mounts, which says that all is on a disk."""
    path = tmp_path / "mounts"
    path.write_text(MOUNTED)
    monkeypatch.setattr(doctor_directory, "MOUNTS", path)
    monkeypatch.setattr(directory_checks, "__defaults__", (path,))
    return path


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = ScriptedPacker.make(tmp_path / "packer-bin"), ScriptedTerraform.make(tmp_path / "bin")
    monkeypatch.setenv("PATH", os.pathsep.join(each.path for each in made))


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> None:
    """AWS accepts the credentials and has the load balancer."""
    web = Balancer(kind="elb", identifier="web", name="web")
    monkeypatch.setattr("pipeline.app.doctor.account_of", lambda *_: OURS)
    monkeypatch.setattr(EnvironmentReader, "found_balancers", ((web,), ()))
    monkeypatch.setattr("pipeline.app.environment.checkup.find_lost", lambda *_: None)


OURS, THEIRS = "123456789012", "999988887777"


def grades(checks: Iterator[Check]) -> dict[str, Grade]:
    return {check.name: check.grade for check in checks}


@pytest.mark.usefixtures("place", "disk", "tools", "account")
def test_each_check_that_passes_is_a_line(tmp_path: Path, capsys: Captured) -> None:
    assert run(["doctor", "-e", "staging"]) == 0
    told = capsys.readouterr().out
    assert (
        told
        == f"""\
ok  directory                {tmp_path}/.ami-pipeline can be created, writable
ok  locks                    a locked file is locked for others
ok  writes                   by rename, synced to the disk
ok  file system              ext4, local
ok  git                      the directory is not in a repository
ok  packer                   1.6.6
ok  template                 packer/app.pkr.hcl
ok  terraform                1.11.4
ok  files                    every file that pipeline.toml names exists
ok  credentials              of account 123456789012
ok  staging: document        no release yet
ok  staging: load balancers  web
12 checks, no problems
"""
    )
    assert not (tmp_path / ".ami-pipeline").exists()
    assert not list(tmp_path.glob(".ami-pipeline-doctor-*"))


@pytest.mark.usefixtures("place", "disk", "tools", "account")
def test_the_program_in_use_is_named(tmp_path: Path, capsys: Captured) -> None:
    ScriptedTerraform(folder=tmp_path / "bin").on("version", b"OpenTofu v1.12.6\non linux_amd64\n")
    assert run(["doctor"]) == 0
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert "ok tofu 1.12.6" in lines


@pytest.mark.usefixtures("place", "disk", "account")
def test_a_problem_has_a_remedy_and_an_exit_code(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: Captured
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert run(["doctor", "-e", "staging"]) == 3
    told = capsys.readouterr().out.splitlines()
    start = next(place for place, line in enumerate(told) if " terraform " in line)
    assert [*(" ".join(each.split()) for each in told[start : start + 2]), told[-1]] == [
        "problem terraform no terraform and no tofu on PATH",
        f"next: install Terraform 1.10 or newer: {TERRAFORM}; or {TOFU}; or: {EXTRA}",
        "11 checks, 2 problems",
    ]
    assert run(["--output", "json", "doctor", "-e", "staging"]) == 3
    document = json.loads(capsys.readouterr().out)
    assert document["healthy"] is False
    assert document["checks"][0] == {
        "name": "directory",
        "grade": "ok",
        "what": f"{tmp_path}/.ami-pipeline can be created, writable",
        "next": None,
    }


# A directory


@pytest.mark.usefixtures("disk")
def test_a_directory_that_is_not_writable_is_a_problem(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr("tempfile.TemporaryDirectory", refuse)
    (check, *_) = directory_checks(tmp_path / "state")
    assert check.grade is Grade.PROBLEM
    assert check.what == f"{tmp_path}/state is not writable: Permission denied"
    assert check.remedy.startswith(f"make {tmp_path} writable for you, or name another directory")


@pytest.mark.usefixtures("disk")
@pytest.mark.parametrize("number", [0, errno.ENOLCK])
def test_locks_without_effect_are_a_problem(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def flock(*_: object) -> None:
        if number:
            raise OSError(number, os.strerror(number))

    monkeypatch.setattr("fcntl.flock", flock)
    assert grades(directory_checks(tmp_path / "state"))["locks"] is Grade.PROBLEM


@pytest.mark.usefixtures("disk")
def test_a_file_system_that_cannot_sync_is_a_problem(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.fsync

    def fsync(handle: int) -> None:
        if stat.S_ISREG(os.fstat(handle).st_mode):
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        real(handle)

    monkeypatch.setattr("pipeline.adapters.store.directory.os.fsync", fsync)
    found = {check.name: check for check in directory_checks(tmp_path / "state")}
    assert found["writes"].grade is Grade.PROBLEM
    assert "Input/output error" in found["writes"].what


@pytest.mark.usefixtures("disk")
def test_a_state_directory_that_git_would_commit_gets_an_advice(tmp_path: Path) -> None:
    def found() -> Check:
        return {check.name: check for check in directory_checks(folder)}["git"]

    git = ["git", "-C", str(tmp_path), "-c", "init.defaultBranch=m"]
    subprocess.run([*git, "init", "-q"], check=True)
    folder = tmp_path / "state"
    assert found().grade is Grade.OK
    folder.mkdir()
    assert (found().grade, found().what) == (
        Grade.ADVICE,
        f"does not ignore {folder}: state would be committed",
    )
    assert found().remedy == f"echo '*' > {folder}/.gitignore"
    (tmp_path / ".gitignore").write_text("/state/\n")
    assert found().grade is Grade.OK
    (folder / "a").touch()
    subprocess.run([*git, "add", "-f", "state/a"], check=True)
    assert found().what == f"tracks files of {folder}: state would be committed"
    subprocess.run(found().remedy, shell=True, check=True, capture_output=True)  # noqa: S602
    assert found().grade is Grade.OK
    (tmp_path / ".gitignore").unlink()
    (folder / "a").unlink()
    DirectoryStore(folder).write("a", b"", expected=None)
    assert found().grade is Grade.OK


@pytest.mark.usefixtures("disk")
def test_a_repository_that_git_cannot_read_is_an_advice(tmp_path: Path) -> None:
    (tmp_path / ".git").write_text("gitdir: nowhere\n")
    check = {check.name: check for check in directory_checks(tmp_path / "state")}["git"]
    assert "not a git repository" in check.what or check.what == (
        "the directory is not in a repository"
    )


# A deployment


@pytest.mark.usefixtures("place", "disk", "tools", "account")
def test_what_a_deployment_needs_is_checked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    toml = tmp_path / "pipeline.toml"
    toml.write_text(toml.read_text().replace('["web"]', f'["web"]\naccount = "{THEIRS}"'))
    hook = '[[promote.hooks]]\nat = "before-traffic"\ncommand = ["./smoke.sh"]\n'
    toml.write_text(toml.read_text() + hook)
    (tmp_path / "smoke.sh").touch()
    old = Balancer(kind="elb", identifier="old", name="old")
    monkeypatch.setattr(EnvironmentReader, "found_balancers", ((), (old,)))
    store = tmp_path / ".ami-pipeline/environments"
    store.mkdir(parents=True)
    (store / "staging.json").write_text("{")
    assert run(["--output", "json", "doctor", "-e", "staging"]) == 3
    found = {each["name"]: each for each in json.loads(capsys.readouterr().out)["checks"]}
    problems = {name: each for name, each in found.items() if each["grade"] == "problem"}
    assert list(problems) == [
        "files", "staging: document", "staging: account", "staging: load balancers",
    ]  # fmt: skip
    assert f"{tmp_path}/smoke.sh is not executable" in problems["files"]["what"]
    assert "there is no classic load balancer old" in problems["staging: load balancers"]["what"]
    assert all(each["next"] for each in problems.values())


@pytest.mark.parametrize(
    ("kind", "options", "grade", "what"),
    [
        ("ext4", "rw", Grade.OK, "ext4, local"),
        (
            "nfs4",
            "rw,vers=4.2,local_lock=none",
            Grade.OK,
            "NFSv4, shared: its locks work between machines",
        ),
        ("lustre", "rw,flock", Grade.OK, "lustre, shared: its locks work between machines"),
        ("nfs", "rw,vers=3,local_lock=none", Grade.ADVICE, "NFSv3, shared: "),
        ("nfs", "rw,vers=3,nolock", Grade.PROBLEM, "nfs mounted with nolock: "),
        ("nfs4", "rw,local_lock=flock", Grade.PROBLEM, "nfs4 mounted with local_lock=flock: "),
        ("cifs", "rw,nobrl", Grade.PROBLEM, "cifs mounted with nobrl: "),
        ("cifs", "rw", Grade.ADVICE, "cifs: it is unknown whether"),
        ("fuse.sshfs", "rw", Grade.ADVICE, "sshfs: "),
        ("lustre", "rw", Grade.ADVICE, "lustre: it is unknown whether"),
        ("tmpfs", "rw", Grade.ADVICE, "tmpfs: its files are lost"),
        ("", "", Grade.ADVICE, "unknown: it is unknown whether"),
    ],
)
def test_a_file_system_is_graded_by_its_type_and_its_mount_options(
    kind: str, options: str, grade: Grade, what: str
) -> None:
    check = check_file_system(kind, options.split(","))
    assert check.grade is grade
    assert check.what.startswith(what)
    assert bool(check.remedy) is (grade is not Grade.OK)


def test_the_nearest_and_latest_mount_of_a_path_is_found(tmp_path: Path) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text(
        MOUNTED
        + "server:/a /srv/state nfs4 rw,vers=4.2 0 0\n"
        + "server:/b /srv/my\\040state nfs rw,nolock 0 0\n"
        + "tmpfs /srv/twice tmpfs rw 0 0\n/dev/sdb /srv/twice xfs rw 0 0\nodd\n"
    )
    assert mounted(Path("/srv/state/x"), mounts) == ("nfs4", ("rw", "vers=4.2"))
    assert mounted(Path("/srv/my state"), mounts) == ("nfs", ("rw", "nolock"))
    assert mounted(Path("/srv/stateless"), mounts) == ("ext4", ("rw", "relatime"))
    assert mounted(Path("/srv/twice"), mounts)[0] == "xfs"
    assert mounted(Path("/srv"), tmp_path / "none") == ("", ())


# A bucket

LACK = "credentials lack"


@pytest.fixture
def bucket(aws: Clients) -> Iterator[Callable[..., dict[str, Check]]]:
    undo = apply(patches_of(s3))

    def observation(
        name: str = "state", account: str = OURS, region: str = "us-east-1", kms_key: str = ""
    ) -> Any:
        found = BucketCheckup(
            s3=aws.s3(), bucket=name, account=account, region=region, kms_key=kms_key
        )
        return {check.name: check for check in found.checks()}

    aws.s3().create_bucket(Bucket="state")
    yield observation
    undo()


def test_the_owner_and_the_settings_of_a_bucket_are_checked(
    aws: Clients,
    bucket: Callable[..., dict[str, Check]],
) -> None:
    at: Any = {"Bucket": "state"}
    client = aws.s3()
    before = bucket()
    assert {name: check.grade for name, check in before.items() if check.grade != "ok"} == {
        "versioning": Grade.ADVICE,
        "encryption": Grade.ADVICE,
        "public access": Grade.ADVICE,
    }
    assert before["bucket"].what == "state exists and belongs to 123456789012"
    assert before["versioning"].remedy == (
        "aws s3api put-bucket-versioning --bucket state --versioning-configuration Status=Enabled"
    )
    client.put_bucket_versioning(**at, VersioningConfiguration={"Status": "Enabled"})
    rule: Any = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms"}}
    client.put_bucket_encryption(**at, ServerSideEncryptionConfiguration={"Rules": [rule]})
    names = before["public access"].what.removeprefix("is not blocked: ").split(", ")
    block: Any = dict.fromkeys(names, True)
    client.put_public_access_block(**at, PublicAccessBlockConfiguration=block)
    after = bucket(region="eu-central-1")
    assert {name: check.what for name, check in after.items()} == {
        "bucket": "state exists and belongs to 123456789012",
        "region": (
            "us-east-1, but instances run in eu-central-1: each read and write crosses regions"
        ),
        "versioning": "on: a damaged document can be restored",
        "encryption": "aws:kms by default",
        "public access": "blocked",
    }
    assert len(names) == 4


def test_the_kms_key_of_the_store_or_of_the_bucket_is_shown(
    aws: Clients, bucket: Callable[..., dict[str, Check]]
) -> None:
    shown = bucket(kms_key="alias/state")["encryption"]
    assert (shown.grade, shown.what) == (Grade.OK, "aws:kms with alias/state ([state] kms_key_id)")
    default = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": "alias/bucket"}
    rules: Any = {"Rules": [{"ApplyServerSideEncryptionByDefault": default}]}
    aws.s3().put_bucket_encryption(Bucket="state", ServerSideEncryptionConfiguration=rules)
    assert bucket()["encryption"].what == "aws:kms by default, with alias/bucket"


@pytest.mark.parametrize(
    ("name", "account", "what"),
    [
        ("none", OURS, "there is no bucket none"),
        (
            "state",
            THEIRS,
            (
                f"access to state is denied: account {THEIRS} does not own it, "
                f"or these {LACK} the permission"
            ),
        ),
    ],
)
def test_a_missing_bucket_or_one_of_another_account_is_the_last_check(
    bucket: Callable[..., dict[str, Check]], name: str, account: str, what: str
) -> None:
    found = bucket(name, account)
    assert list(found) == ["bucket"]
    assert (found["bucket"].grade, found["bucket"].what) == (Grade.PROBLEM, what)
    assert found["bucket"].remedy


@pytest.mark.usefixtures("place", "tools", "bucket", "account")
def test_the_bucket_of_the_store_is_checked(tmp_path: Path, capsys: Captured) -> None:
    path = tmp_path / "pipeline.toml"
    text = path.read_text() + '[terraform.backend]\nbucket = "state"\n[state]\nurl = "s3://state"\n'
    path.write_text(text)
    assert run(["doctor", "-e", "staging"]) == 0
    told = capsys.readouterr().out
    assert told.startswith("ok      bucket                   state exists")
    path.write_text(text + f'account = "{THEIRS}"\n')
    assert run(["doctor", "-e", "staging"]) == 3
    assert f"account {THEIRS} does not own it" in capsys.readouterr().out
