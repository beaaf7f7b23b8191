"""A pair is set up beside a target group that has traffic, and a killed setup is continued."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from pipeline.adapters.aws.balancing.pair_setup import read_surroundings, set_up
from pipeline.core.adoption.pairing import plan_pair
from pipeline.core.errors import FailedError, RefusedError
from tests.aws.service import REGION, Service, application, forward_to, target_group

if TYPE_CHECKING:
    from pipeline.core.adoption.pair_model import PairPlan

DELAY = {"Key": "deregistration_delay.timeout_seconds", "Value": "45"}
HOST = [{"Field": "host-header", "HostHeaderConfig": {"Values": ["shop.example.com"]}}]
REFUSE = {"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "404"}}


def plan_of(service: Service, name: str, port: int = 0) -> PairPlan:
    return plan_pair(read_surroundings(service.clients, REGION, name), port)


def settings_of(service: Service, name: str) -> tuple[dict[str, Any], dict[str, str]]:
    first = read_surroundings(service.clients, REGION, name).first
    return first.settings, dict(first.attributes)


@pytest.mark.parametrize("is_rule", [True, False], ids=["rule", "listener"])
def test_the_second_target_group_is_as_the_first_and_has_no_traffic(
    service: Service, *, is_rule: bool
) -> None:
    name = "in-rule" if is_rule else "in-listener"
    elbv2 = service.cloud.aws("elbv2")
    first = target_group(service.cloud, name)
    elbv2.modify_target_group_attributes(TargetGroupArn=first.identifier, Attributes=[DELAY])
    elbv2.add_tags(ResourceArns=[first.identifier], Tags=[{"Key": "team", "Value": "shop"}])
    listener = application(service.cloud, name, REFUSE if is_rule else forward_to(first))
    rule = {"ListenerArn": listener, "Priority": 1, "Conditions": HOST}
    if is_rule:
        elbv2.create_rule(**rule, Actions=[forward_to(first)])

    plan = plan_of(service, name, 9000)
    assert (plan.creates, plan.forwards, plan.route.is_rule) == (True, True, is_rule)
    # The run that is killed after the second target group was made.
    action, code = "ModifyTargetGroupAttributes", "AccessDenied"
    service.cloud.fault(action=action, kind="error-before", status=403, code=code)
    with pytest.raises(FailedError, match=f"creating the target group {name}-2"):
        set_up(service.clients, plan)
    plan = plan_of(service, name, 9000)
    assert (plan.creates, plan.forwards, plan.test_port) == (False, True, 9000)
    done = set_up(service.clients, plan)

    assert done.second is not None
    assert (done.is_done, done.made) == (True, True)
    assert settings_of(service, name) == settings_of(service, f"{name}-2")
    again = plan_of(service, name, 9000)
    assert again.route.weights == {first.identifier: 100, done.second.arn: 0}
    assert (again.is_done, again.test, again.made) == (True, done.test, False)
    assert again.second is not None
    assert again.second.tags == {"team": "shop"}
    service.cloud.client.forget_calls()
    assert set_up(service.clients, again) == replace(again, made=False)
    assert service.calls() == {}


def test_a_target_group_that_does_not_exist_is_refused(service: Service) -> None:
    with pytest.raises(RefusedError, match="target group lost"):
        read_surroundings(service.clients, REGION, "lost")
