"""The demo's count of requests, its checks of a step, and its changes of the project."""

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
from pipeline.core.hooks.hook import Hook, Point
from tools.demo import killed, project
from tools.demo.shell import Shell
from tools.demo.steps import DemoError, Record, Step
from tools.demo.story import Demo
from tools.demo.timeline import last_line, timeline
from tools.load import Load, Result, load

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
def demo(tmp_path: Path) -> Iterator[Demo]:
    with ExitStack() as ended:
        shell = Shell(folder=tmp_path, env={"PATH": "/usr/bin:/bin"})
        yield Demo(shell=shell, record=Record(began=0.0), balancer="alb", ended=ended)


@contextmanager
def serve_responses(*answers: tuple[int, str]) -> Iterator[str]:
    """Serve each of these responses once, and the last one from then on."""
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


def load_with(*results: Result) -> Load:
    return Load(url="", results=list(results))


def test_every_request_is_counted_and_each_failure_is_reported_at_once(demo: Demo) -> None:
    failures: list[Result] = []
    enough = threading.Event()

    def report_failure(result: Result) -> None:
        failures.append(result)
        if len(failures) == 3:
            enough.set()

    good = '{"version": "1.0.0"}'
    with serve_responses((200, good), (500, good), (200, "gone"), (502, "")) as url:
        with load(url, versions=True, on_failure=report_failure) as running:
            assert enough.wait(10)
        demo.record.load = running
    assert [each.version for each in running.results].count("1.0.0") == 1
    assert {"HTTP 500", "HTTP 502"} <= {each.error for each in failures}
    assert any(each.error.startswith("JSONDecodeError") for each in failures)
    assert last_line(demo.record) == f"demo: 1 requests served, {len(failures)} failed"


def test_a_request_without_a_connection_has_failed() -> None:
    with serve_responses((200, "")) as url:
        pass
    failed = threading.Event()
    with load(url, on_failure=lambda _: failed.set()) as running:
        assert failed.wait(10)
    assert "ClientConnectorError" in running.results[0].error


def test_a_command_with_another_exit_code_than_expected_ends_the_demo(
    demo: Demo, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(DemoError, match="false: exit code 1, expected 0"):
        demo.command("promote", "false")
    assert demo.record.steps[0].outcome == ""
    demo.command("promote", "sh -c 'echo done; exit 4'", 4)
    assert demo.record.steps[1].outcome == "exit 4"
    assert capfd.readouterr().out.endswith("$ sh -c 'echo done; exit 4'\ndone\n")


def test_only_some_lines_of_a_long_output_are_shown_unless_the_command_fails(
    demo: Demo, capfd: pytest.CaptureFixture[str]
) -> None:
    assert demo.shell.run(r"printf '\033[0mnoise\n\033[1mresult\n'", only=("res",)) == 0
    assert capfd.readouterr().out.splitlines()[1:] == ["result"]
    assert demo.shell.run("sh -c 'echo noise; echo why >&2; exit 1'", only=("res",)) == 1
    assert capfd.readouterr().out.splitlines()[1:] == ["noise", "why", ""]


@pytest.mark.parametrize(
    ("versions", "why"),
    [
        ({"1.0.0", "2.0.0"}, "1.0.0, 2.0.0 answers, expected 2.0.0"),
        ({""}, "HTTP 500 answers, expected 2.0.0"),
    ],
)
def test_a_step_after_which_another_version_answers_fails(
    demo: Demo, versions: set[str], why: str
) -> None:
    never = float("inf")  # later than any step
    results = [
        Result(at=never, version=version, error="" if version else "HTTP 500")
        for version in sorted(versions) * 10
    ]
    demo.record.load = load_with(*results)
    with pytest.raises(DemoError, match=why):
        demo.release("promote", "true", "2.0.0")


def test_another_version_that_answers_during_a_step_is_detected(demo: Demo) -> None:
    class RecordWithOther(Record):
        def during(self, step: Step) -> list[Result]:
            return [Result(at=step.began, version="3.0.0")]

    record = RecordWithOther(began=0.0)
    record.load = load_with(*[Result(at=float("inf"), version="2.0.0")] * 10)
    other = Demo(shell=demo.shell, record=record, balancer="alb", ended=demo.ended)
    with pytest.raises(DemoError, match=r"not only 2\.0\.0 answered during the step"):
        other.release("promote", "false", "2.0.0", 1)
    other.release("promote", "true", "2.0.0")
    assert record.steps[1].outcome == "exit 0, 2.0.0 serves after 0 s"


def test_the_timeline_shows_times_outcomes_and_responses() -> None:
    results = [Result(at=at, version="1.0.0") for at in (70.0, 71.0, 75.0)]
    results += [Result(at=76.0, version="2.0.0"), Result(at=77.0, error="HTTP 500")]
    record = Record(
        began=10.0,
        steps=[
            Step(name="bake 2.0.0", began=60.0, ended=72.0, outcome="exit 0"),
            Step(name="promote 2.0.0", began=74.0, ended=176.4),
        ],
        load=load_with(*results),
    )
    assert (
        timeline(record)
        == """\
start  duration  step           outcome     responses by version
 0:50       12s  bake 2.0.0     exit 0      1.0.0: 2
 1:04    1m 42s  promote 2.0.0  UNEXPECTED  1.0.0: 1, 2.0.0: 1, failed: 1"""
    )
    assert last_line(record) == "demo: 4 requests served, 1 failed"


def test_the_project_sets_sizes_hook_deadline_and_program(tmp_path: Path) -> None:
    folder = project.copy_project(tmp_path / "web", "tofu")
    with (folder / "pipeline.toml").open("a") as file:
        file.write(project.environment(PRINTED))
    settings = load_configuration(folder / "pipeline.toml")
    staging, policy = settings.environment("staging"), settings.promote_for("staging").policy
    assert (staging.size.desired, staging.target_groups) == (2, ("web-staging",))
    assert (policy.keep, policy.limit("attach")) == (None, 180.0)
    assert policy.hooks == (
        Hook(at=Point.BEFORE_TRAFFIC, command=("python3", "smoke.py"), timeout=300.0),
    )
    assert settings.terraform_for("staging").inputs["health_check_grace_period"] == 1200
    assert settings.terraform_for("staging").program == "tofu"


def test_each_change_of_the_application_changes_only_its_part(tmp_path: Path) -> None:
    folder = project.copy_project(tmp_path / "web")
    server, unit = folder / project.SERVER, folder / project.UNIT
    before = server.read_text()

    def change(command: str) -> str:
        subprocess.run(command, shell=True, cwd=folder, check=True)  # noqa: S602  as the demo does
        return server.read_text()

    assert change(project.GREETING) == before
    assert '[Service]\nEnvironment="GREETING=hello from 2.0.0"\n' in unit.read_text()
    health = 'self._answer({}, {{"status": "up"}})'
    good = health.format("503 if self.server.stopping.is_set() else 200")
    unhealthy = change(project.UNHEALTHY)
    assert unhealthy == before.replace(good, health.format("503")) != before
    faulty = change(project.FAULTY)
    page = "self._answer({}, describe())"
    assert faulty == before.replace(good, health.format("200")).replace(
        page.format("200"), page.format("500")
    )
    assert faulty.count(page.format("500")) == 2


def test_a_command_is_killed_at_its_moment_unless_it_ends_before(demo: Demo) -> None:
    begun = demo.shell.folder / "begun"
    assert demo.shell.kill(f"sh -c 'touch {begun}; exec sleep 60'", begun.exists) == -9
    assert demo.shell.kill("false", lambda: False) == 1


@pytest.mark.parametrize("remedy", [None, "when debugging is done: ami-pipeline abort -e staging"])
def test_a_status_without_a_command_ends_the_demo(demo: Demo, remedy: str | None) -> None:
    program = demo.shell.folder / "bin/ami-pipeline"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\necho '{json.dumps({'next': remedy})}'\n")
    program.chmod(0o755)
    demo.shell.env["PATH"] = f"{program.parent}:{demo.shell.env['PATH']}"
    with pytest.raises(DemoError, match="status shows no command"):
        killed.recover(demo, "soak")


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
