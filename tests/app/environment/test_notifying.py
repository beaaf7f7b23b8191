"""A command tells the targets of [[notify]] beside its work."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.adapters.store.envelope import seal
from pipeline.adapters.store.records.deployments import record_key
from pipeline.app import Application, Options
from pipeline.app.environment import session
from pipeline.app.environment.interrupted import Interrupted
from pipeline.app.environment.notifying import start_notifying
from pipeline.app.environment.reader import EnvironmentReader
from pipeline.app.environment.session import EnvironmentSession, SessionOptions
from pipeline.core.events import DeploymentBegan, DeploymentEnded, Event, Message
from pipeline.core.image import Image
from pipeline.core.state.deployment import Result
from tests.adapters.notify.receivers import SLACK_PATH, TOKEN, GitHub, receiving, slack
from tests.app.session_fakes import COMMANDS, FakeEnvironment
from tests.core.notifications.examples import DEPLOYMENT, over


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a busy machine have its time: these tests are not about it."""
    monkeypatch.setattr("pipeline.adapters.notify.courier.PATIENCE", 30.0)


NOW = "2126-11-21T15:42:24+00:00"
"""In the future, so that no notification of this test is too old."""
BEGUN = replace(DEPLOYMENT, began=NOW)
DONE = replace(over(Result.PROMOTED), began=NOW, ended=NOW)
BASE = """
app = "web"
region = "eu-central-1"
[bake]
template = "app.pkr.hcl"
[environments.production]
[environments.staging]
"""
SLACK = '[[notify]]\nkind = "slack"\nurl_env = "HOOK"\nenvironments = ["production"]\n'


class Run:
    """One command on production; `told` are the lines for the person."""

    def __init__(self, folder: Path, notify: str) -> None:
        (folder / "app.pkr.hcl").touch()
        (folder / "pipeline.toml").write_text(BASE + notify)
        self.told: list[str] = []
        self.app = Application.start(Options(config=str(folder / "pipeline.toml")), self._report)
        self.reader = EnvironmentReader(app=self.app, environment="production")
        start_notifying(self.reader)

    def _report(self, event: Event) -> None:
        self.told += [event.text] if isinstance(event, Message) else []

    def end(self, *events: Event) -> list[str]:
        """Report these events and end; return what the person is told."""
        for each in events:
            self.app.report(each)
        self.app.finish()
        return self.told


BEGINNING, END = DeploymentBegan(deployment=BEGUN, phases=()), DeploymentEnded(deployment=DONE)


def test_the_targets_of_the_environment_are_told_of_a_deployment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with receiving(slack) as server:
        monkeypatch.setenv("HOOK", server.url + SLACK_PATH)
        assert Run(tmp_path, SLACK).end(BEGINNING, Message(text="x"), END) == ["x"]
    texts = [each.json()["text"].split("\n")[0] for each in server.asked]
    assert texts == [
        "*web production: promote of r000125 (1.5.0, ami-2) began, to replace r000124*",
        "*web production: r000125 (1.5.0, ami-2) serves, 0s*",
    ]


def test_what_fails_is_said_masked_and_done_by_the_next_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HOOK", raising=False)
    again = "the next command that changes production tries again"
    assert Run(tmp_path, SLACK).end(END) == [
        f"not notified: slack: the environment variable HOOK is not set; {again}"
    ]
    monkeypatch.setenv("HOOK", "https://127.0.0.1:1/services/T0/B0/c4n4ry?x=c4n4ry")
    assert Run(tmp_path, SLACK).end() == [
        f"not notified: slack: no answer: Connection refused; {again}"
    ]
    with receiving(slack) as server:
        monkeypatch.setenv("HOOK", server.url + SLACK_PATH)
        assert Run(tmp_path, SLACK).end() == []
    assert len(server.asked) == 1
    assert "c4n4ry" not in (tmp_path / ".ami-pipeline/notifications/production.json").read_text()


def test_the_url_of_slack_is_masked_wherever_the_run_prints(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOOK", "https://hooks.slack.com/services/T0/B0/c4n4ry")
    run = Run(tmp_path, SLACK)
    masker = run.app.masker("production")
    assert masker.text("curl https://hooks.slack.com/services/T0/B0/c4n4ry") == "curl ***"
    assert masker.text("POST /services/T0/B0/c4n4ry 404") == "POST *** 404"
    assert run.end() == []


def test_the_end_of_a_run_that_was_killed_is_told_by_the_next_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with receiving(slack) as server:
        monkeypatch.setenv("HOOK", server.url + SLACK_PATH)
        killed = Run(tmp_path, SLACK)
        killed.end(BEGINNING)
        killed.reader.store.write(record_key(DONE.id), seal(DONE), expected=None)
        assert Run(tmp_path, SLACK).end() == []
        assert Run(tmp_path, SLACK).end() == []
    assert [each.json()["text"].split(": ")[1].split("*")[0] for each in server.asked] == [
        "promote of r000125 (1.5.0, ami-2) began, to replace r000124",
        "r000125 (1.5.0, ami-2) serves, 0s",
    ]


def test_github_gets_the_commit_of_the_images_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from datetime import timedelta  # noqa: PLC0415

    from pipeline.app.baked_images import records  # noqa: PLC0415 - it imports every adapter

    github = GitHub()
    with receiving(github) as server:
        monkeypatch.setenv("GITHUB_TOKEN", TOKEN)
        table = (
            f'[[notify]]\nkind = "github"\nrepository = "example/web"\napi_url = "{server.url}"\n'
        )
        run = Run(tmp_path, table)
        image = Image(
            app="web",
            version="1.5.0",
            name="web-1.5.0",
            region="eu-central-1",
            ids={"eu-central-1": "ami-2"},
            bake="web-1.5.0",
            commit="0a1b2c3",
        )
        records(run.app, run.reader.clients, timedelta()).write(image)
        assert run.end(BEGINNING, END) == []
    assert [each["ref"] for each in github.deployments.values()] == ["0a1b2c3"]
    assert [each["state"] for each in github.statuses[1]] == ["in_progress", "success"]


def test_without_targets_nothing_is_heard_or_written(tmp_path: Path) -> None:
    run = Run(tmp_path, "")
    assert (run.app.at_end, run.end(BEGINNING, END)) == ([], [])
    assert not (tmp_path / ".ami-pipeline").exists()


@pytest.mark.parametrize("command", COMMANDS)
def test_every_changing_command_tells_the_targets(
    command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment, started = FakeEnvironment(monkeypatch), list[object]()

    def start(reader: object) -> None:
        started.append(reader)
        raise KeyboardInterrupt  # the rest is of no interest

    monkeypatch.setattr(session, "start_notifying", start)
    with pytest.raises(KeyboardInterrupt):
        COMMANDS[command](environment.app)
    assert started == [environment]


def test_a_plan_tells_no_one(monkeypatch: pytest.MonkeyPatch) -> None:
    environment, started = FakeEnvironment(monkeypatch), list[object]()
    environment.fake.document = replace(environment.fake.document, deployment=None)
    monkeypatch.setattr(session, "start_notifying", started.append)
    options = SessionOptions(
        command="promote", interrupted=Interrupted.REFUSE_TO_PLAN, rebuilds=True
    )
    EnvironmentSession.begin(environment.app, "staging", options)
    assert started == []
