"""What the models come to: every setting that a load balancer carries traffic by."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from local_cloud.balancers import sync
from local_cloud.traffic.plan import (
    Answer,
    Check,
    Condition,
    Forward,
    Listener,
    Member,
    Plan,
    Redirect,
)
from tests import patched_moto
from tests.patched_moto import to

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.patched_moto import PatchedMoto


@pytest.fixture
def here() -> Iterator[PatchedMoto]:
    with patched_moto.moto() as running:
        yield running


@pytest.mark.long
def test_a_classic_load_balancer_listens_for_each_of_its_ports(here: PatchedMoto) -> None:
    elb = here.classic()
    listener = {"Protocol": "TCP", "LoadBalancerPort": 443, "InstancePort": 8443}
    elb.create_load_balancer_listeners(LoadBalancerName="web", Listeners=[listener])
    assert here.balancer.key == "elb:123456789012:us-east-1:web"
    assert here.balancer.kind == "classic"
    assert here.balancer.address == "127.77.255.1"
    whole = Forward(pools=(("elb:123456789012:us-east-1:web", 1),))
    assert here.balancer.listeners == (
        Listener(port=80, protocol="HTTP", default=whole, member_port=8080),
        Listener(port=443, protocol="TCP", default=whole, member_port=8443),
    )
    elb.delete_load_balancer_listeners(LoadBalancerName="web", LoadBalancerPorts=[80, 443])
    assert not here.balancer.listeners
    elb.delete_load_balancer(LoadBalancerName="web")
    assert here.plan == Plan()


@pytest.mark.long
@pytest.mark.parametrize(
    ("target", "check"),
    [
        ("HTTP:8080/health?deep=1", Check(protocol="HTTP", port=8080, path="/health?deep=1")),
        ("HTTPS:8443/", Check(protocol="HTTPS", port=8443)),
        ("TCP:22", Check(protocol="TCP", port=22)),
        ("SSL:443", Check(protocol="TCP", port=443)),
    ],
)
def test_a_classic_health_check_is_read_from_its_target(
    here: PatchedMoto, target: str, check: Check
) -> None:
    elb = here.classic()
    numbers = {"Interval": 30, "Timeout": 5, "HealthyThreshold": 5, "UnhealthyThreshold": 2}
    elb.configure_health_check(LoadBalancerName="web", HealthCheck={"Target": target, **numbers})
    assert here.pool.check == check


def test_the_members_of_a_classic_pool_have_zone_state_and_answers(
    here: PatchedMoto,
) -> None:
    elb, ec2 = here.classic(), here.aws("ec2")
    first, second = here.launch(), here.launch("us-east-1b")
    here.answers[second] = "500"
    for instance in (second, first):
        elb.register_instances_with_load_balancer(
            LoadBalancerName="web", Instances=[{"InstanceId": instance}]
        )
    ec2.stop_instances(InstanceIds=[first])
    address = ec2.describe_instances(InstanceIds=[second])["Reservations"][0]["Instances"][0]
    assert here.pool.members == (
        Member(
            id=second,
            port=0,
            address=address["PrivateIpAddress"],
            zone="us-east-1b",
            answers="500",
        ),
        Member(id=first, port=0, address=None, zone="us-east-1a", state="stopped"),
    )
    assert here.pool.zones == {"us-east-1a"}


def test_classic_attributes_are_delay_cross_zone_and_idle_timeout(here: PatchedMoto) -> None:
    elb = here.classic()
    assert (here.pool.delay, here.pool.cross_zone, here.balancer.idle) == (0, False, 60)
    attributes = {
        "ConnectionDraining": {"Enabled": True, "Timeout": 45},
        "CrossZoneLoadBalancing": {"Enabled": True},
        "ConnectionSettings": {"IdleTimeout": 90},
    }
    elb.modify_load_balancer_attributes(LoadBalancerName="web", LoadBalancerAttributes=attributes)
    assert (here.pool.delay, here.pool.cross_zone, here.balancer.idle) == (45, True, 90)


def test_classic_stickiness_counts_when_a_listener_uses_its_policy(here: PatchedMoto) -> None:
    elb = here.classic()
    elb.create_lb_cookie_stickiness_policy(
        LoadBalancerName="web", PolicyName="sticky", CookieExpirationPeriod=600
    )
    assert here.pool.sticky is None
    elb.set_load_balancer_policies_of_listener(
        LoadBalancerName="web", LoadBalancerPort=80, PolicyNames=["sticky"]
    )
    assert here.pool.sticky == 600


@pytest.mark.long
def test_classic_zones_follow_the_zones_and_subnets_of_the_load_balancer(here: PatchedMoto) -> None:
    elb = here.classic(AvailabilityZones=[], Subnets=[here.subnets["us-east-1c"]])
    assert here.pool.zones == {"us-east-1c"}
    elb.attach_load_balancer_to_subnets(
        LoadBalancerName="web", Subnets=[here.subnets["us-east-1a"]]
    )
    assert here.pool.zones == {"us-east-1a", "us-east-1c"}
    elb.detach_load_balancer_from_subnets(
        LoadBalancerName="web", Subnets=[here.subnets["us-east-1c"]]
    )
    assert here.pool.zones == {"us-east-1a"}
    elb.enable_availability_zones_for_load_balancer(
        LoadBalancerName="web", AvailabilityZones=["us-east-1b"]
    )
    assert here.pool.zones == {"us-east-1a", "us-east-1b"}


def test_load_balancers_of_one_name_in_two_regions_are_separate(here: PatchedMoto) -> None:
    here.classic()
    listeners = [{"Protocol": "HTTP", "LoadBalancerPort": 80, "InstancePort": 80}]
    here.aws("elb", "eu-west-1").create_load_balancer(
        LoadBalancerName="web", Listeners=listeners, AvailabilityZones=["eu-west-1a"]
    )
    keys = {balancer.key for balancer in here.plan.balancers}
    assert keys == {"elb:123456789012:us-east-1:web", "elb:123456789012:eu-west-1:web"}
    assert len({balancer.address for balancer in here.plan.balancers}) == 2


@pytest.mark.long
def test_a_target_group_is_in_the_zones_of_the_load_balancer_that_uses_it(
    here: PatchedMoto,
) -> None:
    elbv2 = here.aws("elbv2")
    group = here.group(Matcher={"HttpCode": "200-299"}, HealthCheckPath="/health")
    assert here.pool.zones == frozenset()
    listener = here.listen(here.application(), to(group))
    assert here.pool.key == group
    assert here.pool.kind == "application"
    assert here.pool.zones == {"us-east-1a", "us-east-1b"}
    assert here.pool.delay == 300
    assert here.pool.check == Check(protocol="HTTP", port=0, path="/health", matcher="200-299")
    elbv2.delete_listener(ListenerArn=listener)
    assert here.pool.zones == frozenset()


@pytest.mark.long
@pytest.mark.parametrize("how", ["rule", "weight"])
def test_a_group_that_only_a_rule_or_a_weight_names_is_in_use(here: PatchedMoto, how: str) -> None:
    default, other = here.group("default"), here.group("other")
    arn = here.application()
    both = [{"TargetGroupArn": default, "Weight": 1}, {"TargetGroupArn": other, "Weight": 0}]
    if how == "weight":
        here.listen(arn, {"Type": "forward", "ForwardConfig": {"TargetGroups": both}})
    else:
        rule(here, here.listen(arn, to(default)), 5, to(other))
    assert {pool.key for pool in here.plan.pools if pool.zones} == {default, other}


def rule(here: PatchedMoto, listener: str, priority: int, *actions: Any, **condition: Any) -> Any:
    wanted = condition or {"Field": "path-pattern", "Values": [f"/{priority}"]}
    return here.aws("elbv2").create_rule(
        ListenerArn=listener, Priority=priority, Conditions=[wanted], Actions=list(actions)
    )


@pytest.mark.long
def test_rules_are_sorted_by_priority(here: PatchedMoto) -> None:
    group = here.group()
    listener = here.listen(here.application(), to(group))
    for priority in (100, 9, 20):
        rule(here, listener, priority, to(group))
    (planned,) = here.balancer.listeners
    paths = [each.conditions[0].values[0] for each in planned.rules]
    assert paths == ["/9", "/20", "/100"]
    described = here.aws("elbv2").describe_rules(ListenerArn=listener)["Rules"]
    assert [each["Priority"] for each in described] == ["9", "20", "100", "default"]


@pytest.mark.long
@pytest.mark.parametrize(
    ("given", "planned"),
    [
        (
            {"Field": "path-pattern", "Values": ["/api/*"]},
            Condition(field="path-pattern", values=("/api/*",)),
        ),
        (
            {"Field": "host-header", "HostHeaderConfig": {"Values": ["a.example", "*.b.example"]}},
            Condition(field="host-header", values=("a.example", "*.b.example")),
        ),
        (
            {
                "Field": "http-header",
                "HttpHeaderConfig": {"HttpHeaderName": "X-Canary", "Values": ["yes"]},
            },
            Condition(field="http-header", values=("yes",), name="X-Canary"),
        ),
        (
            {"Field": "http-request-method", "HttpRequestMethodConfig": {"Values": ["POST"]}},
            Condition(field="http-request-method", values=("POST",)),
        ),
        (
            {
                "Field": "query-string",
                "QueryStringConfig": {"Values": [{"Key": "v", "Value": "2"}, {"Value": "beta"}]},
            },
            Condition(field="query-string", values=("v=2", "beta")),
        ),
        (
            {"Field": "source-ip", "SourceIpConfig": {"Values": ["127.0.0.0/8"]}},
            Condition(field="source-ip", values=("127.0.0.0/8",)),
        ),
    ],
)
def test_every_condition_is_read_in_the_form_it_has(
    here: PatchedMoto, given: dict[str, Any], planned: Condition
) -> None:
    group = here.group()
    rule(here, here.listen(here.application(), to(group)), 1, to(group), **given)
    assert here.balancer.listeners[0].rules[0].conditions == (planned,)


@pytest.mark.long
@pytest.mark.parametrize(
    ("given", "planned"),
    [
        (
            {
                "Type": "fixed-response",
                "FixedResponseConfig": {"StatusCode": "503", "MessageBody": "closed"},
            },
            Answer(status=503, body="closed"),
        ),
        (
            {
                "Type": "redirect",
                "RedirectConfig": {"Protocol": "HTTPS", "Port": "443", "StatusCode": "HTTP_301"},
            },
            Redirect(status=301, protocol="HTTPS", port="443"),
        ),
        (
            {
                "Type": "authenticate-oidc",
                "AuthenticateOidcConfig": {
                    "Issuer": "https://id.example",
                    "AuthorizationEndpoint": "https://id.example/a",
                    "TokenEndpoint": "https://id.example/t",
                    "UserInfoEndpoint": "https://id.example/u",
                    "ClientId": "c",
                },
            },
            Answer(
                status=500, body="the local cloud does not support the action authenticate-oidc\n"
            ),
        ),
    ],
)
def test_every_action_is_read(here: PatchedMoto, given: dict[str, Any], planned: Any) -> None:
    here.listen(here.application(), given)
    assert here.balancer.listeners[0].default == planned


@pytest.mark.long
def test_a_forward_by_weight_keeps_its_weights_and_its_stickiness(here: PatchedMoto) -> None:
    blue, green = here.group("blue"), here.group("green")
    config = {
        "TargetGroups": [
            {"TargetGroupArn": blue, "Weight": 90},
            {"TargetGroupArn": green, "Weight": 0},
        ],
        "TargetGroupStickinessConfig": {"Enabled": True, "DurationSeconds": 120},
    }
    here.listen(here.application(), {"Type": "forward", "ForwardConfig": config})
    planned = here.balancer.listeners[0].default
    assert planned == Forward(pools=((blue, 90), (green, 0)), sticky=120)


def test_a_network_load_balancer_carries_tcp_and_tls_and_leaves_udp(here: PatchedMoto) -> None:
    arn = here.application(Type="network")
    group = here.group(Protocol="TCP", Port=9000)
    datagrams = here.group("datagrams", Protocol="UDP", Port=53)
    here.listen(arn, to(group), Protocol="TCP", Port=9000)
    here.listen(arn, to(group), Protocol="TLS", Port=443)
    here.listen(arn, to(datagrams), Protocol="UDP", Port=53)
    assert here.balancer.kind == "network"
    assert here.balancer.idle == 350
    assert [(each.port, each.protocol) for each in here.balancer.listeners] == [
        (9000, "TCP"),
        (443, "TLS"),
    ]
    pool = next(pool for pool in here.plan.pools if pool.key == group)
    assert (pool.kind, pool.cross_zone, pool.check.protocol) == ("network", False, "TCP")


@pytest.mark.long
@pytest.mark.parametrize(
    ("of_group", "cross_zone"),
    [("use_load_balancer_configuration", True), ("false", False), ("true", True)],
)
def test_cross_zone_is_on_for_applications_unless_the_group_disables_it(
    here: PatchedMoto, of_group: str, cross_zone: bool
) -> None:
    group = here.group()
    here.listen(here.application(), to(group))
    attribute = {"Key": "load_balancing.cross_zone.enabled", "Value": of_group}
    here.aws("elbv2").modify_target_group_attributes(TargetGroupArn=group, Attributes=[attribute])
    assert here.pool.cross_zone is cross_zone


@pytest.mark.long
def test_attributes_are_delay_stickiness_and_idle_timeout(here: PatchedMoto) -> None:
    elbv2, group = here.aws("elbv2"), here.group()
    arn = here.application()
    values = {
        "deregistration_delay.timeout_seconds": "3600",
        "stickiness.enabled": "true",
        "stickiness.type": "lb_cookie",
    }
    attributes = [{"Key": key, "Value": value} for key, value in values.items()]
    elbv2.modify_target_group_attributes(TargetGroupArn=group, Attributes=attributes)
    assert (here.pool.delay, here.pool.sticky) == (3600, 86400)
    idle = {"Key": "idle_timeout.timeout_seconds", "Value": "15"}
    elbv2.modify_load_balancer_attributes(LoadBalancerArn=arn, Attributes=[idle])
    assert here.balancer.idle == 15


@pytest.mark.long
def test_an_instance_may_be_a_target_with_two_ports(here: PatchedMoto) -> None:
    group, instance = here.group(), here.launch()
    targets = [{"Id": instance}, {"Id": instance, "Port": 9090}, {"Id": instance}]
    here.aws("elbv2").register_targets(TargetGroupArn=group, Targets=targets)
    assert [(member.id, member.port) for member in here.pool.members] == [
        (instance, 8080),
        (instance, 9090),
    ]


@pytest.mark.long
def test_an_address_is_in_the_zone_of_its_instance_its_subnet_or_all(here: PatchedMoto) -> None:
    ec2, group = here.aws("ec2"), here.group(TargetType="ip")
    instance = here.launch("us-east-1b")
    described = ec2.describe_instances(InstanceIds=[instance])["Reservations"][0]["Instances"][0]
    subnet = ec2.describe_subnets(SubnetIds=[here.subnets["us-east-1c"]])["Subnets"][0]
    free = subnet["CidrBlock"].replace(".0/20", ".9")
    addresses = {described["PrivateIpAddress"]: "us-east-1b", free: "us-east-1c"}
    targets: list[dict[str, str]] = [{"Id": address} for address in addresses]
    outside = {"Id": "10.1.2.3", "AvailabilityZone": "all"}
    here.aws("elbv2").register_targets(TargetGroupArn=group, Targets=[*targets, outside])
    zones = {member.address: member.zone for member in here.pool.members}
    assert zones == {**addresses, "10.1.2.3": "all"}
    here.listen(here.application(), to(group))
    assert here.pool.zones == {"us-east-1a", "us-east-1b", "all"}


@pytest.mark.long
def test_a_call_is_answered_even_if_the_models_cannot_be_read(
    here: PatchedMoto, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object) -> Plan:
        raise KeyError("of a broken model")

    with monkeypatch.context() as patched:
        patched.setattr(sync, "read", broken)
        here.classic()
    assert "the plan of the load balancers cannot be made" in caplog.text
    here.launch()
    assert here.balancer.name == "web"


@pytest.mark.long
def test_the_data_plane_gets_changes_only(here: PatchedMoto) -> None:
    here.classic()
    before = len(here.traffic.plans)
    here.aws("ec2").create_key_pair(KeyName="unrelated")
    here.aws("elb").describe_load_balancers()
    assert len(here.traffic.plans) == before
    here.launch()
    assert len(here.traffic.plans) == before
