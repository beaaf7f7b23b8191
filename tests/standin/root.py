"""The resources that a root module declares, as `terraform/release` defines them.

The stand-in does not read the module's HCL: its defaults are repeated here. The contract test
compares the created resources with real Terraform's (tests/e2e/test_resources.py).
"""

from __future__ import annotations

import base64
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.core.state.release import group_name
from tests.standin.stream import Address

TEMPLATE, GROUP, POLICY = "aws_launch_template", "aws_autoscaling_group", "aws_autoscaling_policy"
KINDS = (TEMPLATE, GROUP, POLICY)
"""In the order of creation."""
INPUTS: dict[str, Any] = {
    "subnet_ids": [],
    "security_group_ids": [],
    "instance_profile": None,
    "key_name": None,
    "user_data": "",
    "metadata_hop_limit": 1,
    "detailed_monitoring": False,
    "tags": {},
    "health_check_type": "ELB",
    "health_check_grace_period": 120,
    "default_instance_warmup": 60,
    "deregistration_delay": 300,
    "termination_policies": ["Default"],
    "enabled_metrics": [
        "GroupDesiredCapacity",
        "GroupInServiceInstances",
        "GroupPendingInstances",
        "GroupTerminatingInstances",
        "GroupTotalInstances",
    ],
    "scaling_policies": {},
}


class RootError(Exception):
    """The root module cannot be planned; has a summary and a detail."""

    def __init__(self, summary: str, detail: str) -> None:
        super().__init__(summary, detail)
        self.summary = summary
        self.detail = detail


@dataclass
class Root:
    """The root module of an environment."""

    module: Path
    app: str
    environment: str
    region: str
    accounts: list[str]
    inputs: dict[str, Any]
    releases: dict[str, dict[str, Any]]
    imports: dict[str, str]
    backend: dict[str, Any]

    @classmethod
    def load(cls, folder: Path) -> Root:
        """Read a root module; raise RootError if it contains what the stand-in does not support."""
        if not (folder / ".terraform/modules/modules.json").exists():
            raise RootError("Module not installed", 'Run "terraform init".')
        main = _document(folder / "main.tf.json")
        call, aws = main["module"]["release"], main["provider"]["aws"]
        given = _document(folder / "inputs.auto.tfvars.json")["inputs"]
        if unknown := given.keys() - INPUTS.keys():
            raise RootError("Extraneous JSON object property", f"No argument {sorted(unknown)}.")
        backend = main["terraform"]["backend"]
        if not backend.keys() <= {"local", "s3"}:
            raise RootError("Unsupported backend", "The stand-in knows a file and S3.")
        imports = _document(folder / "imports.tf.json").get("import", [])
        return cls(
            module=folder / call["source"],
            app=call["app"],
            environment=call["environment"],
            region=aws["region"],
            accounts=aws.get("allowed_account_ids", []),
            inputs=INPUTS | given,
            releases=_document(folder / "releases.auto.tfvars.json").get("releases", {}),
            imports={each["to"]: each["id"] for each in imports},
            backend=backend,
        )

    def wanted(self) -> dict[Address, dict[str, Any]]:
        """Return the arguments of each resource, in the order of creation."""
        policies = {
            (POLICY, f"{release}/{name}"): {"release": release, "name": name, **policy}
            for release in self.releases
            for name, policy in self.inputs["scaling_policies"].items()
        }
        templates = {(TEMPLATE, each): self._template(each) for each in sorted(self.releases)}
        groups = {(GROUP, each): self._group(each) for each in sorted(self.releases)}
        return {**templates, **groups, **policies}

    def name(self, release: str) -> str:
        return group_name(self.app, self.environment, release)

    def tags(self, release: str) -> dict[str, str]:
        given = self.releases[release]
        named = {
            "app": self.app,
            "environment": self.environment,
            "release": release,
            "image": given["ami_id"],
            **{name: given["facts"].get(name) for name in ("deployment", "version")},
        }
        ours = {f"ami-pipeline:{key}": value for key, value in named.items() if value}
        return {**self.inputs["tags"], "Name": self.name(release), **ours}

    def _template(self, release: str) -> dict[str, Any]:
        given, inputs = self.releases[release], self.inputs
        profile = inputs["instance_profile"]
        field = "Arn" if str(profile).startswith("arn:") else "Name"
        tags = _tagged(self.tags(release))
        kinds = ("instance", "volume", "network-interface")
        device = given["facts"].get("root_device") or "/dev/xvda"
        volume = {"VolumeType": "gp3", "Encrypted": True, "DeleteOnTermination": True}
        return {
            "LaunchTemplateName": self.name(release),
            "VersionDescription": f"{self.app} {release} in {self.environment}",
            "TagSpecification": [{"ResourceType": "launch-template", "Tag": tags}],
            "LaunchTemplateData": {
                "ImageId": given["ami_id"],
                "InstanceType": given["instance_type"],
                "KeyName": inputs["key_name"],
                "UserData": base64.b64encode(self._user_data(release).encode()).decode(),
                "SecurityGroupId": inputs["security_group_ids"],
                "IamInstanceProfile": {field: profile} if profile else None,
                "BlockDeviceMapping": [{"DeviceName": device, "Ebs": volume}],
                "MetadataOptions": {
                    "HttpEndpoint": "enabled",
                    "HttpTokens": "required",
                    "HttpPutResponseHopLimit": inputs["metadata_hop_limit"],
                    "InstanceMetadataTags": "disabled",
                },
                "Monitoring": {"Enabled": inputs["detailed_monitoring"]},
                "TagSpecification": [{"ResourceType": kind, "Tag": tags} for kind in kinds],
            },
        }

    def _group(self, release: str) -> dict[str, Any]:
        given, inputs, name = self.releases[release], self.inputs, self.name(release)
        owner = {"ResourceId": name, "ResourceType": "auto-scaling-group"}
        return {
            "AutoScalingGroupName": name,
            "MinSize": given["min_size"],
            "MaxSize": given["max_size"],
            "DesiredCapacity": given["desired_capacity"],
            "VPCZoneIdentifier": ",".join(inputs["subnet_ids"]),
            "HealthCheckType": inputs["health_check_type"],
            "HealthCheckGracePeriod": inputs["health_check_grace_period"],
            "DefaultInstanceWarmup": inputs["default_instance_warmup"],
            "TerminationPolicies": inputs["termination_policies"],
            "NewInstancesProtectedFromScaleIn": False,
            "Tags": [
                {**owner, **tag, "PropagateAtLaunch": False} for tag in _tagged(self.tags(release))
            ],
        }

    def _user_data(self, release: str) -> str:
        """Render the module's template, which has one condition and a few names."""
        given = self.releases[release]
        facts = given["facts"] | {
            "app": self.app,
            "environment": self.environment,
            "release": release,
            "image": given["ami_id"],
        }
        values = {
            "app": self.app,
            "environment": self.environment,
            "release": release,
            "release_json": _encoded(facts),
            "trimspace(user_data)": self.inputs["user_data"].strip(),
        }
        text = (self.module / "user-data.sh.tftpl").read_text()
        kept = r"\1" if self.inputs["user_data"] else ""
        text = re.sub(r"%\{ if .*? ~\}\n(.*)%\{ endif ~\}\n", kept, text, flags=re.DOTALL)
        text = re.sub(r"(?<!\$)\$\{([^}]+)\}", lambda found: values[found[1]], text)
        return text.replace("$${", "${")


def _encoded(value: dict[str, str]) -> str:
    """Encode like Terraform's jsonencode: sorted keys and three escaped characters."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _tagged(tags: dict[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in sorted(tags.items())]


def _document(path: Path) -> dict[str, Any]:
    try:
        document: dict[str, Any] = json.loads(path.read_bytes())
    except FileNotFoundError:
        return {}
    return document
