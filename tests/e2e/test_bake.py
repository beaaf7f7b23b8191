"""`bake` from the command line to an image that runs."""

from __future__ import annotations

import base64
import json
import re
import shutil
import subprocess
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests import running_cloud
from tests.e2e.project import CANARY, NOTHING, REPOSITORY, Project, new_project
from tests.running_cloud import Cloud, eventually


def answer(url: str) -> Any:
    try:
        with urllib.request.urlopen(url, timeout=2) as response:  # noqa: S310 - loopback
            return json.load(response)
    except OSError:
        return None


@pytest.mark.long
def test_two_bakes_differ_by_the_changed_file_and_the_second_image_serves(
    project: Project, cloud: Cloud
) -> None:
    first = project.bake("1.0.0")
    assert first.code == 0, first.err
    project.edit(
        "packer/provision/unit/app.service",
        "[Service]\n",
        "[Service]\nEnvironment=GREETING=changed\n",
    )
    second = project.bake("1.1.0")
    assert second.code == 0, second.err
    assert first.document["ami_id"] != second.document["ami_id"]

    instance = cloud.launch(ImageId=second.document["ami_id"])
    served = eventually(lambda: answer(f"http://{instance['PrivateIpAddress']}:8080/"))
    assert served["version"] == "1.1.0"
    assert served["instance_id"] == instance["InstanceId"]
    assert "changed" in json.dumps(served)


def test_a_bake_leaves_the_image_its_tags_its_record_and_tfvars_and_nothing_else(
    project: Project, cloud: Cloud
) -> None:
    result = project.bake("1.4.2")
    assert result.code == 0, result.err
    baked = result.document
    image = cloud.aws("ec2").describe_images(ImageIds=[baked["ami_id"]])["Images"][0]
    tags = {tag["Key"]: tag["Value"] for tag in image["Tags"]}
    assert image["Name"] == baked["name"]
    assert image["Public"] is False
    assert image["BlockDeviceMappings"][0]["Ebs"]["Encrypted"] is True
    assert tags["Team"] == "web"
    assert tags["ami-pipeline:app"] == "web"
    assert tags["ami-pipeline:version"] == "1.4.2"
    assert tags["ami-pipeline:source-ami"] == baked["source_ami"]
    assert tags["ami-pipeline:fingerprint"] == baked["fingerprint"]
    assert tags["ami-pipeline:status"] == "good"
    assert tags["ami-pipeline:baked-by"]
    assert json.loads((project.folder / "ami.auto.tfvars.json").read_text()) == {
        "ami_id": baked["ami_id"],
        "ami_ids": {"us-east-1": baked["ami_id"]},
        "app": "web",
        "version": "1.4.2",
        "app_version": "1.4.2",
    }
    assert project.left_in_cloud() == {**NOTHING, "images": [baked["ami_id"]]}
    records = sorted((project.folder / ".ami-pipeline").rglob("*.json"))
    assert [(each.parent.name, each.stem) for each in records] == [
        ("contents", baked["name"]),
        ("images", baked["name"]),
    ]
    contents = json.loads(records[0].read_text())["content"]
    assert contents["source"]["id"] == baked["source_ami"]
    # An instance of the local cloud has the packages of this machine, which has Debian's.
    installed = subprocess.run(
        ["/usr/bin/dpkg-query", "-W"], check=True, capture_output=True, text=True
    )
    names = {line.partition("\t")[0].partition(":")[0] for line in installed.stdout.splitlines()}
    assert {each["name"] for each in contents["packages"]} == names


@pytest.mark.long
def test_an_unchanged_bake_finds_the_image_with_five_calls_and_no_build(
    project: Project, cloud: Cloud
) -> None:
    first = project.bake()
    cloud.client.forget_calls()
    again = project.bake()
    assert again.document["origin"] == "unchanged"
    assert again.document["ami_id"] == first.document["ami_id"]
    assert sum(call["calls"] for call in cloud.client.calls()) <= 5


@pytest.mark.long
def test_force_bakes_although_nothing_changed(project: Project) -> None:
    first = project.bake()
    assert project.bake("1.0.0", "--force").document["ami_id"] != first.document["ami_id"]


def test_a_secret_reaches_the_bake_and_is_in_no_output_and_no_file(
    project: Project,
) -> None:
    project.edit(
        "packer/provision/install.sh",
        'echo "a token came',
        'echo "$TOKEN"; printf %s "$TOKEN" | base64; printf "%s\\n" "x $TOKEN y" | base64; '
        'echo "$TOKEN" | od -An -tx1 | tr -d " \\n"; echo; echo "a token came',
    )
    result = project.bake()
    assert result.code == 0, result.err
    log = Path(result.document["log"]).read_text()
    assert "a token came with this bake" in log
    assert "***" in log
    everything = (result.out + result.err).encode() + project.every_byte()
    for form in (CANARY, base64.b64encode(CANARY.encode()).decode(), CANARY.encode().hex()):
        assert form.encode() not in everything


@pytest.mark.long
def test_copies_are_created_and_verified_in_every_region(project: Project, cloud: Cloud) -> None:
    project.edit("pipeline.toml", "[bake]\n", '[bake]\nregions = ["eu-west-1", "us-west-2"]\n')
    result = project.bake()
    assert result.code == 0, result.err
    ids = result.document["ami_ids"]
    assert sorted(ids) == ["eu-west-1", "us-east-1", "us-west-2"]
    for region, ami in ids.items():
        images = cloud.aws("ec2", region).describe_images(ImageIds=[ami])["Images"]
        assert images[0]["Name"] == result.document["name"]
        assert {"Key": "ami-pipeline:status", "Value": "good"} in images[0]["Tags"]


@pytest.mark.long
def test_each_environment_gets_an_image_with_its_own_variables(project: Project) -> None:
    project.edit(
        "pipeline.toml",
        "[environments.staging]",
        "[environments.staging]\n[environments.staging.bake.vars]\nport = 8081\n",
    )
    plain = project.bake().document
    staging = project.bake("1.0.0", "-e", "staging").document
    assert staging["environment"] == "staging"
    assert staging["name"].startswith("web-staging-1.0.0-")
    assert staging["ami_id"] != plain["ami_id"]


JSON_TEMPLATE = {
    "variables": {"version": ""},
    "builders": [
        {
            "type": "amazon-ebs",
            "region": "us-east-1",
            "ami_name": "old-style-{{timestamp}}",
            "instance_type": "t3.micro",
            "ssh_username": "ec2-user",
            "source_ami_filter": {
                "filters": {"name": "al2023-ami-2023.*-kernel-6.1-x86_64"},
                "owners": ["137112412989"],
                "most_recent": True,
            },
            "tags": {"Mine": "kept"},
        }
    ],
    "provisioners": [{"type": "shell", "inline": ["echo {{user `version`}} > /opt/version"]}],
}


@pytest.mark.long
def test_an_old_json_template_that_names_its_own_image_works_unchanged(
    project: Project, cloud: Cloud
) -> None:
    (project.folder / "old.json").write_text(json.dumps(JSON_TEMPLATE))
    project.write('app = "old"\nregion = "us-east-1"\n[bake]\ntemplate = "old.json"\n')
    result = project.bake("2.0.0")
    assert result.code == 0, result.err
    assert result.document["name"].startswith("old-style-")
    image = cloud.aws("ec2").describe_images(ImageIds=[result.document["ami_id"]])["Images"][0]
    tags = {tag["Key"]: tag["Value"] for tag in image["Tags"]}
    assert tags["Mine"] == "kept"
    assert tags["ami-pipeline:version"] == "2.0.0"
    assert project.left_in_cloud() == {**NOTHING, "images": [result.document["ami_id"]]}


@pytest.mark.long
def test_six_simultaneous_bakes_succeed_under_distinct_names(tmp_path: Path, cloud: Cloud) -> None:
    projects = [new_project(tmp_path / f"project{number}", cloud) for number in range(6)]
    with ThreadPoolExecutor(6) as pool:
        result = list(pool.map(lambda one: one[1].bake(f"1.0.{one[0]}"), enumerate(projects)))
    assert [one.code for one in result] == [0] * 6, [one.err for one in result]
    assert len({one.document["name"] for one in result}) == 6
    assert len({one.document["ami_id"] for one in result}) == 6


@pytest.mark.long
def test_two_simultaneous_bakes_of_one_project_do_not_disturb_each_other(project: Project) -> None:
    with ThreadPoolExecutor(2) as pool:
        result = list(pool.map(lambda number: project.bake(f"1.0.{number}"), range(2)))
    assert [one.code for one in result] == [0, 0], [one.err for one in result]


@pytest.mark.long
def test_images_lists_the_baked_images_and_their_use(project: Project, cloud: Cloud) -> None:
    older = project.bake("1.0.0").document
    newer = project.bake("1.1.0").document
    instance = cloud.launch(ImageId=older["ami_id"])
    template = {"ImageId": newer["ami_id"]}
    cloud.aws("ec2").create_launch_template(LaunchTemplateName="web", LaunchTemplateData=template)
    listed = project.run("--output", "json", "images").document["images"]
    assert [image["ami_id"] for image in listed] == [newer["ami_id"], older["ami_id"]]
    assert listed[0]["used_by"] == [{"kind": "launch template", "name": "web"}]
    assert listed[1]["used_by"] == [{"kind": "instance", "name": instance["InstanceId"]}]
    text = project.run("images").out
    assert text.splitlines()[1].split()[:2] == [newer["ami_id"], "1.1.0"]


@pytest.mark.long
def test_the_store_can_be_a_prefix_of_a_bucket(project: Project, cloud: Cloud) -> None:
    cloud.aws("s3").create_bucket(Bucket="state-of-web")
    project.edit("pipeline.toml", "[bake]\n", '[state]\nurl = "s3://state-of-web/web"\n[bake]\n')
    result = project.bake()
    assert result.code == 0, result.err
    listed = cloud.aws("s3").list_objects_v2(Bucket="state-of-web")["Contents"]
    name = result.document["name"]
    assert [item["Key"] for item in listed] == [
        f"web/contents/{name}.json",
        f"web/images/{name}.json",
    ]


@pytest.mark.long
@pytest.mark.parametrize("how", ["github", "gitlab"])
def test_ci_gets_the_image_in_its_own_format(project: Project, tmp_path: Path, how: str) -> None:
    output, summary, dotenv = (tmp_path / name for name in ("output", "summary", "bake.env"))
    if how == "github":
        project.extra = {"GITHUB_OUTPUT": str(output), "GITHUB_STEP_SUMMARY": str(summary)}
        baked = project.bake().document
        assert f"ami_id={baked['ami_id']}\n" in output.read_text()
        assert baked["ami_id"] in summary.read_text()
    else:
        baked = project.bake("1.0.0", "--dotenv", str(dotenv)).document
        assert dotenv.read_text().splitlines()[0] == f"AMI_ID={baked['ami_id']}"


@pytest.mark.long
@pytest.mark.parametrize("isolation", ["user-namespaces", "plain"])
def test_the_sample_template_bakes_and_serves_with_weaker_isolation(
    tmp_path: Path, isolation: str
) -> None:
    with running_cloud.a_cloud(tmp_path / "cloud", isolation=isolation) as cloud:
        result = new_project(tmp_path / "project", cloud).bake("1.0.0")
        assert result.code == 0, result.err
        address = cloud.launch(ImageId=result.document["ami_id"])["PrivateIpAddress"]
        assert eventually(lambda: answer(f"http://{address}:8080/"))["version"] == "1.0.0"


@pytest.mark.long
def test_terraform_finds_the_image_by_the_tfvars_and_refuses_a_deleted_one(
    project: Project, cloud: Cloud
) -> None:
    module = project.folder / "terraform"
    shutil.copytree(REPOSITORY / "terraform/image", module)
    project.edit("pipeline.toml", "[bake]\n", '[bake]\ntfvars = "terraform/ami.auto.tfvars.json"\n')
    baked = project.bake("1.0.0").document

    def terraform(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["terraform", *words, "-input=false", "-no-color"],  # noqa: S607 - as a user's shell finds it
            cwd=module,
            env=cloud.env,
            capture_output=True,
            text=True,
            check=False,
        )

    assert (done := terraform("init")).returncode == 0, done.stderr
    assert (done := terraform("apply", "-auto-approve")).returncode == 0, done.stderr
    assert f'id = "{baked["ami_id"]}"' in done.stdout
    assert 'app_version = "1.0.0"' in done.stdout
    assert "root_encrypted = true" in done.stdout
    cloud.aws("ec2").deregister_image(ImageId=baked["ami_id"])
    assert terraform("plan").returncode == 1


@pytest.mark.long
def test_the_configuration_in_the_guide_bakes_the_sample_application(
    project: Project, cloud: Cloud
) -> None:
    guide = (REPOSITORY / "docs/guide/getting-started.md").read_text()
    example = re.search(r"```toml\n(.*?)```", guide, re.DOTALL)
    assert example
    project.write(example[1])
    (bucket,) = re.findall(r'"s3://([\w-]+)/', example[1])
    cloud.aws("s3").create_bucket(Bucket=bucket)
    result = project.bake("1.4.2")
    assert result.code == 0, result.err
    region = result.document["region"]
    assert region in example[1]
    assert cloud.aws("ec2", region).describe_images(ImageIds=[result.document["ami_id"]])["Images"]
