"""Thirty-two concurrent commands on one environment: one runs, the others name it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from pipeline.adapters.store.directory import DirectoryStore
from pipeline.adapters.store.records.environments import Environments
from tests.cli.lease_examples import BEGUN, NOTHING

pytestmark = [pytest.mark.usefixtures("place"), pytest.mark.long, pytest.mark.timeout(300)]

ROOT = Path(__file__).parents[2]
RUN = "https://ci.example/jobs/{}"
WHO = """\
<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
<GetCallerIdentityResult><Arn>arn:aws:iam::123456789012:user/ann</Arn><UserId>u</UserId>
<Account>123456789012</Account></GetCallerIdentityResult></GetCallerIdentityResponse>"""


class Hanging(BaseHTTPRequestHandler):
    """An AWS that answers GetCallerIdentity and no other call."""

    over = threading.Event()

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if b"GetCallerIdentity" not in body:
            self.over.wait(200)
        answer = WHO.encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/xml")
        self.send_header("x-amzn-RequestId", "11111111-2222-3333-4444-555555555555")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, format: str, *_: object) -> None:  # noqa: A002 - its name there
        """Say nothing."""


@pytest.fixture
def endpoint() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hanging)
    server.daemon_threads = True
    server.block_on_close = False
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    Hanging.over.set()
    server.shutdown()
    server.server_close()


@contextmanager
def command_line(endpoint: str, number: int, *words: str) -> Iterator[subprocess.Popen[str]]:
    keys = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing"}
    env = {**os.environ, **keys, "AWS_ENDPOINT_URL": endpoint, "PYTHONPATH": str(ROOT)}
    env |= {"CI_JOB_URL": RUN.format(number), "GITLAB_USER_LOGIN": f"user{number}"}
    process = subprocess.Popen(
        [sys.executable, "-m", "pipeline", *words],
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def holder(said: str) -> str:
    """Return the holder that an error names."""
    found = re.search(
        r"held by (user\d+)@\S+ \(pid \d+\) since \S+, for \d+s; "
        r"expires in (?:1m|\d+s) unless renewed"
        r"\n +command: ami-pipeline recover -e staging\n +CI job: https://ci.example/jobs/(\d+)\n",
        said,
    )
    assert found, said
    assert found[1] == f"user{found[2]}"
    return found[1]


def test_of_32_concurrent_commands_one_runs_and_the_others_name_it(
    tmp_path: Path, endpoint: str, record_property: Callable[[str, object], None]
) -> None:
    documents = Environments(DirectoryStore(tmp_path / ".ami-pipeline"))
    documents.save(replace(NOTHING, account="123456789012", deployment=BEGUN, epoch=7), None)
    ours = replace(NOTHING, account="123456789012")

    with race(endpoint) as started:
        ended = [each for each in started if each.poll() is not None]
        assert len(ended) == 31
        assert {each.returncode for each in ended} == {6}
        [name] = {holder(each.communicate()[1]) for each in ended}
        standing = documents.load(ours).environment
        assert standing.lease
        assert (standing.lease.owner.user, standing.epoch) == (name, 8)
        [works] = [each for each in started if each.returncode is None]
        assert works.pid == standing.lease.owner.pid

        # How soon one is told is measured without 31 others on the same two processors.
        seconds = list[float]()
        for number in range(4):
            began = time.monotonic()
            with command_line(endpoint, 40 + number, "promote", "-e", "staging", "--yes") as late:
                _, said = late.communicate(timeout=60)
            seconds.append(time.monotonic() - began)
            assert (late.returncode, holder(said)) == (6, name)
    record_property("seconds", max(seconds))
    assert min(seconds) <= 2


@contextmanager
def race(endpoint: str) -> Iterator[list[subprocess.Popen[str]]]:
    """Yield 32 processes once all but one have ended."""
    with ExitStack() as lines:
        started = [
            lines.enter_context(command_line(endpoint, number, "recover", "-e", "staging"))
            for number in range(32)
        ]
        until = time.monotonic() + 120
        while sum(each.poll() is None for each in started) > 1 and time.monotonic() < until:
            time.sleep(0.1)
        yield started
