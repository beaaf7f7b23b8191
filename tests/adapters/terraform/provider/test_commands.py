"""Which commands of Terraform use a shared provider, and what follows if it dies."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import pytest

from pipeline.adapters.process.signals import Interrupts
from pipeline.adapters.terraform.provider.shared import Attachment, SharedProvider
from pipeline.adapters.terraform.terraform import Terraform
from tests.adapters.scripted import ScriptedTerraform, captured

ATTACHED = "TF_REATTACH_PROVIDERS"
FAILED = b"""\
{"@level":"error","type":"diagnostic","diagnostic":{"severity":"error","summary":"Plugin did not \
respond","detail":"The plugin encountered an error."}}
"""


@dataclass(kw_only=True)
class Provider:
    """A provider that runs, and may die in the first command that uses it."""

    dies: bool = False
    has_died: bool = False
    succeeded: tuple[bool, ...] = ()

    @contextmanager
    def attached(self, environ: Mapping[str, str]) -> Iterator[Attachment]:
        assert environ["AWS_ACCESS_KEY_ID"] == "renewed"
        if self.has_died:
            yield Attachment()
            return
        use = Attachment(variables={ATTACHED: "{}"})
        yield use
        self.has_died = self.dies
        self.succeeded += (use.succeeded,)

    @property
    def shared(self) -> SharedProvider:
        return cast("SharedProvider", self)


@pytest.fixture
def scripted(tmp_path: Path) -> ScriptedTerraform:
    return ScriptedTerraform.make(tmp_path / "bin")


@pytest.fixture
def terraform(scripted: ScriptedTerraform, tmp_path: Path) -> Terraform:
    return Terraform(
        environ={"PATH": scripted.path},
        log=tmp_path / "terraform.log",
        report=lambda _: None,
        interrupts=Interrupts(),
        credentials=lambda environ, _: {**environ, "AWS_ACCESS_KEY_ID": "renewed"},
    )


def used(scripted: ScriptedTerraform) -> list[tuple[str, bool]]:
    """Return each command, and whether it was to use a running provider."""
    calls = [each for each in scripted.calls if each["argv"] != ["version"]]
    return [(each["argv"][0], ATTACHED in each["env"]) for each in calls]


def test_plans_and_applies_use_it_and_nothing_else_does(
    scripted: ScriptedTerraform, terraform: Terraform, tmp_path: Path
) -> None:
    scripted.on("plan", captured("launch.log"))
    scripted.on("apply", b"{}\n")
    scripted.on("state", b"")
    provider, file = Provider(), tmp_path / "a.tfplan"
    terraform.init(tmp_path)
    terraform.plan(tmp_path, file, provider=provider.shared)
    terraform.apply(tmp_path, file, timeout=30, provider=provider.shared)
    terraform.state(tmp_path)
    assert used(scripted) == [("init", False), ("plan", True), ("apply", True), ("state", False)]
    assert provider.succeeded == (True, True)
    assert ATTACHED not in os.environ


def test_a_plan_whose_provider_died_is_made_again_without_it(
    scripted: ScriptedTerraform, terraform: Terraform, tmp_path: Path
) -> None:
    scripted.on("plan", FAILED, code=1)
    provider = Provider(dies=True)
    output = terraform.plan(tmp_path, tmp_path / "a.tfplan", provider=provider.shared)
    assert used(scripted) == [("plan", True), ("plan", False)]
    assert len(output.errors) == 1
    assert provider.succeeded == (False,)


def test_an_apply_whose_provider_died_is_not_repeated(
    scripted: ScriptedTerraform, terraform: Terraform, tmp_path: Path
) -> None:
    scripted.on("apply", FAILED, code=1)
    provider = Provider(dies=True)
    output = terraform.apply(tmp_path, tmp_path / "a.tfplan", timeout=30, provider=provider.shared)
    assert used(scripted) == [("apply", True)]
    assert [each.summary for each in output.errors] == ["Plugin did not respond"]


def test_a_plan_that_fails_beside_a_provider_that_lives_is_not_repeated(
    scripted: ScriptedTerraform, terraform: Terraform, tmp_path: Path
) -> None:
    scripted.on("plan", FAILED, code=1)
    terraform.plan(tmp_path, tmp_path / "a.tfplan", provider=Provider().shared)
    assert used(scripted) == [("plan", True)]
