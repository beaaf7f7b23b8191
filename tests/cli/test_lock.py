"""`lock show` and `lock break` as they are typed: what they say, ask, refuse and change."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pipeline.adapters.store.directory import DirectoryStore
from pipeline.adapters.store.environments import Environments
from pipeline.app import Application, Options
from pipeline.app.session import EnvironmentSession
from pipeline.cli.main import run
from pipeline.core.errors import LeaseHeldError
from pipeline.core.state.deployment import Deployment, Hook, Kind, Runner
from pipeline.core.state.environment import Environment, Lease
from pipeline.ui.lock import lock_document, lock_text, warning
from tests.adapters.scripted import ScriptedTerraform

pytestmark = pytest.mark.usefixtures("place")

NOW = datetime(2026, 11, 21, 12, 3, 12, tzinfo=UTC)
OWNER = Runner(user="ann", host="ci-7", pid=4242, run="https://ci.example/runs/17")
HELD = Lease(
    owner=OWNER,
    epoch=7,
    since="2026-11-21T12:00:00Z",
    expires="2026-11-21T12:04:00Z",
    command="ami-pipeline promote -e staging",
)
BEGUN = Deployment(
    id="20261121T120000Z-4f2a",
    kind=Kind.PROMOTE,
    environment="staging",
    green="r000002",
    blue="r000001",
    began="2026-11-21T12:00:00Z",
    by=OWNER,
    phase="soak",
)
NOTHING = Environment(app="web", environment="staging", region="eu-central-1", account="")
PROMOTING = replace(NOTHING, epoch=7, lease=HELD, deployment=BEGUN)

TEXTS = [
    (NOTHING, "", "nobody holds the lease on staging"),
    (
        PROMOTING,
        "",
        """\
the lease on staging is held by ann@ci-7 (pid 4242) since 2026-11-21T12:00:00Z, for 3 min 12 s; \
expires in 48 s unless renewed
running: ami-pipeline promote -e staging
its run: https://ci.example/runs/17
in flight: promote 20261121T120000Z-4f2a, in soak
if that run is dead, in 48 s: ami-pipeline recover -e staging
next: ami-pipeline status -e staging""",
    ),
    (
        PROMOTING,
        "bob@vm (pid 9) broke it",
        """\
the lease on staging has ended: bob@vm (pid 9) broke it
it was held by ann@ci-7 (pid 4242), since 2026-11-21T12:00:00Z
it ran: ami-pipeline promote -e staging
its run: https://ci.example/runs/17
in flight: promote 20261121T120000Z-4f2a, in soak; no run goes on with it
next: ami-pipeline recover -e staging""",
    ),
    (
        replace(PROMOTING, lease=None),
        "",
        """\
nobody holds the lease on staging
in flight: promote 20261121T120000Z-4f2a, in soak; no run goes on with it
next: ami-pipeline recover -e staging""",
    ),
    (
        replace(PROMOTING, deployment=None),
        "it expired 3 s ago",
        """\
the lease on staging has ended: it expired 3 s ago
it was held by ann@ci-7 (pid 4242), since 2026-11-21T12:00:00Z
it ran: ami-pipeline promote -e staging
its run: https://ci.example/runs/17
nothing is in flight: the next run takes it over
next: ami-pipeline status -e staging""",
    ),
]


@pytest.mark.parametrize(("document", "ended", "text"), TEXTS)
def test_who_holds_an_environment_is_told_with_what_to_run(
    document: Environment, ended: str, text: str
) -> None:
    assert lock_text(document, ended, NOW) == text


def test_before_the_question_one_reads_what_breaking_means() -> None:
    assert warning(PROMOTING, NOW).endswith(
        """\
next: ami-pipeline status -e staging

A run that died loses its lease within a minute, by itself: this one lives. Broken, it writes
nothing more and stops at its next step; a Terraform that it runs now goes on to its end."""
    )


def test_a_document_says_the_same() -> None:
    assert lock_document(NOTHING, "") == {
        "environment": "staging",
        "held": False,
        "ended": None,
        "lease": None,
        "in_flight": None,
        "next": None,
    }
    told = lock_document(PROMOTING, "")
    assert (told["held"], told["ended"], told["in_flight"]) == (True, None, BEGUN.id)
    assert told["lease"]["epoch"] == 7
    assert lock_document(PROMOTING, "it expired")["held"] is False


# As it is typed


@pytest.fixture
def documents(tmp_path: Path) -> Environments:
    return Environments(DirectoryStore(tmp_path / ".ami-pipeline"))


@pytest.fixture
def held(documents: Environments) -> Environment:
    """A promotion that runs somewhere else."""
    now = datetime.now(UTC)
    expires = (now + timedelta(seconds=50)).isoformat(timespec="seconds")
    document = replace(PROMOTING, lease=replace(HELD, expires=expires))
    documents.save(document, None)
    return document


def stands(documents: Environments) -> Environment:
    return documents.load(NOTHING).environment


def test_a_free_environment_has_nothing_to_show_and_nothing_to_break(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["lock", "show", "-e", "staging"]) == 0
    assert capsys.readouterr().out == "nobody holds the lease on staging\n"
    assert run(["--output", "json", "lock", "break", "-e", "staging", "--yes"]) == 3
    assert "nobody holds it" in json.loads(capsys.readouterr().out)["error"]["what"]
    assert not (tmp_path / ".ami-pipeline/environments").exists()


def test_breaking_ends_the_lease_and_leaves_the_rest_as_it_was(
    held: Environment, documents: Environments, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["--output", "json", "lock", "break", "-e", "staging", "--yes"]) == 0
    told = json.loads(capsys.readouterr().out)
    found = stands(documents)
    assert found.lease
    assert (told["held"], told["next"]) == (False, "ami-pipeline recover -e staging")
    assert told["ended"] == f"{found.lease.broken} broke it"
    assert found.epoch == held.epoch + 1
    assert found.broken == held.epoch
    was = replace(held, lease=None, epoch=0, broken=0)
    assert replace(found, lease=None, epoch=0, broken=0) == was
    assert run(["--output", "json", "lock", "show", "-e", "staging"]) == 0
    assert json.loads(capsys.readouterr().out) == told


@pytest.mark.parametrize(
    ("answer", "code", "broken"), [("y\n", 0, True), ("n\n", 130, False), ("", 130, False)]
)
def test_only_a_yes_breaks_it(
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
    assert (stands(documents) != held) is broken


def test_where_nobody_can_answer_it_is_refused(
    held: Environment, documents: Environments, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["lock", "break", "-e", "staging"]) == 3
    assert "next: ami-pipeline lock break -e staging --yes" in capsys.readouterr().err
    assert stands(documents) == held


def test_a_lease_that_expired_is_shown_as_ended_and_needs_no_breaking(
    documents: Environments, capsys: pytest.CaptureFixture[str]
) -> None:
    documents.save(PROMOTING, None)
    assert run(["lock", "show", "-e", "staging"]) == 0
    assert capsys.readouterr().out.startswith("the lease on staging has ended: it expired ")
    assert run(["lock", "break", "-e", "staging", "--yes"]) == 3
    assert "the next run takes it over" in capsys.readouterr().err


def test_what_a_run_locked_whose_lease_was_broken_is_not_taken_for_a_dead_ones(
    held: Environment, documents: Environments
) -> None:
    """It may live, and its Terraform: no later lease makes its lock ours."""
    assert run(["lock", "break", "-e", "staging", "--yes"]) == 0
    assert stands(documents).broken == held.epoch
    app = Application.start(Options(), lambda _: None)
    taken = EnvironmentSession(app=app, environment="staging").lease("recover")
    taken.release()
    assert (stands(documents).broken, taken.epoch) == (held.epoch, held.epoch + 2)


@pytest.mark.parametrize(
    ("backend", "state", "owner"),
    [
        ("", ".ami-pipeline", None),
        ("states", ".ami-pipeline", ""),
        ("states", "s3://states/web", "111122223333"),
        ("states", "s3://states-too/web", ""),
    ],
)
def test_terraforms_state_in_s3_is_locked_by_us_with_the_deployment_and_its_lease(
    backend: str, state: str, owner: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    text = (tmp_path / "pipeline.toml").read_text()
    text += f'[terraform.backend]\nbucket = "{backend}"\n' if backend else ""
    text += f'[state]\nurl = "{state}"\naccount = "111122223333"\n'
    (tmp_path / "pipeline.toml").write_text(text)
    app = Application.start(Options(), lambda _: None)
    ground = EnvironmentSession(app=app, environment="staging")
    ground.store = DirectoryStore(tmp_path / ".ami-pipeline")
    taken = ground.lease("promote")
    found = ground._lock(ground.ledger(taken, BEGUN))
    taken.release()
    assert (found and found.account) == owner
    if found:
        assert found.owner.info == f"ami-pipeline web/staging deployment {BEGUN.id} epoch 1"
        assert found.bucket.key == "web/staging.tfstate"
        assert (found.folder, found.over()) == (app.root("staging").folder, False)


def test_all_that_changes_the_world_is_behind_the_lease(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", ScriptedTerraform.make(tmp_path / "bin").path)
    app = Application.start(Options(), lambda _: None)
    ground = EnvironmentSession(app=app, environment="staging")
    ground.sought = (), ()
    taken = ground.lease("promote")
    world = ground.world(ground.ledger(taken, BEGUN))
    taken.release()
    deeds: tuple[Callable[[], None], ...] = (
        lambda: world.groups.attach("g", ()),
        lambda: world.resources.adopt(()),
        lambda: world.hooks.run(Hook(command=("true",), timeout=1.0), {}),
    )
    for deed in deeds:
        with pytest.raises(LeaseHeldError, match="it was released"):
            deed()
