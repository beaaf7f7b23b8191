"""What the demo claims about itself: its count of requests, its verdict on a step, its edits."""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from pipeline.config import load as load_configuration
from pipeline.core.state.deployment import Hook
from tools.demo import killed, project
from tools.demo.load import Answer, Load, load
from tools.demo.shell import Shell
from tools.demo.steps import OtherwiseError, Record, Step
from tools.demo.story import Stage
from tools.demo.timeline import last_line, timeline

PRINTED = """\
[environments.NAME]
target_groups = ["web-staging"]

[environments.NAME.terraform.inputs]
subnet_ids = ["subnet-0a1b2c3d","subnet-4e5f6a7b"]
security_group_ids = ["sg-0a1b2c3d"]
instance_profile = "web-staging-instances"
deregistration_delay = 60
"""


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    with ExitStack() as ended:
        shell = Shell(folder=tmp_path, env={"PATH": "/usr/bin:/bin"})
        yield Stage(shell=shell, record=Record(began=0.0), balancer="alb", ended=ended)


@contextmanager
def answering(*answers: tuple[int, str]) -> Iterator[str]:
    """Give each of these answers once, the last one for ever."""
    left = list(answers)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body = left.pop(0) if len(left) > 1 else left[0]
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/"
        finally:
            server.shutdown()
            thread.join()


def loaded(*answers: Answer) -> Load:
    return Load(url="", lost=lambda _: None, answers=list(answers))


def test_every_request_is_counted_and_each_that_fails_is_told_of_at_once(stage: Stage) -> None:
    told: list[Answer] = []
    enough = threading.Event()

    def lost(answer: Answer) -> None:
        told.append(answer)
        if len(told) == 3:
            enough.set()

    good = '{"version": "1.0.0"}'
    with answering((200, good), (500, good), (200, "gone"), (502, "")) as url:
        with load(url, lost) as running:
            assert enough.wait(10)
        stage.record.load = running
    assert [each.version for each in running.answers].count("1.0.0") == 1
    assert {"HTTP 500", "HTTP 502"} <= {each.error for each in told}
    assert any(each.error.startswith("JSONDecodeError") for each in told)
    assert last_line(stage.record) == f"demo: 1 requests served, {len(told)} failed"


def test_a_request_that_nobody_takes_has_failed() -> None:
    with answering((200, "")) as url:
        pass
    told = threading.Event()
    with load(url, lambda _: told.set()) as running:
        assert told.wait(10)
    assert "ClientConnectorError" in running.answers[0].error


def test_a_command_that_ends_otherwise_than_told_ends_the_story(
    stage: Stage, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(OtherwiseError, match="false: exit code 1, and 0 was told"):
        stage.command("promote", "false")
    assert stage.record.steps[0].outcome == ""
    stage.command("promote", "sh -c 'echo done; exit 4'", 4)
    assert stage.record.steps[1].outcome == "exit 4"
    assert capfd.readouterr().out.endswith("$ sh -c 'echo done; exit 4'\ndone\n")


def test_of_a_long_output_only_some_lines_are_shown_unless_it_fails(
    stage: Stage, capfd: pytest.CaptureFixture[str]
) -> None:
    assert stage.shell.run(r"printf '\033[0mnoise\n\033[1mresult\n'", only=("res",)) == 0
    assert capfd.readouterr().out.splitlines()[1:] == ["result"]
    assert stage.shell.run("sh -c 'echo noise; echo why >&2; exit 1'", only=("res",)) == 1
    assert capfd.readouterr().out.splitlines()[1:] == ["noise", "why", ""]


@pytest.mark.parametrize(
    ("versions", "why"),
    [
        ({"1.0.0", "2.0.0"}, "1.0.0, 2.0.0 answers, and 2.0.0 was told"),
        ({""}, "HTTP 500 answers, and 2.0.0 was told"),
    ],
)
def test_a_step_after_which_another_version_answers_was_not_as_told(
    stage: Stage, versions: set[str], why: str
) -> None:
    soon = float("inf")  # later than any moment the step may end at
    answers = [
        Answer(at=soon, version=version, error="" if version else "HTTP 500")
        for version in sorted(versions) * 10
    ]
    stage.record.load = loaded(*answers)
    with pytest.raises(OtherwiseError, match=why):
        stage.release("promote", "true", "2.0.0")


def test_who_answers_while_nobody_else_was_to_is_found_out(stage: Stage) -> None:
    class Meanwhile(Record):
        def during(self, step: Step) -> list[Answer]:
            return [Answer(at=step.began, version="3.0.0")]

    record = Meanwhile(began=0.0)
    record.load = loaded(*[Answer(at=float("inf"), version="2.0.0")] * 10)
    told = Stage(shell=stage.shell, record=record, balancer="alb", ended=stage.ended)
    with pytest.raises(OtherwiseError, match=r"not only 2\.0\.0 answered meanwhile"):
        told.release("promote", "false", "2.0.0", 1)
    told.release("promote", "true", "2.0.0")
    assert record.steps[1].outcome == "exit 0, 2.0.0 serves after 0 s"


def test_the_timeline_says_when_how_it_ended_and_who_answered() -> None:
    answers = [Answer(at=at, version="1.0.0") for at in (70.0, 71.0, 75.0)]
    answers += [Answer(at=76.0, version="2.0.0"), Answer(at=77.0, error="HTTP 500")]
    record = Record(
        began=10.0,
        steps=[
            Step(name="bake 2.0.0", began=60.0, ended=72.0, outcome="exit 0"),
            Step(name="promote 2.0.0", began=74.0, ended=176.4),
        ],
        load=loaded(*answers),
    )
    assert (
        timeline(record)
        == """\
began   took  step           ended        answered meanwhile
 0:50   12 s  bake 2.0.0     exit 0       1.0.0: 2
 1:04  102 s  promote 2.0.0  NOT AS TOLD  1.0.0: 1, 2.0.0: 1, failed: 1"""
    )
    assert last_line(record) == "demo: 4 requests served, 1 failed"


def test_the_project_says_how_careful_to_be(tmp_path: Path) -> None:
    folder = project.copied(tmp_path / "web")
    with (folder / "pipeline.toml").open("a") as file:
        file.write(project.environment(PRINTED))
    settings = load_configuration(folder / "pipeline.toml")
    staging, policy = settings.environment("staging"), settings.promote_for("staging").policy
    assert (staging.size.desired, staging.target_groups) == (2, ("web-staging",))
    assert (policy.keep, policy.limit("attach")) == (None, 180.0)
    assert policy.verify == (Hook(command=("python3", "smoke.py"), timeout=300.0),)
    assert settings.terraform_for("staging").inputs["health_check_grace_period"] == 1200


def test_each_change_of_the_application_changes_just_what_is_said_of_it(tmp_path: Path) -> None:
    folder = project.copied(tmp_path / "web")
    server, unit = folder / project.SERVER, folder / project.UNIT
    before = server.read_text()

    def change(command: str) -> str:
        subprocess.run(command, shell=True, cwd=folder, check=True)  # noqa: S602  as the demo does
        return server.read_text()

    assert change(project.GREETING) == before
    assert '[Service]\nEnvironment="GREETING=hello from 2.0.0"\n' in unit.read_text()
    health = 'self._answer({}, {{"status": "up"}})'
    good = health.format("503 if self.server.stopping.is_set() else 200")
    sick = change(project.SICK)
    assert sick == before.replace(good, health.format("503")) != before
    faulty = change(project.FAULTY)
    page = "self._answer({}, describe())"
    assert faulty == before.replace(good, health.format("200")).replace(
        page.format("200"), page.format("500")
    )
    assert faulty.count(page.format("500")) == 2


def test_a_command_is_killed_at_its_moment_and_one_that_ends_before_is_not(stage: Stage) -> None:
    begun = stage.shell.folder / "begun"
    assert stage.shell.kill(f"sh -c 'touch {begun}; exec sleep 60'", begun.exists) == -9
    assert stage.shell.kill("false", lambda: False) == 1


@pytest.mark.parametrize("said", [None, "when debugging is done: ami-pipeline abort -e staging"])
def test_a_status_that_names_no_command_ends_the_story(stage: Stage, said: str | None) -> None:
    program = stage.shell.folder / "bin/ami-pipeline"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\necho '{json.dumps({'now': said})}'\n")
    program.chmod(0o755)
    stage.shell.env["PATH"] = f"{program.parent}:{stage.shell.env['PATH']}"
    with pytest.raises(OtherwiseError, match="status says no command"):
        killed.go_on(stage, "soak")


def test_every_phase_of_a_promotion_can_be_killed() -> None:
    assert killed.PHASES == (
        "launch",
        "verify",
        "attach",
        "soak",
        "drain",
        "observe",
        "retire",
    )
