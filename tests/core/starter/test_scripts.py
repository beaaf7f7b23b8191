from __future__ import annotations

import pytest

from pipeline.core.starter.scripts import PackerBuild, located, packer_builds

RECIPE = """\
#!/bin/sh
# packer build old.json
set -e
packer build -machine-readable -var "version=$1" -var 'size=8' \\
    -var-file=prod.pkrvars.hcl images/app.pkr.hcl | tee build.log | grep 'artifact,0,id' > ami.id
terraform apply -auto-approve
"""


def test_the_usual_script_names_its_template_and_its_literal_variables() -> None:
    assert packer_builds(RECIPE) == (
        PackerBuild(
            template="images/app.pkr.hcl",
            variables={"size": "8"},
            var_files=("prod.pkrvars.hcl",),
        ),
    )


@pytest.mark.parametrize(
    ("line", "template"),
    [
        ("AMI=$(packer build -color=false app.json | grep ami- | cut -d: -f2)", "app.json"),
        ("\tcd packer && packer build . > log", "."),
        ("        run: packer build -var-file prod.hcl app.pkr.hcl", "app.pkr.hcl"),
        ('packer build "app.pkr.hcl" && ./deploy.sh', "app.pkr.hcl"),
        ("packer build app.json;echo done", "app.json"),
    ],
)
def test_a_template_is_found_in_any_form_of_the_command(line: str, template: str) -> None:
    assert [build.template for build in packer_builds(line)] == [template]


@pytest.mark.parametrize(
    "line",
    ['packer build "$@"', "packer build $TEMPLATE", "packer build 'open", "packer validate x"],
)
def test_a_template_that_only_the_shell_knows_is_not_guessed(line: str) -> None:
    assert packer_builds(line) == ()


@pytest.mark.parametrize(
    ("template", "script", "found"),
    [
        ("images/app.pkr.hcl", "deploy.sh", "images/app.pkr.hcl"),
        ("./images/app.pkr.hcl", "bin/deploy.sh", "images/app.pkr.hcl"),
        ("../images/app.pkr.hcl", "bin/deploy.sh", "images/app.pkr.hcl"),
        ("app.pkr.hcl", "Makefile", "images/app.pkr.hcl"),
        ("base.json", "deploy.sh", ""),
        (".", "deploy.sh", ""),
        ("other.json", "deploy.sh", ""),
    ],
)
def test_a_script_names_its_template_from_any_folder(
    template: str, script: str, found: str
) -> None:
    templates = ("images/app.pkr.hcl", "a/base.json", "b/base.json")
    assert located(template, script, templates) == found
