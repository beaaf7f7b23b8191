"""Probes prove permissions and change nothing: answers of AWS, and calls of a local cloud."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from botocore.stub import Stubber

from pipeline.adapters.aws.client import Clients
from pipeline.adapters.aws.preflight.permission_probes import REQUESTS, PermissionProber, judge
from pipeline.core.permissions.probes import Answer, Launch, Probe, probes_of
from pipeline.core.permissions.scope import Feature
from tests.aws.service import REGION, Service, subnets

ROLE = "arn:aws:sts::123456789012:assumed-role/web-deploy/ci"
GROUP = "arn:aws:autoscaling:us-east-1:123456789012:autoScalingGroup:*:autoScalingGroupName/x"
LAUNCH = Launch(
    app="web",
    environment="production",
    region=REGION,
    image_id="ami-0123456789abcdef0",
    instance_type="t3.micro",
    features=frozenset(Feature),
    profile="web",
)


def error(code: str, message: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": message}}, "Anything")


DENIED_GROUP = (
    f"User: {ROLE} is not authorized to perform: autoscaling:DetachTrafficSources on resource: "
    f"{GROUP} because no identity-based policy allows the autoscaling:DetachTrafficSources action"
)
DENIED_ROLE = (
    f"You are not authorized to perform this operation. User: {ROLE} is not authorized to perform: "
    "iam:PassRole on resource: arn:aws:iam::123456789012:role/web because no identity-based policy "
    "allows the iam:PassRole action. Encoded authorization failure message: 4GIOHlTkIaW"
)


@pytest.mark.parametrize(
    ("action", "code", "message", "answer"),
    [
        ("ec2:RunInstances", "DryRunOperation", "Request would have succeeded", Answer.ALLOWED),
        ("ec2:RunInstances", "UnauthorizedOperation", "You are not authorized", Answer.DENIED),
        ("ec2:RunInstances", "InvalidParameterValue", "Invalid profile", Answer.UNKNOWN),
        ("ec2:RunInstances", "RequestLimitExceeded", "Request limit exceeded", Answer.UNKNOWN),
        ("autoscaling:X", "ValidationError", "AutoScalingGroup name not found", Answer.ALLOWED),
        ("autoscaling:X", "AccessDenied", DENIED_GROUP, Answer.DENIED),
        ("autoscaling:X", "ValidationError", "You are not authorized to use", Answer.DENIED),
        ("autoscaling:X", "Throttling", "Rate exceeded", Answer.UNKNOWN),
    ],
)
def test_an_answer_of_aws_tells_allowed_from_denied(
    action: str, code: str, message: str, answer: Answer
) -> None:
    assert judge(Probe(action=action), error(code, message)).answer is answer


def test_a_denial_names_the_action_and_the_resource_that_aws_named() -> None:
    found = judge(Probe(action="ec2:RunInstances"), error("UnauthorizedOperation", DENIED_ROLE))
    assert (found.action, found.resource) == (
        "iam:PassRole",
        "arn:aws:iam::123456789012:role/web",
    )
    found = judge(Probe(action="autoscaling:X"), error("AccessDenied", DENIED_GROUP))
    assert (found.action, found.resource) == ("autoscaling:DetachTrafficSources", GROUP)


@pytest.mark.parametrize("action", [each for each in REQUESTS if each.startswith("ec2:")])
@pytest.mark.parametrize("launch", [LAUNCH, replace(LAUNCH, shipped=False, template="web-r1")])
def test_every_probe_of_ec2_is_a_dry_run(action: str, launch: Launch) -> None:
    _, arguments = REQUESTS[action](launch)
    assert arguments["DryRun"] is True


@pytest.mark.parametrize("action", [each for each in REQUESTS if "autoscaling" in each])
def test_every_probe_of_auto_scaling_names_a_group_of_no_release(action: str) -> None:
    _, arguments = REQUESTS[action](LAUNCH)
    tags = arguments.get("Tags", [{}])
    assert arguments.get("AutoScalingGroupName", tags[0].get("ResourceId")) == LAUNCH.unused_name
    assert "ForceDelete" not in arguments


@pytest.mark.parametrize("shipped", [True, False])
def test_every_probe_is_a_call_that_botocore_accepts(shipped: bool) -> None:
    launch = replace(LAUNCH, shipped=shipped, template="web-r1")
    for action in REQUESTS:
        name, arguments = REQUESTS[action](launch)
        client = offline(action.partition(":")[0])
        with Stubber(client) as stub:
            stub.add_client_error(name, "ValidationError", expected_params=arguments)
            with pytest.raises(ClientError):
                getattr(client, name)(**arguments)


@functools.cache
def offline(service: str) -> Any:
    """Return a client whose calls are stubbed."""
    make: Any = boto3.client
    return make(service, region_name=REGION, aws_access_key_id="x", aws_secret_access_key="x")


# --- on a local cloud -----------------------------------------------------------------------------


@pytest.fixture
def probing(service: Service) -> Callable[[Launch], Any]:
    return PermissionProber(service.clients, REGION).probe


def launch_on(service: Service, **more: Any) -> Launch:
    given: dict[str, Any] = {
        "image_id": service.cloud.base_image(),
        "subnets": tuple(subnets(service.cloud)),
        "profile": "",
        **more,
    }
    return replace(LAUNCH, **given)


def everything(service: Service) -> Any:
    """Return what exists: groups with their settings, templates, instances, tags, policies."""
    ec2, asg = service.cloud.aws("ec2"), service.asg
    answers = [
        asg.describe_auto_scaling_groups(),
        asg.describe_policies(),
        asg.describe_scheduled_actions(),
        asg.describe_tags(),
        ec2.describe_launch_templates(),
        ec2.describe_instances(),
        ec2.describe_tags(),
    ]
    return [{name: each[name] for name in each if name != "ResponseMetadata"} for each in answers]


def test_every_permission_is_proven_and_nothing_changes(
    service: Service, probing: Callable[[Launch], Any]
) -> None:
    launch = launch_on(service)
    before = everything(service)
    service.cloud.client.forget_calls()
    found = probing(launch)
    assert [each.why for each in found.results if each.answer is not Answer.ALLOWED] == []
    assert sum(service.calls().values()) == len(probes_of(launch))
    assert everything(service) == before


def test_the_template_of_the_serving_release_proves_what_its_tags_allow(
    service: Service, probing: Callable[[Launch], Any]
) -> None:
    service.group("web-production-r000001")
    before = everything(service)
    found = probing(launch_on(service, template="web-production-r000001"))
    assert "ec2:DeleteLaunchTemplate" in {each.action for each in found.results}
    assert {each.answer for each in found.results} == {Answer.ALLOWED}
    assert everything(service) == before


def test_the_probes_of_an_adopted_group_move_no_traffic_of_it(
    service: Service, probing: Callable[[Launch], Any]
) -> None:
    service.group("made-by-hand", LoadBalancerNames=[service.classic.identifier])
    before = everything(service)
    found = probing(launch_on(service, adopted="made-by-hand")).results
    named = {each.action: each.answer for each in found if each.probe.group == "made-by-hand"}
    assert named == {
        "autoscaling:AttachTrafficSources": Answer.ALLOWED,
        "autoscaling:DetachTrafficSources": Answer.ALLOWED,
    }
    assert everything(service) == before


def test_a_throttled_probe_is_unknown(
    service: Service, probing: Callable[[Launch], Any], pauses: list[float]
) -> None:
    service.cloud.fault(
        service="autoscaling", action="DetachTrafficSources", kind="throttle", times=6
    )
    found = {each.action: each.answer for each in probing(launch_on(service)).results}
    assert found.pop("autoscaling:DetachTrafficSources") is Answer.UNKNOWN
    assert {*found.values()} == {Answer.ALLOWED}
    assert len(pauses) == 5


def test_credentials_that_aws_does_not_accept_are_an_error(
    service: Service, probing: Callable[[Launch], Any]
) -> None:
    service.cloud.fault(
        service="autoscaling",
        action="DetachTrafficSources",
        kind="error-before",
        status=403,
        code="ExpiredToken",
    )
    with pytest.raises(ClientError, match="ExpiredToken"):
        probing(launch_on(service))


def test_clients_are_made_before_the_threads_begin() -> None:
    made: list[str] = []

    class Recording(Clients):
        def _client(self, service: str, region: str) -> Any:
            made.append(f"{service} {region}")

    PermissionProber(Recording(), REGION)
    assert made == [f"autoscaling {REGION}", f"ec2 {REGION}"]
