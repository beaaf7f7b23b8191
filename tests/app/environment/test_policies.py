"""Which policies decide about a deployment, and how a refusal ends it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pipeline.adapters.ci import command_hooks
from pipeline.app.environment.policies import policies_of, require_allowed
from pipeline.core.deploy.plan import PlanPreview
from pipeline.core.errors import RefusedError
from pipeline.core.events import Message
from pipeline.core.hooks.hook import NOT_STARTED, HookResult
from pipeline.core.hooks.policy import PolicyProgram
from pipeline.core.masking import Masker
from pipeline.core.state.deployment import Kind, Policy
from tests.ui.status_examples import a_deployment, image

ALL = PolicyProgram(command=("./all",), timeout=60.0)
STAGING = PolicyProgram(command=("./staging",), timeout=60.0, environments=("staging",))
BACK = PolicyProgram(command=("./back",), timeout=60.0, rollback=True)


@dataclass
class FakePrograms:
    """Answers for the programs of policies; `asked` are the plan and the facts of each."""

    results: dict[str, HookResult] = field(default_factory=dict)
    asked: list[tuple[str, bytes, str]] = field(default_factory=list)

    def decide(self, policy: PolicyProgram, facts: dict[str, str], plan: bytes) -> HookResult:
        self.asked.append((policy.command[0], plan, facts["AMI_PIPELINE_RELEASE"]))
        return self.results.get(policy.command[0], HookResult(code=0))


@pytest.fixture
def programs(monkeypatch: pytest.MonkeyPatch) -> FakePrograms:
    fake = FakePrograms()
    monkeypatch.setattr(command_hooks, "CommandHooks", lambda **_: fake)
    return fake


def an_app(said: list[str] | None = None) -> Any:
    def report(event: Message) -> None:
        (said if said is not None else []).append(event.text)

    settings = SimpleNamespace(
        app="web",
        region="eu-central-1",
        root=Path(),
        policy=[SimpleNamespace(program=each) for each in (ALL, STAGING, BACK)],
    )
    return SimpleNamespace(
        settings=settings,
        environ={},
        logs=Path(),
        interrupts=None,
        report=report,
        masker=lambda _: Masker(),
    )


@pytest.mark.parametrize(
    ("kind", "environment", "expected"),
    [
        (Kind.PROMOTE, "production", [ALL, BACK]),
        (Kind.REBUILD, "staging", [ALL, STAGING, BACK]),
        (Kind.ROLLBACK, "staging", [BACK]),
        (Kind.DRILL, "staging", []),
        (Kind.RETIRE, "staging", []),
    ],
)
def test_a_policy_decides_about_its_environments_and_a_rollback_only_if_it_says_so(
    kind: Kind, environment: str, expected: list[PolicyProgram]
) -> None:
    deployment = a_deployment(kind=kind, environment=environment)
    assert [*policies_of(an_app(), deployment)] == expected


def preview(kind: Kind = Kind.PROMOTE) -> PlanPreview:
    return PlanPreview(
        deployment=a_deployment(kind=kind), phases=(), policy=Policy(), policies=(ALL, BACK)
    )


def test_every_policy_gets_the_plan_and_is_named(programs: FakePrograms) -> None:
    said: list[str] = []
    require_allowed(an_app(said), preview(), "{}")
    assert programs.asked == [("./all", b"{}", "r000124"), ("./back", b"{}", "r000124")]
    assert said == ["policy ./all", "policy ./back"]


@pytest.mark.parametrize(
    ("kind", "again"),
    [
        (Kind.PROMOTE, f"ami-pipeline promote -e production --image {image(124)}"),
        (Kind.REBUILD, "ami-pipeline rebuild -e production"),
        (Kind.ROLLBACK, "ami-pipeline rollback -e production"),
    ],
)
def test_the_first_refusal_ends_the_run_with_its_reason(
    kind: Kind, again: str, programs: FakePrograms
) -> None:
    programs.results["./all"] = HookResult(code=1, failure="exit code 1\n| not on a Friday")
    with pytest.raises(RefusedError) as found:
        require_allowed(an_app(), preview(kind), "{}")
    assert [name for name, _, _ in programs.asked] == ["./all"]
    assert str(found.value) == (
        "policy ./all:\n  does not allow it: exit code 1\n  | not on a Friday\n"
        f"next: fix the cause above, then: {again}"
    )


def test_a_policy_that_cannot_be_started_allows_nothing(programs: FakePrograms) -> None:
    what = "cannot be started: No such file or directory"
    programs.results["./all"] = HookResult(code=NOT_STARTED, failure=what)
    with pytest.raises(RefusedError, match=what) as found:
        require_allowed(an_app(), preview(), "{}")
    assert found.value.remedy == "fix [[policy]] in pipeline.toml, then: ami-pipeline config check"
