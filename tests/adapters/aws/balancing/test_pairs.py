"""Pairs are found by their ARNs, and only the weights of their actions are changed."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from pipeline.adapters.aws.balancing.pairs import PairNames, find_pairs, moved
from pipeline.adapters.aws.groups import Groups
from pipeline.core.errors import FailedError, RefusedError
from tests.aws.service import REGION, Service, application, target_group

if TYPE_CHECKING:
    from pipeline.core.health.observation import Balancer

PATHS = [{"Field": "path-pattern", "PathPatternConfig": {"Values": ["/shop*"]}}]
REFUSE = {"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "404"}}
STICKY = {"Enabled": True, "DurationSeconds": 60}


def forward(*weights: tuple[Balancer, int], sticky: bool = False) -> dict[str, Any]:
    groups = [{"TargetGroupArn": each.identifier, "Weight": weight} for each, weight in weights]
    config = {"TargetGroups": groups}
    kept = {"TargetGroupStickinessConfig": STICKY} if sticky else {}
    return {"Type": "forward", "ForwardConfig": {**config, **kept}}


def weights_of(service: Service, rule: str) -> dict[str, int]:
    groups = Groups(service.clients, REGION)
    return dict(groups.observe([], [], activities=[], rules=[rule]).weights[rule])


@pytest.mark.parametrize("is_rule", [True, False], ids=["rule", "listener"])
def test_a_pair_is_found_read_and_shifted(service: Service, *, is_rule: bool) -> None:
    name = "pair-rule" if is_rule else "pair-listener"
    a, b = (target_group(service.cloud, f"{name}-{side}") for side in "ab")
    action = forward((a, 0), (b, 3), sticky=True)
    rule = application(service.cloud, name, REFUSE if is_rule else action)
    elbv2 = service.cloud.aws("elbv2")
    if is_rule:
        [made] = elbv2.create_rule(
            ListenerArn=rule, Priority=1, Conditions=PATHS, Actions=[action]
        )["Rules"]
        rule = made["RuleArn"]
    named = PairNames(rule=rule, target_groups=(a.name, b.identifier))
    [pair] = find_pairs(service.clients, REGION, [named])
    assert (pair.targets, pair.live, pair.sticky) == ((a, b), b, True)
    assert weights_of(service, rule) == {a.identifier: 0, b.identifier: 100}
    [balancer] = elbv2.describe_load_balancers(Names=[name])["LoadBalancers"]
    url = Groups(service.clients, REGION).url_of(rule)
    assert re.fullmatch(rf"http://{re.escape(balancer['DNSName'])}:\d+", url)

    shares = {a.identifier: 95, b.identifier: 5}
    for _ in range(2):
        Groups(service.clients, REGION).shift(rule, shares)
    assert weights_of(service, rule) == shares
    [pair] = find_pairs(service.clients, REGION, [named])
    assert (pair.live, pair.sticky) == (a, True)


def test_what_does_not_exist_is_refused_by_name(service: Service) -> None:
    a, b = (target_group(service.cloud, f"missing-{side}") for side in "ab")
    listener = application(service.cloud, "missing", forward((a, 1), (b, 0)))
    gone = f"{listener[:-4]}0000"
    with pytest.raises(RefusedError, match="there is no listener") as raised:
        find_pairs(service.clients, REGION, [PairNames(rule=gone, target_groups=(a.name, b.name))])
    options = {"LoadBalancerArn": raised.value.remedy.split()[-1]}
    shown = service.cloud.aws("elbv2").describe_listeners(**options)["Listeners"]
    assert [each["ListenerArn"] for each in shown] == [listener]
    with pytest.raises(RefusedError, match="there is no target group lost"):
        find_pairs(
            service.clients, REGION, [PairNames(rule=listener, target_groups=(a.name, "lost"))]
        )
    with pytest.raises(FailedError, match=r"moving traffic \(missing-a 100 %, missing-b 0 %\)"):
        Groups(service.clients, REGION).shift(gone, {a.identifier: 100, b.identifier: 0})


def test_a_single_target_group_becomes_one_of_two_and_the_login_before_it_stays() -> None:
    login = {"Type": "authenticate-oidc", "Order": 1, "AuthenticateOidcConfig": {"ClientId": "c"}}
    assert moved(login, {"a": 100}) == {
        **login,
        "AuthenticateOidcConfig": {"ClientId": "c", "UseExistingClientSecret": True},
    }
    single = {"Type": "forward", "Order": 2, "TargetGroupArn": "a"}
    groups = [{"TargetGroupArn": "a", "Weight": 100}, {"TargetGroupArn": "b", "Weight": 0}]
    assert moved(single, {"a": 100, "b": 0}) == {
        "Type": "forward",
        "Order": 2,
        "ForwardConfig": {"TargetGroups": groups},
    }
