"""The plan and the result of `adopt --pair`, as a person reads them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pipeline.core.adoption.pair_model import PairPlan, PairSetup, Route, TargetGroup
from pipeline.ui.adopt.pair import document, done_text, plan_text

FIRST, SECOND, RULE = "arn:tg/web", "arn:tg/web-2", "arn:rule/1"
WEB = TargetGroup(
    described={
        "TargetGroupArn": FIRST,
        "TargetGroupName": "web",
        "Protocol": "HTTP",
        "Port": 8080,
        "VpcId": "vpc-1",
        "HealthCheckProtocol": "HTTP",
        "HealthCheckPath": "/health",
        "HealthCheckIntervalSeconds": 10,
    },
    attributes={"deregistration_delay.timeout_seconds": "60"},
    tags={"team": "shop"},
)
ROUTE = Route(
    arn=RULE,
    weights={FIRST: 100},
    listener={"ListenerArn": "arn:listener/1", "Protocol": "HTTPS", "Port": 443},
    is_rule=True,
    alone=({"Type": "forward", "TargetGroupArn": FIRST},),
)
PLAN = PairPlan(
    region="us-east-1", first=WEB, name="web-2", second=None, route=ROUTE, test_port=9000
)
SETUP = PairSetup(environment="live", plans=(PLAN,))
THERE = replace(WEB, described={"TargetGroupArn": SECOND, "TargetGroupName": "web-2"})
BOTH = replace(ROUTE, weights={FIRST: 100, SECOND: 0})
DONE = replace(PLAN, second=THERE, route=BOTH, test="arn:listener/2", test_port=0, made=True)


def test_the_plan_says_what_is_created_and_changed_and_what_terraform_must_leave() -> None:
    assert plan_text(SETUP, "pipeline.toml") == (
        "A pair for live:\n"
        "\n"
        "  create the target group web-2, as web is:\n"
        "    HTTP:8080 in vpc-1, health check HTTP /health every 10 s, "
        "deregistration delay 60 s, and its 1 tag\n"
        "  change the rule of listener HTTPS:443 arn:rule/1:\n"
        "    forward 100 % to web and 0 % to web-2\n"
        "  create the test listener HTTPS:9000:\n"
        "    forward 100 % to web-2\n"
        '  change pipeline.toml: pairs in place of target_groups, strategy = "flip"\n'
        "\n"
        "web keeps all traffic.\n"
        "\n"
        "If Terraform owns the listener, first add this there, or its next apply undoes the pair:\n"
        "  aws_lb_listener_rule: lifecycle { ignore_changes = [action] }\n"
    )


def test_the_result_names_the_pair_and_how_it_is_removed() -> None:
    assert done_text(replace(SETUP, plans=(DONE,)), "pipeline.toml") == (
        "live has a pair\n"
        "\n"
        "pair       web (100 %), web-2 (0 %)\n"
        "test       arn:listener/2\n"
        "policy     ami-pipeline permissions deploy -e live\n"
        "next       ami-pipeline promote -e live --plan\n"
        "\n"
        "For Terraform to manage web-2, with `terraform plan -generate-config-out=FILE`:\n"
        "  import {\n"
        "    to = aws_lb_target_group.web_2\n"
        '    id = "arn:tg/web-2"\n'
        "  }\n"
        "\n"
        "To remove the pair before a release uses web-2: in pipeline.toml, name\n"
        "web in target_groups of live again, then:\n"
        "  aws elbv2 modify-rule --region us-east-1 --rule-arn arn:rule/1 --actions "
        """'[{"Type": "forward", "TargetGroupArn": "arn:tg/web"}]'\n"""
        "  aws elbv2 delete-listener --region us-east-1 --listener-arn arn:listener/2\n"
        "  aws elbv2 delete-target-group --region us-east-1 --target-group-arn arn:tg/web-2"
    )


def test_a_file_that_cannot_be_changed_is_left_to_the_person() -> None:
    setup = replace(SETUP, plans=(replace(DONE, made=False),), by_hand="is an inline table")
    assert "  leave pipeline.toml to you: is an inline table\n" in plan_text(setup, "pipeline.toml")
    assert done_text(setup, "pipeline.toml").endswith(
        "\n\nChange pipeline.toml yourself: remove target_groups of [environments.live], set\n"
        'strategy = "flip" in its table promote, and add:\n'
        "\n"
        "[[environments.live.pairs]]\n"
        'listener_rule = "arn:rule/1"\n'
        'target_groups = ["web", "web-2"]\n'
        'test_listener = "arn:listener/2"'
    )


@pytest.mark.parametrize("planned", [True, False])
def test_a_known_pair_is_nothing_to_do(*, planned: bool) -> None:
    known = PairSetup(environment="live", plans=(), known=True)
    text = plan_text(known, "pipeline.toml") if planned else done_text(known, "pipeline.toml")
    assert text == "nothing to do: live has pairs in pipeline.toml"
    assert document(known, planned=planned)["outcome"] == "unchanged"


def test_the_document_has_the_plan() -> None:
    told = document(SETUP, planned=True)
    assert (told["outcome"], told["by_hand"]) == ("planned", None)
    assert told["pairs"] == [
        {
            "target_groups": ["web", "web-2"],
            "listener_rule": RULE,
            "test_listener": None,
            "creates_target_group": True,
            "changes_forward_action": True,
            "creates_test_listener_at": 9000,
            "terraform": "aws_lb_listener_rule: lifecycle { ignore_changes = [action] }",
        }
    ]
