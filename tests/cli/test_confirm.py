"""The confirmation prompt of a deploying command."""

from __future__ import annotations

import io
import json
from dataclasses import replace

import pytest

from pipeline.cli.main import run
from pipeline.core.deploy.plan import Confirm, PlanPreview
from pipeline.core.errors import RefusedError
from pipeline.core.hooks.hook import Hook, Point
from pipeline.core.hooks.policy import PolicyProgram
from pipeline.core.state.deployment import Deployment, Policy
from pipeline.ui.plan import plan_document
from tests.cli.deployments import DONE

pytestmark = pytest.mark.usefixtures("place")

PREVIEW = PlanPreview(deployment=replace(DONE, outcome=None), phases=(), policy=Policy())


def deploy(_: object, __: object, confirm: Confirm) -> Deployment | PlanPreview:
    return DONE if confirm(PREVIEW) else PREVIEW


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("typed", "code"),
    [("y\n", 0), ("YES\n", 0), ("n\n", 130), ("\n", 130), ("yo\n", 130), ("", 130)],
)
def test_a_deployment_begins_only_after_a_yes(
    typed: str, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("pipeline.app.promote.promote", deploy)
    monkeypatch.setattr("sys.stdin", Terminal(typed))
    assert run(["--output", "json", "promote", "-e", "staging"]) == code
    shown = capsys.readouterr()
    assert "nothing was changed\npromote now? [y/N]: " in shown.err
    document = json.loads(shown.out)
    assert document["outcome"] == "promoted" if not code else document["error"]["exit_code"] == 130


def test_the_prompt_names_a_hook_past_which_no_way_leads_back(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    once = Hook(at=Point.AFTER, command=("./migrate",), timeout=30.0, once=True)
    preview = replace(PREVIEW, policy=Policy(hooks=(once,)))
    monkeypatch.setattr(
        "pipeline.app.promote.promote",
        lambda _app, _request, confirm: DONE if confirm(preview) else preview,
    )
    monkeypatch.setattr("sys.stdin", Terminal("y\n"))
    assert run(["promote", "-e", "staging"]) == 0
    prompt = "promote now, no way back past the after hook ./migrate? [y/N]: "
    assert prompt in capsys.readouterr().err


@pytest.mark.parametrize("verb", ["promote", "rollback"])
def test_without_a_terminal_the_error_names_the_command_with_yes(
    verb: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
    assert run(["--verbose", verb, "-e", "staging"]) == 3
    assert capsys.readouterr().err == (
        f"error: {verb}:\n  confirmation needed, but stdin is not a terminal\n"
        f"next: ami-pipeline --verbose {verb} -e staging --yes\n"
    )


@pytest.mark.parametrize(
    "arguments", [["promote"], ["promote", "--plan"], ["promote", "--yes"], ["rebuild"]]
)
def test_a_policy_reads_the_plan_before_a_person_is_asked(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    policy = PolicyProgram(command=("./check",), timeout=60.0)
    preview, plans = replace(PREVIEW, policies=(policy,)), list[str]()

    def refuse(_app: object, shown: PlanPreview, plan: str) -> None:
        assert shown is preview
        plans.append(plan)
        raise RefusedError("policy ./check", "not today", "wait")

    def ask(*arguments: object) -> PlanPreview:
        confirm = arguments[-1]
        assert callable(confirm)
        confirm(preview)
        return preview

    monkeypatch.setattr("pipeline.app.environment.policies.require_allowed", refuse)
    monkeypatch.setattr("pipeline.app.promote.promote", ask)
    monkeypatch.setattr("pipeline.app.rebuild.rebuild", ask)
    monkeypatch.setattr("sys.stdin", Terminal("y\n"))
    assert run([*arguments, "-e", "staging"]) == 3
    assert capsys.readouterr().err == "error: policy ./check:\n  not today\nnext: wait\n"
    assert json.loads(plans[0]) == plan_document(preview)
