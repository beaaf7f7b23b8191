"""How a destroy is confirmed."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest

from pipeline.app.housekeeping.destroy import Confirm
from pipeline.cli.main import run
from pipeline.core.state.deployment import Deployment, Kind
from pipeline.core.state.environment import Environment, ReleaseRecord
from pipeline.core.state.release import Release, Size
from tests.cli.deployments import DONE

pytestmark = pytest.mark.usefixtures("place")
Captured = pytest.CaptureFixture[str]

SIZE = Size(instance_type="t3.micro", minimum=1, maximum=2, desired=1)
RECORDS = [
    ReleaseRecord(release=Release(number=n, ami_id=f"ami-{n}", size=SIZE, facts={}), version=v)
    for n, v in ((1, "1.3.0"), (2, "1.4.0"))
]
DOCUMENT = Environment(
    app="web",
    environment="staging",
    account="123456789012",
    region="us-east-1",
    serving="r000002",
    releases={each.release.name: each for each in RECORDS},
)
SHOWN = """\
destroy staging (us-east-1, account 123456789012)
RELEASE  STATE    GROUP                VERSION  IMAGE
r000002  serving  web-staging-r000002  1.4.0    ami-2
r000001  warm     web-staging-r000001  1.3.0    ami-1
this deletes these groups with their instances and launch templates; \
the network, the load balancers, the images and the history stay
type staging to delete them: """


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def destroyed(_: object, __: str, confirm: Confirm, **___: bool) -> Deployment | None:
    done = replace(DONE, kind=Kind.DESTROY, green="", blue="", image="", version="")
    return done if confirm(DOCUMENT) else None


def test_without_a_terminal_the_name_must_be_passed(capsys: Captured) -> None:
    assert run(["destroy", "-e", "staging"]) == 3
    said = capsys.readouterr().err
    assert "confirmation needed, but stdin is not a terminal" in said
    assert "next: ami-pipeline destroy -e staging --confirm staging" in said


@pytest.mark.parametrize(
    ("typed", "code"), [("staging\n", 0), ("y\n", 130), ("yes\n", 130), ("", 130)]
)
def test_a_destroy_begins_only_after_the_name_is_typed(
    typed: str, code: int, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    monkeypatch.setattr("pipeline.app.housekeeping.destroy.destroy", destroyed)
    monkeypatch.setattr("sys.stdin", Terminal(typed))
    assert run(["destroy", "-e", "staging"]) == code
    said = capsys.readouterr()
    assert said.err.startswith(SHOWN)
    assert ("outcome    destroyed" in said.out) is (code == 0)


def test_the_option_confirms_without_a_question(
    monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    monkeypatch.setattr("pipeline.app.housekeeping.destroy.destroy", destroyed)
    assert run(["destroy", "-e", "staging", "--confirm", "staging"]) == 0
    assert "type staging" not in capsys.readouterr().err
