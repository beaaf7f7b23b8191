"""What an environment's reader says about its load balancers."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from pipeline.adapters.aws import balancer_settings
from pipeline.app.environment.reader import EnvironmentReader
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
    app: Any = SimpleNamespace(
        settings=SimpleNamespace(region="us-east-1"),
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
