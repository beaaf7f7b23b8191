"""`state show` and `state restore`: their output, prompt, errors and effect."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pipeline.adapters.store.directory import DirectoryStore
from pipeline.adapters.store.records.environments import Environments
from pipeline.adapters.store.records.once_runs import OnceRuns
from pipeline.adapters.terraform.provider_locks import ProviderLocks
from pipeline.cli.main import run
from pipeline.core.hooks.hook import OnceRun, Point
from pipeline.core.state.environment import Environment, Lease
from pipeline.core.terraform.plan_guard import Plan
from pipeline.core.terraform.provider_lock import ProviderLock, ProviderUpgrade, new_lock
from tests.cli.lease_examples import BEGUN, HELD, NOTHING

pytestmark = pytest.mark.usefixtures("place")

RESTORE = ["state", "restore", "-e", "staging"]
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


@pytest.fixture
def documents(tmp_path: Path) -> Environments:
    return Environments(DirectoryStore(tmp_path / ".ami-pipeline"))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / ".ami-pipeline/environments/staging.json"


def written(documents: Environments, **facts: object) -> None:
    found = documents.load(NOTHING)
    changed: Environment = replace(found.environment, **facts)  # type: ignore[arg-type]
    documents.save(changed, found.version)


def stored(documents: Environments) -> Environment:
    return documents.load(NOTHING).environment


def test_the_versions_are_listed_with_the_problem_and_the_next_command(
    documents: Environments, path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    written(documents, epoch=1)
    written(documents, epoch=2, deployment=BEGUN)
    path.write_text("{")
    assert run(["state", "show", "-e", "staging"]) == 0
    assert (
        TIME.sub("2026-11-21T12:00:00Z", capsys.readouterr().out)
        == f"""\
{path}
VERSION  WRITTEN               EPOCH  SERVING  IN FLIGHT                      STATE
current                                                                       is damaged: it is \
not JSON: Expecting property name enclosed in double quotes: line 1 column 2 (char 1)
1        2026-11-21T12:00:00Z  2      -        promote 20261121T120000Z-4f2a  intact
2        2026-11-21T12:00:00Z  1      -        -                              intact
next: ami-pipeline state restore -e staging
"""
    )
    assert run(["--output", "json", "state", "show", "-e", "staging"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["damaged"], told["restorable"]) == (True, 1)
    assert [each["epoch"] for each in told["earlier"]] == [2, 1]
    assert told["current"]["problem"].startswith("is damaged: ")


def test_a_damaged_document_is_restored_and_recover_is_the_next_command(
    documents: Environments, path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    written(documents, epoch=7, deployment=BEGUN, lease=replace(HELD, epoch=7))
    path.write_bytes(path.read_bytes()[:-3])
    assert run(["status", "-e", "staging"]) == 3
    assert (
        f"next: list its earlier versions: ami-pipeline state show -e staging; restore one: \
ami-pipeline {' '.join(RESTORE)}"
        in capsys.readouterr().err
    )
    assert run([*RESTORE, "--yes"]) == 0
    said = capsys.readouterr()
    assert said.out == (f"restored {path} from version 1\nnext: ami-pipeline recover -e staging\n")
    assert said.err.startswith(f"{path} is damaged: it is not JSON: ")
    assert '\n+  "epoch": 8,\n' in said.err
    found = stored(documents)
    assert (found.epoch, found.lease, found.deployment) == (8, None, BEGUN)
    assert run(["--output", "json", *RESTORE, "--yes", "--version", "1"]) == 3
    assert "is damaged" in json.loads(capsys.readouterr().out)["error"]["what"]


@pytest.mark.parametrize(
    ("answer", "code", "restored"), [("y\n", 0, True), ("n\n", 130, False), ("", 130, False)]
)
def test_only_a_yes_restores_a_version(
    answer: str,
    code: int,
    restored: bool,
    documents: Environments,
    path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    written(documents, epoch=1)
    path.write_text("")
    typed = io.StringIO(answer)
    monkeypatch.setattr(typed, "isatty", lambda: True)
    monkeypatch.setattr("sys.stdin", typed)
    assert run(RESTORE) == code
    assert "restore it now? [y/N]: " in capsys.readouterr().err
    assert bool(path.read_text()) is restored


def test_without_a_terminal_it_is_refused(
    documents: Environments, path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    written(documents, epoch=1)
    path.write_text("")
    assert run(RESTORE) == 3
    assert "next: ami-pipeline state restore -e staging --yes" in capsys.readouterr().err
    assert path.read_text() == ""


def test_a_named_version_is_restored_over_an_intact_document(
    documents: Environments, capsys: pytest.CaptureFixture[str]
) -> None:
    written(documents, next=2)
    written(documents, next=3, deployment=BEGUN)
    assert run([*RESTORE, "--yes"]) == 3
    assert "is intact: there is nothing to restore" in capsys.readouterr().err
    assert run(["--output", "json", *RESTORE, "--yes", "--version", "1"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["restored"], told["next"]) == (1, "ami-pipeline status -e staging")
    assert (stored(documents).deployment, stored(documents).next) == (None, 3)


@pytest.mark.parametrize("damaged", [False, True])
def test_nothing_is_restored_while_a_run_holds_the_lease(
    damaged: bool, documents: Environments, path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    soon = (datetime.now(UTC) + timedelta(seconds=50)).isoformat(timespec="seconds")
    lease: Lease = replace(HELD, expires=soon)
    written(documents, next=2)
    written(documents, next=3, epoch=7, lease=lease)
    if damaged:
        path.write_text("")
    before = path.read_bytes()
    assert run([*RESTORE, "--yes", "--version", "1"]) == 6
    assert "held by ann@ci-7 (pid 4242)" in capsys.readouterr().err
    assert path.read_bytes() == before


def test_without_earlier_versions_the_error_names_a_backup(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run([*RESTORE, "--yes"]) == 3
    assert capsys.readouterr().err.endswith(
        "  the store has no earlier version of it\n"
        "next: restore it from a backup of the directory\n"
    )
    assert run(["state", "show", "-e", "staging"]) == 0
    assert capsys.readouterr().out.endswith(
        "the store has no earlier version\n"
        "next: if the environment was deployed before, restore a backup of the store, or fix "
        "[state] url in pipeline.toml\n"
    )


def test_a_damaged_document_cannot_control_the_terminal(
    documents: Environments, path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    written(documents, epoch=1)
    path.write_text("\x1b[2J::error::x\n  \x07y\n" + "z\n" * 300)
    assert run([*RESTORE, "--yes"]) == 0
    said = capsys.readouterr().err
    assert not {"\x1b", "\x07"} & set(said)
    assert "\n-: :error::x\n-  y\n" in said
    assert re.search(r"\.\.\. and \d+ more lines\n", said)


# --- providers ------------------------------------------------------------------------------------

PROVIDERS = ["state", "providers", "-e", "staging"]
AWS = "registry.terraform.io/hashicorp/aws"


def lock_of(version: str) -> ProviderLock:
    text = f'provider "{AWS}" {{\n  version = "{version}"\n}}\n'
    return new_lock(text, "linux_amd64", "darwin_arm64")


def upgrading(
    monkeypatch: pytest.MonkeyPatch, before: dict[str, str], version: str = "5.100.0"
) -> None:
    """Have an upgrade find a version, and ask about it if it is another."""
    plan = Plan(file=None, changes=(), summary="Plan: 0 to add, 0 to change, 0 to destroy.")
    upgrade = ProviderUpgrade(before=before, lock=lock_of(version), plan=plan)

    def upgrade_providers(
        _app: object, _environment: str, confirm: Callable[[ProviderUpgrade], bool]
    ) -> ProviderUpgrade | None:
        return upgrade if not upgrade.changes or confirm(upgrade) else None

    monkeypatch.setattr("pipeline.app.state.upgrade_providers", upgrade_providers)


def test_the_recorded_providers_are_listed(
    documents: Environments, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(PROVIDERS) == 0
    assert capsys.readouterr().out == (
        "no provider is recorded; the next deployment records the versions that it uses\n"
    )
    locks = ProviderLocks(store=documents.store, environment="staging")
    locks.write("terraform", lock_of("5.100.0"), None)
    assert run(PROVIDERS) == 0
    assert (
        capsys.readouterr().out
        == """\
PROGRAM    PROVIDER                             VERSION  PLATFORMS
terraform  registry.terraform.io/hashicorp/aws  5.100.0  darwin_arm64, linux_amd64
"""
    )
    assert run(["--output", "json", *PROVIDERS]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["programs"]["terraform"]["providers"] == {AWS: "5.100.0"}


def test_an_upgrade_shows_versions_and_plan_before_the_prompt(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    upgrading(monkeypatch, {AWS: "5.99.0"})
    assert run([*PROVIDERS, "--upgrade", "--yes"]) == 0
    told = capsys.readouterr()
    assert told.out == f"recorded {AWS} 5.100.0\n"
    assert told.err == (f"{AWS}  5.99.0  ->  5.100.0\nPlan: 0 to add, 0 to change, 0 to destroy.\n")
    assert run(["--output", "json", *PROVIDERS, "--upgrade", "--yes"]) == 0
    assert json.loads(capsys.readouterr().out)["changes"] == [
        {"provider": AWS, "before": "5.99.0", "after": "5.100.0"}
    ]


def test_an_upgrade_to_the_recorded_versions_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    upgrading(monkeypatch, {AWS: "5.100.0"})
    assert run([*PROVIDERS, "--upgrade", "--yes"]) == 0
    assert capsys.readouterr().out == (
        "the recorded providers are the newest that the configuration allows\n"
    )


def test_an_upgrade_that_is_not_confirmed_records_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    upgrading(monkeypatch, {AWS: "5.99.0"})
    terminal = io.StringIO("n\n")
    terminal.isatty = lambda: True  # type: ignore[method-assign]
    monkeypatch.setattr("sys.stdin", terminal)
    assert run([*PROVIDERS, "--upgrade"]) == 130
    told = capsys.readouterr().err
    assert "record these versions now? [y/N]: " in told
    assert "not confirmed: nothing was changed" in told


def test_an_upgrade_without_a_terminal_needs_yes(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO())
    assert run([*PROVIDERS, "--upgrade"]) == 3
    told = capsys.readouterr().err
    assert "next: ami-pipeline state providers -e staging --upgrade --yes" in told


# --- hooks ----------------------------------------------------------------------------------------

HOOKS = ["state", "hooks", "-e", "staging"]
MIGRATION = OnceRun(
    image="ami-00000000000000002",
    at=Point.BEFORE_LAUNCH,
    command=("./migrate", "a b"),
    deployment="20261121T120000Z-4f2a",
    release="r000002",
    began="2026-11-21T12:00:00+00:00",
)


@pytest.fixture
def once(documents: Environments) -> OnceRuns:
    records = OnceRuns(documents.store, "staging")
    records.begin(MIGRATION)
    return records


def test_a_hook_whose_end_is_unknown_is_listed_with_what_to_do(
    once: OnceRuns, capsys: pytest.CaptureFixture[str]
) -> None:
    warmup = replace(MIGRATION, at=Point.AFTER, command=("warm",), began="2026-11-22")
    once.begin(warmup)
    once.end(warmup, ended="2026-11-23", code=2)
    assert run(HOOKS) == 0
    assert (
        capsys.readouterr().out
        == """\
IMAGE                  POINT          COMMAND          BEGAN                      ENDED           \
         DEPLOYMENT
ami-00000000000000002  before-launch  ./migrate 'a b'  2026-11-21T12:00:00+00:00  unknown         \
         20261121T120000Z-4f2a
ami-00000000000000002  after          warm             2026-11-22                 2026-11-23, exit\
 code 2  20261121T120000Z-4f2a
next: find out whether the program has ended and what it did, then:
  ami-pipeline state hooks -e staging --ended  # it did its work
  ami-pipeline state hooks -e staging --again  # run it again
"""
    )


def test_a_person_says_that_a_hook_ended(
    once: OnceRuns, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["--output", "json", *HOOKS, "--ended", "--image", "ami-1"]) == 3
    assert run(["--output", "json", *HOOKS, "--ended"]) == 0
    told = json.loads(capsys.readouterr().out.split("\n{")[-1].join(["{", ""]))
    assert [each["code"] for each in told["hooks"]] == [0]
    found = once.find(MIGRATION)
    assert found
    assert found.is_done


def test_a_person_lets_a_hook_run_again(once: OnceRuns, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*HOOKS, "--ended", "--again"]) == 2
    assert run([*HOOKS, "--again"]) == 0
    assert capsys.readouterr().out == "no hook with once has run in staging\n"
    assert once.all() == ()
    assert run([*HOOKS, "--again"]) == 3


def test_a_hook_is_not_settled_while_a_run_holds_the_lease(
    once: OnceRuns, documents: Environments
) -> None:
    expires = (datetime.now(UTC) + timedelta(minutes=5)).isoformat()
    written(documents, epoch=7, lease=replace(HELD, epoch=7, expires=expires))
    assert run([*HOOKS, "--ended"]) == 6
    assert once.all() == (MIGRATION,)
