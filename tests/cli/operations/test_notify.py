"""`notify test` and `notify check`: their output, errors and exit codes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from pipeline.adapters.store.directory import DirectoryStore
from pipeline.adapters.store.envelope import seal
from pipeline.adapters.store.records.deployments import record_key
from pipeline.adapters.store.records.outboxes import Outboxes
from pipeline.cli.main import run
from pipeline.core.state.deployment import Deployment, Kind, Result
from pipeline.core.state.environment import Environment, RetiredRelease
from tests.adapters.notify.receivers import SLACK_PATH, Receiver, Reply, receiving, slack
from tests.core.notifications.examples import over

pytestmark = pytest.mark.usefixtures("place")

TARGETS = """
[[notify]]
kind = "slack"
url_env = "SLACK"

[[notify]]
kind = "webhook"
name = "audit"
url = "{url}/audit"
secret_env = "AUDIT_SECRET"
environments = ["staging"]

[notify_check]
rebuild_days = 7
rollback_days = 30

[environments.bare.notify_check]
rebuild_days = 0
rollback_days = 0
"""


@pytest.fixture
def server(place: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:  # noqa: ARG001
    def answer(asked: Any) -> Reply:
        return slack(asked) if asked.path != "/audit" else Reply(status=204)

    with receiving(answer) as server:
        file = Path("pipeline.toml")
        file.write_text(file.read_text() + TARGETS.format(url=server.url))
        monkeypatch.setenv("SLACK", server.url + SLACK_PATH)
        monkeypatch.setenv("AUDIT_SECRET", "c4n4ry-secret")
        yield server


@pytest.mark.usefixtures("server")
def test_a_test_goes_to_each_target(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["notify", "test"]) == 0
    assert capsys.readouterr().out == "slack  staging  sent\naudit  staging  sent\n"
    assert run(["notify", "test", "-e", "bare"]) == 0
    assert capsys.readouterr().out == "slack  bare  sent\n"


def test_a_test_says_that_it_is_one(server: Receiver) -> None:
    run(["notify", "test", "-e", "bare"])
    assert server.asked[0].json()["text"] == (
        "*web bare: a test of slack, no deployment happened*\nsent by: ami-pipeline notify test"
    )


def test_a_target_that_does_not_take_its_test_is_exit_code_4(
    server: Receiver, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLACK", f"{server.url}/services/T0/B0/c4n4ry")
    monkeypatch.delenv("AUDIT_SECRET")
    assert run(["notify", "test"]) == 4
    text = capsys.readouterr().out
    assert text == (
        "slack  staging  failed: answered 404 Not Found: no_service\n"
        "audit  staging  failed: the environment variable AUDIT_SECRET is not set\n"
    )
    assert run(["--output", "json", "notify", "test", "-e", "bare"]) == 4
    assert json.loads(capsys.readouterr().out) == {
        "targets": [
            {
                "name": "slack",
                "kind": "slack",
                "environment": "bare",
                "sent": False,
                "error": "answered 404 Not Found: no_service",
            }
        ]
    }


def test_a_server_that_never_ends_its_answer_is_given_up(
    server: Receiver, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    over = Event()

    def drip(_: object) -> Reply:
        over.wait(20)
        return Reply()

    server.answer = drip
    monkeypatch.setattr("pipeline.app.operations.notify.PATIENCE", 0.2)
    assert run(["notify", "test", "-e", "bare"]) == 4
    over.set()
    assert capsys.readouterr().out == "slack  bare  failed: no answer within 0.2s\n"


@pytest.mark.parametrize("command", ["test", "check"])
def test_without_a_target_there_is_nothing_to_tell(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["notify", command]) == 2
    assert capsys.readouterr().err == (
        f"error: {Path.cwd() / 'pipeline.toml'}:\n  no target is configured\n"
        "next: add one: ami-pipeline docs notifications\n"
    )


@pytest.mark.usefixtures("server")
def test_a_check_without_days_is_a_mistake(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["notify", "check", "-e", "bare"]) == 2
    assert capsys.readouterr().err == (
        "error: [notify_check]:\n"
        "  sets neither rebuild_days nor rollback_days, so nothing is ever overdue\n"
        "next: add to pipeline.toml, below a line [notify_check]: rebuild_days = 7\n"
    )


# --- check ----------------------------------------------------------------------------------------

Given = Callable[..., None]


@pytest.fixture
def given(place: None) -> Given:  # noqa: ARG001 - the folder of the store
    """Write the document of staging, in which r000125 serves, and its history."""
    store = DirectoryStore(Path(".ami-pipeline").absolute())
    serving = Environment(app="web", environment="staging", region="eu-central-1", account="")
    past = RetiredRelease(release="r000124", ami_id="ami-1", version="1.4.0")
    document = replace(serving, serving="r000125", retired=(past,), next=126)

    def write(*deployments: Deployment, rebuilt: str = "") -> None:
        store.write("environments/staging.json", seal(document), expected=None)
        for each in deployments:
            one = replace(each, environment="staging", began=each.ended)
            store.write(record_key(one.id), seal(one), expected=None)
        Outboxes(store, "staging").update(lambda box: replace(box, rebuilt=rebuilt))

    return write


def ended(kind: Kind, result: Result, at: str) -> Deployment:
    return replace(over(result, kind), id=f"{at[:10]}-{kind}", ended=f"{at}T03:17:00+00:00")


@pytest.fixture(autouse=True)
def _today(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "pipeline.adapters.clock.CloudPace.today", lambda _: "2126-11-29T06:00:00+00:00"
    )


def test_what_is_overdue_is_told_once_a_day(
    server: Receiver, given: Given, capsys: pytest.CaptureFixture[str]
) -> None:
    given(
        ended(Kind.REBUILD, Result.PROMOTED, "2126-11-20"),
        ended(Kind.REBUILD, Result.ROLLED_BACK, "2126-11-28"),
        ended(Kind.DRILL, Result.PROVEN, "2126-10-01"),
    )
    assert run(["notify", "check"]) == 0
    rebuild = "staging: no rebuild for 9 days (serves: r000125, last: 2126-11-20 03:17 UTC, "
    rebuild += "next: ami-pipeline rebuild -e staging)\n"
    proof = "staging: rollback not proven for 59 days (serves: r000125, "
    proof += "last: 2126-10-01 03:17 UTC, next: ami-pipeline rollback drill -e staging)\n"
    bare = "bare: not checked: [notify_check] is 0\n"
    assert capsys.readouterr().out == f"{rebuild}{proof}  told: audit, slack\n{bare}"
    assert run(["notify", "check"]) == 0
    assert capsys.readouterr().out == f"{rebuild}{proof}  told earlier today: slack, audit\n{bare}"
    assert len(server.asked) == 4


def test_a_rebuild_with_nothing_new_and_a_rollback_count(
    server: Receiver, given: Given, capsys: pytest.CaptureFixture[str]
) -> None:
    given(
        ended(Kind.PROMOTE, Result.PROMOTED, "2126-09-01"),
        ended(Kind.ROLLBACK, Result.PROMOTED, "2126-11-20"),
        rebuilt="2126-11-28T03:17:00+00:00",
    )
    assert run(["notify", "check", "-e", "staging"]) == 0
    assert (capsys.readouterr().out, server.asked) == ("staging: nothing is overdue\n", [])


def test_what_was_never_done_counts_from_the_first_deployment(
    server: Receiver, given: Given, capsys: pytest.CaptureFixture[str]
) -> None:
    given(ended(Kind.PROMOTE, Result.PROMOTED, "2126-11-01"))
    server.answer = lambda _: Reply(status=503)
    assert run(["--output", "json", "notify", "check", "-e", "staging"]) == 4
    (found,) = json.loads(capsys.readouterr().out)["environments"]
    assert [each["title"] for each in found["overdue"]] == ["no rebuild for 28 days"]
    assert found["overdue"][0]["details"]["last"] == "none is recorded"
    assert (found["told"], found["failed"]) == (
        [],
        ["audit: answered 503 Service Unavailable", "slack: answered 503 Service Unavailable"],
    )


def test_a_damaged_document_hides_no_other_environment(
    server: Receiver, given: Given, capsys: pytest.CaptureFixture[str]
) -> None:
    given(ended(Kind.REBUILD, Result.PROMOTED, "2126-11-20"))
    Path(".ami-pipeline/environments/bare.json").write_text("{half")
    assert run(["notify", "check"]) == 4
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("staging: no rebuild for 9 days")
    assert lines[2].startswith("  failed: ")
    assert server.asked
