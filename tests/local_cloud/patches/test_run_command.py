"""Commands of Systems Manager that run in instances, asked for through boto3."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.patched_moto import refused
from tests.running_cloud import eventually

if TYPE_CHECKING:
    from tests.running_cloud import Cloud

SHELL = "AWS-RunShellScript"
NOWHERE = "i-00000000000000000"


def node(cloud: Cloud, **more: Any) -> str:
    """Launch a managed node that is online."""
    profile = {"IamInstanceProfile": {"Name": cloud.managed_profile()}}
    instance = str(cloud.launch(**profile, **more)["InstanceId"])
    eventually(lambda: pings(cloud).get(instance) == "Online")
    return instance


@pytest.fixture(scope="module")
def online(cloud: Cloud) -> str:
    tags = [{"Key": "Name", "Value": "online"}]
    return node(cloud, TagSpecifications=[{"ResourceType": "instance", "Tags": tags}])


def pings(cloud: Cloud) -> dict[str, str]:
    found = cloud.aws("ssm").describe_instance_information()["InstanceInformationList"]
    return {each["InstanceId"]: each["PingStatus"] for each in found}


def send(cloud: Cloud, instance: str, *commands: str, wait: int = 3600, **parameters: str) -> str:
    """Send a command to one node; return its id."""
    given = {name: [value] for name, value in parameters.items()}
    answer = cloud.aws("ssm").send_command(
        DocumentName=SHELL,
        InstanceIds=[instance],
        TimeoutSeconds=wait,
        Parameters={"commands": list(commands), **given},
    )
    command: dict[str, Any] = answer["Command"]
    assert (command["Status"], command["TargetCount"]) == ("Pending", 1)
    return str(command["CommandId"])


def invocation(cloud: Cloud, command: str, instance: str) -> dict[str, Any]:
    """Return an invocation as it is now; the first call does not find it."""
    ssm = cloud.aws("ssm")
    for _ in range(2):
        try:
            found: dict[str, Any] = ssm.get_command_invocation(
                CommandId=command, InstanceId=instance
            )
        except ssm.exceptions.InvocationDoesNotExist:
            continue
        return found
    raise AssertionError("still not found")


def ended(cloud: Cloud, command: str, instance: str) -> dict[str, Any]:
    under_way = ("Pending", "InProgress", "Cancelling", "Delayed")
    eventually(lambda: invocation(cloud, command, instance)["Status"] not in under_way)
    return invocation(cloud, command, instance)


def test_a_command_runs_as_root_in_the_instance(cloud: Cloud, online: str) -> None:
    ssm = cloud.aws("ssm")
    who = 'echo "$AWS_SSM_INSTANCE_ID ${HOME:-nowhere}"'
    lines = ("echo here $((1 + 1))", "id -u", who, "echo no >&2")
    command = send(cloud, online, *lines)
    with refused("InvocationDoesNotExist"):
        ssm.get_command_invocation(CommandId=command, InstanceId=online)
    found = ended(cloud, command, online)
    assert (found["Status"], found["StatusDetails"], found["ResponseCode"]) == (
        "Success",
        "Success",
        0,
    )
    printed = found["StandardOutputContent"].splitlines()
    assert printed[0] == "here 2"
    assert printed[2] == f"{online} nowhere"
    assert found["StandardErrorContent"] == "no\n"
    assert found["PluginName"] == "aws:runShellScript"
    (listed,) = ssm.list_command_invocations(CommandId=command, Details=True)["CommandInvocations"]
    assert listed["CommandPlugins"][0]["Output"] == found["StandardOutputContent"]
    (whole,) = ssm.list_commands(CommandId=command)["Commands"]
    assert (whole["Status"], whole["CompletedCount"], whole["ErrorCount"]) == ("Success", 1, 0)


def test_a_command_that_fails_has_its_exit_code_and_a_line_of_the_agent(
    cloud: Cloud, online: str
) -> None:
    found = ended(cloud, send(cloud, online, "echo bad >&2", "exit 7"), online)
    assert (found["Status"], found["ResponseCode"]) == ("Failed", 7)
    assert found["StandardErrorContent"] == "bad\nfailed to run commands: exit status 7"


def test_calls_that_name_no_node_or_command_are_refused(cloud: Cloud, online: str) -> None:
    ssm = cloud.aws("ssm")
    lines = {"commands": ["true"]}
    bare = cloud.launch()["InstanceId"]  # it has no instance profile
    eventually(lambda: "booted" in cloud.console(bare))
    for instance in (NOWHERE, bare):
        with refused("InvalidInstanceId", "not in a valid state for account 123456789012"):
            ssm.send_command(DocumentName=SHELL, InstanceIds=[instance], Parameters=lines)
    assert bare not in pings(cloud)
    given: dict[str, Any] = {"DocumentName": SHELL, "InstanceIds": [online], "Parameters": lines}
    for code, more in (
        ("InvalidDocument", {"DocumentName": "mine"}),
        ("InvalidParameters", {"Parameters": {}}),
        ("InvalidParameters", {"Parameters": {**lines, "unknown": ["x"]}}),
        ("InvalidParameters", {"Parameters": {**lines, "executionTimeout": ["0"]}}),
        ("DuplicateInstanceId", {"InstanceIds": [online, online]}),
        ("ValidationException", {"InstanceIds": []}),
        ("ValidationException", {"TimeoutSeconds": 30 * 24 * 3600 + 1}),
    ):
        with refused(code):
            ssm.send_command(**{**given, **more})
    with refused("InvalidCommandId"):
        ssm.get_command_invocation(CommandId="0" * 36, InstanceId=online)
    with refused("InvocationDoesNotExist"):
        ssm.get_command_invocation(CommandId=send(cloud, online, "true"), InstanceId=bare)


def test_a_command_goes_to_the_managed_nodes_with_a_tag(cloud: Cloud, online: str) -> None:
    ssm = cloud.aws("ssm")

    def to(name: str) -> dict[str, Any]:
        targets = [{"Key": "tag:Name", "Values": [name]}]
        answer = ssm.send_command(
            DocumentName=SHELL, Targets=targets, Parameters={"commands": ["echo tagged"]}
        )
        found: dict[str, Any] = answer["Command"]
        return found

    command = to("online")["CommandId"]
    assert ended(cloud, command, online)["StandardOutputContent"] == "tagged\n"
    assert to("another")["StatusDetails"] == "NoInstancesInTag"
    filters = [{"Key": "tag:Name", "Values": ["online"]}]
    (found,) = ssm.describe_instance_information(Filters=filters)["InstanceInformationList"]
    assert (found["InstanceId"], found["PlatformType"]) == (online, "Linux")


@pytest.mark.long
def test_a_command_that_takes_too_long_is_killed(cloud: Cloud, online: str) -> None:
    command = send(cloud, online, "echo before; sleep 60", executionTimeout="1")
    found = ended(cloud, command, online)
    assert (found["Status"], found["StatusDetails"]) == ("TimedOut", "Execution Timed Out")
    assert found["ResponseCode"] == 137
    assert found["StandardOutputContent"] == "before\n"


@pytest.mark.long
def test_a_command_is_cancelled_while_it_runs(cloud: Cloud, online: str) -> None:
    command = send(cloud, online, "sleep 60")
    eventually(lambda: invocation(cloud, command, online)["Status"] == "InProgress")
    cloud.aws("ssm").cancel_command(CommandId=command)
    found = ended(cloud, command, online)
    assert (found["Status"], found["ResponseCode"]) == ("Cancelled", 137)


@pytest.mark.long
def test_only_the_beginning_of_a_long_output_is_kept(cloud: Cloud, online: str) -> None:
    found = ended(cloud, send(cloud, online, "seq 1 100000", "seq 1 100000 >&2"), online)
    assert len(found["StandardOutputContent"]) == 24000
    assert found["StandardOutputContent"].endswith("---Output truncated---")
    assert len(found["StandardErrorContent"]) == 8000


@pytest.mark.long
def test_a_directory_is_entered_or_the_command_fails(cloud: Cloud, online: str) -> None:
    inside = ended(cloud, send(cloud, online, "pwd", workingDirectory="/srv"), online)
    assert inside["StandardOutputContent"].endswith("/srv\n")
    missing = ended(cloud, send(cloud, online, "pwd", workingDirectory="/nowhere"), online)
    assert (missing["Status"], missing["ResponseCode"]) == ("Failed", 1)


@pytest.mark.long
def test_a_background_process_outlives_its_command(cloud: Cloud, online: str) -> None:
    began = time.monotonic()
    stays = ended(cloud, send(cloud, online, "sleep 60 & echo $!"), online)
    assert stays["Status"] == "Success"
    assert time.monotonic() - began < 30
    pid = stays["StandardOutputContent"].strip()
    assert ended(cloud, send(cloud, online, f"kill {pid}"), online)["Status"] == "Success"


@pytest.mark.long
def test_a_stopped_node_gets_a_command_once_it_runs_again(cloud: Cloud) -> None:
    instance, ec2 = node(cloud), cloud.aws("ec2")
    ec2.stop_instances(InstanceIds=[instance])
    eventually(lambda: cloud.instance(instance)["State"]["Name"] == "stopped")
    assert pings(cloud)[instance] == "ConnectionLost"
    late = send(cloud, instance, "true", wait=30, executionTimeout="1")
    lost = ended(cloud, late, instance)
    assert (lost["Status"], lost["StatusDetails"]) == ("TimedOut", "Delivery Timed Out")
    assert lost["ResponseCode"] == -1
    command = send(cloud, instance, "echo again")
    ec2.start_instances(InstanceIds=[instance])
    assert ended(cloud, command, instance)["StandardOutputContent"] == "again\n"


@pytest.mark.long
def test_a_node_that_ends_during_a_command_leaves_it_in_progress_until_it_expires(
    cloud: Cloud,
) -> None:
    instance = node(cloud)
    command = send(cloud, instance, "sleep 60", wait=30, executionTimeout="30")
    eventually(lambda: invocation(cloud, command, instance)["Status"] == "InProgress")
    cloud.aws("ec2").terminate_instances(InstanceIds=[instance])
    with refused("InvalidInstanceId"):
        send(cloud, instance, "true")
    found = ended(cloud, command, instance)
    assert found["StatusDetails"] == "Delivery Timed Out"
