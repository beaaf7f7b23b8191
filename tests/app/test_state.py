"""`state providers --upgrade`: what is planned, asked, recorded and taken back."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from pipeline.app.environment.leased import LeasedEnvironment
from pipeline.app.state import upgrade_providers
from pipeline.core.errors import LeaseHeldError, RefusedError
from pipeline.core.state.release import Release
from pipeline.core.terraform.plan_guard import Plan
from pipeline.core.terraform.provider_lock import ProviderUpgrade, new_lock
from tests.app.session_fakes import FakeEnvironment

AWS = "registry.terraform.io/hashicorp/aws"
NEW = new_lock(f'provider "{AWS}" {{\n  version = "5.100.0"\n}}\n', "linux_amd64")


class FakeResources:
    """Terraform with a newer provider; `steps` is what was done."""

    def __init__(self) -> None:
        self.before = {AWS: "5.99.0"}
        self.steps: list[str] = []
        self.wanted: list[str] = []
        self.is_lost = False

    def plan_upgrade(self, wanted: list[Release]) -> ProviderUpgrade:
        self.steps.append("plan")
        self.wanted = [each.name for each in wanted]
        return ProviderUpgrade(before=self.before, lock=NEW, plan=Plan(file=None, changes=()))

    def record_upgrade(self, upgrade: ProviderUpgrade) -> None:
        assert upgrade.lock == NEW
        self.steps.append("record")

    def discard_upgrade(self) -> None:
        self.steps.append("discard")

    def fence(self) -> None:
        self.steps.append("fence")
        if self.is_lost:
            raise LeaseHeldError("lease", "was lost", "wait")


@pytest.fixture
def resources(monkeypatch: pytest.MonkeyPatch) -> FakeResources:
    made = FakeResources()
    monkeypatch.setattr(LeasedEnvironment, "resources", lambda _: (made, made.fence))
    return made


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> FakeEnvironment:
    made = FakeEnvironment(monkeypatch)
    made.fake.update(lambda document: replace(document, deployment=None))
    return made


def upgrade(environment: FakeEnvironment, answer: Any) -> ProviderUpgrade | None:
    return upgrade_providers(environment.app, "staging", answer)


def test_an_upgrade_plans_all_releases_and_is_recorded_with_the_lease(
    environment: FakeEnvironment, resources: FakeResources
) -> None:
    done = upgrade(environment, lambda found: found.changes == ((AWS, "5.99.0", "5.100.0"),))
    assert done is not None
    assert resources.wanted == list(environment.fake.document.releases)
    assert resources.steps == ["plan", "fence", "record"]
    assert "lease" in environment.calls


def test_an_upgrade_that_is_not_confirmed_is_discarded(
    environment: FakeEnvironment, resources: FakeResources
) -> None:
    assert upgrade(environment, lambda _: False) is None
    assert resources.steps == ["plan", "discard"]


def test_no_prompt_follows_if_the_recorded_versions_are_the_newest(
    environment: FakeEnvironment, resources: FakeResources
) -> None:
    resources.before = {AWS: "5.100.0"}
    done = upgrade(environment, lambda _: pytest.fail("asked"))
    assert done is not None
    assert done.changes == ()
    assert resources.steps == ["plan", "discard"]


def test_a_signal_at_the_prompt_discards_the_upgrade(
    environment: FakeEnvironment, resources: FakeResources
) -> None:
    def interrupt(_: ProviderUpgrade) -> bool:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        upgrade(environment, interrupt)
    assert resources.steps == ["plan", "discard"]


def test_a_run_that_lost_its_lease_records_nothing(
    environment: FakeEnvironment, resources: FakeResources
) -> None:
    resources.is_lost = True
    with pytest.raises(LeaseHeldError):
        upgrade(environment, lambda _: True)
    assert "record" not in resources.steps


def test_an_interrupted_deployment_refuses_the_upgrade(
    monkeypatch: pytest.MonkeyPatch, resources: FakeResources
) -> None:
    with pytest.raises(RefusedError) as told:
        upgrade(FakeEnvironment(monkeypatch), lambda _: True)
    assert told.value.what.startswith("cannot plan: a previous promote stopped")
    assert resources.steps == []
