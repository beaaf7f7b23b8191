"""The next step after each failure that Packer 1.16 was recorded with."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.adapters.packer.stream import StreamReader
from pipeline.core.bake.cleanup import CleanupReport
from pipeline.core.bake.failures import build_failure
from pipeline.core.bake.remedies.of_machine import init_remedy, machine_remedy
from pipeline.core.bake.remedies.of_template import template_remedy
from tests.adapters.packer.captures import NEW, capture
from tests.fakes import a_report, a_request

TEMPLATE = Path("/repository/app.pkr.hcl")
PACKER = "https://developer.hashicorp.com/packer"
CREDENTIALS = "provide AWS credentials, then check them: aws sts get-caller-identity"
NETWORK = "check the network and the endpoint; for the local cloud: ami-pipeline local-cloud up"
SCRIPT = "fix that script or provisioner: /x.log has its output"
SSH = "check ssh_username, the subnet's route, and that the security group allows Packer's SSH"
UNKNOWN = "fix that name in app.pkr.hcl, or install its plugin: "
FIX = f"fix app.pkr.hcl, then: packer validate {TEMPLATE}"

REFUSED = {
    "bad-flag": f"this Packer lacks the option above: install HashiCorp's ({PACKER}/install)",
    "bad-hcl": FIX,
    "bad-json": FIX,
    "bad-var": "declare nosuch in app.pkr.hcl, or remove it from pipeline.toml",
    "dup": FIX,
    "missing-file": FIX,
    "no-plugin-at-all": f"install them: packer init {TEMPLATE}",
    "plugin-missing": f"install them: packer init {TEMPLATE}",
    "plugin-missing-json": "install it: packer plugins install github.com/hashicorp/googlecompute",
    "prepare-error-unknown-key": FIX,
    "unknown-builder": f"{UNKNOWN}{PACKER}/integrations?filter=nosuch",
    "unknown-provisioner": f"{UNKNOWN}{PACKER}/integrations?filter=nosuch",
    "unset-var": "set need under [bake.vars] in pipeline.toml, or give a default",
    "validate-bad": FIX,
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_template_that_packer_refuses(name: str) -> None:
    reader = StreamReader()
    reader.feed(capture(name, NEW))
    text = "\n".join(reader.close().problems)
    assert (machine_remedy(text) or template_remedy(text, TEMPLATE, "1.16.0")) == REFUSED[name]


FAILED = {
    "breakpoint": "remove the provisioner breakpoint from app.pkr.hcl, or set its disable to true",
    "endpoint-down": NETWORK,
    "error-ask": SCRIPT,
    "fail": SCRIPT,
    "hcp-registry": (
        "export HCP_CLIENT_ID and HCP_CLIENT_SECRET, or bake without the registry: "
        "export HCP_PACKER_REGISTRY=off"
    ),
    "modern-options": (
        "bake on AWS, or leave out what calls EnableImageDeprecation: "
        "the local cloud does not have it"
    ),
    "name-exists-again": (
        "declare ami_name in the template, so that each image has its own name, "
        "or deregister that AMI"
    ),
    "no-credentials": CREDENTIALS,
    "only-nomatch": "set [bake] only in pipeline.toml to a name above",
    "pp-fail": "fix the post-processor of app.pkr.hcl: /x.log has its output",
    "public-ip-cidr": NETWORK,
    "source-ami-filter-none": (
        "fix source_ami_filter in app.pkr.hcl, or set [bake.source] in pipeline.toml"
    ),
    "source-ami-not-found": (
        "name an image of this region as source_ami in app.pkr.hcl, "
        "or set [bake.source] in pipeline.toml"
    ),
    "ssh-timeout": SSH,
    "timeout-prov": (
        "raise the timeout of the provisioner in app.pkr.hcl, or find its slow command in /x.log"
    ),
    "upload-fail": SCRIPT,
}


@pytest.mark.parametrize("name", FAILED)
def test_a_build_that_fails(name: str) -> None:
    reader = StreamReader()
    reader.feed(capture(name, NEW))
    found = reader.close()
    report = a_report(
        failures=found.errors,
        last_lines=found.last(next(iter(found.errors), "")),
        code=1,
        log=Path("/x.log"),
    )
    failure = build_failure(a_request(template=TEMPLATE), report, (), CleanupReport())
    assert failure.remedy == FAILED[name]


def test_an_init_that_fails() -> None:
    reader = StreamReader()
    reader.feed(capture("init-offline", NEW))
    text = "\n".join(reader.close().problems)
    assert init_remedy(text, TEMPLATE, "1.16.0") == (
        f"check the network to GitHub, which has the plugins, then: packer init {TEMPLATE}"
    )
