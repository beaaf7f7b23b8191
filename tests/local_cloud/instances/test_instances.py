"""Instances of the local cloud, asked for through boto3."""

from __future__ import annotations

import re
import socket
import subprocess
import urllib.error
import urllib.request
from typing import TYPE_CHECKING

import botocore.exceptions
import pytest

from local_cloud import commands
from local_cloud.errors import RefusedError
from local_cloud.instances.hint import PORTS
from tests.running_cloud import eventually

if TYPE_CHECKING:
    from typing import Any

    from tests.running_cloud import Cloud

PRINTS = "#!/bin/sh\necho user data ran as $(id -u)\n"
UNIT = """#!/bin/sh
cat >"$ROOT/etc/systemd/system/noisy.service" <<EOF
[Service]
Environment=WORD=hello "OTHER=two words"
ExecStart=/bin/sh -c 'echo \\$\\$WORD, $1; exec sleep 1000'
{more}
[Install]
WantedBy=multi-user.target
EOF
systemctl enable --now noisy
"""


def code_of(failure: pytest.ExceptionInfo[botocore.exceptions.ClientError]) -> str:
    return str(failure.value.response["Error"]["Code"])


def has_ended(cloud: Cloud, instance: str, state: str) -> bool:
    return bool(cloud.instance(instance)["State"]["Name"] == state)


def run(cloud: Cloud, **more: Any) -> str:
    instance = str(cloud.launch(**more)["InstanceId"])
    eventually(lambda: "booted" in cloud.console(instance))
    return instance


@pytest.mark.long
def test_an_instance_passes_the_states_that_aws_documents(unhurried: Cloud) -> None:
    ec2 = unhurried.aws("ec2")
    instance = unhurried.launch()["InstanceId"]
    assert unhurried.instance(instance)["State"]["Name"] == "pending"
    status = ec2.describe_instance_status(InstanceIds=[instance], IncludeAllInstances=True)
    assert status["InstanceStatuses"][0]["InstanceStatus"]["Status"] == "not-applicable"
    eventually(lambda: has_ended(unhurried, instance, "running"))
    status = ec2.describe_instance_status(InstanceIds=[instance])
    assert status["InstanceStatuses"][0]["InstanceStatus"]["Status"] == "initializing"
    eventually(lambda: "booted" in unhurried.console(instance))
    ec2.stop_instances(InstanceIds=[instance])
    assert unhurried.instance(instance)["State"]["Name"] == "stopping"
    with pytest.raises(botocore.exceptions.ClientError) as refused:
        ec2.start_instances(InstanceIds=[instance])
    assert code_of(refused) == "IncorrectInstanceState"
    eventually(lambda: has_ended(unhurried, instance, "stopped"))
    ec2.start_instances(InstanceIds=[instance])
    assert unhurried.instance(instance)["State"]["Name"] == "pending"
    eventually(lambda: has_ended(unhurried, instance, "running"))
    ec2.terminate_instances(InstanceIds=[instance])
    assert unhurried.instance(instance)["State"]["Name"] == "shutting-down"
    eventually(lambda: has_ended(unhurried, instance, "terminated"))
    assert not (unhurried.home.instances / instance).exists()


SPEAKS = """#!/bin/sh
cat >$ROOT/etc/systemd/system/{name}.service <<'UNIT'
[Service]
ExecStart=/bin/sh -c "echo {name} speaks; exec sleep 1000"
{output}
UNIT
systemctl start {name}
echo {name} has started
"""


def run_in(cloud: Cloud, instance: str, script: str) -> str:
    """Run a script in the root shell of an instance; return what it printed."""
    argv, env = commands.shell_of(instance, cloud.endpoint)
    done = subprocess.run(
        argv, env=env, input=script, capture_output=True, text=True, timeout=30, check=False
    )
    return done.stdout + done.stderr


def test_a_shell_is_that_of_root_in_the_instance(cloud: Cloud) -> None:
    instance = run(cloud, UserData="#!/bin/sh\ntouch $ROOT/srv/here\n")
    eventually(lambda: "part-001 exited" in cloud.console(instance))
    said = run_in(cloud, instance, 'ls $ROOT/srv; echo "$INSTANCE_ID $USER"')
    assert said.splitlines() == ["here", f"{instance} root"]
    cloud.aws("ec2").stop_instances(InstanceIds=[instance])
    with pytest.raises(RefusedError, match="does not run") as told:
        eventually(lambda: commands.shell_of(instance, cloud.endpoint) is None)
    assert told.value.remedy == "python -m local_cloud status"


def test_the_journal_has_the_options_of_journalctl(cloud: Cloud) -> None:
    instance = run(cloud, UserData="#!/bin/sh\necho user data speaks\n")
    eventually(lambda: "part-001 exited" in cloud.console(instance))
    said = run_in(cloud, instance, "journalctl --no-pager -o short-iso -u cloud-init -n 2")
    first, last = said.splitlines()
    assert re.fullmatch(r"\S+T\S+\+0000 ip-127-\S+ cloud-init: user data speaks", first)
    assert last.endswith("cloud-init: part-001 exited, 0")
    shown = run_in(cloud, instance, "journalctl --show-cursor -o cat -n 1").splitlines()
    assert shown[0] == "part-001 exited, 0"
    after = f"journalctl --after-cursor '{shown[1].removeprefix('-- cursor: ')}' --show-cursor"
    assert run_in(cloud, instance, after).splitlines() == [shown[1]]
    for options in ("-f", "-o json", "_PID=1", "--after-cursor 's=x;i=1'"):
        said = run_in(cloud, instance, f"journalctl {options}")
        assert said.endswith("not supported by the local cloud\n")


@pytest.mark.parametrize(
    ("name", "output", "seen"),
    [("quiet", "", False), ("loud", "StandardOutput=journal+console", True)],
)
def test_the_output_of_a_service_is_on_the_console_only_if_its_unit_says_so(
    cloud: Cloud, name: str, output: str, seen: bool
) -> None:
    script = SPEAKS.format(name=name, output=output)
    instance = cloud.launch(UserData=script)["InstanceId"]
    eventually(lambda: f"{name} has started" in cloud.console(instance))
    said = f"{name}: {name} speaks"
    eventually(lambda: said in run_in(cloud, instance, f"journalctl -u {name}"))
    eventually(lambda: (said in cloud.console(instance)) is seen)


def test_only_nitro_types_show_the_latest_console_output(cloud: Cloud) -> None:
    ask = cloud.aws("ec2").get_console_output
    old, new = (cloud.launch(InstanceType=name)["InstanceId"] for name in ("m1.small", "t3.micro"))
    with pytest.raises(botocore.exceptions.ClientError, match="UnsupportedOperation"):
        ask(InstanceId=old, Latest=True)
    eventually(lambda: "booted" in ask(InstanceId=new, Latest=True)["Output"])


def test_the_console_shows_what_the_instance_really_printed(cloud: Cloud) -> None:
    instance = run(cloud, UserData=PRINTS)
    eventually(lambda: "cloud-init: user data ran as 0" in cloud.console(instance))


def test_failing_user_data_does_not_stop_the_machine(cloud: Cloud) -> None:
    instance = run(cloud, UserData="#!/bin/sh\necho before; exit 3\n")
    eventually(lambda: "part-001 exited, 3" in cloud.console(instance))
    assert cloud.instance(instance)["State"]["Name"] == "running"


def test_user_data_runs_at_the_first_boot_only(cloud: Cloud) -> None:
    instance = run(cloud, UserData=PRINTS)
    eventually(lambda: "part-001 exited" in cloud.console(instance))
    cloud.aws("ec2").reboot_instances(InstanceIds=[instance])
    eventually(lambda: cloud.console(instance).count("booted") == 2)
    assert cloud.console(instance).count("user data ran") == 1


def test_cloud_config_is_not_run_and_the_console_says_so(cloud: Cloud) -> None:
    instance = run(cloud, UserData="#cloud-config\npackages: [nginx]\n")
    eventually(lambda: "not a script and was not run: #cloud-config" in cloud.console(instance))


@pytest.mark.long
def test_a_service_is_restarted_and_stops_with_the_instance(cloud: Cloud) -> None:
    script = UNIT.replace("exec sleep 1000", "exit 4").format(more="Restart=always\nRestartSec=1")
    instance = run(cloud, UserData=script)
    eventually(lambda: cloud.console(instance).count("noisy.service: active") > 2)
    cloud.aws("ec2").stop_instances(InstanceIds=[instance])
    eventually(lambda: has_ended(cloud, instance, "stopped"))


@pytest.mark.long
def test_a_service_that_always_fails_reaches_the_start_limit(cloud: Cloud) -> None:
    script = UNIT.replace("exec sleep 1000", "exit 4").format(more="Restart=on-failure")
    instance = run(cloud, UserData=script)
    eventually(lambda: "start request repeated too quickly" in cloud.console(instance))
    assert cloud.console(instance).count("noisy.service: active") == 5


def test_a_service_whose_port_another_instance_has_is_explained(cloud: Cloud) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        serve = f"/usr/bin/python3 -m http.server {taken.getsockname()[1]}"
        script = UNIT.replace("exec sleep 1000", f"exec {serve}").format(more="")
        instance = run(cloud, UserData=script)
        eventually(lambda: f"local cloud: {PORTS}" in cloud.console(instance))


@pytest.mark.long
def test_an_enabled_service_starts_at_every_boot(cloud: Cloud) -> None:
    instance = run(cloud, UserData=UNIT.format(more=""))
    eventually(lambda: "noisy.service: active" in cloud.console(instance))
    cloud.aws("ec2").reboot_instances(InstanceIds=[instance])
    eventually(lambda: cloud.console(instance).count("noisy.service: active") == 2)


def test_the_addresses_of_an_instance_are_its_own_on_loopback(cloud: Cloud) -> None:
    first, second = cloud.launch(), cloud.launch()
    described = cloud.instance(first["InstanceId"])
    prefix = cloud.state.network.split(".0.0")[0]
    assert described["PrivateIpAddress"].startswith(f"{prefix}.")
    assert described["PublicIpAddress"] == described["PrivateIpAddress"]
    interface = described["NetworkInterfaces"][0]
    assert interface["PrivateIpAddress"] == described["PrivateIpAddress"]
    assert second["PrivateIpAddress"] != first["PrivateIpAddress"]


@pytest.mark.parametrize("image", ["ami-00000000000000000"])
def test_an_unknown_image_cannot_be_launched(cloud: Cloud, image: str) -> None:
    with pytest.raises(botocore.exceptions.ClientError) as refused:
        cloud.launch(ImageId=image)
    assert code_of(refused) == "InvalidAMIID.NotFound"


@pytest.mark.long
def test_a_launch_template_brings_image_user_data_and_metadata_options(cloud: Cloud) -> None:
    ec2 = cloud.aws("ec2")
    data = {
        "ImageId": cloud.base_image(),
        "InstanceType": "t3.micro",
        "UserData": "IyEvYmluL3NoCmVjaG8gZnJvbSB0aGUgdGVtcGxhdGUK",
        "MetadataOptions": {"HttpTokens": "required"},
    }
    ec2.create_launch_template(LaunchTemplateName="metadata", LaunchTemplateData=data)
    template = {"LaunchTemplateName": "metadata", "Version": "1"}
    made = ec2.run_instances(LaunchTemplate=template, MinCount=1, MaxCount=1)["Instances"][0]
    eventually(lambda: "cloud-init: from the template" in cloud.console(made["InstanceId"]))
    assert made["MetadataOptions"]["HttpTokens"] == "required"


class Imds:
    def __init__(self, address: str, port: int) -> None:
        self.base = f"http://{address}:{port}/latest"

    def ask(self, path: str, method: str = "GET", **headers: str) -> tuple[int, str]:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        url = f"{self.base}/{path}"  # an http address of loopback
        request = urllib.request.Request(url, method=method, headers=named)  # noqa: S310  the same
        try:
            with urllib.request.urlopen(request, timeout=5) as answer:  # noqa: S310  the same
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as refused:
            with refused:
                return refused.code, ""

    def token(self) -> str:
        return self.ask("api/token", "PUT", X_aws_ec2_metadata_token_ttl_seconds="60")[1]

    def get(self, path: str) -> tuple[int, str]:
        return self.ask(path, X_aws_ec2_metadata_token=self.token())


def imds_of(cloud: Cloud, **more: Any) -> tuple[Imds, dict[str, Any]]:
    instance = run(cloud, **more)
    described = cloud.instance(instance)
    return Imds(described["PrivateIpAddress"], cloud.state.metadata_port), described


def test_metadata_requires_a_token_if_the_image_of_the_instance_does(cloud: Cloud) -> None:
    imds, described = imds_of(cloud)  # its image requires tokens
    assert described["MetadataOptions"]["HttpTokens"] == "required"
    assert described["MetadataOptions"]["HttpPutResponseHopLimit"] == 2
    assert imds.ask("meta-data/instance-id") == (401, "")
    assert imds.ask("meta-data/instance-id", X_aws_ec2_metadata_token="wrong") == (401, "")
    assert imds.ask("api/token", "PUT") == (400, "")
    assert imds.get("meta-data/instance-id") == (200, described["InstanceId"])


def test_metadata_needs_no_token_where_it_is_optional(cloud: Cloud) -> None:
    imds, described = imds_of(cloud, MetadataOptions={"HttpTokens": "optional"})
    assert imds.ask("meta-data/local-ipv4") == (200, described["PrivateIpAddress"])


def test_metadata_has_placement_user_data_and_enabled_tags(cloud: Cloud) -> None:
    tags = [{"ResourceType": "instance", "Tags": [{"Key": "Name", "Value": "web"}]}]
    options = {"HttpTokens": "required", "InstanceMetadataTags": "enabled"}
    imds, _ = imds_of(cloud, TagSpecifications=tags, MetadataOptions=options, UserData=PRINTS)
    assert imds.get("meta-data/placement/availability-zone") == (200, "us-east-1a")
    assert imds.get("meta-data/tags/instance/Name") == (200, "web")
    assert imds.get("user-data") == (200, PRINTS)
    assert "placement/" in imds.get("meta-data/")[1].splitlines()
    assert imds.get("meta-data/nothing") == (404, "")
    assert '"region": "us-east-1"' in imds.get("dynamic/instance-identity/document")[1]


def test_tags_are_not_in_the_metadata_unless_enabled(cloud: Cloud) -> None:
    tags = [{"ResourceType": "instance", "Tags": [{"Key": "Name", "Value": "web"}]}]
    imds, _ = imds_of(cloud, TagSpecifications=tags)
    assert imds.get("meta-data/tags/instance/Name") == (404, "")


@pytest.mark.long
def test_terminate_kills_processes_that_ignore_sigterm(cloud: Cloud) -> None:
    script = "#!/bin/sh\ntrap '' TERM\necho stubborn; while :; do sleep 0.1; done\n"
    instance = run(cloud, UserData=script)
    eventually(lambda: "stubborn" in cloud.console(instance))
    cloud.aws("ec2").terminate_instances(InstanceIds=[instance])
    eventually(lambda: not (cloud.home.instances / instance).exists())
    assert "stubborn" in cloud.console(instance)
