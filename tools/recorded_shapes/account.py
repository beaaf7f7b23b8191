"""Make the resources whose descriptions are compared, and describe them."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import boto3

from tools.recorded_shapes.shapes import SERVICES, Answers

REGION = "us-east-1"
NAME = "shapes"
OWNER, IMAGE = "amazon", "al2023-ami-2023.*-kernel-6.1-x86_64"
WITHIN = 60.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Account:
    """An empty account of the local cloud."""

    endpoint: str

    def client(self, service: str) -> Any:
        """Return a boto3 client."""
        make: Any = boto3.client  # its stubs know services by literal name only
        keys = {"aws_access_key_id": "local-cloud", "aws_secret_access_key": "local-cloud"}
        return make(service, region_name=REGION, endpoint_url=self.endpoint, **keys)


def answers(endpoint: str) -> Answers:
    """Make every resource in an empty account, and return the answers that describe them."""
    account = Account(endpoint=endpoint)
    place = network(account)
    image = instances(account, place)
    templates(account, place, image)
    configurations(account, place, image)
    classic(account, place)
    groups = modern(account, place)
    scaling(account, place, groups)
    alarms(account)
    return described(account, groups)


def network(account: Account) -> Mapping[str, Any]:
    """Make a security group, a key pair and a profile; return what resources are placed by."""
    ec2, iam = account.client("ec2"), account.client("iam")
    subnets = ec2.describe_subnets()["Subnets"][:2]
    vpc = subnets[0]["VpcId"]
    group = ec2.create_security_group(GroupName=NAME, Description=NAME, VpcId=vpc)["GroupId"]
    ec2.create_key_pair(KeyName=NAME)
    iam.create_role(RoleName=NAME, AssumeRolePolicyDocument="{}")
    iam.create_instance_profile(InstanceProfileName=NAME)
    iam.add_role_to_instance_profile(InstanceProfileName=NAME, RoleName=NAME)
    named = [{"Name": "name", "Values": [IMAGE]}]
    base = ec2.describe_images(Owners=[OWNER], Filters=named)["Images"][0]["ImageId"]
    ids = [subnet["SubnetId"] for subnet in subnets]
    return {"vpc": vpc, "subnets": ids, "group": group, "base": base}


def instances(account: Account, place: Mapping[str, Any]) -> str:
    """Make a running, a stopped and a terminated instance; return an image of the stopped one."""
    ec2 = account.client("ec2")
    made = [launch(ec2, place) for _ in range(3)]
    await_(lambda: states(ec2, made) == {"running"})
    ec2.stop_instances(InstanceIds=[made[1]])
    ec2.terminate_instances(InstanceIds=[made[2]])
    await_(lambda: states(ec2, made) == {"running", "stopped", "terminated"})
    image: str = ec2.create_image(InstanceId=made[1], Name=NAME, Description=NAME)["ImageId"]
    ec2.create_tags(Resources=[image], Tags=tags())
    await_(lambda: ec2.describe_images(ImageIds=[image])["Images"][0]["State"] == "available")
    copied = ec2.copy_image(
        SourceImageId=image, SourceRegion=REGION, Name=f"{NAME}-copy", Encrypted=True
    )["ImageId"]
    await_(lambda: ec2.describe_images(ImageIds=[copied])["Images"][0]["State"] == "available")
    ec2.create_tags(Resources=snapshots(ec2, image, copied), Tags=tags())
    return image


def snapshots(ec2: Any, *images: str) -> list[str]:
    """Return the snapshots of the images' root volumes."""
    made_of = ec2.describe_images(ImageIds=list(images))["Images"]
    return [each["BlockDeviceMappings"][0]["Ebs"]["SnapshotId"] for each in made_of]


def launch(ec2: Any, place: Mapping[str, Any]) -> str:
    """Launch an instance with everything that a launch can name."""
    made = ec2.run_instances(
        ImageId=place["base"],
        MinCount=1,
        MaxCount=1,
        InstanceType="t3.micro",
        KeyName=NAME,
        SubnetId=place["subnets"][0],
        SecurityGroupIds=[place["group"]],
        IamInstanceProfile={"Name": NAME},
        TagSpecifications=[{"ResourceType": "instance", "Tags": tags()}],
    )
    return str(made["Instances"][0]["InstanceId"])


def states(ec2: Any, ids: list[str]) -> set[str]:
    """Return the states of instances."""
    found = ec2.describe_instances(InstanceIds=ids)["Reservations"]
    return {each["State"]["Name"] for reservation in found for each in reservation["Instances"]}


def templates(account: Account, place: Mapping[str, Any], image: str) -> None:
    """Make a launch template of two versions."""
    ec2 = account.client("ec2")
    disk = {"VolumeSize": 20, "VolumeType": "gp3", "Encrypted": True, "DeleteOnTermination": True}
    other = {"DeviceName": "/dev/xvdb", "Ebs": {**disk, "SnapshotId": snapshots(ec2, image)[0]}}
    data = {
        "ImageId": image,
        "InstanceType": "t3.micro",
        "KeyName": NAME,
        "SecurityGroupIds": [place["group"]],
        "UserData": base64.b64encode(b"#!/bin/sh\n").decode(),
        "BlockDeviceMappings": [{"DeviceName": "/dev/xvda", "Ebs": disk}, other],
        "TagSpecifications": [{"ResourceType": "instance", "Tags": tags()}],
    }
    ec2.create_launch_template(LaunchTemplateName=NAME, LaunchTemplateData=data)
    ec2.create_launch_template_version(
        LaunchTemplateName=NAME, VersionDescription=NAME, LaunchTemplateData=data
    )


def configurations(account: Account, place: Mapping[str, Any], image: str) -> None:
    """Make a launch configuration with disks, and one with nothing but an image."""
    create = account.client("autoscaling").create_launch_configuration
    disk = {"VolumeSize": 20, "VolumeType": "gp2", "Encrypted": True, "DeleteOnTermination": True}
    snapshot = snapshots(account.client("ec2"), image)[0]
    create(
        LaunchConfigurationName=NAME,
        ImageId=image,
        InstanceType="t3.micro",
        KeyName=NAME,
        SecurityGroups=[place["group"]],
        IamInstanceProfile=NAME,
        AssociatePublicIpAddress=True,
        UserData="#!/bin/sh\n",
        BlockDeviceMappings=[
            {"DeviceName": "/dev/xvda", "Ebs": disk},
            {"DeviceName": "/dev/xvdb", "VirtualName": "ephemeral0"},
            {"DeviceName": "/dev/xvdc", "NoDevice": True},
            {"DeviceName": "/dev/xvdd", "Ebs": {"SnapshotId": snapshot}},
        ],
    )
    create(LaunchConfigurationName=f"{NAME}-plain", ImageId=image, InstanceType="t3.micro")


def classic(account: Account, place: Mapping[str, Any]) -> None:
    """Make a classic load balancer with two listeners, a policy and an access log."""
    elb, acm = account.client("elb"), account.client("acm")
    certificate = acm.request_certificate(DomainName="example.com")["CertificateArn"]
    listeners = [
        {"Protocol": "HTTP", "LoadBalancerPort": 8081, "InstancePort": 8080},
        {"Protocol": "HTTPS", "LoadBalancerPort": 8443, "InstancePort": 8080}
        | {"InstanceProtocol": "HTTP", "SSLCertificateId": certificate},
    ]
    elb.create_load_balancer(
        LoadBalancerName=NAME,
        Listeners=listeners,
        Subnets=place["subnets"],
        SecurityGroups=[place["group"]],
    )
    elb.create_lb_cookie_stickiness_policy(
        LoadBalancerName=NAME, PolicyName=NAME, CookieExpirationPeriod=60
    )
    elb.set_load_balancer_policies_of_listener(
        LoadBalancerName=NAME, LoadBalancerPort=8081, PolicyNames=[NAME]
    )
    log = {"Enabled": True, "EmitInterval": 5, "S3BucketName": NAME, "S3BucketPrefix": NAME}
    changed = {"AccessLog": log, "ConnectionDraining": {"Enabled": True, "Timeout": 300}}
    elb.modify_load_balancer_attributes(LoadBalancerName=NAME, LoadBalancerAttributes=changed)


def modern(account: Account, place: Mapping[str, Any]) -> list[str]:
    """Make an application and a network load balancer; return their target groups."""
    elbv2 = account.client("elbv2")
    web, spare = (target_group(elbv2, name, "HTTP", 8080, place) for name in (NAME, f"{NAME}-2"))
    tcp = target_group(elbv2, f"{NAME}-tcp", "TCP", 8080, place)
    secured = {"Subnets": place["subnets"], "SecurityGroups": [place["group"]]}
    application = balancer(elbv2, NAME, "application", secured)
    network_ = balancer(elbv2, f"{NAME}-tcp", "network", {"Subnets": place["subnets"]})
    both = [{"TargetGroupArn": each, "Weight": 1} for each in (web, spare)]
    sticky = {"Enabled": True, "DurationSeconds": 60}
    weighted = {"TargetGroups": both, "TargetGroupStickinessConfig": sticky}
    forward = {"Type": "forward", "TargetGroupArn": web}
    listen(elbv2, application, 8082, "HTTP", {"Type": "forward", "ForwardConfig": weighted})
    listen(elbv2, application, 8084, "HTTP", redirect() | {"Order": 1})
    listen(elbv2, network_, 8083, "TCP", {"Type": "forward", "TargetGroupArn": tcp})
    listener = listen(elbv2, application, 8085, "HTTP", forward)
    for priority, action in enumerate((forward, redirect() | {"Order": 1}), 1):
        paths = [{"Field": "path-pattern", "Values": [f"/{priority}"]}]
        elbv2.create_rule(
            ListenerArn=listener, Priority=priority, Conditions=paths, Actions=[action]
        )
    return [web, tcp]


def target_group(elbv2: Any, name: str, protocol: str, port: int, place: Mapping[str, Any]) -> str:
    """Make a target group."""
    made = elbv2.create_target_group(Name=name, Protocol=protocol, Port=port, VpcId=place["vpc"])
    return str(made["TargetGroups"][0]["TargetGroupArn"])


def balancer(elbv2: Any, name: str, type_: str, more: Mapping[str, Any]) -> str:
    """Make a load balancer of ELBv2."""
    made = elbv2.create_load_balancer(Name=name, Type=type_, **more)
    return str(made["LoadBalancers"][0]["LoadBalancerArn"])


def listen(elbv2: Any, arn: str, port: int, protocol: str, action: Mapping[str, Any]) -> str:
    """Make a listener with one default action."""
    made = elbv2.create_listener(
        LoadBalancerArn=arn, Protocol=protocol, Port=port, DefaultActions=[action]
    )
    return str(made["Listeners"][0]["ListenerArn"])


def redirect() -> dict[str, Any]:
    """Return the action that leads from HTTP to HTTPS."""
    where = {"Protocol": "HTTPS", "Port": "443", "StatusCode": "HTTP_301"}
    return {"Type": "redirect", "RedirectConfig": where}


def scaling(account: Account, place: Mapping[str, Any], groups: list[str]) -> None:
    """Make groups by launch template, mixed policy and configuration, with their settings."""
    client = account.client("autoscaling")
    latest = {"LaunchTemplateName": NAME, "Version": "$Latest"}
    sources: Mapping[str, Mapping[str, Any]] = {
        NAME: {"LaunchTemplate": latest, "TargetGroupARNs": groups, "MaxInstanceLifetime": 86400},
        f"{NAME}-mixed": {"MixedInstancesPolicy": mixed(latest), "CapacityRebalance": True},
        f"{NAME}-old": {"LaunchConfigurationName": NAME, "LoadBalancerNames": [NAME]},
    }
    for name, source in sources.items():
        client.create_auto_scaling_group(
            AutoScalingGroupName=name,
            MinSize=1,
            MaxSize=2,
            VPCZoneIdentifier=",".join(place["subnets"]),
            Tags=[{"Key": "Name", "Value": NAME, "PropagateAtLaunch": True}],
            **source,
        )
        client.enable_metrics_collection(AutoScalingGroupName=name, Granularity="1Minute")
        track(client, name)
    await_(lambda: all(members(client, name) == {"InService"} for name in sources))
    client.suspend_processes(AutoScalingGroupName=NAME, ScalingProcesses=["AZRebalance"])


def members(client: Any, name: str) -> set[str]:
    """Return the states of a group's members."""
    found = client.describe_auto_scaling_groups(AutoScalingGroupNames=[name])["AutoScalingGroups"]
    return {member["LifecycleState"] for member in found[0]["Instances"]}


def mixed(template: Mapping[str, str]) -> Mapping[str, Any]:
    """Return a policy of mixed instances."""
    distribution = {
        "OnDemandAllocationStrategy": "prioritized",
        "OnDemandBaseCapacity": 1,
        "OnDemandPercentageAboveBaseCapacity": 100,
        "SpotAllocationStrategy": "lowest-price",
        "SpotInstancePools": 2,
    }
    overrides = [{"InstanceType": "t3.micro"}]
    launch_template = {"LaunchTemplateSpecification": template, "Overrides": overrides}
    return {"LaunchTemplate": launch_template, "InstancesDistribution": distribution}


def track(client: Any, name: str) -> None:
    """Give a group a target-tracking policy."""
    metric = {"PredefinedMetricType": "ASGAverageCPUUtilization"}
    client.put_scaling_policy(
        AutoScalingGroupName=name,
        PolicyName=NAME,
        PolicyType="TargetTrackingScaling",
        TargetTrackingConfiguration={"PredefinedMetricSpecification": metric, "TargetValue": 50.0},
    )


def alarms(account: Account) -> None:
    """Make a metric alarm in each state and a composite alarm."""
    client = account.client("cloudwatch")
    for state in ("OK", "ALARM", "INSUFFICIENT_DATA"):
        client.put_metric_alarm(
            AlarmName=f"{NAME}-{state}",
            AlarmDescription=NAME,
            AlarmActions=[topic()],
            Namespace="AWS/EC2",
            MetricName="CPUUtilization",
            Dimensions=[{"Name": "InstanceId", "Value": "i-0123456789abcdef0"}],
            Statistic="Average",
            Period=300,
            EvaluationPeriods=1,
            Threshold=1.0,
            ComparisonOperator="GreaterThanThreshold",
        )
        client.set_alarm_state(
            AlarmName=f"{NAME}-{state}", StateValue=state, StateReason=NAME, StateReasonData="{}"
        )
    client.put_composite_alarm(
        AlarmName=f"{NAME}-composite",
        AlarmDescription=NAME,
        AlarmRule=f'ALARM("{NAME}-ALARM")',
        AlarmActions=[topic()],
        OKActions=[topic()],
        InsufficientDataActions=[topic()],
    )


def topic() -> str:
    """Return the ARN of a topic."""
    return f"arn:aws:sns:{REGION}:123456789012:{NAME}"


def tags() -> list[Mapping[str, str]]:
    """Return one tag."""
    return [{"Key": "Name", "Value": NAME}]


def described(account: Account, groups: list[str]) -> Answers:
    """Return the answers of every action that recordings may have."""
    elbv2 = account.client("elbv2")
    balancers = [
        each["LoadBalancerArn"] for each in elbv2.describe_load_balancers()["LoadBalancers"]
    ]
    listeners = [elbv2.describe_listeners(LoadBalancerArn=each) for each in balancers]
    arns = [listener["ListenerArn"] for each in listeners for listener in each["Listeners"]]
    named = {"Name": "tag:Name", "Values": [NAME]}
    every = {"AlarmTypes": ["MetricAlarm", "CompositeAlarm"]}
    return {
        **listed(account, "autoscaling.DescribeAutoScalingGroups"),
        **listed(account, "autoscaling.DescribeLaunchConfigurations"),
        **listed(account, "autoscaling.DescribePolicies"),
        **listed(account, "autoscaling.DescribeScalingActivities"),
        **listed(account, "ec2.DescribeImages", {"Owners": ["self"]}),
        **listed(account, "ec2.DescribeInstances"),
        **listed(account, "ec2.DescribeLaunchTemplates"),
        **listed(account, "ec2.DescribeLaunchTemplateVersions", {"LaunchTemplateName": NAME}),
        **listed(account, "ec2.DescribeSnapshots", {"Filters": [named]}),
        **listed(account, "elb.DescribeLoadBalancers"),
        **listed(account, "elb.DescribeLoadBalancerAttributes", {"LoadBalancerName": NAME}),
        **listed(account, "elb.DescribeInstanceHealth", {"LoadBalancerName": NAME}),
        **listed(account, "elbv2.DescribeLoadBalancers"),
        **listed(
            account,
            "elbv2.DescribeLoadBalancerAttributes",
            *({"LoadBalancerArn": each} for each in balancers),
        ),
        **listed(account, "elbv2.DescribeTargetGroups"),
        **listed(
            account,
            "elbv2.DescribeTargetGroupAttributes",
            *({"TargetGroupArn": each} for each in groups),
        ),
        **listed(
            account, "elbv2.DescribeTargetHealth", *({"TargetGroupArn": each} for each in groups)
        ),
        "elbv2.DescribeListeners": listeners,
        **listed(account, "elbv2.DescribeRules", *({"ListenerArn": each} for each in arns)),
        **listed(account, "monitoring.DescribeAlarms", every),
    }


def listed(account: Account, kind: str, *arguments: Mapping[str, Any]) -> Answers:
    """Return the answers of one action, called once with each set of arguments."""
    service, _, action = kind.partition(".")
    client = account.client(SERVICES.get(service, service))
    names = {api: name for name, api in client.meta.method_to_api_mapping.items()}
    call = getattr(client, names[action])
    return {kind: [call(**each) for each in arguments or ({},)]}


def await_(done: Callable[[], bool]) -> None:
    """Wait until something is so; raises TimeoutError."""
    deadline = time.monotonic() + WITHIN
    while not done():
        if time.monotonic() > deadline:
            raise TimeoutError("the local cloud did not reach the state to describe")
        time.sleep(0.05)
