"""Pairs before a deployment: weights that another changed, actions that do not fit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from pipeline.core.health.observation import Observation
from pipeline.core.health.pairs import Pair
from pipeline.core.preflight.finding import Finding
from pipeline.core.preflight.pair_checks import pair_findings
from tests.core.deploy.fakes import BLUE, ONE_SIDE, OTHER_SIDE, PAIR, PAIRED, RULE

A, B = ONE_SIDE.identifier, OTHER_SIDE.identifier


def found(
    weights: Mapping[str, int], *, serving: str = BLUE, pair: Pair = PAIR
) -> tuple[Finding, ...]:
    place = replace(PAIRED, pairs=(pair,))
    seen = Observation(at=0.0, weights={RULE: weights})
    return tuple(pair_findings(place, serving, seen))


def test_a_pair_as_the_last_release_left_it_has_no_finding() -> None:
    assert found({A: 100, B: 0}) == ()


@pytest.mark.parametrize(
    ("weights", "what"),
    [
        (
            {A: 50, B: 50},
            (
                "its weights changed since the last release: arn:tg/a 50 %, arn:tg/b 50 %; "
                "r000001 had all traffic"
            ),
        ),
        ({}, "does not forward to web-a and web-b"),
        ({A: 100, B: 0, "arn:tg/c": 0}, "also forwards to arn:tg/c: a pair has two target groups"),
    ],
)
def test_weights_of_another_hand_are_refused(weights: Mapping[str, int], what: str) -> None:
    [finding] = found(weights)
    assert finding.blocking
    assert finding.what == what
    assert "aws elbv2 modify-listener --region us-east-1 --listener-arn arn:rule/live" in (
        finding.remedy
    )


def test_the_remedy_for_changed_weights_has_the_lines_for_terraform() -> None:
    [finding] = found({A: 0, B: 100})
    assert finding.remedy.endswith("lifecycle { ignore_changes = [default_action] }")
    rule = replace(PAIR, rule="arn:aws:elasticloadbalancing:::listener-rule/app/web/1/2/3")
    seen = Observation(at=0.0, weights={rule.rule: {A: 0, B: 100}})
    [finding] = pair_findings(replace(PAIRED, pairs=(rule,)), BLUE, seen)
    assert finding.remedy.endswith("lifecycle { ignore_changes = [action] }")


def test_a_pair_that_no_release_has_used_yet_gets_a_notice_about_its_owner() -> None:
    [finding] = found({A: 0, B: 100}, serving="")
    assert not finding.blocking
    assert "ignore_changes" in finding.remedy


def test_clients_that_stay_with_a_target_group_are_refused() -> None:
    [finding] = found({A: 100, B: 0}, pair=replace(PAIR, sticky=True))
    assert finding.blocking
    assert "stickiness" in finding.what
