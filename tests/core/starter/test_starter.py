from __future__ import annotations

import pytest

from pipeline.core.starter.answers import (
    Answers,
    Build,
    app_of_folder,
    check_installed,
    region_of,
    run_of,
)
from pipeline.core.starter.ci_files import adapted
from pipeline.core.starter.files import StarterFile, compare, with_ignored
from pipeline.core.starter.rehearsal import configuration, kept_commands


@pytest.mark.parametrize(
    ("folder", "app"),
    [
        ("hello", "hello"),
        ("My_Shop.API", "my-shop-api"),
        ("2024", "web"),
        ("日本", "web"),
        ("", "web"),
    ],
)
def test_the_name_of_the_folder_suggests_the_name_of_the_app(folder: str, app: str) -> None:
    assert app_of_folder(folder) == app


def test_the_region_is_that_of_the_environment() -> None:
    assert region_of({"AWS_REGION": "eu-west-1", "AWS_DEFAULT_REGION": "x"}) == "eu-west-1"
    assert region_of({"AWS_DEFAULT_REGION": "eu-west-3"}) == "eu-west-3"
    assert region_of({}) == "us-east-1"


def test_a_program_is_its_own_command_and_a_folder_has_none() -> None:
    assert run_of("web", ["bin/server"], is_file=True) == "/opt/web/server"
    assert run_of("web", ["dist"], is_file=False) == ""
    assert run_of("web", ["a.js", "b.js"], is_file=True) == ""
    assert run_of("web", [], is_file=False) == "/usr/bin/env python3 /opt/web/server.py"


def test_what_is_installed_is_a_file_or_a_folder_below_this_one() -> None:
    assert check_installed("build/dist/") == "build/dist"
    for path in (".", "./", "..", "../lib", "/etc", "a b", "src/unit"):
        with pytest.raises(ValueError, match=r"folder|path"):
            check_installed(path)


def test_a_file_is_new_or_the_same_or_different() -> None:
    files = [StarterFile(path=name, text="a\nb\n") for name in ("new", "same", "other")]
    compared = compare(files, {"same": "a\nb\n", "other": "a\nc\n"})
    assert [file.path for file in compared.new] == ["new"]
    assert [file.path for file in compared.same] == ["same"]
    assert compared.differences == ("--- other\n+++ other of init\n@@ -1,2 +1,2 @@\n a\n-c\n+b",)


def test_only_the_missing_lines_are_added_to_gitignore() -> None:
    assert with_ignored("", ["a/", "b"]) == "# made by ami-pipeline, Packer and Terraform\na/\nb\n"
    assert with_ignored("/a\nx", ["a/", "b"]) == (
        "/a\nx\n\n# made by ami-pipeline, Packer and Terraform\nb\n"
    )
    assert with_ignored("a\nb\n", ["a/", "b"]) == "a\nb\n"


def test_a_rehearsal_that_is_kept_names_its_own_configuration() -> None:
    assert kept_commands()[1:] == (
        'eval "$(ami-pipeline local-cloud env)"',
        "ami-pipeline --config pipeline.rehearsal.toml status",
        "ami-pipeline local-cloud down",
    )


def test_a_rehearsal_keeps_what_is_baked_and_leaves_out_where_it_runs() -> None:
    document = {
        "app": "web",
        "region": "eu-west-1",
        "bake": {"template": "t", "vars": {"port": 80}, "tfvars": "x", "regions": ["us-east-1"]},
        "terraform": {"program": "tofu", "backend": {"bucket": "b"}},
        "state": {"url": "s3://b/p"},
        "environments": {"production": {"account": "123456789012"}},
    }
    assert configuration(document) == {
        "app": "web",
        "region": "eu-west-1",
        "bake": {
            "template": "t",
            "vars": {"port": 80},
            "tfvars": ".ami-pipeline/rehearsal/ami.auto.tfvars.json",
        },
        "terraform": {"program": "tofu"},
        "state": {"url": ".ami-pipeline/rehearsal/state"},
    }


@pytest.mark.parametrize(
    ("template", "line"),
    [
        ("", "      - run: packer init packer/init # the plugins\n"),
        ("images/app.pkr.hcl", "      - run: packer init images/app.pkr.hcl # the plugins\n"),
        ("app.json", ""),
    ],
)
def test_ci_installs_the_plugins_of_the_template(template: str, line: str) -> None:
    answers = Answers(
        app="shop", region="eu-west-1", environment="live", build=Build(template=template)
    )
    text = "      - run: packer init packer/init # the plugins\n      - name: bake\n"
    assert adapted(text, answers) == f"{line}      - name: bake\n"
