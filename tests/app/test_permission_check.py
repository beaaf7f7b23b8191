"""Permissions are proven once for each role and configuration."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pipeline.adapters.store.directory import DirectoryStore
from pipeline.adapters.store.records.permission_proofs import PermissionProofs
from pipeline.app import Application, Options
from pipeline.app.environment.reader import EnvironmentReader
from pipeline.app.permission_check import PermissionCheck, launch_of
from pipeline.core.permissions.probes import (
    LASTS,
    Answer,
    Launch,
    PermissionFacts,
    Probe,
    ProbeResult,
)
from pipeline.core.permissions.scope import Feature

NOW = datetime(2026, 11, 28, 14, 0, tzinfo=UTC)
LAUNCH = Launch(
    app="web", environment="production", region="r", image_id="ami-1", instance_type="t3.micro"
)


def facts(answer: Answer) -> PermissionFacts:
    probe = Probe(action="ec2:RunInstances")
    return PermissionFacts(results=(ProbeResult(probe=probe, answer=answer, action=probe.action),))


class World:
    """A store, a clock, a caller, and a prober that counts."""

    def __init__(self, folder: Path) -> None:
        self.now, self.arn = NOW, "arn:aws:sts::1:assumed-role/deploy/a"
        self.answer, self.probes = Answer.ALLOWED, 0
        clients = SimpleNamespace(caller=lambda _: {"Arn": self.arn})
        settings = SimpleNamespace(region="eu-central-1")
        reader: Any = SimpleNamespace(
            clients=clients, app=SimpleNamespace(settings=settings), now=lambda: self.now
        )
        prober: Any = SimpleNamespace(probe=self.probe)
        proofs = PermissionProofs(DirectoryStore(folder), "production")
        self.check = PermissionCheck(prober=prober, proofs=proofs, reader=reader)

    def probe(self, _: Launch) -> PermissionFacts:
        self.probes += 1
        return facts(self.answer)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_what_was_proven_is_not_probed_again_until_the_proof_expires(world: World) -> None:
    assert world.check(LAUNCH) == facts(Answer.ALLOWED)
    world.arn = world.arn.replace("/a", "/b")
    assert world.check(LAUNCH) == PermissionFacts()
    assert world.probes == 1
    world.now += LASTS
    world.check(LAUNCH)
    assert world.probes == 2


def test_another_role_proves_for_itself_and_both_proofs_count(world: World) -> None:
    world.check(LAUNCH)
    world.arn = "arn:aws:iam::1:user/me"
    world.check(LAUNCH)
    world.check(LAUNCH)
    world.arn = "arn:aws:sts::1:assumed-role/deploy/c"
    world.check(LAUNCH)
    assert world.probes == 2


@pytest.mark.parametrize("answer", [Answer.DENIED, Answer.UNKNOWN])
def test_a_denial_and_an_unknown_answer_are_probed_again(world: World, answer: Answer) -> None:
    world.answer = answer
    world.check(LAUNCH)
    world.now += timedelta(seconds=1)
    assert world.check(LAUNCH) == facts(answer)
    assert world.probes == 2


def test_a_launch_is_what_the_configuration_describes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "app.json").write_text("{}")
    (tmp_path / "pipeline.toml").write_text(
        'app = "web"\nregion = "eu-central-1"\n[bake]\ntemplate = "app.json"\n'
        '[environments.production]\ninstance_type = "m5.large"\nload_balancers = ["web"]\n'
        '[environments.production.terraform.inputs]\nsecurity_group_ids = ["sg-0b"]\n'
        'instance_profile = "web"\nkey_name = "admin"\nenabled_metrics = []\n'
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("pipeline.adapters.process.signals.Interrupts.install", lambda _: None)
    app = Application.start(Options(), lambda _: None)
    reader = EnvironmentReader(app=app, environment="production")
    assert launch_of(reader, "ami-1", ("subnet-0a",)) == Launch(
        app="web",
        environment="production",
        region="eu-central-1",
        image_id="ami-1",
        instance_type="m5.large",
        features=frozenset({Feature.PROFILE}),
        subnets=("subnet-0a",),
        security_groups=("sg-0b",),
        profile="web",
        key_pair="admin",
    )
