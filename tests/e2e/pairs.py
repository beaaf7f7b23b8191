"""Pairs of target groups behind a load balancer of the local cloud, for tests of strategies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.running_cloud import eventually

if TYPE_CHECKING:
    from tests.e2e.testbed import CloudTestbed
    from tests.running_cloud import Cloud

TEST_PORT = 8443
CHECK = {
    "HealthCheckPath": "/health",
    "HealthCheckIntervalSeconds": 10,
    "HealthCheckProtocol": "HTTP",
    "UnhealthyThresholdCount": 2,
}
PATHS = {"Field": "path-pattern", "PathPatternConfig": {"Values": ["/*"]}}
REFUSE = {"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "404"}}


@dataclass(frozen=True, kw_only=True)
class Pair:
    """A pair as pipeline.toml names it; `rule` and `test` are ARNs."""

    rule: str
    groups: tuple[str, str]
    test: str
    test_url: str
    load_balancer: str

    @property
    def table(self) -> dict[str, object]:
        """The keys of the pair in pipeline.toml."""
        key = "listener_rule" if ":listener-rule/" in self.rule else "listener"
        return {key: self.rule, "target_groups": list(self.groups), "test_listener": self.test}

    def weights(self, cloud: Cloud) -> list[int]:
        """Return the weights of both target groups, in their order."""
        elbv2 = cloud.aws("elbv2")
        if ":listener-rule/" in self.rule:
            [found] = elbv2.describe_rules(RuleArns=[self.rule])["Rules"]
            actions = found["Actions"]
        else:
            [found] = elbv2.describe_listeners(ListenerArns=[self.rule])["Listeners"]
            actions = found["DefaultActions"]
        groups = actions[-1]["ForwardConfig"]["TargetGroups"]
        by_arn = {each["TargetGroupArn"]: each["Weight"] for each in groups}
        return [by_arn[arn] for arn in self.groups]


def make_pair(testbed: CloudTestbed, name: str, kind: str) -> tuple[str, Pair]:
    """Create a pair of kind pair, pair-rule or pair-network; return its URL, too."""
    elbv2, is_network = testbed.cloud.aws("elbv2"), kind == "pair-network"
    protocol = "TCP" if is_network else "HTTP"
    balancer = _balancer(elbv2, testbed, name, is_network=is_network)
    arn = balancer["LoadBalancerArn"]
    groups = [_group(elbv2, testbed, f"{name}-{side}", protocol) for side in "ab"]
    forward = _forward(groups, (100, 0))
    default = REFUSE if kind == "pair-rule" else forward
    rule = elbv2.create_listener(
        LoadBalancerArn=arn, Protocol=protocol, Port=80, DefaultActions=[default]
    )["Listeners"][0]["ListenerArn"]
    if kind == "pair-rule":
        rule = elbv2.create_rule(
            ListenerArn=rule, Priority=1, Conditions=[PATHS], Actions=[forward]
        )["Rules"][0]["RuleArn"]
    test = elbv2.create_listener(
        LoadBalancerArn=arn,
        Protocol=protocol,
        Port=TEST_PORT,
        DefaultActions=[_forward(groups, (0, 100))],
    )["Listeners"][0]["ListenerArn"]
    url = f"http://{balancer['DNSName']}"
    pair = Pair(
        rule=rule,
        groups=(groups[0], groups[1]),
        test=test,
        test_url=f"{url}:{TEST_PORT}",
        load_balancer=arn,
    )
    return url, pair


def _balancer(elbv2: Any, testbed: CloudTestbed, name: str, *, is_network: bool) -> Any:
    made = elbv2.create_load_balancer(
        Name=name,
        Subnets=testbed.made["public_subnet_ids"],
        Type="network" if is_network else "application",
    )["LoadBalancers"][0]

    def active() -> bool:
        found = elbv2.describe_load_balancers(LoadBalancerArns=[made["LoadBalancerArn"]])
        return bool(found["LoadBalancers"][0]["State"]["Code"] == "active")

    eventually(active)
    return made


def _group(elbv2: Any, testbed: CloudTestbed, name: str, protocol: str) -> str:
    vpc = testbed.made["vpc_id"]
    [made] = elbv2.create_target_group(Name=name, Protocol=protocol, Port=8080, VpcId=vpc, **CHECK)[
        "TargetGroups"
    ]
    delay = {"Key": "deregistration_delay.timeout_seconds", "Value": "60"}
    elbv2.modify_target_group_attributes(TargetGroupArn=made["TargetGroupArn"], Attributes=[delay])
    return str(made["TargetGroupArn"])


def _forward(groups: list[str], weights: tuple[int, int]) -> dict[str, Any]:
    targets = [
        {"TargetGroupArn": arn, "Weight": weight}
        for arn, weight in zip(groups, weights, strict=True)
    ]
    return {"Type": "forward", "ForwardConfig": {"TargetGroups": targets}}
