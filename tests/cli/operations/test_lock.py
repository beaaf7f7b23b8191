"""`lock show` and `lock break`: their output, prompt, errors and effect."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pipeline.adapters.store.directory import DirectoryStore
from pipeline.adapters.store.records.environments import Environments
from pipeline.app import Application, Options
from pipeline.app.environment.lease import EnvironmentLease
from pipeline.app.environment.leased import LeasedEnvironment
from pipeline.app.environment.reader import EnvironmentReader
from pipeline.app.environment.reconciler import state_lock
from pipeline.cli.main import run
from pipeline.core.errors import LeaseHeldError
from pipeline.core.hooks.hook import Hook, Point
from pipeline.core.pausing.pause import PausePolicy
from pipeline.core.state.deployment import Outcome, Result
from pipeline.core.state.environment import Environment
from pipeline.ui.operations.lock import lock_document, lock_text, warning
from tests.adapters.scripted import ScriptedTerraform
from tests.cli.lease_examples import BEGUN, HELD, NOTHING, NOW, PROMOTING

pytestmark = pytest.mark.usefixtures("place")

TEXTS = [
    (NOTHING, "", "the lease on staging is free"),
    (
        PROMOTING,
        "",
        """\
the lease on staging is held by ann@ci-7 (pid 4242) since 12:00:00+00:00, for 3m 12s; \
expires in 48s unless renewed
command: ami-pipeline promote -e staging
CI job: https://ci.example/runs/17
in flight: promote 20261121T120000Z-4f2a, in soak
if that run has died, in 48s: ami-pipeline recover -e staging
next: ami-pipeline status -e staging""",
    ),
    (
        PROMOTING,
        "bob@vm (pid 9) broke it",
        """\
the lease on staging has ended: bob@vm (pid 9) broke it
last holder: ann@ci-7 (pid 4242), since 12:00:00+00:00
command: ami-pipeline promote -e staging
CI job: https://ci.example/runs/17
in flight: promote 20261121T120000Z-4f2a, in soak; no process is running it
next: ami-pipeline recover -e staging""",
    ),
    (
        replace(PROMOTING, lease=None),
        "",
        """\
the lease on staging is free
in flight: promote 20261121T120000Z-4f2a, in soak; no process is running it
next: ami-pipeline recover -e staging""",
    ),
    (
        replace(PROMOTING, deployment=None),
        "it expired 3 s ago",
        """\
the lease on staging has ended: it expired 3 s ago
last holder: ann@ci-7 (pid 4242), since 12:00:00+00:00
command: ami-pipeline promote -e staging
CI job: https://ci.example/runs/17
no deployment is in flight: the next command takes the lease
next: ami-pipeline status -e staging""",
    ),
]


@pytest.mark.parametrize(("document", "ended", "text"), TEXTS)
def test_the_text_names_the_holder_and_the_next_command(
    document: Environment, ended: str, text: str
) -> None:
    assert lock_text(document, ended, NOW) == text


def test_the_warning_before_the_prompt_explains_a_broken_lease() -> None:
    assert warning(PROMOTING, NOW).endswith(
        """\
next: ami-pipeline status -e staging

The lease of a run that died expires within a minute, so this run is probably alive. If you
break its lease, it stops at its next step and writes nothing more. A Terraform that it is running
continues to its end."""
    )


def test_the_json_document_has_the_same_facts() -> None:
    assert lock_document(NOTHING, "") == {
        "environment": "staging",
        "held": False,
        "ended": None,
        "lease": None,
        "in_flight": None,
        "next": None,
    }
    shown = lock_document(PROMOTING, "")
    assert (shown["held"], shown["ended"], shown["in_flight"]) == (True, None, BEGUN.id)
    assert shown["lease"]["epoch"] == 7
    assert lock_document(PROMOTING, "it expired")["held"] is False


# As it is typed


@pytest.fixture
def documents(tmp_path: Path) -> Environments:
    return Environments(DirectoryStore(tmp_path / ".ami-pipeline"))


@pytest.fixture
def held(documents: Environments) -> Environment:
    """A promotion that runs on another machine."""
    now = datetime.now(UTC)
    expires = (now + timedelta(seconds=50)).isoformat(timespec="seconds")
    document = replace(PROMOTING, lease=replace(HELD, expires=expires))
    documents.save(document, None)
    return document


def stored(documents: Environments) -> Environment:
    return documents.load(NOTHING).environment


def test_a_free_environment_has_no_lease_to_show_or_to_break(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["lock", "show", "-e", "staging"]) == 0
    assert capsys.readouterr().out == "the lease on staging is free\n"
    assert run(["--output", "json", "lock", "break", "-e", "staging", "--yes"]) == 3
    assert "no run holds it" in json.loads(capsys.readouterr().out)["error"]["what"]
    assert not (tmp_path / ".ami-pipeline/environments").exists()


def test_breaking_a_lease_ends_it_and_changes_nothing_else(
    held: Environment, documents: Environments, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["--output", "json", "lock", "break", "-e", "staging", "--yes"]) == 0
    shown = json.loads(capsys.readouterr().out)
    found = stored(documents)
    assert found.lease
    assert (shown["held"], shown["next"]) == (False, "ami-pipeline recover -e staging")
    assert shown["ended"] == f"{found.lease.broken} broke it"
    assert found.epoch == held.epoch + 1
    assert found.broken == held.epoch
    was = replace(held, lease=None, epoch=0, broken=0)
    assert replace(found, lease=None, epoch=0, broken=0) == was
    assert run(["--output", "json", "lock", "show", "-e", "staging"]) == 0
    assert json.loads(capsys.readouterr().out) == shown


@pytest.mark.parametrize(
    ("answer", "code", "broken"), [("y\n", 0, True), ("n\n", 130, False), ("", 130, False)]
)
def test_only_a_yes_breaks_the_lease(
    answer: str,
    code: int,
    broken: bool,
    held: Environment,
    documents: Environments,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    typed = io.StringIO(answer)
    monkeypatch.setattr(typed, "isatty", lambda: True)
    monkeypatch.setattr("sys.stdin", typed)
    assert run(["lock", "break", "-e", "staging"]) == code
    assert "break it now? [y/N]: " in capsys.readouterr().err
    assert (stored(documents) != held) is broken


def test_without_a_terminal_it_is_refused(
    held: Environment, documents: Environments, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["lock", "break", "-e", "staging"]) == 3
    assert "next: ami-pipeline lock break -e staging --yes" in capsys.readouterr().err
    assert stored(documents) == held


def test_an_expired_lease_is_shown_as_ended_and_cannot_be_broken(
    documents: Environments, capsys: pytest.CaptureFixture[str]
) -> None:
    documents.save(PROMOTING, None)
    assert run(["lock", "show", "-e", "staging"]) == 0
    assert capsys.readouterr().out.startswith("the lease on staging has ended: it expired ")
    assert run(["lock", "break", "-e", "staging", "--yes"]) == 3
    assert "the next run takes it over" in capsys.readouterr().err


def test_the_state_lock_of_a_run_with_a_broken_lease_is_not_taken_over(
    held: Environment, documents: Environments
) -> None:
    """That run and its Terraform may still be alive, also after later leases."""
    assert run(["lock", "break", "-e", "staging", "--yes"]) == 0
    assert stored(documents).broken == held.epoch
    app = Application.start(Options(), lambda _: None)
    reader = EnvironmentReader(app=app, environment="staging")
    taken = EnvironmentLease(reader=reader).take("recover")
    taken.release()
    assert (stored(documents).broken, taken.epoch) == (held.epoch, held.epoch + 2)


@pytest.mark.parametrize(
    ("backend", "state", "owner"),
    [
        ("", ".ami-pipeline", None),
        ("states", ".ami-pipeline", ""),
        ("states", "s3://states/web", "111122223333"),
        ("states", "s3://states-too/web", ""),
    ],
)
def test_the_lock_on_a_state_in_s3_names_the_deployment_and_its_lease(
    backend: str, state: str, owner: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    text = (tmp_path / "pipeline.toml").read_text()
    text += f'[terraform.backend]\nbucket = "{backend}"\n' if backend else ""
    text += f'[state]\nurl = "{state}"\naccount = "111122223333"\n'
    (tmp_path / "pipeline.toml").write_text(text)
    app = Application.start(Options(), lambda _: None)
    reader = EnvironmentReader(app=app, environment="staging")
    reader.store = DirectoryStore(tmp_path / ".ami-pipeline")
    taken = EnvironmentLease(reader=reader).take("promote")
    ledger = LeasedEnvironment(reader=reader, held=taken).ledger(BEGUN)
    found = state_lock(reader, ledger, taken.succeeds)
    taken.release()
    assert (found and found.account) == owner
    if found:
        assert found.owner.info == f"ami-pipeline web/staging deployment {BEGUN.id} epoch 1"
        assert found.bucket.key == "web/staging.tfstate"
        assert (found.folder, found.over()) == (app.root("staging").folder, False)


def test_every_adapter_that_changes_something_is_behind_the_lease(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", ScriptedTerraform.make(tmp_path / "bin").path)
    app = Application.start(Options(), lambda _: None)
    reader = EnvironmentReader(app=app, environment="staging")
    reader.found_balancers = (), ()
    taken = EnvironmentLease(reader=reader).take("promote")
    world = LeasedEnvironment(reader=reader, held=taken).reconciler(BEGUN)
    taken.release()
    deeds: tuple[Callable[[], object], ...] = (
        lambda: world.groups.attach("g", ()),
        lambda: world.resources.adopt(()),
        lambda: world.hooks.run(Hook(at=Point.AFTER, command=("true",), timeout=1.0), {}, tuple),
    )
    for deed in deeds:
        with pytest.raises(LeaseHeldError, match="it was released"):
            deed()


# Waiting


def test_a_promotion_that_waits_goes_on_once_the_lease_is_free_and_stops_at_a_pause(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now = datetime.now(UTC)
    lease = replace(HELD, expires=(now + timedelta(minutes=1)).isoformat())
    documents = Environments(DirectoryStore(Path(".ami-pipeline")))
    version = documents.save(replace(PROMOTING, lease=lease), None)
    pause = PausePolicy().begin("drain", now.isoformat())
    outcome = Outcome(result=Result.PAUSED, phase="drain")
    paused = replace(BEGUN, pauses=(pause,), outcome=outcome)
    slept: list[float] = []

    def release(_: object, seconds: float) -> None:
        slept.append(seconds)
        documents.save(replace(PROMOTING, lease=None, deployment=paused), version)

    monkeypatch.setattr("pipeline.adapters.process.signals.Interrupts.sleep", release)
    assert run(["promote", "--wait", "-e", "staging", "--yes"]) == 3
    shown = capsys.readouterr().err
    assert "waiting for ann@ci-7 (pid 4242), which runs promote -e staging since " in shown
    assert "  is paused before drain since " in shown
    both = "ami-pipeline resume -e staging; to go back: ami-pipeline abort -e staging"
    assert f"next: to continue: {both}" in shown
    assert slept == [5.0]
