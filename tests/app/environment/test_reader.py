"""What an environment's reader says about its load balancers and its inputs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pipeline import config
from pipeline.adapters.aws.balancing import balancer_settings, balancers
from pipeline.adapters.process.signals import Interrupts
from pipeline.adapters.terraform.root_module import module_digest
from pipeline.app import Application
from pipeline.app.environment.reader import EnvironmentReader
from pipeline.core.changes.inputs import input_changes
from pipeline.core.errors import RefusedError
from pipeline.core.health.observation import Balancer, Observation, ObservedGroup
from pipeline.core.preflight.facts import BalancerFacts
from pipeline.core.state.deployment import Delays
from tests.core.deploy.fakes import cloud

WEB = Balancer(kind="elbv2", identifier="arn:tg/web", name="web")


def settings_of(balancer: Balancer, drain: float, slow_start: float) -> BalancerFacts:
    return BalancerFacts(
        balancer=balancer,
        exists=True,
        listeners=1,
        zones=frozenset(),
        vpc="",
        drain_seconds=drain,
        check_seconds=30,
        slow_start=slow_start,
        target_type="instance",
    )


def reader(said: list[str]) -> EnvironmentReader:
    named = SimpleNamespace(load_balancers=("web",), target_groups=(), pairs=(), account="")
    app: Any = SimpleNamespace(
        settings=SimpleNamespace(region="us-east-1", environment=lambda _: named),
        report=lambda event: said.append(event.text),
    )
    made = EnvironmentReader(app=app, environment="staging")
    made.__dict__["found_balancers"] = ((WEB,), ())
    made.__dict__["clients"] = None
    return made


def test_the_delays_are_the_longest_of_all_load_balancers(monkeypatch: pytest.MonkeyPatch) -> None:
    facts = (settings_of(WEB, 300, 0), settings_of(WEB, 30, 90))
    monkeypatch.setattr(balancer_settings, "describe", lambda *_: facts)
    assert reader([]).read_delays() == Delays(drain=300, slow_start=90)


def test_the_delay_of_workers_is_that_of_their_termination_hooks() -> None:
    made = reader([])
    made.__dict__["found_balancers"] = ((), ())
    settings: Any = made.app.settings
    settings.app = "web"
    none = SimpleNamespace(load_balancers=(), target_groups=(), pairs=(), account="")
    settings.environment = lambda _: none
    holds = {"web-staging-r000001": 600.0, "web-staging-r000002": 30.0}
    made.__dict__["groups"] = SimpleNamespace(read_hold=holds.__getitem__)
    assert made.read_delays((), ("r000001", "", "r000002")) == Delays(drain=600.0)


def test_delays_that_cannot_be_read_are_reported_and_stop_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*_: object) -> None:
        raise RefusedError("reading the load balancers", "AccessDenied", "ask for permission")

    monkeypatch.setattr(balancer_settings, "describe", refuse)
    said: list[str] = []
    assert reader(said).read_delays() == Delays()
    assert said == [
        (
            "the deregistration delay is unknown: reading the load balancers: AccessDenied; "
            "ask for permission"
        )
    ]


@pytest.mark.parametrize("owner", ["web-staging", ""], ids=["another service", "ours"])
def test_a_serving_group_that_belongs_to_another_service_is_refused(owner: str) -> None:
    tags = {"ami-pipeline:app": owner or "web", "ami-pipeline:environment": "staging"}
    seen = ObservedGroup(
        name="web-staging-r000001",
        minimum=0,
        maximum=1,
        desired=1,
        template="",
        version="",
        tags=tags,
    )
    fake = cloud()
    made = reader([])
    made.__dict__["groups"] = SimpleNamespace(
        observe=lambda *_, **__: Observation(at=0.0, groups={seen.name: seen})
    )
    made.__dict__["pace"] = fake
    if not owner:
        assert made.serving_group_exists(fake.document)
        return
    with pytest.raises(RefusedError, match="belongs to web-staging/staging by its tags"):
        made.serving_group_exists(fake.document)


# --- inputs ---------------------------------------------------------------------------------------

CONFIGURATION = """
app = "web"
region = "us-east-1"
[bake]
template = "app.pkr.hcl"
[terraform.inputs]
key_name = "ada"
user_data_template = "boot.tftpl"
[environments.staging]
instance_type = "t3.large"
min_size = 2
[environments.staging.terraform.inputs]
detailed_monitoring = true
"""


@pytest.fixture
def configured(tmp_path: Path) -> EnvironmentReader:
    (tmp_path / "pipeline.toml").write_text(CONFIGURATION)
    (tmp_path / "boot.tftpl").write_text("true")
    app: Any = Application(
        settings=config.load(tmp_path / "pipeline.toml"),
        environ={},
        interrupts=Interrupts(),
        report=lambda _: None,
    )
    return EnvironmentReader(app=app, environment="staging")


def test_the_inputs_of_a_release_are_all_that_makes_it_besides_the_image(
    configured: EnvironmentReader,
) -> None:
    inputs = configured.inputs()
    assert inputs["instance_type"] == "t3.large"
    assert (inputs["min_size"], inputs["max_size"], inputs["desired_capacity"]) == (2, 2, 2)
    assert inputs["terraform.inputs.key_name"] == "ada"
    assert inputs["terraform.inputs.detailed_monitoring"] is True
    (configured.app.settings.root / "boot.tftpl").write_text("false")
    changed = input_changes(inputs, configured.inputs())
    assert [each.name for each in changed] == ["content of user_data_template"]


def test_the_content_of_a_module_of_the_users_own_is_an_input(tmp_path: Path) -> None:
    (tmp_path / "main.tf").write_text("# one")
    (tmp_path / "tests").mkdir()
    before = module_digest(tmp_path)
    (tmp_path / "README.md").write_text("for people")
    (tmp_path / "tests/a.tftest.hcl").write_text("for Terraform")
    (tmp_path / ".terraform").mkdir()
    (tmp_path / ".terraform/x").write_text("")
    assert module_digest(tmp_path) == before
    (tmp_path / "main.tf").write_text("# two")
    assert module_digest(tmp_path) != before


def test_recorded_inputs_take_the_place_of_the_configurations(
    configured: EnvironmentReader,
) -> None:
    recorded = {
        "instance_type": "t3.small",
        "min_size": 7,
        "terraform.inputs.user_data": "true",
        "terraform.module": "another",
    }
    with configured.made_with(recorded):
        root = configured.app.root("staging")
        size = configured.app.settings.environment("staging").size
    assert root.inputs == {"user_data": "true"}
    assert (size.instance_type, size.minimum) == ("t3.small", 2)
    assert configured.app.root("staging").inputs["key_name"] == "ada"


def test_a_serving_release_without_recorded_inputs_differs_in_nothing(
    configured: EnvironmentReader,
) -> None:
    document = cloud().document
    assert configured.changed_inputs(document) == ()
    serving = replace(document.releases[document.serving], inputs=configured.inputs())
    assert configured.changed_inputs(document.with_release(serving)) == ()
    other = replace(serving, inputs={**configured.inputs(), "instance_type": "t3.nano"})
    (change,) = configured.changed_inputs(document.with_release(other))
    assert (change.before, change.after) == ("t3.nano", "t3.large")


def test_load_balancers_that_were_just_found_are_not_described_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock, asked = SimpleNamespace(now=100.0), list[object]()
    made = reader([])
    del made.__dict__["found_balancers"]
    made.__dict__["pace"] = SimpleNamespace(clock=lambda: clock.now)
    found = ((WEB,), (), {WEB.identifier: {"LoadBalancerName": "web"}})
    monkeypatch.setattr(balancers, "find_described", lambda *_: found)
    monkeypatch.setattr(balancer_settings, "describe", lambda *given: asked.append(given[3]))
    made.describe_balancers((WEB,))  # before any was found
    assert made.balancers == (WEB,)
    for seconds in (4.9, 0.2):
        clock.now += seconds
        made.describe_balancers((WEB,))
    assert asked == [{}, found[2], {}]


def test_only_load_balancers_without_a_known_description_are_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    read: list[list[str]] = []

    def describe(_clients: object, _region: str, names: list[str]) -> dict[str, object]:
        read.append(names)
        return {}

    monkeypatch.setattr(balancer_settings, "find_classic", describe)
    monkeypatch.setattr(balancer_settings, "find_groups", describe)
    clients: Any = SimpleNamespace(elb=lambda _: None, elbv2=lambda _: None)
    monkeypatch.setattr(balancer_settings, "_group_facts", lambda *given: given[2])
    known: Any = {WEB.identifier: {"TargetGroupName": "web"}}
    shown: Any = balancer_settings.describe(clients, "us-east-1", (WEB,), known)
    assert (read, shown) == ([[], []], (known[WEB.identifier],))
